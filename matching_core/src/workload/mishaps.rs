//! What seldom happens: halts, limits, cancellations of all, money that comes and goes.

use super::Generator;
use crate::command::{Command, CommandKey};
use crate::risk::RiskLimits;
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, Phase, Side, Switch,
};

impl Generator {
    /// Returns a limit in the upper half of what is given, or mostly none.
    fn seldom(&mut self, most: u64) -> u64 {
        if self.dice.chance(30) { most / 2 + self.dice.below(most / 2) } else { 0 }
    }

    pub(super) fn mishap(&mut self) -> Command {
        let instrument =
            InstrumentNumber(1 + self.dice.below(self.shape.instruments.into()) as u32);
        let account = AccountNumber(1 + self.dice.below(self.shape.accounts.into()) as u32);
        match self.dice.below(16) {
            0 => Command::MassCancel {
                account: self.dice.chance(90).then_some(account),
                instrument: self.dice.chance(50).then_some(instrument),
                side: Side::from_number(self.dice.below(3)),
                reason: if self.dice.chance(20) {
                    CancelReason::Disconnect
                } else {
                    CancelReason::User
                },
            },
            1 => Command::AdvanceTime,
            2..=5 => Command::SetPhase {
                instrument,
                phase: match self.dice.below(20) {
                    0 => Phase::Halted,
                    1 => Phase::PreOpen,
                    2..=5 => Phase::Auction,
                    _ => Phase::Open,
                },
            },
            6 => Command::SetSwitch {
                account,
                switch: Switch::from_number(1 + self.dice.below(4)).unwrap_or(Switch::Killed),
                is_on: self.dice.chance(2),
            },
            8 => Command::SetRiskLimits {
                account,
                max_open_orders: 100 + self.dice.below(100_000) as u32,
                limits: RiskLimits {
                    max_order_lots: self.seldom(40) as u32,
                    max_order_notional_minor: self.seldom(400_000_000).cast_signed(),
                    max_daily_notional_minor: self.seldom(2_000_000_000).cast_signed(),
                    max_position_lots: self.seldom(40).cast_signed(),
                },
            },
            7 => Command::CancelOrder {
                account: Some(account),
                order_id: OrderId(self.dice.below(1 << 30)),
                reason: CancelReason::User,
                key: CommandKey(0),
            },
            _ => Command::Transfer {
                account,
                asset: AssetNumber(1 + self.dice.below(2) as u32),
                amount: self.dice.below(40_000_000).cast_signed() - 20_000_000,
                key: CommandKey(0),
            },
        }
    }
}
