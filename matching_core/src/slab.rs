//! Open orders of all books in two parallel arrays: what matching touches, and the rest.
//!
//! Invariants: slot 0 is never used, so 0 is "none" in every link. A slot is free exactly when its
//! number is 0. The free list is last in, first out, and part of the state: replay gives the same
//! slots, and so the same order IDs.
#![allow(clippy::indexing_slicing, reason = "links only ever hold slots of the slab")]

use crate::command::ClientOrderId;
use crate::types::{
    AccountNumber, NO_SLOT, OrderId, OrderType, PriceTicks, QuantityLots, SelfTradePrevention,
    Side, TimeInForce, TimestampNs,
};

/// No slot.
pub(crate) const NONE: u32 = 0;

/// What matching needs of a resting order: half a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(32))]
pub(crate) struct Hot {
    /// Next order of the level, the later one.
    pub(crate) next: u32,
    /// Previous order of the level, the earlier one.
    pub(crate) prev: u32,
    /// Lots still open, of an iceberg those that show.
    pub(crate) remaining: u32,
    /// Level: ticks above the lowest price of the instrument.
    pub(crate) level: u32,
    /// Order number; 0 when the slot is free.
    pub(crate) number: u64,
    /// Beneficial owner.
    pub(crate) owner: u32,
    /// Index of the book, the side in the lowest bit, flags in the highest.
    pub(crate) book_and_side: u32,
}

/// Set in `book_and_side` of an order that shows only a part of itself.
pub(crate) const ICEBERG: u32 = 1 << 31;
/// Set in `book_and_side` of an order that may only reduce a position.
pub(crate) const REDUCES: u32 = 1 << 30;
/// Set in `book_and_side` of an order that waits for its stop price outside the ladder.
pub(crate) const PARKED: u32 = 1 << 29;

/// All that may be set beside book and side.
pub(crate) const FLAGS: u32 = ICEBERG | REDUCES | PARKED;

impl Hot {
    pub(crate) const fn book(self) -> usize {
        ((self.book_and_side & (PARKED - 1)) >> 1) as usize
    }

    pub(crate) const fn is(self, flag: u32) -> bool {
        self.book_and_side & flag != 0
    }

    pub(crate) const fn side(self) -> Side {
        if self.book_and_side & 1 == 0 { Side::Buy } else { Side::Sell }
    }
}

/// The rest of an open order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cold {
    pub(crate) account: AccountNumber,
    pub(crate) quantity: QuantityLots,
    pub(crate) filled: QuantityLots,
    pub(crate) version: u32,
    /// Sum of price times lots of fills as incoming order.
    pub(crate) taker_notional_ticks: i64,
    /// Sum of price times lots of fills as resting order.
    pub(crate) maker_notional_ticks: i64,
    pub(crate) taker_fee_minor: i64,
    pub(crate) maker_fee_minor: i64,
    /// What the account holds for the open rest, in minor units of the asset it pays with.
    pub(crate) held_minor: i64,
    pub(crate) price: PriceTicks,
    pub(crate) create_time: TimestampNs,
    pub(crate) expire_time: TimestampNs,
    /// Neighbours among the account's open orders, by age.
    pub(crate) account_next: u32,
    pub(crate) account_prev: u32,
    /// Position of its record among first answers, when it is keyed.
    pub(crate) record: Option<u32>,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) self_trade_prevention: SelfTradePrevention,
    pub(crate) post_only: bool,
    pub(crate) reduce_only: bool,
    pub(crate) stop_price: PriceTicks,
    /// Lots shown at a time; 0 for all.
    pub(crate) display: QuantityLots,
    /// Lots open that do not show.
    pub(crate) hidden: u32,
    pub(crate) min_quantity: QuantityLots,
    /// Sequence from which it waits for its stop price: the earlier is triggered first.
    pub(crate) waits_since: u64,
    pub(crate) client_order_id: ClientOrderId,
}

impl Cold {
    pub(crate) const FREE: Self = Self {
        account: AccountNumber(0),
        quantity: QuantityLots(0),
        filled: QuantityLots(0),
        version: 0,
        taker_notional_ticks: 0,
        maker_notional_ticks: 0,
        taker_fee_minor: 0,
        maker_fee_minor: 0,
        held_minor: 0,
        price: PriceTicks(0),
        create_time: TimestampNs(0),
        expire_time: TimestampNs(0),
        account_next: NONE,
        account_prev: NONE,
        record: None,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade_prevention: SelfTradePrevention::CancelNewest,
        post_only: false,
        reduce_only: false,
        stop_price: PriceTicks(0),
        display: QuantityLots(0),
        hidden: 0,
        min_quantity: QuantityLots(0),
        waits_since: 0,
        client_order_id: ClientOrderId::NONE,
    };
}

#[derive(Clone, Debug)]
pub(crate) struct Slab {
    pub(crate) hot: Vec<Hot>,
    pub(crate) cold: Vec<Cold>,
    pub(crate) free: Vec<u32>,
}

impl Slab {
    pub(crate) fn new() -> Self {
        Self { hot: vec![Hot::default()], cold: vec![Cold::FREE], free: Vec::new() }
    }

    /// Returns the slot after the last one ever used.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.hot.len()).unwrap_or(NO_SLOT)
    }

    /// Returns how many orders are open.
    pub(crate) fn open_count(&self) -> u32 {
        let used = self.hot.len().saturating_sub(1).saturating_sub(self.free.len());
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// Takes a slot for an order that may come to rest; it stays free for [`Slab::find`].
    pub(crate) fn reserve(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = self.end();
        self.hot.push(Hot::default());
        self.cold.push(Cold::FREE);
        slot
    }

    /// Takes over the neighbours of a listed order: while it went through the book as incoming,
    /// orders beside it in its account's list may have closed.
    pub(crate) fn refresh_links(&self, slot: u32, cold: &mut Cold) {
        let listed = &self.cold[slot as usize];
        cold.account_next = listed.account_next;
        cold.account_prev = listed.account_prev;
    }

    /// Puts an order into its reserved slot.
    pub(crate) fn put(&mut self, slot: u32, hot: Hot, cold: Cold) {
        self.hot[slot as usize] = hot;
        self.cold[slot as usize] = cold;
    }

    /// Frees a slot.
    pub(crate) fn free(&mut self, slot: u32) {
        self.hot[slot as usize].number = 0;
        self.free.push(slot);
    }

    /// Returns the slot of an open order.
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        let slot = id.slot();
        let hot = self.hot.get(slot as usize)?;
        (hot.number == id.number() && hot.number != 0).then_some(slot)
    }

    /// Returns all lots of an order that are still open.
    pub(crate) fn open_lots(&self, slot: u32) -> u32 {
        let hot = &self.hot[slot as usize];
        if hot.is(ICEBERG) {
            return hot.remaining.saturating_add(self.cold[slot as usize].hidden);
        }
        hot.remaining
    }

    pub(crate) fn order_id(&self, slot: u32) -> OrderId {
        OrderId::new(self.hot[slot as usize].number, slot)
    }
}
