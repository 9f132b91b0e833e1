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
pub mod desk;
mod execute;
mod matcher;
pub mod replica;
#[cfg(feature = "postgres")]
mod steward;
pub mod store;
mod term;
mod writer;

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

#[cfg(feature = "postgres")]
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use self::completions::Completions;
use self::desk::{Desk, Role, Standing};
use self::replica::Replica;
#[cfg(feature = "postgres")]
use self::steward::{Steward, Wish};
use self::term::{Opening, spawn};
use crate::command::Command;
use crate::engine::EngineLimits;
use crate::error::Reason;
use crate::event::Outcome;
use crate::journal::{FileJournal, FileJournalOptions, JournalError};
#[cfg(feature = "postgres")]
use crate::shared::{SharedOptions, journal::JournalCopy};
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

pub(crate) struct Job<T> {
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
    desk: Arc<Desk<T>>,
    completions: Arc<Completions<T>>,
    replica: Arc<Replica<T>>,
    statistics: Arc<Statistics>,
    threads: Vec<JoinHandle<()>>,
    #[cfg(feature = "postgres")]
    steward: Option<Sender<Wish>>,
}

impl<T: Send + 'static> Runtime<T> {
    /// Recovers the state from the directory and leads: nobody else can have its journal.
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
        let engine = recovered.engine.clone();
        let (mut runtime, news) = Self::follow(options, recovered)?;
        let opening = Opening {
            engine,
            journal: Box::new(journal),
            epoch: options.epoch,
            queue_requests_max: options.queue_requests_max,
            completions: Arc::clone(&runtime.completions),
            statistics: Arc::clone(&runtime.statistics),
            durable: news,
            not_taken: Denial::plain(Reason::EngineStopped),
        };
        let (jobs, threads) = term::begin(opening, directory)?;
        let standing =
            Standing { role: Role::Leading, epoch: options.epoch, leader: String::new() };
        runtime.desk.open(jobs, standing);
        runtime.threads.splice(..0, threads);
        Ok(runtime)
    }

    /// Recovers the state from the copy in the directory, follows the journal in the database, and
    /// leads while it can have the lease.
    ///
    /// # Errors
    /// When the directory is held by another process, or the system refuses.
    #[cfg(feature = "postgres")]
    pub fn share(options: &Options, shared: &SharedOptions) -> Result<Self, JournalError> {
        let directory = &options.directory;
        let (lock, recovered) = store::recover_copy(directory, options.limits)?;
        let copy = JournalCopy::open(lock, directory, recovered.position)?;
        let (mut runtime, news) = Self::follow(options, recovered)?;
        let (wish, wishes) = bounded(1);
        let steward = Steward::new(
            shared,
            options,
            copy,
            Arc::clone(&runtime.desk),
            (Arc::clone(&runtime.replica), news),
            (Arc::clone(&runtime.completions), Arc::clone(&runtime.statistics)),
            wishes,
        );
        let failed = JournalError::io("start a thread for", directory);
        runtime.threads.insert(0, spawn("fg-steward", move || steward.run()).map_err(failed)?);
        runtime.steward = Some(wish);
        Ok(runtime)
    }

    /// Starts what answers reads, and returns where it hears of durable groups.
    fn follow(
        options: &Options,
        recovered: store::Recovered,
    ) -> Result<(Self, crossbeam_channel::Sender<replica::News>), JournalError> {
        let directory = &options.directory;
        let statistics = Arc::new(Statistics::default());
        statistics.durable_next.store(recovered.position.next_sequence, Ordering::Release);
        let completions = Completions::new().map_err(JournalError::io("watch", directory))?;
        let completions = Arc::new(completions);
        let replica =
            Replica::new(recovered, options, Arc::clone(&completions), Arc::clone(&statistics));
        let replica = Arc::new(replica);
        let (durable, news) = bounded(replica::NEWS_MAX);
        let follower = Arc::clone(&replica);
        let thread = spawn("fg-replica", move || follower.run(&news))
            .map_err(JournalError::io("start a thread for", directory))?;
        let runtime = Self {
            desk: Arc::new(Desk::new()),
            completions,
            replica,
            statistics,
            threads: vec![thread],
            #[cfg(feature = "postgres")]
            steward: None,
        };
        Ok((runtime, durable))
    }

    /// Hands a request over; its answer comes with [`Runtime::drain`].
    ///
    /// # Errors
    /// The refusal and the ticket, when the engine is stopped, follows another one, or has too much
    /// to do.
    pub fn submit(&self, request: Request, ticket: T) -> Result<(), (Denial, T)> {
        if self.statistics.stopped.load(Ordering::Acquire) {
            return Err((Denial::plain(Reason::EngineStopped), ticket));
        }
        self.desk.submit(Job { request, ticket })
    }

    /// Gives the lease back after answering what was taken, and does not take it again; false
    /// when there is no lease: the journal is this process's own.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn hand_over(&self) -> bool {
        // A full channel holds the same wish already.
        self.steward.as_ref().is_some_and(|steward| {
            let _ = steward.try_send(Wish::HandOver);
            true
        })
    }

    /// Returns what this process is to the journal, and who leads.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let standing = self.desk.standing();
        let stopped = self.statistics.stopped.load(Ordering::Acquire);
        if stopped { Standing { role: Role::Waiting, ..standing } } else { standing }
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
        #[cfg(feature = "postgres")]
        {
            self.steward = None;
        }
        self.desk.shut();
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
