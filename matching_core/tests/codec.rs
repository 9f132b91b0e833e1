//! Journal records: strict both ways.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test says what it expects in few words")]

use matching_core::codec::{Records, decode, encode};
use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::instrument::InstrumentSpec;
use matching_core::types::{
    AccountNumber, Allocation, InstrumentNumber, OrderId, PriceTicks, QuantityLots,
};
use matching_core::workload::{Generator, Shape};

fn record(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(command, &mut bytes);
    bytes.split_off(4)
}

/// TRD-090.
#[test]
fn test_records_come_back() {
    for seed in 0..20 {
        let mut generator = Generator::new(Shape::WILD, seed);
        let mut commands = generator.opening();
        commands.extend((0..2_000).map(|_| generator.command()));
        let mut bytes = Vec::new();
        for command in &commands {
            encode(command, &mut bytes);
        }
        let mut records = Records::new(&bytes);
        let mut read = Command::AdvanceTime;
        for command in &commands {
            assert!(records.read(&mut read).unwrap());
            assert_eq!(&read, command);
        }
        assert!(records.is_empty());
    }
}

/// TRD-090: found by the fuzzer; what this version does not write, it does not read.
#[test]
fn test_record_with_another_form_of_the_same_is_refused() {
    let amend = |price: Option<i64>, quantity: Option<u32>| Command::AmendOrder {
        account: AccountNumber(1),
        order_id: OrderId(5),
        price: price.map(PriceTicks),
        quantity: quantity.map(QuantityLots),
        expected_version: 0,
        key: CommandKey(1),
    };
    let whole = record(&amend(Some(7), Some(8)));
    assert_eq!(decode(&whole), Ok(amend(Some(7), Some(8))));
    for flags in [0, 1, 2, 4, 7, 0xFF] {
        let mut other = whole.clone();
        *other.get_mut(1).unwrap() = flags;
        assert!(decode(&other).is_err(), "flags {flags}");
    }
    let order = NewOrder { instrument: InstrumentNumber(1), ..NewOrder::BLANK };
    let plain = record(&Command::NewOrder(order));
    for (flag, empty) in [(4, 24), (8, 16), (16, 0)] {
        let mut other = plain.clone();
        *other.get_mut(1).unwrap() = flag;
        other.extend(vec![0; empty]);
        assert!(decode(&other).is_err(), "flag {flag}");
    }
    let Some(Command::DefineInstrument(spec)) =
        Generator::new(Shape::WILD, 1).opening().into_iter().nth(4)
    else {
        panic!("the third instrument")
    };
    let shared = InstrumentSpec { allocation: Allocation::ProRata, ..*spec };
    let mut plain = record(&Command::DefineInstrument(Box::new(shared)));
    let end = plain.len();
    // Band, length of auctions, way to share and its figures: all as where there are none.
    plain.get_mut(end - 19..).unwrap().fill(0);
    *plain.get_mut(end - 3).unwrap() = Allocation::Fifo.number();
    assert!(decode(&plain).is_err());
}
