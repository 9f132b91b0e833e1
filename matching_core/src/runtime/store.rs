//! Snapshots beside the journal, and the way back from both.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::apply::Applier;
use crate::codec::Records;
use crate::engine::{Engine, EngineLimits};
use crate::event::Sink;
use crate::feeds::Feeds;
use crate::journal::file::DirectoryLock;
use crate::journal::recovery::{self, GENESIS};
use crate::journal::segment::sync_directory;
use crate::journal::{JournalError, Position};

const MAGIC: &[u8; 8] = b"FGSNAP03";
const HEADER_BYTES: usize = 68;
/// Snapshots kept: the newest may turn out unreadable.
const KEEP: usize = 3;
/// A snapshot is due once the journal has grown by at least as much as the last one weighs, so
/// that snapshots never cost more writing than the journal itself.
const FIRST_BYTES: u64 = 64 << 20;

/// What was found in a directory.
#[derive(Debug)]
pub struct Recovered {
    pub(crate) engine: Engine,
    pub(crate) feeds: Feeds,
    pub(crate) position: Position,
    pub(crate) snapshot_sequence: u64,
}

/// Takes the directory, reads the newest snapshot and the journal behind it, and cuts off a group
/// that was torn by the last stop.
///
/// # Errors
/// When the directory is held by another process, damaged or unreadable.
pub fn recover(
    directory: &Path,
    limits: EngineLimits,
) -> Result<(DirectoryLock, Recovered), JournalError> {
    let lock = DirectoryLock::take(directory)?;
    let (mut engine, from) = newest_snapshot(directory, limits, u64::MAX)?;
    let snapshot_sequence = engine.last_sequence().0;
    let mut feeds = Feeds::new(&engine);
    let tail = recovery::replay(directory, from, |frame, _| {
        apply(&mut engine, frame.header.time_ns, frame.payload, &mut feeds)?;
        feeds.publish(&engine);
        Ok(())
    })?;
    recovery::cut(directory, &tail)?;
    Ok((lock, Recovered { engine, feeds, position: tail.position, snapshot_sequence }))
}

/// As [`recover`] does with a copy of what a database keeps: a damaged one is made anew.
///
/// # Errors
/// When the directory is held by another process or unreadable.
#[cfg(feature = "postgres")]
pub fn recover_copy(
    directory: &Path,
    limits: EngineLimits,
) -> Result<(DirectoryLock, Recovered), JournalError> {
    match recover(directory, limits) {
        Err(error @ JournalError::Corrupt { .. }) => {
            discard_copy(directory, &error)?;
            recover(directory, limits)
        }
        other => other,
    }
}

/// Removes a copy that is damaged; the database has all of it.
///
/// # Errors
/// When the operating system refuses.
#[cfg(feature = "postgres")]
pub fn discard_copy(directory: &Path, damage: &JournalError) -> Result<(), JournalError> {
    eprintln!("farmgate: the copy of the journal is made anew: {damage}");
    let entries = fs::read_dir(directory).map_err(JournalError::io("read", directory))?;
    for entry in entries {
        let path = entry.map_err(JournalError::io("read", directory))?.path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if matches!(kind, Some("segment" | "snapshot" | "spare")) {
            fs::remove_file(&path).map_err(JournalError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Applies the commands of a group.
///
/// # Errors
/// When a record is not one that this version writes.
pub fn apply<S: Sink>(
    engine: &mut Engine,
    time_ns: u64,
    payload: &[u8],
    sink: &mut S,
) -> Result<(), &'static str> {
    let mut records = Records::new(payload);
    let mut applier = Applier::new();
    while applier.step(engine, time_ns, &mut records, sink).map_err(|_| "a record can't be read")? {
    }
    Ok(())
}

fn paths(directory: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let entries = fs::read_dir(directory).map_err(JournalError::io("read", directory))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(JournalError::io("read", directory))?.path();
        let is_snapshot = path.extension().is_some_and(|extension| extension == "snapshot");
        let sequence = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let (true, Some(sequence)) = (is_snapshot, sequence) {
            paths.push((sequence, path));
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Returns the newest state kept that is not past `sequence`, and where the journal goes on. A
/// snapshot that can't be read costs time, not data: the journal has it all.
///
/// # Errors
/// When the directory can't be read.
pub fn newest_snapshot(
    directory: &Path,
    limits: EngineLimits,
    sequence: u64,
) -> Result<(Engine, Position), JournalError> {
    for (_, path) in paths(directory)?.into_iter().rev().filter(|(taken, _)| *taken <= sequence) {
        match read_snapshot(&path, limits) {
            Some(found) => return Ok(found),
            None => {
                eprintln!("farmgate: the snapshot {} is not used: it is damaged", path.display());
            }
        }
    }
    Ok((Engine::follower(limits), GENESIS))
}

fn read_snapshot(path: &Path, limits: EngineLimits) -> Option<(Engine, Position)> {
    let mut file = File::open(path).ok()?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header).ok()?;
    let (fields, checksum) = header.split_last_chunk::<4>()?;
    if crc32c::crc32c(fields).to_le_bytes() != *checksum || !fields.starts_with(MAGIC) {
        return None;
    }
    let number = |at: usize| {
        let bytes = fields.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let position = Position {
        next_sequence: number(8)?,
        segment: number(16)?,
        offset: number(24)?,
        chain: *fields.get(32..)?.first_chunk()?,
    };
    let engine = Engine::read_snapshot(&mut file, limits).ok()?;
    let fits = engine.last_sequence().0.checked_add(1) == Some(position.next_sequence);
    fits.then_some((engine, position))
}

/// Writes a snapshot, durable under its name or not there at all; returns its size.
///
/// # Errors
/// When the operating system refuses.
pub fn write_snapshot(
    directory: &Path,
    engine: &Engine,
    position: &Position,
) -> Result<u64, JournalError> {
    let path = directory.join(format!("{:020}.snapshot", engine.last_sequence().0));
    let unfinished = path.with_extension("writing");
    let failed = JournalError::io("write", &unfinished);
    let written = (|| {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        for number in [position.next_sequence, position.segment, position.offset] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        header.extend_from_slice(&position.chain);
        let checksum = crc32c::crc32c(&header).to_le_bytes();
        header.extend_from_slice(&checksum);
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        out.write_all(&header)?;
        engine.write_snapshot(&mut out)?;
        let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        Ok(file.metadata()?.len())
    })();
    let bytes = written.map_err(|error| {
        // It would hold the room that the journal may need.
        let _ = fs::remove_file(&unfinished);
        failed(error)
    })?;
    sync_directory(directory)?;
    let all = paths(directory)?;
    for (_, old) in all.iter().rev().skip(KEEP) {
        fs::remove_file(old).map_err(JournalError::io("remove", old))?;
    }
    Ok(bytes)
}

/// Says when the next snapshot is due.
#[derive(Debug)]
pub struct SnapshotSchedule {
    interval_commands: u64,
    last_sequence: u64,
    last_bytes: u64,
    journal_bytes: u64,
}

impl SnapshotSchedule {
    pub(crate) const fn new(interval_commands: u64, last_sequence: u64) -> Self {
        Self { interval_commands, last_sequence, last_bytes: FIRST_BYTES, journal_bytes: 0 }
    }

    /// Notes a group and tells whether a snapshot is due.
    pub(crate) fn note(&mut self, applied: u64, bytes: usize) -> bool {
        self.journal_bytes = self.journal_bytes.saturating_add(bytes as u64);
        applied.saturating_sub(self.last_sequence) >= self.interval_commands
            && (self.journal_bytes >= self.last_bytes || self.last_bytes == FIRST_BYTES)
    }

    /// Puts the next snapshot off until as much again has come.
    pub(crate) const fn failed(&mut self, applied: u64) {
        self.last_sequence = applied;
        self.journal_bytes = 0;
    }

    pub(crate) const fn written(&mut self, applied: u64, bytes: u64) {
        self.last_sequence = applied;
        self.last_bytes = bytes;
        self.journal_bytes = 0;
    }
}
