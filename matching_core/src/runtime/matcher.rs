//! The match thread: decides requests one after the other and gathers them into groups.
//!
//! A group is handed over the moment the journal is free, so everything that arrives during a sync
//! makes the next group. After a busy group the thread waits a little for company: one sync then
//! carries more answers, and an idle engine still answers at once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select};

use super::execute::{Journalled, execute};
use super::{Completion, Job};
use crate::command::Command;
use crate::engine::Engine;
use crate::journal::GroupHeader;
use crate::types::TimestampNs;

/// Payload after which a group is handed over even if more waits.
const GROUP_BYTES_MAX: usize = 2 << 20;
/// How often an idle engine looks whether orders expired.
const IDLE: Duration = Duration::from_millis(200);
/// Requests of a group after which the next one waits for company.
const BUSY_REQUESTS: usize = 8;
/// Longest such wait.
const LINGER: Duration = Duration::from_micros(300);

/// Commands that become durable together, and the answers that wait for it.
pub(crate) struct Group<T> {
    pub(crate) header: GroupHeader,
    pub(crate) payload: Vec<u8>,
    pub(crate) completions: Vec<Completion<T>>,
}

pub(crate) struct Matcher<T> {
    engine: Engine,
    epoch: u64,
    requests: Receiver<Job<T>>,
    groups: Sender<Group<T>>,
    last_requests: usize,
}

impl<T> Matcher<T> {
    pub(crate) fn new(
        engine: Engine,
        epoch: u64,
        requests: Receiver<Job<T>>,
        groups: Sender<Group<T>>,
    ) -> Self {
        Self { engine, epoch, requests, groups, last_requests: 0 }
    }

    /// Works until no more requests can come and the last group is handed over.
    pub(crate) fn run(mut self) {
        loop {
            match self.requests.recv_timeout(IDLE) {
                Ok(job) => {
                    let mut group = self.start_group();
                    self.decide(job, &mut group);
                    if !self.gather(group) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.expire() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Starts a group; orders whose time has run out end before anything else in it.
    fn start_group(&mut self) -> Group<T> {
        let header = GroupHeader {
            first_sequence: self.engine.last_sequence().0.saturating_add(1),
            count: 0,
            time_ns: now_ns(),
            epoch: self.epoch,
        };
        let mut group = Group { header, payload: Vec::new(), completions: Vec::new() };
        if self.engine.has_expiry_due(TimestampNs(header.time_ns)) {
            self.journalled(&mut group).apply(&Command::AdvanceTime);
        }
        group
    }

    fn journalled<'a>(&'a mut self, group: &'a mut Group<T>) -> Journalled<'a> {
        Journalled {
            engine: &mut self.engine,
            payload: &mut group.payload,
            count: &mut group.header.count,
            time: TimestampNs(group.header.time_ns),
        }
    }

    fn decide(&mut self, job: Job<T>, group: &mut Group<T>) {
        let reply = execute(&mut self.journalled(group), job.request);
        group.completions.push(Completion { ticket: job.ticket, reply });
    }

    /// Fills the group until the journal takes it; false when the journal is gone.
    fn gather(&mut self, mut group: Group<T>) -> bool {
        if self.last_requests >= BUSY_REQUESTS {
            let until = Instant::now().checked_add(LINGER);
            while group.completions.len() < self.last_requests
                && group.payload.len() < GROUP_BYTES_MAX
            {
                let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
                let Ok(job) = self.requests.recv_timeout(wait.unwrap_or_default()) else { break };
                self.decide(job, &mut group);
            }
        }
        while group.payload.len() < GROUP_BYTES_MAX {
            if let Ok(job) = self.requests.try_recv() {
                self.decide(job, &mut group);
                continue;
            }
            select! {
                recv(self.requests) -> job => match job {
                    Ok(job) => self.decide(job, &mut group),
                    Err(_) => break,
                },
                send(self.groups, { self.last_requests = group.completions.len(); group }) -> sent => {
                    return sent.is_ok();
                },
            }
        }
        self.last_requests = group.completions.len();
        self.groups.send(group).is_ok()
    }

    /// Lets time pass when an order's time has run out; false when the journal is gone.
    fn expire(&mut self) -> bool {
        let group = self.start_group();
        group.header.count == 0 || self.groups.send(group).is_ok()
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
