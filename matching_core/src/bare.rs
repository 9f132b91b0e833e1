//! Ladder and slab alone: what matching costs without accounts, holds, fees, answers and events.
//!
//! Nothing of the exchange uses it. Benchmarks do: against it the cost of everything else shows,
//! and other engines' bare books are measured beside it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "prices lie in the range given to `new`"
)]

use crate::book::reaches;
use crate::ladder::Ladder;
use crate::slab::{Hot, NONE, Slab};
use crate::types::{NO_SLOT, OrderId, PriceTicks, QuantityLots, Side};

/// A book of limit orders, first come first served.
#[derive(Clone, Debug)]
pub struct BareBook {
    lowest: i64,
    slab: Slab,
    buys: Ladder,
    sells: Ladder,
    number: u64,
}

impl BareBook {
    /// Returns an empty book for prices from `lowest` to `highest`.
    #[must_use]
    pub fn new(lowest: PriceTicks, highest: PriceTicks) -> Self {
        let span = usize::try_from(highest.0 - lowest.0 + 1).unwrap_or(1);
        Self {
            lowest: lowest.0,
            slab: Slab::new(),
            buys: Ladder::new(Side::Buy, span, u32::MAX),
            sells: Ladder::new(Side::Sell, span, 0),
            number: 0,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }

    fn price(&self, level: u32) -> PriceTicks {
        PriceTicks(self.lowest + i64::from(level))
    }

    /// Brings orders that are about to be cancelled or moved into the cache; together they wait
    /// for memory once.
    pub fn prepare(&self, ids: impl Iterator<Item = OrderId>) {
        let read = |sum: u64, id: OrderId| {
            sum ^ self.slab.hot.get(id.slot() as usize).map_or(0, |hot| hot.number)
        };
        core::hint::black_box(ids.fold(0, read));
    }

    /// Enters an order and returns its ID; its rest stays or ends. Tells the maker, the price and
    /// the lots of each trade.
    pub fn enter(
        &mut self,
        side: Side,
        limit: PriceTicks,
        lots: QuantityLots,
        rests: bool,
        trade: impl FnMut(OrderId, PriceTicks, u32),
    ) -> OrderId {
        self.number += 1;
        let number = self.number;
        let left = self.take(side, limit, lots.0, trade);
        if left == 0 || !rests {
            return OrderId::new(number, NO_SLOT);
        }
        let slot = self.slab.reserve();
        self.put(slot, number, side, limit, left);
        OrderId::new(number, slot)
    }

    fn take(
        &mut self,
        side: Side,
        limit: PriceTicks,
        lots: u32,
        mut trade: impl FnMut(OrderId, PriceTicks, u32),
    ) -> u32 {
        let mut left = lots;
        let other = side.opposite();
        while left > 0 {
            let Some(level) = self.side_mut(other).best() else { break };
            let price = self.price(level);
            if !reaches(side, limit, price) {
                break;
            }
            let slot = self.side_mut(other).head(level);
            let open = self.slab.hot[slot as usize].remaining;
            let filled = open.min(left);
            trade(self.slab.order_id(slot), price, filled);
            left -= filled;
            let ladder = if other == Side::Buy { &mut self.buys } else { &mut self.sells };
            if filled < open {
                ladder.reduce(&mut self.slab, slot, filled);
            } else {
                ladder.unlink(&mut self.slab, slot);
                self.slab.free(slot);
            }
        }
        left
    }

    fn put(&mut self, slot: u32, number: u64, side: Side, limit: PriceTicks, lots: u32) {
        let level = u32::try_from(limit.0 - self.lowest).unwrap_or(0);
        self.slab.hot[slot as usize] = Hot {
            next: NONE,
            prev: NONE,
            remaining: lots,
            level,
            number,
            owner: 0,
            book_and_side: u32::from(side == Side::Sell),
        };
        let ladder = if side == Side::Buy { &mut self.buys } else { &mut self.sells };
        ladder.append(&mut self.slab, slot);
    }

    fn unlink(&mut self, id: OrderId) -> Option<(u32, Hot)> {
        let slot = self.slab.find(id)?;
        let hot = self.slab.hot[slot as usize];
        let ladder = if hot.side() == Side::Buy { &mut self.buys } else { &mut self.sells };
        ladder.unlink(&mut self.slab, slot);
        Some((slot, hot))
    }

    /// Cancels an open order; returns its lots.
    pub fn cancel(&mut self, id: OrderId) -> Option<QuantityLots> {
        let (slot, hot) = self.unlink(id)?;
        self.slab.free(slot);
        Some(QuantityLots(hot.remaining))
    }

    /// Moves an open order to the end of another price, through the market if need be; tells
    /// whether it was open.
    pub fn amend(
        &mut self,
        id: OrderId,
        limit: PriceTicks,
        trade: impl FnMut(OrderId, PriceTicks, u32),
    ) -> bool {
        let Some((slot, hot)) = self.unlink(id) else { return false };
        let left = self.take(hot.side(), limit, hot.remaining, trade);
        if left == 0 {
            self.slab.free(slot);
        } else {
            self.put(slot, hot.number, hot.side(), limit, left);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TRD-001.
    #[test]
    fn test_bare_book_trades_by_price_and_time() {
        let mut book = BareBook::new(PriceTicks(1), PriceTicks(100));
        let mut trades = Vec::new();
        let mut enter = |book: &mut BareBook, side, price, lots| {
            book.enter(side, PriceTicks(price), QuantityLots(lots), true, |id, price, lots| {
                trades.push((id, price.0, lots));
            })
        };
        let [a, b, c] = [51, 50, 50].map(|price| enter(&mut book, Side::Sell, price, 5));
        assert!(book.amend(c, PriceTicks(51), |_, _, _| {}));
        enter(&mut book, Side::Buy, 51, 12);
        assert_eq!(book.cancel(b), None);
        assert_eq!(book.cancel(c), Some(QuantityLots(3)));
        assert_eq!(trades, [(b, 50, 5), (a, 51, 5), (c, 51, 2)]);
    }
}
