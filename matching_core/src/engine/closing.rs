//! Orders that leave the book without a trade: cancelled, expired, kept from their own owner.

use crate::engine::entry::{filled_notional, state_of};
use crate::engine::funds::Terms;
use crate::engine::{DAY_NS, Engine};
use crate::error::{Reason, Refusal};
use crate::event::{OrderEvent, OrderState, Outcome, Sink};
use crate::slab::{NONE, PARKED};
use crate::types::{
    AccountNumber, CancelReason, InstrumentNumber, OrderId, OrderStatus, QuantityLots, Side,
    TimeInForce,
};

impl Engine {
    pub(crate) fn cancel_order<S: Sink>(
        &mut self,
        account: Option<AccountNumber>,
        id: OrderId,
        reason: CancelReason,
        sink: &mut S,
    ) -> Outcome {
        let Some(slot) = self.own_order(account, id) else {
            return self.refused(id, 0, Refusal::plain(Reason::OrderNotFound));
        };
        self.close_resting(slot, reason, sink)
    }

    /// Returns the slot of an open order of the account, or of any account for the exchange.
    pub(crate) fn own_order(&self, account: Option<AccountNumber>, id: OrderId) -> Option<u32> {
        let slot = self.slab.find(id)?;
        let owner = self.slab.cold[slot as usize].account;
        account.is_none_or(|account| account == owner).then_some(slot)
    }

    /// Takes an order out of the book with all that it holds and says so.
    pub(crate) fn close_resting<S: Sink>(
        &mut self,
        slot: u32,
        reason: CancelReason,
        sink: &mut S,
    ) -> Outcome {
        let hot = self.slab.hot[slot as usize];
        let cold = self.slab.cold[slot as usize];
        let id = self.slab.order_id(slot);
        let expired = matches!(reason, CancelReason::Expired | CancelReason::InstrumentExpired);
        let status = if expired { OrderStatus::Expired } else { OrderStatus::Cancelled };
        let asset = Terms::of(&self.books[hot.book()].spec).held_asset(hot.side());
        self.hold(cold.account, asset, -cold.held_minor, id.0, sink);
        self.mark_account(cold.account);
        if S::ACTIVE {
            let event = if expired { OrderEvent::Expired } else { OrderEvent::Cancelled };
            sink.order(event, &self.resting_state(slot, 0, status, Some(reason)), None);
        }
        self.remove_resting(slot);
        if !hot.is(PARKED) {
            self.announce_level(hot.book(), hot.side(), hot.level, sink);
        }
        Outcome {
            order_id: id,
            sequence: self.last_sequence,
            time: self.time,
            status,
            filled: cold.filled,
            filled_notional_ticks: filled_notional(&cold),
            remaining: QuantityLots(0),
            fees_minor: cold.taker_fee_minor + cold.maker_fee_minor,
            version: cold.version,
            cancel_reason: Some(reason),
            refusal: None,
        }
    }

    /// Takes lots off a resting order that stays in place, of an iceberg first those that don't
    /// show.
    pub(crate) fn shrink_resting<S: Sink>(
        &mut self,
        slot: u32,
        lots: u32,
        terms: &Terms,
        sink: &mut S,
    ) {
        let side = self.slab.hot[slot as usize].side();
        let book = self.slab.hot[slot as usize].book();
        let hidden = self.slab.cold[slot as usize].hidden.min(lots);
        let ladder = self.books[book].side_mut(side);
        if hidden > 0 {
            ladder.reduce_hidden(&mut self.slab, slot, hidden);
        }
        ladder.reduce(&mut self.slab, slot, lots - hidden);
        let remaining = self.slab.open_lots(slot);
        let id = self.slab.order_id(slot);
        let cold = &mut self.slab.cold[slot as usize];
        cold.quantity.0 -= lots;
        cold.version += 1;
        let held = terms.hold(side, cold.price, remaining, cold.taker_notional_ticks);
        let change = held - cold.held_minor;
        cold.held_minor = held;
        let account = cold.account;
        self.hold(account, terms.held_asset(side), change, id.0, sink);
        self.mark_account(account);
        if S::ACTIVE {
            let state = self.resting_state(slot, remaining, self.resting_status(slot), None);
            sink.order(OrderEvent::Amended, &state, None);
        }
    }

    /// Forgets a resting order; its hold is settled already.
    pub(crate) fn remove_resting(&mut self, slot: u32) {
        let hot = self.slab.hot[slot as usize];
        let id = self.slab.order_id(slot);
        if hot.is(PARKED) {
            self.unpark(slot);
        } else {
            self.books[hot.book()].side_mut(hot.side()).unlink(&mut self.slab, slot);
        }
        self.unlist_order(slot, id);
        self.slab.free(slot);
    }

    /// Puts a new order at the end of its account's open orders.
    pub(crate) fn list_order(&mut self, slot: u32, account: AccountNumber) {
        let account = self.ledger.account(account);
        let previous = account.newest;
        account.newest = slot;
        account.open_orders += 1;
        if previous == NONE {
            account.oldest = slot;
        } else {
            self.slab.cold[previous as usize].account_next = slot;
        }
        let cold = &mut self.slab.cold[slot as usize];
        cold.account_prev = previous;
        cold.account_next = NONE;
    }

    /// Takes an order that closes off its account's list, the expiries and the open answers.
    pub(crate) fn unlist_order(&mut self, slot: u32, id: OrderId) {
        let cold = self.slab.cold[slot as usize];
        let account = self.ledger.account(cold.account);
        account.open_orders -= 1;
        if cold.account_prev == NONE {
            account.oldest = cold.account_next;
        } else {
            self.slab.cold[cold.account_prev as usize].account_next = cold.account_next;
        }
        if cold.account_next == NONE {
            account.newest = cold.account_prev;
        } else {
            self.slab.cold[cold.account_next as usize].account_prev = cold.account_prev;
        }
        if cold.time_in_force == TimeInForce::Gtd {
            self.expiries.remove(&(cold.expire_time, id));
        }
        if let Some(record) = cold.record {
            self.answers.touch(record, self.time);
        }
    }

    pub(crate) fn mass_cancel<S: Sink>(
        &mut self,
        account: Option<AccountNumber>,
        instrument: Option<InstrumentNumber>,
        side: Option<Side>,
        reason: CancelReason,
        sink: &mut S,
    ) -> Outcome {
        let mut slots = core::mem::take(&mut self.scratch);
        slots.clear();
        match account {
            Some(account) => slots.extend(self.account_slots(account)),
            None => slots.extend(self.book_slots(instrument)),
        }
        let book = instrument.and_then(|number| self.book_index(number));
        let mut count = 0_u32;
        for &slot in &slots {
            let hot = self.slab.hot[slot as usize];
            let stays = reason == CancelReason::Disconnect
                && self.slab.cold[slot as usize].time_in_force == TimeInForce::Gtc;
            let fits = book.is_none_or(|book| hot.book() == book)
                && side.is_none_or(|side| hot.side() == side)
                && !stays;
            if fits {
                self.close_resting(slot, reason, sink);
                count += 1;
            }
        }
        self.scratch = slots;
        self.counted(count)
    }

    /// Returns the slots of an account's open orders, the oldest first.
    pub(crate) fn account_slots(&self, account: AccountNumber) -> impl Iterator<Item = u32> + '_ {
        let oldest = self.ledger.get(account).map_or(NONE, |account| account.oldest);
        let some = |slot: u32| (slot != NONE).then_some(slot);
        core::iter::successors(some(oldest), move |&slot| {
            some(self.slab.cold[slot as usize].account_next)
        })
    }

    /// Returns the slots of one book or all: buys, then sells, in the order they would trade, then
    /// those that wait for a price.
    pub(crate) fn book_slots(
        &self,
        instrument: Option<InstrumentNumber>,
    ) -> impl Iterator<Item = u32> + '_ {
        let books = self
            .books
            .iter()
            .filter(move |book| instrument.is_none_or(|number| book.spec.number == number));
        books.flat_map(move |book| {
            let resting = [&book.buys, &book.sells].into_iter().flat_map(move |ladder| {
                let levels = ladder.outside().chain(ladder.iter());
                levels.flat_map(move |level| self.level_slots(ladder.head(level)))
            });
            resting.chain(book.stops.slots())
        })
    }

    pub(crate) fn level_slots(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        let some = |slot: u32| (slot != NONE).then_some(slot);
        core::iter::successors(some(head), move |&slot| some(self.slab.hot[slot as usize].next))
    }

    /// Tells whether an order's time has run out by `time`.
    #[must_use]
    pub fn has_expiry_due(&self, time: crate::types::TimestampNs) -> bool {
        let first = self.expiries.first();
        let auction = self.auctions.first();
        first.is_some_and(|&(due, _)| due <= time)
            || auction.is_some_and(|&(due, _)| due <= time)
            || time.0 / DAY_NS > self.day
    }

    pub(crate) fn advance_time<S: Sink>(&mut self, sink: &mut S) -> Outcome {
        let mut count = 0_u32;
        while let Some(&(due, id)) = self.expiries.first() {
            if due > self.time {
                break;
            }
            self.expiries.remove(&(due, id));
            if let Some(slot) = self.slab.find(id) {
                self.close_resting(slot, CancelReason::Expired, sink);
                count += 1;
            }
        }
        self.end_timed_auctions(sink);
        let day = self.time.0 / DAY_NS;
        if day > self.day {
            self.day = day;
            count += self.expire_day_orders(sink);
        }
        self.counted(count)
    }

    /// Ends the DAY orders of earlier days, in the order they were entered.
    fn expire_day_orders<S: Sink>(&mut self, sink: &mut S) -> u32 {
        let today = self.day;
        let over = |slot: &u32| {
            let cold = &self.slab.cold[*slot as usize];
            cold.time_in_force == TimeInForce::Day && cold.create_time.0 / DAY_NS < today
        };
        let mut orders: Vec<OrderId> =
            self.book_slots(None).filter(over).map(|slot| self.slab.order_id(slot)).collect();
        orders.sort_unstable();
        let mut count = 0;
        for id in orders {
            if let Some(slot) = self.slab.find(id) {
                self.close_resting(slot, CancelReason::Expired, sink);
                count += 1;
            }
        }
        count
    }

    pub(crate) fn resting_status(&self, slot: u32) -> OrderStatus {
        if self.slab.hot[slot as usize].is(PARKED) {
            OrderStatus::TriggerWait
        } else if self.slab.cold[slot as usize].filled.0 > 0 {
            OrderStatus::PartiallyFilled
        } else {
            OrderStatus::New
        }
    }

    pub(crate) fn resting_state(
        &self,
        slot: u32,
        remaining: u32,
        status: OrderStatus,
        cancel_reason: Option<CancelReason>,
    ) -> OrderState {
        let hot = self.slab.hot[slot as usize];
        let number = self.books[hot.book()].spec.number;
        let cold = &self.slab.cold[slot as usize];
        let mut state = state_of(cold, self.slab.order_id(slot), number, hot.side(), status);
        state.remaining = QuantityLots(remaining);
        state.cancel_reason = cancel_reason;
        state
    }
}
