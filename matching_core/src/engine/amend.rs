//! Changing an open order in place.
//!
//! Fewer lots at the same price keep its place in the queue. Anything else gives it up: the order
//! goes through the book as if it came in, under the same ID.

use crate::engine::Engine;
use crate::engine::entry::filled_notional;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::error::{Reason, Refusal};
use crate::event::{OrderEvent, Outcome, Sink};
use crate::slab::{Cold, PARKED};
use crate::types::{AccountNumber, CancelReason, OrderId, OwnerNumber, PriceTicks, QuantityLots};

impl Engine {
    pub(crate) fn amend_order<S: Sink>(
        &mut self,
        account: AccountNumber,
        id: OrderId,
        price: Option<PriceTicks>,
        quantity: Option<QuantityLots>,
        sink: &mut S,
    ) -> Outcome {
        let Some(slot) = self.own_order(Some(account), id) else {
            return self.refused(id, 0, Refusal::plain(Reason::OrderNotFound));
        };
        if self.slab.hot[slot as usize].is(PARKED) {
            return self.amend_parked(slot, price, quantity, sink);
        }
        let cold = self.slab.cold[slot as usize];
        let price = price.unwrap_or(cold.price);
        let quantity = quantity.unwrap_or(cold.quantity);
        if quantity <= cold.filled {
            return self.close_resting(slot, CancelReason::User, sink);
        }
        if price == cold.price && quantity <= cold.quantity {
            return self.shrink_to(slot, quantity, sink);
        }
        self.requeue(slot, price, quantity, sink)
    }

    fn shrink_to<S: Sink>(&mut self, slot: u32, quantity: QuantityLots, sink: &mut S) -> Outcome {
        let hot = self.slab.hot[slot as usize];
        let terms = Terms::of(&self.books[hot.book()].spec);
        let lots = self.slab.cold[slot as usize].quantity.0 - quantity.0;
        self.shrink_resting(slot, lots, &terms, sink);
        if lots > 0 {
            self.announce_level(hot.book(), hot.side(), hot.level, sink);
        }
        self.resting_outcome(slot)
    }

    fn requeue<S: Sink>(
        &mut self,
        slot: u32,
        price: PriceTicks,
        quantity: QuantityLots,
        sink: &mut S,
    ) -> Outcome {
        let hot = self.slab.hot[slot as usize];
        let cold = self.slab.cold[slot as usize];
        let id = self.slab.order_id(slot);
        let mut incoming = Incoming {
            id,
            slot,
            rests: true,
            book: hot.book(),
            side: hot.side(),
            limit: price,
            owner: OwnerNumber(hot.owner),
            remaining: quantity.0 - cold.filled.0,
            cold: Cold { price, quantity, version: cold.version + 1, held_minor: 0, ..cold },
            cancelled: None,
        };
        if let Err(refusal) = self.check_requeue(&mut incoming, cold.held_minor) {
            return self.refused(id, cold.version, refusal);
        }
        self.take_out(slot, sink);
        if S::ACTIVE {
            sink.order(OrderEvent::Amended, &self.incoming_state(&incoming), None);
        }
        self.work(&mut incoming, sink)
    }

    fn check_requeue(&self, incoming: &mut Incoming, held: i64) -> Result<(), Refusal> {
        self.check_market(incoming)?;
        let book = &self.books[incoming.book];
        if incoming.cold.post_only && book.crosses(incoming.side, incoming.limit) {
            let reason = Reason::PostOnlyWouldTrade;
            return Err(Refusal::about(book.spec.number, reason, [0; 3]));
        }
        self.check_limits(incoming)?;
        if incoming.cold.reduce_only {
            self.check_reduces(incoming, incoming.slot)?;
        }
        self.check_funds(incoming, held)
    }

    fn resting_outcome(&self, slot: u32) -> Outcome {
        let cold = &self.slab.cold[slot as usize];
        Outcome {
            order_id: self.slab.order_id(slot),
            sequence: self.last_sequence,
            time: self.time,
            status: self.resting_status(slot),
            filled: cold.filled,
            filled_notional_ticks: filled_notional(cold),
            remaining: QuantityLots(self.slab.open_lots(slot)),
            fees_minor: cold.taker_fee_minor + cold.maker_fee_minor,
            version: cold.version,
            cancel_reason: None,
            refusal: None,
        }
    }
}
