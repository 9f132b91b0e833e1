//! Reading a journal after a stop, however it came.
//!
//! One write is under way at a time, so a stop can tear the last group only. A last group that is
//! not whole was never acknowledged: it is cut off. Anything else that is not right, a damaged
//! group with a whole one behind it, a broken chain, a missing segment, means that something
//! durable was lost: recovery says where and changes nothing.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frame::{self, ALIGNMENT, Frame, FrameError};
use super::segment::{self, SEGMENT_HEADER_BYTES};
use super::{JournalError, Position};

/// Where an empty journal starts.
pub const GENESIS: Position =
    Position { next_sequence: 1, segment: 1, offset: SEGMENT_HEADER_BYTES, chain: [0; 32] };

/// The end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Where the next group goes.
    pub position: Position,
    /// Bytes of a torn group behind it; 0 when the last stop tore nothing.
    pub torn_bytes: u64,
}

/// Visits every group from `from` to the end and returns the end.
///
/// # Errors
/// When a file can't be read, is of another version, or is damaged before the end.
pub fn replay(
    directory: &Path,
    from: Position,
    mut visit: impl FnMut(&Frame<'_>, &Position) -> Result<(), &'static str>,
) -> Result<Tail, JournalError> {
    let mut position = from;
    loop {
        let path = segment::path(directory, position.segment);
        if !path.exists() {
            let later = segment::list(directory)?.last().is_some_and(|n| *n > position.segment);
            let corrupt = JournalError::Corrupt { path, offset: 0, what: "the file is missing" };
            let nothing = position.offset == SEGMENT_HEADER_BYTES;
            return if later || !nothing {
                Err(corrupt)
            } else {
                Ok(Tail { position, torn_bytes: 0 })
            };
        }
        let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
        let corrupt = |offset, what| JournalError::Corrupt { path: path.clone(), offset, what };
        let header = segment::decode_header(&bytes, &path)?;
        if header.number != position.segment {
            return Err(corrupt(0, "the header names another segment"));
        }
        let fresh = position.offset == SEGMENT_HEADER_BYTES;
        let follows =
            (header.first_sequence, header.previous) == (position.next_sequence, position.chain);
        if fresh && !follows {
            return Err(corrupt(0, "the segment does not continue the one before"));
        }
        let torn_bytes = read_segment(&bytes, &mut position, &path, &mut visit)?;
        let next = position.segment.saturating_add(1);
        if segment::list(directory)?.last().is_none_or(|last| *last < next) {
            return Ok(Tail { position, torn_bytes });
        }
        if torn_bytes > 0 {
            return Err(corrupt(position.offset, "a group is damaged and a later segment exists"));
        }
        position = Position { segment: next, offset: SEGMENT_HEADER_BYTES, ..position };
    }
}

/// Reads the groups of one segment; returns the bytes of a torn group at its end.
fn read_segment(
    bytes: &[u8],
    position: &mut Position,
    path: &Path,
    visit: &mut impl FnMut(&Frame<'_>, &Position) -> Result<(), &'static str>,
) -> Result<u64, JournalError> {
    let corrupt = |offset, what| JournalError::Corrupt { path: path.to_owned(), offset, what };
    loop {
        let start = usize::try_from(position.offset).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).unwrap_or(&[]);
        match frame::decode(rest) {
            Ok((frame, chain)) => {
                if frame.previous != position.chain {
                    return Err(corrupt(position.offset, "the chain of hashes breaks"));
                }
                if frame.header.first_sequence != position.next_sequence {
                    return Err(corrupt(position.offset, "the sequence has a gap"));
                }
                let next = frame.header.first_sequence.saturating_add(frame.header.count.into());
                let after = Position {
                    next_sequence: next,
                    offset: position.offset.saturating_add(frame.size as u64),
                    chain,
                    ..*position
                };
                visit(&frame, &after).map_err(|what| corrupt(position.offset, what))?;
                *position = after;
            }
            Err(FrameError::Version(version)) => {
                return Err(JournalError::Version { path: path.to_owned(), version });
            }
            Err(FrameError::Empty | FrameError::Damaged) => {
                let written = rest
                    .iter()
                    .rposition(|byte| *byte != 0)
                    .map_or(0, |last| last.saturating_add(1));
                if written > 0 && whole_frame_within(rest) {
                    return Err(corrupt(position.offset, "a group is damaged before a whole one"));
                }
                return Ok(written as u64);
            }
        }
    }
}

/// Tells whether a whole frame starts anywhere behind the first bytes.
fn whole_frame_within(bytes: &[u8]) -> bool {
    let starts = (ALIGNMENT..bytes.len()).step_by(ALIGNMENT);
    starts.into_iter().any(|start| {
        let rest = bytes.get(start..).unwrap_or(&[]);
        rest.first_chunk::<4>().is_some_and(|magic| *magic != [0; 4]) && frame::decode(rest).is_ok()
    })
}

/// Zeroes a torn group, so that the segment is again zeros behind its last group.
///
/// # Errors
/// When the operating system refuses.
pub fn cut(directory: &Path, tail: &Tail) -> Result<(), JournalError> {
    if tail.torn_bytes == 0 {
        return Ok(());
    }
    let path = segment::path(directory, tail.position.segment);
    let file = File::options().write(true).open(&path).map_err(JournalError::io("open", &path))?;
    let zeros = vec![0; usize::try_from(tail.torn_bytes).unwrap_or(0)];
    file.write_all_at(&zeros, tail.position.offset).map_err(JournalError::io("write", &path))?;
    file.sync_all().map_err(JournalError::io("sync", &path))
}
