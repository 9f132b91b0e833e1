//! The matching core of Farmgate.
//!
//! A deterministic state machine: commands go in, outcomes and events come out, and the state is a
//! function of the commands alone. Invariants that every module keeps:
//!
//! * No clock, randomness, float, hash order or thread order decides anything. Time arrives with
//!   the command.
//! * Money is conserved: for each asset the totals of all accounts, the exchange's own included,
//!   add up to what came in from outside.
//! * No account of a user is ever short: `total >= held >= 0`.
//! * Best bid < best ask in every book at rest, outside auctions.
//! * At one price the order with the earlier sequence trades first.
//! * Nothing leaves the process before the group it belongs to is durable.

pub mod bare;
mod bitmap;
mod book;
pub mod codec;
pub mod command;
pub mod engine;
pub mod error;
pub mod event;
pub mod event_hash;
pub mod feeds;
pub mod follow;
pub mod idempotency;
pub mod instrument;
pub mod journal;
mod ladder;
mod ledger;
mod places;
pub mod proof;
#[cfg(feature = "python")]
pub mod python;
pub mod reference;
pub mod risk;
pub mod runtime;
#[cfg(feature = "postgres")]
pub mod shared;
pub mod simulation;
mod slab;
pub mod snapshot;
mod stops;
pub mod trade_change;
pub mod types;
pub mod watch;
pub mod wire;
pub mod workload;
