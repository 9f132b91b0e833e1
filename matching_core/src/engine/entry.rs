//! Entering an order: what the market and the account say to it, then the book.

use crate::book::reaches;
use crate::command::NewOrder;
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::engine::rules::{is_immediate, order_breaks};
use crate::error::{Reason, Refusal};
use crate::event::{OrderEvent, OrderState, Outcome, Sink};
use crate::slab::{Cold, Hot, NONE};
use crate::types::{
    CancelReason, InstrumentNumber, NO_SLOT, OrderId, OrderStatus, OrderType, Phase, PriceTicks,
    QuantityLots, Side, TimeInForce,
};

impl Engine {
    pub(crate) fn new_order<S: Sink>(&mut self, order: &NewOrder, sink: &mut S) -> Outcome {
        self.order_number += 1;
        self.mark_account(order.account);
        match self.check_order(order) {
            Ok(mut incoming) => {
                if !is_immediate(order.time_in_force) {
                    incoming.slot = self.slab.reserve();
                    incoming.id = OrderId::new(self.order_number, incoming.slot);
                }
                if S::ACTIVE {
                    let state = self.incoming_state(&incoming);
                    sink.order(OrderEvent::Accepted, &state, None);
                }
                self.work(&mut incoming, sink)
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
        self.match_incoming(incoming, sink);
        if incoming.remaining > 0 && incoming.cancelled.is_none() {
            if incoming.slot == NONE {
                incoming.cancelled = Some(CancelReason::IocRemainder);
            } else {
                self.rest(incoming, sink);
            }
        }
        if incoming.remaining == 0 || incoming.cancelled.is_some() {
            self.discard(incoming, sink);
        }
        Outcome {
            order_id: incoming.id,
            sequence: self.last_sequence,
            time: self.time,
            status: incoming.status(),
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
        let cold = &mut incoming.cold;
        let held = terms.hold(
            incoming.side,
            incoming.limit,
            incoming.remaining,
            cold.taker_notional_ticks,
        );
        cold.held_minor = held;
        let hot = Hot {
            next: NONE,
            prev: NONE,
            remaining: incoming.remaining,
            level,
            number: incoming.id.number(),
            owner: incoming.owner.0,
            book_and_side: u32::try_from(incoming.book).unwrap_or(u32::MAX) << 1
                | u32::from(incoming.side == Side::Sell),
        };
        if cold.version > 1 {
            self.slab.refresh_links(incoming.slot, cold);
        }
        self.slab.put(incoming.slot, hot, *cold);
        book.side_mut(incoming.side).append(&mut self.slab, incoming.slot);
        if cold.version == 1 {
            self.list_order(incoming.slot, cold.account);
            if cold.time_in_force == TimeInForce::Gtd {
                self.expiries.insert((cold.expire_time, incoming.id));
            }
        }
        let asset = terms.held_asset(incoming.side);
        self.hold(cold.account, asset, held, incoming.id.0, sink);
        self.announce_level(incoming.book, incoming.side, level, sink);
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

    fn check_order(&self, order: &NewOrder) -> Result<Incoming, Refusal> {
        let plain =
            |reason| Refusal { instrument: Some(order.instrument), ..Refusal::plain(reason) };
        let index = self.book_index(order.instrument);
        let index = index.ok_or_else(|| plain(Reason::InstrumentUnknown))?;
        let account = self.ledger.get(order.account);
        let account = account.ok_or_else(|| plain(Reason::AccountUnknown))?;
        let book = &self.books[index];
        if let Some(refusal) = order_breaks(&book.spec, order) {
            return Err(refusal);
        }
        if order.time_in_force == TimeInForce::Gtd && order.expire_time <= self.time {
            return Err(plain(Reason::ExpiryInvalid));
        }
        let mode = order.self_trade_prevention.unwrap_or(account.self_trade_prevention);
        let mut incoming = Incoming {
            id: OrderId::new(self.order_number, NO_SLOT),
            slot: NONE,
            book: index,
            side: order.side,
            limit: order.price,
            owner: account.owner,
            remaining: order.quantity.0,
            cold: Cold {
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
                client_order_id: order.client_order_id,
                ..Cold::FREE
            },
            cancelled: None,
        };
        self.check_market(&mut incoming)?;
        let rests = !is_immediate(order.time_in_force);
        if rests && account.open_orders >= account.max_open_orders {
            let most = account.max_open_orders.into();
            let reason = Reason::OpenOrdersLimit;
            return Err(Refusal::about(order.instrument, reason, [most, 0, 0]));
        }
        self.check_liquidity(&incoming)?;
        self.check_funds(&incoming, 0)?;
        if rests && self.slab.open_count() >= self.limits.open_orders_max {
            return Err(plain(Reason::BookFull));
        }
        Ok(incoming)
    }

    /// Checks who may trade now and at which prices; gives a market order its worst price.
    pub(crate) fn check_market(&self, incoming: &mut Incoming) -> Result<(), Refusal> {
        let book = &self.books[incoming.book];
        let spec = &book.spec;
        let refuse = |reason, values| Err(Refusal::about(spec.number, reason, values));
        if self.ledger.get(incoming.cold.account).is_some_and(|account| account.restricted) {
            return refuse(Reason::AccountRestricted, [0; 3]);
        }
        match spec.phase {
            Phase::Open => {}
            Phase::Halted => return refuse(Reason::MarketHalted, [0; 3]),
            phase => return refuse(Reason::InstrumentNotTrading, [phase.number().into(), 0, 0]),
        }
        let (low, high) = (spec.limit_low, spec.limit_high);
        if incoming.cold.order_type == OrderType::Market {
            let Some(best) = book.best(incoming.side.opposite()) else {
                return refuse(Reason::NoLiquidity, [0; 3]);
            };
            let worst = match incoming.side {
                Side::Buy => best.0 + spec.protection_ticks,
                Side::Sell => best.0 - spec.protection_ticks,
            };
            incoming.limit = PriceTicks(worst.clamp(low.0, high.0));
        } else if !(low..=high).contains(&incoming.limit) {
            return refuse(Reason::PriceLimit, [incoming.limit.0, low.0, high.0]);
        }
        let value = Terms::of(spec).value(incoming.limit, incoming.remaining);
        if spec.max_notional_minor > 0 && value > spec.max_notional_minor {
            return refuse(Reason::NotionalMax, [value, spec.max_notional_minor, 0]);
        }
        Ok(())
    }

    fn check_liquidity(&self, incoming: &Incoming) -> Result<(), Refusal> {
        let book = &self.books[incoming.book];
        let number = book.spec.number;
        if incoming.cold.order_type == OrderType::Market {
            let best = book.best(incoming.side.opposite());
            if !best.is_some_and(|best| reaches(incoming.side, incoming.limit, best)) {
                return Err(Refusal::about(number, Reason::NoLiquidity, [0; 3]));
            }
        }
        if incoming.cold.post_only && book.crosses(incoming.side, incoming.limit) {
            return Err(Refusal::about(number, Reason::PostOnlyWouldTrade, [0; 3]));
        }
        if incoming.cold.time_in_force == TimeInForce::Fok {
            let lots = self.fillable(incoming);
            if lots < incoming.remaining {
                return Err(Refusal::about(number, Reason::FokUnfillable, [lots.into(), 0, 0]));
            }
        }
        Ok(())
    }

    /// Checks that the account can pay, when `freed` of its own hold comes free first.
    pub(crate) fn check_funds(&self, incoming: &Incoming, freed: i64) -> Result<(), Refusal> {
        let terms = Terms::of(&self.books[incoming.book].spec);
        let cold = &incoming.cold;
        let needed = terms.entry(
            incoming.side,
            incoming.limit,
            incoming.remaining,
            cold.taker_notional_ticks,
        );
        let asset = terms.held_asset(incoming.side);
        let available = self.ledger.available(cold.account, asset) + freed;
        if needed <= available {
            return Ok(());
        }
        let is_base = asset == terms.base;
        Err(Refusal {
            reason: if is_base { Reason::InsufficientInventory } else { Reason::InsufficientFunds },
            instrument: Some(terms.instrument),
            asset: Some(asset),
            values: [needed, available, 0],
        })
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

    fn refused_state(&self, order: &NewOrder, id: OrderId, refusal: Refusal) -> OrderState {
        let account = self.ledger.get(order.account);
        let cold = Cold {
            account: order.account,
            quantity: order.quantity,
            version: 1,
            price: order.price,
            create_time: self.time,
            expire_time: order.expire_time,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.self_trade_prevention.unwrap_or_else(|| {
                account.map_or(Cold::FREE.self_trade_prevention, |a| a.self_trade_prevention)
            }),
            post_only: order.post_only,
            client_order_id: order.client_order_id,
            ..Cold::FREE
        };
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
        reduce_only: false,
        self_trade_prevention: cold.self_trade_prevention,
        price: cold.price,
        stop_price: PriceTicks(0),
        quantity: cold.quantity,
        filled: cold.filled,
        filled_notional_ticks: filled_notional(cold),
        remaining: QuantityLots(0),
        display: QuantityLots(0),
        min_quantity: QuantityLots(0),
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
