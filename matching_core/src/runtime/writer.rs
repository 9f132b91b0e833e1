//! The journal thread: makes groups durable in order and lets their answers go.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::completions::Completions;
use super::matcher::Group;
use super::replica::News;
use super::{Completion, Statistics};
use crate::error::Reason;
use crate::journal::reader::DurableMark;
use crate::journal::{FileJournal, Journal, JournalError};
use crate::wire::Denial;

pub(crate) struct Writer<T> {
    journal: FileJournal,
    mark: DurableMark,
    completions: Arc<Completions<T>>,
    statistics: Arc<Statistics>,
    durable: Sender<News>,
}

impl<T> Writer<T> {
    pub(crate) fn new(
        journal: FileJournal,
        directory: &Path,
        completions: Arc<Completions<T>>,
        statistics: Arc<Statistics>,
        durable: Sender<News>,
    ) -> Result<Self, JournalError> {
        let mark = DurableMark::create(directory)?;
        mark.publish(journal.position().next_sequence)
            .map_err(JournalError::io("publish the end of", directory))?;
        Ok(Self { journal, mark, completions, statistics, durable })
    }

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
            self.mark
                .publish(after.next_sequence)
                .map_err(JournalError::io("publish", "durable"))?;
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

    /// Tells every caller that the outcome is not known, now and from now on.
    fn stop(&self, error: &JournalError, group: Group<T>) {
        if !self.statistics.stopped.swap(true, Ordering::AcqRel) {
            eprintln!("farmgate: the journal stopped: {error}");
        }
        let stopped = |completion: Completion<T>| Completion {
            reply: Err(Denial::plain(Reason::EngineStopped)),
            ..completion
        };
        let mut completions: Vec<_> = group.completions.into_iter().map(stopped).collect();
        self.completions.push(&mut completions);
    }
}
