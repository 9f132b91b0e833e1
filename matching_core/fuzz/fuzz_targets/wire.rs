//! Messages of the API as bytes: whatever they are, they are read or refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use matching_core::command::Command;
use matching_core::engine::{Engine, EngineLimits};
use matching_core::event::Silent;
use matching_core::types::{AccountNumber, Sequence, TimestampNs};
use matching_core::wire::requests::{self, Instruction};
use matching_core::workload::{Generator, Shape};

/// A market with instruments, accounts and some open orders.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut generator = Generator::new(Shape::WILD, 1);
    let mut engine = Engine::new(EngineLimits::default());
    let mut commands = generator.opening();
    for _ in 0..200 {
        commands.push(generator.command());
    }
    for (sequence, command) in (1..).zip(&commands) {
        let now = TimestampNs(sequence);
        let outcome = engine.apply(Sequence(sequence), now, command, &mut Silent);
        generator.hear(command, &outcome);
    }
    engine
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, message)) = data.split_first() else { return };
    let engine = &*ENGINE;
    let account = AccountNumber(1);
    let orders: Vec<_> = match kind % 6 {
        0 => requests::create_order(message, account, engine).map(|found| vec![found.order]),
        1 => requests::batch(message, account).map(|found| orders(found.items)),
        2 => requests::session(message, account).map(|found| orders(found.items)),
        3 => requests::cancel_order(message).map(|_| Vec::new()),
        4 => requests::amend_order(message, engine).map(|_| Vec::new()),
        _ => requests::mass_cancel(message, engine).map(|_| Vec::new()),
    }
    .unwrap_or_default();
    for order in orders {
        // The market says something to every order that is one.
        let _ = engine.admit(&Command::NewOrder(order));
        let _ = engine.preview(&order);
    }
});

fn orders(items: Vec<Instruction>) -> Vec<matching_core::command::NewOrder> {
    let some = items.into_iter().filter_map(|item| match item {
        Instruction::Create(order) => Some(order),
        _ => None,
    });
    some.take(8).collect()
}
