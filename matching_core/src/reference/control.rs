//! Commands of the exchange itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Open, Reference};
use crate::command::Command;
use crate::error::{Reason, Refusal};
use crate::event::Outcome;
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::types::{
    CancelReason, InstrumentNumber, OWN_OWNER, OrderId, OrderStatus, OwnerNumber, Phase,
    PriceTicks, Side,
};

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
            Command::UpdateInstrument(spec) => {
                let listed = self.specs.iter().find(|known| known.symbol == spec.symbol);
                let number = listed.map_or(InstrumentNumber(0), |listed| listed.number);
                self.replace_rules(number, spec);
                number.0
            }
            Command::SetPriceLimits { instrument, low, high } => {
                self.move_limits(*instrument, *low, *high);
                instrument.0
            }
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
        if phase == Phase::Expired {
            let all: Vec<_> = self.in_book_order_of(number).iter().map(|open| open.id).collect();
            self.cancel_all(&all, CancelReason::InstrumentExpired);
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
        if self.open.iter().any(|open| open.order.instrument == number) {
            self.replace_rules(number, spec);
            self.move_limits(number, spec.limit_low, spec.limit_high);
            if spec.phase != before.phase {
                self.set_phase(number, spec.phase);
            }
            return number.0;
        }
        self.specs[index] = InstrumentSpec { number, ..spec.clone() };
        self.timed.remove(&number);
        for side in [Side::Buy, Side::Sell] {
            self.tops.remove(&(number, side));
        }
        if !before.same_grid(spec) {
            self.last.remove(&number);
        }
        number.0
    }

    /// Replaces rules but for phase and prices of the day.
    fn replace_rules(&mut self, number: InstrumentNumber, spec: &InstrumentSpec) {
        let listed = &mut self.specs[number.0 as usize - 1];
        let (phase, low, high) = (listed.phase, listed.limit_low, listed.limit_high);
        *listed = InstrumentSpec { number, ..spec.clone() };
        (listed.phase, listed.limit_low, listed.limit_high) = (phase, low, high);
    }

    /// Moves the prices of the day. What may trade again and would at once enters anew, by age.
    fn move_limits(&mut self, number: InstrumentNumber, low: PriceTicks, high: PriceTicks) {
        let here = |open: &&Open| open.order.instrument == number && open.waits_since.is_none();
        let outside = |all: &Self| -> BTreeSet<OrderId> {
            let outside = all.open.iter().filter(here).filter(|open| !all.may_trade(open));
            outside.map(|open| open.id).collect()
        };
        let before = outside(self);
        let listed = &mut self.specs[number.0 as usize - 1];
        (listed.limit_low, listed.limit_high) = (low, high);
        let after = outside(self);
        // IDs rise with age.
        for id in before.difference(&after) {
            let Some(at) = self.open.iter().position(|open| open.id == *id) else { continue };
            if self.opposite(&self.open[at]).is_empty() {
                continue;
            }
            if self.open[at].order.post_only && self.spec(number).phase == Phase::Open {
                self.cancel(*id, CancelReason::Admin);
                continue;
            }
            let mut open = self.open.remove(at);
            self.forget_top(&open);
            open.version += 1;
            self.work(open, true);
        }
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
