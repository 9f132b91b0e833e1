//! The commands of a group, from the journal to an engine.

use crate::codec::{RecordError, Records};
use crate::command::Command;
use crate::engine::{Engine, key_of};
use crate::event::Sink;
use crate::types::{Sequence, TimestampNs};

/// Commands read together, so that the places of their keys are fetched together.
pub(crate) const TOGETHER: usize = 32;

/// Reads commands and applies them.
pub(crate) struct Applier {
    commands: Vec<Command>,
}

impl Applier {
    pub(crate) fn new() -> Self {
        Self { commands: vec![Command::AdvanceTime; TOGETHER] }
    }

    /// Applies the next commands, at most [`TOGETHER`]; false when there are none.
    ///
    /// # Errors
    /// When a record is not one that this version writes.
    pub(crate) fn step<S: Sink>(
        &mut self,
        engine: &mut Engine,
        time_ns: u64,
        records: &mut Records<'_>,
        sink: &mut S,
    ) -> Result<bool, RecordError> {
        let mut count = 0_usize;
        for command in &mut self.commands {
            if !records.read(command)? {
                break;
            }
            count = count.saturating_add(1);
        }
        let commands = self.commands.get(..count).unwrap_or_default();
        engine.prepare(commands.iter().map(key_of));
        for command in commands {
            let sequence = Sequence(engine.last_sequence().0.saturating_add(1));
            engine.apply(sequence, TimestampNs(time_ns), command, sink);
        }
        Ok(count > 0)
    }
}
