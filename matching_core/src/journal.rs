//! The journal: groups of commands, made durable one after the other.
//!
//! Invariants:
//!
//! * A group is in the journal whole or not at all: one checksum covers all of it.
//! * Each group names the hash of everything before it, so nothing can be taken out, put in or
//!   changed unseen.
//! * Sequences have no gaps: a group starts right after the one before.
//! * After a failed write or sync nothing more is written: what reached the disk is then unknown,
//!   and only a restart, which reads it, can tell.

pub mod file;
pub mod frame;
pub mod reader;
pub mod recovery;
pub mod segment;

use std::io;
use std::path::PathBuf;

pub use self::file::{FileJournal, FileJournalOptions};
pub use self::frame::{ChainHash, GroupHeader};

/// Where a group ends: what the next one must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Sequence that the next command gets.
    pub next_sequence: u64,
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Offset in the segment where the next group goes, in bytes.
    pub offset: u64,
    /// Hash of everything so far.
    pub chain: ChainHash,
}

/// Makes groups durable: [`FileJournal`] in files, `shared::journal::SharedJournal` in a database.
pub trait Journal: Send {
    /// Makes a group durable and returns where it ends.
    ///
    /// # Errors
    /// Any failure is final: the journal takes nothing more.
    fn append(&mut self, group: &GroupHeader, payload: &[u8]) -> Result<Position, JournalError>;

    /// Returns where the next group goes.
    fn position(&self) -> Position;
}

/// Why a journal can't be opened, read or written.
#[derive(Debug)]
pub enum JournalError {
    /// The operating system refused.
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process leads with this directory.
    Locked(PathBuf),
    /// The file is damaged before its end: something durable was lost or changed.
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The file was written by a version that this one can't read.
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// An earlier failure stopped the journal.
    Stopped,
    /// The database refused or did not answer in time.
    Database {
        /// What was being done.
        action: &'static str,
        /// What it said.
        what: String,
    },
    /// Another leader has the lease; nothing was written.
    Deposed,
    /// The copy on this disk is not the beginning of what the database keeps.
    Diverged {
        /// Folder of the copy.
        path: PathBuf,
        /// Sequence at which it ends.
        next_sequence: u64,
    },
}

impl JournalError {
    /// Returns a function that wraps what the operating system said.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl core::fmt::Display for JournalError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "Could not {action} {}: {source}.", path.display())
            }
            Self::Locked(path) => {
                write!(f, "Another process holds the journal {}.", path.display())
            }
            Self::Corrupt { path, offset, what } => write!(
                f,
                "The journal file {} is damaged at byte {offset}: {what}. Nothing was changed; \
                 restore the file from a copy.",
                path.display()
            ),
            Self::Version { path, version } => write!(
                f,
                "The journal file {} has version {version}, which this program can't read.",
                path.display()
            ),
            Self::Stopped => f.write_str("The journal stopped after an earlier failure."),
            Self::Database { action, what } => {
                write!(f, "The journal's database could not {action}: {what}.")
            }
            Self::Deposed => f.write_str("Another leader has the journal's lease."),
            Self::Diverged { path, next_sequence } => write!(
                f,
                "The copy of the journal in {}, up to sequence {next_sequence}, is not what the \
                 database keeps. If the database is right, remove the folder.",
                path.display()
            ),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
