//! The journal thread: makes groups durable in order and lets their answers go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::completions::Completions;
use super::matcher::Group;
use super::replica::News;
use super::{Completion, Statistics};
use crate::error::Reason;
use crate::journal::{Journal, JournalError};
use crate::wire::Denial;

pub(crate) struct Writer<T> {
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) completions: Arc<Completions<T>>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) durable: Sender<News>,
    /// What callers are told of requests that the journal was not asked to take any more.
    pub(crate) not_taken: Denial,
}

impl<T> Writer<T> {
    pub(crate) fn run(mut self, groups: &Receiver<Group<T>>) {
        for mut group in groups {
            if let Err(error) = self.write(&mut group) {
                self.stop(&error, group);
            }
        }
    }

    fn write(&mut self, group: &mut Group<T>) -> Result<(), JournalError> {
        if self.statistics.stopped.load(Ordering::Acquire) {
            return Err(JournalError::Stopped);
        }
        if group.header.count > 0 {
            let started = Instant::now();
            let before = self.journal.position();
            let after = self.journal.append(&group.header, &group.payload)?;
            let statistics = &self.statistics;
            let spent = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            statistics.sync_ns.fetch_add(spent, Ordering::Relaxed);
            statistics.groups.fetch_add(1, Ordering::Relaxed);
            statistics.commands.fetch_add(group.header.count.into(), Ordering::Relaxed);
            statistics.durable_next.store(after.next_sequence, Ordering::Release);
            let payload = core::mem::take(&mut group.payload);
            // A replica that is behind reads the files instead.
            let _ = self.durable.try_send(News { header: group.header, payload, before, after });
        }
        self.completions.push(&mut group.completions);
        Ok(())
    }

    /// Tells every caller of a group that was not made durable, now and from now on.
    fn stop(&self, error: &JournalError, group: Group<T>) {
        if !self.statistics.stopped.swap(true, Ordering::AcqRel) {
            eprintln!("farmgate: the journal stopped: {error}");
        }
        let denial = match error {
            JournalError::Stopped | JournalError::Deposed => self.not_taken.clone(),
            // Perhaps it was written all the same.
            _ => Denial::plain(Reason::EngineStopped),
        };
        let stopped =
            |completion: Completion<T>| Completion { reply: Err(denial.clone()), ..completion };
        let mut completions: Vec<_> = group.completions.into_iter().map(stopped).collect();
        self.completions.push(&mut completions);
    }
}
