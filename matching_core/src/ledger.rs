//! Trading accounts: what they own, what is set aside, how many orders they have open.
//!
//! Invariants: for each asset the totals of all accounts add up to `issued`; for every account but
//! the exchange's own `total >= held >= 0`. `issued` stays below 2^62, so no sum can overflow.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "amounts stay below 2^62 by `issued`; account numbers come from the ledger itself"
)]

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{Posting, PostingKind, Sink};
use crate::risk::Allowance;
use crate::slab::NONE;
use crate::types::{
    AccountNumber, AssetNumber, InstrumentNumber, OwnerNumber, PriceTicks, SelfTradePrevention,
    Sequence, Side, Switch,
};

/// Most that can be issued of an asset, in minor units.
pub(crate) const ISSUED_MINOR_MAX: i64 = 1 << 62;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) asset: AssetNumber,
    pub(crate) total: i64,
    pub(crate) held: i64,
}

/// What an account has bought and sold of a forward, and the deposit kept for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) instrument: InstrumentNumber,
    pub(crate) bought_lots: i64,
    pub(crate) sold_lots: i64,
    pub(crate) deposit_minor: i64,
    /// What the lots that are not closed were traded for, price times lots, never negative.
    pub(crate) open_ticks: i64,
    /// What closed lots brought, price times lots; a loss is negative.
    pub(crate) realised_ticks: i64,
}

impl Position {
    const fn new(instrument: InstrumentNumber) -> Self {
        Self {
            instrument,
            bought_lots: 0,
            sold_lots: 0,
            deposit_minor: 0,
            open_ticks: 0,
            realised_ticks: 0,
        }
    }

    /// Returns lots bought more than sold.
    pub(crate) const fn net_lots(&self) -> i64 {
        self.bought_lots - self.sold_lots
    }

    /// Takes a trade back: what it earned or lost since is gone with it.
    pub(crate) fn undo(&mut self, side: Side, lots: u32, price: PriceTicks) {
        self.trade(side.opposite(), lots, price);
        self.bought_lots -= i64::from(lots);
        self.sold_lots -= i64::from(lots);
    }

    /// Adds a trade: it opens at its price, or closes at the average price of what is open.
    pub(crate) fn trade(&mut self, side: Side, lots: u32, price: PriceTicks) {
        let net = self.net_lots();
        let lots = i64::from(lots);
        let signed = match side {
            Side::Buy => lots,
            Side::Sell => -lots,
        };
        match side {
            Side::Buy => self.bought_lots += lots,
            Side::Sell => self.sold_lots += lots,
        }
        let closed = if (net > 0) == (signed > 0) { 0 } else { lots.min(net.abs()) };
        if closed > 0 {
            let cost = i128::from(self.open_ticks) * i128::from(closed) / i128::from(net.abs());
            let cost = i64::try_from(cost).unwrap_or(self.open_ticks);
            self.open_ticks -= cost;
            self.realised_ticks += net.signum() * (price.0 * closed - cost);
        }
        self.open_ticks += price.0 * (lots - closed);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: [u8; 16],
    pub(crate) owner: OwnerNumber,
    pub(crate) self_trade_prevention: SelfTradePrevention,
    /// A bit for each [`Switch`] that is on.
    pub(crate) switches: u8,
    pub(crate) max_open_orders: u32,
    pub(crate) open_orders: u32,
    /// Oldest and newest open order.
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    /// Sequence of the last command with an order event of this account.
    pub(crate) sequence: Sequence,
    /// Sorted by asset; few, so a scan beats any index.
    pub(crate) balances: Vec<Balance>,
    /// Sorted by instrument.
    pub(crate) positions: Vec<Position>,
    /// None for an account without limits.
    pub(crate) allowance: Option<Box<Allowance>>,
}

impl Account {
    pub(crate) const fn new(
        id: [u8; 16],
        owner: OwnerNumber,
        self_trade_prevention: SelfTradePrevention,
        max_open_orders: u32,
    ) -> Self {
        Self {
            id,
            owner,
            self_trade_prevention,
            switches: 0,
            max_open_orders,
            open_orders: 0,
            oldest: NONE,
            newest: NONE,
            sequence: Sequence(0),
            balances: Vec::new(),
            positions: Vec::new(),
            allowance: None,
        }
    }

    pub(crate) const fn is_on(&self, switch: Switch) -> bool {
        self.switches & 1 << (switch.number() - 1) != 0
    }

    pub(crate) const fn switch(&mut self, switch: Switch, is_on: bool) {
        let bit = 1 << (switch.number() - 1);
        self.switches = self.switches & !bit | if is_on { bit } else { 0 };
    }

    pub(crate) fn balance(&mut self, asset: AssetNumber) -> &mut Balance {
        let at = self.balances.iter().position(|balance| balance.asset >= asset);
        let at = at.unwrap_or(self.balances.len());
        if self.balances.get(at).is_none_or(|balance| balance.asset != asset) {
            self.balances.insert(at, Balance { asset, total: 0, held: 0 });
        }
        &mut self.balances[at]
    }

    pub(crate) fn position(&mut self, instrument: InstrumentNumber) -> &mut Position {
        let at = self.positions.partition_point(|position| position.instrument < instrument);
        if self.positions.get(at).is_none_or(|position| position.instrument != instrument) {
            self.positions.insert(at, Position::new(instrument));
        }
        &mut self.positions[at]
    }
}

/// A change of one balance and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) kind: PostingKind,
    pub(crate) total: i64,
    pub(crate) held: i64,
    /// Trade or order that it belongs to; 0 for transfers.
    pub(crate) reference: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) accounts: Vec<Account>,
    by_id: HashTable<u32>,
    /// What came in from outside and did not leave, by asset.
    pub(crate) issued: Vec<i64>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { accounts: Vec::new(), by_id: HashTable::new(), issued: Vec::new() }
    }

    pub(crate) fn open(&mut self, account: Account) -> AccountNumber {
        let number = u32::try_from(self.accounts.len()).unwrap_or(u32::MAX);
        let accounts = &self.accounts;
        self.by_id.insert_unique(xxh3_64(&account.id), number, |&other| {
            accounts.get(other as usize).map_or(0, |account| xxh3_64(&account.id))
        });
        self.accounts.push(account);
        AccountNumber(number)
    }

    pub(crate) fn find(&self, id: &[u8; 16]) -> Option<AccountNumber> {
        let found =
            self.by_id.find(xxh3_64(id), |&number| self.accounts[number as usize].id == *id);
        found.map(|&number| AccountNumber(number))
    }

    pub(crate) fn get(&self, account: AccountNumber) -> Option<&Account> {
        self.accounts.get(account.0 as usize)
    }

    /// Returns the account, which must exist.
    pub(crate) fn account(&mut self, account: AccountNumber) -> &mut Account {
        &mut self.accounts[account.0 as usize]
    }

    /// Returns what the account may still spend.
    pub(crate) fn available(&self, account: AccountNumber, asset: AssetNumber) -> i64 {
        let balances = self.get(account).map_or(&[][..], |account| &account.balances);
        let balance = balances.iter().find(|balance| balance.asset == asset);
        balance.map_or(0, |balance| balance.total - balance.held)
    }

    pub(crate) fn issued(&mut self, asset: AssetNumber) -> &mut i64 {
        let index = asset.0 as usize;
        if self.issued.len() <= index {
            self.issued.resize(index + 1, 0);
        }
        &mut self.issued[index]
    }

    /// Moves a balance and says so.
    pub(crate) fn post<S: Sink>(
        &mut self,
        account: AccountNumber,
        asset: AssetNumber,
        change: Change,
        sink: &mut S,
    ) {
        if change.total == 0 && change.held == 0 {
            return;
        }
        let balance = self.account(account).balance(asset);
        balance.total += change.total;
        balance.held += change.held;
        if S::ACTIVE {
            sink.posting(&Posting {
                account,
                asset,
                kind: change.kind,
                total_change: change.total,
                held_change: change.held,
                total: balance.total,
                held: balance.held,
                reference: change.reference,
            });
        }
    }
}
