//! Entering an order: what the market and the account say to it, then the book.

use crate::book::reaches;
use crate::command::NewOrder;
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::engine::rules::is_stop;
use crate::error::Refusal;
use crate::event::{OrderEvent, OrderState, Outcome, Sink};
use crate::slab::{Cold, ICEBERG, NONE};
use crate::types::{
    CancelReason, InstrumentNumber, NO_SLOT, OrderId, OrderStatus, Phase, QuantityLots,
    SelfTradePrevention, Side, TimeInForce,
};

impl Engine {
    pub(crate) fn new_order<S: Sink>(&mut self, order: &NewOrder, sink: &mut S) -> Outcome {
        self.order_number += 1;
        self.mark_account(order.account);
        match self.check_order(order) {
            Ok(mut incoming) => {
                if incoming.rests {
                    incoming.slot = self.slab.reserve();
                    incoming.id = OrderId::new(self.order_number, incoming.slot);
                }
                let waits = is_stop(order.order_type) && !self.has_reached(&incoming);
                if S::ACTIVE {
                    let mut state = self.incoming_state(&incoming);
                    if waits {
                        state.status = OrderStatus::TriggerWait;
                    }
                    sink.order(OrderEvent::Accepted, &state, None);
                }
                if waits {
                    self.park(&mut incoming, sink);
                    self.list_new(&incoming);
                    self.entered(&incoming, OrderStatus::TriggerWait)
                } else if is_stop(order.order_type) {
                    self.enter_triggered(&mut incoming, sink)
                } else {
                    self.work(&mut incoming, sink)
                }
            }
            Err(refusal) => {
                let id = OrderId::new(self.order_number, NO_SLOT);
                if S::ACTIVE {
                    let state = self.refused_state(order, id, refusal);
                    sink.order(OrderEvent::Rejected, &state, None);
                }
                self.refused(id, 1, refusal)
            }
        }
    }

    /// Matches, then rests or cancels what is left.
    pub(crate) fn work<S: Sink>(&mut self, incoming: &mut Incoming, sink: &mut S) -> Outcome {
        if self.books[incoming.book].spec.phase == Phase::Open {
            self.match_incoming(incoming, sink);
        }
        if !incoming.is_done() && self.books[incoming.book].spec.phase != Phase::Open {
            self.part_from_own(incoming, sink);
        }
        if !incoming.is_done() {
            if incoming.rests {
                self.rest(incoming, sink);
            } else {
                incoming.cancelled = Some(CancelReason::IocRemainder);
            }
        }
        if incoming.is_done() {
            self.discard(incoming, sink);
        }
        self.entered(incoming, incoming.status())
    }

    /// Returns the answer to an order that came in.
    pub(crate) fn entered(&self, incoming: &Incoming, status: OrderStatus) -> Outcome {
        Outcome {
            order_id: incoming.id,
            sequence: self.last_sequence,
            time: self.time,
            status,
            filled: incoming.cold.filled,
            filled_notional_ticks: filled_notional(&incoming.cold),
            remaining: QuantityLots(incoming.open_lots()),
            fees_minor: incoming.cold.taker_fee_minor + incoming.cold.maker_fee_minor,
            version: incoming.cold.version,
            cancel_reason: incoming.cancelled,
            refusal: None,
        }
    }

    fn rest<S: Sink>(&mut self, incoming: &mut Incoming, sink: &mut S) {
        let book = &mut self.books[incoming.book];
        let level = book.level(incoming.limit);
        let terms = Terms::of(&book.spec);
        let mut hot = incoming.hot(level);
        let cold = &mut incoming.cold;
        let held = terms.hold(
            incoming.side,
            incoming.limit,
            incoming.remaining,
            cold.taker_notional_ticks,
        );
        cold.held_minor = held;
        let shows = cold.display.0;
        if shows > 0 && shows < incoming.remaining {
            cold.hidden = incoming.remaining - shows;
            hot.remaining = shows;
            hot.book_and_side |= ICEBERG;
        } else {
            cold.hidden = 0;
        }
        let betters = book.spec.phase == Phase::Open
            && book.best(incoming.side).is_none_or(|best| {
                best != incoming.limit && reaches(incoming.side, incoming.limit, best)
            });
        if betters {
            book.set_top(incoming.side, hot.number);
        }
        let cold = &mut incoming.cold;
        if cold.version > 1 {
            self.slab.refresh_links(incoming.slot, cold);
        }
        self.slab.put(incoming.slot, hot, *cold);
        book.side_mut(incoming.side).append(&mut self.slab, incoming.slot);
        if cold.version == 1 {
            self.list_new(incoming);
        }
        let cold = &incoming.cold;
        let asset = terms.held_asset(incoming.side);
        self.hold(cold.account, asset, held, incoming.id.0, sink);
        self.announce_level(incoming.book, incoming.side, level, sink);
    }

    /// Lists an order that stays for the first time.
    pub(crate) fn list_new(&mut self, incoming: &Incoming) {
        self.list_order(incoming.slot, incoming.cold.account);
        if incoming.cold.time_in_force == TimeInForce::Gtd {
            self.expiries.insert((incoming.cold.expire_time, incoming.id));
        }
    }

    /// Ends an order that is not in the book.
    fn discard<S: Sink>(&mut self, incoming: &Incoming, sink: &mut S) {
        if incoming.slot != NONE {
            if incoming.cold.version > 1 {
                // Its place among the account's orders is still in its slot.
                self.unlist_order(incoming.slot, incoming.id);
            }
            self.slab.free(incoming.slot);
        }
        if S::ACTIVE && incoming.cancelled.is_some() {
            sink.order(OrderEvent::Cancelled, &self.incoming_state(incoming), None);
        }
    }

    pub(crate) fn incoming_state(&self, incoming: &Incoming) -> OrderState {
        let number = self.books[incoming.book].spec.number;
        let remaining = incoming.open_lots();
        let mut state =
            state_of(&incoming.cold, incoming.id, number, incoming.side, incoming.status());
        state.remaining = QuantityLots(remaining);
        state.cancel_reason = incoming.cancelled;
        state
    }

    /// Returns what is kept of an order that comes in now.
    pub(crate) fn cold_of(&self, order: &NewOrder, mode: SelfTradePrevention) -> Cold {
        Cold {
            account: order.account,
            quantity: order.quantity,
            version: 1,
            price: order.price,
            create_time: self.time,
            expire_time: order.expire_time,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: mode,
            post_only: order.post_only,
            reduce_only: order.reduce_only,
            stop_price: order.stop_price,
            display: order.display,
            min_quantity: order.min_quantity,
            client_order_id: order.client_order_id,
            ..Cold::FREE
        }
    }

    fn refused_state(&self, order: &NewOrder, id: OrderId, refusal: Refusal) -> OrderState {
        let account = self.ledger.get(order.account);
        let mode = order.self_trade_prevention.unwrap_or_else(|| {
            account.map_or(Cold::FREE.self_trade_prevention, |a| a.self_trade_prevention)
        });
        let cold = self.cold_of(order, mode);
        let mut state = state_of(&cold, id, order.instrument, order.side, OrderStatus::Rejected);
        state.refusal = Some(refusal);
        state
    }
}

pub(crate) const fn filled_notional(cold: &Cold) -> i64 {
    cold.taker_notional_ticks.saturating_add(cold.maker_notional_ticks)
}

/// Returns the state of an order with nothing open.
pub(crate) fn state_of(
    cold: &Cold,
    order_id: OrderId,
    instrument: InstrumentNumber,
    side: Side,
    status: OrderStatus,
) -> OrderState {
    OrderState {
        order_id,
        account: cold.account,
        instrument,
        side,
        order_type: cold.order_type,
        time_in_force: cold.time_in_force,
        post_only: cold.post_only,
        reduce_only: cold.reduce_only,
        self_trade_prevention: cold.self_trade_prevention,
        price: cold.price,
        stop_price: cold.stop_price,
        quantity: cold.quantity,
        filled: cold.filled,
        filled_notional_ticks: filled_notional(cold),
        remaining: QuantityLots(0),
        display: cold.display,
        min_quantity: cold.min_quantity,
        expire_time: cold.expire_time,
        status,
        cancel_reason: None,
        refusal: None,
        fees_minor: cold.taker_fee_minor + cold.maker_fee_minor,
        create_time: cold.create_time,
        version: cold.version,
        client_order_id: cold.client_order_id,
    }
}
