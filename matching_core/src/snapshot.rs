//! The state as bytes: canonical, so that equal states give equal bytes on any machine.
//!
//! Integers are little-endian. What follows from the rest (levels, lists of an account's orders,
//! look-ups) is not written but rebuilt. The last 32 bytes are the BLAKE3 of all before them.

mod read;
mod write;

use core::fmt;
use std::io;

pub(crate) const MAGIC: [u8; 4] = *b"FGSS";
/// Version of the form. Reading refuses any other; a newer program carries a reader for each.
pub(crate) const VERSION: u16 = 4;
pub(crate) const HASH_BYTES: usize = 32;
/// In place of the position of a record that is not there.
pub(crate) const NO_RECORD: u32 = u32::MAX;

/// Why a snapshot can't be read.
#[derive(Debug)]
pub enum SnapshotError {
    /// The source failed.
    Io(io::Error),
    /// These are not the bytes of a snapshot, or of a version unknown here.
    Version,
    /// The bytes are damaged: the hash at their end is another.
    Hash,
    /// A value contradicts another; names the part.
    Corrupt(&'static str),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "The snapshot can't be read: {error}."),
            Self::Version => f.write_str("The bytes are no snapshot of a known version."),
            Self::Hash => f.write_str("The snapshot is damaged: its hash does not match."),
            Self::Corrupt(part) => write!(f, "The snapshot contradicts itself in: {part}."),
        }
    }
}

impl core::error::Error for SnapshotError {}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
