//! Streams in a process of their own: the journal again, for those who watch.
//!
//! A watcher reads the durable part of the journal files, as a follower does, and applies it with
//! the streams as the sink. Groups are those of the journal, so every process that watches has the
//! same steps under the same sequences, and whoever was connected to one goes on at another.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::engine::EngineLimits;
use crate::feeds::Feeds;
use crate::journal::JournalError;
use crate::journal::reader::{DurableMark, JournalReader};
use crate::runtime::replica::State;
use crate::runtime::store;

/// What a step reads of the journal before it lets others have a turn.
const STEP_GROUPS: usize = 256;

#[derive(Debug)]
struct Source {
    reader: JournalReader,
    mark: Option<DurableMark>,
}

/// Streams that follow a journal which another process writes.
#[derive(Debug)]
pub struct Watcher {
    directory: PathBuf,
    source: Mutex<Source>,
    state: RwLock<State>,
}

impl Watcher {
    /// Returns streams that reach back by at least `history` commands where the journal does.
    ///
    /// # Errors
    /// When the directory can't be read or the journal is damaged.
    pub fn open(
        directory: &Path,
        history: u64,
        limits: EngineLimits,
    ) -> Result<Self, JournalError> {
        let mark = DurableMark::open(directory)?;
        let durable = mark.as_ref().map_or(0, DurableMark::read);
        let oldest = durable.saturating_sub(history);
        let (engine, position) = store::newest_snapshot(directory, limits, oldest)?;
        let feeds = Feeds::new(&engine);
        let reader = JournalReader::new(directory, position);
        let watcher = Self {
            directory: directory.to_owned(),
            source: Mutex::new(Source { reader, mark }),
            state: RwLock::new(State { engine, feeds }),
        };
        while watcher.step()? {}
        Ok(watcher)
    }

    /// Returns the state to watch.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether there is more than was applied; it costs a read of eight bytes.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn is_behind(&self) -> Result<bool, JournalError> {
        let mut source = self.source();
        if source.mark.is_none() {
            source.mark = DurableMark::open(&self.directory)?;
        }
        let durable = source.mark.as_ref().map_or(0, DurableMark::read);
        Ok(source.reader.position().next_sequence < durable)
    }

    /// Applies what became durable, for a bounded while; tells whether it found something.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn step(&self) -> Result<bool, JournalError> {
        if !self.is_behind()? {
            return Ok(false);
        }
        let mut source = self.source();
        let Source { reader, mark } = &mut *source;
        let durable = mark.as_ref().map_or(0, DurableMark::read);
        for _ in 0..STEP_GROUPS {
            let Some((header, payload)) = reader.next(durable)? else { break };
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let State { engine, feeds } = &mut *state;
            store::apply(engine, header.time_ns, payload, feeds)
                .map_err(|_| JournalError::Stopped)?;
            feeds.publish(engine);
        }
        Ok(true)
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
