//! The journal of a leader in the database, and the copy of it on the disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::session::Session;
use crate::journal::file::DirectoryLock;
use crate::journal::frame::{self, Frame};
use crate::journal::{
    FileJournal, FileJournalOptions, GroupHeader, Journal, JournalError, Position,
};

/// The copy of the journal in a folder, for replicas and snapshots of this process and for
/// followers beside it.
#[derive(Clone)]
pub struct JournalCopy {
    directory: PathBuf,
    file: Arc<Mutex<FileJournal>>,
}

impl JournalCopy {
    /// Opens the copy to continue at `position`.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn open(
        lock: DirectoryLock,
        directory: &Path,
        position: Position,
    ) -> Result<Self, JournalError> {
        let options = FileJournalOptions { durable: false, ..FileJournalOptions::default() };
        let file = FileJournal::open(lock, directory, options, position)?;
        Ok(Self { directory: directory.to_owned(), file: Arc::new(Mutex::new(file)) })
    }

    fn file(&self) -> MutexGuard<'_, FileJournal> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where the next group goes.
    #[must_use]
    pub fn position(&self) -> Position {
        self.file().position()
    }

    /// Tells whether the copy can't be written any more.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.file().has_failed()
    }

    /// Adds a group that is in the database.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn append(&self, header: &GroupHeader, payload: &[u8]) -> Result<Position, JournalError> {
        self.file().append(header, payload)
    }

    /// Checks that the copy ends where a group of the database ends.
    ///
    /// # Errors
    /// [`JournalError::Diverged`] when it does not.
    pub fn check(&self, session: &Session) -> Result<(), JournalError> {
        let position = self.position();
        let last = session.before(position.next_sequence)?;
        let fits = match &last {
            None => position.next_sequence == 1,
            Some(bytes) => frame::decode(bytes).is_ok_and(|(frame, chain)| {
                next(&frame.header) == position.next_sequence && chain == position.chain
            }),
        };
        if fits { Ok(()) } else { Err(self.diverged(&position)) }
    }

    /// Adds the next groups of the database, telling each; returns how many.
    ///
    /// # Errors
    /// When the database does not answer, or what it says does not continue the copy.
    pub fn advance(
        &self,
        session: &Session,
        mut tell: impl FnMut(&Frame<'_>, Position, Position),
    ) -> Result<usize, JournalError> {
        let frames = session.fetch(self.position().next_sequence)?;
        for bytes in &frames {
            let before = self.position();
            let Ok((frame, _)) = frame::decode(bytes) else { return Err(self.diverged(&before)) };
            let follows = (frame.header.first_sequence, frame.previous)
                == (before.next_sequence, before.chain);
            if !follows {
                return Err(self.diverged(&before));
            }
            let after = self.append(&frame.header, frame.payload)?;
            tell(&frame, before, after);
        }
        Ok(frames.len())
    }

    fn diverged(&self, position: &Position) -> JournalError {
        JournalError::Diverged {
            path: self.directory.clone(),
            next_sequence: position.next_sequence,
        }
    }
}

impl core::fmt::Debug for JournalCopy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("JournalCopy").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn next(header: &GroupHeader) -> u64 {
    header.first_sequence.saturating_add(header.count.into())
}

/// The journal of the leader: a group is durable when its row is committed.
#[derive(Debug)]
pub struct SharedJournal {
    session: Session,
    copy: JournalCopy,
    buffer: Vec<u8>,
    failed: bool,
}

impl SharedJournal {
    /// Returns the journal that continues the copy, which has all the rows.
    #[must_use]
    pub fn new(session: Session, copy: JournalCopy) -> Self {
        Self { session, copy, buffer: Vec::new(), failed: false }
    }

    fn write(&mut self, group: &GroupHeader, payload: &[u8]) -> Result<Position, JournalError> {
        let before = self.copy.position();
        frame::encode(group, &before.chain, payload, &mut self.buffer);
        self.session.append(group, &self.buffer)?;
        self.copy.append(group, payload)
    }
}

impl Journal for SharedJournal {
    fn append(&mut self, group: &GroupHeader, payload: &[u8]) -> Result<Position, JournalError> {
        if self.failed {
            return Err(JournalError::Stopped);
        }
        self.write(group, payload).inspect_err(|_| self.failed = true)
    }

    fn position(&self) -> Position {
        self.copy.position()
    }
}
