//! An incoming order against the other side: price first, then time, own orders set aside.

use crate::book::reaches;
use crate::engine::funds::Terms;
use crate::engine::{DAY_NS, Engine};
use crate::event::{OrderEvent, Sink, Trade};
use crate::slab::{Cold, NONE};
use crate::types::{
    CancelReason, OrderId, OrderStatus, OwnerNumber, PriceTicks, QuantityLots, SelfTradePrevention,
    Side,
};

/// An order on its way through the book: a new one, or one whose change gave its priority away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) id: OrderId,
    /// Slot that is reserved for it, [`NONE`] when it can't rest.
    pub(crate) slot: u32,
    pub(crate) book: usize,
    pub(crate) side: Side,
    /// Worst price it trades at: its limit, or the protection price.
    pub(crate) limit: PriceTicks,
    pub(crate) owner: OwnerNumber,
    pub(crate) remaining: u32,
    pub(crate) cold: Cold,
    pub(crate) cancelled: Option<CancelReason>,
}

impl Incoming {
    pub(crate) fn status(&self) -> OrderStatus {
        match (self.remaining, self.cancelled) {
            (_, Some(_)) => OrderStatus::Cancelled,
            (0, None) => OrderStatus::Filled,
            _ if self.cold.filled.0 > 0 => OrderStatus::PartiallyFilled,
            _ => OrderStatus::New,
        }
    }

    pub(crate) const fn open_lots(&self) -> u32 {
        if self.cancelled.is_some() { 0 } else { self.remaining }
    }

    /// Tells whether its own owner's orders are kept from trading with it.
    pub(crate) const fn avoids_own(&self) -> bool {
        !matches!(self.cold.self_trade_prevention, SelfTradePrevention::None)
    }
}

impl Engine {
    /// Trades until the order is filled, its limit is reached or its own owner stands in the way.
    pub(crate) fn match_incoming<S: Sink>(&mut self, incoming: &mut Incoming, sink: &mut S) {
        let other = incoming.side.opposite();
        let terms = Terms::of(&self.books[incoming.book].spec);
        while incoming.remaining > 0 && incoming.cancelled.is_none() {
            let book = &self.books[incoming.book];
            let Some(level) = book.side(other).best() else { break };
            let price = book.price(level);
            if !reaches(incoming.side, incoming.limit, price) {
                break;
            }
            while incoming.remaining > 0 && incoming.cancelled.is_none() {
                let slot = self.books[incoming.book].side(other).head(level);
                if slot == NONE {
                    break;
                }
                if self.slab.hot[slot as usize].owner == incoming.owner.0 && incoming.avoids_own() {
                    self.keep_apart(incoming, slot, &terms, sink);
                } else {
                    self.fill(incoming, slot, price, &terms, sink);
                }
            }
            self.announce_level(incoming.book, other, level, sink);
        }
    }

    fn fill<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        slot: u32,
        price: PriceTicks,
        terms: &Terms,
        sink: &mut S,
    ) {
        let open = self.slab.hot[slot as usize].remaining;
        let lots = open.min(incoming.remaining);
        self.trade_number += 1;
        let maker_order = self.slab.order_id(slot);
        let fees = self.settle(incoming, slot, price, lots, terms, sink);
        incoming.remaining -= lots;
        incoming.cold.filled.0 += lots;
        let book = &mut self.books[incoming.book];
        book.last_trade = Some(price);
        book.day.add(self.time.0 / DAY_NS, price, lots);
        if lots < open {
            book.side_mut(incoming.side.opposite()).reduce(&mut self.slab, slot, lots);
        }
        let cold = &mut self.slab.cold[slot as usize];
        cold.filled.0 += lots;
        let maker_account = cold.account;
        let trade = Trade {
            trade_id: self.trade_number,
            instrument: terms.instrument,
            price,
            quantity: QuantityLots(lots),
            aggressor: incoming.side,
            maker_order,
            maker_account,
            maker_fee_minor: fees.0,
            taker_order: incoming.id,
            taker_account: incoming.cold.account,
            taker_fee_minor: fees.1,
        };
        self.mark_account(maker_account);
        if S::ACTIVE {
            sink.trade(&trade);
            let status =
                if lots < open { OrderStatus::PartiallyFilled } else { OrderStatus::Filled };
            let state = self.resting_state(slot, open - lots, status, None);
            sink.order(OrderEvent::Fill, &state, Some(&trade));
            sink.order(OrderEvent::Fill, &self.incoming_state(incoming), Some(&trade));
        }
        if lots == open {
            self.remove_resting(slot);
        }
    }

    /// Applies the self-trade prevention of the incoming order to an order of the same owner.
    fn keep_apart<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        slot: u32,
        terms: &Terms,
        sink: &mut S,
    ) {
        match incoming.cold.self_trade_prevention {
            SelfTradePrevention::CancelOldest => {
                self.close_resting(slot, CancelReason::SelfTrade, sink);
            }
            SelfTradePrevention::CancelBoth => {
                self.close_resting(slot, CancelReason::SelfTrade, sink);
                incoming.cancelled = Some(CancelReason::SelfTrade);
            }
            SelfTradePrevention::Decrement => {
                let open = self.slab.hot[slot as usize].remaining;
                let lots = open.min(incoming.remaining);
                incoming.remaining -= lots;
                incoming.cold.quantity.0 -= lots;
                if incoming.remaining == 0 {
                    incoming.cancelled = Some(CancelReason::SelfTrade);
                }
                if lots == open {
                    self.close_resting(slot, CancelReason::SelfTrade, sink);
                } else {
                    self.shrink_resting(slot, lots, terms, sink);
                }
            }
            SelfTradePrevention::CancelNewest | SelfTradePrevention::None => {
                incoming.cancelled = Some(CancelReason::SelfTrade);
            }
        }
    }

    /// Returns how many lots, up to what is asked, the order could fill at once.
    ///
    /// Orders of its own owner do not count, and unless they are the ones to be cancelled nothing
    /// behind them does either.
    pub(crate) fn fillable(&self, incoming: &Incoming) -> u32 {
        let book = &self.books[incoming.book];
        let ladder = book.side(incoming.side.opposite());
        let mut lots = 0_u32;
        for level in ladder.iter() {
            if !reaches(incoming.side, incoming.limit, book.price(level)) {
                break;
            }
            let mut slot = ladder.head(level);
            while slot != NONE {
                let order = &self.slab.hot[slot as usize];
                if order.owner != incoming.owner.0 || !incoming.avoids_own() {
                    lots = lots.saturating_add(order.remaining);
                } else if incoming.cold.self_trade_prevention != SelfTradePrevention::CancelOldest {
                    return lots;
                }
                if lots >= incoming.remaining {
                    return incoming.remaining;
                }
                slot = order.next;
            }
        }
        lots
    }
}
