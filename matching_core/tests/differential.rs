//! The engine against the oracle, on random streams of everything.
//!
//! `FARMGATE_DIFFERENTIAL_COMMANDS` sets how many, `FARMGATE_DIFFERENTIAL_THREADS` on how many
//! threads, `FARMGATE_SEED` replays a stream. With `FARMGATE_DIFFERENTIAL_PROGRESS` the streams that
//! agreed are noted in that file, and a run that was stopped goes on from there.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it expects in few words"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use matching_core::command::{Command, NewOrder};
use matching_core::engine::{Admission, Engine, EngineLimits, Preview};
use matching_core::error::{Reason, Refusal};
use matching_core::event::{OrderEvent, OrderState, Outcome, Silent, Sink, Trade};
use matching_core::reference::Reference;
use matching_core::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderType, Phase, Sequence, Side,
    TimeInForce, TradeKind,
};
use matching_core::workload::{Generator, Shape};

#[derive(Default)]
struct Heard {
    trades: Vec<Trade>,
    seen: BTreeMap<&'static str, u64>,
}

impl Heard {
    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }
}

impl Sink for Heard {
    fn order(&mut self, event: OrderEvent, state: &OrderState, _trade: Option<&Trade>) {
        match event {
            OrderEvent::Fill if state.display.0 > 0 && state.filled > state.display => {
                self.count("iceberg shown again");
            }
            OrderEvent::Expired => self.count("expired"),
            OrderEvent::Triggered => self.count("triggered"),
            OrderEvent::Accepted => {
                self.count(match (state.order_type, state.time_in_force) {
                    (OrderType::MarketToLimit, _) => "market to limit",
                    (OrderType::Market, _) => "market",
                    (OrderType::Stop, _) => "stop",
                    (OrderType::StopLimit, _) => "stop limit",
                    (_, TimeInForce::Gfa) => "good for auction",
                    (_, TimeInForce::Fok) => "fill or kill",
                    _ => "limit",
                });
            }
            _ => {}
        }
        match state.cancel_reason {
            Some(CancelReason::SelfTrade) => self.count("self-trade prevented"),
            Some(CancelReason::ReduceOnly) => self.count("nothing to reduce"),
            Some(CancelReason::AuctionOver) => self.count("auction over"),
            _ => {}
        }
    }

    fn trade(&mut self, trade: &Trade) {
        self.trades.push(*trade);
        self.count(match (trade.kind, trade.instrument.0) {
            (TradeKind::Normal, 1) => "trade by time",
            (TradeKind::Normal, 2) => "trade of a forward",
            (TradeKind::Normal, 3) => "trade by split",
            (TradeKind::Normal, _) => "trade in proportion",
            (TradeKind::Auction, 2) => "auction of a forward",
            (TradeKind::Auction, _) => "auction",
            (TradeKind::Block, _) => "block",
        });
    }

    fn instrument(&mut self, _instrument: InstrumentNumber, phase: Phase) {
        if phase == Phase::Auction {
            self.count("call");
        }
    }
}

/// What a stream must have come across, or else it shows little.
const EXPECTED: [&str; 29] = [
    "limit",
    "market",
    "market to limit",
    "stop",
    "stop limit",
    "good for auction",
    "fill or kill",
    "iceberg shown again",
    "expired",
    "triggered",
    "self-trade prevented",
    "nothing to reduce",
    "auction over",
    "trade by time",
    "trade of a forward",
    "trade by split",
    "trade in proportion",
    "auction of a forward",
    "auction",
    "call",
    "preview",
    "other rules",
    "kill switch",
    "restricted",
    "position limit",
    "daily limit",
    "bust",
    "correction",
    "block",
];

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
        if let (Phase::Open, Some(bid), Some(ask)) = (spec.phase, best(Side::Buy), best(Side::Sell))
        {
            assert!(bid < ask, "{what}: {} is crossed", spec.symbol);
        }
    }
}

/// Returns an order whose outcome does not depend on the time that passes until it comes in.
fn foreseeable(command: &Command, step: u64) -> Option<&NewOrder> {
    match command {
        Command::NewOrder(order) if order.time_in_force != TimeInForce::Gtd => {
            // Just after midnight the turnover of the day before would be looked at.
            (step.is_multiple_of(8) && step % 50_000 > 8).then_some(order)
        }
        _ => None,
    }
}

fn compare_preview(foreseen: Result<Preview, Refusal>, outcome: &Outcome, what: &str) {
    match foreseen {
        Err(refusal) => assert_eq!(Some(refusal), outcome.refusal, "{what}: preview"),
        Ok(foreseen) => {
            let told = Outcome { order_id: outcome.order_id, ..foreseen.outcome };
            let told = Outcome { time: outcome.time, ..told };
            assert_eq!(&told, outcome, "{what}: preview");
        }
    }
}

const fn limit_name(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::KillSwitchActive => Some("kill switch"),
        Reason::AccountRestricted => Some("restricted"),
        Reason::PositionLimit => Some("position limit"),
        Reason::DailyLimit => Some("daily limit"),
        _ => None,
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

fn run(shape: Shape, seed: u64, commands: u64) -> BTreeMap<&'static str, u64> {
    let mut seen = BTreeMap::<_, u64>::new();
    let mut generator = Generator::new(shape, seed);
    let mut engine = Engine::new(EngineLimits::default());
    let mut oracle = Reference::new();
    let mut twin = engine.clone();
    let mut sequence = 0;
    let mut opening = generator.opening().into_iter();
    for step in 0..commands {
        let command = opening.next().unwrap_or_else(|| generator.command());
        let what = || format!("seed {seed}, step {step}, {command:?}");
        let admission = engine.admit(&command);
        if admission != Admission::Apply {
            continue;
        }
        sequence += 1;
        let time = generator.now();
        let mut heard = Heard::default();
        let foreseen = foreseeable(&command, step).map(|order| engine.preview(order));
        let fast = engine.apply(Sequence(sequence), time, &command, &mut heard);
        if let Some(foreseen) = foreseen {
            compare_preview(foreseen, &fast, &what());
            *seen.entry("preview").or_default() += 1;
        }
        if let Some(name) = fast.refusal.and_then(|refusal| limit_name(refusal.reason)) {
            *seen.entry(name).or_default() += 1;
        }
        if matches!(command, Command::DefineInstrument(_)) {
            *seen.entry("other rules").or_default() += 1;
        }
        for (what, count) in heard.seen {
            *seen.entry(what).or_default() += count;
        }
        let slow = oracle.apply(Sequence(sequence), time, &command);
        assert_eq!(fast, slow, "{}", what());
        assert_eq!(heard.trades, oracle.last_trades, "{}", what());
        twin.apply(Sequence(sequence), time, &command, &mut Silent);
        generator.hear(&command, &fast);
        for trade in &oracle.last_trades {
            generator.hear_trade(trade);
        }
        if let (Command::ChangeTrade(change), None) = (&command, fast.refusal) {
            *seen.entry(if change.is_bust() { "bust" } else { "correction" }).or_default() += 1;
        }
        if step % 64 == 0 {
            compare_states(&engine, &oracle, &what());
            check_invariants(&engine, &what());
        }
        if step % 4_096 == 0 {
            engine = reload(&engine);
            assert_eq!(engine.state_hash(), twin.state_hash(), "{}: without events", what());
        }
    }
    assert_eq!(engine.state_hash(), twin.state_hash());
    seen
}

/// Commands of one stream.
const STREAM: u64 = 50_000;

/// Returns the market of a stream: short of everything, liquid, wide, or crowded at few prices.
const fn shape(stream: u64) -> Shape {
    match stream % 5 {
        2 => Shape { accounts: 20, resting: 200, ..Shape::WILD },
        3 => Shape { accounts: 40, resting: 60, distance: 25, ..Shape::WILD },
        4 => Shape { accounts: 12, resting: 160, distance: 2, ..Shape::WILD },
        _ => Shape::WILD,
    }
}

/// The streams that agreed, kept in a file when one is named.
struct Progress {
    file: Option<File>,
    done: BTreeSet<u64>,
    seed: u64,
}

impl Progress {
    fn open(seed: Option<u64>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let fresh = seed.unwrap_or(since.as_secs());
        let Ok(path) = std::env::var("FARMGATE_DIFFERENTIAL_PROGRESS") else {
            return Self { file: None, done: BTreeSet::new(), seed: fresh };
        };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut numbers = text.lines().filter_map(|line| line.parse::<u64>().ok());
        let before = numbers.next();
        let kept = before.filter(|before| seed.is_none_or(|seed| seed == *before));
        let done = if kept.is_some() { numbers.collect() } else { BTreeSet::new() };
        let mut options = File::options();
        options.create(true).append(kept.is_some()).write(true).truncate(kept.is_none());
        let mut file = options.open(&path).unwrap();
        let seed = kept.unwrap_or(fresh);
        if kept.is_none() {
            writeln!(file, "{seed}").unwrap();
        }
        Self { file: Some(file), done, seed }
    }

    fn note(&mut self, stream: u64) {
        self.done.insert(stream);
        if let Some(file) = &mut self.file {
            writeln!(file, "{stream}").unwrap();
        }
        if self.done.len().is_multiple_of(100) {
            println!("{} streams agree", self.done.len());
        }
    }
}

/// Runs the streams that are still to be run, on so many threads; returns what they came across.
fn run_streams(progress: &Mutex<Progress>, streams: u64, each: u64) -> BTreeMap<&'static str, u64> {
    let next = AtomicU64::new(0);
    let first = progress.lock().unwrap().seed;
    let seen = Mutex::new(BTreeMap::<_, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..setting("FARMGATE_DIFFERENTIAL_THREADS").unwrap_or(1) {
            scope.spawn(|| {
                loop {
                    let stream = next.fetch_add(1, Ordering::Relaxed);
                    if stream >= streams {
                        break;
                    }
                    if progress.lock().unwrap().done.contains(&stream) {
                        continue;
                    }
                    let met = run(shape(stream), first + stream, each);
                    let mut seen = seen.lock().unwrap();
                    for (what, count) in met {
                        *seen.entry(what).or_default() += count;
                    }
                    progress.lock().unwrap().note(stream);
                }
            });
        }
    });
    seen.into_inner().unwrap()
}

/// TRD-003, TRD-020, TRD-021, TRD-030, TRD-040 to TRD-048: a short form in CI, a long one by hand.
#[test]
fn test_engine_agrees_with_the_oracle() {
    let commands = setting("FARMGATE_DIFFERENTIAL_COMMANDS").unwrap_or(400_000);
    let progress = Mutex::new(Progress::open(setting("FARMGATE_SEED")));
    let seed = progress.lock().unwrap().seed;
    let already = progress.lock().unwrap().done.len();
    println!("seed {seed}");
    let streams = commands.div_ceil(STREAM).max(1);
    let each = commands / streams;
    let seen = run_streams(&progress, streams, each);
    println!("{seen:#?}");
    println!("seed {seed}: {} commands in {streams} streams, 0 differences", each * streams);
    let least = if already == 0 { commands / 100_000 } else { 0 };
    for what in EXPECTED {
        let count = seen.get(what).copied().unwrap_or(0);
        assert!(count >= least, "{what}: {count}");
    }
}

/// TRD-031: the same on a market where little is refused.
#[test]
fn test_engine_agrees_on_a_liquid_market() {
    let shape = Shape { accounts: 20, resting: 200, wild: false, ..Shape::WILD };
    run(shape, 7, 60_000);
}

#[test]
fn test_numbers_are_dense() {
    let engine = Engine::new(EngineLimits::default());
    assert_eq!(engine.accounts().next().unwrap().number, AccountNumber(0));
    assert!(engine.asset_code(AssetNumber(1)).is_none());
    assert!(engine.instrument(InstrumentNumber(1)).is_none());
}
