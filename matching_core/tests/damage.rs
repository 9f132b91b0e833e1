//! A journal of a megabyte that is cut at every byte and flipped in ten thousand bits.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it expects in few words"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use matching_core::codec::encode;
use matching_core::journal::file::DirectoryLock;
use matching_core::journal::frame::{self, FrameError};
use matching_core::journal::recovery::{self, GENESIS};
use matching_core::journal::{
    FileJournal, FileJournalOptions, GroupHeader, Journal as _, JournalError, Position, segment,
};
use matching_core::workload::{Dice, Generator, Shape};

const JOURNAL_BYTES: u64 = 1 << 20;
const SEGMENT_BYTES: u64 = 64 << 10;

/// Writes a journal of orders as they come; returns where each group starts, and the end.
fn write(directory: &Path) -> (Vec<Position>, Position) {
    let lock = DirectoryLock::take(directory).unwrap();
    let options = FileJournalOptions { segment_bytes: SEGMENT_BYTES, durable: false };
    let mut journal = FileJournal::open(lock, directory, options, GENESIS).unwrap();
    let mut generator = Generator::new(Shape::WILD, 5);
    let mut dice = Dice::new(7);
    let mut groups = Vec::new();
    let mut written = 0;
    while written < JOURNAL_BYTES {
        let count = 1 + dice.below(40) as u32;
        let mut payload = Vec::new();
        for _ in 0..count {
            encode(&generator.command(), &mut payload);
        }
        let first_sequence = journal.position().next_sequence;
        let header = GroupHeader { first_sequence, count, time_ns: written, epoch: 1 };
        groups.push(journal.position());
        journal.append(&header, &payload).unwrap();
        written += frame::frame_bytes(payload.len()) as u64;
    }
    // A group that found no room starts a segment: what was its position before is the end of one.
    let end = journal.position();
    (groups, end)
}

/// Returns the groups of each segment as they lie in its file: offset and length.
fn groups_of(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = segment::SEGMENT_HEADER_BYTES as usize;
    while let Ok((frame, _)) = frame::decode(&bytes[at..]) {
        found.push((at, frame.size));
        at += frame.size;
    }
    found
}

fn replay(directory: &Path, from: Position) -> Result<(Position, u64), JournalError> {
    let tail = recovery::replay(directory, from, |_, _| Ok(()))?;
    Ok((tail.position, tail.torn_bytes))
}

/// OPS-061: wherever the last write stopped, what was whole before it is kept and no more.
#[test]
fn test_every_truncation_of_a_megabyte_is_found() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let mut cuts = 0;
    for number in segment::list(directory.path()).unwrap() {
        let bytes = fs::read(segment::path(directory.path(), number)).unwrap();
        for (at, size) in groups_of(&bytes) {
            let mut zeroed = bytes[at..at + size].to_vec();
            for length in (0..size).rev() {
                let short = &bytes[at..at + length];
                let expected = if length == 0 { FrameError::Empty } else { FrameError::Damaged };
                assert_eq!(frame::decode(short).unwrap_err(), expected, "{number} {at} {length}");
                // Segments are zeroed beforehand: the rest of a torn write reads as zeros.
                let lost = core::mem::take(&mut zeroed[length]);
                let whole = lost == 0 && zeroed == bytes[at..at + size];
                assert_eq!(frame::decode(&zeroed).is_ok(), whole, "{number} {at} {length}");
                cuts += 1;
            }
        }
    }
    assert!(cuts > JOURNAL_BYTES * 9 / 10, "{cuts}");
    println!("{cuts} truncations found");
}

/// OPS-061: the same through recovery: it goes on after the last whole group.
#[test]
fn test_recovery_cuts_a_megabyte_back_to_its_last_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let (groups, _) = write(directory.path());
    let segments = segment::list(directory.path()).unwrap();
    for number in segments.into_iter().rev() {
        let path = segment::path(directory.path(), number);
        let bytes = fs::read(&path).unwrap();
        let inside = groups_of(&bytes);
        for (index, (at, size)) in inside.iter().copied().enumerate().rev() {
            for cut in [at, at + 1, at + frame::HEADER_BYTES, at + size - 8] {
                fs::write(&path, &bytes[..cut]).unwrap();
                let from = groups.iter().rfind(|group| group.segment < number).copied();
                let (tail, torn) = replay(directory.path(), from.unwrap_or(GENESIS)).unwrap();
                assert_eq!((tail.segment, tail.offset), (number, at as u64), "{index}");
                assert_eq!(torn > 0, cut > at, "{number} {index} {cut}");
            }
        }
        fs::remove_file(&path).unwrap();
    }
}

/// OPS-061: a single flipped bit is found wherever it is; only in the last group it may be taken
/// for a torn write, and then the group goes.
#[test]
fn test_ten_thousand_flipped_bits_of_a_megabyte_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let (_, end) = write(directory.path());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("FARMGATE_SEED").map_or(since.as_secs(), |text| text.parse().unwrap());
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    // What was written of each segment, its header included.
    let written: Vec<_> = segment::list(directory.path())
        .unwrap()
        .into_iter()
        .map(|number| {
            let bytes = fs::read(segment::path(directory.path(), number)).unwrap();
            let last = groups_of(&bytes).last().map(|(at, size)| at + size).unwrap();
            (number, last as u64, bytes)
        })
        .collect();
    let total: u64 = written.iter().map(|segment| segment.1).sum();
    assert!(total >= JOURNAL_BYTES);
    for flip in 0..10_000 {
        let mut at = dice.below(total);
        let (number, _, bytes) = written
            .iter()
            .find(|segment| {
                if at < segment.1 {
                    true
                } else {
                    at -= segment.1;
                    false
                }
            })
            .unwrap();
        let bit = 1 << dice.below(8);
        let file = File::options().write(true).open(segment::path(directory.path(), *number));
        let file = file.unwrap();
        file.write_all_at(&[bytes[at as usize] ^ bit], at).unwrap();
        match replay(directory.path(), GENESIS) {
            Err(JournalError::Corrupt { .. } | JournalError::Version { .. }) => {}
            Ok((tail, torn)) => {
                assert_eq!(*number, end.segment, "flip {flip}: byte {at} of segment {number}");
                assert!(torn > 0 && tail.offset < end.offset, "flip {flip}: {tail:?} {torn}");
            }
            Err(other) => panic!("flip {flip}: {other}"),
        }
        file.write_all_at(&[bytes[at as usize]], at).unwrap();
    }
    assert_eq!(replay(directory.path(), GENESIS).unwrap(), (end, 0), "all is as it was");
}
