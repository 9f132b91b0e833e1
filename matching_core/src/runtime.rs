//! The engine at work: requests in, durable answers out.
//!
//! ```text
//! submit -> match thread -> journal thread -> completions -> drain
//!           decode, decide,  one group, one      eventfd
//!           encode           fdatasync     \-> replica thread -> reads, feeds, snapshots
//! ```
//!
//! Invariants: an answer is completed only after its group, and every group before it, is durable;
//! the replica sees durable groups only; after a failed write nothing is answered but
//! [`Reason::EngineStopped`](crate::error::Reason::EngineStopped).

mod apply;
mod completions;
mod execute;
mod matcher;
pub mod replica;
pub mod store;
mod writer;

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, TrySendError, bounded};

use self::completions::Completions;
use self::matcher::Matcher;
use self::replica::Replica;
use self::writer::Writer;
use crate::command::Command;
use crate::engine::EngineLimits;
use crate::error::Reason;
use crate::event::Outcome;
use crate::journal::{FileJournal, FileJournalOptions, JournalError};
use crate::types::AccountNumber;
use crate::wire::Denial;

/// How the engine is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where journal and snapshots are kept.
    pub directory: PathBuf,
    /// Whether groups are synced; see [`FileJournalOptions::durable`].
    pub durable: bool,
    /// Bounds of the engine's memory.
    pub limits: EngineLimits,
    /// Commands between snapshots, from 1.
    pub snapshot_interval_commands: u64,
    /// Requests that may wait; more are refused.
    pub queue_requests_max: usize,
    /// Epoch of the leader's lease, written into every group.
    pub epoch: u64,
}

/// What the engine is asked.
#[derive(Debug)]
pub enum Request {
    /// Enter one order: a `CreateOrderRequest`.
    Create {
        /// Caller's account.
        account: AccountNumber,
        /// Idempotency key of the call, empty for none.
        key: Box<[u8]>,
        /// Bytes of the message.
        message: Box<[u8]>,
    },
    /// Cancel one order: a `CancelOrderRequest`.
    Cancel {
        /// Caller's account; `None` for the exchange.
        account: Option<AccountNumber>,
        /// Idempotency key of the call, empty for none.
        key: Box<[u8]>,
        /// Bytes of the message.
        message: Box<[u8]>,
    },
    /// Change one order: an `AmendOrderRequest`.
    Amend {
        /// Caller's account.
        account: AccountNumber,
        /// Idempotency key of the call, empty for none.
        key: Box<[u8]>,
        /// Bytes of the message.
        message: Box<[u8]>,
    },
    /// Enter many orders: a `BatchCreateOrdersRequest`.
    Batch {
        /// Caller's account.
        account: AccountNumber,
        /// Bytes of the message.
        message: Box<[u8]>,
    },
    /// A message of an order session: an `OrderSessionRequest`.
    Session {
        /// Caller's account.
        account: AccountNumber,
        /// Bytes of the message.
        message: Box<[u8]>,
    },
    /// Cancel the caller's orders: a `MassCancelRequest`.
    MassCancel {
        /// Caller's account.
        account: AccountNumber,
        /// Bytes of the message.
        message: Box<[u8]>,
    },
    /// A command of the exchange itself.
    Control(Box<Command>),
}

/// What the engine answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Bytes of the reply message.
    Bytes(Vec<u8>),
    /// Outcome of a control command.
    Outcome(Outcome),
    /// The replica has reached the sequence that was waited for.
    Reached,
}

/// An answer and whom it is for.
#[derive(Debug)]
pub struct Completion<T> {
    /// What was given with the request.
    pub ticket: T,
    /// The answer.
    pub reply: Result<Reply, Denial>,
}

struct Job<T> {
    request: Request,
    ticket: T,
}

/// Figures of a running engine.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Groups made durable.
    pub groups: AtomicU64,
    /// Commands made durable.
    pub commands: AtomicU64,
    /// Nanoseconds spent writing and syncing.
    pub sync_ns: AtomicU64,
    /// Sequence after the last durable command.
    pub durable_next: AtomicU64,
    /// Snapshots that could not be written.
    pub snapshot_failures: AtomicU64,
    /// Whether the journal failed.
    pub stopped: AtomicBool,
}

/// The running engine.
#[derive(Debug)]
pub struct Runtime<T: Send + 'static> {
    jobs: Option<Sender<Job<T>>>,
    completions: Arc<Completions<T>>,
    replica: Arc<Replica<T>>,
    statistics: Arc<Statistics>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static> Runtime<T> {
    /// Recovers the state from the directory and starts the threads.
    ///
    /// # Errors
    /// When the journal is damaged, held by another process, or the system refuses.
    pub fn open(options: &Options) -> Result<Self, JournalError> {
        let directory = &options.directory;
        let (lock, recovered) = store::recover(directory, options.limits)?;
        let journal_options =
            FileJournalOptions { durable: options.durable, ..FileJournalOptions::default() };
        let position = recovered.position;
        let journal = FileJournal::open(lock, directory, journal_options, position)?;
        let statistics = Arc::new(Statistics::default());
        statistics.durable_next.store(position.next_sequence, Ordering::Release);
        let failed = JournalError::io("start a thread for", directory);
        let completions = Completions::new().map_err(JournalError::io("watch", directory))?;
        let completions = Arc::new(completions);
        let mut engine = recovered.engine.clone();
        engine.lead().map_err(|what| JournalError::Corrupt {
            path: directory.clone(),
            offset: 0,
            what,
        })?;
        let replica =
            Replica::new(recovered, options, Arc::clone(&completions), Arc::clone(&statistics));
        let replica = Arc::new(replica);

        let (jobs, requests) = bounded(options.queue_requests_max.max(1));
        let (groups, work) = bounded(0);
        let (durable, news) = bounded(replica::NEWS_MAX);
        let writer = Writer::new(
            journal,
            directory,
            Arc::clone(&completions),
            Arc::clone(&statistics),
            durable,
        )?;
        let matcher = Matcher::new(engine, options.epoch, requests, groups);
        let follower = Arc::clone(&replica);
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(body)
        };
        let threads = [
            spawn("fg-match", Box::new(move || matcher.run())),
            spawn("fg-journal", Box::new(move || writer.run(&work))),
            spawn("fg-replica", Box::new(move || follower.run(&news))),
        ];
        let threads = threads.into_iter().collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Self { jobs: Some(jobs), completions, replica, statistics, threads })
    }

    /// Hands a request over; its answer comes with [`Runtime::drain`].
    ///
    /// # Errors
    /// The reason and the ticket, when the engine is stopped or has too much to do.
    pub fn submit(&self, request: Request, ticket: T) -> Result<(), (Reason, T)> {
        let Some(jobs) = &self.jobs else { return Err((Reason::EngineStopped, ticket)) };
        if self.statistics.stopped.load(Ordering::Acquire) {
            return Err((Reason::EngineStopped, ticket));
        }
        jobs.try_send(Job { request, ticket }).map_err(|error| match error {
            TrySendError::Full(job) => (Reason::EngineOverloaded, job.ticket),
            TrySendError::Disconnected(job) => (Reason::EngineStopped, job.ticket),
        })
    }

    /// Returns the file descriptor that is readable while answers wait.
    #[must_use]
    pub fn event_fd(&self) -> RawFd {
        self.completions.event_fd()
    }

    /// Moves the answers that wait into `into` and tells whether feeds moved on.
    pub fn drain(&self, into: &mut Vec<Completion<T>>) -> bool {
        self.completions.drain(into)
    }

    /// Returns the state that reads are answered from.
    #[must_use]
    pub fn replica(&self) -> &Arc<Replica<T>> {
        &self.replica
    }

    /// Returns the engine's figures.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Finishes what was submitted and stops the threads. Answers can still be drained.
    pub fn close(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing left to save.
            let _ = thread.join();
        }
    }
}

impl<T: Send + 'static> Drop for Runtime<T> {
    fn drop(&mut self) {
        self.close();
    }
}
