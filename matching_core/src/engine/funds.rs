//! What an order costs: value, fee, deposit, and what is set aside for it.
//!
//! Fees are charged on the running sum of an order's fills in one role, rounded half up to the
//! minor unit, so an order filled in many parts pays what it would have paid for one.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "`InstrumentSpec::check` keeps the value of an order below 2^60"
)]

use crate::instrument::InstrumentSpec;
use crate::types::{AssetNumber, InstrumentKind, InstrumentNumber, PriceTicks, Side};

/// The numbers of an instrument that money depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) instrument: InstrumentNumber,
    pub(crate) is_forward: bool,
    pub(crate) base: AssetNumber,
    pub(crate) quote: AssetNumber,
    pub(crate) tick_value: i64,
    pub(crate) lot_size: i64,
    pub(crate) price_max: PriceTicks,
    pub(crate) maker_rate: i32,
    pub(crate) taker_rate: i32,
    pub(crate) deposit_bps: u32,
}

impl Terms {
    pub(crate) const fn of(spec: &InstrumentSpec) -> Self {
        Self {
            instrument: spec.number,
            is_forward: matches!(spec.kind, InstrumentKind::Forward),
            base: spec.base_asset,
            quote: spec.quote_asset,
            tick_value: spec.tick_value_minor,
            lot_size: spec.lot_size_minor,
            price_max: spec.price_max,
            maker_rate: spec.maker_fee_centi_bps,
            taker_rate: spec.taker_fee_centi_bps,
            deposit_bps: spec.deposit_bps,
        }
    }

    /// Returns the asset that an order on a side sets aside.
    pub(crate) const fn held_asset(&self, side: Side) -> AssetNumber {
        match side {
            Side::Sell if !self.is_forward => self.base,
            _ => self.quote,
        }
    }

    /// Returns the value of lots at a price, in minor units of the quote asset.
    pub(crate) fn value(&self, price: PriceTicks, lots: u32) -> i64 {
        price.0 * i64::from(lots) * self.tick_value
    }

    /// Returns the fee of an order whose fills as incoming order sum up to `notional_ticks`.
    pub(crate) fn taker_fee(&self, notional_ticks: i64) -> i64 {
        fee(notional_ticks * self.tick_value, self.taker_rate)
    }

    /// Returns the fee of an order whose fills as resting order sum up to `notional_ticks`.
    pub(crate) fn maker_fee(&self, notional_ticks: i64) -> i64 {
        fee(notional_ticks * self.tick_value, self.maker_rate)
    }

    /// Returns the deposit on lots of a forward, each lot rounded up so that lots add up.
    pub(crate) fn deposit(&self, price: PriceTicks, lots: u32) -> i64 {
        let lot = i128::from(price.0 * self.tick_value) * i128::from(self.deposit_bps);
        let lot = lot.div_euclid(10_000) + i128::from(lot.rem_euclid(10_000) > 0);
        i64::try_from(lot).unwrap_or(i64::MAX) * i64::from(lots)
    }

    /// Returns what is set aside for `lots` open at a limit, after fills of `taken_ticks` as
    /// incoming order: all that they can cost, the fee of an incoming order included.
    pub(crate) fn hold(&self, side: Side, price: PriceTicks, lots: u32, taken_ticks: i64) -> i64 {
        if side == Side::Sell && !self.is_forward {
            return i64::from(lots) * self.lot_size;
        }
        let open_ticks = price.0 * i64::from(lots);
        let fee = self.taker_fee(taken_ticks + open_ticks) - self.taker_fee(taken_ticks);
        if self.is_forward {
            return self.deposit(price, lots) + fee;
        }
        open_ticks * self.tick_value + fee
    }

    /// Returns what an account needs free to enter an order: its hold, and for the seller of a
    /// forward the fee at the highest price, because no proceeds pay it.
    pub(crate) fn entry(&self, side: Side, price: PriceTicks, lots: u32, taken_ticks: i64) -> i64 {
        if side == Side::Sell && self.is_forward {
            let open_ticks = self.price_max.0 * i64::from(lots);
            let fee = self.taker_fee(taken_ticks + open_ticks) - self.taker_fee(taken_ticks);
            return self.deposit(price, lots) + fee;
        }
        self.hold(side, price, lots, taken_ticks)
    }
}

/// Returns `value` times `rate` hundredths of a basis point, rounded half away from zero.
pub(crate) fn fee(value: i64, rate: i32) -> i64 {
    const WHOLE: i64 = 1_000_000;
    const HALF: i64 = WHOLE / 2;
    if value < 1 << 45 {
        let product = value * i64::from(rate);
        return (product + if product < 0 { -HALF } else { HALF }) / WHOLE;
    }
    let product = i128::from(value) * i128::from(rate);
    let half = if product < 0 { -HALF } else { HALF };
    i64::try_from((product + i128::from(half)) / i128::from(WHOLE)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TRD-024.
    #[test]
    fn test_fee_rounds_half_up_as_published() {
        // 12 lots of 100 bu at 4.5825: 5,499.0000; taker 2.5 bps 1.3748, maker 0.5 bps 0.2750.
        assert_eq!(fee(54_990_000, 250), 13_748);
        assert_eq!(fee(54_990_000, 50), 2_750);
        assert_eq!(fee(54_990_000, -50), -2_750);
        // Above 2^45 the product needs 128 bits: a tenth of 2^59, rounded up.
        assert_eq!(fee(1 << 59, 100_000), 57_646_075_230_342_349);
    }
}
