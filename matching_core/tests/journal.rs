//! The file journal: what was acknowledged is read back, what is torn is cut, and everything else
//! that is wrong is found.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

use std::fs;
use std::path::Path;

use matching_core::journal::file::DirectoryLock;
use matching_core::journal::reader::JournalReader;
use matching_core::journal::recovery::{self, GENESIS, Tail};
use matching_core::journal::{
    FileJournal, FileJournalOptions, GroupHeader, Journal, JournalError, Position, segment,
};

const OPTIONS: FileJournalOptions = FileJournalOptions { segment_bytes: 4096, durable: true };

fn open(directory: &Path, position: Position) -> FileJournal {
    let lock = DirectoryLock::take(directory).expect("free");
    FileJournal::open(lock, directory, OPTIONS, position).expect("opens")
}

fn append(journal: &mut FileJournal, payload: &[u8]) -> Position {
    let first_sequence = journal.position().next_sequence;
    let header = GroupHeader { first_sequence, count: 1, time_ns: 5, epoch: 1 };
    journal.append(&header, payload).expect("appends")
}

fn read_all(directory: &Path) -> Result<(Vec<Vec<u8>>, Tail), JournalError> {
    let mut payloads = Vec::new();
    let tail = recovery::replay(directory, GENESIS, |frame, _| {
        payloads.push(frame.payload.to_vec());
        Ok(())
    })?;
    Ok((payloads, tail))
}

fn payload(index: u8) -> Vec<u8> {
    vec![index; 40 + usize::from(index)]
}

#[test]
fn groups_are_read_back_over_segments() {
    let directory = tempfile::tempdir().expect("folder");
    let mut journal = open(directory.path(), GENESIS);
    let mut expected: Vec<_> = (1..100).map(payload).collect();
    expected.push(vec![7; 10_000]); // larger than a segment
    expected.push(payload(3));
    let mut last = GENESIS;
    for payload in &expected {
        last = append(&mut journal, payload);
    }
    drop(journal);
    assert!(segment::list(directory.path()).expect("lists").len() > 3);
    let (read, tail) = read_all(directory.path()).expect("whole");
    assert_eq!(read, expected);
    assert_eq!(tail, Tail { position: last, torn_bytes: 0 });
}

#[test]
fn an_opened_journal_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().expect("folder");
    append(&mut open(directory.path(), GENESIS), &payload(1));
    let (_, tail) = read_all(directory.path()).expect("whole");
    append(&mut open(directory.path(), tail.position), &payload(2));
    let (read, _) = read_all(directory.path()).expect("whole");
    assert_eq!(read, [payload(1), payload(2)]);
}

/// OPS-009.
#[test]
fn a_second_leader_is_refused() {
    let directory = tempfile::tempdir().expect("folder");
    let _journal = open(directory.path(), GENESIS);
    let refused = DirectoryLock::take(directory.path());
    assert!(matches!(refused, Err(JournalError::Locked(_))));
}

/// Writes three groups into one segment and returns its path and the ends of the groups.
fn three_groups(directory: &Path) -> (std::path::PathBuf, Vec<usize>) {
    let mut journal = open(directory, GENESIS);
    let ends = (1..4)
        .map(|index| append(&mut journal, &payload(index)).offset)
        .map(|offset| usize::try_from(offset).expect("small"))
        .collect();
    (segment::path(directory, 1), ends)
}

#[test]
fn a_torn_last_group_is_cut_and_the_rest_kept() {
    let directory = tempfile::tempdir().expect("folder");
    let (path, ends) = three_groups(directory.path());
    let whole = fs::read(&path).expect("reads");
    for length in ends[1]..ends[2] {
        let mut torn = whole.clone();
        torn[length..].fill(0);
        if torn == whole {
            continue; // only padding was lost
        }
        fs::write(&path, &torn).expect("writes");
        let (read, tail) = read_all(directory.path()).expect("cut");
        assert_eq!(read, [payload(1), payload(2)], "at {length}");
        recovery::cut(directory.path(), &tail).expect("cuts");
        append(&mut open(directory.path(), tail.position), &payload(9));
        let (read, _) = read_all(directory.path()).expect("whole");
        assert_eq!(read, [payload(1), payload(2), payload(9)], "at {length}");
    }
}

#[test]
fn a_lost_first_sector_of_the_last_group_is_cut() {
    let directory = tempfile::tempdir().expect("folder");
    let (path, ends) = three_groups(directory.path());
    let mut torn = fs::read(&path).expect("reads");
    torn[ends[1]..ends[1] + 88].fill(0);
    fs::write(&path, &torn).expect("writes");
    let (read, tail) = read_all(directory.path()).expect("cut");
    assert_eq!(read.len(), 2);
    assert!(tail.torn_bytes > 0);
}

/// OPS-006.
#[test]
fn every_flipped_bit_before_the_last_group_is_refused() {
    let directory = tempfile::tempdir().expect("folder");
    let (path, ends) = three_groups(directory.path());
    let whole = fs::read(&path).expect("reads");
    for bit in 0..ends[1] * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).expect("writes");
        let refused = read_all(directory.path());
        assert!(
            matches!(refused, Err(JournalError::Corrupt { .. })),
            "bit {bit} of byte {} gave {refused:?}",
            bit / 8
        );
    }
}

/// OPS-006.
#[test]
fn a_missing_segment_is_refused() {
    let directory = tempfile::tempdir().expect("folder");
    let mut journal = open(directory.path(), GENESIS);
    for index in 1..120 {
        append(&mut journal, &payload(index));
    }
    drop(journal);
    fs::remove_file(segment::path(directory.path(), 2)).expect("removes");
    assert!(matches!(read_all(directory.path()), Err(JournalError::Corrupt { .. })));
}

/// OPS-005, TRD-206.
#[test]
fn a_reader_follows_up_to_the_durable_mark_only() {
    let directory = tempfile::tempdir().expect("folder");
    let mut journal = open(directory.path(), GENESIS);
    let mut reader = JournalReader::new(directory.path(), GENESIS);
    assert!(reader.next(1).expect("reads").is_none());
    for index in 1..200 {
        let end = append(&mut journal, &payload(index));
        let before = reader.next(u64::from(index)).expect("reads");
        assert!(before.is_none(), "went past the mark");
        let (header, read) = reader.next(end.next_sequence).expect("reads").expect("there");
        assert_eq!((header.first_sequence, read), (u64::from(index), &payload(index)[..]));
    }
}
