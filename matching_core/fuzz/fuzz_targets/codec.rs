//! Journal records: what decodes encodes back to the same bytes, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matching_core::codec::Records;
use matching_core::codec::{decode, encode};
use matching_core::command::Command;

fuzz_target!(|data: &[u8]| {
    if let Ok(command) = decode(data) {
        let mut bytes = Vec::new();
        encode(&command, &mut bytes);
        assert_eq!(&bytes[4..], data, "{command:?}");
    }
    let mut records = Records::new(data);
    let mut command = Command::AdvanceTime;
    let mut bytes = Vec::new();
    while let Ok(true) = records.read(&mut command) {
        encode(&command, &mut bytes);
    }
    assert!(data.starts_with(&bytes));
});
