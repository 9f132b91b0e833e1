//! A copy of the journal for processes that only follow: streams and history.
//!
//! Several of them may use one folder. Whoever has its lock writes the copy; the others read it,
//! and one of them goes on when that one ends.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::SharedOptions;
use super::journal::JournalCopy;
use super::session::Session;
use crate::journal::JournalError;
use crate::journal::file::DirectoryLock;
use crate::journal::recovery::{self, GENESIS};
use crate::runtime::store;

/// How often the database is asked for new groups.
const LOOK: Duration = Duration::from_millis(10);
/// Pause after the database failed, or while another process has the folder.
const RETRY: Duration = Duration::from_millis(200);

/// Keeps a folder up to date until it is dropped.
#[derive(Debug)]
pub struct Mirror {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// Starts to copy into a folder.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(directory: &Path, shared: SharedOptions) -> Result<Self, JournalError> {
        let (stop, stopped) = bounded(0);
        let folder = directory.to_owned();
        let thread = std::thread::Builder::new()
            .name("fg-mirror".to_owned())
            .spawn(move || Copying { directory: folder, shared, stopped }.run())
            .map_err(JournalError::io("start a thread for", directory))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

struct Copying {
    directory: PathBuf,
    shared: SharedOptions,
    stopped: Receiver<()>,
}

impl Copying {
    fn run(self) {
        let copy = loop {
            match self.open() {
                Ok(copy) => break copy,
                Err(JournalError::Locked(_)) if !self.pause(RETRY) => {}
                Err(JournalError::Locked(_)) => return,
                Err(error) => leave(&error),
            }
        };
        let mut complained = false;
        loop {
            let Err(error) = self.follow(&copy, &mut complained) else { return };
            if !matches!(error, JournalError::Database { .. }) {
                leave(&error);
            }
            if !core::mem::replace(&mut complained, true) {
                eprintln!("farmgate: {error}");
            }
            if self.pause(RETRY) {
                return;
            }
        }
    }

    fn open(&self) -> Result<JournalCopy, JournalError> {
        let lock = DirectoryLock::take(&self.directory)?;
        let replay = || recovery::replay(&self.directory, GENESIS, |_, _| Ok(()));
        let tail = match replay() {
            Err(damage @ JournalError::Corrupt { .. }) => {
                store::discard_copy(&self.directory, &damage)?;
                replay()
            }
            other => other,
        }?;
        recovery::cut(&self.directory, &tail)?;
        JournalCopy::open(lock, &self.directory, tail.position)
    }

    /// Copies until told to stop.
    fn follow(&self, copy: &JournalCopy, complained: &mut bool) -> Result<(), JournalError> {
        let session = Session::connect(&self.shared)?;
        copy.check(&session)?;
        *complained = false;
        loop {
            if copy.advance(&session, |_, _, _| {})? == 0 && self.pause(LOOK) {
                return Ok(());
            }
        }
    }

    /// Waits; tells whether to stop.
    fn pause(&self, time: Duration) -> bool {
        matches!(self.stopped.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }
}

/// Ends the process: whoever starts it again begins with a copy that can be written.
fn leave(error: &JournalError) -> ! {
    eprintln!("farmgate: the copy of the journal can't go on: {error}");
    std::process::abort();
}
