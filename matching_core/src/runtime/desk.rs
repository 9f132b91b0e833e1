//! Where requests are handed in, while somebody takes them.

use std::sync::{PoisonError, RwLock};

use crossbeam_channel::{Sender, TrySendError};

use super::Job;
use crate::error::Reason;
use crate::wire::Denial;

/// What this process is to the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// It has the lease and takes requests.
    Leading = 1,
    /// Another one has the lease; this one has what that one made durable.
    Following = 2,
    /// It does not know: it starts, or the database does not answer.
    Waiting = 3,
}

/// What this process is, and who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its part.
    pub role: Role,
    /// Epoch of its lease, or of its last one; 0 before any.
    pub epoch: u64,
    /// Where callers reach the leader; empty when that is not known.
    pub leader: String,
}

#[derive(Debug)]
struct Counter<T> {
    jobs: Option<Sender<Job<T>>>,
    standing: Standing,
}

#[derive(Debug)]
pub(crate) struct Desk<T>(RwLock<Counter<T>>);

impl<T> Desk<T> {
    pub(crate) fn new() -> Self {
        let standing = Standing { role: Role::Waiting, epoch: 0, leader: String::new() };
        Self(RwLock::new(Counter { jobs: None, standing }))
    }

    pub(crate) fn standing(&self) -> Standing {
        self.0.read().unwrap_or_else(PoisonError::into_inner).standing.clone()
    }

    /// Takes requests from now on.
    pub(crate) fn open(&self, jobs: Sender<Job<T>>, standing: Standing) {
        let mut counter = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *counter = Counter { jobs: Some(jobs), standing };
    }

    /// Takes no requests from now on; those that were taken are answered.
    #[cfg(feature = "postgres")]
    pub(crate) fn close(&self, role: Role, leader: &str) {
        let mut counter = self.0.write().unwrap_or_else(PoisonError::into_inner);
        counter.jobs = None;
        counter.standing.role = role;
        leader.clone_into(&mut counter.standing.leader);
    }

    /// Takes no requests any more: the process stops.
    pub(crate) fn shut(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).jobs = None;
    }

    /// Hands a request in.
    pub(crate) fn submit(&self, job: Job<T>) -> Result<(), (Denial, T)> {
        let counter = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(jobs) = &counter.jobs else {
            return Err((not_leader(&counter.standing.leader), job.ticket));
        };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) => (Denial::plain(Reason::EngineOverloaded), job.ticket),
            TrySendError::Disconnected(job) => (Denial::plain(Reason::EngineStopped), job.ticket),
        })
    }
}

/// Returns the refusal of a server that does not lead.
pub(crate) fn not_leader(leader: &str) -> Denial {
    let leader = if leader.is_empty() { "unknown" } else { leader };
    Denial::with(Reason::NotLeader, "leader", leader)
}
