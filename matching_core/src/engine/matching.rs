//! An incoming order against the other side of its book.

use crate::book::reaches;
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::event::{OrderEvent, Sink, Trade};
use crate::ledger::Position;
use crate::slab::{Cold, Hot, ICEBERG, NONE, REDUCES};
use crate::types::{
    Allocation, CancelReason, InstrumentKind, OrderId, OrderStatus, OwnerNumber, PriceTicks,
    QuantityLots, SelfTradePrevention, Side, TradeKind,
};

use super::DAY_NS;

/// An order on its way through the book: a new one, or one whose change gave its priority away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) id: OrderId,
    /// Slot that is reserved for it, [`NONE`] when it can't rest.
    pub(crate) slot: u32,
    /// Whether what does not trade may stay.
    pub(crate) rests: bool,
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

    /// Returns what matching needs of it once it rests.
    pub(crate) fn hot(&self, level: u32) -> Hot {
        let reduces = if self.cold.reduce_only { REDUCES } else { 0 };
        Hot {
            next: NONE,
            prev: NONE,
            remaining: self.remaining,
            level,
            number: self.id.number(),
            owner: self.owner.0,
            book_and_side: u32::try_from(self.book).unwrap_or(u32::MAX) << 1
                | u32::from(self.side == Side::Sell)
                | reduces,
        }
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.remaining == 0 || self.cancelled.is_some()
    }

    /// Tells whether its own owner's orders are kept from trading with it.
    pub(crate) const fn avoids_own(&self) -> bool {
        !matches!(self.cold.self_trade_prevention, SelfTradePrevention::None)
    }
}

impl Engine {
    /// Trades until the order is filled, its limit is reached, its own owner stands in the way, or
    /// the price leaves its band.
    pub(crate) fn match_incoming<S: Sink>(&mut self, incoming: &mut Incoming, sink: &mut S) {
        let other = incoming.side.opposite();
        let book = &self.books[incoming.book];
        let terms = Terms::of(&book.spec);
        let shares = book.spec.allocation != Allocation::Fifo;
        let reference = book.last_trade;
        while !incoming.is_done() {
            let book = &self.books[incoming.book];
            let Some(level) = book.side(other).best() else { break };
            let price = book.price(level);
            if !reaches(incoming.side, incoming.limit, price) {
                break;
            }
            if !book.spec.is_in_band(reference, price) {
                self.start_volatility_auction(incoming, reference, sink);
                break;
            }
            if shares {
                self.share_level(incoming, level, price, &terms, sink);
            } else {
                self.take_level(incoming, level, price, &terms, sink);
            }
            self.announce_level(incoming.book, other, level, sink);
        }
    }

    fn take_level<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        level: u32,
        price: PriceTicks,
        terms: &Terms,
        sink: &mut S,
    ) {
        let other = incoming.side.opposite();
        while !incoming.is_done() {
            let slot = self.books[incoming.book].side(other).head(level);
            if slot == NONE {
                break;
            }
            if self.slab.hot[slot as usize].owner == incoming.owner.0 && incoming.avoids_own() {
                self.keep_apart(incoming, slot, terms, sink);
            } else {
                self.fill(incoming, slot, price, u32::MAX, terms, sink);
            }
        }
    }

    /// Trades at most `most` lots of a resting order.
    pub(crate) fn fill<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        slot: u32,
        price: PriceTicks,
        most: u32,
        terms: &Terms,
        sink: &mut S,
    ) {
        let hot = self.slab.hot[slot as usize];
        let open = hot.remaining;
        let mut lots = open.min(incoming.remaining).min(most);
        if hot.is(REDUCES) || incoming.cold.reduce_only {
            lots = self.reducing_lots(incoming, slot, lots, sink);
            if lots == 0 {
                return;
            }
        }
        self.trade_number += 1;
        let maker_order = self.slab.order_id(slot);
        let [made, taken] = self.settle(incoming, slot, price, lots, terms, sink);
        incoming.remaining -= lots;
        incoming.cold.filled.0 += lots;
        self.note_price(incoming.book, price, lots);
        if lots < open {
            let book = &mut self.books[incoming.book];
            book.side_mut(incoming.side.opposite()).reduce(&mut self.slab, slot, lots);
        }
        let cold = &mut self.slab.cold[slot as usize];
        cold.filled.0 += lots;
        let maker_account = cold.account;
        let left = open - lots + cold.hidden;
        let trade = Trade {
            trade_id: self.trade_number,
            instrument: terms.instrument,
            price,
            quantity: QuantityLots(lots),
            kind: TradeKind::Normal,
            aggressor: incoming.side,
            maker_order,
            maker_account,
            maker_fee_minor: made.fee,
            maker_deposit_minor: made.deposit,
            taker_order: incoming.id,
            taker_account: incoming.cold.account,
            taker_fee_minor: taken.fee,
            taker_deposit_minor: taken.deposit,
        };
        self.mark_account(maker_account);
        if S::ACTIVE {
            sink.trade(&trade);
            let status = if left > 0 { OrderStatus::PartiallyFilled } else { OrderStatus::Filled };
            let state = self.resting_state(slot, left, status, None);
            sink.order(OrderEvent::Fill, &state, Some(&trade));
            sink.order(OrderEvent::Fill, &self.incoming_state(incoming), Some(&trade));
        }
        if lots == open {
            self.show_more_or_remove(slot);
        }
    }

    /// Notes a trade in the book's figures and whether it reaches stops.
    pub(crate) fn note_price(&mut self, index: usize, price: PriceTicks, lots: u32) {
        let book = &mut self.books[index];
        book.last_trade = Some(price);
        book.day.add(self.time.0 / DAY_NS, price, lots);
        if book.stops.is_reached(price) {
            self.note_due(index);
        }
    }

    /// After all that shows of an order has traded: the next part of an iceberg goes to the end of
    /// its level, any other order is gone.
    pub(crate) fn show_more_or_remove(&mut self, slot: u32) {
        let hidden = self.slab.cold[slot as usize].hidden;
        if hidden == 0 {
            self.remove_resting(slot);
            return;
        }
        let hot = self.slab.hot[slot as usize];
        let book = &mut self.books[hot.book()];
        book.side_mut(hot.side()).unlink(&mut self.slab, slot);
        let cold = &mut self.slab.cold[slot as usize];
        let shown = cold.display.0.min(hidden);
        cold.hidden = hidden - shown;
        self.slab.hot[slot as usize].remaining = shown;
        book.side_mut(hot.side()).append(&mut self.slab, slot);
        book.forget_top(hot.side(), hot.number);
    }

    /// Returns how many of `lots` two orders may trade when one or both may only reduce a position;
    /// what can't reduce any more is cancelled.
    fn reducing_lots<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        slot: u32,
        lots: u32,
        sink: &mut S,
    ) -> u32 {
        let mut lots = lots;
        if self.slab.hot[slot as usize].is(REDUCES) {
            let account = self.slab.cold[slot as usize].account;
            lots = lots.min(self.reducible(account, incoming.book, incoming.side.opposite()));
            if lots == 0 {
                self.close_resting(slot, CancelReason::ReduceOnly, sink);
                return 0;
            }
        }
        if incoming.cold.reduce_only {
            let account = incoming.cold.account;
            lots = lots.min(self.reducible(account, incoming.book, incoming.side));
            if lots == 0 {
                incoming.cancelled = Some(CancelReason::ReduceOnly);
            }
        }
        lots
    }

    /// Returns the lots by which an order on `side` could reduce the account's position.
    pub(crate) fn reducible(
        &self,
        account: crate::types::AccountNumber,
        index: usize,
        side: Side,
    ) -> u32 {
        let spec = &self.books[index].spec;
        let net = self.net_lots(account, index);
        let open = if side == Side::Sell { net } else { -net };
        if spec.kind != InstrumentKind::Forward {
            return 0;
        }
        u32::try_from(open.max(0)).unwrap_or(u32::MAX)
    }

    /// Returns lots bought more than sold.
    pub(crate) fn net_lots(&self, account: crate::types::AccountNumber, index: usize) -> i64 {
        let number = self.books[index].spec.number;
        let positions = self.ledger.get(account).map_or(&[][..], |account| &account.positions);
        let position = positions.iter().find(|position| position.instrument == number);
        position.map_or(0, Position::net_lots)
    }

    /// Applies the self-trade prevention of the incoming order to an order of the same owner.
    pub(crate) fn keep_apart<S: Sink>(
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
                let open = self.slab.open_lots(slot);
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

    /// Keeps an order that comes in during a call from crossing its own owner's: nothing trades
    /// now, but they would meet in the auction.
    pub(crate) fn part_from_own<S: Sink>(&mut self, incoming: &mut Incoming, sink: &mut S) {
        if !incoming.avoids_own() {
            return;
        }
        let book = &self.books[incoming.book];
        let terms = Terms::of(&book.spec);
        let ladder = book.side(incoming.side.opposite());
        let crossed = ladder
            .iter()
            .take_while(|&level| reaches(incoming.side, incoming.limit, book.price(level)))
            .flat_map(|level| self.level_slots(ladder.head(level)))
            .filter(|&slot| self.slab.hot[slot as usize].owner == incoming.owner.0);
        let own: Vec<u32> = crossed.collect();
        for slot in own {
            if incoming.is_done() {
                break;
            }
            let hot = self.slab.hot[slot as usize];
            self.keep_apart(incoming, slot, &terms, sink);
            self.announce_level(hot.book(), hot.side(), hot.level, sink);
        }
    }

    /// Returns how many lots, up to what is asked, the order could fill at once.
    ///
    /// Orders of its own owner do not count, and unless they are the ones to be cancelled nothing
    /// behind them does either. Orders that may only reduce a position don't count: they may turn
    /// out smaller.
    pub(crate) fn fillable(&self, incoming: &Incoming) -> u32 {
        let book = &self.books[incoming.book];
        let ladder = book.side(incoming.side.opposite());
        let shares = book.spec.allocation != Allocation::Fifo;
        let mut lots = 0_u32;
        for level in ladder.iter() {
            let price = book.price(level);
            let reached = reaches(incoming.side, incoming.limit, price);
            if !reached || !book.spec.is_in_band(book.last_trade, price) {
                break;
            }
            let before = lots;
            for slot in self.level_slots(ladder.head(level)) {
                let order = &self.slab.hot[slot as usize];
                if order.owner != incoming.owner.0 || !incoming.avoids_own() {
                    let counts = !order.is(REDUCES);
                    let open =
                        if order.is(ICEBERG) { self.slab.open_lots(slot) } else { order.remaining };
                    lots = lots.saturating_add(if counts { open } else { 0 });
                } else if incoming.cold.self_trade_prevention != SelfTradePrevention::CancelOldest {
                    // A shared level is not touched before its own orders are dealt with.
                    return if shares { before } else { lots }.min(incoming.remaining);
                }
                if lots >= incoming.remaining && !shares {
                    return incoming.remaining;
                }
            }
            if lots >= incoming.remaining {
                return incoming.remaining;
            }
        }
        lots
    }
}
