//! First answers, kept so that a repeat gets the same one.
//!
//! Records stand in a ring in the order of their commands; a sharded table finds them by key. A
//! shard is small, so its growth never stops the world. What leaves, leaves at the front of the
//! ring: by age, or because the ring is full. The record of an open order is moved to the back.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "positions are counters modulo 2^32; the ring is far shorter than that"
)]

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::command::CommandKey;
use crate::error::{Reason, Refusal};
use crate::event::Outcome;
use crate::places::Places;
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderStatus, QuantityLots,
    Sequence, TimestampNs,
};

/// An odd number whose multiples spread over all 64 bits: 2^64 over the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const SHARD_BITS: u32 = 12;
/// Records a shard has room for from the start.
const SHARD_CAPACITY: usize = 28;
const CHUNK_BITS: u32 = 17;
/// Records whose places are fetched at once before they are forgotten one by one.
const FORGOTTEN_TOGETHER: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Returns the fingerprint of a command's key, never 0.
///
/// Kinds: 1 client order ID, 2 idempotency key, 3 item of a batch (request ID and its index; see
/// [`item_key`]). The account stands in the fingerprint as it is, so that no choice of bytes meets
/// a key of another account.
#[must_use]
pub fn command_key(account: AccountNumber, kind: u8, bytes: &[u8]) -> CommandKey {
    // The bytes are hashed where they are: a copy to put the kind before them would be read again
    // before it has left the processor's store buffer, and wait for all that stands in it.
    own(account, xxh3_128_with_seed(bytes, u64::from(kind).wrapping_mul(SPREAD)))
}

/// Returns the fingerprint of an item of a batch, from that of the batch. Different items of one
/// batch have different keys.
#[must_use]
pub fn item_key(account: AccountNumber, batch: CommandKey, index: u32) -> CommandKey {
    let high = (batch.0 >> 64) as u64;
    let low = (batch.0 as u64) ^ u64::from(index).wrapping_mul(SPREAD);
    let mixed = (low ^ (low >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let mixed = u128::from(high.rotate_left(32) ^ mixed.rotate_left(17)) << 64 | u128::from(mixed);
    own(account, mixed)
}

fn own(account: AccountNumber, hash: u128) -> CommandKey {
    let hash = hash & !u128::from(u32::MAX);
    CommandKey(if hash == 0 { 1 << 32 } else { hash } | u128::from(account.0))
}

/// The first answer to a keyed command, packed into a line and a half of cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) key: [u64; 2],
    /// Fingerprint of what was asked.
    pub(crate) body: u64,
    pub(crate) order_id: OrderId,
    pub(crate) sequence: Sequence,
    pub(crate) time: TimestampNs,
    /// When its order closed, or was last seen open.
    pub(crate) touched: TimestampNs,
    /// Notional and fees; of a refusal its first two values.
    pub(crate) values: [i64; 2],
    /// Filled and remaining; of a refusal instrument and asset.
    pub(crate) lots: [u32; 2],
    /// Third value of a refusal.
    pub(crate) third: i64,
    pub(crate) version: u32,
    /// Refusal, 0 for none.
    pub(crate) reason: u16,
    pub(crate) status: u8,
    pub(crate) cancel_reason: u8,
}

impl Record {
    pub(crate) fn new(key: CommandKey, body: u64, outcome: &Outcome) -> Self {
        let mut record = Self {
            key: split(key),
            body,
            order_id: outcome.order_id,
            sequence: outcome.sequence,
            time: outcome.time,
            touched: outcome.time,
            values: [outcome.filled_notional_ticks, outcome.fees_minor],
            lots: [outcome.filled.0, outcome.remaining.0],
            third: 0,
            version: outcome.version,
            reason: 0,
            status: outcome.status.number(),
            cancel_reason: outcome.cancel_reason.map_or(0, CancelReason::number),
        };
        if let Some(refusal) = outcome.refusal {
            record.reason = refusal.reason as u16;
            record.values = [refusal.values[0], refusal.values[1]];
            record.third = refusal.values[2];
            let instrument = refusal.instrument.map_or(0, |number| number.0);
            record.lots = [instrument, refusal.asset.map_or(0, |number| number.0)];
        }
        record
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            order_id: self.order_id,
            sequence: self.sequence,
            time: self.time,
            status: OrderStatus::from_number(self.status.into()).unwrap_or(OrderStatus::Rejected),
            filled: QuantityLots(0),
            filled_notional_ticks: 0,
            remaining: QuantityLots(0),
            fees_minor: 0,
            version: self.version,
            cancel_reason: CancelReason::from_number(self.cancel_reason.into()),
            refusal: None,
        };
        if let Some(reason) = Reason::from_number(self.reason) {
            let [instrument, asset] = self.lots;
            outcome.refusal = Some(Refusal {
                reason,
                instrument: (instrument > 0).then_some(InstrumentNumber(instrument)),
                asset: (asset > 0).then_some(AssetNumber(asset)),
                values: [self.values[0], self.values[1], self.third],
            });
        } else {
            outcome.filled = QuantityLots(self.lots[0]);
            outcome.remaining = QuantityLots(self.lots[1]);
            outcome.filled_notional_ticks = self.values[0];
            outcome.fees_minor = self.values[1];
        }
        outcome
    }
}

const fn split(key: CommandKey) -> [u64; 2] {
    [key.0 as u64, (key.0 >> 64) as u64]
}

const fn shard(key: [u64; 2]) -> usize {
    (key[1] >> (64 - SHARD_BITS)) as usize
}

const fn tag(key: [u64; 2]) -> u32 {
    (key[0] >> 32) as u32
}

#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// None in an engine that follows a journal: whoever wrote it has told repeats apart.
    shards: Vec<Places>,
    ring: Ring,
}

/// Records by ever-rising position, in chunks that are used again.
#[derive(Clone, Debug)]
struct Ring {
    chunks: VecDeque<Vec<Record>>,
    /// Position of the first slot of the first chunk, of the first record and after the last.
    base: u32,
    first: u32,
    next: u32,
}

impl Ring {
    fn at(&self, position: u32) -> &Record {
        let offset = position.wrapping_sub(self.base);
        &self.chunks[(offset >> CHUNK_BITS) as usize][offset as usize & (CHUNK - 1)]
    }

    fn at_mut(&mut self, position: u32) -> &mut Record {
        let offset = position.wrapping_sub(self.base);
        &mut self.chunks[(offset >> CHUNK_BITS) as usize][offset as usize & (CHUNK - 1)]
    }

    const fn len(&self) -> usize {
        self.next.wrapping_sub(self.first) as usize
    }

    fn push(&mut self, record: Record) -> u32 {
        let position = self.next;
        let offset = position.wrapping_sub(self.base) as usize;
        let (chunk, index) = (offset >> CHUNK_BITS, offset & (CHUNK - 1));
        if chunk == self.chunks.len() {
            self.chunks.push_back(Vec::with_capacity(CHUNK));
        }
        let chunk = &mut self.chunks[chunk];
        if index < chunk.len() {
            chunk[index] = record;
        } else {
            chunk.push(record);
        }
        self.next = position.wrapping_add(1);
        position
    }

    fn pop(&mut self) {
        self.first = self.first.wrapping_add(1);
        if self.first.wrapping_sub(self.base) as usize >= CHUNK {
            self.base = self.base.wrapping_add(CHUNK as u32);
            if let Some(mut chunk) = self.chunks.pop_front() {
                chunk.clear();
                self.chunks.push_back(chunk);
            }
        }
    }
}

impl Answers {
    /// Returns no answers, and no table to find any by.
    pub(crate) fn new() -> Self {
        let ring = Ring { chunks: VecDeque::new(), base: 0, first: 0, next: 0 };
        Self { shards: Vec::new(), ring }
    }

    /// Makes the table by which answers are found; false when a key has two.
    pub(crate) fn index(&mut self) -> bool {
        let capacity = (self.len() >> SHARD_BITS) * 5 / 4;
        self.shards = vec![Places::with_capacity(capacity.max(SHARD_CAPACITY)); 1 << SHARD_BITS];
        (0..self.len() as u32).all(|offset| {
            let position = self.ring.first.wrapping_add(offset);
            self.place(self.ring.at(position).key, position)
        })
    }

    pub(crate) const fn is_indexed(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Notes where the record of a key is; false when the key has one already.
    fn place(&mut self, key: [u64; 2], position: u32) -> bool {
        let ring = &self.ring;
        let places = &mut self.shards[shard(key)];
        let is_new = places.find(tag(key), |other| ring.at(other).key == key).is_none();
        if is_new {
            places.insert(tag(key), position);
        }
        is_new
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Returns the record of a key; nothing where there is no table.
    pub(crate) fn find(&self, key: CommandKey) -> Option<&Record> {
        if !self.is_indexed() {
            return None;
        }
        let key = split(key);
        let same = |position| self.ring.at(position).key == key;
        let position = self.shards[shard(key)].find(tag(key), same)?;
        Some(self.ring.at(position))
    }

    /// Brings the places of keys that are about to be looked for into the cache: alone each would
    /// wait for memory, together they wait once. Returns how many keys have a record.
    pub(crate) fn warm(&self, keys: impl Iterator<Item = CommandKey>) -> usize {
        keys.filter(|&key| self.find(key).is_some()).count()
    }

    /// Adds the record of a key and returns its position; `None` when the key has one already.
    pub(crate) fn insert(&mut self, record: Record) -> Option<u32> {
        let is_new = !self.is_indexed() || self.place(record.key, self.ring.next);
        is_new.then(|| self.ring.push(record))
    }

    /// Notes that the order of a record closed: its time starts to run.
    pub(crate) fn touch(&mut self, position: u32, time: TimestampNs) {
        self.ring.at_mut(position).touched = time;
    }

    /// Returns the oldest record and its position.
    pub(crate) fn oldest(&self) -> Option<(u32, &Record)> {
        (self.ring.len() > 0).then(|| (self.ring.first, self.ring.at(self.ring.first)))
    }

    /// Forgets the oldest record.
    pub(crate) fn forget_oldest(&mut self) {
        let position = self.ring.first;
        if self.is_indexed() {
            if position.is_multiple_of(FORGOTTEN_TOGETHER) {
                self.warm_oldest();
            }
            let key = self.ring.at(position).key;
            self.shards[shard(key)].remove(tag(key), position);
        }
        self.ring.pop();
    }

    /// Brings the places of the oldest into the cache, as [`Self::warm`] does for what comes.
    fn warm_oldest(&self) {
        let count = FORGOTTEN_TOGETHER.min(self.len() as u32);
        let tags = (0..count).fold(0, |sum, offset| {
            let key = self.ring.at(self.ring.first.wrapping_add(offset)).key;
            sum ^ self.shards[shard(key)].tag_at_home(tag(key))
        });
        core::hint::black_box(tags);
    }

    /// Moves the oldest record to the back and returns its new position.
    pub(crate) fn renew_oldest(&mut self, time: TimestampNs) -> Option<u32> {
        let record = Record { touched: time, ..*self.oldest()?.1 };
        self.forget_oldest();
        self.insert(record)
    }

    /// Returns how many records stand before a position.
    pub(crate) fn relative(&self, position: u32) -> u32 {
        position.wrapping_sub(self.ring.first)
    }

    /// Returns all records, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        (0..self.len() as u32).map(|index| self.ring.at(self.ring.first.wrapping_add(index)))
    }
}
