//! Commands of the exchange itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Reference};
use crate::command::Command;
use crate::error::{Reason, Refusal};
use crate::event::Outcome;
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::types::{InstrumentNumber, OWN_OWNER, OrderId, OrderStatus, OwnerNumber, Phase, Side};

impl Reference {
    pub(super) fn control(&mut self, command: &Command) -> Outcome {
        let number = match command {
            Command::RegisterAsset { code } => {
                self.assets.push(code.clone());
                self.assets.len() as u32
            }
            Command::OpenAccount { id, owner, self_trade_prevention, max_open_orders } => {
                let number = self.accounts.len() as u32;
                let owner = if *owner == OWN_OWNER { OwnerNumber(number) } else { *owner };
                self.accounts.push(Account {
                    id: *id,
                    owner,
                    mode: *self_trade_prevention,
                    max_open_orders: *max_open_orders,
                    switches: BTreeSet::new(),
                    limits: RiskLimits::default(),
                    traded: BTreeMap::new(),
                });
                number
            }
            Command::SetSwitch { .. } | Command::SetRiskLimits { .. } => self.set_risk(command),
            Command::Transfer { account, asset, amount, .. } => {
                let available = self.available(*account, *asset);
                if available + i128::from(*amount) < 0 {
                    let values = [-*amount, available as i64, 0];
                    let refusal = Refusal::of_asset(*asset, Reason::InsufficientFunds, values);
                    return self.refused(OrderId(0), 0, refusal);
                }
                self.pay(*account, *asset, (*amount).into());
                account.0
            }
            Command::DefineInstrument(spec) => self.define(spec),
            Command::SetPhase { instrument, phase } => self.set_phase(*instrument, *phase),
            _ => 0,
        };
        Outcome { order_id: OrderId(number.into()), ..self.outcome(OrderStatus::New) }
    }

    fn set_phase(&mut self, number: InstrumentNumber, phase: Phase) -> u32 {
        self.timed.remove(&number);
        self.specs[number.0 as usize - 1].phase = phase;
        if phase == Phase::Open {
            self.uncross(number);
        }
        number.0
    }

    /// Lists an instrument or changes its rules; returns its number.
    fn define(&mut self, spec: &InstrumentSpec) -> u32 {
        let Some(index) = self.specs.iter().position(|known| known.symbol == spec.symbol) else {
            let number = InstrumentNumber(self.specs.len() as u32 + 1);
            self.specs.push(InstrumentSpec { number, ..spec.clone() });
            return number.0;
        };
        let before = self.specs[index].clone();
        let number = before.number;
        self.specs[index] = InstrumentSpec { number, ..spec.clone() };
        if self.open.iter().any(|open| open.order.instrument == number) {
            if spec.phase != before.phase {
                self.set_phase(number, spec.phase);
            }
            return number.0;
        }
        self.timed.remove(&number);
        for side in [Side::Buy, Side::Sell] {
            self.tops.remove(&(number, side));
        }
        if !before.same_grid(spec) {
            self.last.remove(&number);
        }
        number.0
    }

    /// Changes what an account may do; returns its number.
    fn set_risk(&mut self, command: &Command) -> u32 {
        match command {
            Command::SetSwitch { account, switch, is_on } => {
                let switches = &mut self.accounts[account.0 as usize].switches;
                if *is_on {
                    switches.insert(switch.number());
                } else {
                    switches.remove(&switch.number());
                }
                account.0
            }
            Command::SetRiskLimits { account, limits, max_open_orders } => {
                let found = &mut self.accounts[account.0 as usize];
                found.max_open_orders = *max_open_orders;
                found.limits = *limits;
                if *limits == RiskLimits::default() {
                    found.traded.clear();
                }
                account.0
            }
            _ => 0,
        }
    }
}
