//! What must hold whatever comes: money, quantities, prices, priority, replay.
//!
//! A case is a seed and a choice among the commands that the generator makes of it; where one
//! fails, the choice shrinks. `FARMGATE_PROPERTY_CASES` sets how many cases of 200 commands.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test says what it expects in few words"
)]

use std::collections::BTreeMap;

use matching_core::codec::{Records, encode};
use matching_core::command::Command;
use matching_core::engine::{Admission, Engine, EngineLimits};
use matching_core::event::{OrderEvent, OrderState, Posting, Sink, Trade};
use matching_core::event_hash::EventHash;
use matching_core::types::{
    AccountNumber, Allocation, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderStatus,
    Phase, PriceTicks, QuantityLots, Sequence, Side, TimestampNs, TradeKind,
};
use matching_core::workload::{Generator, Shape};
use proptest::prelude::*;

const STEPS: usize = 200;

/// What one command did.
#[derive(Default)]
struct Deeds {
    postings: Vec<Posting>,
    orders: Vec<(OrderEvent, OrderState)>,
    /// Trades among the orders' events: how many of those came before.
    trades: Vec<(usize, Trade)>,
}

impl Sink for Deeds {
    fn order(&mut self, event: OrderEvent, state: &OrderState, _trade: Option<&Trade>) {
        self.orders.push((event, *state));
    }

    fn trade(&mut self, trade: &Trade) {
        self.trades.push((self.orders.len(), *trade));
    }

    fn posting(&mut self, posting: &Posting) {
        self.postings.push(*posting);
    }
}

/// What a case keeps beside the engine, from what it was told alone.
#[derive(Default)]
struct Books {
    /// Lots filled of each instrument and side.
    filled: BTreeMap<(InstrumentNumber, Side), u64>,
    /// Filled so far of each order.
    orders: BTreeMap<OrderId, u32>,
    /// What came in from outside.
    issued: BTreeMap<AssetNumber, i64>,
}

impl Books {
    /// (1) Over one command the movements of an asset add up to what came in from outside.
    fn check_postings(&mut self, command: &Command, refused: bool, deeds: &Deeds) {
        let mut sums = BTreeMap::<AssetNumber, i64>::new();
        for posting in &deeds.postings {
            *sums.entry(posting.asset).or_default() += posting.total_change;
        }
        if let Command::Transfer { asset, amount, .. } = command
            && !refused
        {
            *sums.entry(*asset).or_default() -= amount;
            *self.issued.entry(*asset).or_default() += amount;
        }
        assert!(sums.values().all(|sum| *sum == 0), "{command:?}: {sums:?}");
    }

    /// (3) What is filled, open and cancelled of an order is what was ordered; fills only grow.
    fn check_orders(&mut self, deeds: &Deeds) {
        for (event, state) in &deeds.orders {
            let filled = self.orders.entry(state.order_id).or_default();
            assert!(state.filled.0 >= *filled, "{state:?}");
            let side = self.filled.entry((state.instrument, state.side)).or_default();
            *side += u64::from(state.filled.0 - *filled);
            *filled = state.filled.0;
            let known = state.filled.0 + state.remaining.0;
            match state.status {
                OrderStatus::Filled => assert_eq!(known, state.quantity.0, "{state:?}"),
                OrderStatus::Cancelled | OrderStatus::Expired => {
                    assert!(state.remaining.0 == 0 && known <= state.quantity.0, "{state:?}");
                    assert!(state.cancel_reason.is_some(), "{state:?}");
                }
                OrderStatus::Rejected => assert!(state.refusal.is_some(), "{event:?} {state:?}"),
                _ => assert_eq!(known, state.quantity.0, "{event:?} {state:?}"),
            }
        }
        for (&(instrument, side), lots) in &self.filled {
            let other = self.filled.get(&(instrument, side.opposite())).copied().unwrap_or(0);
            assert_eq!(*lots, other, "bought is sold in {instrument}");
        }
    }

    /// (2), (6) Nobody is short, and what all own is what came in from outside.
    fn check_balances(&self, engine: &Engine) {
        for (asset, _) in engine.assets() {
            let of = |account| engine.balances(account).find(|balance| balance.0 == asset);
            let totals = engine.accounts().filter_map(|account| of(account.number));
            let sum: i64 = totals.map(|balance| balance.1).sum();
            assert_eq!(sum, self.issued.get(&asset).copied().unwrap_or(0), "asset {asset}");
        }
        for account in engine.accounts().skip(1) {
            for (asset, total, held) in engine.balances(account.number) {
                assert!(held >= 0 && total >= held, "{account:?} {asset} {total} {held}");
            }
        }
    }
}

/// (4) Best bid below best ask, outside auctions.
fn check_prices(engine: &Engine) {
    for spec in engine.instruments().filter(|spec| spec.phase == Phase::Open) {
        let best = |side| engine.depth(spec.number, side, 1).next().map(|level| level.0);
        if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
            assert!(bid < ask, "{}: {bid} {ask}", spec.symbol);
        }
    }
}

/// An order as it stood before the command.
#[derive(Clone, Copy)]
struct Waiting {
    id: OrderId,
    side: Side,
    price: PriceTicks,
    is_iceberg: bool,
}

/// Returns the orders of a book in the order in which they would trade; of stops and of the order
/// that the command changes no place is known.
fn queue(engine: &Engine, instrument: InstrumentNumber, command: &Command) -> Vec<Waiting> {
    let changed = match command {
        Command::AmendOrder { order_id, .. } => *order_id,
        _ => OrderId(0),
    };
    let waiting = engine.book_orders(instrument);
    let waiting = waiting.filter(|state| state.status != OrderStatus::TriggerWait);
    let waiting = waiting.filter(|state| state.order_id != changed);
    waiting
        .map(|state| Waiting {
            id: state.order_id,
            side: state.side,
            price: state.price,
            is_iceberg: state.display.0 > 0,
        })
        .collect()
}

/// (5) Where time decides, no order trades while one with a better place waits. Icebergs give
/// their place away, and self-trade prevention cancels before it passes.
fn check_priority(queue: &[Waiting], deeds: &Deeds, instrument: InstrumentNumber) {
    let mut gone = Vec::new();
    let mut told = deeds.orders.iter().enumerate().peekable();
    for (before, trade) in deeds.trades.iter().filter(|trade| trade.1.instrument == instrument) {
        while let Some((_, (event, state))) = told.next_if(|(index, _)| index < before) {
            if *event == OrderEvent::Triggered {
                return; // It may rest now, at a place that the queue does not tell.
            }
            if !state.status.is_open() {
                gone.push(state.order_id);
            }
        }
        let traded = match trade.kind {
            TradeKind::Normal => vec![trade.maker_order],
            TradeKind::Auction => vec![trade.maker_order, trade.taker_order],
            TradeKind::Block => Vec::new(),
        };
        for id in traded {
            let Some(at) = queue.iter().position(|order| order.id == id) else { return };
            let side = queue[at].side;
            let before = queue[..at].iter().filter(|order| order.side == side);
            let passed = before.filter(|order| !order.is_iceberg && !gone.contains(&order.id));
            for order in passed {
                let worse = order.price == queue[at].price && queue[at].is_iceberg;
                assert!(worse, "{trade:?} passed over {} at {}", order.id.0, order.price);
            }
        }
    }
}

fn apply(
    engine: &mut Engine,
    time: TimestampNs,
    command: &Command,
    books: &mut Books,
) -> matching_core::event::Outcome {
    let by_time: Vec<_> = engine
        .instruments()
        .filter(|spec| spec.allocation == Allocation::Fifo)
        .map(|spec| spec.number)
        .collect();
    let queues: Vec<_> =
        by_time.iter().map(|&number| (number, queue(engine, number, command))).collect();
    let mut deeds = Deeds::default();
    let sequence = Sequence(engine.last_sequence().0 + 1);
    let outcome = engine.apply(sequence, time, command, &mut deeds);
    books.check_postings(command, outcome.refusal.is_some(), &deeds);
    books.check_orders(&deeds);
    for (number, queue) in &queues {
        check_priority(queue, &deeds, *number);
    }
    check_prices(engine);
    outcome
}

/// (2) With nothing open, all that is held are the deposits of forwards.
fn check_nothing_is_held(engine: &mut Engine, time: TimestampNs, books: &mut Books) {
    let (account, instrument, side) = (None, None, None);
    let all = Command::MassCancel { account, instrument, side, reason: CancelReason::Admin };
    let outcome = apply(engine, time, &all, books);
    assert!(outcome.remaining >= QuantityLots(0) && outcome.refusal.is_none());
    for account in engine.accounts() {
        let held: i64 = engine.balances(account.number).map(|balance| balance.2).sum();
        let kept: i64 = engine.positions(account.number).map(|found| found.deposit_minor).sum();
        assert_eq!((held, account.open_orders), (kept, 0), "{account:?}");
    }
}

/// (9) The journal alone gives the same state and the same events.
fn check_replay(journal: &[u8], times: &[TimestampNs], state: [u8; 32], split: usize) {
    let mut hashes = Vec::new();
    for split in [usize::MAX, split] {
        let mut engine = Engine::follower(EngineLimits::default());
        let mut heard = EventHash::default();
        let mut records = Records::new(journal);
        let mut command = Command::AdvanceTime;
        for (step, time) in times.iter().enumerate() {
            assert!(records.read(&mut command).unwrap());
            let sequence = Sequence(engine.last_sequence().0 + 1);
            engine.apply(sequence, *time, &command, &mut heard);
            if step == split {
                let mut bytes = Vec::new();
                engine.write_snapshot(&mut bytes).unwrap();
                let limits = EngineLimits::default();
                engine = Engine::read_snapshot(&mut bytes.as_slice(), limits).unwrap();
            }
        }
        assert!(records.is_empty());
        assert_eq!(engine.state_hash(), state);
        hashes.push(heard.value());
    }
    assert_eq!(hashes[0], hashes[1]);
}

fn run(seed: u64, accounts: u32, distance: u64, choice: &[bool]) {
    let shape = Shape { accounts, distance, ..Shape::WILD };
    let mut generator = Generator::new(shape, seed);
    let mut engine = Engine::new(EngineLimits::default());
    let mut books = Books::default();
    let (mut journal, mut times) = (Vec::new(), Vec::new());
    let opening = generator.opening().into_iter().map(|command| (command, true));
    let mut opening = opening.collect::<Vec<_>>().into_iter();
    let mut choices = choice.iter();
    while let Some((command, taken)) =
        opening.next().or_else(|| choices.next().map(|taken| (generator.command(), *taken)))
    {
        if !taken || engine.admit(&command) != Admission::Apply {
            continue;
        }
        let time = generator.now();
        let outcome = apply(&mut engine, time, &command, &mut books);
        generator.hear(&command, &outcome);
        encode(&command, &mut journal);
        times.push(time);
        if times.len() % 8 == 0 {
            books.check_balances(&engine);
        }
    }
    check_replay(&journal, &times, engine.state_hash(), times.len() / 2);
    check_nothing_is_held(&mut engine, generator.now(), &mut books);
    books.check_balances(&engine);
    assert!(engine.account(AccountNumber(0)).is_some());
}

fn cases() -> u32 {
    let set = std::env::var("FARMGATE_PROPERTY_CASES").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    /// TRD-001, TRD-003, TRD-008, TRD-020, TRD-021, TRD-022, OPS-060.
    #[test]
    fn test_invariants_hold_whatever_comes(
        seed in any::<u64>(),
        accounts in 2_u32..10,
        distance in 2_u64..20,
        choice in prop::collection::vec(prop::bool::weighted(0.95), 1..=2 * STEPS),
    ) {
        run(seed, accounts, distance, &choice);
    }
}
