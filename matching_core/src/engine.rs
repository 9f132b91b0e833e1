//! The engine: many books and the accounts that trade in them, as one deterministic state.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indexes come from the state itself and amounts are bounded by `InstrumentSpec::check`; \
              where an invariant breaks all the same, overflow checks stop the process before \
              anything wrong is acknowledged"
)]

mod allocation;
mod amend;
mod auction;
mod audit;
mod blocks;
mod changes;
mod checks;
mod closing;
mod control;
mod entry;
mod funds;
mod limits;
mod matching;
mod preview;
mod risk;
mod rules;
mod settlement;
mod stops;
mod view;

use std::collections::BTreeSet;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::book::Book;
use crate::command::{Command, CommandKey};
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, Sink};
use crate::idempotency::{Answers, Record};
use crate::ledger::{Account, Ledger};
use crate::slab::Slab;
use crate::types::{
    AccountNumber, InstrumentNumber, OrderId, OrderStatus, OwnerNumber, QuantityLots,
    SelfTradePrevention, Sequence, Side, TimestampNs,
};

/// Nanoseconds of a day.
pub(crate) const DAY_NS: u64 = 24 * 3_600 * 1_000_000_000;

pub use self::auction::Indication;
pub use self::audit::{AssetAudit, HoldView};
pub use self::preview::Preview;
pub use self::view::{AccountView, PositionView};
pub use crate::book::DayFigures;
pub use crate::idempotency::{command_key, item_key};

/// What bounds the memory of an engine. Engines that are to agree need the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Most first answers kept; the oldest closed ones go first.
    pub idempotency_records_max: usize,
    /// How long a first answer is kept after its order closed, in command time.
    pub idempotency_retention_ns: u64,
    /// Most orders that rest at a time over all books.
    pub open_orders_max: u32,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            idempotency_records_max: 16_000_000,
            idempotency_retention_ns: 24 * 3_600 * 1_000_000_000,
            open_orders_max: crate::types::NO_SLOT - 1,
        }
    }
}

/// What [`Engine::admit`] decides about a command before it is journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// To be journalled, then applied.
    Apply,
    /// It came before: this was the answer.
    Repeat(Outcome),
    /// It breaks a rule that no state of the market can mend, or there is nothing to do.
    Refused(Refusal),
}

/// The deterministic state machine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) limits: EngineLimits,
    pub(crate) last_sequence: Sequence,
    pub(crate) time: TimestampNs,
    pub(crate) order_number: u64,
    pub(crate) trade_number: u64,
    /// Last day, counted from 1970, whose DAY orders of before have been ended.
    pub(crate) day: u64,
    pub(crate) assets: Vec<String>,
    pub(crate) books: Vec<Book>,
    symbols: HashTable<u32>,
    pub(crate) ledger: Ledger,
    pub(crate) slab: Slab,
    pub(crate) answers: Answers,
    pub(crate) expiries: BTreeSet<(TimestampNs, OrderId)>,
    /// Auctions that end by themselves, by time and book.
    pub(crate) auctions: BTreeSet<(TimestampNs, usize)>,
    /// Trades that were taken back or corrected, which happens once to each.
    pub(crate) changed_trades: BTreeSet<u64>,
    /// Books in which the present command's trades reached stops.
    due_books: Vec<usize>,
    scratch: Vec<u32>,
}

impl Engine {
    /// Returns an engine with no instrument and with one account, the exchange's own.
    #[must_use]
    pub fn new(limits: EngineLimits) -> Self {
        let mut engine = Self::follower(limits);
        engine.answers.index();
        engine
    }

    /// Returns such an engine that only follows a journal: it gets commands that another engine
    /// admitted, so it recognises no repeat by itself and needs no table to find any.
    #[must_use]
    pub fn follower(limits: EngineLimits) -> Self {
        let mut engine = Self::bare(limits);
        let mode = SelfTradePrevention::CancelNewest;
        engine.ledger.open(Account::new([0; 16], OwnerNumber(0), mode, 0));
        engine
    }

    /// Returns an engine without even the exchange's account.
    pub(crate) fn bare(limits: EngineLimits) -> Self {
        Self {
            limits,
            last_sequence: Sequence(0),
            time: TimestampNs(0),
            order_number: 0,
            trade_number: 0,
            day: 0,
            assets: Vec::new(),
            books: Vec::new(),
            symbols: HashTable::new(),
            ledger: Ledger::new(),
            slab: Slab::new(),
            answers: Answers::new(),
            expiries: BTreeSet::new(),
            auctions: BTreeSet::new(),
            changed_trades: BTreeSet::new(),
            due_books: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Makes an engine that followed a journal one that recognises repeats, to go on from there.
    ///
    /// # Errors
    /// When a command came twice.
    pub fn lead(&mut self) -> Result<(), &'static str> {
        if self.answers.is_indexed() || self.answers.index() {
            return Ok(());
        }
        Err("two first answers for one key")
    }

    /// Decides before the journal: a repeat, a static refusal, or to be journalled and applied.
    #[must_use]
    pub fn admit(&self, command: &Command) -> Admission {
        if let Some(admission) = self.repeat(command) {
            return admission;
        }
        self.breaks(command).map_or(Admission::Apply, Admission::Refused)
    }

    /// Prepares for commands with these keys, which come next; changes no state.
    pub fn prepare(&self, keys: impl Iterator<Item = CommandKey>) {
        if self.answers.is_indexed() {
            core::hint::black_box(self.answers.warm(keys.filter(|key| key.0 != 0)));
        }
    }

    fn repeat(&self, command: &Command) -> Option<Admission> {
        match command {
            Command::OpenAccount { id, .. } => {
                let number = self.ledger.find(id)?;
                return Some(Admission::Repeat(self.numbered(number.0)));
            }
            Command::RegisterAsset { code } => {
                let index = self.assets.iter().position(|known| known == code)?;
                let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
                return Some(Admission::Repeat(self.numbered(number)));
            }
            _ => {}
        }
        let key = key_of(command);
        if key.0 == 0 {
            return None;
        }
        debug_assert!(self.answers.is_indexed(), "a follower recognises no repeat");
        let record = self.answers.find(key)?;
        if record.body == rules::fingerprint(command) {
            return Some(Admission::Repeat(record.outcome()));
        }
        let named = matches!(command, Command::NewOrder(order) if !order.client_order_id.is_none());
        let reason =
            if named { Reason::DuplicateClientOrderId } else { Reason::IdempotencyKeyReused };
        Some(Admission::Refused(Refusal::plain(reason)))
    }

    /// Applies a command that [`Engine::admit`] let through. Any command gives an outcome, also
    /// one that `admit` would have refused.
    pub fn apply<S: Sink>(
        &mut self,
        sequence: Sequence,
        time: TimestampNs,
        command: &Command,
        sink: &mut S,
    ) -> Outcome {
        self.last_sequence = sequence;
        self.time = self.time.max(time);
        sink.begin(sequence, self.time);
        let outcome = self.dispatch(command, sink);
        if !self.due_books.is_empty() {
            self.run_stops(sink);
        }
        let key = key_of(command);
        if key.0 != 0 {
            self.remember(key, command, &outcome);
        }
        sink.end();
        outcome
    }

    fn dispatch<S: Sink>(&mut self, command: &Command, sink: &mut S) -> Outcome {
        // New orders and cancellations check what they name themselves.
        if !matches!(command, Command::NewOrder(_) | Command::CancelOrder { .. })
            && let Some(refusal) = self.breaks(command)
        {
            return self.refused(OrderId(0), 0, refusal);
        }
        match command {
            Command::NewOrder(order) => self.new_order(order, sink),
            Command::CancelOrder { account, order_id, reason, .. } => {
                self.cancel_order(*account, *order_id, *reason, sink)
            }
            Command::AmendOrder { account, order_id, price, quantity, .. } => {
                self.amend_order(*account, *order_id, *price, *quantity, sink)
            }
            Command::MassCancel { account, instrument, side, reason } => {
                self.mass_cancel(*account, *instrument, *side, *reason, sink)
            }
            Command::OpenAccount { id, owner, self_trade_prevention, max_open_orders } => {
                let account = Account::new(*id, *owner, *self_trade_prevention, *max_open_orders);
                let number = self.open_account(account);
                sink.account(number, *id);
                self.numbered(number.0)
            }
            Command::SetSwitch { account, switch, is_on } => {
                self.set_switch(*account, *switch, *is_on)
            }
            Command::SetRiskLimits { account, limits, max_open_orders } => {
                self.set_risk_limits(*account, limits, *max_open_orders)
            }
            Command::RegisterAsset { code } => {
                let asset = self.register_asset(code);
                self.numbered(asset.0)
            }
            Command::Transfer { account, asset, amount, .. } => {
                self.transfer(*account, *asset, *amount, sink)
            }
            Command::DefineInstrument(spec) => self.define_instrument(spec, sink),
            Command::UpdateInstrument(spec) => self.update_instrument(spec, sink),
            Command::SetPriceLimits { instrument, low, high } => {
                self.set_price_limits(*instrument, *low, *high, sink)
            }
            Command::SetPhase { instrument, phase } => self.set_phase(*instrument, *phase, sink),
            Command::ChangeTrade(change) => self.change_trade(change, sink),
            Command::BlockTrade(block) => self.block_trade(block, sink),
            Command::AdvanceTime => self.advance_time(sink),
        }
    }

    /// Keeps the first answer and forgets what is too old or too much.
    fn remember(&mut self, key: CommandKey, command: &Command, outcome: &Outcome) {
        let record = Record::new(key, rules::fingerprint(command), outcome);
        let Some(position) = self.answers.insert(record) else { return };
        if matches!(command, Command::NewOrder(_))
            && let Some(slot) = self.slab.find(outcome.order_id)
        {
            self.slab.cold[slot as usize].record = Some(position);
        }
        // Two a command keep up with any growth and bound the work of one command.
        for _ in 0..2 {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let full = self.answers.len() > self.limits.idempotency_records_max;
        let Some((position, record)) = self.answers.oldest() else { return };
        let age = self.time.0.saturating_sub(record.touched.0);
        if !full && age < self.limits.idempotency_retention_ns {
            return;
        }
        let open = self.slab.find(record.order_id);
        let open = open.filter(|&slot| self.slab.cold[slot as usize].record == Some(position));
        match open {
            None => self.answers.forget_oldest(),
            Some(slot) => {
                let renewed = self.answers.renew_oldest(self.time);
                self.slab.cold[slot as usize].record = renewed;
            }
        }
    }

    pub(crate) fn book_index(&self, number: InstrumentNumber) -> Option<usize> {
        let index = (number.0 as usize).checked_sub(1)?;
        (index < self.books.len()).then_some(index)
    }

    pub(crate) fn list_book(&mut self, book: Book) {
        let hash = xxh3_64(book.spec.symbol.as_bytes());
        let index = u32::try_from(self.books.len()).unwrap_or(u32::MAX);
        let books = &self.books;
        self.symbols.insert_unique(hash, index, |&other| {
            xxh3_64(books[other as usize].spec.symbol.as_bytes())
        });
        self.books.push(book);
    }

    /// Notes that this command changed orders of the account.
    pub(crate) fn mark_account(&mut self, account: AccountNumber) {
        if let Some(account) = self.ledger.accounts.get_mut(account.0 as usize) {
            account.sequence = self.last_sequence;
        }
    }

    /// Notes that this command changed a level, and says how the level is now.
    pub(crate) fn announce_level<S: Sink>(
        &mut self,
        index: usize,
        side: Side,
        level: u32,
        sink: &mut S,
    ) {
        let book = &mut self.books[index];
        book.sequence = self.last_sequence;
        if S::ACTIVE && book.side(side).is_in(level) {
            let (lots, count) = book.side(side).totals(level);
            sink.level(book.spec.number, side, book.price(level), lots, count);
        }
    }

    pub(crate) fn refused(&self, order_id: OrderId, version: u32, refusal: Refusal) -> Outcome {
        Outcome {
            status: OrderStatus::Rejected,
            refusal: Some(refusal),
            version,
            order_id,
            ..self.numbered(0)
        }
    }

    /// Returns the answer to a command that made or changed what has this number.
    pub(crate) fn numbered(&self, number: u32) -> Outcome {
        Outcome {
            order_id: OrderId(number.into()),
            sequence: self.last_sequence,
            time: self.time,
            status: OrderStatus::New,
            filled: QuantityLots(0),
            filled_notional_ticks: 0,
            remaining: QuantityLots(0),
            fees_minor: 0,
            version: 1,
            cancel_reason: None,
            refusal: None,
        }
    }

    /// Returns the answer to a command that changed so many orders.
    fn counted(&self, count: u32) -> Outcome {
        Outcome { remaining: QuantityLots(count), ..self.numbered(0) }
    }
}

/// Returns the key of a command, 0 for none.
pub(crate) const fn key_of(command: &Command) -> CommandKey {
    match command {
        Command::NewOrder(order) => order.key,
        Command::CancelOrder { key, .. }
        | Command::AmendOrder { key, .. }
        | Command::Transfer { key, .. } => *key,
        Command::BlockTrade(block) => block.key,
        _ => CommandKey(0),
    }
}
