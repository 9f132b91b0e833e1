//! Checks files of days as anybody can: with nothing of the exchange's but the files.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use super::day::{Change, DayReader, Fill, Tag, numbers};
use super::tree::Root;
use super::{CHAIN_START, Hash, end_hash, leaf, link};
use crate::codec;
use crate::command::Command;
use crate::engine::{Engine, EngineLimits};
use crate::event::{OrderEvent, OrderState, Sink, Trade};
use crate::trade_change::TradeChange;
use crate::types::{Sequence, TimestampNs};

/// Most findings that are kept: one wrong record makes many.
const FINDINGS_MAX: usize = 20;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of the kind.
    pub kind: &'static str,
    /// Sequence that it is about; 0 for none.
    pub sequence: u64,
    /// What is wrong.
    pub words: String,
}

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its leaf.
    pub leaf: Hash,
    /// The chain after it.
    pub chain: Hash,
    /// Order that came in with it; 0 for none.
    pub order_id: u64,
}

/// What the records of a day made.
#[derive(Debug, Default)]
struct Made {
    sequence: i64,
    fills: VecDeque<Fill>,
    changes: VecDeque<Change>,
    order_id: u64,
}

fn signed(number: u64) -> i64 {
    i64::from_le_bytes(number.to_le_bytes())
}

impl Sink for Made {
    fn begin(&mut self, sequence: Sequence, _time: TimestampNs) {
        (self.sequence, self.order_id) = (signed(sequence.0), 0);
    }

    fn order(&mut self, event: OrderEvent, state: &OrderState, _trade: Option<&Trade>) {
        if matches!(event, OrderEvent::Accepted | OrderEvent::Rejected) {
            self.order_id = state.order_id.0;
        }
    }

    fn trade(&mut self, trade: &Trade) {
        self.fills.push_back(Fill([
            signed(trade.trade_id),
            self.sequence,
            trade.instrument.0.into(),
            trade.price.0,
            trade.quantity.0.into(),
            signed(trade.maker_order.0),
            signed(trade.taker_order.0),
            trade.aggressor.number().into(),
            trade.kind.number().into(),
        ]));
    }

    fn trade_change(&mut self, change: &TradeChange) {
        let (price, lots) = (change.new_price.0, change.new_quantity.0.into());
        self.changes.push_back(Change([signed(change.trade_id), self.sequence, price, lots]));
    }
}

/// Checks days one after the other, from the first record of the journal or a state kept.
#[derive(Debug)]
pub struct Verifier {
    engine: Engine,
    chain: Hash,
    root: Root,
    records: u64,
    fills: u64,
    made: Made,
    reader: Option<DayReader>,
    stage: usize,
    wanted: BTreeMap<u64, Option<Seen>>,
    findings: Vec<Finding>,
    header: String,
    manifest: String,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Whether the day is over.
    pub is_over: bool,
}

impl Verifier {
    /// Returns a check that starts with the journal.
    #[must_use]
    pub fn new() -> Self {
        Self::from(Engine::follower(EngineLimits::default()), CHAIN_START)
    }

    fn from(engine: Engine, chain: Hash) -> Self {
        Self {
            engine,
            chain,
            root: Root::default(),
            records: 0,
            fills: 0,
            made: Made::default(),
            reader: None,
            stage: 0,
            wanted: BTreeMap::new(),
            findings: Vec::new(),
            header: String::new(),
            manifest: String::new(),
        }
    }

    /// Returns a check that goes on from a state that an earlier one kept; `None` when it is
    /// damaged.
    #[must_use]
    pub fn load(state: &[u8]) -> Option<Self> {
        let (chain, mut rest) = state.split_first_chunk::<32>()?;
        let engine = Engine::read_snapshot(&mut rest, EngineLimits::default()).ok()?;
        Some(Self::from(engine, *chain))
    }

    /// Returns the state after the last day, for a later check.
    ///
    /// # Errors
    /// When memory can't be written; it can.
    pub fn save(&self) -> io::Result<Vec<u8>> {
        let mut out = self.chain.to_vec();
        self.engine.write_snapshot(&mut out)?;
        Ok(out)
    }

    /// Asks what the record of a sequence is.
    pub fn want(&mut self, sequence: u64) {
        self.wanted.entry(sequence).or_default();
    }

    /// Returns what the record of a sequence is, when it was wanted and came.
    #[must_use]
    pub fn seen(&self, sequence: u64) -> Option<Seen> {
        self.wanted.get(&sequence).copied().flatten()
    }

    /// Returns what is wrong with the day.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns header and manifest of the day, as they stand in its file.
    #[must_use]
    pub fn texts(&self) -> (&str, &str) {
        (&self.header, &self.manifest)
    }

    /// Returns records and fills of the day.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.records, self.fills)
    }

    /// Returns the sequence of the last record.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.engine.last_sequence().0
    }

    /// Returns the chain after the last record.
    #[must_use]
    pub const fn chain(&self) -> Hash {
        self.chain
    }

    /// Returns the root of the day's records; `None` when there are none.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        self.root.value()
    }

    /// Returns the hash of the state after the day.
    #[must_use]
    pub fn end_hash(&self) -> Hash {
        end_hash(&self.engine)
    }

    /// Begins with the file of the next day.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn begin(&mut self, path: &Path) -> io::Result<()> {
        self.findings.clear();
        self.root = Root::default();
        (self.records, self.fills, self.stage) = (0, 0, 0);
        self.made = Made::default();
        (self.header, self.manifest) = (String::new(), String::new());
        self.reader = DayReader::open(path)?;
        if self.reader.is_none() {
            self.find("damaged", 0, "the file is not one of a day's journal".to_owned());
        }
        Ok(())
    }

    fn find(&mut self, kind: &'static str, sequence: u64, words: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { kind, sequence, words });
        }
    }

    /// Checks the next sections, at most so many.
    ///
    /// # Errors
    /// When the file can't be read; one that is damaged is a finding.
    pub fn step(&mut self, sections_max: usize) -> io::Result<Progress> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(Progress { read: 0, size: 0, is_over: true });
        };
        let mut is_over = false;
        for _ in 0..sections_max {
            let at = reader.progress().0;
            match reader.section() {
                Ok(Some((tag, body))) if self.section(tag, body) => {}
                Ok(None) => {
                    is_over = true;
                    if self.stage != 3 {
                        self.find("damaged", 0, "the file ends too early".to_owned());
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                Ok(Some(_)) | Err(_) => {
                    is_over = true;
                    self.find("damaged", 0, format!("the section at byte {at} is damaged"));
                }
            }
            if is_over {
                self.settle();
                break;
            }
        }
        let (read, size) = reader.progress();
        if !is_over {
            self.reader = Some(reader);
        }
        Ok(Progress { read, size, is_over })
    }

    /// Takes a section; false when it can't be read where it stands.
    fn section(&mut self, tag: Tag, body: &[u8]) -> bool {
        let stage = match tag {
            Tag::Header => 0,
            Tag::Record => 1,
            Tag::Fill | Tag::Change => 2,
            Tag::Manifest => 3,
        };
        // One header first, one manifest last, the rest in order.
        let is_first = self.header.is_empty();
        if stage < self.stage || self.stage == 3 || is_first != (tag == Tag::Header) {
            return false;
        }
        self.stage = stage;
        let text = || core::str::from_utf8(body).ok().map(str::to_owned);
        match tag {
            Tag::Header => text().map(|text| self.header = text).is_some(),
            Tag::Manifest => text().map(|text| self.manifest = text).is_some(),
            Tag::Record => self.record(body),
            Tag::Fill => numbers(body).map(|fill| self.fill(Fill(fill))).is_some(),
            Tag::Change => numbers(body).map(|change| self.change(Change(change))).is_some(),
        }
    }

    fn record(&mut self, body: &[u8]) -> bool {
        let Some((time, record)) = body.split_first_chunk::<8>() else { return false };
        let Ok(command) = codec::decode(record) else { return false };
        let time_ns = u64::from_le_bytes(*time);
        let sequence = self.engine.last_sequence().0.saturating_add(1);
        let leaf = leaf(sequence, time_ns, record);
        self.chain = link(&self.chain, &leaf);
        self.root.push(leaf);
        self.records = self.records.saturating_add(1);
        self.apply(sequence, time_ns, &command);
        if let Some(seen) = self.wanted.get_mut(&sequence) {
            *seen = Some(Seen { leaf, chain: self.chain, order_id: self.made.order_id });
        }
        true
    }

    fn apply(&mut self, sequence: u64, time_ns: u64, command: &Command) {
        let (sequence, time) = (Sequence(sequence), TimestampNs(time_ns));
        self.engine.apply(sequence, time, command, &mut self.made);
    }

    fn fill(&mut self, told: Fill) {
        self.fills = self.fills.saturating_add(1);
        let made = self.made.fills.pop_front();
        let (Fill(told), made) = (told, made.map(|Fill(made)| made));
        self.compare("fill", &Fill::NAMES, &told, made.as_ref().map(<[i64; 9]>::as_slice));
    }

    fn change(&mut self, told: Change) {
        let made = self.made.changes.pop_front().map(|Change(made)| made);
        let Change(told) = told;
        self.compare("change", &Change::NAMES, &told, made.as_ref().map(<[i64; 4]>::as_slice));
    }

    fn compare(&mut self, kind: &'static str, names: &[&str], told: &[i64], made: Option<&[i64]>) {
        let number = told.first().copied().unwrap_or_default();
        let sequence = told.get(1).copied().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let Some(made) = made else {
            self.find(kind, sequence, format!("trade {number} is told of and the replay has none"));
            return;
        };
        let different = names.iter().zip(told).zip(made).find(|((_, told), made)| told != made);
        if let Some(((name, told), made)) = different {
            let words = format!(
                "trade {number}: the exchange told {name} {told} and the replay makes {made}"
            );
            self.find(kind, sequence, words);
        }
    }

    /// Finds what the exchange did not tell of.
    fn settle(&mut self) {
        if self.stage < 3 {
            // The file broke off: what should come behind is not missing.
            return;
        }
        let fills = core::mem::take(&mut self.made.fills)
            .into_iter()
            .map(|Fill(made)| ("fill", made[0], made[1]));
        let changes = core::mem::take(&mut self.made.changes)
            .into_iter()
            .map(|Change(made)| ("change", made[0], made[1]));
        for (kind, number, sequence) in fills.chain(changes).take(FINDINGS_MAX).collect::<Vec<_>>()
        {
            let sequence = u64::try_from(sequence).unwrap_or_default();
            self.find(
                kind,
                sequence,
                format!("the replay makes trade {number}, which the exchange does not tell of"),
            );
        }
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}
