//! The journal as segment files: one positioned write and one `fdatasync` a group.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{FlockOperation, flock};

use super::frame::{self, GroupHeader};
use super::reader::DurableMark;
use super::segment::{self, SEGMENT_HEADER_BYTES};
use super::{Journal, JournalError, Position};

/// How a file journal behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileJournalOptions {
    /// Size of a segment in bytes; a group that is larger gets a segment of its own size.
    pub segment_bytes: u64,
    /// Whether a group is synced before it counts. It is not in a copy of what a database keeps,
    /// and in a test that shows what syncing is for.
    pub durable: bool,
}

impl Default for FileJournalOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, durable: true }
    }
}

/// Holds a directory against other leaders for as long as it lives.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the directory, which is created when it is missing.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another process has it.
    pub fn take(directory: &Path) -> Result<Self, JournalError> {
        fs::create_dir_all(directory).map_err(JournalError::io("create", directory))?;
        let path = directory.join("lock");
        let file = File::create(&path).map_err(JournalError::io("create", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked(directory.to_owned())),
            Err(error) => Err(JournalError::io("lock", &path)(error.into())),
        }
    }
}

/// Zeroes the next segment while the present one fills.
struct SparePreparer {
    requests: Option<Sender<u64>>,
    results: Receiver<Result<(), JournalError>>,
    thread: Option<JoinHandle<()>>,
}

impl SparePreparer {
    fn start(directory: PathBuf) -> Result<Self, JournalError> {
        let (requests, work) = bounded::<u64>(1);
        let (done, results) = bounded(1);
        let thread = thread::Builder::new()
            .name("fg-segment".to_owned())
            .spawn({
                let directory = directory.clone();
                move || {
                    for size in work {
                        if done.send(segment::prepare_spare(&directory, size)).is_err() {
                            return;
                        }
                    }
                }
            })
            .map_err(JournalError::io("start a thread for", directory))?;
        Ok(Self { requests: Some(requests), results, thread: Some(thread) })
    }

    fn request(&self, size: u64) {
        if let Some(requests) = &self.requests {
            // A closed channel shows at the next wait.
            let _ = requests.send(size);
        }
    }

    fn wait(&self) -> Result<(), JournalError> {
        self.results.recv().unwrap_or(Err(JournalError::Stopped))
    }
}

impl Drop for SparePreparer {
    fn drop(&mut self) {
        self.requests = None;
        while self.results.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The file journal, open for appending. It publishes how far it is durable.
pub struct FileJournal {
    directory: PathBuf,
    options: FileJournalOptions,
    file: File,
    size: u64,
    position: Position,
    buffer: Vec<u8>,
    spare: SparePreparer,
    mark: DurableMark,
    failed: bool,
    _lock: DirectoryLock,
}

impl FileJournal {
    /// Opens the journal to continue at `position`, which recovery found, or the genesis.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn open(
        lock: DirectoryLock,
        directory: &Path,
        options: FileJournalOptions,
        position: Position,
    ) -> Result<Self, JournalError> {
        let spare = SparePreparer::start(directory.to_owned())?;
        let path = segment::path(directory, position.segment);
        let file = if path.exists() {
            File::options()
                .read(true)
                .write(true)
                .open(&path)
                .map_err(JournalError::io("open", &path))?
        } else {
            spare.request(options.segment_bytes);
            spare.wait()?;
            segment::start(directory, &position)?
        };
        let size = file.metadata().map_err(JournalError::io("look at", &path))?.len();
        spare.request(options.segment_bytes);
        let mark = DurableMark::create(directory)?;
        mark.publish(position.next_sequence)
            .map_err(JournalError::io("publish the end of", directory))?;
        Ok(Self {
            directory: directory.to_owned(),
            options,
            file,
            size,
            position,
            buffer: Vec::new(),
            spare,
            mark,
            failed: false,
            _lock: lock,
        })
    }

    /// Tells whether an earlier failure stopped the journal.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    fn write(&mut self, header: &GroupHeader, payload: &[u8]) -> Result<Position, JournalError> {
        let needed = frame::frame_bytes(payload.len()) as u64;
        if self.position.offset.saturating_add(needed) > self.size {
            self.roll(needed)?;
        }
        let path = || segment::path(&self.directory, self.position.segment);
        let chain = frame::encode(header, &self.position.chain, payload, &mut self.buffer);
        self.file
            .write_all_at(&self.buffer, self.position.offset)
            .map_err(|error| JournalError::io("write", path())(error))?;
        if self.options.durable {
            self.file.sync_data().map_err(|error| JournalError::io("sync", path())(error))?;
        }
        self.position = Position {
            next_sequence: header.first_sequence.saturating_add(u64::from(header.count)),
            segment: self.position.segment,
            offset: self.position.offset.saturating_add(needed),
            chain,
        };
        self.mark
            .publish(self.position.next_sequence)
            .map_err(JournalError::io("publish the end of", &self.directory))?;
        Ok(self.position)
    }

    fn roll(&mut self, needed: u64) -> Result<(), JournalError> {
        self.spare.wait()?;
        let room = needed.saturating_add(SEGMENT_HEADER_BYTES);
        if room > self.options.segment_bytes {
            self.spare.request(room);
            self.spare.wait()?;
        }
        let position = Position {
            segment: self.position.segment.saturating_add(1),
            offset: SEGMENT_HEADER_BYTES,
            ..self.position
        };
        self.file = segment::start(&self.directory, &position)?;
        self.size = room.max(self.options.segment_bytes);
        self.position = position;
        self.spare.request(self.options.segment_bytes);
        Ok(())
    }
}

impl Journal for FileJournal {
    fn append(&mut self, group: &GroupHeader, payload: &[u8]) -> Result<Position, JournalError> {
        if self.failed {
            return Err(JournalError::Stopped);
        }
        // After a failed sync the kernel may have dropped the pages: trying again would lie.
        self.write(group, payload).inspect_err(|_| self.failed = true)
    }

    fn position(&self) -> Position {
        self.position
    }
}
