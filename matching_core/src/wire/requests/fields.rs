//! The fields of an order, before anything is known of its market.

use crate::command::{ClientOrderId, NewOrder};
use crate::error::Reason;
use crate::types::{
    AccountNumber, InstrumentNumber, OrderType, PriceTicks, QuantityLots, SelfTradePrevention,
    Side, TimeInForce, TimestampNs,
};
use crate::wire::scan::{Fields, Malformed, Value};

/// The fields of an order, compact or in decimals, as they stand in the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OrderFields<'a> {
    pub(super) client_order_id: &'a str,
    pub(super) symbol: &'a str,
    pub(super) account_id: &'a str,
    pub(super) price_text: &'a str,
    pub(super) stop_text: &'a str,
    pub(super) instrument: u32,
    pub(super) side: u64,
    pub(super) order_type: u64,
    pub(super) time_in_force: u64,
    pub(super) mode: u64,
    pub(super) price: i64,
    pub(super) stop_price: i64,
    pub(super) quantity: i64,
    pub(super) display: i64,
    pub(super) min_quantity: i64,
    pub(super) post_only: bool,
    pub(super) reduce_only: bool,
    pub(super) expire_seconds: i64,
    pub(super) expire_nanos: i64,
    pub(super) expire_ns: u64,
}

impl<'a> OrderFields<'a> {
    pub(super) fn compact(message: &'a [u8]) -> Result<Self, Malformed> {
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

    pub(super) fn decimal(message: &'a [u8]) -> Result<Self, Malformed> {
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

    /// Fills a blank order in, with prices and quantity as given.
    pub(super) fn fill(&self, account: AccountNumber, order: &mut NewOrder) -> Result<(), Reason> {
        order.account = account;
        order.instrument = InstrumentNumber(self.instrument);
        order.side = Side::from_number(self.side).ok_or(Reason::SideInvalid)?;
        order.order_type =
            OrderType::from_number(self.order_type).ok_or(Reason::OrderTypeInvalid)?;
        order.time_in_force = match (self.time_in_force, order.order_type) {
            (0, OrderType::Market) => TimeInForce::Ioc,
            (0, _) => TimeInForce::Gtc,
            (number, _) => TimeInForce::from_number(number).ok_or(Reason::TifInvalid)?,
        };
        if self.mode != 0 {
            let mode = SelfTradePrevention::from_number(self.mode);
            order.self_trade_prevention = Some(mode.ok_or(Reason::SelfTradeModeInvalid)?);
        }
        let id = self.client_order_id.as_bytes();
        if !id.is_empty() {
            order.client_order_id = ClientOrderId::new(id).ok_or(Reason::ClientOrderIdInvalid)?;
        }
        order.post_only = self.post_only;
        order.reduce_only = self.reduce_only;
        order.price = PriceTicks(self.price);
        order.quantity = quantity(self.quantity)?;
        order.stop_price = PriceTicks(self.stop_price);
        order.display = lots(self.display, Reason::DisplayQtyInvalid)?;
        order.min_quantity = lots(self.min_quantity, Reason::MinQtyInvalid)?;
        order.expire_time = self.expire_time()?;
        Ok(())
    }
}

pub(super) fn enumeration(value: Value<'_>) -> Result<u64, Malformed> {
    value.uint32().map(u64::from)
}

pub(super) fn lots(value: i64, reason: Reason) -> Result<QuantityLots, Reason> {
    u32::try_from(value).map(QuantityLots).map_err(|_| reason)
}

pub(super) fn quantity(value: i64) -> Result<QuantityLots, Reason> {
    lots(value, if value < 0 { Reason::QuantityLot } else { Reason::QuantityMax })
}
