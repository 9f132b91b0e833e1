//! Orders of one book that wait for their stop price.
//!
//! Invariants: `buy_from` and `sell_from` are the stop prices that are reached first, so a trade
//! needs two comparisons to tell that it reaches none.

use std::collections::BTreeSet;

use crate::types::{PriceTicks, Side};

/// Stop price as it is reached, sequence from which the order waits, and slot.
type Waiting = (i64, u64, u32);

#[derive(Clone, Debug)]
pub(crate) struct Stops {
    buys: BTreeSet<Waiting>,
    /// With the prices' signs turned: the highest is reached first.
    sells: BTreeSet<Waiting>,
    buy_from: i64,
    sell_from: i64,
}

impl Stops {
    pub(crate) const fn new() -> Self {
        Self {
            buys: BTreeSet::new(),
            sells: BTreeSet::new(),
            buy_from: i64::MAX,
            sell_from: i64::MIN,
        }
    }

    /// Tells whether a trade at `price` reaches a stop.
    pub(crate) const fn is_reached(&self, price: PriceTicks) -> bool {
        price.0 >= self.buy_from || price.0 <= self.sell_from
    }

    /// Returns the slot of the order that a trade at `price` triggers first: buys before sells,
    /// among them by how soon a moving price reaches them, then the earlier.
    pub(crate) fn next_reached(&self, price: PriceTicks) -> Option<u32> {
        let buy = self.buys.first().filter(|(stop, ..)| *stop <= price.0);
        let sell = || self.sells.first().filter(|(stop, ..)| stop.saturating_neg() >= price.0);
        buy.or_else(sell).map(|&(.., slot)| slot)
    }

    pub(crate) fn insert(&mut self, side: Side, stop: PriceTicks, since: u64, slot: u32) {
        match side {
            Side::Buy => self.buys.insert((stop.0, since, slot)),
            Side::Sell => self.sells.insert((stop.0.saturating_neg(), since, slot)),
        };
        self.note_first();
    }

    pub(crate) fn remove(&mut self, side: Side, stop: PriceTicks, since: u64, slot: u32) {
        match side {
            Side::Buy => self.buys.remove(&(stop.0, since, slot)),
            Side::Sell => self.sells.remove(&(stop.0.saturating_neg(), since, slot)),
        };
        self.note_first();
    }

    fn note_first(&mut self) {
        self.buy_from = self.buys.first().map_or(i64::MAX, |(stop, ..)| *stop);
        self.sell_from = self.sells.first().map_or(i64::MIN, |(stop, ..)| stop.saturating_neg());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buys.is_empty() && self.sells.is_empty()
    }

    /// Returns the slots: buys, then sells, as they would be triggered.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.buys.iter().chain(&self.sells).map(|&(.., slot)| slot)
    }
}
