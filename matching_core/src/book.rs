//! The book of one instrument: its rules and its two sides.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "prices lie between the instrument's bounds, which `instrument::check` keeps small"
)]

use crate::instrument::InstrumentSpec;
use crate::ladder::Ladder;
use crate::types::{PriceTicks, Sequence, Side};

/// What an instrument traded on one day, counted in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayFigures {
    /// Day, counted from 1970.
    pub day: u64,
    /// First price; 0 before the first trade, like the others.
    pub open: PriceTicks,
    /// Highest price.
    pub high: PriceTicks,
    /// Lowest price.
    pub low: PriceTicks,
    /// Last price.
    pub last: PriceTicks,
    /// Last price of the last day that had a trade.
    pub previous_close: PriceTicks,
    /// Quantity of the last trade.
    pub last_lots: u32,
    /// Quantity traded, in lots.
    pub volume_lots: u64,
    /// Sum of price in ticks times lots.
    pub notional_ticks: i128,
    /// Trades.
    pub trade_count: u64,
}

impl DayFigures {
    pub(crate) fn add(&mut self, day: u64, price: PriceTicks, lots: u32) {
        if day != self.day {
            *self = Self { day, previous_close: self.last, ..Self::default() };
        }
        if self.trade_count == 0 {
            self.open = price;
            self.low = price;
        }
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.last = price;
        self.last_lots = lots;
        self.volume_lots += u64::from(lots);
        self.notional_ticks += i128::from(price.0) * i128::from(lots);
        self.trade_count += 1;
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) spec: InstrumentSpec,
    pub(crate) buys: Ladder,
    pub(crate) sells: Ladder,
    pub(crate) last_trade: Option<PriceTicks>,
    pub(crate) day: DayFigures,
    /// Sequence of the last command that changed market data.
    pub(crate) sequence: Sequence,
}

impl Book {
    pub(crate) fn new(spec: InstrumentSpec) -> Self {
        let span = usize::try_from(spec.price_max.0 - spec.price_min.0 + 1).unwrap_or(1);
        Self {
            buys: Ladder::new(Side::Buy, span),
            sells: Ladder::new(Side::Sell, span),
            spec,
            last_trade: None,
            day: DayFigures::default(),
            sequence: Sequence(0),
        }
    }

    pub(crate) const fn side(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.buys,
            Side::Sell => &self.sells,
        }
    }

    pub(crate) const fn side_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buys.best().is_none() && self.sells.best().is_none()
    }

    pub(crate) fn price(&self, level: u32) -> PriceTicks {
        PriceTicks(self.spec.price_min.0 + i64::from(level))
    }

    /// Returns the level of a price between the instrument's bounds.
    pub(crate) fn level(&self, price: PriceTicks) -> u32 {
        u32::try_from(price.0 - self.spec.price_min.0).unwrap_or(0)
    }

    /// Returns the best price of a side.
    pub(crate) fn best(&self, side: Side) -> Option<PriceTicks> {
        self.side(side).best().map(|level| self.price(level))
    }

    /// Tells whether an order on `side` with the limit `price` would trade at once.
    pub(crate) fn crosses(&self, side: Side, price: PriceTicks) -> bool {
        self.best(side.opposite()).is_some_and(|best| reaches(side, price, best))
    }
}

/// Tells whether a limit on `side` allows a trade at `price`.
pub(crate) const fn reaches(side: Side, limit: PriceTicks, price: PriceTicks) -> bool {
    match side {
        Side::Buy => limit.0 >= price.0,
        Side::Sell => limit.0 <= price.0,
    }
}
