//! The running engine: answers after they are durable, reads that catch up, recovery.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test says what it expects in few words")]

use std::time::{Duration, Instant};

use matching_core::command::{Command, CommandKey};
use matching_core::engine::EngineLimits;
use matching_core::error::Reason;
use matching_core::runtime::{Completion, Options, Reply, Request, Runtime};
use matching_core::types::{AccountNumber, AssetNumber, TimeInForce, TimestampNs};
use matching_core::workload::{Generator, Shape};

fn options(directory: &std::path::Path) -> Options {
    Options {
        directory: directory.to_owned(),
        durable: true,
        limits: EngineLimits::default(),
        snapshot_interval_commands: 2_000,
        queue_requests_max: 100_000,
        epoch: 1,
    }
}

fn commands(count: usize) -> Vec<Command> {
    let mut generator = Generator::new(Shape::WILD, 11);
    let mut commands = generator.opening();
    while commands.len() < count {
        commands.push(generator.command());
    }
    commands
}

fn drained(runtime: &Runtime<usize>, count: usize) -> Vec<Completion<usize>> {
    let mut completions = Vec::new();
    let until = Instant::now().checked_add(Duration::from_secs(30)).unwrap();
    while completions.len() < count {
        runtime.drain(&mut completions);
        assert!(Instant::now() < until, "{} of {count} answers", completions.len());
        std::thread::yield_now();
    }
    completions
}

/// OPS-011.
#[test]
fn test_reads_catch_up_with_a_burst_and_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut runtime = Runtime::open(&options(directory.path())).unwrap();
    let mut hash = [0; 32];
    // Bursts far longer than the replica's queue, each followed by silence: what the replica
    // missed in one it must find by itself.
    for burst in 0..20 {
        let commands = commands(3_000);
        let count = commands.len();
        for (number, command) in commands.into_iter().enumerate() {
            runtime.submit(Request::Control(Box::new(command)), number).unwrap();
        }
        let tickets: Vec<_> = drained(&runtime, count).iter().map(|one| one.ticket).collect();
        assert!(tickets.is_sorted(), "answers come in the order of the requests, burst {burst}");
        let durable = runtime.statistics().durable_next.load(std::sync::atomic::Ordering::Acquire);
        if runtime.replica().wait(durable.saturating_sub(1), 0).is_none() {
            let reached = drained(&runtime, 1);
            assert!(matches!(reached.first().unwrap().reply, Ok(Reply::Reached)));
        }
        let state = runtime.replica().read();
        assert_eq!(state.engine.last_sequence().0.saturating_add(1), durable);
        hash = state.engine.state_hash();
    }
    runtime.close();
    let runtime: Runtime<usize> = Runtime::open(&options(directory.path())).unwrap();
    assert_eq!(runtime.replica().read().engine.state_hash(), hash);
}

#[test]
fn test_malformed_message_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(&options(directory.path())).unwrap();
    let account = AccountNumber(0);
    let mut sequences = Vec::new();
    for _ in 0..2 {
        let message: Box<[u8]> = Box::new([0xFF, 0xFF]);
        runtime.submit(Request::Session { account, message }, 1).unwrap();
        assert!(drained(&runtime, 1).first().unwrap().reply.is_err());
        let durable = runtime.statistics().durable_next.load(std::sync::atomic::Ordering::Acquire);
        sequences.push(durable);
    }
    // The first group of all may say that a new day has begun; the messages say nothing.
    assert_eq!(sequences.first(), sequences.last());
}

/// OPS-030.
#[test]
fn test_snapshot_that_cannot_be_written_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let blocked: Vec<_> = (0..4_000_u32)
        .map(|sequence| directory.path().join(format!("{sequence:020}.writing")))
        .collect();
    for path in &blocked {
        std::fs::create_dir(path).unwrap();
    }
    let options = Options { snapshot_interval_commands: 1, ..options(directory.path()) };
    let mut runtime = Runtime::open(&options).unwrap();
    let submit = |runtime: &Runtime<usize>, count: usize| {
        let commands = commands(count);
        let count = commands.len();
        for (number, command) in commands.into_iter().enumerate() {
            runtime.submit(Request::Control(Box::new(command)), number).unwrap();
        }
        drained(runtime, count);
        let durable = runtime.statistics().durable_next.load(std::sync::atomic::Ordering::Acquire);
        if runtime.replica().wait(durable.saturating_sub(1), 0).is_none() {
            drained(runtime, 1);
        }
    };
    let snapshots = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".snapshot")).count()
    };
    submit(&runtime, 500);
    let failures = &runtime.statistics().snapshot_failures;
    let until = Instant::now().checked_add(Duration::from_secs(10)).unwrap();
    while failures.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        assert!(Instant::now() < until, "no snapshot was tried");
        std::thread::yield_now();
    }
    assert_eq!(snapshots(), 0);
    for path in &blocked {
        std::fs::remove_dir(path).unwrap();
    }
    submit(&runtime, 500);
    runtime.close();
    assert!(snapshots() > 0, "the next one is tried again");
}

/// OPS-031.
#[test]
fn test_start_takes_the_spare_that_is_there() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    drop(Runtime::<usize>::open(&options(directory.path())).unwrap());
    let spare = directory.path().join("next.spare");
    let before = std::fs::metadata(&spare).unwrap();
    drop(Runtime::<usize>::open(&options(directory.path())).unwrap());
    let after = std::fs::metadata(&spare).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn test_order_expires_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(&options(directory.path())).unwrap();
    let shape = Shape { accounts: 2, instruments: 1, ..Shape::WILD };
    let mut generator = Generator::new(Shape { wild: false, ..shape }, 3);
    let ask = |command: Command| {
        runtime.submit(Request::Control(Box::new(command)), 0).unwrap();
        drained(&runtime, 1).remove(0).reply.unwrap()
    };
    for command in generator.opening() {
        ask(command);
    }
    let Command::NewOrder(mut order) = generator.command() else { panic!("an order comes first") };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let due = u64::try_from(now.as_nanos()).unwrap().saturating_add(300_000_000);
    order.time_in_force = TimeInForce::Gtd;
    order.expire_time = TimestampNs(due);
    let Reply::Outcome(outcome) = ask(Command::NewOrder(order)) else { panic!("an outcome") };
    let is_open = || {
        if runtime.replica().wait(outcome.sequence.0, 0).is_none() {
            drained(&runtime, 1);
        }
        runtime.replica().read().engine.order(outcome.order_id).is_some()
    };
    assert!(is_open());
    // Never idle: transfers come without a pause until well after the order's time.
    let account = AccountNumber(1);
    let until = Instant::now().checked_add(Duration::from_millis(900)).unwrap();
    while Instant::now() < until {
        let (asset, key) = (AssetNumber(1), CommandKey(0));
        ask(Command::Transfer { account, asset, amount: 1, key });
    }
    let until = Instant::now().checked_add(Duration::from_secs(10)).unwrap();
    while is_open() {
        assert!(Instant::now() < until, "the order is still open");
    }
}

/// TRD-033: when the queue is full the next request is refused at once, and none is lost.
#[test]
fn test_full_queue_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { queue_requests_max: 4, ..options(directory.path()) };
    let runtime = Runtime::open(&options).unwrap();
    let mut taken = 0;
    let mut refused = None;
    for number in 0..1_000_000 {
        match runtime.submit(Request::Control(Box::new(Command::AdvanceTime)), number) {
            Ok(()) => taken += 1,
            Err((denial, ticket)) => {
                refused = Some((denial.reason, ticket == number));
                break;
            }
        }
    }
    assert_eq!(refused, Some((Reason::EngineOverloaded, true)));
    let tickets: Vec<_> = drained(&runtime, taken).iter().map(|one| one.ticket).collect();
    assert_eq!(tickets, (0..taken).collect::<Vec<_>>());
}

/// OPS-010: a repeat after a restart gets the first answer; other words under its key are refused.
#[test]
fn test_first_answers_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let generator = Generator::new(Shape { instruments: 1, ..Shape::WILD }, 5);
    let opening = generator.opening();
    let transfer = || Command::Transfer {
        account: AccountNumber(1),
        asset: AssetNumber(1),
        amount: 77,
        key: CommandKey(42 << 32 | 1),
    };
    let control = |runtime: &Runtime<usize>, command: Command| {
        runtime.submit(Request::Control(Box::new(command)), 0).unwrap();
        let Reply::Outcome(outcome) = drained(runtime, 1).remove(0).reply.unwrap() else {
            panic!("an outcome")
        };
        outcome
    };
    let mut runtime = Runtime::open(&options(directory.path())).unwrap();
    for command in opening {
        control(&runtime, command);
    }
    let first = control(&runtime, transfer());
    runtime.close();
    for _ in 0..2 {
        let mut runtime = Runtime::open(&options(directory.path())).unwrap();
        assert_eq!(control(&runtime, transfer()), first);
        let other = Command::Transfer {
            account: AccountNumber(1),
            asset: AssetNumber(1),
            amount: 78,
            key: CommandKey(42 << 32 | 1),
        };
        runtime.submit(Request::Control(Box::new(other)), 0).unwrap();
        let refused = drained(&runtime, 1).remove(0).reply.unwrap_err();
        assert_eq!(refused.reason, Reason::IdempotencyKeyReused);
        runtime.close();
    }
}

/// OPS-007: a snapshot that is damaged anywhere is passed over, and the state is the same.
#[test]
fn test_damaged_snapshot_costs_time_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut runtime = Runtime::open(&options(directory.path())).unwrap();
    let commands = commands(5_000);
    let count = commands.len();
    for (number, command) in commands.into_iter().enumerate() {
        runtime.submit(Request::Control(Box::new(command)), number).unwrap();
    }
    drained(&runtime, count);
    runtime.close();
    drop(runtime);
    let reopened = || {
        let mut runtime: Runtime<usize> = Runtime::open(&options(directory.path())).unwrap();
        let hash = runtime.replica().read().engine.state_hash();
        runtime.close();
        hash
    };
    let snapshots = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut found: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|name| name == "snapshot")).collect();
        found.sort();
        found
    };
    let whole = reopened();
    assert!(!snapshots().is_empty());
    for at in [0, 9, 200, usize::MAX] {
        for path in snapshots() {
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.min(bytes.len().saturating_sub(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x10;
            }
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(reopened(), whole, "damaged at {at}");
    }
}
