//! From the bytes of a request to commands.

mod fields;

use self::fields::{OrderFields, enumeration, quantity};
use super::Denial;
use super::decimal::{self, MICRO};
use super::scan::{Fields, Malformed};
use crate::command::NewOrder;
use crate::engine::Engine;
use crate::error::Reason;
use crate::instrument::InstrumentSpec;
use crate::types::{AccountNumber, InstrumentNumber, OrderId, PriceTicks, QuantityLots, Side};

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
    let mut order = NewOrder::BLANK;
    fields.fill(account, &mut order).map_err(|reason| order_denial(reason, &fields, spec))?;
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

/// Reads an order where it is to stand: copied right after, it would wait for memory.
fn compact_order(
    message: &[u8],
    account: AccountNumber,
    instruction: &mut Instruction,
) -> Result<(), Malformed> {
    let fields = OrderFields::compact(message)?;
    *instruction = Instruction::Create(NewOrder::BLANK);
    let Instruction::Create(order) = instruction else { return Ok(()) };
    if let Err(reason) = fields.fill(account, order) {
        *instruction = Instruction::Refused(reason);
    }
    Ok(())
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
            2 => compact_order(value.message()?, account, added(&mut batch.items)?)?,
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
            2 => instruction(value.message()?, account, added(&mut session.items)?)?,
            _ => {}
        }
    }
    check_size(session)
}

fn added(items: &mut Vec<Instruction>) -> Result<&mut Instruction, Malformed> {
    items.push(Instruction::Refused(Reason::FieldRequired));
    items.last_mut().ok_or(Malformed)
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
fn instruction(
    message: &[u8],
    account: AccountNumber,
    found: &mut Instruction,
) -> Result<(), Malformed> {
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.advance()? {
        match number {
            1 => compact_order(value.message()?, account, found)?,
            2 => *found = Instruction::Cancel(OrderId(cancel(value.message()?)?)),
            3 => *found = compact_amend(value.message()?)?,
            _ => {}
        }
    }
    Ok(())
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
