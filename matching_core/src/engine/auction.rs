//! Auctions: orders gather in a call, then as many lots as can be trade at one price.
//!
//! Both sides of an auction's trade pay the fee of an incoming order, which their holds cover.

use crate::book::{Book, TimedAuction};
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::event::{OrderEvent, Sink, Trade};
use crate::slab::REDUCES;
use crate::types::{
    CancelReason, InstrumentNumber, OrderStatus, Phase, PriceTicks, QuantityLots, Side,
    TimeInForce, TimestampNs, TradeKind,
};

/// What an auction would give if it ended now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indication {
    /// Price of all its trades.
    pub price: PriceTicks,
    /// Lots that would trade.
    pub lots: u64,
    /// Lots bought at the price that find no seller; negative for lots sold that find no buyer.
    pub surplus: i64,
}

/// Returns the price at which most lots trade; of several the one that leaves the smallest surplus;
/// of several the highest when buyers are left over at all of them, the lowest when sellers are,
/// and else the one closest to `reference`, the lower of two.
///
/// `buys` and `sells` are price and lots of each level that could trade.
fn indicate(buys: &[(i64, u64)], sells: &[(i64, u64)], reference: i64) -> Option<Indication> {
    let lowest = sells.iter().map(|level| level.0).min()?;
    let highest = buys.iter().map(|level| level.0).max()?;
    if lowest > highest {
        return None;
    }
    // Between two levels nothing changes: their neighbours stand for all prices between.
    let near = buys.iter().chain(sells).flat_map(|level| [level.0 - 1, level.0, level.0 + 1]);
    let mut prices: Vec<i64> = near.chain([reference]).collect();
    prices.retain(|price| (lowest..=highest).contains(price));
    prices.sort_unstable();
    prices.dedup();
    let at = |price: i64| {
        let bought: u64 = buys.iter().filter(|level| level.0 >= price).map(|level| level.1).sum();
        let sold: u64 = sells.iter().filter(|level| level.0 <= price).map(|level| level.1).sum();
        let surplus = i128::from(bought) - i128::from(sold);
        let surplus = i64::try_from(surplus).unwrap_or(i64::MAX);
        Indication { price: PriceTicks(price), lots: bought.min(sold), surplus }
    };
    let all: Vec<Indication> = prices.into_iter().map(at).collect();
    let most = all.iter().map(|found| found.lots).max()?;
    let kept = || all.iter().filter(move |found| found.lots == most);
    let least = kept().map(|found| found.surplus.unsigned_abs()).min()?;
    let kept = || kept().filter(move |found| found.surplus.unsigned_abs() == least);
    if kept().all(|found| found.surplus > 0) {
        return kept().next_back().copied();
    }
    if kept().all(|found| found.surplus < 0) {
        return kept().next().copied();
    }
    kept().min_by_key(|found| (found.price.0.abs_diff(reference), found.price)).copied()
}

impl Book {
    fn indication(&self) -> Option<Indication> {
        let best = |side| self.best(side).map(|price| price.0);
        let (highest, lowest) = (best(Side::Buy)?, best(Side::Sell)?);
        let levels = |side: Side| {
            let ladder = self.side(side);
            let levels = ladder.iter().map(move |level| {
                (self.price(level).0, ladder.totals(level).0 + ladder.hidden(level))
            });
            levels.take_while(move |level| match side {
                Side::Buy => level.0 >= lowest,
                Side::Sell => level.0 <= highest,
            })
        };
        let buys: Vec<_> = levels(Side::Buy).collect();
        let sells: Vec<_> = levels(Side::Sell).collect();
        let middle = i64::midpoint(self.spec.limit_low.0, self.spec.limit_high.0);
        indicate(&buys, &sells, self.last_trade.map_or(middle, |price| price.0))
    }
}

impl Engine {
    /// Returns what the auction of an instrument would give now; `None` when nothing would trade.
    #[must_use]
    pub fn indication(&self, instrument: InstrumentNumber) -> Option<Indication> {
        self.books[self.book_index(instrument)?].indication()
    }

    /// Moves a book to a phase; what has gathered trades when it opens.
    pub(crate) fn change_phase<S: Sink>(&mut self, index: usize, phase: Phase, sink: &mut S) {
        self.forget_timed_auction(index);
        self.books[index].spec.phase = phase;
        match phase {
            Phase::Open => self.uncross(index, sink),
            Phase::Expired => self.end_all(index, sink),
            _ => {}
        }
    }

    /// Ends what is open of an instrument that trades no more.
    fn end_all<S: Sink>(&mut self, index: usize, sink: &mut S) {
        let number = self.books[index].spec.number;
        let over: Vec<u32> = self.book_slots(Some(number)).collect();
        for slot in over {
            self.close_resting(slot, CancelReason::InstrumentExpired, sink);
        }
    }

    pub(crate) fn forget_timed_auction(&mut self, index: usize) {
        if let Some(auction) = self.books[index].auction.take() {
            self.auctions.remove(&(auction.ends, index));
        }
    }

    /// Stops trading for an auction, because an order would trade outside the band. The rest of an
    /// order that does not stay ends.
    pub(crate) fn start_volatility_auction<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        reference: Option<PriceTicks>,
        sink: &mut S,
    ) {
        let book = &mut self.books[incoming.book];
        let ends = TimestampNs(self.time.0.saturating_add(book.spec.volatility_auction_ns));
        let reference = reference.unwrap_or(incoming.limit);
        book.spec.phase = Phase::Auction;
        book.auction = Some(TimedAuction { ends, reference, is_extended: false });
        self.auctions.insert((ends, incoming.book));
        if !incoming.rests {
            incoming.cancelled = Some(CancelReason::IocRemainder);
        }
        let number = self.books[incoming.book].spec.number;
        self.announce_instrument(number, Phase::Auction, sink);
    }

    /// Ends the auctions whose time has come. One that would end outside the band goes on once.
    pub(crate) fn end_timed_auctions<S: Sink>(&mut self, sink: &mut S) {
        while let Some(&(ends, index)) = self.auctions.first() {
            if ends > self.time {
                break;
            }
            self.auctions.remove(&(ends, index));
            let book = &self.books[index];
            let Some(auction) = book.auction else { continue };
            let outside = book
                .indication()
                .is_some_and(|found| !book.spec.is_in_band(Some(auction.reference), found.price));
            if outside && !auction.is_extended {
                let length = book.spec.volatility_auction_ns;
                let ends = TimestampNs(self.time.0.saturating_add(length));
                let auction = TimedAuction { ends, is_extended: true, ..auction };
                self.books[index].auction = Some(auction);
                self.auctions.insert((ends, index));
                continue;
            }
            let number = self.books[index].spec.number;
            self.change_phase(index, Phase::Open, sink);
            self.announce_instrument(number, Phase::Open, sink);
        }
    }

    /// Lets what crosses trade at one price, ends the orders that were for the auction only, and
    /// looks for stops that are reached.
    fn uncross<S: Sink>(&mut self, index: usize, sink: &mut S) {
        self.books[index].top = [0; 2];
        // Once, unless an order that may only reduce a position turned out smaller than it looked:
        // then what is left may still cross.
        while let Some(found) = self.books[index].indication() {
            let terms = Terms::of(&self.books[index].spec);
            while let Some((buy, sell)) = self.crossing(index, found.price) {
                self.fill_crossing(buy, sell, found.price, &terms, sink);
            }
        }
        let number = self.books[index].spec.number;
        let for_auction =
            |slot: &u32| self.slab.cold[*slot as usize].time_in_force == TimeInForce::Gfa;
        let over: Vec<u32> = self.book_slots(Some(number)).filter(for_auction).collect();
        for slot in over {
            self.close_resting(slot, CancelReason::AuctionOver, sink);
        }
        let book = &self.books[index];
        if book.last_trade.is_some_and(|price| book.stops.is_reached(price)) {
            self.note_due(index);
        }
    }

    /// Returns the slots of the next buyer and seller who trade at the price.
    fn crossing(&self, index: usize, price: PriceTicks) -> Option<(u32, u32)> {
        let book = &self.books[index];
        let (buy, sell) = (book.buys.best()?, book.sells.best()?);
        let crosses = book.price(buy) >= price && book.price(sell) <= price;
        crosses.then(|| (book.buys.head(buy), book.sells.head(sell)))
    }

    fn fill_crossing<S: Sink>(
        &mut self,
        buy: u32,
        sell: u32,
        price: PriceTicks,
        terms: &Terms,
        sink: &mut S,
    ) {
        let hots = [self.slab.hot[buy as usize], self.slab.hot[sell as usize]];
        let mut lots = hots[0].remaining.min(hots[1].remaining);
        for (slot, hot) in [buy, sell].into_iter().zip(hots) {
            if hot.is(REDUCES) {
                let account = self.slab.cold[slot as usize].account;
                lots = lots.min(self.reducible(account, hot.book(), hot.side()));
                if lots == 0 {
                    self.close_resting(slot, CancelReason::ReduceOnly, sink);
                    return;
                }
            }
        }
        self.trade_number += 1;
        let [bought, sold] = self.settle_crossing(buy, sell, price, lots, terms, sink);
        self.note_price(hots[0].book(), price, lots);
        let later = if hots[0].number > hots[1].number { Side::Buy } else { Side::Sell };
        let [(taker, taken), (maker, made)] = match later {
            Side::Buy => [(buy, bought), (sell, sold)],
            Side::Sell => [(sell, sold), (buy, bought)],
        };
        let trade = Trade {
            trade_id: self.trade_number,
            instrument: terms.instrument,
            price,
            quantity: QuantityLots(lots),
            kind: TradeKind::Auction,
            aggressor: later,
            maker_order: self.slab.order_id(maker),
            maker_account: self.slab.cold[maker as usize].account,
            maker_fee_minor: made.fee,
            maker_deposit_minor: made.deposit,
            taker_order: self.slab.order_id(taker),
            taker_account: self.slab.cold[taker as usize].account,
            taker_fee_minor: taken.fee,
            taker_deposit_minor: taken.deposit,
        };
        if S::ACTIVE {
            sink.trade(&trade);
        }
        for slot in [maker, taker] {
            self.fill_gathered(slot, lots, &trade, sink);
        }
    }

    /// Takes a fill of an auction off its order and says so.
    fn fill_gathered<S: Sink>(&mut self, slot: u32, lots: u32, trade: &Trade, sink: &mut S) {
        let hot = self.slab.hot[slot as usize];
        let left = self.slab.open_lots(slot) - lots;
        let cold = &mut self.slab.cold[slot as usize];
        cold.filled.0 += lots;
        let account = cold.account;
        self.mark_account(account);
        if S::ACTIVE {
            let status = if left > 0 { OrderStatus::PartiallyFilled } else { OrderStatus::Filled };
            let state = self.resting_state(slot, left, status, None);
            sink.order(OrderEvent::Fill, &state, Some(trade));
        }
        if lots < hot.remaining {
            let book = &mut self.books[hot.book()];
            book.side_mut(hot.side()).reduce(&mut self.slab, slot, lots);
        } else {
            self.show_more_or_remove(slot);
        }
        self.announce_level(hot.book(), hot.side(), hot.level, sink);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// TRD-045.
    #[test]
    fn test_auction_price_as_published() {
        let buys = [(1_835, 10), (1_834, 20), (1_833, 15)];
        let sells = [(1_831, 8), (1_833, 17), (1_834, 20), (1_836, 5)];
        let found = indicate(&buys, &sells, 1_830).unwrap();
        assert_eq!(found, Indication { price: PriceTicks(1_834), lots: 30, surplus: -15 });
    }

    #[test]
    fn test_auction_price_follows_surplus_then_reference() {
        let price = |buys: &[(i64, u64)], sells: &[(i64, u64)], reference| {
            indicate(buys, sells, reference).unwrap().price.0
        };
        // Buyers are left over at every price from 10 to 20: the highest.
        assert_eq!(price(&[(20, 8)], &[(10, 5)], 12), 20);
        // Sellers are left over: the lowest.
        assert_eq!(price(&[(20, 5)], &[(10, 8)], 12), 10);
        // Nobody is: the reference, or what is closest to it.
        assert_eq!(price(&[(20, 5)], &[(10, 5)], 12), 12);
        assert_eq!(price(&[(20, 5)], &[(10, 5)], 99), 20);
        assert_eq!(indicate(&[(9, 5)], &[(10, 5)], 9), None);
    }
}
