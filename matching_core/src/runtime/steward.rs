//! Who leads: follows the database while another process does, and leads while it has the lease.
//!
//! A term starts with the lease, with every row read and applied, and from the replica's state. It
//! ends when the lease is lost or given back, or when a group was not made durable; what the
//! match thread decided beyond the last durable group is then forgotten with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::completions::Completions;
use super::desk::{Desk, Role, Standing, not_leader};
use super::replica::{News, Replica};
use super::term::{self, Opening};
use super::{Options, Statistics};
use crate::journal::JournalError;
use crate::shared::SharedOptions;
use crate::shared::journal::{JournalCopy, SharedJournal};
use crate::shared::session::Session;

/// How often a follower looks for new groups.
const LOOK: Duration = Duration::from_millis(10);
/// How often a follower looks whether the lease is free.
const LOOK_AT_LEASE: Duration = Duration::from_millis(100);
/// How often a leader looks whether its journal failed.
const LOOK_AT_JOURNAL: Duration = Duration::from_millis(20);
/// How often the lease is renewed before its time runs out.
const BEATS_PER_LEASE: u32 = 4;
/// Pause after the database failed.
const RETRY: Duration = Duration::from_millis(200);

/// What the process asks of its steward. A closed channel asks it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Give the lease back and do not take it again: this process is about to stop.
    HandOver,
}

/// Why a term or a time of following ended.
enum End {
    Closed,
    HandedOver,
    Failed(JournalError),
}

impl From<JournalError> for End {
    fn from(error: JournalError) -> Self {
        Self::Failed(error)
    }
}

pub(crate) struct Steward<T> {
    pub(crate) shared: SharedOptions,
    pub(crate) directory: PathBuf,
    pub(crate) queue_requests_max: usize,
    pub(crate) copy: JournalCopy,
    pub(crate) desk: Arc<Desk<T>>,
    pub(crate) replica: Arc<Replica<T>>,
    pub(crate) completions: Arc<Completions<T>>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) news: Sender<News>,
    pub(crate) wishes: Receiver<Wish>,
    is_candidate: bool,
    complained: bool,
}

impl<T: Send + 'static> Steward<T> {
    pub(crate) fn new(
        shared: &SharedOptions,
        options: &Options,
        copy: JournalCopy,
        desk: Arc<Desk<T>>,
        replica: (Arc<Replica<T>>, Sender<News>),
        (completions, statistics): (Arc<Completions<T>>, Arc<Statistics>),
        wishes: Receiver<Wish>,
    ) -> Self {
        Self {
            shared: shared.clone(),
            directory: options.directory.clone(),
            queue_requests_max: options.queue_requests_max,
            copy,
            desk,
            replica: replica.0,
            completions,
            statistics,
            news: replica.1,
            wishes,
            is_candidate: true,
            complained: false,
        }
    }

    /// Follows and leads until the process stops.
    pub(crate) fn run(mut self) {
        loop {
            let end = match self.follow() {
                Ok((session, epoch)) => self.lead(session, epoch),
                Err(end) => end,
            };
            self.desk.close(Role::Waiting, "");
            match end {
                End::Closed => return,
                End::HandedOver => {}
                End::Failed(error) => self.fail(&error),
            }
            if self.pause(RETRY) {
                return;
            }
        }
    }

    /// Ends the process when it can't go on: its copy is not written, or is of another journal.
    fn fail(&mut self, error: &JournalError) {
        let passes = matches!(error, JournalError::Database { .. } | JournalError::Deposed);
        if !passes || self.copy.has_failed() {
            eprintln!("farmgate: this server leaves: {error}");
            std::process::abort();
        }
        // Once, however long it lasts.
        if !core::mem::replace(&mut self.complained, true) {
            eprintln!("farmgate: {error}");
        }
    }

    /// Waits; tells whether the process stops.
    fn pause(&mut self, time: Duration) -> bool {
        match self.wishes.recv_timeout(time) {
            Ok(Wish::HandOver) => {
                self.is_candidate = false;
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }

    /// Adds what the database has to the copy and tells the replica; returns how many groups.
    fn advance(&self, session: &Session) -> Result<usize, JournalError> {
        self.copy.advance(session, |frame, before, after| {
            self.statistics.durable_next.store(after.next_sequence, Ordering::Release);
            let payload = frame.payload.to_vec();
            // A replica that is behind reads the files instead.
            let _ = self.news.try_send(News { header: frame.header, payload, before, after });
        })
    }

    /// Follows until this process gets the lease and has every row.
    fn follow(&mut self) -> Result<(Session, u64), End> {
        let session = Session::connect(&self.shared)?;
        self.copy.check(&session)?;
        let mut look_at_lease = Instant::now();
        loop {
            if self.advance(&session)? > 0 {
                continue;
            }
            if Instant::now() >= look_at_lease {
                self.complained = false;
                let taken = if self.is_candidate { session.take()? } else { None };
                if let Some(epoch) = taken {
                    // Nothing of an older epoch is committed any more.
                    while self.advance(&session)? > 0 {}
                    self.copy.check(&session)?;
                    return Ok((session, epoch));
                }
                let lease = session.lease()?.filter(|lease| !lease.is_over);
                self.desk.close(Role::Following, &lease.map_or_else(String::new, |l| l.address));
                look_at_lease = later(LOOK_AT_LEASE);
            }
            if self.pause(LOOK) {
                return Err(End::Closed);
            }
        }
    }

    /// Leads until the lease or the journal is lost, or the process stops.
    fn lead(&mut self, session: Session, epoch: u64) -> End {
        let beats = match Session::connect(&self.shared).and_then(Session::forgetful) {
            Ok(beats) => beats,
            Err(error) => return End::Failed(error),
        };
        let threads = match self.begin(session, epoch) {
            Ok(threads) => threads,
            Err(error) => return End::Failed(error),
        };
        eprintln!("farmgate: this server leads, epoch {epoch}");
        let end = self.hold(beats, epoch);
        self.desk.close(Role::Waiting, "");
        for thread in threads {
            // A thread that panicked has said so; there is nothing left to save.
            let _ = thread.join();
        }
        // Requests are now refused by the desk.
        self.statistics.stopped.store(false, Ordering::Release);
        if matches!(end, End::Closed | End::HandedOver) {
            // After the last group: whoever waits for the lease need not wait for its time.
            let released = Session::connect(&self.shared).and_then(|new| new.release(epoch));
            if let Err(error) = released {
                eprintln!("farmgate: the lease was not given back: {error}");
            }
        }
        end
    }

    fn begin(&self, session: Session, epoch: u64) -> Result<[JoinHandle<()>; 2], JournalError> {
        let last = self.copy.position().next_sequence.saturating_sub(1);
        while self.replica.applied() < last {
            std::thread::sleep(Duration::from_millis(1));
        }
        let opening = Opening {
            engine: self.replica.read().engine.clone(),
            journal: Box::new(SharedJournal::new(session, self.copy.clone())),
            epoch,
            queue_requests_max: self.queue_requests_max,
            completions: Arc::clone(&self.completions),
            statistics: Arc::clone(&self.statistics),
            durable: self.news.clone(),
            not_taken: not_leader(""),
        };
        let (jobs, threads) = term::begin(opening, &self.directory)?;
        let leader = self.shared.address.clone();
        self.desk.open(jobs, Standing { role: Role::Leading, epoch, leader });
        Ok(threads)
    }

    /// Renews the lease for as long as that goes well.
    fn hold(&mut self, mut beats: Session, epoch: u64) -> End {
        let lease = Duration::from_millis(self.shared.lease_ms.into());
        let interval = Duration::from_millis((self.shared.lease_ms / BEATS_PER_LEASE).into());
        let (mut lost_at, mut next) = (later(lease), later(interval));
        loop {
            if self.pause(LOOK_AT_JOURNAL) {
                return End::Closed;
            }
            if !self.is_candidate {
                return End::HandedOver;
            }
            if self.statistics.stopped.load(Ordering::Acquire) {
                return End::Failed(JournalError::Deposed);
            }
            if Instant::now() < next {
                continue;
            }
            // Counted from before the question: the database's clock starts later.
            let asked = Instant::now();
            let renewed = beats.renew(epoch).or_else(|error| {
                if self.statistics.stopped.load(Ordering::Acquire) {
                    return Err(error);
                }
                beats = Session::connect(&self.shared).and_then(Session::forgetful)?;
                beats.renew(epoch)
            });
            match renewed {
                Ok(true) => lost_at = asked.checked_add(lease).unwrap_or(asked),
                Ok(false) => return End::Failed(JournalError::Deposed),
                Err(error) if Instant::now() >= lost_at => return End::Failed(error),
                Err(_) => {}
            }
            next = later(interval);
        }
    }
}

fn later(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}
