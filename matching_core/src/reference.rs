//! The oracle: the same rules as the engine, written slowly and obviously.
//!
//! Orders are one list; a match sorts it; what is held is summed up anew each time. Nothing of the
//! fast engine's matching or money is used, only the words both speak. Tests run both on the same
//! commands and compare every answer, every trade and the whole state.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a panic of the oracle is a failed test"
)]

mod auction;
mod changes;
mod control;
mod entry;
mod matching;
mod money;
mod sharing;

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{Command, NewOrder};
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, Trade};
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderStatus, OwnerNumber,
    PriceTicks, QuantityLots, SelfTradePrevention, Sequence, Side, TimeInForce, TimestampNs,
};

/// An open order.
#[derive(Clone, Debug)]
pub struct Open {
    /// Order as entered, with its present price and quantity.
    pub order: NewOrder,
    /// ID.
    pub id: OrderId,
    /// Beneficial owner.
    pub owner: OwnerNumber,
    /// Self-trade prevention in force.
    pub mode: SelfTradePrevention,
    /// Place in the queue: lower trades first at one price.
    pub priority: u64,
    /// When it was entered.
    pub create_time: TimestampNs,
    /// Version.
    pub version: u32,
    /// Lots filled.
    pub filled: u32,
    /// Lots open.
    pub remaining: u32,
    /// Lots of them that show.
    pub shown: u32,
    /// Sequence from which it waits for its stop price; `None` in the book.
    pub waits_since: Option<u64>,
    /// Price times lots filled as incoming order.
    pub taken_ticks: i128,
    /// Price times lots filled as resting order.
    pub made_ticks: i128,
    /// Fees charged in each role.
    pub fees: [i128; 2],
}

#[derive(Clone, Debug)]
struct Account {
    id: [u8; 16],
    owner: OwnerNumber,
    mode: SelfTradePrevention,
    max_open_orders: u32,
    switches: BTreeSet<u8>,
    limits: RiskLimits,
    /// Day of the turnover, and the turnover by currency, since there are limits.
    traded: BTreeMap<(u64, AssetNumber), i128>,
}

/// The oracle.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    sequence: u64,
    time: TimestampNs,
    number: u64,
    priority: u64,
    trades: u64,
    day: u64,
    assets: Vec<String>,
    specs: Vec<InstrumentSpec>,
    accounts: Vec<Account>,
    /// What each account owns of each asset.
    pub totals: BTreeMap<(AccountNumber, AssetNumber), i128>,
    /// What forwards keep as deposits.
    pub deposits: BTreeMap<(AccountNumber, AssetNumber), i128>,
    /// Open orders, the oldest entry first.
    pub open: Vec<Open>,
    /// Net lots of each account in each forward.
    positions: BTreeMap<(AccountNumber, InstrumentNumber), i64>,
    /// Price of the last trade.
    last: BTreeMap<InstrumentNumber, PriceTicks>,
    /// Number of the order that bettered each side.
    tops: BTreeMap<(InstrumentNumber, Side), u64>,
    /// Volatility auctions: when they end, around which price, whether that is for the second time.
    timed: BTreeMap<InstrumentNumber, (TimestampNs, PriceTicks, bool)>,
    /// Instruments whose stops this command reached.
    due: Vec<InstrumentNumber>,
    free_slots: Vec<u32>,
    last_slot: u32,
    /// Trades of the last command.
    pub last_trades: Vec<Trade>,
}

type Checked<T> = Result<T, Refusal>;

const DAY_NS: u64 = 86_400_000_000_000;

impl Reference {
    /// Returns an oracle with the exchange's own account.
    #[must_use]
    pub fn new() -> Self {
        let mode = SelfTradePrevention::CancelNewest;
        let own = Account {
            id: [0; 16],
            owner: OwnerNumber(0),
            mode,
            max_open_orders: 0,
            switches: BTreeSet::new(),
            limits: RiskLimits::default(),
            traded: BTreeMap::new(),
        };
        Self { accounts: vec![own], ..Self::default() }
    }

    /// Carries out a command that the engine admitted.
    pub fn apply(&mut self, sequence: Sequence, time: TimestampNs, command: &Command) -> Outcome {
        self.sequence = sequence.0;
        self.time = self.time.max(time);
        self.last_trades.clear();
        let outcome = self.carry_out(command);
        self.run_stops();
        outcome
    }

    fn carry_out(&mut self, command: &Command) -> Outcome {
        match command {
            Command::NewOrder(order) => self.enter(order),
            Command::CancelOrder { order_id, reason, .. } => self.cancel(*order_id, *reason),
            Command::AmendOrder { order_id, price, quantity, .. } => {
                self.amend(*order_id, *price, *quantity)
            }
            Command::MassCancel { account, instrument, side, reason } => {
                let fits = |open: &Open| {
                    account.is_none_or(|account| open.order.account == account)
                        && instrument.is_none_or(|number| open.order.instrument == number)
                        && side.is_none_or(|side| open.order.side == side)
                        && (*reason != CancelReason::Disconnect
                            || open.order.time_in_force != TimeInForce::Gtc)
                };
                let ids: Vec<_> = if account.is_some() {
                    self.open.iter().filter(|open| fits(open)).map(|open| open.id).collect()
                } else {
                    self.in_book_order()
                        .into_iter()
                        .filter(|open| fits(open))
                        .map(|open| open.id)
                        .collect()
                };
                self.cancel_all(&ids, *reason)
            }
            Command::ChangeTrade(change) => self.change(change),
            Command::BlockTrade(block) => self.block(block),
            Command::AdvanceTime => self.expire(),
            _ => self.control(command),
        }
    }

    /// Returns all open orders: by instrument, buys before sells, as they would trade, then those
    /// that wait for a price, as they would be triggered.
    #[must_use]
    pub fn in_book_order(&self) -> Vec<&Open> {
        let numbers = self.specs.iter().map(|spec| spec.number);
        numbers.flat_map(|number| self.in_book_order_of(number)).collect()
    }

    fn in_book_order_of(&self, number: InstrumentNumber) -> Vec<&Open> {
        let here = |open: &&Open| open.order.instrument == number;
        let mut orders: Vec<_> = self.open.iter().filter(here).collect();
        orders.sort_unstable_by_key(|open| {
            let buys = open.order.side == Side::Buy;
            let (price, stop) = (open.order.price.0, open.order.stop_price.0);
            let (rank, place) = match open.waits_since {
                Some(since) => (if buys { stop } else { -stop }, since),
                None => (if buys { -price } else { price }, open.priority),
            };
            (open.waits_since.is_some(), open.order.side, rank, place)
        });
        orders
    }

    /// Returns what an account holds of an asset: for its open orders, and as deposits.
    #[must_use]
    pub fn held(&self, account: AccountNumber, asset: AssetNumber) -> i128 {
        let orders = self.open.iter().filter(|open| open.order.account == account);
        let holds = orders.map(|open| {
            let spec = self.spec(open.order.instrument);
            if money::held_asset(spec, open.order.side) == asset {
                money::hold(spec, open)
            } else {
                0
            }
        });
        holds.sum::<i128>() + self.deposits.get(&(account, asset)).copied().unwrap_or(0)
    }

    fn spec(&self, number: InstrumentNumber) -> &InstrumentSpec {
        &self.specs[number.0 as usize - 1]
    }

    fn available(&self, account: AccountNumber, asset: AssetNumber) -> i128 {
        let total = self.totals.get(&(account, asset)).copied().unwrap_or(0);
        total - self.held(account, asset)
    }

    fn pay(&mut self, account: AccountNumber, asset: AssetNumber, amount: i128) {
        *self.totals.entry((account, asset)).or_default() += amount;
    }

    fn outcome(&self, status: OrderStatus) -> Outcome {
        Outcome {
            order_id: OrderId(0),
            sequence: Sequence(self.sequence),
            time: self.time,
            status,
            filled: QuantityLots(0),
            filled_notional_ticks: 0,
            remaining: QuantityLots(0),
            fees_minor: 0,
            version: 1,
            cancel_reason: None,
            refusal: None,
        }
    }

    fn refused(&self, order_id: OrderId, version: u32, refusal: Refusal) -> Outcome {
        let refusal = Some(refusal);
        Outcome { order_id, version, refusal, ..self.outcome(OrderStatus::Rejected) }
    }

    fn told(&self, open: &Open, status: OrderStatus, reason: Option<CancelReason>) -> Outcome {
        let is_open = status.is_open();
        Outcome {
            order_id: open.id,
            filled: QuantityLots(open.filled),
            filled_notional_ticks: (open.taken_ticks + open.made_ticks) as i64,
            remaining: QuantityLots(if is_open { open.remaining } else { 0 }),
            fees_minor: open.fees.iter().sum::<i128>() as i64,
            version: open.version,
            cancel_reason: reason,
            ..self.outcome(status)
        }
    }

    fn cancel(&mut self, id: OrderId, reason: CancelReason) -> Outcome {
        let at = self.find(id);
        if at == usize::MAX {
            let refusal = Refusal::plain(Reason::OrderNotFound);
            return self.refused(id, 0, refusal);
        }
        let open = self.remove(at);
        let expired = matches!(reason, CancelReason::Expired | CancelReason::InstrumentExpired);
        let status = if expired { OrderStatus::Expired } else { OrderStatus::Cancelled };
        self.told(&open, status, Some(reason))
    }

    fn cancel_all(&mut self, ids: &[OrderId], reason: CancelReason) -> Outcome {
        for id in ids {
            self.cancel(*id, reason);
        }
        let count = QuantityLots(ids.len() as u32);
        Outcome { remaining: count, ..self.outcome(OrderStatus::New) }
    }

    fn expire(&mut self) -> Outcome {
        let due: BTreeSet<_> = self
            .open
            .iter()
            .filter(|open| open.order.time_in_force == TimeInForce::Gtd)
            .filter(|open| open.order.expire_time <= self.time)
            .map(|open| (open.order.expire_time, open.id))
            .collect();
        let mut count = due.len();
        for (_, id) in due {
            self.cancel(id, CancelReason::Expired);
        }
        self.end_timed_auctions();
        let today = self.time.0 / DAY_NS;
        if today > self.day {
            self.day = today;
            let over = self.open.iter().filter(|open| {
                open.order.time_in_force == TimeInForce::Day && open.create_time.0 / DAY_NS < today
            });
            let ids: Vec<_> = over.map(|open| open.id).collect();
            count += ids.len();
            self.cancel_all(&ids, CancelReason::Expired);
        }
        let count = QuantityLots(count as u32);
        Outcome { remaining: count, ..self.outcome(OrderStatus::New) }
    }

    /// Returns the account's public ID, to compare.
    #[must_use]
    pub fn account_ids(&self) -> Vec<[u8; 16]> {
        self.accounts.iter().map(|account| account.id).collect()
    }
}
