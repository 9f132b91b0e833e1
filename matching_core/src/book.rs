//! The book of one instrument: its rules and its two sides.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "prices lie between the instrument's bounds, which `instrument::check` keeps small; \
              sides are numbered 1 and 2"
)]

use crate::instrument::InstrumentSpec;
use crate::ladder::Ladder;
use crate::stops::Stops;
use crate::trade_change::TradeChange;
use crate::types::{PriceTicks, Sequence, Side, TimestampNs, TradeKind};

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

    /// Corrects the figures of the day that a trade was made on. The prices that were shown as
    /// open, high, low and last stay: the engine does not know those before.
    pub(crate) fn change(&mut self, day: u64, change: &TradeChange) {
        if day != self.day || change.kind == TradeKind::Block {
            return;
        }
        let ticks = |price: PriceTicks, lots: u32| i128::from(price.0) * i128::from(lots);
        let (lots, new_lots) = (change.quantity.0, change.new_quantity.0);
        self.volume_lots = (self.volume_lots + u64::from(new_lots)).saturating_sub(lots.into());
        self.notional_ticks += ticks(change.new_price, new_lots) - ticks(change.price, lots);
        if change.is_bust() {
            self.trade_count = self.trade_count.saturating_sub(1);
        }
    }
}

/// A volatility auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedAuction {
    pub(crate) ends: TimestampNs,
    /// Price around which the band lies.
    pub(crate) reference: PriceTicks,
    pub(crate) is_extended: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) spec: InstrumentSpec,
    pub(crate) buys: Ladder,
    pub(crate) sells: Ladder,
    pub(crate) stops: Stops,
    /// Order that bettered the market first and still leads its side, by number; 0 for none.
    pub(crate) top: [u64; 2],
    /// The auction that is under way, when it ends by itself.
    pub(crate) auction: Option<TimedAuction>,
    pub(crate) last_trade: Option<PriceTicks>,
    pub(crate) day: DayFigures,
    /// Sequence of the last command that changed market data.
    pub(crate) sequence: Sequence,
}

impl Book {
    pub(crate) fn new(spec: InstrumentSpec) -> Self {
        let span = usize::try_from(spec.price_max.0 - spec.price_min.0 + 1).unwrap_or(1);
        Self {
            buys: Ladder::new(Side::Buy, span, level_of(&spec, spec.limit_high)),
            sells: Ladder::new(Side::Sell, span, level_of(&spec, spec.limit_low)),
            stops: Stops::new(),
            top: [0; 2],
            auction: None,
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
        self.buys.is_empty() && self.sells.is_empty() && self.stops.is_empty()
    }

    pub(crate) fn price(&self, level: u32) -> PriceTicks {
        PriceTicks(self.spec.price_min.0 + i64::from(level))
    }

    /// Returns the level of a price between the instrument's bounds.
    pub(crate) fn level(&self, price: PriceTicks) -> u32 {
        level_of(&self.spec, price)
    }

    /// Moves the prices of the day.
    pub(crate) fn set_limits(&mut self, low: PriceTicks, high: PriceTicks) {
        self.spec.limit_low = low;
        self.spec.limit_high = high;
        self.buys.set_bound(level_of(&self.spec, high));
        self.sells.set_bound(level_of(&self.spec, low));
    }

    /// Notes that an order betters its side.
    pub(crate) const fn set_top(&mut self, side: Side, number: u64) {
        self.top[side as usize - 1] = number;
    }

    /// Notes that an order gave its place away.
    pub(crate) const fn forget_top(&mut self, side: Side, number: u64) {
        if self.top[side as usize - 1] == number {
            self.top[side as usize - 1] = 0;
        }
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

fn level_of(spec: &InstrumentSpec, price: PriceTicks) -> u32 {
    u32::try_from(price.0 - spec.price_min.0).unwrap_or(0)
}

/// Tells whether a limit on `side` allows a trade at `price`.
pub(crate) const fn reaches(side: Side, limit: PriceTicks, price: PriceTicks) -> bool {
    match side {
        Side::Buy => limit.0 >= price.0,
        Side::Sell => limit.0 <= price.0,
    }
}
