//! Journal records back to commands.

mod instruments;

use super::{
    ADVANCE_TIME, AMEND_ORDER, ASSET_CODE_BYTES_MAX, BLOCK_TRADE, CANCEL_ORDER, CHANGE_TRADE,
    DEFINE_INSTRUMENT, DEFINE_INSTRUMENT_2, DEFINE_INSTRUMENT_3, EXTRAS, KEYED, MASS_CANCEL,
    NEW_ORDER, NONE_U32, OPEN_ACCOUNT, POST_ONLY, RECORD_BYTES_MAX, REDUCE_ONLY, REGISTER_ASSET,
    RecordError, SET_PHASE, SET_PRICE_LIMITS, SET_RISK_LIMITS, SET_SWITCH, TRANSFER,
    UPDATE_INSTRUMENT, has_extras,
};
use crate::command::{ClientOrderId, Command, CommandKey, NewOrder};
use crate::risk::RiskLimits;
use crate::trade_change::{BlockTrade, TradeChange, TradeSide};
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderType, OwnerNumber,
    PriceTicks, QuantityLots, SelfTradePrevention, Side, Switch, TimeInForce, TimestampNs,
    TradeKind,
};

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

    /// Tells whether all records were read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next record in place; false when there is none.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are not records of this version; the walk is over then.
    pub fn read(&mut self, command: &mut Command) -> Result<bool, RecordError> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        let mut reader = Reader { rest: self.rest };
        let record = reader.u32().and_then(|length| {
            let length = usize::try_from(length).map_err(|_| RecordError)?;
            if length > RECORD_BYTES_MAX { Err(RecordError) } else { reader.take(length) }
        });
        self.rest = reader.rest;
        let read = record.and_then(|record| decode_into(record, command));
        read.map(|()| true).inspect_err(|_| self.rest = &[])
    }
}

/// Returns the command of a record, without its length.
///
/// # Errors
/// [`RecordError`] when the bytes are not exactly one command of this version.
pub fn decode(record: &[u8]) -> Result<Command, RecordError> {
    let mut command = Command::AdvanceTime;
    decode_into(record, &mut command)?;
    Ok(command)
}

/// Reads a record where it is to stand: an order that is copied right after it was put together
/// waits for memory.
fn decode_into(record: &[u8], command: &mut Command) -> Result<(), RecordError> {
    let mut reader = Reader { rest: record };
    if record.first() == Some(&NEW_ORDER) {
        reader.u8()?;
        *command = Command::NewOrder(NewOrder::BLANK);
        if let Command::NewOrder(order) = command {
            decode_new_order(&mut reader, order)?;
        }
    } else {
        *command = decode_body(&mut reader)?;
    }
    if reader.rest.is_empty() { Ok(()) } else { Err(RecordError) }
}

fn decode_body(reader: &mut Reader<'_>) -> Result<Command, RecordError> {
    Ok(match reader.u8()? {
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
        SET_SWITCH => decode_switch(reader)?,
        SET_RISK_LIMITS => decode_risk_limits(reader)?,
        REGISTER_ASSET => Command::RegisterAsset { code: reader.text(ASSET_CODE_BYTES_MAX)? },
        TRANSFER => Command::Transfer {
            account: AccountNumber(reader.u32()?),
            asset: AssetNumber(reader.u32()?),
            amount: reader.i64()?,
            key: reader.key()?,
        },
        code @ (DEFINE_INSTRUMENT | DEFINE_INSTRUMENT_2 | DEFINE_INSTRUMENT_3
        | UPDATE_INSTRUMENT | SET_PRICE_LIMITS | SET_PHASE) => {
            instruments::decode_listing(reader, code)?
        }
        CHANGE_TRADE => Command::ChangeTrade(Box::new(decode_change(reader)?)),
        BLOCK_TRADE => Command::BlockTrade(Box::new(decode_block(reader)?)),
        ADVANCE_TIME => Command::AdvanceTime,
        _ => return Err(RecordError),
    })
}

fn decode_change(reader: &mut Reader<'_>) -> Result<TradeChange, RecordError> {
    let kind = reader.numbered(TradeKind::from_number)?;
    let trade_id = reader.u64()?;
    let instrument = InstrumentNumber(reader.u32()?);
    let traded_at = TimestampNs(reader.u64()?);
    let (price, quantity) = (PriceTicks(reader.i64()?), QuantityLots(reader.u32()?));
    let (new_price, new_quantity) = (PriceTicks(reader.i64()?), QuantityLots(reader.u32()?));
    let mut side = || {
        Ok(TradeSide {
            account: AccountNumber(reader.u32()?),
            fee_minor: reader.i64()?,
            deposit_minor: reader.i64()?,
        })
    };
    let (buyer, seller) = (side()?, side()?);
    Ok(TradeChange {
        trade_id,
        instrument,
        kind,
        traded_at,
        price,
        quantity,
        buyer,
        seller,
        new_price,
        new_quantity,
    })
}

fn decode_block(reader: &mut Reader<'_>) -> Result<BlockTrade, RecordError> {
    Ok(BlockTrade {
        instrument: InstrumentNumber(reader.u32()?),
        price: PriceTicks(reader.i64()?),
        quantity: QuantityLots(reader.u32()?),
        buyer: AccountNumber(reader.u32()?),
        seller: AccountNumber(reader.u32()?),
        key: reader.key()?,
    })
}

fn decode_switch(reader: &mut Reader<'_>) -> Result<Command, RecordError> {
    let value = reader.u8()?;
    let switch = Switch::from_number(u64::from(value >> 1).saturating_add(1));
    Ok(Command::SetSwitch {
        account: AccountNumber(reader.u32()?),
        switch: switch.ok_or(RecordError)?,
        is_on: value & 1 != 0,
    })
}

fn decode_risk_limits(reader: &mut Reader<'_>) -> Result<Command, RecordError> {
    Ok(Command::SetRiskLimits {
        account: AccountNumber(reader.u32()?),
        max_open_orders: reader.u32()?,
        limits: RiskLimits {
            max_order_lots: reader.u32()?,
            max_order_notional_minor: reader.i64()?,
            max_daily_notional_minor: reader.i64()?,
            max_position_lots: reader.i64()?,
        },
    })
}

fn decode_new_order(reader: &mut Reader<'_>, order: &mut NewOrder) -> Result<(), RecordError> {
    let flags = reader.u8()?;
    if flags & !(POST_ONLY | REDUCE_ONLY | EXTRAS | KEYED) != 0 {
        return Err(RecordError);
    }
    order.post_only = flags & POST_ONLY != 0;
    order.reduce_only = flags & REDUCE_ONLY != 0;
    order.side = reader.numbered(Side::from_number)?;
    order.order_type = reader.numbered(OrderType::from_number)?;
    order.time_in_force = reader.numbered(TimeInForce::from_number)?;
    order.self_trade_prevention = match reader.u8()? {
        0 => None,
        number => Some(SelfTradePrevention::from_number(u64::from(number)).ok_or(RecordError)?),
    };
    let id_length = usize::from(reader.u8()?);
    order.account = AccountNumber(reader.u32()?);
    order.instrument = InstrumentNumber(reader.u32()?);
    order.price = PriceTicks(reader.i64()?);
    order.quantity = QuantityLots(reader.u32()?);
    // What is not there is not written as zeros either.
    if flags & EXTRAS != 0 {
        order.stop_price = PriceTicks(reader.i64()?);
        order.display = QuantityLots(reader.u32()?);
        order.min_quantity = QuantityLots(reader.u32()?);
        order.expire_time = TimestampNs(reader.u64()?);
        if !has_extras(order) {
            return Err(RecordError);
        }
    }
    if flags & KEYED != 0 {
        order.key = reader.key()?;
        if order.key == CommandKey(0) {
            return Err(RecordError);
        }
    }
    if id_length > 0 {
        let id = ClientOrderId::new(reader.take(id_length)?);
        order.client_order_id = id.ok_or(RecordError)?;
    }
    Ok(())
}

fn decode_amend(reader: &mut Reader<'_>) -> Result<Command, RecordError> {
    let given = reader.u8()?;
    let account = AccountNumber(reader.u32()?);
    let order_id = OrderId(reader.u64()?);
    let price = PriceTicks(reader.i64()?);
    let quantity = QuantityLots(reader.u32()?);
    let (has_price, has_quantity) = (given & 1 != 0, given & 2 != 0);
    let stray = (!has_price && price.0 != 0) || (!has_quantity && quantity.0 != 0);
    if given > 3 || stray {
        return Err(RecordError);
    }
    Ok(Command::AmendOrder {
        account,
        order_id,
        price: has_price.then_some(price),
        quantity: has_quantity.then_some(quantity),
        expected_version: reader.u32()?,
        key: reader.key()?,
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
