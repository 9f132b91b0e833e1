//! Market data: per instrument a log of steps, each with its parts encoded once.

use std::collections::VecDeque;

use super::encode::{book_change, book_snapshot, indication, price_update, public_trade, summary};
use crate::engine::{Engine, Indication};
use crate::event::Trade;
use crate::types::{InstrumentNumber, Phase, PriceTicks, Sequence, Side, TimestampNs};
use crate::wire::put;

/// Steps kept an instrument: at a busy hundred a second, 40 s to come back in.
const STEPS_MAX: usize = 4_096;
/// Most levels a side in a snapshot.
pub(super) const SNAPSHOT_LEVELS: usize = 200;

/// Channels, by the bit of their number in `MarketChannel`.
pub const TRADES: u32 = 1 << 1;
/// Book changes.
pub const BOOK: u32 = 1 << 2;
/// Best and last prices.
pub const PRICE_UPDATE: u32 = 1 << 3;
/// The day's figures.
pub const SUMMARY: u32 = 1 << 4;
/// What auctions would give.
pub const AUCTION: u32 = 1 << 6;
/// Phase changes.
pub const STATUS: u32 = 1 << 7;

#[derive(Debug, Default)]
struct Step {
    sequence: u64,
    previous: u64,
    time_ns: u64,
    trades: Vec<u8>,
    book: Vec<u8>,
    price: Vec<u8>,
    summary: Vec<u8>,
    auction: Vec<u8>,
    phase: u8,
}

impl Step {
    fn write(&self, out: &mut Vec<u8>, symbol: &str, channels: u32, previous: u64) -> bool {
        let phase = if channels & STATUS == 0 { 0 } else { self.phase };
        let parts = [
            (TRADES, &self.trades),
            (BOOK, &self.book),
            (PRICE_UPDATE, &self.price),
            (SUMMARY, &self.summary),
            (AUCTION, &self.auction),
        ];
        let wanted =
            |&(channel, part): &(u32, &Vec<u8>)| channels & channel != 0 && !part.is_empty();
        if phase == 0 && !parts.iter().any(wanted) {
            return false;
        }
        put::message(out, 1, |out| {
            put::uint(out, 1, self.sequence);
            put::uint(out, 2, previous);
            put::bytes(out, 3, symbol.as_bytes());
            put::timestamp(out, 4, self.time_ns);
            for (_, part) in parts.into_iter().filter(wanted) {
                out.extend_from_slice(part);
            }
            put::uint(out, 11, phase.into());
        });
        true
    }
}

/// One instrument's log and what is gathered for its next step.
#[derive(Debug, Default)]
struct BookFeed {
    steps: VecDeque<Step>,
    /// Steps that left the log.
    gone: u64,
    /// Sequence of the newest step, or of the last change before the log began.
    sequence: u64,
    touched: Vec<(Side, PriceTicks)>,
    trades: Vec<Trade>,
    /// Whether the day's figures changed without a trade.
    was_corrected: bool,
    phase: u8,
    best: [Option<(PriceTicks, u64)>; 2],
    /// Whether orders gathered when the last step was made, and what was told of their auction.
    told: (bool, Option<Indication>),
    is_dirty: bool,
}

/// All instruments' logs.
#[derive(Debug)]
pub struct MarketFeeds {
    books: Vec<BookFeed>,
    dirty: Vec<u32>,
}

impl MarketFeeds {
    pub(crate) fn new(engine: &Engine) -> Self {
        let mut feeds = Self { books: Vec::new(), dirty: Vec::new() };
        for spec in engine.instruments() {
            if let Some(feed) = feeds.feed(spec.number) {
                feed.sequence = engine.book_sequence(spec.number).0;
            }
        }
        feeds
    }

    fn feed(&mut self, instrument: InstrumentNumber) -> Option<&mut BookFeed> {
        let index = (instrument.0 as usize).checked_sub(1)?;
        while self.books.len() <= index {
            self.books.push(BookFeed::default());
        }
        self.books.get_mut(index)
    }

    fn dirty(&mut self, instrument: InstrumentNumber) -> Option<&mut BookFeed> {
        let is_dirty = self.feed(instrument)?.is_dirty;
        if !is_dirty {
            self.dirty.push(instrument.0);
        }
        let feed = self.feed(instrument)?;
        feed.is_dirty = true;
        Some(feed)
    }

    pub(crate) fn touch(&mut self, instrument: InstrumentNumber, side: Side, price: PriceTicks) {
        if let Some(feed) = self.dirty(instrument) {
            feed.touched.push((side, price));
        }
    }

    pub(crate) fn trade(&mut self, trade: &Trade, _time: TimestampNs) {
        if let Some(feed) = self.dirty(trade.instrument) {
            feed.trades.push(*trade);
        }
    }

    /// Notes that the figures of the day changed.
    pub(crate) fn change(&mut self, instrument: InstrumentNumber) {
        if let Some(feed) = self.dirty(instrument) {
            feed.was_corrected = true;
        }
    }

    pub(crate) fn phase(&mut self, instrument: InstrumentNumber, phase: Phase) {
        if let Some(feed) = self.dirty(instrument) {
            feed.phase = phase.number();
        }
    }

    pub(crate) fn publish(&mut self, engine: &Engine, sequence: Sequence, time: TimestampNs) {
        for number in core::mem::take(&mut self.dirty) {
            let instrument = InstrumentNumber(number);
            if let Some(feed) = self.feed(instrument) {
                feed.publish(engine, instrument, sequence, time);
            }
        }
    }
}

impl BookFeed {
    fn publish(
        &mut self,
        engine: &Engine,
        instrument: InstrumentNumber,
        sequence: Sequence,
        time: TimestampNs,
    ) {
        let mut step = Step {
            sequence: sequence.0,
            previous: self.sequence,
            time_ns: time.0,
            phase: core::mem::take(&mut self.phase),
            ..Step::default()
        };
        for trade in &self.trades {
            public_trade(&mut step.trades, trade, time, engine);
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        if !self.touched.is_empty() {
            put::message(&mut step.book, 6, |out| {
                book_change(out, &self.touched, engine, instrument);
            });
        }
        let best = [Side::Buy, Side::Sell].map(|side| {
            engine.depth(instrument, side, 1).next().map(|(price, lots, _)| (price, lots))
        });
        if best != self.best || !self.trades.is_empty() {
            self.best = best;
            put::message(&mut step.price, 7, |out| price_update(out, engine, instrument));
        }
        if !self.trades.is_empty() || core::mem::take(&mut self.was_corrected) {
            put::message(&mut step.summary, 8, |out| summary(out, engine, instrument));
        }
        // During a call only: elsewhere nothing gathers, and finding the price takes a while.
        let is_call = engine.instrument(instrument).is_some_and(|spec| spec.phase.is_call());
        let found = if is_call { engine.indication(instrument) } else { None };
        if is_call && (is_call, found) != self.told {
            put::message(&mut step.auction, 10, |out| indication(out, engine, instrument));
        }
        self.told = (is_call, found);
        self.trades.clear();
        self.touched.clear();
        self.is_dirty = false;
        self.sequence = step.sequence;
        if self.steps.len() >= STEPS_MAX {
            self.steps.pop_front();
            self.gone = self.gone.saturating_add(1);
        }
        self.steps.push_back(step);
    }
}

/// One watcher's place in the logs.
#[derive(Debug)]
pub struct MarketCursor {
    channels: u32,
    places: Vec<Place>,
    watches_all: bool,
}

#[derive(Debug)]
struct Place {
    instrument: InstrumentNumber,
    /// Position of the next step, counted from the first one ever.
    next: u64,
    /// Sequence that this watcher saw last of the instrument.
    seen: u64,
    needs_snapshot: bool,
}

/// What a watcher gets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// `updates` fields of a response message; empty when nothing is new.
    pub bytes: Vec<u8>,
    /// Sequence of the last update.
    pub sequence: u64,
    /// Whether more waits.
    pub more: bool,
    /// Whether trades were lost because the watcher is too slow: its stream ends.
    pub lost: bool,
}

impl MarketFeeds {
    /// Returns the place of a watcher who wants what happens from `from_sequence` on, or, with 0
    /// or when that is too long ago, a snapshot first. No instruments means all, also later ones.
    #[must_use]
    pub fn watch(
        &self,
        instruments: &[InstrumentNumber],
        channels: u32,
        from_sequence: u64,
    ) -> MarketCursor {
        let mut cursor =
            MarketCursor { channels, places: Vec::new(), watches_all: instruments.is_empty() };
        if cursor.watches_all {
            let count = u32::try_from(self.books.len()).unwrap_or(0);
            cursor
                .places
                .extend((1..=count).map(|n| self.place(InstrumentNumber(n), from_sequence)));
        } else {
            cursor.places.extend(instruments.iter().map(|n| self.place(*n, from_sequence)));
        }
        cursor
    }

    fn place(&self, instrument: InstrumentNumber, from_sequence: u64) -> Place {
        let index = (instrument.0 as usize).checked_sub(1);
        let Some(feed) = index.and_then(|index| self.books.get(index)) else {
            return Place { instrument, next: 0, seen: 0, needs_snapshot: true };
        };
        let end = feed.gone.saturating_add(feed.steps.len() as u64);
        let covered = feed.steps.front().map_or(feed.sequence, |step| step.previous);
        if from_sequence == 0 || from_sequence <= covered {
            return Place { instrument, next: end, seen: feed.sequence, needs_snapshot: true };
        }
        let skip = feed.steps.partition_point(|step| step.sequence < from_sequence);
        let seen = match skip.checked_sub(1).and_then(|last| feed.steps.get(last)) {
            Some(step) => step.sequence,
            None => covered,
        };
        let next = feed.gone.saturating_add(skip as u64);
        Place { instrument, next, seen, needs_snapshot: false }
    }

    /// Moves a watcher on by at most about `bytes_max` bytes.
    pub fn take(&self, cursor: &mut MarketCursor, engine: &Engine, bytes_max: usize) -> Taken {
        if cursor.watches_all {
            for number in cursor.places.len()..self.books.len() {
                let number = u32::try_from(number).unwrap_or(0).saturating_add(1);
                cursor.places.push(self.place(InstrumentNumber(number), 1));
            }
        }
        let mut taken = Taken::default();
        let mut pending = Vec::new();
        for (index, place) in cursor.places.iter_mut().enumerate() {
            let feed = (place.instrument.0 as usize).checked_sub(1);
            let Some(feed) = feed.and_then(|feed| self.books.get(feed)) else { continue };
            if place.next < feed.gone {
                if cursor.channels & TRADES != 0 {
                    taken.lost = true;
                    return taken;
                }
                // Prices conflate: whoever is slow gets them as they are now.
                place.needs_snapshot = true;
            }
            if place.needs_snapshot {
                place.next = feed.gone.saturating_add(feed.steps.len() as u64);
                snapshot(&mut taken, place, feed, engine, cursor.channels);
            }
            let skip = usize::try_from(place.next.saturating_sub(feed.gone)).unwrap_or(0);
            pending.extend(feed.steps.iter().skip(skip).map(|step| (step.sequence, index, step)));
        }
        pending.sort_by_key(|&(sequence, index, _)| (sequence, index));
        for (sequence, index, step) in pending {
            if taken.bytes.len() >= bytes_max {
                taken.more = true;
                break;
            }
            let Some(place) = cursor.places.get_mut(index) else { continue };
            let symbol = engine.instrument(place.instrument).map_or("", |spec| &spec.symbol);
            if step.write(&mut taken.bytes, symbol, cursor.channels, place.seen) {
                place.seen = sequence;
                taken.sequence = sequence;
            }
            place.next = place.next.saturating_add(1);
        }
        taken
    }
}

fn snapshot(taken: &mut Taken, place: &mut Place, feed: &BookFeed, engine: &Engine, channels: u32) {
    let instrument = place.instrument;
    let Some(spec) = engine.instrument(instrument) else { return };
    place.needs_snapshot = false;
    place.seen = feed.sequence;
    taken.sequence = taken.sequence.max(feed.sequence);
    put::message(&mut taken.bytes, 1, |out| {
        put::uint(out, 1, feed.sequence);
        put::bytes(out, 3, spec.symbol.as_bytes());
        if channels & BOOK != 0 {
            put::message(out, 6, |out| book_snapshot(out, engine, instrument));
        }
        if channels & PRICE_UPDATE != 0 {
            put::message(out, 7, |out| price_update(out, engine, instrument));
        }
        if channels & SUMMARY != 0 {
            put::message(out, 8, |out| summary(out, engine, instrument));
        }
        if channels & AUCTION != 0 && spec.phase.is_call() {
            put::message(out, 10, |out| indication(out, engine, instrument));
        }
        put::uint(out, 11, spec.phase.number().into());
        put::uint(out, 14, 1);
    });
}
