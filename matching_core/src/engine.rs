//! The engine: many books and the accounts that trade in them, as one deterministic state.

use std::io;

use crate::command::Command;
use crate::error::{Reason, Refusal};
use crate::event::{OrderState, Outcome, Sink};
use crate::instrument::InstrumentSpec;
use crate::snapshot::SnapshotError;
use crate::types::{
    AccountNumber, AssetNumber, InstrumentNumber, OrderId, OrderStatus, OwnerNumber, PriceTicks,
    QuantityLots, SelfTradePrevention, Sequence, Side, TimestampNs,
};

pub use crate::idempotency::command_key;

/// What bounds the memory of an engine. Engines that are to agree need the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Most first answers kept; the oldest closed ones go first.
    pub idempotency_records_max: usize,
    /// How long a first answer is kept after its order closed, in command time.
    pub idempotency_retention_ns: u64,
    /// Most orders that rest at a time over all books.
    pub open_orders_max: u32,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            idempotency_records_max: 16_000_000,
            idempotency_retention_ns: 24 * 3_600 * 1_000_000_000,
            open_orders_max: crate::types::NO_SLOT,
        }
    }
}

/// What [`Engine::admit`] decides about a command before it is journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// To be journalled, then applied.
    Apply,
    /// It came before: this was the answer.
    Repeat(Outcome),
    /// It breaks a rule that no state of the market can mend, or there is nothing to do.
    Refused(Refusal),
}

/// A trading account as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Number.
    pub number: AccountNumber,
    /// Public ID.
    pub id: [u8; 16],
    /// Beneficial owner.
    pub owner: OwnerNumber,
    /// Self-trade prevention of its orders.
    pub self_trade_prevention: SelfTradePrevention,
    /// Most open orders at a time.
    pub max_open_orders: u32,
    /// Open orders.
    pub open_orders: u32,
    /// Whether it may only cancel.
    pub restricted: bool,
}

/// The deterministic state machine.
#[derive(Clone, Debug)]
pub struct Engine {
    limits: EngineLimits,
    last_sequence: Sequence,
}

impl Engine {
    /// Returns an engine with no instrument and with one account, the exchange's own.
    #[must_use]
    pub fn new(limits: EngineLimits) -> Self {
        Self { limits, last_sequence: Sequence(0) }
    }

    /// Decides before the journal: a repeat, a static refusal, or to be journalled and applied.
    #[must_use]
    pub fn admit(&self, command: &Command) -> Admission {
        let _ = (command, self.limits);
        Admission::Apply
    }

    /// Applies a command that [`Engine::admit`] let through. Any command gives an outcome, also
    /// one that `admit` would have refused.
    pub fn apply<S: Sink>(
        &mut self,
        sequence: Sequence,
        time: TimestampNs,
        command: &Command,
        sink: &mut S,
    ) -> Outcome {
        let _ = command;
        self.last_sequence = sequence;
        sink.begin(sequence, time);
        sink.end();
        Outcome {
            order_id: OrderId(0),
            sequence,
            time,
            status: OrderStatus::Rejected,
            filled: QuantityLots(0),
            filled_notional_ticks: 0,
            remaining: QuantityLots(0),
            fees_minor: 0,
            version: 1,
            cancel_reason: None,
            refusal: Some(Refusal::plain(Reason::OrderTypeUnsupported)),
        }
    }

    /// Returns the sequence of the last command applied, 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    /// Returns an instrument by its number.
    #[must_use]
    pub fn instrument(&self, number: InstrumentNumber) -> Option<&InstrumentSpec> {
        let _ = number;
        None
    }

    /// Returns an instrument by its symbol.
    #[must_use]
    pub fn instrument_by_symbol(&self, symbol: &[u8]) -> Option<&InstrumentSpec> {
        let _ = symbol;
        None
    }

    /// Returns all instruments, in the order of listing.
    pub fn instruments(&self) -> impl Iterator<Item = &InstrumentSpec> {
        core::iter::empty()
    }

    /// Returns the code of an asset.
    #[must_use]
    pub fn asset_code(&self, asset: AssetNumber) -> Option<&str> {
        let _ = asset;
        None
    }

    /// Returns all assets with their codes, by number.
    pub fn assets(&self) -> impl Iterator<Item = (AssetNumber, &str)> {
        core::iter::empty()
    }

    /// Returns the number of the account with a public ID.
    #[must_use]
    pub fn account_by_id(&self, id: &[u8; 16]) -> Option<AccountNumber> {
        let _ = id;
        None
    }

    /// Returns an account.
    #[must_use]
    pub fn account(&self, number: AccountNumber) -> Option<AccountView> {
        let _ = number;
        None
    }

    /// Returns all accounts, by number.
    pub fn accounts(&self) -> impl Iterator<Item = AccountView> {
        core::iter::empty()
    }

    /// Returns total and held of each asset that the account ever had, by asset.
    pub fn balances(
        &self,
        account: AccountNumber,
    ) -> impl Iterator<Item = (AssetNumber, i64, i64)> {
        let _ = account;
        core::iter::empty()
    }

    /// Returns an open order.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<OrderState> {
        let _ = id;
        None
    }

    /// Returns the open orders of an account, the oldest first.
    pub fn open_orders(&self, account: AccountNumber) -> impl Iterator<Item = OrderState> {
        let _ = account;
        core::iter::empty()
    }

    /// Returns price, lots and orders of at most `max` levels, the best first.
    pub fn depth(
        &self,
        instrument: InstrumentNumber,
        side: Side,
        max: usize,
    ) -> impl Iterator<Item = (PriceTicks, u64, u32)> {
        let _ = (instrument, side, max);
        core::iter::empty()
    }

    /// Returns the price of the last trade.
    #[must_use]
    pub fn last_trade_price(&self, instrument: InstrumentNumber) -> Option<PriceTicks> {
        let _ = instrument;
        None
    }

    /// Returns the sequence of the last command that changed the instrument's market data.
    #[must_use]
    pub fn book_sequence(&self, instrument: InstrumentNumber) -> Sequence {
        let _ = instrument;
        Sequence(0)
    }

    /// Returns the sequence of the last command that produced an order event of the account.
    #[must_use]
    pub fn account_sequence(&self, account: AccountNumber) -> Sequence {
        let _ = account;
        Sequence(0)
    }

    /// Returns the BLAKE3 of the canonical snapshot: equal states have equal hashes.
    #[must_use]
    pub fn state_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    /// Writes the state in its one canonical form, which ends with its own BLAKE3.
    ///
    /// # Errors
    ///
    /// What `out` fails with.
    pub fn write_snapshot(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.last_sequence.0.to_le_bytes())
    }

    /// Reads what [`Engine::write_snapshot`] wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are not a snapshot of a version known here, or are damaged.
    pub fn read_snapshot(
        input: &mut impl io::Read,
        limits: EngineLimits,
    ) -> Result<Self, SnapshotError> {
        let _ = input;
        Ok(Self::new(limits))
    }
}
