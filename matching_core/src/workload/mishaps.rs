//! What seldom happens: halts, limits, cancellations of all, money that comes and goes.

use super::Generator;
use crate::command::{Command, CommandKey};
use crate::engine::command_key;
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::trade_change::{BlockTrade, TradeChange, TradeSide};
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, Phase, PriceTicks,
    QuantityLots, Side, Switch,
};

impl Generator {
    /// Takes a trade back or corrects it, mostly one that was not yet.
    fn change(&mut self) -> Command {
        let index = self.dice.below(self.traded.len() as u64) as usize;
        let again = self.dice.chance(10);
        let (traded_at, trade) =
            if again { self.traded[index] } else { self.traded.swap_remove(index) };
        let side =
            |account, fee_minor, deposit_minor| TradeSide { account, fee_minor, deposit_minor };
        let made = side(trade.maker_account, trade.maker_fee_minor, trade.maker_deposit_minor);
        let taken = side(trade.taker_account, trade.taker_fee_minor, trade.taker_deposit_minor);
        let buys = trade.aggressor == Side::Buy;
        let (buyer, seller) = if buys { (taken, made) } else { (made, taken) };
        let lots = u64::from(trade.quantity.0);
        let new_quantity = if self.dice.chance(50) { 0 } else { self.dice.below(lots + 2) };
        let new_price = trade.price.0 + self.dice.below(9).cast_signed() - 4;
        Command::ChangeTrade(Box::new(TradeChange {
            trade_id: trade.trade_id,
            instrument: trade.instrument,
            kind: trade.kind,
            traded_at,
            price: trade.price,
            quantity: trade.quantity,
            buyer,
            seller,
            new_price: PriceTicks(new_price),
            new_quantity: QuantityLots(new_quantity as u32),
        }))
    }

    fn block(&mut self, instrument: InstrumentNumber, buyer: AccountNumber) -> Command {
        let seller = AccountNumber(1 + self.dice.below(self.shape.accounts.into()) as u32);
        let key = command_key(buyer, 2, &self.made.to_le_bytes());
        Command::BlockTrade(Box::new(BlockTrade {
            instrument,
            price: PriceTicks(self.price(self.shape.distance)),
            quantity: QuantityLots(1 + self.dice.below(60) as u32),
            buyer,
            seller,
            key,
        }))
    }

    /// Returns a limit in the upper half of what is given, or mostly none.
    fn seldom(&mut self, most: u64) -> u64 {
        if self.dice.chance(30) { most / 2 + self.dice.below(most / 2) } else { 0 }
    }

    /// Returns an instrument with other limits, at times with another fee.
    fn other_rules(&mut self, number: u32) -> InstrumentSpec {
        let spec = self.spec(number);
        // At times so near that orders which rest are left outside.
        let half = (spec.price_max.0 - spec.price_min.0).cast_unsigned() / 2;
        let most = if self.dice.chance(2) { half } else { half / 3 };
        let nearer = [self.dice.below(most), self.dice.below(most)].map(u64::cast_signed);
        let fee = if self.dice.chance(20) { 1 + self.dice.below(2) as i32 } else { 0 };
        InstrumentSpec {
            limit_low: PriceTicks(spec.price_min.0 + nearer[0]),
            limit_high: PriceTicks(spec.price_max.0 - nearer[1]),
            protection_ticks: self.dice.below(6).cast_signed(),
            taker_fee_centi_bps: spec.taker_fee_centi_bps + fee,
            position_limit_lots: if self.dice.chance(4) { 40 } else { 0 },
            phase: if self.dice.chance(80) { Phase::Open } else { Phase::Auction },
            ..spec
        }
    }

    fn rules_change(&mut self, instrument: InstrumentNumber) -> Command {
        let spec = self.other_rules(instrument.0 - 1);
        match self.dice.below(4) {
            0 => Command::DefineInstrument(Box::new(spec)),
            1 => Command::UpdateInstrument(Box::new(spec)),
            _ => Command::SetPriceLimits { instrument, low: spec.limit_low, high: spec.limit_high },
        }
    }

    pub(super) fn mishap(&mut self) -> Command {
        let instrument =
            InstrumentNumber(1 + self.dice.below(self.shape.instruments.into()) as u32);
        let account = AccountNumber(1 + self.dice.below(self.shape.accounts.into()) as u32);
        match self.dice.below(19) {
            16 | 17 if !self.traded.is_empty() => self.change(),
            18 => self.block(instrument, account),
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
                    2 if self.dice.chance(8) => Phase::Expired,
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
            9 => self.rules_change(instrument),
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
