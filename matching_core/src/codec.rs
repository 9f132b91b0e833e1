//! Commands as journal records.
//!
//! The form is Farmgate's own and versioned with the journal: it depends on neither the API's
//! messages nor the parsing of decimals, so the past stays readable when either changes. Integers
//! are little-endian; a record is its length (`u32`) and that many bytes, of which the first says
//! what kind of command follows. Decoding is strict: what does not encode back to the same bytes
//! is an error.

use crate::command::{ClientOrderId, Command, CommandKey, NewOrder};
use crate::instrument::{InstrumentSpec, SYMBOL_BYTES_MAX};
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentKind, InstrumentNumber, OrderId, OrderType,
    OwnerNumber, Phase, PriceTicks, QuantityLots, SelfTradePrevention, Side, TimeInForce,
    TimestampNs,
};

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
const RESTRICT_ACCOUNT: u8 = 6;
const REGISTER_ASSET: u8 = 7;
const TRANSFER: u8 = 8;
const DEFINE_INSTRUMENT: u8 = 9;
const SET_PHASE: u8 = 10;
const ADVANCE_TIME: u8 = 11;

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
        Command::RestrictAccount { account, restricted } => {
            out.extend_from_slice(&[RESTRICT_ACCOUNT, u8::from(*restricted)]);
            put_u32(out, account.0);
        }
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
        Command::DefineInstrument(spec) => encode_instrument(spec, out),
        Command::SetPhase { instrument, phase } => {
            out.extend_from_slice(&[SET_PHASE, phase.number()]);
            put_u32(out, instrument.0);
        }
        Command::AdvanceTime => out.push(ADVANCE_TIME),
    }
}

fn encode_new_order(order: &NewOrder, out: &mut Vec<u8>) {
    let extras = order.stop_price != PriceTicks(0)
        || order.display != QuantityLots(0)
        || order.min_quantity != QuantityLots(0)
        || order.expire_time != TimestampNs(0);
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
    out.extend_from_slice(&[DEFINE_INSTRUMENT, spec.kind.number(), spec.phase.number()]);
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

/// Walks the records of a group.
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Returns a walk over the payload of a group.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Command, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut reader = Reader { rest: self.rest };
        let record = reader.u32().and_then(|length| {
            let length = usize::try_from(length).map_err(|_| RecordError)?;
            if length > RECORD_BYTES_MAX { Err(RecordError) } else { reader.take(length) }
        });
        self.rest = reader.rest;
        Some(record.and_then(decode).inspect_err(|_| self.rest = &[]))
    }
}

/// Returns the command of a record, without its length.
///
/// # Errors
/// [`RecordError`] when the bytes are not exactly one command of this version.
pub fn decode(record: &[u8]) -> Result<Command, RecordError> {
    let mut reader = Reader { rest: record };
    let command = decode_body(&mut reader)?;
    if reader.rest.is_empty() { Ok(command) } else { Err(RecordError) }
}

fn decode_body(reader: &mut Reader<'_>) -> Result<Command, RecordError> {
    Ok(match reader.u8()? {
        NEW_ORDER => Command::NewOrder(decode_new_order(reader)?),
        CANCEL_ORDER => {
            let reason = reader.numbered(CancelReason::from_number)?;
            Command::CancelOrder {
                account: reader.optional_u32()?.map(AccountNumber),
                order_id: OrderId(reader.u64()?),
                reason,
                key: reader.key()?,
            }
        }
        AMEND_ORDER => decode_amend(reader)?,
        MASS_CANCEL => {
            let reason = reader.numbered(CancelReason::from_number)?;
            let side = match reader.u8()? {
                0 => None,
                number => Some(Side::from_number(u64::from(number)).ok_or(RecordError)?),
            };
            Command::MassCancel {
                account: reader.optional_u32()?.map(AccountNumber),
                instrument: reader.optional_u32()?.map(InstrumentNumber),
                side,
                reason,
            }
        }
        OPEN_ACCOUNT => {
            let self_trade_prevention = reader.numbered(SelfTradePrevention::from_number)?;
            Command::OpenAccount {
                id: reader.array()?,
                owner: OwnerNumber(reader.u32()?),
                self_trade_prevention,
                max_open_orders: reader.u32()?,
            }
        }
        RESTRICT_ACCOUNT => {
            let restricted = reader.boolean()?;
            Command::RestrictAccount { account: AccountNumber(reader.u32()?), restricted }
        }
        REGISTER_ASSET => Command::RegisterAsset { code: reader.text(ASSET_CODE_BYTES_MAX)? },
        TRANSFER => Command::Transfer {
            account: AccountNumber(reader.u32()?),
            asset: AssetNumber(reader.u32()?),
            amount: reader.i64()?,
            key: reader.key()?,
        },
        DEFINE_INSTRUMENT => Command::DefineInstrument(Box::new(decode_instrument(reader)?)),
        SET_PHASE => {
            let phase = reader.numbered(Phase::from_number)?;
            Command::SetPhase { instrument: InstrumentNumber(reader.u32()?), phase }
        }
        ADVANCE_TIME => Command::AdvanceTime,
        _ => return Err(RecordError),
    })
}

fn decode_new_order(reader: &mut Reader<'_>) -> Result<NewOrder, RecordError> {
    let flags = reader.u8()?;
    if flags & !(POST_ONLY | REDUCE_ONLY | EXTRAS | KEYED) != 0 {
        return Err(RecordError);
    }
    let side = reader.numbered(Side::from_number)?;
    let order_type = reader.numbered(OrderType::from_number)?;
    let time_in_force = reader.numbered(TimeInForce::from_number)?;
    let self_trade_prevention = match reader.u8()? {
        0 => None,
        number => Some(SelfTradePrevention::from_number(u64::from(number)).ok_or(RecordError)?),
    };
    let id_length = usize::from(reader.u8()?);
    let mut order = NewOrder {
        account: AccountNumber(reader.u32()?),
        instrument: InstrumentNumber(reader.u32()?),
        side,
        order_type,
        time_in_force,
        post_only: flags & POST_ONLY != 0,
        reduce_only: flags & REDUCE_ONLY != 0,
        self_trade_prevention,
        price: PriceTicks(reader.i64()?),
        quantity: QuantityLots(reader.u32()?),
        stop_price: PriceTicks(0),
        display: QuantityLots(0),
        min_quantity: QuantityLots(0),
        expire_time: TimestampNs(0),
        client_order_id: ClientOrderId::NONE,
        key: CommandKey::default(),
    };
    if flags & EXTRAS != 0 {
        order.stop_price = PriceTicks(reader.i64()?);
        order.display = QuantityLots(reader.u32()?);
        order.min_quantity = QuantityLots(reader.u32()?);
        order.expire_time = TimestampNs(reader.u64()?);
    }
    if flags & KEYED != 0 {
        order.key = reader.key()?;
    }
    order.client_order_id = ClientOrderId::new(reader.take(id_length)?).ok_or(RecordError)?;
    Ok(order)
}

fn decode_amend(reader: &mut Reader<'_>) -> Result<Command, RecordError> {
    let given = reader.u8()?;
    let account = AccountNumber(reader.u32()?);
    let order_id = OrderId(reader.u64()?);
    let price = PriceTicks(reader.i64()?);
    let quantity = QuantityLots(reader.u32()?);
    Ok(Command::AmendOrder {
        account,
        order_id,
        price: (given & 1 != 0).then_some(price),
        quantity: (given & 2 != 0).then_some(quantity),
        expected_version: reader.u32()?,
        key: reader.key()?,
    })
}

fn decode_instrument(reader: &mut Reader<'_>) -> Result<InstrumentSpec, RecordError> {
    let kind = reader.numbered(InstrumentKind::from_number)?;
    let phase = reader.numbered(Phase::from_number)?;
    let number = InstrumentNumber(reader.u32()?);
    let base_asset = AssetNumber(reader.u32()?);
    let quote_asset = AssetNumber(reader.u32()?);
    let deposit_bps = reader.u32()?;
    let min_lots = QuantityLots(reader.u32()?);
    let max_lots = QuantityLots(reader.u32()?);
    Ok(InstrumentSpec {
        number,
        kind,
        base_asset,
        quote_asset,
        min_lots,
        max_lots,
        deposit_bps,
        phase,
        tick_size_micro: reader.i64()?,
        tick_value_minor: reader.i64()?,
        lot_size_minor: reader.i64()?,
        price_min: PriceTicks(reader.i64()?),
        price_max: PriceTicks(reader.i64()?),
        limit_low: PriceTicks(reader.i64()?),
        limit_high: PriceTicks(reader.i64()?),
        protection_ticks: reader.i64()?,
        max_notional_minor: reader.i64()?,
        maker_fee_centi_bps: reader.i32()?,
        taker_fee_centi_bps: reader.i32()?,
        symbol: reader.text(SYMBOL_BYTES_MAX)?,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(RecordError)?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.rest.split_first_chunk().ok_or(RecordError)?;
        self.rest = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn boolean(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError),
        }
    }

    fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn optional_u32(&mut self) -> Result<Option<u32>, RecordError> {
        Ok(Some(self.u32()?).filter(|number| *number != NONE_U32))
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        i32::try_from(self.i64()?).map_err(|_| RecordError)
    }

    fn key(&mut self) -> Result<CommandKey, RecordError> {
        Ok(CommandKey(u128::from_le_bytes(self.array()?)))
    }

    fn numbered<T>(&mut self, from: impl Fn(u64) -> Option<T>) -> Result<T, RecordError> {
        from(u64::from(self.u8()?)).ok_or(RecordError)
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, RecordError> {
        let length = usize::from(self.u8()?);
        if length > bytes_max {
            return Err(RecordError);
        }
        let bytes = self.take(length)?;
        core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| RecordError)
    }
}
