//! Market data as bytes of the API's messages.

use super::market::SNAPSHOT_LEVELS;
use crate::engine::Engine;
use crate::event::Trade;
use crate::types::{InstrumentNumber, PriceTicks, Side, TimestampNs};
use crate::wire::decimal;
use crate::wire::put;
use crate::wire::replies;

pub(super) fn public_trade(out: &mut Vec<u8>, trade: &Trade, time: TimestampNs, engine: &Engine) {
    let spec = engine.instrument(trade.instrument);
    put::message(out, 5, |out| {
        put::uint(out, 1, trade.trade_id);
        replies::put_price(out, 2, trade.price, spec);
        put::uint(out, 3, trade.quantity.0.into());
        put::uint(out, 4, trade.aggressor.number().into());
        put::timestamp(out, 5, time.0);
    });
}

pub(super) fn book_change(
    out: &mut Vec<u8>,
    touched: &[(Side, PriceTicks)],
    engine: &Engine,
    instrument: InstrumentNumber,
) {
    let Some(spec) = engine.instrument(instrument) else { return };
    for &(side, price) in touched {
        let (lots, orders) = engine.level(instrument, side, price);
        replies::level(out, if side == Side::Buy { 2 } else { 3 }, price, lots, orders, spec);
    }
    put::uint(out, 4, replies::checksum(engine, instrument).into());
}

pub(super) fn book_snapshot(out: &mut Vec<u8>, engine: &Engine, instrument: InstrumentNumber) {
    let Some(spec) = engine.instrument(instrument) else { return };
    put::uint(out, 1, 1);
    for (side, field) in [(Side::Buy, 2), (Side::Sell, 3)] {
        for (price, lots, orders) in engine.depth(instrument, side, SNAPSHOT_LEVELS) {
            replies::level(out, field, price, lots, orders, spec);
        }
    }
    put::uint(out, 4, replies::checksum(engine, instrument).into());
}

pub(super) fn price_update(out: &mut Vec<u8>, engine: &Engine, instrument: InstrumentNumber) {
    let spec = engine.instrument(instrument);
    let day = engine.day_figures(instrument);
    if let Some(last) = engine.last_trade_price(instrument) {
        replies::put_price(out, 1, last, spec);
        put::uint(out, 2, day.last_lots.into());
    }
    for (side, field) in [(Side::Buy, 3), (Side::Sell, 5)] {
        if let Some((price, lots, _)) = engine.depth(instrument, side, 1).next() {
            replies::put_price(out, field, price, spec);
            put::uint(out, if field == 3 { 4 } else { 6 }, lots);
        }
    }
}

/// Writes what the auction under way would give; nothing while nothing would trade.
pub(super) fn indication(out: &mut Vec<u8>, engine: &Engine, instrument: InstrumentNumber) {
    let Some(found) = engine.indication(instrument) else { return };
    replies::put_price(out, 1, found.price, engine.instrument(instrument));
    put::uint(out, 2, found.lots);
    if found.surplus != 0 {
        let side = if found.surplus > 0 { Side::Buy } else { Side::Sell };
        put::uint(out, 3, side.number().into());
        put::uint(out, 4, found.surplus.unsigned_abs());
    }
}

/// Writes the fields of a `MarketSummary`.
pub(crate) fn summary(out: &mut Vec<u8>, engine: &Engine, instrument: InstrumentNumber) {
    let Some(spec) = engine.instrument(instrument) else { return };
    let day = engine.day_figures(instrument);
    for (field, price) in [(1, day.open), (2, day.high), (3, day.low), (4, day.last)] {
        replies::put_price(out, field, price, Some(spec));
    }
    put::uint(out, 5, day.volume_lots);
    let notional = day.notional_ticks.saturating_mul(spec.tick_value_minor.into());
    put::bytes(out, 6, decimal::format(notional, 4, 4).as_bytes());
    put::uint(out, 7, day.trade_count);
    if day.previous_close.0 > 0 && day.last.0 > 0 {
        let change = day.last.0.saturating_sub(day.previous_close.0);
        put::bytes(out, 8, decimal::price(change, spec.tick_size_micro).as_bytes());
        let hundredths = i128::from(change)
            .saturating_mul(10_000)
            .div_euclid(i128::from(day.previous_close.0).max(1));
        put::bytes(out, 9, decimal::format(hundredths, 2, 2).as_bytes());
    }
}
