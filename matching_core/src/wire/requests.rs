//! From the bytes of a request to commands.

use super::Denial;
use super::decimal::{self, MICRO};
use super::scan::{Fields, Malformed, Value};
use crate::command::{ClientOrderId, NewOrder};
use crate::engine::Engine;
use crate::error::Reason;
use crate::instrument::InstrumentSpec;
use crate::types::{
    AccountNumber, InstrumentNumber, OrderId, OrderType, PriceTicks, QuantityLots,
    SelfTradePrevention, Side, TimeInForce, TimestampNs,
};

/// Most instructions of one message.
pub const INSTRUCTIONS_MAX: usize = 10_000;
/// Longest ID that a client may choose for a message, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 36;

impl From<Malformed> for Denial {
    fn from(_: Malformed) -> Self {
        Self::plain(Reason::MalformedMessage)
    }
}

/// One instruction of a batch or a session message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Enter an order; its key is set when it is carried out.
    Create(NewOrder),
    /// Cancel an order.
    Cancel(OrderId),
    /// Change an order.
    Amend(OrderId, Option<PriceTicks>, Option<QuantityLots>),
    /// Nothing that can be carried out; the others still are.
    Refused(Reason),
}

/// A batch or a session message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instructions {
    /// ID the client chose, empty for none.
    pub request_id: String,
    /// Account it names, empty for the caller's own.
    pub account_id: String,
    /// The instructions, in order.
    pub items: Vec<Instruction>,
}

/// The fields of an order, compact or in decimals, as they stand in the bytes.
#[derive(Clone, Copy, Debug, Default)]
struct OrderFields<'a> {
    client_order_id: &'a str,
    symbol: &'a str,
    account_id: &'a str,
    price_text: &'a str,
    stop_text: &'a str,
    instrument: u32,
    side: u64,
    order_type: u64,
    time_in_force: u64,
    mode: u64,
    price: i64,
    stop_price: i64,
    quantity: i64,
    display: i64,
    min_quantity: i64,
    post_only: bool,
    reduce_only: bool,
    expire_seconds: i64,
    expire_nanos: i64,
    expire_ns: u64,
}

impl<'a> OrderFields<'a> {
    fn compact(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut order = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.advance()? {
            match number {
                1 => order.client_order_id = value.text()?,
                2 => order.instrument = value.uint32()?,
                3 => order.side = enumeration(value)?,
                4 => order.order_type = enumeration(value)?,
                5 => order.time_in_force = enumeration(value)?,
                6 => order.price = value.sint64()?,
                7 => order.quantity = value.sint64()?,
                8 => order.post_only = value.boolean()?,
                9 => order.mode = enumeration(value)?,
                10 => order.stop_price = value.sint64()?,
                11 => order.display = value.sint64()?,
                12 => order.min_quantity = value.sint64()?,
                13 => order.reduce_only = value.boolean()?,
                14 => order.expire_ns = value.varint()?,
                _ => {}
            }
        }
        Ok(order)
    }

    fn decimal(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut order = Self::default();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.advance()? {
            match number {
                1 => order.client_order_id = value.text()?,
                2 => order.symbol = value.text()?,
                3 => order.side = enumeration(value)?,
                4 => order.order_type = enumeration(value)?,
                5 => order.time_in_force = enumeration(value)?,
                6 => order.price_text = value.text()?,
                7 => order.stop_text = value.text()?,
                8 => order.quantity = value.int64()?,
                9 => order.post_only = value.boolean()?,
                10 => order.reduce_only = value.boolean()?,
                11 => order.display = value.int64()?,
                12 => order.min_quantity = value.int64()?,
                13 => order.mode = enumeration(value)?,
                14 => order.timestamp(value.message()?)?,
                15 => order.account_id = value.text()?,
                _ => {}
            }
        }
        Ok(order)
    }

    fn timestamp(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.advance()? {
            match number {
                1 => self.expire_seconds = value.int64()?,
                2 => self.expire_nanos = value.int64()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn expire_time(&self) -> Result<TimestampNs, Reason> {
        if self.expire_seconds == 0 && self.expire_nanos == 0 {
            return Ok(TimestampNs(self.expire_ns));
        }
        let nanos = u64::try_from(self.expire_nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
        let seconds = u64::try_from(self.expire_seconds).ok();
        let time =
            seconds.and_then(|seconds| seconds.checked_mul(1_000_000_000)?.checked_add(nanos?));
        time.map(TimestampNs).ok_or(Reason::ExpiryInvalid)
    }

    /// Returns the order with prices and quantity as given.
    fn order(&self, account: AccountNumber) -> Result<NewOrder, Reason> {
        let side = Side::from_number(self.side).ok_or(Reason::SideInvalid)?;
        let order_type = OrderType::from_number(self.order_type).ok_or(Reason::OrderTypeInvalid)?;
        let time_in_force = match (self.time_in_force, order_type) {
            (0, OrderType::Market) => TimeInForce::Ioc,
            (0, _) => TimeInForce::Gtc,
            (number, _) => TimeInForce::from_number(number).ok_or(Reason::TifInvalid)?,
        };
        let mode = match self.mode {
            0 => None,
            number => {
                let mode = SelfTradePrevention::from_number(number);
                Some(mode.ok_or(Reason::SelfTradeModeInvalid)?)
            }
        };
        let id = self.client_order_id.as_bytes();
        let client_order_id = ClientOrderId::new(id).ok_or(Reason::ClientOrderIdInvalid)?;
        Ok(NewOrder {
            account,
            instrument: InstrumentNumber(self.instrument),
            side,
            order_type,
            time_in_force,
            post_only: self.post_only,
            reduce_only: self.reduce_only,
            self_trade_prevention: mode,
            price: PriceTicks(self.price),
            quantity: quantity(self.quantity)?,
            stop_price: PriceTicks(self.stop_price),
            display: lots(self.display, Reason::DisplayQtyInvalid)?,
            min_quantity: lots(self.min_quantity, Reason::MinQtyInvalid)?,
            expire_time: self.expire_time()?,
            client_order_id,
            key: crate::command::CommandKey(0),
        })
    }
}

fn enumeration(value: Value<'_>) -> Result<u64, Malformed> {
    value.uint32().map(u64::from)
}

fn lots(value: i64, reason: Reason) -> Result<QuantityLots, Reason> {
    u32::try_from(value).map(QuantityLots).map_err(|_| reason)
}

fn quantity(value: i64) -> Result<QuantityLots, Reason> {
    lots(value, if value < 0 { Reason::QuantityLot } else { Reason::QuantityMax })
}

/// An order in decimals, on the way to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateOrder<'a> {
    /// The order; its account and key are the caller's to set.
    pub order: NewOrder,
    /// Account it names, empty for the caller's own.
    pub account_id: &'a str,
}

/// Reads a `CreateOrderRequest`.
///
/// # Errors
/// When the bytes are not one, or a value breaks a rule that needs no market to tell.
pub fn create_order<'a>(
    message: &'a [u8],
    account: AccountNumber,
    engine: &Engine,
) -> Result<CreateOrder<'a>, Denial> {
    let mut fields = OrderFields::decimal(message)?;
    let Some(spec) = engine.instrument_by_symbol(fields.symbol.as_bytes()) else {
        if fields.symbol.is_empty() {
            return Err(Denial::with(Reason::FieldRequired, "field", "symbol"));
        }
        let symbol: String = fields.symbol.chars().take(32).collect();
        return Err(Denial::with(Reason::InstrumentUnknown, "symbol", symbol));
    };
    fields.instrument = spec.number.0;
    fields.price = price(fields.price_text, "price", spec)?;
    fields.stop_price = price(fields.stop_text, "stop_price", spec)?;
    let order = fields.order(account).map_err(|reason| order_denial(reason, &fields, spec))?;
    Ok(CreateOrder { order, account_id: fields.account_id })
}

fn order_denial(reason: Reason, fields: &OrderFields<'_>, spec: &InstrumentSpec) -> Denial {
    match reason {
        Reason::QuantityLot => Denial::with(reason, "quantity", fields.quantity),
        Reason::QuantityMax => {
            Denial::with(reason, "quantity", fields.quantity).and("maximum", spec.max_lots.0)
        }
        Reason::TifInvalid => Denial::with(reason, "time_in_force", fields.time_in_force),
        _ => Denial::plain(reason),
    }
}

/// Reads a decimal price in ticks; 0 for an empty text.
fn price(text: &str, field: &'static str, spec: &InstrumentSpec) -> Result<i64, Denial> {
    if text.is_empty() {
        return Ok(0);
    }
    let Some(micro) = decimal::parse_micro(text) else {
        let value: String = text.chars().take(32).collect();
        return Err(Denial::with(Reason::DecimalFormat, "field", field).and("value", value));
    };
    let tick = spec.tick_size_micro;
    if micro.checked_rem(tick) != Some(0) {
        let denial = Denial::with(Reason::PriceTick, "price", text);
        return Err(denial.and("tick", decimal::price(1, tick)));
    }
    let ticks = micro.checked_div(tick).unwrap_or(0);
    if ticks <= 0 || micro > MICRO.saturating_mul(MICRO) {
        let denial = Denial::with(Reason::PriceRange, "price", text);
        let denial = denial.and("low", decimal::price(spec.price_min.0, tick));
        return Err(denial.and("high", decimal::price(spec.price_max.0, tick)));
    }
    Ok(ticks)
}

/// Reads a `CancelOrderRequest`.
///
/// # Errors
/// When the bytes are not one.
pub fn cancel_order(message: &[u8]) -> Result<OrderId, Denial> {
    cancel(message).map(OrderId).map_err(Denial::from)
}

fn cancel(message: &[u8]) -> Result<u64, Malformed> {
    let mut id = 0;
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        if number == 1 {
            id = value.varint()?;
        }
    }
    Ok(id)
}

/// An amendment in decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmendOrder {
    /// Order.
    pub order_id: OrderId,
    /// New price.
    pub price: Option<PriceTicks>,
    /// New total quantity.
    pub quantity: Option<QuantityLots>,
    /// Version the caller saw; 0 for any.
    pub expected_version: u32,
}

/// Reads an `AmendOrderRequest`; the tick is that of the open order's instrument.
///
/// # Errors
/// When the bytes are not one, there is no such open order, or a value breaks a rule.
pub fn amend_order(message: &[u8], engine: &Engine) -> Result<AmendOrder, Denial> {
    let (mut id, mut text, mut lots, mut expected_version) = (0, "", 0, 0);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => id = value.varint()?,
            2 => text = value.text()?,
            3 => lots = value.int64()?,
            4 => expected_version = value.uint32()?,
            _ => {}
        }
    }
    let order_id = OrderId(id);
    let order = engine.order(order_id);
    let Some(spec) = order.and_then(|order| engine.instrument(order.instrument)) else {
        return Err(Denial::with(Reason::OrderNotFound, "order_id", id));
    };
    let ticks = price(text, "price", spec)?;
    let quantity = quantity(lots)
        .map_err(|reason| Denial::with(reason, "quantity", lots).and("maximum", spec.max_lots.0))?;
    Ok(AmendOrder {
        order_id,
        price: (ticks != 0).then_some(PriceTicks(ticks)),
        quantity: (quantity.0 != 0).then_some(quantity),
        expected_version,
    })
}

fn compact_order(message: &[u8], account: AccountNumber) -> Result<Instruction, Malformed> {
    let fields = OrderFields::compact(message)?;
    Ok(fields.order(account).map_or_else(Instruction::Refused, Instruction::Create))
}

/// Reads a `BatchCreateOrdersRequest`.
///
/// # Errors
/// When the bytes are not one, or it has too few or too many orders.
pub fn batch(message: &[u8], account: AccountNumber) -> Result<Instructions, Denial> {
    let mut batch = Instructions::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => value.text()?.clone_into(&mut batch.request_id),
            2 => batch.items.push(compact_order(value.message()?, account)?),
            3 => value.text()?.clone_into(&mut batch.account_id),
            _ => {}
        }
    }
    check_size(batch)
}

/// Reads an `OrderSessionRequest`.
///
/// # Errors
/// When the bytes are not one, or it has too few or too many instructions.
pub fn session(message: &[u8], account: AccountNumber) -> Result<Instructions, Denial> {
    let mut session = Instructions::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => value.text()?.clone_into(&mut session.request_id),
            2 => session.items.push(instruction(value.message()?, account)?),
            _ => {}
        }
    }
    check_size(session)
}

fn check_size(instructions: Instructions) -> Result<Instructions, Denial> {
    let count = instructions.items.len();
    if count == 0 {
        return Err(Denial::plain(Reason::BatchEmpty));
    }
    if count > INSTRUCTIONS_MAX {
        let denial = Denial::with(Reason::BatchTooLarge, "count", count);
        return Err(denial.and("maximum", INSTRUCTIONS_MAX));
    }
    let id = instructions.request_id.as_bytes();
    if id.len() > REQUEST_ID_BYTES_MAX || !id.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        let denial = Denial::with(Reason::InvalidArgument, "field", "request_id");
        return Err(denial.and("rule", "at most 36 printable ASCII characters"));
    }
    Ok(instructions)
}

/// Reads one `OrderInstruction`: of its alternatives the last one counts.
fn instruction(message: &[u8], account: AccountNumber) -> Result<Instruction, Malformed> {
    let mut found = Instruction::Refused(Reason::FieldRequired);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => found = compact_order(value.message()?, account)?,
            2 => found = Instruction::Cancel(OrderId(cancel(value.message()?)?)),
            3 => found = compact_amend(value.message()?)?,
            _ => {}
        }
    }
    Ok(found)
}

fn compact_amend(message: &[u8]) -> Result<Instruction, Malformed> {
    let (mut id, mut price, mut lots) = (0, 0, 0);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => id = value.varint()?,
            2 => price = value.sint64()?,
            3 => lots = value.sint64()?,
            _ => {}
        }
    }
    Ok(quantity(lots).map_or_else(Instruction::Refused, |lots| {
        let price = (price != 0).then_some(PriceTicks(price));
        Instruction::Amend(OrderId(id), price, (lots.0 != 0).then_some(lots))
    }))
}

/// A filter for mass cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassCancel {
    /// Instrument; `None` for all.
    pub instrument: Option<InstrumentNumber>,
    /// Side; `None` for both.
    pub side: Option<Side>,
}

/// Reads a `MassCancelRequest`.
///
/// # Errors
/// When the bytes are not one or name what does not exist.
pub fn mass_cancel(message: &[u8], engine: &Engine) -> Result<MassCancel, Denial> {
    let (mut symbol, mut side) = ("", 0);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => symbol = value.text()?,
            2 => side = enumeration(value)?,
            _ => {}
        }
    }
    let side = match side {
        0 => None,
        number => {
            Some(Side::from_number(number).ok_or_else(|| Denial::plain(Reason::SideInvalid))?)
        }
    };
    if symbol.is_empty() {
        return Ok(MassCancel { instrument: None, side });
    }
    let spec = engine.instrument_by_symbol(symbol.as_bytes());
    let spec = spec.ok_or_else(|| {
        let symbol: String = symbol.chars().take(32).collect();
        Denial::with(Reason::InstrumentUnknown, "symbol", symbol)
    })?;
    Ok(MassCancel { instrument: Some(spec.number), side })
}
