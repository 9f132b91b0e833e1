//! Answers on their way out of the core: a list and an eventfd that wakes whoever drains it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};

use super::Completion;

#[derive(Debug)]
struct Waiting<T> {
    completions: Vec<Completion<T>>,
    feeds_moved: bool,
}

#[derive(Debug)]
pub(crate) struct Completions<T> {
    waiting: Mutex<Waiting<T>>,
    event: OwnedFd,
}

impl<T> Completions<T> {
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let waiting = Waiting { completions: Vec::new(), feeds_moved: false };
        Ok(Self { waiting: Mutex::new(waiting), event })
    }

    pub(crate) fn event_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // A list of answers is whole at every step.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, completions: &mut Vec<Completion<T>>) {
        if completions.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        let was_idle = waiting.completions.is_empty() && !waiting.feeds_moved;
        waiting.completions.append(completions);
        drop(waiting);
        if was_idle {
            self.wake();
        }
    }

    pub(crate) fn announce_feeds(&self) {
        let mut waiting = self.lock();
        let was_idle = waiting.completions.is_empty() && !waiting.feeds_moved;
        waiting.feeds_moved = true;
        drop(waiting);
        if was_idle {
            self.wake();
        }
    }

    fn wake(&self) {
        // Only a full counter fails, and then the reader is awake.
        let _ = write(&self.event, &1_u64.to_ne_bytes());
    }

    pub(crate) fn drain(&self, into: &mut Vec<Completion<T>>) -> bool {
        // The counter first: what is pushed after it wakes again.
        let _ = read(&self.event, &mut [0; 8]);
        let mut waiting = self.lock();
        into.append(&mut waiting.completions);
        core::mem::take(&mut waiting.feeds_moved)
    }
}
