//! Following a journal that somebody else writes.
//!
//! The leader publishes how far it is durable in the file `durable`: the sequence after the last
//! durable command, eight bytes, written without sync because only living processes read it. A
//! follower never goes past it: what is in a segment file behind it may still be taken back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, FrameError, GroupHeader, HEADER_BYTES, PAYLOAD_BYTES_MAX};
use super::segment::{self, SEGMENT_HEADER_BYTES};
use super::{JournalError, Position};

const CHUNK_BYTES: usize = 1 << 20;

/// The published end of what is durable.
#[derive(Debug)]
pub struct DurableMark {
    file: File,
}

impl DurableMark {
    /// Opens the mark to publish, creating it when it is missing.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn create(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join("durable");
        let options =
            File::options().read(true).write(true).create(true).truncate(false).open(&path);
        Ok(Self { file: options.map_err(JournalError::io("open", &path))? })
    }

    /// Publishes the sequence that the next command gets.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn publish(&self, next_sequence: u64) -> io::Result<()> {
        self.file.write_all_at(&next_sequence.to_le_bytes(), 0)
    }

    /// Opens the mark to read; `None` while no leader has published one.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn open(directory: &Path) -> Result<Option<Self>, JournalError> {
        let path = directory.join("durable");
        match File::open(&path) {
            Ok(file) => Ok(Some(Self { file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::io("open", &path)(error)),
        }
    }

    /// Returns the sequence that the next command gets.
    #[must_use]
    pub fn read(&self) -> u64 {
        let mut bytes = [0; 8];
        // A mark that was created and not yet published has no bytes: nothing is durable.
        self.file.read_exact_at(&mut bytes, 0).map_or(0, |()| u64::from_le_bytes(bytes))
    }
}

/// Reads groups one after the other as they become durable.
#[derive(Debug)]
pub struct JournalReader {
    directory: PathBuf,
    position: Position,
    open: Option<(u64, File)>,
    buffer: Vec<u8>,
    buffer_offset: u64,
}

impl JournalReader {
    /// Returns a reader that starts at `position`.
    #[must_use]
    pub fn new(directory: &Path, position: Position) -> Self {
        Self {
            directory: directory.to_owned(),
            position,
            open: None,
            buffer: Vec::new(),
            buffer_offset: 0,
        }
    }

    /// Returns where the next group starts.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the next group that starts before `durable_next`, or `None` when there is none.
    ///
    /// # Errors
    /// When the files are damaged or can't be read.
    pub fn next(
        &mut self,
        durable_next: u64,
    ) -> Result<Option<(GroupHeader, &[u8])>, JournalError> {
        if self.position.next_sequence >= durable_next {
            return Ok(None);
        }
        // First what is in the buffer, then a chunk of the file, then more of it.
        let mut wanted = 0;
        loop {
            if wanted > 0 {
                self.fill(wanted)?;
            }
            let start = self.start();
            match frame::decode(self.buffer.get(start..).unwrap_or(&[])) {
                Ok((frame, chain)) => {
                    if frame.previous != self.position.chain {
                        return Err(self.corrupt("the chain of hashes breaks"));
                    }
                    let (header, size, length) = (frame.header, frame.size, frame.payload.len());
                    self.position.next_sequence =
                        header.first_sequence.saturating_add(header.count.into());
                    self.position.offset = self.position.offset.saturating_add(size as u64);
                    self.position.chain = chain;
                    let from = start.saturating_add(HEADER_BYTES);
                    let payload = self.buffer.get(from..from.saturating_add(length));
                    return Ok(Some((header, payload.unwrap_or(&[]))));
                }
                Err(FrameError::Version(version)) => {
                    return Err(JournalError::Version { path: self.path(), version });
                }
                Err(_) if wanted == 0 => wanted = CHUNK_BYTES,
                Err(FrameError::Empty) => self.next_segment()?,
                Err(FrameError::Damaged) if wanted <= PAYLOAD_BYTES_MAX => {
                    wanted = wanted.saturating_mul(4);
                }
                Err(FrameError::Damaged) => return Err(self.corrupt("a durable group is damaged")),
            }
        }
    }

    fn start(&self) -> usize {
        let start = self.position.offset.saturating_sub(self.buffer_offset);
        usize::try_from(start).unwrap_or(usize::MAX)
    }

    fn path(&self) -> PathBuf {
        segment::path(&self.directory, self.position.segment)
    }

    fn corrupt(&self, what: &'static str) -> JournalError {
        JournalError::Corrupt { path: self.path(), offset: self.position.offset, what }
    }

    fn next_segment(&mut self) -> Result<(), JournalError> {
        let next = self.position.segment.saturating_add(1);
        if !segment::path(&self.directory, next).exists() {
            return Err(self.corrupt("a durable group is missing"));
        }
        self.position.segment = next;
        self.position.offset = SEGMENT_HEADER_BYTES;
        self.buffer.clear();
        Ok(())
    }

    /// Reads up to `wanted` bytes from the position into the buffer.
    fn fill(&mut self, wanted: usize) -> Result<(), JournalError> {
        let path = self.path();
        if self.open.as_ref().is_none_or(|(number, _)| *number != self.position.segment) {
            let file = File::open(&path).map_err(JournalError::io("open", &path))?;
            self.open = Some((self.position.segment, file));
        }
        let Some((_, file)) = &self.open else { return Err(JournalError::Stopped) };
        self.buffer.resize(wanted, 0);
        self.buffer_offset = self.position.offset;
        let mut filled = 0_usize;
        while filled < wanted {
            let rest = self.buffer.get_mut(filled..).unwrap_or(&mut []);
            let at = self.buffer_offset.saturating_add(filled as u64);
            match file.read_at(rest, at).map_err(JournalError::io("read", &path))? {
                0 => break,
                count => filled = filled.saturating_add(count),
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}
