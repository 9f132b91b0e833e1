//! First answers, kept so that a repeat gets the same one.

use xxhash_rust::xxh3::Xxh3;

use crate::command::CommandKey;
use crate::types::AccountNumber;

/// Returns the fingerprint of a command's key, never 0.
///
/// Kinds: 1 client order ID, 2 idempotency key, 3 item of a batch (request ID and `index`).
/// `index` is 0 for the kinds that have none.
#[must_use]
pub fn command_key(account: AccountNumber, kind: u8, bytes: &[u8], index: u32) -> CommandKey {
    let mut hash = Xxh3::new();
    hash.update(&account.0.to_le_bytes());
    hash.update(&[kind]);
    hash.update(&index.to_le_bytes());
    hash.update(bytes);
    CommandKey(hash.digest128().max(1))
}
