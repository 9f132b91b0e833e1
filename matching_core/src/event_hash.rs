//! One number for everything that was heard: equal streams of events have equal hashes, on any
//! machine and in any build.

use core::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::event::{OrderEvent, OrderState, Posting, Sink, Trade};
use crate::types::{
    AccountNumber, InstrumentNumber, Phase, PriceTicks, Sequence, Side, TimestampNs,
};

/// A sink that chains the events of each command to the hash of those before.
#[derive(Clone, Debug, Default)]
pub struct EventHash {
    chain: u64,
    count: u64,
    bytes: Bytes,
}

/// What the events are made of, as bytes in one order on every machine.
#[derive(Clone, Debug, Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_i32(&mut self, value: i32) {
        self.write(&value.to_le_bytes());
    }

    fn write_i64(&mut self, value: i64) {
        self.write(&value.to_le_bytes());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_i64(value as i64);
    }
}

impl EventHash {
    /// Returns the hash of all commands that are over.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.chain
    }

    /// Returns how many events were heard.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    fn hear(&mut self, kind: u8, event: impl Hash) {
        self.count = self.count.saturating_add(1);
        self.bytes.write(&[kind]);
        event.hash(&mut self.bytes);
    }
}

impl Sink for EventHash {
    fn begin(&mut self, sequence: Sequence, time: TimestampNs) {
        self.hear(1, (sequence, time));
    }

    fn order(&mut self, event: OrderEvent, state: &OrderState, trade: Option<&Trade>) {
        self.hear(2, (event as u8, state, trade.map(|trade| trade.trade_id)));
    }

    fn trade(&mut self, trade: &Trade) {
        self.hear(3, trade);
    }

    fn level(
        &mut self,
        instrument: InstrumentNumber,
        side: Side,
        price: PriceTicks,
        quantity_lots: u64,
        order_count: u32,
    ) {
        self.hear(4, (instrument, side, price, quantity_lots, order_count));
    }

    fn posting(&mut self, posting: &Posting) {
        self.hear(5, posting);
    }

    fn account(&mut self, account: AccountNumber, id: [u8; 16]) {
        self.hear(6, (account, id));
    }

    fn instrument(&mut self, instrument: InstrumentNumber, phase: Phase) {
        self.hear(7, (instrument, phase));
    }

    fn end(&mut self) {
        self.chain = xxh3_64_with_seed(&self.bytes.0, self.chain);
        self.bytes.0.clear();
    }
}
