//! What comes out of the engine.
//!
//! [`Outcome`] answers the command; a [`Sink`] hears everything else. The engine is generic over
//! the sink, so a leader that wants the answer alone pays for nothing more.

use crate::command::ClientOrderId;
use crate::error::Refusal;
use crate::trade_change::TradeChange;
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderStatus, OrderType,
    Phase, PriceTicks, QuantityLots, SelfTradePrevention, Sequence, Side, TimeInForce, TimestampNs,
    TradeKind,
};

/// The answer to a command.
///
/// A refused command has no quantities. Commands that are not about one order answer with a number
/// in place of the order: the account, asset or instrument they made or changed; a mass
/// cancellation says in `remaining` how many orders it cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Order; 0 when it was never known.
    pub order_id: OrderId,
    /// Sequence of the command that this answers first; 0 when it was refused before the journal.
    pub sequence: Sequence,
    /// Time of that command.
    pub time: TimestampNs,
    /// State after it.
    pub status: OrderStatus,
    /// Quantity filled so far.
    pub filled: QuantityLots,
    /// Sum of price times lots over the fills.
    pub filled_notional_ticks: i64,
    /// Quantity still open.
    pub remaining: QuantityLots,
    /// Fees charged so far, in minor units of the quote asset.
    pub fees_minor: i64,
    /// Version of the order.
    pub version: u32,
    /// Why the rest was cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
}

/// An order as it stands after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderState {
    /// Order.
    pub order_id: OrderId,
    /// Account.
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
    /// Self-trade prevention in force.
    pub self_trade_prevention: SelfTradePrevention,
    /// Limit; 0 for market orders.
    pub price: PriceTicks,
    /// Stop price; 0 for none.
    pub stop_price: PriceTicks,
    /// Quantity ordered.
    pub quantity: QuantityLots,
    /// Quantity filled.
    pub filled: QuantityLots,
    /// Sum of price times lots over the fills.
    pub filled_notional_ticks: i64,
    /// Quantity still open; 0 once closed.
    pub remaining: QuantityLots,
    /// Quantity shown at a time; 0 for all.
    pub display: QuantityLots,
    /// Smallest first fill; 0 for any.
    pub min_quantity: QuantityLots,
    /// When a GTD order ends; 0 for none.
    pub expire_time: TimestampNs,
    /// State.
    pub status: OrderStatus,
    /// Why the rest was cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Why it was refused.
    pub refusal: Option<Refusal>,
    /// Fees charged so far, in minor units of the quote asset.
    pub fees_minor: i64,
    /// When it was accepted.
    pub create_time: TimestampNs,
    /// Version, from 1.
    pub version: u32,
    /// The client's ID.
    pub client_order_id: ClientOrderId,
}

/// What happened to an order; numbered as `ExecutionReport.Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderEvent {
    /// Accepted.
    Accepted = 1,
    /// Refused.
    Rejected = 2,
    /// Filled, in part or whole.
    Fill = 3,
    /// The rest cancelled.
    Cancelled = 4,
    /// Changed in place.
    Amended = 5,
    /// The rest expired.
    Expired = 6,
    /// Its stop price was reached.
    Triggered = 7,
}

/// A trade between two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trade {
    /// Number of the trade in its shard, from 1.
    pub trade_id: u64,
    /// Instrument.
    pub instrument: InstrumentNumber,
    /// Price.
    pub price: PriceTicks,
    /// Quantity.
    pub quantity: QuantityLots,
    /// How it came about.
    pub kind: TradeKind,
    /// Side of the incoming order; in an auction that of the later order.
    pub aggressor: Side,
    /// Order that rested.
    pub maker_order: OrderId,
    /// Its account.
    pub maker_account: AccountNumber,
    /// Its fee in minor units of the quote asset; negative for a rebate.
    pub maker_fee_minor: i64,
    /// What a forward keeps of it as deposit, in minor units of the quote asset.
    pub maker_deposit_minor: i64,
    /// Order that came in.
    pub taker_order: OrderId,
    /// Its account.
    pub taker_account: AccountNumber,
    /// Its fee in minor units of the quote asset.
    pub taker_fee_minor: i64,
    /// What a forward keeps of it as deposit, in minor units of the quote asset.
    pub taker_deposit_minor: i64,
}

/// Why a balance moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PostingKind {
    /// Came in from outside.
    Deposit = 1,
    /// Went outside.
    Withdrawal = 2,
    /// Value or commodity of a trade.
    Trade = 3,
    /// Fee of a trade; a rebate has the other sign.
    Fee = 4,
    /// Set aside for an order.
    Hold = 5,
    /// No longer set aside.
    Release = 6,
    /// A trade was taken back or corrected.
    Reversal = 7,
}

/// One movement of one balance. Over one command and one asset the movements of `total` add up to
/// what came in from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Posting {
    /// Account.
    pub account: AccountNumber,
    /// Asset.
    pub asset: AssetNumber,
    /// Why.
    pub kind: PostingKind,
    /// Change of the total, in minor units.
    pub total_change: i64,
    /// Change of what is held, in minor units.
    pub held_change: i64,
    /// Total after it.
    pub total: i64,
    /// Held after it.
    pub held: i64,
    /// Trade or order that it belongs to; 0 for transfers.
    pub reference: u64,
}

/// Hears what a command did, in the order it happened. Every method does nothing by default.
pub trait Sink {
    /// Whether it hears anything; without, the engine does not even put the events together.
    const ACTIVE: bool = true;

    /// A command starts.
    fn begin(&mut self, sequence: Sequence, time: TimestampNs) {
        let _ = (sequence, time);
    }
    /// Something happened to an order; `trade` is set for fills.
    fn order(&mut self, event: OrderEvent, state: &OrderState, trade: Option<&Trade>) {
        let _ = (event, state, trade);
    }
    /// A trade happened; both orders' fills follow.
    fn trade(&mut self, trade: &Trade) {
        let _ = trade;
    }
    /// A trade of before was taken back or corrected.
    fn trade_change(&mut self, change: &TradeChange) {
        let _ = change;
    }
    /// The quantity open at a price changed; 0 means the price is gone.
    fn level(
        &mut self,
        instrument: InstrumentNumber,
        side: Side,
        price: PriceTicks,
        quantity_lots: u64,
        order_count: u32,
    ) {
        let _ = (instrument, side, price, quantity_lots, order_count);
    }
    /// A balance moved.
    fn posting(&mut self, posting: &Posting) {
        let _ = posting;
    }
    /// An account was opened.
    fn account(&mut self, account: AccountNumber, id: [u8; 16]) {
        let _ = (account, id);
    }
    /// An instrument was listed, or its rules or phase changed.
    fn instrument(&mut self, instrument: InstrumentNumber, phase: Phase) {
        let _ = (instrument, phase);
    }
    /// The command is over.
    fn end(&mut self) {}
}

/// A sink that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Sink for Silent {
    const ACTIVE: bool = false;
}
