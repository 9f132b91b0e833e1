//! History for those who keep it elsewhere: the journal again, as rows.
//!
//! A follower runs in a process of its own. It reads the durable part of the journal files, applies
//! it to an engine of its own and gathers what changed. Rows of a block are final states: an order
//! that changed ten times in a block is one row.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, EngineLimits};
use crate::event::{OrderEvent, OrderState, Posting, Sink, Trade};
use crate::journal::JournalError;
use crate::journal::reader::{DurableMark, JournalReader};
use crate::runtime::store;
use crate::trade_change::TradeChange;
use crate::types::{AccountNumber, OrderId, Sequence, TimestampNs};

/// When something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Journal sequence.
    pub sequence: u64,
    /// Nanoseconds since 1970.
    pub time_ns: u64,
}

/// An order that changed.
#[derive(Clone, Copy, Debug)]
pub struct Changed {
    /// When it changed last.
    pub last: Moment,
    /// Sequence at which it came in; 0 when that was in an earlier block.
    pub came_in: u64,
    /// How it stands.
    pub state: OrderState,
}

/// What changed between two watermarks.
#[derive(Debug, Default)]
pub struct Block {
    /// The last command of the block: the new watermark.
    pub end: Moment,
    /// Commands in it.
    pub commands: u64,
    /// Accounts opened, with their public IDs.
    pub accounts: Vec<(AccountNumber, [u8; 16])>,
    /// Orders as they stand after the block, by ID.
    pub orders: BTreeMap<OrderId, Changed>,
    /// Trades, in order.
    pub trades: Vec<(Moment, Trade)>,
    /// Trades of this block or before that were taken back or corrected, in order.
    pub changes: Vec<(Moment, TradeChange)>,
    /// Movements of balances, in order.
    pub postings: Vec<(Moment, Posting)>,
    now: Moment,
}

impl Sink for Block {
    fn begin(&mut self, sequence: Sequence, time: TimestampNs) {
        self.now = Moment { sequence: sequence.0, time_ns: time.0 };
        self.commands = self.commands.saturating_add(1);
    }

    fn order(&mut self, event: OrderEvent, state: &OrderState, _trade: Option<&Trade>) {
        let is_new = matches!(event, OrderEvent::Accepted | OrderEvent::Rejected);
        let before = self.orders.get(&state.order_id).map_or(0, |changed| changed.came_in);
        let came_in = if is_new { self.now.sequence } else { before };
        self.orders.insert(state.order_id, Changed { last: self.now, came_in, state: *state });
    }

    fn trade(&mut self, trade: &Trade) {
        self.trades.push((self.now, *trade));
    }

    fn trade_change(&mut self, change: &TradeChange) {
        self.changes.push((self.now, *change));
    }

    fn posting(&mut self, posting: &Posting) {
        self.postings.push((self.now, *posting));
    }

    fn account(&mut self, account: AccountNumber, id: [u8; 16]) {
        self.accounts.push((account, id));
    }

    fn end(&mut self) {
        self.end = self.now;
    }
}

/// Reads history from a watermark on.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    engine: Engine,
    reader: JournalReader,
    watermark: u64,
}

impl Follower {
    /// Returns a follower that goes on after `watermark`, the last sequence that is kept already.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn open(
        directory: &Path,
        watermark: u64,
        limits: EngineLimits,
    ) -> Result<Self, JournalError> {
        let (engine, position) = store::newest_snapshot(directory, limits, watermark)?;
        let reader = JournalReader::new(directory, position);
        Ok(Self { directory: directory.to_owned(), engine, reader, watermark })
    }

    /// Returns the engine, for names and units.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns what became durable since the last block, at least one group and at most about
    /// `commands_max` commands; `None` when there is nothing new.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn next_block(&mut self, commands_max: u64) -> Result<Option<Block>, JournalError> {
        let Some(mark) = DurableMark::open(&self.directory)? else { return Ok(None) };
        let durable = mark.read();
        let mut block = Block::default();
        while block.commands < commands_max {
            let Some((header, payload)) = self.reader.next(durable)? else { break };
            let last = header.first_sequence.saturating_add(header.count.into());
            // Groups and blocks end together, so a watermark never lies inside a group.
            if last <= self.watermark.saturating_add(1) {
                let mut silent = crate::event::Silent;
                apply(&mut self.engine, header.time_ns, payload, &mut silent)?;
            } else {
                apply(&mut self.engine, header.time_ns, payload, &mut block)?;
            }
        }
        Ok((block.commands > 0).then_some(block))
    }
}

fn apply<S: Sink>(
    engine: &mut Engine,
    time_ns: u64,
    payload: &[u8],
    sink: &mut S,
) -> Result<(), JournalError> {
    store::apply(engine, time_ns, payload, sink).map_err(|_| JournalError::Stopped)
}
