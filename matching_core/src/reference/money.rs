//! What orders cost, from the definitions, in 128 bits.

use super::Open;
use crate::instrument::InstrumentSpec;
use crate::types::{AssetNumber, InstrumentKind, PriceTicks, Side};

fn is_forward(spec: &InstrumentSpec) -> bool {
    spec.kind == InstrumentKind::Forward
}

/// Value of lots at a price.
pub(super) fn value(spec: &InstrumentSpec, price: PriceTicks, lots: u32) -> i128 {
    i128::from(price.0) * i128::from(lots) * i128::from(spec.tick_value_minor)
}

/// A share in hundredths of a basis point, half away from zero.
fn fee(value: i128, rate: i32) -> i128 {
    let doubled = value * i128::from(rate) * 2;
    let sign = if doubled < 0 { -1 } else { 1 };
    (doubled + sign * 1_000_000) / 2_000_000
}

fn fee_on(spec: &InstrumentSpec, ticks: i128, rate: i32) -> i128 {
    fee(ticks * i128::from(spec.tick_value_minor), rate)
}

/// What both sides of a forward deposit, each lot rounded up.
pub(super) fn deposit(spec: &InstrumentSpec, price: PriceTicks, lots: u32) -> i128 {
    let share = value(spec, price, 1) * i128::from(spec.deposit_bps);
    (share + 9_999) / 10_000 * i128::from(lots)
}

/// What a trade of a forward keeps as deposit of one side; nothing otherwise.
pub(super) fn kept(spec: &InstrumentSpec, limit: PriceTicks, lots: u32) -> i128 {
    if is_forward(spec) { deposit(spec, limit, lots) } else { 0 }
}

/// What each side of a trade outside the book pays.
pub(super) fn block_fee(spec: &InstrumentSpec, price: PriceTicks, lots: u32) -> i128 {
    let ticks = i128::from(price.0) * i128::from(lots);
    fee_on(spec, ticks, spec.taker_fee_centi_bps).min(value(spec, price, lots))
}

/// What an order sets aside.
pub(super) fn held_asset(spec: &InstrumentSpec, side: Side) -> AssetNumber {
    if side == Side::Sell && !is_forward(spec) { spec.base_asset } else { spec.quote_asset }
}

fn set_aside(spec: &InstrumentSpec, open: &Open, fee_price: PriceTicks) -> i128 {
    let (price, lots) = (open.order.price, open.remaining);
    if open.order.side == Side::Sell && !is_forward(spec) {
        return i128::from(lots) * i128::from(spec.lot_size_minor);
    }
    let open_ticks = i128::from(fee_price.0) * i128::from(lots);
    let rate = spec.taker_fee_centi_bps;
    let fees =
        fee_on(spec, open.taken_ticks + open_ticks, rate) - fee_on(spec, open.taken_ticks, rate);
    let stake =
        if is_forward(spec) { deposit(spec, price, lots) } else { value(spec, price, lots) };
    stake + fees
}

/// What an open order holds; one that waits for a price holds all that it may need.
pub(super) fn hold(spec: &InstrumentSpec, open: &Open) -> i128 {
    if open.waits_since.is_some() {
        return needed(spec, open);
    }
    set_aside(spec, open, open.order.price)
}

/// What must be free to enter an order.
pub(super) fn needed(spec: &InstrumentSpec, open: &Open) -> i128 {
    let pays_at_any_price = is_forward(spec) && open.order.side == Side::Sell;
    set_aside(spec, open, if pays_at_any_price { spec.price_max } else { open.order.price })
}

/// Fills a resting order and returns its fee.
pub(super) fn make(spec: &InstrumentSpec, open: &mut Open, lots: u32) -> i128 {
    let held = hold(spec, open);
    let price = open.order.price;
    open.made_ticks += i128::from(price.0) * i128::from(lots);
    open.remaining -= lots;
    open.shown -= lots;
    open.filled += lots;
    let released = held - hold(spec, open);
    let most = match (is_forward(spec), open.order.side) {
        (true, _) => released - deposit(spec, price, lots),
        (false, Side::Buy) => released - value(spec, price, lots),
        (false, Side::Sell) => value(spec, price, lots),
    };
    let fee = (fee_on(spec, open.made_ticks, spec.maker_fee_centi_bps) - open.fees[1]).min(most);
    open.fees[1] += fee;
    fee
}

/// Fills an incoming order and returns its fee.
pub(super) fn take(spec: &InstrumentSpec, open: &mut Open, price: PriceTicks, lots: u32) -> i128 {
    open.taken_ticks += i128::from(price.0) * i128::from(lots);
    open.remaining -= lots;
    open.filled += lots;
    let mut fee = fee_on(spec, open.taken_ticks, spec.taker_fee_centi_bps) - open.fees[0];
    if open.order.side == Side::Sell && !is_forward(spec) {
        fee = fee.min(value(spec, price, lots));
    }
    open.fees[0] += fee;
    fee
}

/// Fills an order that gathered for an auction and returns its fee.
pub(super) fn gather(spec: &InstrumentSpec, open: &mut Open, price: PriceTicks, lots: u32) -> i128 {
    let held = hold(spec, open);
    open.taken_ticks += i128::from(price.0) * i128::from(lots);
    open.remaining -= lots;
    open.shown -= lots;
    open.filled += lots;
    let released = held - hold(spec, open);
    let most = match (is_forward(spec), open.order.side) {
        (true, _) => released - deposit(spec, open.order.price, lots),
        (false, Side::Buy) => released - value(spec, price, lots),
        (false, Side::Sell) => value(spec, price, lots),
    };
    let fee = fee_on(spec, open.taken_ticks, spec.taker_fee_centi_bps) - open.fees[0];
    let fee = fee.min(most);
    open.fees[0] += fee;
    fee
}
