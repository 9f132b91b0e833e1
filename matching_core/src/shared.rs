//! The journal in a database that several servers share: one leads, the others follow.
//!
//! ```text
//! leader:   group -> row, if the lease is still its own -> commit -> copy on its disk -> answers
//! follower: rows  -> copy on its disk -> replica
//! ```
//!
//! Invariants:
//!
//! * A row is committed in a transaction that holds the lease's row at the leader's epoch. Whoever
//!   takes the lease raises the epoch, so nothing of an older leader is committed after that.
//! * The copy is a file journal with the same groups and the same chain. It is never ahead of the
//!   rows, is not synced, and can be made anew from them at any time.
//! * Each statement has a deadline. What a statement that missed it did is not known, so the
//!   connection is given up and the rows are read.

pub mod journal;
pub mod mirror;
pub mod session;

use crate::journal::JournalError;

/// Which rows, and who asks for the lease.
#[derive(Clone, Debug)]
pub struct SharedOptions {
    /// Address of the database, `postgresql://user:password@host:port/name`.
    pub url: String,
    /// Number of the shard.
    pub shard: i32,
    /// Name of this process that no other has, nor one before it.
    pub holder: String,
    /// Where callers reach this process; told to those who asked another one.
    pub address: String,
    /// How long the lease lasts without being renewed, in milliseconds.
    pub lease_ms: u32,
}

impl JournalError {
    pub(crate) fn database(action: &'static str, what: impl core::fmt::Display) -> Self {
        Self::Database { action, what: what.to_string() }
    }
}
