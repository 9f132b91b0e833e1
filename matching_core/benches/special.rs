//! What the mixed workloads do not show: a crowded level shared in proportion, an auction that
//! ends, and a journal that is read back. `cargo bench --bench special`.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures"
)]

use std::alloc::System;

use matching_core::codec::{Records, encode};
use matching_core::command::{Command, NewOrder};
use matching_core::engine::{Admission, Engine, EngineLimits};
use matching_core::event::{Outcome, Silent};
use matching_core::types::{
    AccountNumber, Allocation, InstrumentNumber, Phase, PriceTicks, QuantityLots,
    SelfTradePrevention, Sequence, Side, TimeInForce, TimestampNs,
};
use matching_core::workload::{Generator, SHAPES};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;
const ORDERS: u32 = 500;
const TIMES: u32 = 200;
const REPLAYED: usize = 2_000_000;
const MIDDLE: i64 = 1_953;

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn apply(engine: &mut Engine, command: &Command) -> Outcome {
    let sequence = Sequence(engine.last_sequence().0 + 1);
    engine.apply(sequence, TimestampNs(sequence.0), command, &mut Silent)
}

fn market(allocation: Allocation) -> Engine {
    let limits = EngineLimits { idempotency_records_max: 65_536, ..EngineLimits::default() };
    let mut engine = Engine::new(limits);
    for mut command in Generator::new(SHAPES[0], 1).opening() {
        if let Command::DefineInstrument(spec) = &mut command {
            spec.allocation = allocation;
            spec.max_lots = QuantityLots(100_000);
            spec.share_min_lots = if allocation == Allocation::Fifo { 0 } else { 2 };
        }
        assert_eq!(apply(&mut engine, &command).refusal, None);
    }
    engine
}

fn order(number: u32, side: Side, price: i64, lots: u32) -> Command {
    Command::NewOrder(NewOrder {
        account: AccountNumber(1 + number % 100),
        instrument: InstrumentNumber(1),
        side,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        self_trade_prevention: Some(SelfTradePrevention::None),
        time_in_force: TimeInForce::Gtc,
        ..NewOrder::BLANK
    })
}

/// Nanoseconds and allocations a unit of what was done.
type Cost = (f64, f64);

/// 500 orders at one price, 250 of whose lots an incoming order takes: a fill each.
fn pro_rata_level() -> Cost {
    let mut engine = market(Allocation::ProRata);
    let (mut spent, mut fills, mut allocations) = (0, 0_u64, 0);
    for time in 0..TIMES {
        for number in 0..ORDERS {
            apply(&mut engine, &order(number, Side::Sell, MIDDLE, 20));
        }
        let before = engine.depth(InstrumentNumber(1), Side::Sell, 1).next().unwrap().1;
        let region = Region::new(ALLOCATOR);
        let started = cpu_ns();
        let taken = apply(&mut engine, &order(time, Side::Buy, MIDDLE, before as u32 / 2));
        spent += cpu_ns() - started;
        allocations += region.change().allocations;
        assert_eq!(u64::from(taken.filled.0), before / 2);
        fills += u64::from(ORDERS);
        apply(&mut engine, &order(time, Side::Buy, MIDDLE, (before - before / 2) as u32));
    }
    (spent as f64 / fills as f64, allocations as f64 / f64::from(TIMES))
}

/// 500 orders a side over 20 prices gather, and all that crosses trades when the call ends.
fn auction_uncross() -> Cost {
    let mut engine = market(Allocation::Fifo);
    let phase = |phase| Command::SetPhase { instrument: InstrumentNumber(1), phase };
    let (mut spent, mut orders, mut allocations) = (0, 0_u64, 0);
    for _ in 0..TIMES {
        apply(&mut engine, &phase(Phase::Auction));
        for number in 0..ORDERS {
            let away = i64::from(number % 20);
            apply(&mut engine, &order(number, Side::Sell, MIDDLE - 10 + away, 7));
            apply(&mut engine, &order(number, Side::Buy, MIDDLE + 10 - away, 7));
        }
        let region = Region::new(ALLOCATOR);
        let started = cpu_ns();
        apply(&mut engine, &phase(Phase::Open));
        spent += cpu_ns() - started;
        allocations += region.change().allocations;
        assert_eq!(engine.last_trade_price(InstrumentNumber(1)).map(|_| ()), Some(()));
        orders += u64::from(2 * ORDERS);
        let all = Command::MassCancel {
            account: None,
            instrument: None,
            side: None,
            reason: matching_core::types::CancelReason::Admin,
        };
        apply(&mut engine, &all);
    }
    (spent as f64 / orders as f64, allocations as f64 / f64::from(TIMES))
}

/// Records of a mixed workload, decoded and applied by an engine that follows.
fn replay(records: &[u8], count: usize, state: [u8; 32]) -> Cost {
    let limits = EngineLimits { idempotency_records_max: 65_536, ..EngineLimits::default() };
    let mut engine = Engine::follower(limits);
    let mut command = Command::AdvanceTime;
    let mut walk = Records::new(records);
    let region = Region::new(ALLOCATOR);
    let started = cpu_ns();
    while walk.read(&mut command).unwrap() {
        apply(&mut engine, &command);
    }
    let ns = (cpu_ns() - started) as f64 / count as f64;
    let allocations = region.change().allocations as f64 / count as f64;
    assert_eq!(engine.state_hash(), state);
    (ns, allocations)
}

fn journal() -> (Vec<u8>, usize, [u8; 32]) {
    let limits = EngineLimits { idempotency_records_max: 65_536, ..EngineLimits::default() };
    let mut engine = Engine::new(limits);
    let mut generator = Generator::new(SHAPES[0], 20_260_101);
    let mut opening = generator.opening().into_iter();
    let (mut records, mut count) = (Vec::new(), 0);
    while count < REPLAYED {
        let command = opening.next().unwrap_or_else(|| generator.command());
        if engine.admit(&command) != Admission::Apply {
            continue;
        }
        let outcome = apply(&mut engine, &command);
        generator.hear(&command, &outcome);
        encode(&command, &mut records);
        count += 1;
    }
    (records, count, engine.state_hash())
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.0.total_cmp(&b.0));
    costs[costs.len() / 2]
}

fn main() {
    let (records, count, state) = journal();
    let mut found: [Vec<Cost>; 3] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        found[0].push(pro_rata_level());
        found[1].push(auction_uncross());
        found[2].push(replay(&records, count, state));
    }
    let [shared, uncrossed, replayed] = found.map(median);
    println!("pro_rata_level  {:7.1} ns a fill, {:.1} allocations an order", shared.0, shared.1);
    println!(
        "auction_uncross {:7.1} ns an order gathered, {:.1} allocations an auction",
        uncrossed.0, uncrossed.1
    );
    println!(
        "replay          {:7.1} ns a command, {:.2} M/s, {:.4} allocations a command",
        replayed.0,
        1e3 / replayed.0,
        replayed.1
    );
    println!(
        "{{\"name\": \"special\", \"ratio\": {:.3}, \"pro_rata_fill_ns\": {:.1}, \
         \"auction_order_ns\": {:.1}, \"replay_ops_per_s\": {:.0}}}",
        1e3 / replayed.0,
        shared.0,
        uncrossed.0,
        1e9 / replayed.0
    );
}
