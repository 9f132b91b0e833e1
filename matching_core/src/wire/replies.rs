//! From outcomes and states to the bytes of a reply.

use super::{decimal, put};
use crate::command::NewOrder;
use crate::engine::Engine;
use crate::event::{OrderState, Outcome, Trade};
use crate::instrument::InstrumentSpec;
use crate::types::{AccountNumber, CancelReason, PriceTicks, QuantityLots, Side};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Returns the 26 characters of a ULID.
#[must_use]
pub fn ulid(id: &[u8; 16]) -> [u8; 26] {
    let mut value = u128::from_be_bytes(*id);
    let mut text = [0; 26];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(value & 31).unwrap_or(0);
        *place = CROCKFORD.get(digit).copied().unwrap_or(b'0');
        value >>= 5;
    }
    text
}

/// When an order last changed, by the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Sequence.
    pub sequence: u64,
    /// Nanoseconds since 1970.
    pub time_ns: u64,
}

/// Returns the state of a new order after its outcome.
#[must_use]
pub fn entered(order: &NewOrder, outcome: &Outcome, engine: &Engine) -> OrderState {
    let account = engine.account(order.account);
    let mode = order.self_trade_prevention.or(account.map(|view| view.self_trade_prevention));
    let state = OrderState {
        order_id: outcome.order_id,
        account: order.account,
        instrument: order.instrument,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        reduce_only: order.reduce_only,
        self_trade_prevention: mode.unwrap_or(crate::types::SelfTradePrevention::CancelNewest),
        price: order.price,
        stop_price: order.stop_price,
        quantity: order.quantity,
        filled: QuantityLots(0),
        filled_notional_ticks: 0,
        remaining: QuantityLots(0),
        display: order.display,
        min_quantity: order.min_quantity,
        expire_time: order.expire_time,
        status: outcome.status,
        cancel_reason: None,
        refusal: None,
        fees_minor: 0,
        create_time: outcome.time,
        version: outcome.version,
        client_order_id: order.client_order_id,
    };
    after(&state, outcome)
}

/// Returns a state with what an outcome says about it.
#[must_use]
pub fn after(state: &OrderState, outcome: &Outcome) -> OrderState {
    OrderState {
        filled: outcome.filled,
        filled_notional_ticks: outcome.filled_notional_ticks,
        remaining: outcome.remaining,
        fees_minor: outcome.fees_minor,
        status: outcome.status,
        cancel_reason: outcome.cancel_reason,
        refusal: outcome.refusal,
        version: outcome.version,
        ..*state
    }
}

/// Appends an `Order` as a field of a message.
pub fn order(out: &mut Vec<u8>, field: u32, state: &OrderState, change: Change, engine: &Engine) {
    put::message(out, field, |out| {
        let spec = engine.instrument(state.instrument);
        put::uint(out, 1, state.order_id.0);
        put::bytes(out, 2, state.client_order_id.as_bytes());
        if let Some(account) = engine.account(state.account) {
            put::bytes(out, 3, &ulid(&account.id));
        }
        if let Some(spec) = spec {
            put::bytes(out, 4, spec.symbol.as_bytes());
        }
        put::uint(out, 5, state.side.number().into());
        put::uint(out, 6, state.order_type.number().into());
        put::uint(out, 7, state.time_in_force.number().into());
        put_price(out, 8, state.price, spec);
        put_price(out, 9, state.stop_price, spec);
        put::uint(out, 10, state.quantity.0.into());
        put::uint(out, 11, state.filled.0.into());
        put::uint(out, 12, state.remaining.0.into());
        put_average(out, 13, state, spec);
        put::uint(out, 14, state.status.number().into());
        if let Some(refusal) = state.refusal {
            put::bytes(out, 15, reason_name(refusal.reason).as_bytes());
        }
        put::uint(out, 16, state.cancel_reason.map_or(0, CancelReason::number).into());
        put::uint(out, 17, state.post_only.into());
        put::uint(out, 18, state.reduce_only.into());
        put::uint(out, 19, state.display.0.into());
        put::uint(out, 20, state.min_quantity.0.into());
        put::uint(out, 21, state.self_trade_prevention.number().into());
        put::timestamp(out, 22, state.expire_time.0);
        put::uint(out, 23, change.sequence);
        put::timestamp(out, 24, state.create_time.0);
        put::timestamp(out, 25, change.time_ns);
        put::uint(out, 26, state.version.into());
        put::bytes(out, 27, decimal::money(state.fees_minor).as_bytes());
    });
}

/// Returns a reason's public name: `PriceTick` is `PRICE_TICK`.
#[must_use]
pub fn reason_name(reason: crate::error::Reason) -> String {
    let mut name = String::with_capacity(24);
    for (index, letter) in format!("{reason:?}").char_indices() {
        if index > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Appends a price as a decimal; 0 is left out.
pub fn put_price(out: &mut Vec<u8>, field: u32, price: PriceTicks, spec: Option<&InstrumentSpec>) {
    if let (Some(spec), true) = (spec, price.0 != 0) {
        put::bytes(out, field, decimal::price(price.0, spec.tick_size_micro).as_bytes());
    }
}

fn put_average(out: &mut Vec<u8>, field: u32, state: &OrderState, spec: Option<&InstrumentSpec>) {
    let Some(spec) = spec else { return };
    let lots = i128::from(state.filled.0);
    if lots == 0 {
        return;
    }
    let tick = spec.tick_size_micro;
    let total = i128::from(state.filled_notional_ticks).saturating_mul(tick.into());
    let average = total.saturating_mul(2).saturating_add(lots).div_euclid(lots.saturating_mul(2));
    let text = decimal::format(average, decimal::DECIMALS_MAX, decimal::decimals_of(tick));
    put::bytes(out, field, text.as_bytes());
}

/// Appends an `OrderAck` as a field of a message.
pub fn ack(out: &mut Vec<u8>, field: u32, outcome: &Outcome) {
    put::message(out, field, |out| {
        put::uint(out, 1, outcome.order_id.0);
        put::uint(out, 2, outcome.sequence.0);
        put::uint(out, 3, outcome.status.number().into());
        put::uint(out, 4, outcome.filled.0.into());
        put::int(out, 5, outcome.filled_notional_ticks);
        put::uint(out, 6, outcome.remaining.0.into());
        put::uint(out, 7, outcome.refusal.map_or(0, |refusal| refusal.reason as u64));
        put::uint(out, 8, outcome.cancel_reason.map_or(0, CancelReason::number).into());
    });
}

/// Appends a `Trade`, seen from one of its two accounts, as a field of a message.
pub fn trade(
    out: &mut Vec<u8>,
    field: u32,
    trade: &Trade,
    account: AccountNumber,
    is_maker: bool,
    change: Change,
    engine: &Engine,
) {
    let Some(spec) = engine.instrument(trade.instrument) else { return };
    let side = if is_maker { trade.aggressor.opposite() } else { trade.aggressor };
    let value = trade.price.0.saturating_mul(trade.quantity.0.into());
    put::message(out, field, |out| {
        put::uint(out, 1, trade.trade_id);
        put::bytes(out, 2, spec.symbol.as_bytes());
        put::uint(out, 3, side.number().into());
        put_price(out, 4, trade.price, Some(spec));
        put::uint(out, 5, trade.quantity.0.into());
        let notional = decimal::money(value.saturating_mul(spec.tick_value_minor));
        put::bytes(out, 6, notional.as_bytes());
        let fee = if is_maker { trade.maker_fee_minor } else { trade.taker_fee_minor };
        put::bytes(out, 7, decimal::money(fee).as_bytes());
        put::uint(out, 8, is_maker.into());
        let order = if is_maker { trade.maker_order } else { trade.taker_order };
        put::uint(out, 9, order.0);
        put::uint(out, 10, change.sequence);
        put::timestamp(out, 11, change.time_ns);
        if let Some(account) = engine.account(account) {
            put::bytes(out, 12, &ulid(&account.id));
        }
        put::uint(out, 13, trade.kind.number().into());
    });
}

/// Appends a `BookLevel` as a field of a message.
pub fn level(
    out: &mut Vec<u8>,
    field: u32,
    price: PriceTicks,
    lots: u64,
    orders: u32,
    spec: &InstrumentSpec,
) {
    put::message(out, field, |out| level_fields(out, price, lots, orders, spec));
}

/// Writes the fields of a `BookLevel`.
pub fn level_fields(
    out: &mut Vec<u8>,
    price: PriceTicks,
    lots: u64,
    orders: u32,
    spec: &InstrumentSpec,
) {
    put_price(out, 1, price, Some(spec));
    put::uint(out, 2, lots);
    put::uint(out, 3, orders.into());
}

/// Returns the CRC-32 (IEEE) of the ten best prices a side, `bid:quantity:ask:quantity:…`.
#[must_use]
pub fn checksum(engine: &Engine, instrument: crate::types::InstrumentNumber) -> u32 {
    use core::fmt::Write;
    let mut bids = engine.depth(instrument, Side::Buy, 10);
    let mut asks = engine.depth(instrument, Side::Sell, 10);
    let mut text = String::with_capacity(256);
    loop {
        let levels = [bids.next(), asks.next()];
        if levels.iter().all(Option::is_none) {
            break;
        }
        for (price, lots, _) in levels.into_iter().flatten() {
            let separator = if text.is_empty() { "" } else { ":" };
            // Writing to a string can't fail.
            let _ = write!(text, "{separator}{price}:{lots}");
        }
    }
    crc32(text.as_bytes())
}

/// CRC-32 as in IEEE 802.3, bit by bit: the texts are short.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_crc_and_names_are_the_public_ones() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(reason_name(crate::error::Reason::PriceTick), "PRICE_TICK");
        let id = 0x0193_51F1_D4DB_3DC5_D268_BE36_11C4_A80B_u128.to_be_bytes();
        assert_eq!(&ulid(&id), b"01JD8Z3N6V7Q2X4T5Y6R8W9A0B");
    }
}
