//! What goes into the engine: one command is one journal record and one sequence number.

use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::trade_change::{BlockTrade, TradeChange};
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderType, OwnerNumber,
    Phase, PriceTicks, QuantityLots, SelfTradePrevention, Side, Switch, TimeInForce, TimestampNs,
};

/// Longest client order ID, in bytes.
pub const CLIENT_ORDER_ID_BYTES_MAX: usize = 36;

/// An ID that a client chose: up to 36 printable ASCII bytes, empty for none. Fixed size, so that
/// a command is copied without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
// Whole words: copied soon after it is written, as it often is, an odd tail would be read across
// several writes, and that waits for memory.
#[repr(align(8))]
pub struct ClientOrderId {
    bytes: [u8; CLIENT_ORDER_ID_BYTES_MAX],
    length: u8,
}

impl ClientOrderId {
    /// The ID of an order that has none.
    pub const NONE: Self = Self { bytes: [0; CLIENT_ORDER_ID_BYTES_MAX], length: 0 };

    /// Returns the ID, or `None` when it is longer than 36 bytes or not printable ASCII.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::NONE);
        }
        let mut id = Self::NONE;
        id.bytes.get_mut(..text.len())?.copy_from_slice(text);
        id.length = u8::try_from(text.len()).ok()?;
        text.iter().all(|byte| (0x20..0x7f).contains(byte)).then_some(id)
    }

    /// Returns the bytes of the ID, empty for none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Tells whether there is no ID.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.length == 0
    }
}

impl core::fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::str::from_utf8(self.as_bytes()).unwrap_or("?").fmt(f)
    }
}

/// What makes a repeated command recognisable: a 128-bit fingerprint of the account, of what kind
/// of key it is and of the key's bytes. Zero means that a repeat is a new command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CommandKey(pub u128);

/// An order to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Account that trades.
    pub account: AccountNumber,
    /// Instrument.
    pub instrument: InstrumentNumber,
    /// Side.
    pub side: Side,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// Whether it may only add to the book.
    pub post_only: bool,
    /// Whether it may only reduce a position.
    pub reduce_only: bool,
    /// Self-trade prevention; `None` takes the account's.
    pub self_trade_prevention: Option<SelfTradePrevention>,
    /// Limit; 0 for market orders.
    pub price: PriceTicks,
    /// Quantity, from 1.
    pub quantity: QuantityLots,
    /// Stop price; 0 for none.
    pub stop_price: PriceTicks,
    /// Quantity shown at a time; 0 for all.
    pub display: QuantityLots,
    /// Smallest first fill; 0 for any.
    pub min_quantity: QuantityLots,
    /// When a GTD order ends; 0 for none.
    pub expire_time: TimestampNs,
    /// The client's ID.
    pub client_order_id: ClientOrderId,
    /// Key that makes a repeat recognisable.
    pub key: CommandKey,
}

impl NewOrder {
    /// An order whose fields are still to be filled in.
    pub const BLANK: Self = Self {
        account: AccountNumber(0),
        instrument: InstrumentNumber(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        self_trade_prevention: None,
        price: PriceTicks(0),
        quantity: QuantityLots(0),
        stop_price: PriceTicks(0),
        display: QuantityLots(0),
        min_quantity: QuantityLots(0),
        expire_time: TimestampNs(0),
        client_order_id: ClientOrderId::NONE,
        key: CommandKey(0),
    };
}

/// Everything the engine can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Enter an order.
    NewOrder(NewOrder),
    /// Cancel what is open of an order.
    CancelOrder {
        /// Account that asks; `None` for the exchange itself.
        account: Option<AccountNumber>,
        /// Order.
        order_id: OrderId,
        /// Why.
        reason: CancelReason,
        /// Key that makes a repeat recognisable.
        key: CommandKey,
    },
    /// Change an open order in place.
    AmendOrder {
        /// Account that asks.
        account: AccountNumber,
        /// Order.
        order_id: OrderId,
        /// New price; `None` keeps it.
        price: Option<PriceTicks>,
        /// New total quantity; `None` keeps it.
        quantity: Option<QuantityLots>,
        /// Version the caller saw; 0 for any.
        expected_version: u32,
        /// Key that makes a repeat recognisable.
        key: CommandKey,
    },
    /// Cancel all open orders that fit.
    MassCancel {
        /// Of one account; `None` for all.
        account: Option<AccountNumber>,
        /// In one instrument; `None` for all.
        instrument: Option<InstrumentNumber>,
        /// On one side; `None` for both.
        side: Option<Side>,
        /// Why.
        reason: CancelReason,
    },
    /// Open a trading account. A repeat with the same ID changes nothing.
    OpenAccount {
        /// Public ID, the 16 bytes of a ULID.
        id: [u8; 16],
        /// Beneficial owner; [`OWN_OWNER`](crate::types::OWN_OWNER) for itself.
        owner: OwnerNumber,
        /// Self-trade prevention of its orders.
        self_trade_prevention: SelfTradePrevention,
        /// Most open orders at a time.
        max_open_orders: u32,
    },
    /// Switch something on or off for an account.
    SetSwitch {
        /// Account.
        account: AccountNumber,
        /// What.
        switch: Switch,
        /// Whether it is on.
        is_on: bool,
    },
    /// Say how much an account may trade.
    SetRiskLimits {
        /// Account.
        account: AccountNumber,
        /// Limits.
        limits: RiskLimits,
        /// Most open orders at a time.
        max_open_orders: u32,
    },
    /// Register an asset. A repeat with the same code changes nothing.
    RegisterAsset {
        /// Code, for example `USD` or `CORN.US2Y.CHI`.
        code: String,
    },
    /// Bring an amount in from outside the exchange, or take it out when negative.
    Transfer {
        /// Account.
        account: AccountNumber,
        /// Asset.
        asset: AssetNumber,
        /// Amount in minor units.
        amount: i64,
        /// Key that makes a repeat recognisable.
        key: CommandKey,
    },
    /// List an instrument, or replace the rules of the one with the same symbol.
    DefineInstrument(Box<InstrumentSpec>),
    /// Replace the rules of a listed instrument; its phase and the prices of the day stay.
    UpdateInstrument(Box<InstrumentSpec>),
    /// Move the prices of the day. Orders outside them stay in their place and do not trade.
    SetPriceLimits {
        /// Instrument.
        instrument: InstrumentNumber,
        /// Lowest price.
        low: PriceTicks,
        /// Highest price.
        high: PriceTicks,
    },
    /// Move an instrument to a phase.
    SetPhase {
        /// Instrument.
        instrument: InstrumentNumber,
        /// Phase.
        phase: Phase,
    },
    /// Take a trade back or correct it.
    ChangeTrade(Box<TradeChange>),
    /// Settle a trade that was agreed outside the book.
    BlockTrade(Box<BlockTrade>),
    /// Say what time it is: orders whose time has run out expire.
    AdvanceTime,
}
