//! Orders that wait for a price: parked beside the book, entered when a trade reaches it.

use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::error::{Reason, Refusal};
use crate::event::{OrderEvent, Outcome, Sink};
use crate::slab::{Cold, PARKED};
use crate::types::{
    CancelReason, OrderStatus, OrderType, OwnerNumber, Phase, PriceTicks, QuantityLots, Side,
};

impl Engine {
    /// Tells whether the last trade has reached an order's stop price already.
    pub(crate) fn has_reached(&self, incoming: &Incoming) -> bool {
        let book = &self.books[incoming.book];
        book.spec.phase == Phase::Open
            && book.last_trade.is_some_and(|last| match incoming.side {
                Side::Buy => last >= incoming.cold.stop_price,
                Side::Sell => last <= incoming.cold.stop_price,
            })
    }

    /// Puts an order among the stops of its book, with all set aside that it may cost.
    pub(crate) fn park<S: Sink>(&mut self, incoming: &mut Incoming, sink: &mut S) {
        let terms = Terms::of(&self.books[incoming.book].spec);
        let held = terms.entry(incoming.side, incoming.limit, incoming.remaining, 0);
        let cold = &mut incoming.cold;
        cold.held_minor = held;
        cold.waits_since = self.last_sequence.0;
        let mut hot = incoming.hot(0);
        hot.book_and_side |= PARKED;
        let cold = incoming.cold;
        self.slab.put(incoming.slot, hot, cold);
        let stops = &mut self.books[incoming.book].stops;
        stops.insert(incoming.side, cold.stop_price, cold.waits_since, incoming.slot);
        let asset = terms.held_asset(incoming.side);
        self.hold(cold.account, asset, held, incoming.id.0, sink);
    }

    /// Takes an order from among the stops; what it holds stays held.
    pub(crate) fn unpark(&mut self, slot: u32) {
        let hot = self.slab.hot[slot as usize];
        let cold = &self.slab.cold[slot as usize];
        let stops = &mut self.books[hot.book()].stops;
        stops.remove(hot.side(), cold.stop_price, cold.waits_since, slot);
    }

    /// Notes that a trade reached stops of a book.
    pub(crate) fn note_due(&mut self, index: usize) {
        if self.due_books.last() != Some(&index) {
            self.due_books.push(index);
        }
    }

    /// Enters the stop orders that the command's trades reached, and those that their own trades
    /// reach, until none is left.
    pub(crate) fn run_stops<S: Sink>(&mut self, sink: &mut S) {
        let mut at = 0;
        while let Some(&index) = self.due_books.get(at) {
            at += 1;
            while let Some(slot) = self.reached_stop(index) {
                self.trigger(slot, sink);
            }
        }
        self.due_books.clear();
    }

    fn reached_stop(&self, index: usize) -> Option<u32> {
        let book = &self.books[index];
        let trades = book.spec.phase == Phase::Open;
        book.stops.next_reached(book.last_trade.filter(|_| trades)?)
    }

    fn trigger<S: Sink>(&mut self, slot: u32, sink: &mut S) {
        let hot = self.slab.hot[slot as usize];
        let cold = self.slab.cold[slot as usize];
        let id = self.slab.order_id(slot);
        let spec = &self.books[hot.book()].spec;
        let (low, high) = (spec.limit_low, spec.limit_high);
        if cold.order_type == OrderType::StopLimit && !(low..=high).contains(&cold.price) {
            self.close_resting(slot, CancelReason::Admin, sink);
            return;
        }
        let asset = Terms::of(spec).held_asset(hot.side());
        self.unpark(slot);
        self.slab.hot[slot as usize].number = 0;
        self.hold(cold.account, asset, -cold.held_minor, id.0, sink);
        self.mark_account(cold.account);
        let mut incoming = Incoming {
            id,
            slot,
            rests: true,
            book: hot.book(),
            side: hot.side(),
            limit: cold.price,
            owner: OwnerNumber(hot.owner),
            remaining: hot.remaining,
            cold: Cold { version: cold.version + 1, held_minor: 0, ..cold },
            cancelled: None,
        };
        self.enter_triggered(&mut incoming, sink);
    }

    pub(crate) fn enter_triggered<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        sink: &mut S,
    ) -> Outcome {
        if incoming.cold.order_type == OrderType::Stop {
            let spec = &self.books[incoming.book].spec;
            let limit = match incoming.side {
                Side::Buy => incoming.limit.min(spec.limit_high),
                Side::Sell => incoming.limit.max(spec.limit_low),
            };
            incoming.limit = limit;
            incoming.rests = false;
        }
        if S::ACTIVE {
            sink.order(OrderEvent::Triggered, &self.incoming_state(incoming), None);
        }
        self.work(incoming, sink)
    }

    /// Changes a stop order that waits.
    pub(crate) fn amend_parked<S: Sink>(
        &mut self,
        slot: u32,
        price: Option<PriceTicks>,
        quantity: Option<QuantityLots>,
        sink: &mut S,
    ) -> Outcome {
        let hot = self.slab.hot[slot as usize];
        let before = self.slab.cold[slot as usize];
        let id = self.slab.order_id(slot);
        let quantity = quantity.unwrap_or(before.quantity);
        let mut incoming = Incoming {
            id,
            slot,
            rests: true,
            book: hot.book(),
            side: hot.side(),
            limit: price.unwrap_or(before.price),
            owner: OwnerNumber(hot.owner),
            remaining: quantity.0,
            cold: Cold { quantity, version: before.version + 1, held_minor: 0, ..before },
            cancelled: None,
        };
        incoming.cold.price = incoming.limit;
        if let Err(refusal) = self.check_parked(&mut incoming, &before, price) {
            return self.refused(id, before.version, refusal);
        }
        let asset = Terms::of(&self.books[hot.book()].spec).held_asset(hot.side());
        self.unpark(slot);
        self.hold(before.account, asset, -before.held_minor, id.0, sink);
        self.mark_account(before.account);
        // Other rules since may give a stop another worst price; it is not its owner's change.
        let same_price = price.is_none_or(|price| price == before.price);
        let keeps_place = same_price && quantity <= before.quantity;
        self.slab.refresh_links(slot, &mut incoming.cold);
        self.park(&mut incoming, sink);
        if keeps_place {
            self.unpark(slot);
            self.slab.cold[slot as usize].waits_since = before.waits_since;
            let stops = &mut self.books[hot.book()].stops;
            stops.insert(hot.side(), before.stop_price, before.waits_since, slot);
        }
        if S::ACTIVE {
            let remaining = incoming.remaining;
            let state = self.resting_state(slot, remaining, OrderStatus::TriggerWait, None);
            sink.order(OrderEvent::Amended, &state, None);
        }
        self.entered(&incoming, OrderStatus::TriggerWait)
    }

    fn check_parked(
        &self,
        incoming: &mut Incoming,
        before: &Cold,
        price: Option<PriceTicks>,
    ) -> Result<(), Refusal> {
        let number = self.books[incoming.book].spec.number;
        if before.order_type == OrderType::Stop && price.is_some() {
            return Err(Refusal::about(number, Reason::PriceNotAllowed, [0; 3]));
        }
        self.check_market(incoming)?;
        if incoming.limit != before.price || incoming.cold.quantity > before.quantity {
            self.check_limits(incoming)?;
        }
        if incoming.cold.reduce_only {
            self.check_reduces(incoming, incoming.slot)?;
        }
        self.check_funds(incoming, before.held_minor)
    }
}
