//! The journal in its public form, record by record.

use std::path::{Path, PathBuf};

use super::{CHAIN_START, Hash, Pseudonyms, leaf, link};
use crate::codec::{self, Records};
use crate::command::Command;
use crate::journal::reader::{DurableMark, JournalReader};
use crate::journal::recovery::GENESIS;
use crate::journal::{GroupHeader, JournalError, Position};

/// Bytes of a [`Place`].
pub const PLACE_BYTES: usize = 88;

/// Where a walk stands: at the start of a group, with the chain of all before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the group is.
    pub position: Position,
    /// Public chain of everything before it.
    pub chain: Hash,
}

impl Place {
    /// The start of the journal.
    pub const START: Self = Self { position: GENESIS, chain: CHAIN_START };

    /// Returns the place as bytes, to be kept.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        let Position { next_sequence, segment, offset, chain } = &self.position;
        let numbers = [next_sequence, segment, offset].map(|number| number.to_le_bytes());
        let fields = numbers.iter().flatten().chain(chain).chain(&self.chain);
        bytes.iter_mut().zip(fields).for_each(|(place, field)| *place = *field);
        bytes
    }

    /// Returns the place of bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; PLACE_BYTES]) -> Self {
        let number = |at: usize| {
            let field = bytes.get(at..).and_then(<[u8]>::first_chunk).copied();
            u64::from_le_bytes(field.unwrap_or_default())
        };
        let hash =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        let position = Position {
            next_sequence: number(0),
            segment: number(8),
            offset: number(16),
            chain: hash(24),
        };
        Self { position, chain: hash(56) }
    }
}

/// A record in its public form.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Sequence.
    pub sequence: u64,
    /// Time of its group.
    pub time_ns: u64,
    /// The command as it is in the journal.
    pub command: &'a Command,
    /// The record, covered.
    pub record: &'a [u8],
    /// Its leaf.
    pub leaf: Hash,
    /// The chain after it.
    pub chain: Hash,
}

/// Walks the durable part of a journal.
#[derive(Debug)]
pub struct Walk {
    directory: PathBuf,
    pseudonyms: Pseudonyms,
    reader: JournalReader,
    place: Place,
    record: Vec<u8>,
}

impl Walk {
    /// Returns a walk from a place on.
    #[must_use]
    pub fn new(directory: &Path, pseudonyms: Pseudonyms, place: Place) -> Self {
        let reader = JournalReader::new(directory, place.position);
        Self { directory: directory.to_owned(), pseudonyms, reader, place, record: Vec::new() }
    }

    /// Returns where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Returns the sequence that the next durable command gets; 0 while nothing is.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn durable_next(&self) -> Result<u64, JournalError> {
        Ok(DurableMark::open(&self.directory)?.map_or(0, |mark| mark.read()))
    }

    /// Publishes the next group, unless its time is `until_ns` or later; returns its header, or
    /// `None` when nothing is left.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn group(
        &mut self,
        until_ns: u64,
        mut visit: impl FnMut(&Published<'_>) -> Result<(), JournalError>,
    ) -> Result<Option<GroupHeader>, JournalError> {
        let durable = self.durable_next()?;
        let Some((header, payload)) = self.reader.next(durable)? else { return Ok(None) };
        if header.time_ns >= until_ns {
            self.reader = JournalReader::new(&self.directory, self.place.position);
            return Ok(None);
        }
        let mut records = Records::new(payload);
        let mut command = Command::AdvanceTime;
        let (mut sequence, mut chain) = (header.first_sequence, self.place.chain);
        while records.read(&mut command).map_err(|_| JournalError::Stopped)? {
            let mut covered = command.clone();
            self.pseudonyms.cover(&mut covered);
            self.record.clear();
            codec::encode(&covered, &mut self.record);
            let record = self.record.get(4..).unwrap_or(&[]);
            let leaf = leaf(sequence, header.time_ns, record);
            chain = link(&chain, &leaf);
            let time_ns = header.time_ns;
            visit(&Published { sequence, time_ns, command: &command, record, leaf, chain })?;
            sequence = sequence.saturating_add(1);
        }
        self.place = Place { position: self.reader.position(), chain };
        Ok(Some(header))
    }
}
