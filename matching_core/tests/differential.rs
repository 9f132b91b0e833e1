//! The engine against the oracle, on random streams of everything.
//!
//! `FARMGATE_DIFFERENTIAL_COMMANDS` sets how many; `FARMGATE_SEED` replays a stream.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it expects in few words"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use matching_core::engine::{Admission, Engine, EngineLimits};
use matching_core::event::{Silent, Sink, Trade};
use matching_core::reference::Reference;
use matching_core::types::{AccountNumber, AssetNumber, InstrumentNumber, Sequence, Side};
use matching_core::workload::{Generator, Shape};

#[derive(Default)]
struct Trades(Vec<Trade>);

impl Sink for Trades {
    fn trade(&mut self, trade: &Trade) {
        self.0.push(*trade);
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Compares everything that both keep.
fn compare_states(engine: &Engine, oracle: &Reference, what: &str) {
    for account in engine.accounts() {
        for (asset, total, held) in engine.balances(account.number) {
            let owned = oracle.totals.get(&(account.number, asset)).copied().unwrap_or(0);
            assert_eq!(i128::from(total), owned, "{what}: total of {account:?} in {asset}");
            let set_aside = oracle.held(account.number, asset);
            assert_eq!(i128::from(held), set_aside, "{what}: held of {account:?} in {asset}");
        }
    }
    let fast: Vec<_> = engine
        .instruments()
        .flat_map(|spec| engine.book_orders(spec.number))
        .map(|order| (order.order_id, order.price, order.remaining.0, order.version))
        .collect();
    let slow: Vec<_> = oracle
        .in_book_order()
        .into_iter()
        .map(|open| (open.id, open.order.price, open.remaining, open.version))
        .collect();
    assert_eq!(fast, slow, "{what}: orders, in the order they would trade");
}

fn check_invariants(engine: &Engine, what: &str) {
    for (asset, code) in engine.assets() {
        let total: i64 = engine
            .accounts()
            .flat_map(|account| engine.balances(account.number).collect::<Vec<_>>())
            .filter(|balance| balance.0 == asset)
            .map(|balance| balance.1)
            .sum();
        assert_eq!(total, engine.issued(asset), "{what}: {code} is conserved");
    }
    for account in engine.accounts().skip(1) {
        for (asset, total, held) in engine.balances(account.number) {
            assert!(held >= 0 && total >= held, "{what}: {account:?} {asset} {total} {held}");
        }
    }
    for spec in engine.instruments() {
        let best = |side| engine.depth(spec.number, side, 1).next().map(|level| level.0);
        if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
            assert!(bid < ask, "{what}: {} is crossed", spec.symbol);
        }
    }
}

fn reload(engine: &Engine) -> Engine {
    let mut bytes = Vec::new();
    engine.write_snapshot(&mut bytes).unwrap();
    let mut read = Engine::read_snapshot(&mut bytes.as_slice(), EngineLimits::default()).unwrap();
    read.lead().unwrap();
    assert_eq!(read.state_hash(), engine.state_hash());
    read
}

fn run(shape: Shape, seed: u64, commands: u64) {
    let mut generator = Generator::new(shape, seed);
    let mut engine = Engine::new(EngineLimits::default());
    let mut oracle = Reference::new();
    let mut twin = engine.clone();
    let mut sequence = 0;
    let mut opening = generator.opening().into_iter();
    for step in 0..commands {
        let command = opening.next().unwrap_or_else(|| generator.command());
        let what = format!("seed {seed}, step {step}, {command:?}");
        let admission = engine.admit(&command);
        if admission != Admission::Apply {
            continue;
        }
        sequence += 1;
        let time = generator.now();
        let mut trades = Trades::default();
        let fast = engine.apply(Sequence(sequence), time, &command, &mut trades);
        let slow = oracle.apply(Sequence(sequence), time, &command);
        assert_eq!(fast, slow, "{what}");
        assert_eq!(trades.0, oracle.last_trades, "{what}");
        twin.apply(Sequence(sequence), time, &command, &mut Silent);
        generator.hear(&command, &fast);
        if step % 64 == 0 {
            compare_states(&engine, &oracle, &what);
            check_invariants(&engine, &what);
        }
        if step % 4_096 == 0 {
            engine = reload(&engine);
            assert_eq!(engine.state_hash(), twin.state_hash(), "{what}: with and without events");
        }
    }
    assert_eq!(engine.state_hash(), twin.state_hash());
}

/// TRD-030: a short form in CI, a long one by hand.
#[test]
fn test_engine_agrees_with_the_oracle() {
    let commands = setting("FARMGATE_DIFFERENTIAL_COMMANDS").unwrap_or(400_000);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = setting("FARMGATE_SEED").unwrap_or(since.as_secs());
    println!("seed {first}");
    let streams = commands.div_ceil(50_000).max(1);
    for stream in 0..streams {
        run(Shape::WILD, first + stream, commands / streams);
    }
}

/// TRD-031: the same on a market where little is refused.
#[test]
fn test_engine_agrees_on_a_liquid_market() {
    let shape = Shape { accounts: 20, resting: 200, wild: false, ..Shape::WILD };
    run(shape, 7, 60_000);
}

/// An account of the tests never sees another's number.
#[test]
fn test_numbers_are_dense() {
    let engine = Engine::new(EngineLimits::default());
    assert_eq!(engine.accounts().next().unwrap().number, AccountNumber(0));
    assert!(engine.asset_code(AssetNumber(1)).is_none());
    assert!(engine.instrument(InstrumentNumber(1)).is_none());
}
