//! The rules and the day's prices of a listed instrument, moved while orders rest.
//!
//! An order that comes to rest outside the day's limits keeps its place and its hold. One that lies
//! on the far side, a buy below or a sale above, is reached by nobody. One on the near side, a buy
//! above or a sale below, would trade outside the limits: it is left out of the book that shows and
//! trades until limits take its price in. Then it enters anew, the earlier order first, when it
//! would trade at once; otherwise it only shows again.

use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::error::{Reason, Refusal};
use crate::event::{OrderEvent, Outcome, Sink};
use crate::instrument::InstrumentSpec;
use crate::slab::Cold;
use crate::types::{CancelReason, InstrumentNumber, OwnerNumber, Phase, PriceTicks, Side};

impl Engine {
    /// Tells why the rules of a listed instrument can't become these.
    pub(crate) fn update_breaks(&self, spec: &InstrumentSpec) -> Option<Refusal> {
        let Some(listed) = self.instrument_by_symbol(spec.symbol.as_bytes()) else {
            return Some(Refusal::plain(Reason::InstrumentUnknown));
        };
        let rules = kept(listed, spec);
        if !rules.same_units(listed) || rules.check().is_some() {
            return Some(Refusal::plain(Reason::InvalidArgument));
        }
        let book = self.book_index(listed.number).and_then(|index| self.books.get(index))?;
        let fits = book.is_empty() || listed.same_grid(&rules);
        (!fits).then(|| Refusal::about(listed.number, Reason::AmendNotAllowed, [0; 3]))
    }

    /// Tells why the day's prices can't be these.
    pub(crate) fn limits_break(
        &self,
        instrument: InstrumentNumber,
        low: PriceTicks,
        high: PriceTicks,
    ) -> Option<Refusal> {
        let spec = self.instrument(instrument)?;
        let fits = spec.price_min <= low && low <= high && high <= spec.price_max;
        let wrong = if low < spec.price_min || low > high { low } else { high };
        let values = [wrong.0, spec.price_min.0, spec.price_max.0];
        (!fits).then(|| Refusal::about(instrument, Reason::PriceRange, values))
    }

    /// Tells why an instrument can't move to a phase: it leaves for good only when nothing is open.
    pub(crate) fn phase_breaks(
        &self,
        instrument: InstrumentNumber,
        phase: Phase,
    ) -> Option<Refusal> {
        (phase == Phase::Delisted && self.usage(instrument) != (0, 0))
            .then(|| Refusal::about(instrument, Reason::AmendNotAllowed, [0; 3]))
    }

    /// Returns how many orders of an instrument are open, and the lots of it that are bought and
    /// not sold again.
    #[must_use]
    pub fn usage(&self, instrument: InstrumentNumber) -> (usize, i64) {
        let positions = self.ledger.accounts.iter().flat_map(|account| &account.positions);
        let here = positions.filter(|one| one.instrument == instrument);
        let lots = here.map(|one| (one.bought_lots - one.sold_lots).max(0)).sum();
        (self.book_slots(Some(instrument)).count(), lots)
    }

    pub(crate) fn update_instrument<S: Sink>(
        &mut self,
        spec: &InstrumentSpec,
        sink: &mut S,
    ) -> Outcome {
        let listed = self.instrument_by_symbol(spec.symbol.as_bytes());
        let Some(number) = listed.map(|spec| spec.number) else { return self.numbered(0) };
        if let Some(index) = self.book_index(number) {
            self.replace_rules(index, spec);
            self.announce_instrument(number, self.books[index].spec.phase, sink);
        }
        self.numbered(number.0)
    }

    /// Replaces rules but for the phase and the prices of the day.
    pub(crate) fn replace_rules(&mut self, index: usize, spec: &InstrumentSpec) {
        let book = &mut self.books[index];
        book.spec = kept(&book.spec, spec);
    }

    pub(crate) fn set_price_limits<S: Sink>(
        &mut self,
        instrument: InstrumentNumber,
        low: PriceTicks,
        high: PriceTicks,
        sink: &mut S,
    ) -> Outcome {
        if let Some(index) = self.book_index(instrument) {
            self.move_limits(index, low, high, sink);
            self.announce_instrument(instrument, self.books[index].spec.phase, sink);
        }
        self.numbered(instrument.0)
    }

    /// Moves the day's prices; orders that they leave out stop trading, those that they take in
    /// trade or show again.
    pub(crate) fn move_limits<S: Sink>(
        &mut self,
        index: usize,
        low: PriceTicks,
        high: PriceTicks,
        sink: &mut S,
    ) {
        let book = &self.books[index];
        if (book.spec.limit_low, book.spec.limit_high) == (low, high) {
            return;
        }
        let outside = |engine: &Self, side: Side| -> Vec<u32> {
            engine.books[index].side(side).outside().collect()
        };
        let before = [Side::Buy, Side::Sell].map(|side| outside(self, side));
        self.books[index].set_limits(low, high);
        let mut woken = Vec::new();
        for (side, before) in [Side::Buy, Side::Sell].into_iter().zip(before) {
            let after = outside(self, side);
            for &level in after.iter().filter(|level| !before.contains(level)) {
                self.announce_gone(index, side, level, sink);
            }
            for &level in before.iter().filter(|level| !after.contains(level)) {
                self.announce_level(index, side, level, sink);
                woken.extend(self.level_slots(self.books[index].side(side).head(level)));
            }
        }
        woken.sort_unstable_by_key(|&slot| self.slab.hot[slot as usize].number);
        let woken: Vec<_> = woken.into_iter().map(|slot| self.slab.order_id(slot)).collect();
        for id in woken {
            if let Some(slot) = self.slab.find(id) {
                self.wake(slot, sink);
            }
        }
    }

    fn announce_gone<S: Sink>(&mut self, index: usize, side: Side, level: u32, sink: &mut S) {
        let book = &mut self.books[index];
        book.sequence = self.last_sequence;
        if S::ACTIVE {
            sink.level(book.spec.number, side, book.price(level), 0, 0);
        }
    }

    /// Enters an order anew that the day's limits take in again and that would trade.
    fn wake<S: Sink>(&mut self, slot: u32, sink: &mut S) {
        let hot = self.slab.hot[slot as usize];
        let cold = self.slab.cold[slot as usize];
        let book = &self.books[hot.book()];
        if !book.crosses(hot.side(), cold.price) {
            return;
        }
        if cold.post_only && book.spec.phase == Phase::Open {
            self.close_resting(slot, CancelReason::Admin, sink);
            return;
        }
        let mut incoming = Incoming {
            id: self.slab.order_id(slot),
            slot,
            rests: true,
            book: hot.book(),
            side: hot.side(),
            limit: cold.price,
            owner: OwnerNumber(hot.owner),
            remaining: self.slab.open_lots(slot),
            cold: Cold { version: cold.version + 1, held_minor: 0, ..cold },
            cancelled: None,
        };
        self.take_out(slot, sink);
        if S::ACTIVE {
            sink.order(OrderEvent::Amended, &self.incoming_state(&incoming), None);
        }
        self.work(&mut incoming, sink);
    }

    /// Takes an order that is about to enter anew out of its place, with what it holds.
    pub(crate) fn take_out<S: Sink>(&mut self, slot: u32, sink: &mut S) {
        let hot = self.slab.hot[slot as usize];
        let cold = self.slab.cold[slot as usize];
        let id = self.slab.order_id(slot);
        let book = &mut self.books[hot.book()];
        let asset = Terms::of(&book.spec).held_asset(hot.side());
        book.side_mut(hot.side()).unlink(&mut self.slab, slot);
        book.forget_top(hot.side(), hot.number);
        self.slab.hot[slot as usize].number = 0;
        self.hold(cold.account, asset, -cold.held_minor, id.0, sink);
        self.announce_level(hot.book(), hot.side(), hot.level, sink);
        self.mark_account(cold.account);
    }
}

/// Returns rules with the number, the phase and the day's prices of the instrument as listed.
fn kept(listed: &InstrumentSpec, spec: &InstrumentSpec) -> InstrumentSpec {
    InstrumentSpec {
        number: listed.number,
        phase: listed.phase,
        limit_low: listed.limit_low,
        limit_high: listed.limit_high,
        ..spec.clone()
    }
}
