//! Reading a snapshot. Whatever the bytes are, reading ends with an engine or an error.

use std::io::Read;

use super::{HASH_BYTES, MAGIC, NO_RECORD, SnapshotError, VERSION};
use crate::book::{Book, DayFigures, TimedAuction};
use crate::codec;
use crate::command::{CLIENT_ORDER_ID_BYTES_MAX, ClientOrderId, Command};
use crate::engine::{Engine, EngineLimits};
use crate::idempotency::Record;
use crate::ledger::{Account, Balance, Position};
use crate::risk::{Allowance, RiskLimits};
use crate::slab::{Cold, Hot, NONE, PARKED};
use crate::types::{
    AccountNumber, AssetNumber, InstrumentNumber, NO_SLOT, OrderId, OrderType, OwnerNumber,
    PriceTicks, QuantityLots, SelfTradePrevention, Sequence, TimeInForce, TimestampNs,
};

type Result<T> = core::result::Result<T, SnapshotError>;

fn corrupt<T>(part: &'static str) -> Result<T> {
    Err(SnapshotError::Corrupt(part))
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((head, rest)) = self.bytes.split_first_chunk() else { return corrupt("length") };
        self.bytes = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn text(&mut self, bytes_max: usize) -> Result<&[u8]> {
        let length = self.u32()? as usize;
        match self.bytes.split_at_checked(length) {
            Some((text, rest)) if length <= bytes_max => {
                self.bytes = rest;
                Ok(text)
            }
            _ => corrupt("text"),
        }
    }
}

impl Engine {
    /// Reads what [`Engine::write_snapshot`] wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are not a snapshot of a version known here, or are damaged.
    pub fn read_snapshot(input: &mut impl Read, limits: EngineLimits) -> Result<Self> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let body = bytes.split_last_chunk::<HASH_BYTES>();
        let Some((body, hash)) = body else { return Err(SnapshotError::Version) };
        let mut reader = Reader { bytes: body };
        if reader.array()? != MAGIC || reader.array()? != VERSION.to_le_bytes() {
            return Err(SnapshotError::Version);
        }
        if blake3::hash(body).as_bytes() != hash {
            return Err(SnapshotError::Hash);
        }
        let mut engine = Self::bare(limits);
        engine.read_state(&mut reader)?;
        if reader.bytes.is_empty() { Ok(engine) } else { corrupt("length") }
    }

    fn read_state(&mut self, r: &mut Reader<'_>) -> Result<()> {
        self.last_sequence = Sequence(r.u64()?);
        self.time = TimestampNs(r.u64()?);
        self.order_number = r.u64()?;
        self.trade_number = r.u64()?;
        self.day = r.u64()?;
        for _ in 0..r.u32()? {
            let code = r.text(codec::ASSET_CODE_BYTES_MAX)?.to_vec();
            self.assets.push(String::from_utf8(code).or_else(|_| corrupt("asset"))?);
        }
        for _ in 0..r.u32()? {
            self.ledger.issued.push(r.i64()?);
        }
        for _ in 0..r.u32()? {
            self.ledger.open(read_account(r)?);
        }
        for _ in 0..r.u32()? {
            let book = read_book(r)?;
            if let Some(auction) = book.auction {
                self.auctions.insert((auction.ends, self.books.len()));
            }
            self.list_book(book);
        }
        let records = self.read_orders(r)?;
        let mut positions = Vec::new();
        for _ in 0..r.u32()? {
            let Some(position) = self.answers.insert(read_record(r)?) else {
                return corrupt("records");
            };
            positions.push(position);
        }
        for (slot, record) in records {
            let Some(position) = positions.get(record as usize) else { return corrupt("record") };
            if let Some(cold) = self.slab.cold.get_mut(slot as usize) {
                cold.record = Some(*position);
            }
        }
        for _ in 0..r.u32()? {
            self.changed_trades.insert(r.u64()?);
        }
        Ok(())
    }

    /// Reads the open orders; returns the slots of the keyed ones with the index of their record.
    fn read_orders(&mut self, r: &mut Reader<'_>) -> Result<Vec<(u32, u32)>> {
        let end = r.u32()?;
        if end == NONE || end > NO_SLOT {
            return corrupt("slots");
        }
        self.slab.hot.resize(end as usize, Hot::default());
        self.slab.cold.resize(end as usize, Cold::FREE);
        for _ in 0..r.u32()? {
            let slot = r.u32()?;
            if slot == NONE || slot >= end {
                return corrupt("free slots");
            }
            self.slab.free.push(slot);
        }
        let mut orders = Vec::new();
        let mut records = Vec::new();
        for _ in 0..r.u32()? {
            let (slot, hot, cold, record) = read_order(r)?;
            let taken = self.slab.hot.get(slot as usize).is_none_or(|hot| hot.number != 0);
            if slot == NONE || taken {
                return corrupt("order slot");
            }
            self.place(slot, hot, cold)?;
            orders.push((hot.number, slot, cold.account));
            if record != NO_RECORD {
                records.push((slot, record));
            }
        }
        // An account's list runs by age, and order numbers rise with age.
        orders.sort_unstable();
        for (_, slot, account) in orders {
            self.list_order(slot, account);
        }
        Ok(records)
    }

    fn place(&mut self, slot: u32, mut hot: Hot, cold: Cold) -> Result<()> {
        let Some(owner) = self.ledger.get(cold.account).map(|account| account.owner) else {
            return corrupt("order account");
        };
        let Some(book) = self.books.get_mut(hot.book()) else { return corrupt("order book") };
        if !(book.spec.price_min..=book.spec.price_max).contains(&cold.price) {
            return corrupt("order price");
        }
        hot.owner = owner.0;
        if hot.is(PARKED) {
            self.slab.put(slot, hot, cold);
            book.stops.insert(hot.side(), cold.stop_price, cold.waits_since, slot);
        } else {
            hot.level = book.level(cold.price);
            self.slab.put(slot, hot, cold);
            book.side_mut(hot.side()).append(&mut self.slab, slot);
        }
        if cold.time_in_force == TimeInForce::Gtd {
            self.expiries.insert((cold.expire_time, OrderId::new(hot.number, slot)));
        }
        Ok(())
    }
}

fn read_account(r: &mut Reader<'_>) -> Result<Account> {
    let id = r.array()?;
    let owner = OwnerNumber(r.u32()?);
    let [mode, switches] = r.array()?;
    let Some(mode) = SelfTradePrevention::from_number(mode.into()) else {
        return corrupt("account");
    };
    let mut account = Account::new(id, owner, mode, r.u32()?);
    account.switches = switches;
    account.sequence = Sequence(r.u64()?);
    for _ in 0..r.u32()? {
        let asset = AssetNumber(r.u32()?);
        account.balances.push(Balance { asset, total: r.i64()?, held: r.i64()? });
    }
    for _ in 0..r.u32()? {
        account.positions.push(Position {
            instrument: InstrumentNumber(r.u32()?),
            bought_lots: r.i64()?,
            sold_lots: r.i64()?,
            deposit_minor: r.i64()?,
            open_ticks: r.i64()?,
            realised_ticks: r.i64()?,
        });
    }
    if r.array()? == [1] {
        account.allowance = Some(Box::new(read_allowance(r)?));
    }
    Ok(account)
}

fn read_allowance(r: &mut Reader<'_>) -> Result<Allowance> {
    let limits = RiskLimits {
        max_order_lots: r.u32()?,
        max_order_notional_minor: r.i64()?,
        max_daily_notional_minor: r.i64()?,
        max_position_lots: r.i64()?,
    };
    let mut allowance = Allowance { limits, day: r.u64()?, turnover: Vec::new() };
    for _ in 0..r.u32()? {
        allowance.turnover.push((AssetNumber(r.u32()?), r.i64()?));
    }
    Ok(allowance)
}

fn read_book(r: &mut Reader<'_>) -> Result<Book> {
    let record = r.text(codec::RECORD_BYTES_MAX)?;
    let Ok(Command::DefineInstrument(spec)) = codec::decode(record) else {
        return corrupt("instrument");
    };
    if spec.check().is_some() {
        return corrupt("instrument");
    }
    let mut book = Book::new(*spec);
    let last_trade = r.i64()?;
    book.last_trade = (last_trade != 0).then_some(PriceTicks(last_trade));
    book.top = [r.u64()?, r.u64()?];
    let (ends, reference) = (TimestampNs(r.u64()?), PriceTicks(r.i64()?));
    let [is_extended] = r.array()?;
    let auction = TimedAuction { ends, reference, is_extended: is_extended == 1 };
    book.auction = (ends.0 != 0).then_some(auction);
    book.sequence = Sequence(r.u64()?);
    book.day = DayFigures {
        day: r.u64()?,
        open: PriceTicks(r.i64()?),
        high: PriceTicks(r.i64()?),
        low: PriceTicks(r.i64()?),
        last: PriceTicks(r.i64()?),
        previous_close: PriceTicks(r.i64()?),
        last_lots: r.u32()?,
        volume_lots: r.u64()?,
        notional_ticks: i128::from_le_bytes(r.array()?),
        trade_count: r.u64()?,
    };
    Ok(book)
}

fn read_order(r: &mut Reader<'_>) -> Result<(u32, Hot, Cold, u32)> {
    let mut hot = Hot::default();
    let mut cold = Cold::FREE;
    let slot = r.u32()?;
    hot.remaining = r.u32()?;
    hot.book_and_side = r.u32()?;
    cold.hidden = r.u32()?;
    cold.display = QuantityLots(r.u32()?);
    cold.min_quantity = QuantityLots(r.u32()?);
    cold.account = AccountNumber(r.u32()?);
    cold.quantity = QuantityLots(r.u32()?);
    cold.filled = QuantityLots(r.u32()?);
    cold.version = r.u32()?;
    let record = r.u32()?;
    hot.number = r.u64()?;
    cold.taker_notional_ticks = r.i64()?;
    cold.maker_notional_ticks = r.i64()?;
    cold.taker_fee_minor = r.i64()?;
    cold.maker_fee_minor = r.i64()?;
    cold.held_minor = r.i64()?;
    cold.price = PriceTicks(r.i64()?);
    cold.stop_price = PriceTicks(r.i64()?);
    cold.create_time = TimestampNs(r.u64()?);
    cold.expire_time = TimestampNs(r.u64()?);
    cold.waits_since = r.u64()?;
    let [order_type, time_in_force, mode, flags] = r.array()?;
    let (Some(order_type), Some(time_in_force), Some(mode)) = (
        OrderType::from_number(order_type.into()),
        TimeInForce::from_number(time_in_force.into()),
        SelfTradePrevention::from_number(mode.into()),
    ) else {
        return corrupt("order");
    };
    cold.order_type = order_type;
    cold.time_in_force = time_in_force;
    cold.self_trade_prevention = mode;
    cold.post_only = flags & 1 != 0;
    cold.reduce_only = flags & 2 != 0;
    let text = r.text(CLIENT_ORDER_ID_BYTES_MAX)?;
    let Some(client_order_id) = ClientOrderId::new(text) else { return corrupt("order") };
    cold.client_order_id = client_order_id;
    if hot.number == 0 || hot.remaining == 0 {
        return corrupt("order");
    }
    Ok((slot, hot, cold, record))
}

fn read_record(r: &mut Reader<'_>) -> Result<Record> {
    let mut record = Record {
        key: [r.u64()?, r.u64()?],
        body: r.u64()?,
        order_id: OrderId(r.u64()?),
        sequence: Sequence(r.u64()?),
        time: TimestampNs(r.u64()?),
        touched: TimestampNs(r.u64()?),
        values: [r.i64()?, r.i64()?],
        third: r.i64()?,
        lots: [r.u32()?, r.u32()?],
        version: r.u32()?,
        reason: u16::from_le_bytes(r.array()?),
        status: 0,
        cancel_reason: 0,
    };
    [record.status, record.cancel_reason] = r.array()?;
    Ok(record)
}
