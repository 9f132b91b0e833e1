//! OPS-060: prints the hashes of states and events of long streams, for builds to be compared.
//!
//! `determinism COMMANDS SEED`. Four engines hear the stream: one goes through, one is written to a
//! snapshot and read back at every so many commands, one reads the commands from journal records
//! and follows, and one tells its events to nobody. All must agree at every mark.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people"
)]

use matching_core::codec::{Records, encode};
use matching_core::command::Command;
use matching_core::engine::{Admission, Engine, EngineLimits};
use matching_core::event::Silent;
use matching_core::event_hash::EventHash;
use matching_core::types::Sequence;
use matching_core::workload::{Generator, Shape};

/// Few enough that answers are forgotten all the time.
const LIMITS: EngineLimits = EngineLimits {
    idempotency_records_max: 5_000,
    idempotency_retention_ns: 24 * 3_600 * 1_000_000_000,
    open_orders_max: 1 << 20,
};
const SNAPSHOT_EVERY: u64 = 9_973;
const STREAM: u64 = 100_000;

fn reloaded(engine: &Engine) -> Engine {
    let mut bytes = Vec::new();
    engine.write_snapshot(&mut bytes).unwrap();
    let mut read = Engine::read_snapshot(&mut bytes.as_slice(), LIMITS).unwrap();
    read.lead().unwrap();
    read
}

/// Runs a stream; returns the hashes of state and events at its end, and how many events.
fn run(seed: u64, commands: u64) -> ([u8; 32], u64, u64) {
    let mut generator = Generator::new(Shape::WILD, seed);
    let mut opening = generator.opening().into_iter();
    let mut straight = Engine::new(LIMITS);
    let (mut saved, mut follower, mut silent) =
        (straight.clone(), Engine::follower(LIMITS), straight.clone());
    let [mut heard, mut heard_saved, mut heard_followed] = [(); 3].map(|()| EventHash::default());
    let mut sequence = 0;
    let mut record = Vec::new();
    let mut read = Command::AdvanceTime;
    while sequence < commands {
        let command = opening.next().unwrap_or_else(|| generator.command());
        if straight.admit(&command) != Admission::Apply {
            continue;
        }
        sequence += 1;
        let (now, number) = (generator.now(), Sequence(sequence));
        let outcome = straight.apply(number, now, &command, &mut heard);
        generator.hear(&command, &outcome);
        assert_eq!(saved.apply(number, now, &command, &mut heard_saved), outcome);
        assert_eq!(silent.apply(number, now, &command, &mut Silent), outcome);
        record.clear();
        encode(&command, &mut record);
        assert!(Records::new(&record).read(&mut read).unwrap());
        assert_eq!(follower.apply(number, now, &read, &mut heard_followed), outcome);
        if sequence % SNAPSHOT_EVERY == 0 {
            saved = reloaded(&saved);
        }
    }
    let hash = straight.state_hash();
    for other in [&saved, &follower, &silent] {
        assert_eq!(other.state_hash(), hash, "seed {seed}");
    }
    for other in [&heard_saved, &heard_followed] {
        assert_eq!((other.value(), other.count()), (heard.value(), heard.count()), "seed {seed}");
    }
    (hash, heard.value(), heard.count())
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let commands = arguments.next().unwrap_or(1_000_000);
    let first = arguments.next().unwrap_or(20_260_101);
    let streams = commands.div_ceil(STREAM).max(1);
    let each = commands / streams;
    let mut total = 0;
    for stream in 0..streams {
        let (state, events, count) = run(first + stream, each);
        total += count;
        let state = u64::from_le_bytes(*state.first_chunk().unwrap());
        println!("seed {} commands {each} state {state:016x} events {events:016x}", first + stream);
    }
    println!("{} commands, {total} events", each * streams);
}
