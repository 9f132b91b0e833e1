//! The API's order messages as bytes.
//!
//! Orders cross from the network into the core undecoded and answers go back encoded. The walk over
//! the bytes is written by hand, and strict: what a generated parser would refuse is refused whole,
//! before anything is journalled. `tests/wire.rs` holds it against a generated one.

pub mod decimal;
pub mod describe;
pub mod put;
pub mod replies;
pub mod requests;
pub mod scan;

use crate::error::Reason;

/// A refusal in the words of the API: the reason and what its message mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// What the message mentions, as text.
    pub metadata: Vec<(&'static str, String)>,
}

impl Denial {
    /// Returns a refusal whose message mentions nothing.
    #[must_use]
    pub const fn plain(reason: Reason) -> Self {
        Self { reason, metadata: Vec::new() }
    }

    /// Returns a refusal whose message mentions one thing.
    #[must_use]
    pub fn with(reason: Reason, name: &'static str, value: impl core::fmt::Display) -> Self {
        Self { reason, metadata: vec![(name, value.to_string())] }
    }

    /// Adds what else the message mentions.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: impl core::fmt::Display) -> Self {
        self.metadata.push((name, value.to_string()));
        self
    }
}
