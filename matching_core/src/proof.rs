//! What lets anybody check the exchange: the public form of the journal, and its hashes.
//!
//! A record of the public journal is `sequence u64 · time ns u64 · record`, little-endian, where the
//! record is the journal's with the fields that a person chose replaced by salted hashes: they
//! decide nothing, so a replay of the public records makes the same fills. Its leaf is SHA-256 over
//! a zero byte and the record; the chain is SHA-256 over the chain before and the leaf; the root of
//! a day is that of the tree of RFC 6962 over its leaves.

pub mod day;
pub mod tree;
pub mod verify;
pub mod walk;

use sha2::{Digest, Sha256};

use crate::command::{ClientOrderId, Command, CommandKey};
use crate::engine::Engine;
use crate::types::{AccountNumber, OrderStatus, Side};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The chain before the first record.
pub const CHAIN_START: Hash = [0; 32];

const LEAF: u8 = 0;
const NODE: u8 = 1;
/// Bits of a key that name its account, and stay.
const KEY_ACCOUNT_BITS: u32 = 32;

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Returns the leaf of a record.
#[must_use]
pub fn leaf(sequence: u64, time_ns: u64, record: &[u8]) -> Hash {
    sha256(&[&[LEAF], &sequence.to_le_bytes(), &time_ns.to_le_bytes(), record])
}

/// Returns the chain after a leaf.
#[must_use]
pub fn link(before: &Hash, leaf: &Hash) -> Hash {
    sha256(&[before, leaf])
}

/// Returns the node over two nodes.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[NODE], left, right])
}

/// Covers what persons chose.
#[derive(Clone)]
pub struct Pseudonyms {
    secret: [u8; 32],
}

impl core::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// Returns what covers with a secret of the installation.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// Returns the salt of an account: with it, its owner shows what a hash stands for.
    #[must_use]
    pub fn salt(&self, account: AccountNumber) -> Hash {
        *blake3::keyed_hash(&self.secret, &account.0.to_le_bytes()).as_bytes()
    }

    /// Replaces client order ID, keys and public IDs of accounts by salted hashes.
    pub fn cover(&self, command: &mut Command) {
        match command {
            Command::NewOrder(order) => {
                let salt = self.salt(order.account);
                order.client_order_id = covered_id(&salt, &order.client_order_id);
                order.key = covered_key(&salt, order.key);
            }
            Command::CancelOrder { account, key, .. } => {
                let salt = self.salt(account.unwrap_or(AccountNumber(u32::MAX)));
                *key = covered_key(&salt, *key);
            }
            Command::AmendOrder { account, key, .. } | Command::Transfer { account, key, .. } => {
                *key = covered_key(&self.salt(*account), *key);
            }
            Command::BlockTrade(block) => {
                block.key = covered_key(&self.salt(block.buyer), block.key);
            }
            Command::OpenAccount { id, .. } => {
                let salt = blake3::keyed_hash(&self.secret, id);
                let hash = sha256(&[salt.as_bytes(), id]);
                *id = *hash.first_chunk().unwrap_or(&[0; 16]);
            }
            _ => {}
        }
    }
}

/// Returns the first 16 bytes of SHA-256 over salt and ID, as hexadecimal digits.
#[must_use]
pub fn covered_id(salt: &Hash, id: &ClientOrderId) -> ClientOrderId {
    if id.is_none() {
        return ClientOrderId::NONE;
    }
    let hash = sha256(&[salt, id.as_bytes()]);
    let digits = hash.iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = [0; 32];
    for (place, digit) in text.iter_mut().zip(digits) {
        *place = *b"0123456789abcdef".get(usize::from(digit)).unwrap_or(&b'0');
    }
    ClientOrderId::new(&text).unwrap_or(ClientOrderId::NONE)
}

fn covered_key(salt: &Hash, key: CommandKey) -> CommandKey {
    if key.0 == 0 {
        return key;
    }
    let hash = sha256(&[salt, &key.0.to_le_bytes()]);
    let high = u128::from_le_bytes(*hash.first_chunk().unwrap_or(&[0; 16])) >> KEY_ACCOUNT_BITS;
    let account = key.0 & u128::from(u32::MAX);
    CommandKey(high.max(1) << KEY_ACCOUNT_BITS | account)
}

/// Returns one number for books, open orders, balances and positions, in the engine's order; no
/// covered field is in it, so the exchange and a replay of the public journal agree on it.
#[must_use]
pub fn end_hash(engine: &Engine) -> Hash {
    let mut hasher = Sha256::new();
    let mut put = |numbers: &[i64]| {
        for number in numbers {
            hasher.update(number.to_le_bytes());
        }
    };
    let whole = |number: u64| i64::from_le_bytes(number.to_le_bytes());
    for spec in engine.instruments() {
        put(&[1, spec.number.0.into(), spec.phase.number().into()]);
        for order in engine.book_orders(spec.number) {
            put(&[2, whole(order.order_id.0), order.price.0, order.remaining.0.into()]);
        }
    }
    for account in engine.accounts() {
        put(&[3, account.number.0.into(), account.switches.into()]);
        for order in engine.open_orders(account.number) {
            let side = i64::from(order.side == Side::Buy);
            let active = i64::from(order.status == OrderStatus::New);
            put(&[4, whole(order.order_id.0), side, active]);
            put(&[order.price.0, order.stop_price.0, order.quantity.0.into()]);
            put(&[order.filled.0.into(), order.remaining.0.into(), order.fees_minor]);
        }
        for (asset, total, held) in engine.balances(account.number) {
            put(&[5, asset.0.into(), total, held]);
        }
        for position in engine.positions(account.number) {
            put(&[6, position.instrument.0.into(), position.bought_lots, position.sold_lots]);
            put(&[position.deposit_minor, position.open_ticks, position.realised_ticks]);
        }
    }
    hasher.finalize().into()
}
