//! Writing a snapshot.

use std::io::{self, Write};

use super::{MAGIC, NO_RECORD, VERSION};
use crate::book::Book;
use crate::codec;
use crate::command::Command;
use crate::engine::Engine;
use crate::idempotency::Record;
use crate::ledger::Account;

const BUFFER_BYTES: usize = 1 << 16;

/// Collects bytes, hashes them and passes them on.
struct Writer<'a, W: Write> {
    out: &'a mut W,
    hash: blake3::Hasher,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<'_, W> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hash.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn u32(&mut self, value: u32) -> io::Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> io::Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    fn i64(&mut self, value: i64) -> io::Result<()> {
        self.bytes(&value.to_le_bytes())
    }

    fn count(&mut self, count: usize) -> io::Result<()> {
        self.u32(u32::try_from(count).map_err(io::Error::other)?)
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        self.count(text.len())?;
        self.bytes(text)
    }
}

impl Engine {
    /// Returns the BLAKE3 of the canonical snapshot: equal states have equal hashes.
    #[must_use]
    pub fn state_hash(&self) -> [u8; 32] {
        // Writing to nowhere can't fail.
        self.write_state(&mut io::sink()).map_or([0; 32], |hash| *hash.as_bytes())
    }

    /// Writes the state in its one canonical form, which ends with its own BLAKE3.
    ///
    /// # Errors
    ///
    /// What `out` fails with.
    pub fn write_snapshot(&self, out: &mut impl Write) -> io::Result<()> {
        let hash = self.write_state(out)?;
        out.write_all(hash.as_bytes())
    }

    fn write_state<W: Write>(&self, out: &mut W) -> io::Result<blake3::Hash> {
        let buffer = Vec::with_capacity(BUFFER_BYTES.saturating_mul(2));
        let mut w = Writer { out, hash: blake3::Hasher::new(), buffer };
        w.bytes(&MAGIC)?;
        w.bytes(&VERSION.to_le_bytes())?;
        let counters =
            [self.last_sequence.0, self.time.0, self.order_number, self.trade_number, self.day];
        for counter in counters {
            w.u64(counter)?;
        }
        w.count(self.assets.len())?;
        for code in &self.assets {
            w.text(code.as_bytes())?;
        }
        w.count(self.ledger.issued.len())?;
        for issued in &self.ledger.issued {
            w.i64(*issued)?;
        }
        w.count(self.ledger.accounts.len())?;
        for account in &self.ledger.accounts {
            write_account(&mut w, account)?;
        }
        w.count(self.books.len())?;
        for book in &self.books {
            write_book(&mut w, book)?;
        }
        w.u32(self.slab.end())?;
        w.count(self.slab.free.len())?;
        for slot in &self.slab.free {
            w.u32(*slot)?;
        }
        w.u32(self.slab.open_count())?;
        for slot in self.book_slots(None) {
            self.write_order(&mut w, slot)?;
        }
        w.count(self.answers.len())?;
        for record in self.answers.iter() {
            write_record(&mut w, record)?;
        }
        w.count(self.changed_trades.len())?;
        for trade_id in &self.changed_trades {
            w.u64(*trade_id)?;
        }
        w.flush()?;
        Ok(w.hash.finalize())
    }

    fn write_order<W: Write>(&self, w: &mut Writer<'_, W>, slot: u32) -> io::Result<()> {
        let (Some(hot), Some(cold)) =
            (self.slab.hot.get(slot as usize), self.slab.cold.get(slot as usize))
        else {
            return Ok(());
        };
        let record = cold.record.map_or(NO_RECORD, |position| self.answers.relative(position));
        for value in [
            slot,
            hot.remaining,
            hot.book_and_side,
            cold.hidden,
            cold.display.0,
            cold.min_quantity.0,
            cold.account.0,
            cold.quantity.0,
            cold.filled.0,
            cold.version,
            record,
        ] {
            w.u32(value)?;
        }
        w.u64(hot.number)?;
        for value in [
            cold.taker_notional_ticks,
            cold.maker_notional_ticks,
            cold.taker_fee_minor,
            cold.maker_fee_minor,
            cold.held_minor,
            cold.price.0,
            cold.stop_price.0,
        ] {
            w.i64(value)?;
        }
        w.u64(cold.create_time.0)?;
        w.u64(cold.expire_time.0)?;
        w.u64(cold.waits_since)?;
        w.bytes(&[
            cold.order_type.number(),
            cold.time_in_force.number(),
            cold.self_trade_prevention.number(),
            u8::from(cold.post_only) | u8::from(cold.reduce_only) << 1,
        ])?;
        w.text(cold.client_order_id.as_bytes())
    }
}

fn write_account<W: Write>(w: &mut Writer<'_, W>, account: &Account) -> io::Result<()> {
    w.bytes(&account.id)?;
    w.u32(account.owner.0)?;
    w.bytes(&[account.self_trade_prevention.number(), account.switches])?;
    w.u32(account.max_open_orders)?;
    w.u64(account.sequence.0)?;
    w.count(account.balances.len())?;
    for balance in &account.balances {
        w.u32(balance.asset.0)?;
        w.i64(balance.total)?;
        w.i64(balance.held)?;
    }
    w.count(account.positions.len())?;
    for position in &account.positions {
        w.u32(position.instrument.0)?;
        w.i64(position.bought_lots)?;
        w.i64(position.sold_lots)?;
        w.i64(position.deposit_minor)?;
        w.i64(position.open_ticks)?;
        w.i64(position.realised_ticks)?;
    }
    let Some(allowance) = &account.allowance else { return w.bytes(&[0]) };
    let mut limits = vec![1];
    codec::put_risk_limits(&mut limits, &allowance.limits);
    w.bytes(&limits)?;
    w.u64(allowance.day)?;
    w.count(allowance.turnover.len())?;
    for (asset, value) in &allowance.turnover {
        w.u32(asset.0)?;
        w.i64(*value)?;
    }
    Ok(())
}

fn write_book<W: Write>(w: &mut Writer<'_, W>, book: &Book) -> io::Result<()> {
    let mut record = Vec::with_capacity(codec::RECORD_BYTES_MAX);
    codec::encode(&Command::DefineInstrument(Box::new(book.spec.clone())), &mut record);
    w.bytes(&record)?;
    w.i64(book.last_trade.map_or(0, |price| price.0))?;
    for number in book.top {
        w.u64(number)?;
    }
    let auction = book.auction;
    w.u64(auction.map_or(0, |auction| auction.ends.0))?;
    w.i64(auction.map_or(0, |auction| auction.reference.0))?;
    w.bytes(&[u8::from(auction.is_some_and(|auction| auction.is_extended))])?;
    w.u64(book.sequence.0)?;
    let day = &book.day;
    w.u64(day.day)?;
    for price in [day.open, day.high, day.low, day.last, day.previous_close] {
        w.i64(price.0)?;
    }
    w.u32(day.last_lots)?;
    w.u64(day.volume_lots)?;
    w.bytes(&day.notional_ticks.to_le_bytes())?;
    w.u64(day.trade_count)
}

fn write_record<W: Write>(w: &mut Writer<'_, W>, record: &Record) -> io::Result<()> {
    let [low, high] = record.key;
    for value in [
        low,
        high,
        record.body,
        record.order_id.0,
        record.sequence.0,
        record.time.0,
        record.touched.0,
    ] {
        w.u64(value)?;
    }
    let [first, second] = record.values;
    for value in [first, second, record.third] {
        w.i64(value)?;
    }
    let [filled, remaining] = record.lots;
    for value in [filled, remaining, record.version] {
        w.u32(value)?;
    }
    w.bytes(&record.reason.to_le_bytes())?;
    w.bytes(&[record.status, record.cancel_reason])
}
