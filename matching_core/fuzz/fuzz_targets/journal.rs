//! A journal with damage: what is read is what was written, up to where the damage starts.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use matching_core::codec::Records;
use matching_core::command::Command;
use matching_core::journal::file::DirectoryLock;
use matching_core::journal::reader::JournalReader;
use matching_core::journal::recovery::{self, GENESIS};
use matching_core::journal::{
    FileJournal, FileJournalOptions, GroupHeader, Journal as _, JournalError, frame, segment,
};
use matching_core::workload::{Generator, Shape};

/// Payloads of the groups, and the bytes of each segment with how many of them were written.
struct Written {
    payloads: Vec<Vec<u8>>,
    segments: Vec<(u64, Vec<u8>)>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let lock = DirectoryLock::take(directory.path()).unwrap();
    let options = FileJournalOptions { segment_bytes: 2_048, durable: false };
    let mut journal = FileJournal::open(lock, directory.path(), options, GENESIS).unwrap();
    let mut generator = Generator::new(Shape::WILD, 1);
    let mut payloads = Vec::new();
    for count in [1_u32, 3, 9, 2, 12, 5] {
        let mut payload = Vec::new();
        for _ in 0..count {
            matching_core::codec::encode(&generator.command(), &mut payload);
        }
        let first_sequence = journal.position().next_sequence;
        let header = GroupHeader { first_sequence, count, time_ns: 1, epoch: 1 };
        journal.append(&header, &payload).unwrap();
        payloads.push(payload);
    }
    let numbers = segment::list(directory.path()).unwrap().into_iter();
    let read = |number| fs::read(segment::path(directory.path(), number)).unwrap();
    Written { payloads, segments: numbers.map(|number| (number, read(number))).collect() }
});

thread_local! {
    static DIRECTORY: tempfile::TempDir = tempfile::tempdir_in("/dev/shm").unwrap();
}

fn read_all(directory: &Path) -> Result<Vec<Vec<u8>>, JournalError> {
    let mut payloads = Vec::new();
    recovery::replay(directory, GENESIS, |frame, _| {
        payloads.push(frame.payload.to_vec());
        Ok(())
    })?;
    Ok(payloads)
}

/// Groups of any bytes at all, with checksums that fit: records are read or refused.
fn any_payload(data: &[u8]) {
    let header = GroupHeader { first_sequence: 1, count: 1, time_ns: 0, epoch: 0 };
    let mut bytes = Vec::new();
    frame::encode(&header, &[0; 32], data, &mut bytes);
    let (found, _) = frame::decode(&bytes).unwrap();
    assert_eq!(found.payload, data);
    let mut records = Records::new(found.payload);
    let mut command = Command::AdvanceTime;
    while let Ok(true) = records.read(&mut command) {}
}

fuzz_target!(|data: &[u8]| {
    let _ = frame::decode(data);
    any_payload(data);
    let written = &*WRITTEN;
    DIRECTORY.with(|directory| {
        let directory = directory.path();
        let mut changed = false;
        for (number, bytes) in &written.segments {
            let mut bytes = bytes.clone();
            for edit in data.chunks_exact(5) {
                let [segment, low, high, xor, kind] = *edit else { return };
                if u64::from(segment) % 4 + 1 != *number {
                    continue;
                }
                let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
                let before = bytes.clone();
                match kind % 4 {
                    0 => bytes[at..].fill(0),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes[at] ^= xor,
                }
                changed |= before != bytes;
            }
            fs::write(segment::path(directory, *number), bytes).unwrap();
        }
        let read = read_all(directory);
        if !changed {
            assert_eq!(read.as_ref().unwrap(), &written.payloads);
        }
        if let Ok(read) = &read {
            assert!(written.payloads.starts_with(read), "what was not written was read");
        }
        let mut reader = JournalReader::new(directory, GENESIS);
        let mut followed = 0;
        while let Ok(Some((_, payload))) = reader.next(u64::MAX) {
            assert_eq!(payload, written.payloads[followed]);
            followed += 1;
        }
    });
});
