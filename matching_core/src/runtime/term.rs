//! The two threads of whoever leads: match and journal, from a state to the end of requests.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use super::completions::Completions;
use super::matcher::Matcher;
use super::replica::News;
use super::writer::Writer;
use super::{Job, Statistics};
use crate::engine::Engine;
use crate::journal::{Journal, JournalError};
use crate::wire::Denial;

/// What a term starts from.
pub(crate) struct Opening<T> {
    /// The state after everything that is durable.
    pub(crate) engine: Engine,
    /// Continues it.
    pub(crate) journal: Box<dyn Journal>,
    /// Epoch written into each group.
    pub(crate) epoch: u64,
    /// Requests that may wait.
    pub(crate) queue_requests_max: usize,
    pub(crate) completions: Arc<Completions<T>>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) durable: Sender<News>,
    pub(crate) not_taken: Denial,
}

/// Takes requests, and the threads that end when it and its clones are gone.
type Term<T> = (Sender<Job<T>>, [JoinHandle<()>; 2]);

/// Starts to take requests.
///
/// # Errors
/// When the state is not one to lead from, or the system refuses a thread.
pub(crate) fn begin<T: Send + 'static>(
    opening: Opening<T>,
    directory: &Path,
) -> Result<Term<T>, JournalError> {
    let Opening { mut engine, journal, epoch, completions, statistics, durable, not_taken, .. } =
        opening;
    engine.lead().map_err(|what| JournalError::Corrupt {
        path: directory.to_owned(),
        offset: 0,
        what,
    })?;
    let (jobs, requests) = bounded(opening.queue_requests_max.max(1));
    let (groups, work) = bounded(0);
    let writer = Writer { journal, completions, statistics, durable, not_taken };
    let matcher = Matcher::new(engine, epoch, requests, groups);
    let failed = || JournalError::io("start a thread for", directory);
    let journal = spawn("fg-journal", move || writer.run(&work)).map_err(failed())?;
    let matching = spawn("fg-match", move || matcher.run()).map_err(failed())?;
    Ok((jobs, [matching, journal]))
}

pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}
