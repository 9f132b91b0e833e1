//! Commands as journal records.
//!
//! The form is Farmgate's own and versioned with the journal: it depends on neither the API's
//! messages nor the parsing of decimals, so the past stays readable when either changes. Integers
//! are little-endian; a record is its length (`u32`) and that many bytes, of which the first says
//! what kind of command follows. Decoding is strict: what does not encode back to the same bytes
//! is an error.

mod decode;

use crate::command::{Command, CommandKey, NewOrder};
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::trade_change::{BlockTrade, TradeChange};
use crate::types::{Allocation, PriceTicks, QuantityLots, SelfTradePrevention, Side, TimestampNs};

pub use self::decode::{Records, decode};

/// Longest asset code, in bytes.
pub const ASSET_CODE_BYTES_MAX: usize = 48;
/// Longest record, in bytes; room for every command with every text at its longest.
pub const RECORD_BYTES_MAX: usize = 512;

const NONE_U32: u32 = u32::MAX;

const NEW_ORDER: u8 = 1;
const CANCEL_ORDER: u8 = 2;
const AMEND_ORDER: u8 = 3;
const MASS_CANCEL: u8 = 4;
const OPEN_ACCOUNT: u8 = 5;
const SET_SWITCH: u8 = 6;
const REGISTER_ASSET: u8 = 7;
const TRANSFER: u8 = 8;
const DEFINE_INSTRUMENT: u8 = 9;
const SET_PHASE: u8 = 10;
const ADVANCE_TIME: u8 = 11;
/// An instrument with its band and its way to share; without them it is [`DEFINE_INSTRUMENT`].
const DEFINE_INSTRUMENT_2: u8 = 12;
const SET_RISK_LIMITS: u8 = 13;
const CHANGE_TRADE: u8 = 14;
const BLOCK_TRADE: u8 = 15;
const SET_PRICE_LIMITS: u8 = 16;
/// Before the record of the instrument as [`DEFINE_INSTRUMENT`] writes it.
const UPDATE_INSTRUMENT: u8 = 17;
/// An instrument with a limit of positions, after the record that it is without.
const DEFINE_INSTRUMENT_3: u8 = 18;

const POST_ONLY: u8 = 1;
const REDUCE_ONLY: u8 = 2;
/// Stop price, displayed and minimum quantity and expiry follow; most orders have none of them.
const EXTRAS: u8 = 4;
const KEYED: u8 = 8;

/// A record that is not one this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError;

impl core::fmt::Display for RecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a record is not one that this version writes")
    }
}

impl std::error::Error for RecordError {}

/// Appends the record of a command.
pub fn encode(command: &Command, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    encode_body(command, out);
    let length = out.len().saturating_sub(start).saturating_sub(4);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(prefix) = out.get_mut(start..).and_then(|tail| tail.get_mut(..4)) {
        prefix.copy_from_slice(&length.to_le_bytes());
    }
}

fn encode_body(command: &Command, out: &mut Vec<u8>) {
    match command {
        Command::NewOrder(order) => encode_new_order(order, out),
        Command::CancelOrder { account, order_id, reason, key } => {
            out.extend_from_slice(&[CANCEL_ORDER, reason.number()]);
            put_u32(out, account.map_or(NONE_U32, |account| account.0));
            put_u64(out, order_id.0);
            put_key(out, *key);
        }
        Command::AmendOrder { account, order_id, price, quantity, expected_version, key } => {
            out.extend_from_slice(&[
                AMEND_ORDER,
                u8::from(price.is_some()) | u8::from(quantity.is_some()) << 1,
            ]);
            put_u32(out, account.0);
            put_u64(out, order_id.0);
            put_i64(out, price.unwrap_or_default().0);
            put_u32(out, quantity.unwrap_or_default().0);
            put_u32(out, *expected_version);
            put_key(out, *key);
        }
        Command::MassCancel { account, instrument, side, reason } => {
            out.extend_from_slice(&[MASS_CANCEL, reason.number(), side.map_or(0, Side::number)]);
            put_u32(out, account.map_or(NONE_U32, |account| account.0));
            put_u32(out, instrument.map_or(NONE_U32, |instrument| instrument.0));
        }
        Command::OpenAccount { id, owner, self_trade_prevention, max_open_orders } => {
            out.extend_from_slice(&[OPEN_ACCOUNT, self_trade_prevention.number()]);
            out.extend_from_slice(id);
            put_u32(out, owner.0);
            put_u32(out, *max_open_orders);
        }
        Command::SetSwitch { .. } | Command::SetRiskLimits { .. } => encode_risk(command, out),
        Command::RegisterAsset { code } => {
            out.push(REGISTER_ASSET);
            put_text(out, code);
        }
        Command::Transfer { account, asset, amount, key } => {
            out.push(TRANSFER);
            put_u32(out, account.0);
            put_u32(out, asset.0);
            put_i64(out, *amount);
            put_key(out, *key);
        }
        Command::DefineInstrument(_)
        | Command::UpdateInstrument(_)
        | Command::SetPriceLimits { .. }
        | Command::SetPhase { .. } => encode_listing(command, out),
        Command::ChangeTrade(change) => encode_change(change, out),
        Command::BlockTrade(block) => encode_block(block, out),
        Command::AdvanceTime => out.push(ADVANCE_TIME),
    }
}

/// Appends what is said of an instrument.
fn encode_listing(command: &Command, out: &mut Vec<u8>) {
    match command {
        Command::DefineInstrument(spec) => encode_instrument(spec, out),
        Command::UpdateInstrument(spec) => {
            out.push(UPDATE_INSTRUMENT);
            encode_instrument(spec, out);
        }
        Command::SetPriceLimits { instrument, low, high } => {
            out.push(SET_PRICE_LIMITS);
            put_u32(out, instrument.0);
            put_i64(out, low.0);
            put_i64(out, high.0);
        }
        Command::SetPhase { instrument, phase } => {
            out.extend_from_slice(&[SET_PHASE, phase.number()]);
            put_u32(out, instrument.0);
        }
        _ => {}
    }
}

fn encode_change(change: &TradeChange, out: &mut Vec<u8>) {
    out.extend_from_slice(&[CHANGE_TRADE, change.kind.number()]);
    put_u64(out, change.trade_id);
    put_u32(out, change.instrument.0);
    put_u64(out, change.traded_at.0);
    for (price, lots) in [(change.price, change.quantity), (change.new_price, change.new_quantity)]
    {
        put_i64(out, price.0);
        put_u32(out, lots.0);
    }
    for side in [&change.buyer, &change.seller] {
        put_u32(out, side.account.0);
        put_i64(out, side.fee_minor);
        put_i64(out, side.deposit_minor);
    }
}

fn encode_block(block: &BlockTrade, out: &mut Vec<u8>) {
    out.push(BLOCK_TRADE);
    put_u32(out, block.instrument.0);
    put_i64(out, block.price.0);
    for number in [block.quantity.0, block.buyer.0, block.seller.0] {
        put_u32(out, number);
    }
    put_key(out, block.key);
}

fn encode_risk(command: &Command, out: &mut Vec<u8>) {
    match command {
        Command::SetSwitch { account, switch, is_on } => {
            // The first switch was once the only one: its records say just on or off.
            let switch = switch.number().saturating_sub(1) << 1;
            out.extend_from_slice(&[SET_SWITCH, switch | u8::from(*is_on)]);
            put_u32(out, account.0);
        }
        Command::SetRiskLimits { account, limits, max_open_orders } => {
            out.push(SET_RISK_LIMITS);
            put_u32(out, account.0);
            put_u32(out, *max_open_orders);
            put_risk_limits(out, limits);
        }
        _ => {}
    }
}

/// Appends limits as records and snapshots hold them.
pub(crate) fn put_risk_limits(out: &mut Vec<u8>, limits: &RiskLimits) {
    put_u32(out, limits.max_order_lots);
    put_i64(out, limits.max_order_notional_minor);
    put_i64(out, limits.max_daily_notional_minor);
    put_i64(out, limits.max_position_lots);
}

fn has_extras(order: &NewOrder) -> bool {
    order.stop_price != PriceTicks(0)
        || order.display != QuantityLots(0)
        || order.min_quantity != QuantityLots(0)
        || order.expire_time != TimestampNs(0)
}

/// Tells whether an instrument has neither a band nor another way to share than by time.
fn is_plain(spec: &InstrumentSpec) -> bool {
    spec.band_ticks == 0
        && spec.volatility_auction_ns == 0
        && spec.allocation == Allocation::Fifo
        && spec.fifo_percent == 0
        && spec.share_min_lots == 0
}

fn encode_new_order(order: &NewOrder, out: &mut Vec<u8>) {
    let extras = has_extras(order);
    let keyed = order.key != CommandKey::default();
    let mut flags = 0;
    for (set, bit) in [
        (order.post_only, POST_ONLY),
        (order.reduce_only, REDUCE_ONLY),
        (extras, EXTRAS),
        (keyed, KEYED),
    ] {
        if set {
            flags |= bit;
        }
    }
    let id = order.client_order_id.as_bytes();
    out.extend_from_slice(&[
        NEW_ORDER,
        flags,
        order.side.number(),
        order.order_type.number(),
        order.time_in_force.number(),
        order.self_trade_prevention.map_or(0, SelfTradePrevention::number),
        u8::try_from(id.len()).unwrap_or(0),
    ]);
    put_u32(out, order.account.0);
    put_u32(out, order.instrument.0);
    put_i64(out, order.price.0);
    put_u32(out, order.quantity.0);
    if extras {
        put_i64(out, order.stop_price.0);
        put_u32(out, order.display.0);
        put_u32(out, order.min_quantity.0);
        put_u64(out, order.expire_time.0);
    }
    if keyed {
        put_key(out, order.key);
    }
    out.extend_from_slice(id);
}

fn encode_instrument(spec: &InstrumentSpec, out: &mut Vec<u8>) {
    let is_limited = spec.position_limit_lots != 0;
    if is_limited {
        out.push(DEFINE_INSTRUMENT_3);
    }
    encode_unlimited(spec, out);
    if is_limited {
        put_i64(out, spec.position_limit_lots);
    }
}

fn encode_unlimited(spec: &InstrumentSpec, out: &mut Vec<u8>) {
    let plain = is_plain(spec);
    let code = if plain { DEFINE_INSTRUMENT } else { DEFINE_INSTRUMENT_2 };
    out.extend_from_slice(&[code, spec.kind.number(), spec.phase.number()]);
    for number in [spec.number.0, spec.base_asset.0, spec.quote_asset.0, spec.deposit_bps] {
        put_u32(out, number);
    }
    put_u32(out, spec.min_lots.0);
    put_u32(out, spec.max_lots.0);
    for number in [
        spec.tick_size_micro,
        spec.tick_value_minor,
        spec.lot_size_minor,
        spec.price_min.0,
        spec.price_max.0,
        spec.limit_low.0,
        spec.limit_high.0,
        spec.protection_ticks,
        spec.max_notional_minor,
        i64::from(spec.maker_fee_centi_bps),
        i64::from(spec.taker_fee_centi_bps),
    ] {
        put_i64(out, number);
    }
    put_text(out, &spec.symbol);
    if !plain {
        put_i64(out, spec.band_ticks);
        put_u64(out, spec.volatility_auction_ns);
        out.extend_from_slice(&[spec.allocation.number(), spec.fifo_percent, spec.share_min_lots]);
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_key(out: &mut Vec<u8>, key: CommandKey) {
    out.extend_from_slice(&key.0.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(0));
    out.extend_from_slice(text.as_bytes());
}
