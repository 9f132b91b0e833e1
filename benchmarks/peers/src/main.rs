//! Our core and the engines of other crates on one workload file.
//!
//! `peers generate DIRECTORY` writes the files; `peers run ENGINE FILE SECONDS` runs one round and
//! prints what it found as one JSON line. A file is a count of commands before the clock runs
//! (`u64`) and records of 24 bytes: kind, side, zero, lots `u32` at 4, price `i64` at 8, order
//! `u64` at 16, which is the number of the order's entry. Trades are hashed as maker, price, lots.

mod core_runs;
mod crates;
mod workloads;

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// One command of a workload file.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// 1 enter and rest, 2 enter at once or never, 3 cancel, 4 move to a price.
    pub kind: u8,
    /// 1 buy, 2 sell.
    pub side: u8,
    /// Lots.
    pub lots: u32,
    /// Limit in ticks.
    pub price: i64,
    /// Number of the order, by entry, from 0.
    pub order: u64,
}

/// Hash and count of trades, with a mark at every so many commands for engines that get less far.
#[derive(Default)]
pub struct Trades {
    hash: u64,
    count: u64,
}

/// Commands between two marks.
pub const MARK: usize = 10_000;

impl Trades {
    /// Notes a trade.
    pub fn note(&mut self, maker: u64, price: u64, lots: u64) {
        for word in [maker, price, lots] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self.count += 1;
    }
}

/// An engine under test.
pub trait Peer {
    /// Is told which commands come next; those that can't use it ignore it.
    fn prepare(&mut self, _steps: &[Step]) {}
    /// Carries out a command.
    fn step(&mut self, step: &Step, trades: &mut Trades);
}

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Steps that are told together.
const TOGETHER: usize = 32;

fn run(name: &str, peer: &mut dyn Peer, steps: &[Step], warm: usize, seconds: u64) {
    let mut trades = Trades::default();
    let mut marks = Vec::new();
    let (mut started, mut cpu) = (Instant::now(), cpu_ns());
    let mut done = 0;
    for (index, batch) in steps.chunks(MARK).enumerate() {
        if index * MARK == warm {
            (started, cpu) = (Instant::now(), cpu_ns());
            done = 0;
        }
        for together in batch.chunks(TOGETHER) {
            peer.prepare(together);
            for step in together {
                peer.step(step, &mut trades);
            }
        }
        done += batch.len();
        marks.push(format!("\"{:016x}\"", trades.hash));
        if index * MARK > warm && started.elapsed().as_secs() >= seconds {
            break;
        }
    }
    let ns = (cpu_ns() - cpu) as f64 / done as f64;
    println!(
        "{{\"engine\": \"{name}\", \"ns\": {ns:.2}, \"commands\": {done}, \"trades\": {}, \"marks\": [{}]}}",
        trades.count,
        marks.join(", ")
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["generate", directory] => workloads::generate(directory),
        ["run", name, file, seconds] => {
            let (steps, warm) = workloads::read(file);
            let mut peer: Box<dyn Peer> = match name {
                "farmgate" => Box::new(core_runs::Whole::new()),
                "farmgate bare" => Box::new(core_runs::Bare::new()),
                "orderbook-rs" => Box::new(crates::OrderBookRs::new()),
                "lobster" => Box::new(crates::Lobster::new(&steps)),
                _ => panic!("no such engine: {name}"),
            };
            run(name, peer.as_mut(), &steps, warm, seconds.parse().expect("seconds"));
        }
        _ => panic!("peers generate DIRECTORY | peers run ENGINE FILE SECONDS"),
    }
}
