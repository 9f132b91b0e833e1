//! The core on its workloads, against a plain book of maps and queues in the same run.
//!
//! The engine runs with balances, holds, fees and idempotency on; the plain book only matches. A
//! lower ratio means that the engine got slower, whatever the machine does. Times are of the
//! thread's CPU; rounds of both alternate. `cargo bench --bench core -- --commands N`.
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
    reason = "a benchmark prints ratios"
)]

use std::alloc::System;
use std::collections::{BTreeMap, HashMap, VecDeque};

use hdrhistogram::Histogram;
use matching_core::command::{Command, NewOrder};
use matching_core::engine::{Admission, Engine, EngineLimits};
use matching_core::event::Silent;
use matching_core::types::{OrderId, Sequence, Side, TimeInForce, TimestampNs};
use matching_core::workload::{Generator, SHAPES, Shape};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 3;
/// First answers kept, and commands before the clock runs: with the records full and going round,
/// an operation allocates nothing.
const RECORDS: usize = 65_536;
const WARM: usize = 1_500_000;

type Levels = BTreeMap<i64, VecDeque<(OrderId, u32)>>;

/// What one would write first: a map of prices, a queue at each, a map of orders.
#[derive(Default)]
struct PlainBook {
    sides: HashMap<(u32, Side), Levels>,
    places: HashMap<OrderId, (u32, Side, i64)>,
    traded: u64,
}

impl PlainBook {
    fn enter(&mut self, id: OrderId, order: &NewOrder) {
        let mut lots = order.quantity.0;
        let other = self.sides.entry((order.instrument.0, order.side.opposite())).or_default();
        while lots > 0 {
            let best = match order.side {
                Side::Buy => other.first_entry(),
                Side::Sell => other.last_entry(),
            };
            let Some(mut level) = best else { break };
            let reaches = match order.side {
                Side::Buy => *level.key() <= order.price.0,
                Side::Sell => *level.key() >= order.price.0,
            };
            if !reaches {
                break;
            }
            let queue = level.get_mut();
            while lots > 0 {
                let Some(first) = queue.front_mut() else { break };
                let filled = lots.min(first.1);
                lots -= filled;
                first.1 -= filled;
                self.traded += u64::from(filled);
                if first.1 == 0 {
                    self.places.remove(&first.0);
                    queue.pop_front();
                }
            }
            if queue.is_empty() {
                level.remove();
            }
        }
        if lots > 0 && order.time_in_force == TimeInForce::Gtc {
            let side = self.sides.entry((order.instrument.0, order.side)).or_default();
            side.entry(order.price.0).or_default().push_back((id, lots));
            self.places.insert(id, (order.instrument.0, order.side, order.price.0));
        }
    }

    fn cancel(&mut self, id: OrderId) -> Option<u32> {
        let (instrument, side, price) = self.places.remove(&id)?;
        let levels = self.sides.get_mut(&(instrument, side))?;
        let queue = levels.get_mut(&price)?;
        let at = queue.iter().position(|order| order.0 == id)?;
        let lots = queue.remove(at)?.1;
        if queue.is_empty() {
            levels.remove(&price);
        }
        Some(lots)
    }
}

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The commands of a workload with the IDs that the engine gives, and the engine before them.
struct Stream {
    engine: Engine,
    commands: Vec<(Command, OrderId)>,
    warm: usize,
}

fn record(shape: Shape, count: usize) -> Stream {
    let mut generator = Generator::new(shape, 20_260_101);
    let limits = EngineLimits { idempotency_records_max: RECORDS, ..EngineLimits::default() };
    let mut engine = Engine::new(limits);
    let mut sequence = 0;
    let mut apply = |engine: &mut Engine, command: &Command| {
        sequence += 1;
        engine.apply(Sequence(sequence), TimestampNs(sequence), command, &mut Silent)
    };
    for command in generator.opening() {
        apply(&mut engine, &command);
    }
    let start = engine.clone();
    // The book is filled before the clock runs.
    let warm = WARM;
    let mut commands = Vec::with_capacity(warm + count);
    while commands.len() < warm + count {
        let command = generator.command();
        if engine.admit(&command) != Admission::Apply {
            continue;
        }
        let outcome = apply(&mut engine, &command);
        generator.hear(&command, &outcome);
        commands.push((command, outcome.order_id));
    }
    Stream { engine: start, commands, warm }
}

struct Run {
    ns: f64,
    traded: u64,
    allocations: f64,
    histogram: Option<Histogram<u64>>,
}

fn run_engine(stream: &Stream, timed: bool) -> Run {
    let mut engine = stream.engine.clone();
    let mut sequence = engine.last_sequence().0;
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 1_000_000_000, 3).unwrap();
    let mut step = |command: &Command| {
        sequence += 1;
        let admission = engine.admit(command);
        assert_eq!(admission, Admission::Apply);
        engine.apply(Sequence(sequence), TimestampNs(sequence), command, &mut Silent)
    };
    let (warm, rest) = stream.commands.split_at(stream.warm);
    for (command, _) in warm {
        step(command);
    }
    let region = Region::new(ALLOCATOR);
    let started = cpu_ns();
    let mut traded = 0;
    for (command, id) in rest {
        let outcome = if timed {
            let before = std::time::Instant::now();
            let outcome = step(command);
            histogram.saturating_record(before.elapsed().as_nanos() as u64);
            outcome
        } else {
            step(command)
        };
        assert_eq!(outcome.order_id, *id);
        if matches!(command, Command::NewOrder(_)) {
            traded += u64::from(outcome.filled.0);
        }
    }
    let ns = (cpu_ns() - started) as f64 / rest.len() as f64;
    let allocations = region.change().allocations as f64 / rest.len() as f64;
    Run { ns, traded, allocations, histogram: timed.then_some(histogram) }
}

fn run_plain(stream: &Stream) -> Run {
    let mut book = PlainBook::default();
    let mut started = cpu_ns();
    for (index, (command, id)) in stream.commands.iter().enumerate() {
        if index == stream.warm {
            book.traded = 0;
            started = cpu_ns();
        }
        match command {
            Command::NewOrder(order) => book.enter(*id, order),
            Command::CancelOrder { order_id, .. } => {
                book.cancel(*order_id);
            }
            Command::AmendOrder { order_id, price, quantity, .. } => {
                // Without a place to keep it, the rest of the order is entered anew.
                if let Some(&(instrument, side, old)) = book.places.get(order_id) {
                    let lots = book.cancel(*order_id).unwrap_or(0);
                    let price = price.map_or(old, |price| price.0);
                    let lots = quantity.map_or(lots, |quantity| quantity.0);
                    book.enter(*order_id, &amended(instrument, side, price, lots));
                }
            }
            _ => {}
        }
    }
    let count = stream.commands.len() - stream.warm;
    let ns = (cpu_ns() - started) as f64 / count as f64;
    Run { ns, traded: book.traded, allocations: 0.0, histogram: None }
}

fn amended(instrument: u32, side: Side, price: i64, lots: u32) -> NewOrder {
    use matching_core::command::{ClientOrderId, CommandKey};
    use matching_core::types::{
        AccountNumber, InstrumentNumber, OrderType, PriceTicks, QuantityLots,
    };
    NewOrder {
        account: AccountNumber(0),
        instrument: InstrumentNumber(instrument),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        self_trade_prevention: None,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        stop_price: PriceTicks(0),
        display: QuantityLots(0),
        min_quantity: QuantityLots(0),
        expire_time: TimestampNs(0),
        client_order_id: ClientOrderId::NONE,
        key: CommandKey(0),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--commands").skip(1);
    let count = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut lines = Vec::new();
    let mut ratios = Vec::new();
    for shape in SHAPES {
        let stream = record(shape, count);
        let (mut engine, mut plain) = (Vec::new(), Vec::new());
        let mut allocations = 0.0;
        for _ in 0..ROUNDS {
            let run = run_engine(&stream, false);
            allocations = run.allocations;
            engine.push(run.ns);
            plain.push(run_plain(&stream).ns);
        }
        let timed = run_engine(&stream, true);
        let histogram = timed.histogram.unwrap();
        let quantile = |q| histogram.value_at_quantile(q);
        let (ns, plain_ns) = (median(engine), median(plain));
        let ratio = plain_ns / ns;
        ratios.push(ratio);
        println!(
            "{:13} {:6.2} M/s, plain book {:6.2} M/s, ratio {ratio:5.2}, p50 {} p99 {} p99.9 {} \
             p99.99 {} ns, {allocations:.4} allocations, {} lots traded",
            shape.name,
            1e3 / ns,
            1e3 / plain_ns,
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            quantile(0.9999),
            timed.traded,
        );
        lines.push(format!(
            "\"{}\": {{\"ops_per_s\": {:.0}, \"ratio\": {ratio:.3}, \"p50_ns\": {}, \"p99_ns\": {}, \
             \"p999_ns\": {}, \"allocations\": {allocations:.4}}}",
            shape.name, 1e9 / ns, quantile(0.5), quantile(0.99), quantile(0.999),
        ));
    }
    let ratio = median(ratios);
    println!(
        "{{\"name\": \"core\", \"ratio\": {ratio:.3}, \"commands\": {count}, \"workloads\": {{{}}}}}",
        lines.join(", ")
    );
}
