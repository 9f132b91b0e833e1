//! One side of one book: a level for each price the instrument can hold.
//!
//! Invariants: a level is in the bitmap exactly when it has orders; its lots and its count are the
//! sums over its orders; `best` is the level that trades next, which is never one that lies beyond
//! the day's limits on the side of the other orders.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "levels lie in the range given to `new`; a broken sum must stop the process"
)]

use crate::bitmap::Bitmap;
use crate::slab::{ICEBERG, NONE, Slab};
use crate::types::Side;

/// First and last order, lots that show, count of orders, and lots that do not show. Plain zeros are an empty level, so that the
/// pages of a wide ladder cost no memory before they are touched.
type Level = [u64; 4];

const fn head(level: Level) -> u32 {
    (level[0] & 0xFFFF_FFFF) as u32
}

const fn tail(level: Level) -> u32 {
    (level[0] >> 32) as u32
}

const fn ends(head: u32, tail: u32) -> u64 {
    head as u64 | (tail as u64) << 32
}

#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    levels: Vec<Level>,
    occupied: Bitmap,
    best: Option<u32>,
    /// Nearest level to the other side that may trade.
    bound: u32,
}

impl Ladder {
    /// Returns an empty side of `span` levels.
    pub(crate) fn new(side: Side, span: usize, bound: u32) -> Self {
        Self { side, levels: vec![[0; 4]; span], occupied: Bitmap::new(span), best: None, bound }
    }

    /// Sets the nearest level to the other side that may trade.
    pub(crate) fn set_bound(&mut self, bound: u32) {
        self.bound = bound;
        self.best = self.occupied.contains(bound).then_some(bound).or_else(|| self.worse(bound));
    }

    /// Tells whether a level may trade.
    pub(crate) const fn is_in(&self, level: u32) -> bool {
        match self.side {
            Side::Buy => level <= self.bound,
            Side::Sell => level >= self.bound,
        }
    }

    /// Returns the levels with orders that may not trade, those nearest to the other side first.
    pub(crate) fn outside(&self) -> impl Iterator<Item = u32> + '_ {
        let first = match self.side {
            Side::Buy => self.occupied.last(),
            Side::Sell => self.occupied.first(),
        };
        core::iter::successors(first, |&level| self.worse(level))
            .take_while(|&level| !self.is_in(level))
    }

    /// Tells whether nobody waits, inside or outside the day's limits.
    pub(crate) fn is_empty(&self) -> bool {
        self.best.is_none() && self.outside().next().is_none()
    }

    /// Returns the level that trades next.
    pub(crate) const fn best(&self) -> Option<u32> {
        self.best
    }

    /// Tells whether level `a` trades before level `b`.
    pub(crate) fn is_better(&self, a: u32, b: u32) -> bool {
        match self.side {
            Side::Buy => a > b,
            Side::Sell => a < b,
        }
    }

    /// Returns the level that trades right after `level`.
    pub(crate) fn worse(&self, level: u32) -> Option<u32> {
        match self.side {
            Side::Buy => self.occupied.next_below(level),
            Side::Sell => self.occupied.next_above(level),
        }
    }

    /// Returns the first order of a level.
    pub(crate) fn head(&self, level: u32) -> u32 {
        head(self.levels[level as usize])
    }

    /// Returns lots and count of orders of a level.
    pub(crate) fn totals(&self, level: u32) -> (u64, u32) {
        let level = self.levels[level as usize];
        (level[1], u32::try_from(level[2]).unwrap_or(u32::MAX))
    }

    /// Returns the lots of a level that do not show.
    pub(crate) fn hidden(&self, level: u32) -> u64 {
        self.levels[level as usize][3]
    }

    /// Returns the levels with orders that may trade, the best first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(self.best, |&level| self.worse(level))
    }

    /// Puts an order at the end of its level.
    pub(crate) fn append(&mut self, slab: &mut Slab, slot: u32) {
        let order = slab.hot[slot as usize];
        let level = &mut self.levels[order.level as usize];
        let last = tail(*level);
        if last == NONE {
            level[0] = ends(slot, slot);
            self.occupied.insert(order.level);
            let best = self.best.unwrap_or(order.level);
            let leads = best == order.level || self.is_better(order.level, best);
            if leads && self.is_in(order.level) {
                self.best = Some(order.level);
            }
        } else {
            level[0] = ends(head(*level), slot);
            slab.hot[last as usize].next = slot;
        }
        let level = &mut self.levels[order.level as usize];
        level[1] += u64::from(order.remaining);
        level[2] += 1;
        if order.is(ICEBERG) {
            level[3] += u64::from(slab.cold[slot as usize].hidden);
        }
        let order = &mut slab.hot[slot as usize];
        order.prev = last;
        order.next = NONE;
    }

    /// Takes an order out of its level.
    pub(crate) fn unlink(&mut self, slab: &mut Slab, slot: u32) {
        let order = slab.hot[slot as usize];
        let level = &mut self.levels[order.level as usize];
        let (mut first, mut last) = (head(*level), tail(*level));
        if order.prev == NONE {
            first = order.next;
        } else {
            slab.hot[order.prev as usize].next = order.next;
        }
        if order.next == NONE {
            last = order.prev;
        } else {
            slab.hot[order.next as usize].prev = order.prev;
        }
        level[0] = ends(first, last);
        level[1] -= u64::from(order.remaining);
        level[2] -= 1;
        if order.is(ICEBERG) {
            level[3] -= u64::from(slab.cold[slot as usize].hidden);
        }
        if first == NONE {
            self.occupied.remove(order.level);
            if self.best == Some(order.level) {
                self.best = self.worse(order.level);
            }
        }
    }

    /// Takes lots that do not show off an iceberg.
    pub(crate) fn reduce_hidden(&mut self, slab: &mut Slab, slot: u32, lots: u32) {
        slab.cold[slot as usize].hidden -= lots;
        self.levels[slab.hot[slot as usize].level as usize][3] -= u64::from(lots);
    }

    /// Takes lots off an order that stays.
    pub(crate) fn reduce(&mut self, slab: &mut Slab, slot: u32, lots: u32) {
        let order = &mut slab.hot[slot as usize];
        order.remaining -= lots;
        self.levels[order.level as usize][1] -= u64::from(lots);
    }
}
