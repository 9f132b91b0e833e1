//! Trades that are not made in a book: taken back, corrected, or agreed outside.

use crate::command::CommandKey;
use crate::types::{
    AccountNumber, InstrumentNumber, PriceTicks, QuantityLots, TimestampNs, TradeKind,
};

/// What one side of a trade paid and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeSide {
    /// Account.
    pub account: AccountNumber,
    /// Fee in minor units of the quote asset; negative for a rebate.
    pub fee_minor: i64,
    /// What a forward keeps as deposit for it, in minor units of the quote asset.
    pub deposit_minor: i64,
}

/// A trade as it was, and as it is to be.
///
/// The engine keeps no trades, so the command says all about one; whoever replays the journal has
/// seen the trade and can hold the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeChange {
    /// Trade.
    pub trade_id: u64,
    /// Instrument.
    pub instrument: InstrumentNumber,
    /// How it came about.
    pub kind: TradeKind,
    /// When it happened.
    pub traded_at: TimestampNs,
    /// Price that it was made at.
    pub price: PriceTicks,
    /// Lots that were traded.
    pub quantity: QuantityLots,
    /// Who bought.
    pub buyer: TradeSide,
    /// Who sold.
    pub seller: TradeSide,
    /// Price from now on.
    pub new_price: PriceTicks,
    /// Lots from now on; 0 takes the trade back.
    pub new_quantity: QuantityLots,
}

impl TradeChange {
    /// Tells whether nothing is left of the trade.
    #[must_use]
    pub const fn is_bust(&self) -> bool {
        self.new_quantity.0 == 0
    }

    /// Returns a fee after the change: in proportion to the value, rounded half away from zero.
    #[must_use]
    pub fn new_fee(&self, fee_minor: i64) -> i64 {
        let value = |price: PriceTicks, lots: QuantityLots| {
            i128::from(price.0).saturating_mul(i128::from(lots.0))
        };
        let before = value(self.price, self.quantity).max(1);
        let product =
            i128::from(fee_minor).saturating_mul(value(self.new_price, self.new_quantity));
        let half = before.checked_div(2).unwrap_or(0);
        let rounded = product.abs().saturating_add(half).checked_div(before).unwrap_or(0);
        i64::try_from(rounded.saturating_mul(product.signum())).unwrap_or(i64::MAX)
    }
}

/// A trade that two accounts agreed outside the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockTrade {
    /// Instrument.
    pub instrument: InstrumentNumber,
    /// Price.
    pub price: PriceTicks,
    /// Lots.
    pub quantity: QuantityLots,
    /// Who buys.
    pub buyer: AccountNumber,
    /// Who sells.
    pub seller: AccountNumber,
    /// Key that makes a repeat recognisable.
    pub key: CommandKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_fee_goes_with_the_value() {
        let side = TradeSide { account: AccountNumber(1), fee_minor: 13_748, deposit_minor: 0 };
        let mut change = TradeChange {
            trade_id: 1,
            instrument: InstrumentNumber(1),
            kind: TradeKind::Normal,
            traded_at: TimestampNs(0),
            price: PriceTicks(1_833),
            quantity: QuantityLots(12),
            buyer: side,
            seller: side,
            new_price: PriceTicks(1_833),
            new_quantity: QuantityLots(6),
        };
        assert_eq!(change.new_fee(13_748), 6_874);
        assert_eq!(change.new_fee(-13_749), -6_875);
        change.new_quantity = QuantityLots(0);
        assert_eq!(change.new_fee(13_748), 0);
    }
}
