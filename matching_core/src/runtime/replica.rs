//! The second engine: applies what is durable, answers reads, feeds streams, writes snapshots.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossbeam_channel::Receiver;

use super::apply::{Applier, TOGETHER};
use super::completions::Completions;
use super::store::{self, Recovered};
use super::{Completion, Options, Reply, Statistics};
use crate::codec::Records;
use crate::engine::Engine;
use crate::feeds::Feeds;
use crate::journal::reader::{DurableMark, JournalReader};
use crate::journal::{GroupHeader, JournalError, Position};

/// Durable groups that may wait for the replica before it reads the files instead.
pub(crate) const NEWS_MAX: usize = 16;
/// Commands applied before waiting reads get their turn.
const TURN_COMMANDS: usize = 1_024;

/// A group that is durable.
pub(crate) struct News {
    pub(crate) header: GroupHeader,
    pub(crate) payload: Vec<u8>,
    pub(crate) before: Position,
    pub(crate) after: Position,
}

/// What reads are answered from.
#[derive(Debug)]
pub struct State {
    /// The engine after the last durable group applied.
    pub engine: Engine,
    /// The streams.
    pub feeds: Feeds,
}

/// The engine that follows the journal.
#[derive(Debug)]
pub struct Replica<T> {
    state: RwLock<State>,
    applied: AtomicU64,
    position: Mutex<Position>,
    waiters: Mutex<Vec<(u64, T)>>,
    completions: Arc<Completions<T>>,
    statistics: Arc<Statistics>,
    directory: PathBuf,
    snapshots: Mutex<store::SnapshotSchedule>,
}

impl<T> Replica<T> {
    pub(crate) fn new(
        recovered: Recovered,
        options: &Options,
        completions: Arc<Completions<T>>,
        statistics: Arc<Statistics>,
    ) -> Self {
        let applied = recovered.engine.last_sequence().0;
        let schedule = store::SnapshotSchedule::new(
            options.snapshot_interval_commands,
            recovered.snapshot_sequence,
        );
        Self {
            state: RwLock::new(State { engine: recovered.engine, feeds: recovered.feeds }),
            applied: AtomicU64::new(applied),
            position: Mutex::new(recovered.position),
            waiters: Mutex::new(Vec::new()),
            completions,
            statistics,
            directory: options.directory.clone(),
            snapshots: Mutex::new(schedule),
        }
    }

    /// Returns the state to read. A state that broke while it was written is never shown: the
    /// process stops first.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the sequence of the last command applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Completes the ticket once the sequence is applied; gives it back when it is already.
    pub fn wait(&self, sequence: u64, ticket: T) -> Option<T> {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if self.applied() >= sequence {
            return Some(ticket);
        }
        waiters.push((sequence, ticket));
        None
    }

    pub(crate) fn run(&self, news: &Receiver<News>) {
        for group in news {
            // The journal thread does not wait: of what came while the queue was full the replica
            // hears nothing, so it looks once the queue is empty.
            let followed = self
                .follow(&group)
                .and_then(|()| if news.is_empty() { self.follow_files() } else { Ok(()) });
            if let Err(error) = followed {
                // Reads would fall behind for ever while trading goes on: leave, restart, recover.
                eprintln!("farmgate: the replica can't follow the journal: {error}");
                std::process::abort();
            }
        }
    }

    fn follow(&self, news: &News) -> Result<(), JournalError> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        if news.before.next_sequence < position.next_sequence {
            return Ok(());
        }
        if news.before.next_sequence > position.next_sequence {
            *position = self.catch_up(*position, news.before.next_sequence)?;
        }
        self.apply(&news.header, &news.payload)?;
        *position = news.after;
        let due = {
            let mut schedule = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
            schedule.note(self.applied(), news.payload.len())
        };
        if due {
            self.write_snapshot(&position);
        }
        Ok(())
    }

    /// Writes a snapshot. One that can't be written costs time at the next start and nothing else:
    /// trading goes on, and the next try comes when as much again has been traded.
    fn write_snapshot(&self, position: &Position) {
        let state = self.read();
        let written = store::write_snapshot(&self.directory, &state.engine, position);
        let mut schedule = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(bytes) => schedule.written(self.applied(), bytes),
            Err(error) => {
                self.statistics.snapshot_failures.fetch_add(1, Ordering::Relaxed);
                eprintln!("farmgate: a snapshot could not be written: {error}");
                schedule.failed(self.applied());
            }
        }
    }

    /// Applies what is durable and was not heard of.
    fn follow_files(&self) -> Result<(), JournalError> {
        let durable = self.statistics.durable_next.load(Ordering::Acquire);
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        if position.next_sequence < durable {
            *position = self.catch_up(*position, durable)?;
        }
        Ok(())
    }

    /// Applies what is in the files up to the group that starts with `next`.
    fn catch_up(&self, from: Position, next: u64) -> Result<Position, JournalError> {
        let mut reader = JournalReader::new(&self.directory, from);
        let end = DurableMark::open(&self.directory)?.map_or(0, |mark| mark.read()).min(next);
        while let Some((header, payload)) = reader.next(end)? {
            self.apply(&header, payload)?;
        }
        Ok(reader.position())
    }

    fn apply(&self, header: &GroupHeader, payload: &[u8]) -> Result<(), JournalError> {
        let mut records = Records::new(payload);
        let mut applier = Applier::new();
        while !records.is_empty() {
            let mut state = self.write();
            let State { engine, feeds } = &mut *state;
            for _ in 0..TURN_COMMANDS / TOGETHER {
                let went_on = applier.step(engine, header.time_ns, &mut records, feeds);
                if !went_on.map_err(|_| JournalError::Stopped)? {
                    break;
                }
            }
            if records.is_empty() {
                feeds.publish(engine);
            }
        }
        let last = header.first_sequence.saturating_add(header.count.into()).saturating_sub(1);
        self.announce(last);
        Ok(())
    }

    fn announce(&self, applied: u64) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        self.applied.store(applied, Ordering::Release);
        let mut reached: Vec<_> = waiters
            .extract_if(.., |(sequence, _)| *sequence <= applied)
            .map(|(_, ticket)| Completion { ticket, reply: Ok(Reply::Reached) })
            .collect();
        drop(waiters);
        self.completions.push(&mut reached);
        self.completions.announce_feeds();
    }
}
