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

mod money;

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{Command, NewOrder};
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, Trade};
use crate::instrument::InstrumentSpec;
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, FEE_ACCOUNT, InstrumentKind, InstrumentNumber,
    NO_SLOT, OWN_OWNER, OrderId, OrderStatus, OrderType, OwnerNumber, Phase, PriceTicks,
    QuantityLots, SelfTradePrevention, Sequence, Side, TimeInForce, TimestampNs,
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
    restricted: bool,
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
            restricted: false,
        };
        Self { accounts: vec![own], ..Self::default() }
    }

    /// Carries out a command that the engine admitted.
    pub fn apply(&mut self, sequence: Sequence, time: TimestampNs, command: &Command) -> Outcome {
        self.sequence = sequence.0;
        self.time = self.time.max(time);
        self.last_trades.clear();
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
            Command::AdvanceTime => self.expire(),
            _ => self.control(command),
        }
    }

    /// Returns all open orders: by instrument, buys before sells, as they would trade.
    #[must_use]
    pub fn in_book_order(&self) -> Vec<&Open> {
        let mut orders: Vec<_> = self.open.iter().collect();
        orders.sort_by_key(|open| {
            let price = open.order.price.0;
            let rank = if open.order.side == Side::Buy { -price } else { price };
            (open.order.instrument, open.order.side, rank, open.priority)
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

    fn control(&mut self, command: &Command) -> Outcome {
        let number = match command {
            Command::RegisterAsset { code } => {
                self.assets.push(code.clone());
                self.assets.len() as u32
            }
            Command::OpenAccount { id, owner, self_trade_prevention, max_open_orders } => {
                let number = self.accounts.len() as u32;
                let owner = if *owner == OWN_OWNER { OwnerNumber(number) } else { *owner };
                self.accounts.push(Account {
                    id: *id,
                    owner,
                    mode: *self_trade_prevention,
                    max_open_orders: *max_open_orders,
                    restricted: false,
                });
                number
            }
            Command::RestrictAccount { account, restricted } => {
                self.accounts[account.0 as usize].restricted = *restricted;
                account.0
            }
            Command::Transfer { account, asset, amount, .. } => {
                let available = self.available(*account, *asset);
                if available + i128::from(*amount) < 0 {
                    let values = [-*amount, available as i64, 0];
                    let refusal = Refusal::of_asset(*asset, Reason::InsufficientFunds, values);
                    return self.refused(OrderId(0), 0, refusal);
                }
                self.pay(*account, *asset, (*amount).into());
                account.0
            }
            Command::DefineInstrument(spec) => {
                let number = InstrumentNumber(self.specs.len() as u32 + 1);
                self.specs.push(InstrumentSpec { number, ..(**spec).clone() });
                number.0
            }
            Command::SetPhase { instrument, phase } => {
                self.specs[instrument.0 as usize - 1].phase = *phase;
                instrument.0
            }
            _ => 0,
        };
        Outcome { order_id: OrderId(number.into()), ..self.outcome(OrderStatus::New) }
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
        let is_open = matches!(status, OrderStatus::New | OrderStatus::PartiallyFilled);
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

    fn enter(&mut self, order: &NewOrder) -> Outcome {
        self.number += 1;
        match self.check_entry(order) {
            Err(refusal) => self.refused(OrderId::new(self.number, NO_SLOT), 1, refusal),
            Ok(mut incoming) => {
                if !matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok) {
                    let slot = self.free_slots.pop().unwrap_or_else(|| {
                        self.last_slot += 1;
                        self.last_slot
                    });
                    incoming.id = OrderId::new(self.number, slot);
                }
                self.work(incoming)
            }
        }
    }

    fn check_entry(&self, order: &NewOrder) -> Checked<Open> {
        let spec = self.spec(order.instrument);
        let about = |reason, values| Err(Refusal::about(spec.number, reason, values));
        if order.time_in_force == TimeInForce::Gtd && order.expire_time <= self.time {
            return about(Reason::ExpiryInvalid, [0; 3]);
        }
        let account = &self.accounts[order.account.0 as usize];
        let mut open = Open {
            order: *order,
            id: OrderId::new(self.number, NO_SLOT),
            owner: account.owner,
            mode: order.self_trade_prevention.unwrap_or(account.mode),
            priority: 0,
            create_time: self.time,
            version: 1,
            filled: 0,
            remaining: order.quantity.0,
            taken_ticks: 0,
            made_ticks: 0,
            fees: [0; 2],
        };
        self.check_market(&mut open)?;
        let rests = !matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let count = self.open.iter().filter(|other| other.order.account == order.account).count();
        if rests && count as u32 >= account.max_open_orders {
            return about(Reason::OpenOrdersLimit, [account.max_open_orders.into(), 0, 0]);
        }
        let opposite = self.opposite(&open);
        if order.order_type == OrderType::Market && opposite.is_empty() {
            return about(Reason::NoLiquidity, [0; 3]);
        }
        if order.post_only && !opposite.is_empty() {
            return about(Reason::PostOnlyWouldTrade, [0; 3]);
        }
        if order.time_in_force == TimeInForce::Fok {
            let lots = self.fillable(&open, &opposite);
            if lots < open.remaining {
                return about(Reason::FokUnfillable, [lots.into(), 0, 0]);
            }
        }
        self.check_funds(&open, 0)?;
        Ok(open)
    }

    /// Checks the account, the phase and the prices; gives a market order its worst price.
    fn check_market(&self, open: &mut Open) -> Checked<()> {
        let spec = self.spec(open.order.instrument);
        let about = |reason, values| Err(Refusal::about(spec.number, reason, values));
        if self.accounts[open.order.account.0 as usize].restricted {
            return about(Reason::AccountRestricted, [0; 3]);
        }
        if spec.phase == Phase::Halted {
            return about(Reason::MarketHalted, [0; 3]);
        }
        if spec.phase != Phase::Open {
            return about(Reason::InstrumentNotTrading, [spec.phase.number().into(), 0, 0]);
        }
        let (low, high) = (spec.limit_low.0, spec.limit_high.0);
        if open.order.order_type == OrderType::Market {
            let other = open.order.side.opposite();
            let best = self.in_book_order().into_iter().find(|resting| {
                resting.order.instrument == spec.number && resting.order.side == other
            });
            let Some(best) = best else { return about(Reason::NoLiquidity, [0; 3]) };
            let sign = if open.order.side == Side::Buy { 1 } else { -1 };
            let worst = best.order.price.0 + sign * spec.protection_ticks;
            open.order.price = PriceTicks(worst.clamp(low, high));
        } else if open.order.price.0 < low || open.order.price.0 > high {
            return about(Reason::PriceLimit, [open.order.price.0, low, high]);
        }
        let value = money::value(spec, open.order.price, open.remaining) as i64;
        if spec.max_notional_minor > 0 && value > spec.max_notional_minor {
            return about(Reason::NotionalMax, [value, spec.max_notional_minor, 0]);
        }
        Ok(())
    }

    fn check_funds(&self, open: &Open, freed: i128) -> Checked<()> {
        let spec = self.spec(open.order.instrument);
        let needed = money::needed(spec, open);
        let asset = money::held_asset(spec, open.order.side);
        let available = self.available(open.order.account, asset) + freed;
        if needed <= available {
            return Ok(());
        }
        let is_base = asset == spec.base_asset;
        Err(Refusal {
            reason: if is_base { Reason::InsufficientInventory } else { Reason::InsufficientFunds },
            instrument: Some(spec.number),
            asset: Some(asset),
            values: [needed as i64, available as i64, 0],
        })
    }

    /// Returns the IDs of the orders that an order's limit reaches, in the order they would trade.
    fn opposite(&self, open: &Open) -> Vec<OrderId> {
        let reaches = |other: &&Open| {
            other.order.instrument == open.order.instrument
                && other.order.side != open.order.side
                && match open.order.side {
                    Side::Buy => other.order.price <= open.order.price,
                    Side::Sell => other.order.price >= open.order.price,
                }
        };
        self.in_book_order().into_iter().filter(reaches).map(|other| other.id).collect()
    }

    fn find(&self, id: OrderId) -> usize {
        self.open.iter().position(|open| open.id == id).unwrap_or(usize::MAX)
    }

    fn fillable(&self, open: &Open, opposite: &[OrderId]) -> u32 {
        let mut lots = 0;
        for id in opposite {
            let other = &self.open[self.find(*id)];
            let is_own = other.owner == open.owner && open.mode != SelfTradePrevention::None;
            if is_own && open.mode != SelfTradePrevention::CancelOldest {
                break;
            }
            if !is_own {
                lots += other.remaining;
            }
        }
        lots.min(open.remaining)
    }

    fn work(&mut self, mut incoming: Open) -> Outcome {
        let mut cancelled = None;
        for id in self.opposite(&incoming) {
            if incoming.remaining == 0 || cancelled.is_some() {
                break;
            }
            let at = self.find(id);
            if self.open[at].owner == incoming.owner && incoming.mode != SelfTradePrevention::None {
                cancelled = self.keep_apart(&mut incoming, at);
            } else {
                self.fill(&mut incoming, at);
            }
        }
        let rests = !matches!(incoming.order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if incoming.remaining > 0 && cancelled.is_none() && !rests {
            cancelled = Some(CancelReason::IocRemainder);
        }
        let status = match (cancelled, incoming.remaining, incoming.filled) {
            (Some(_), ..) => OrderStatus::Cancelled,
            (None, 0, _) => OrderStatus::Filled,
            (None, _, 0) => OrderStatus::New,
            _ => OrderStatus::PartiallyFilled,
        };
        let outcome = self.told(&incoming, status, cancelled);
        if status.is_open() {
            self.priority += 1;
            incoming.priority = self.priority;
            // The list runs by age, and IDs rise with age.
            let at = self.open.partition_point(|other| other.id < incoming.id);
            self.open.insert(at, incoming);
        } else if rests {
            self.free_slots.push(incoming.id.slot());
        }
        outcome
    }

    fn keep_apart(&mut self, incoming: &mut Open, at: usize) -> Option<CancelReason> {
        let stop = Some(CancelReason::SelfTrade);
        match incoming.mode {
            SelfTradePrevention::CancelOldest => {
                self.remove(at);
                None
            }
            SelfTradePrevention::CancelBoth => {
                self.remove(at);
                stop
            }
            SelfTradePrevention::Decrement => {
                let lots = self.open[at].remaining.min(incoming.remaining);
                incoming.remaining -= lots;
                incoming.order.quantity.0 -= lots;
                if self.open[at].remaining == lots {
                    self.remove(at);
                } else {
                    let other = &mut self.open[at];
                    other.remaining -= lots;
                    other.order.quantity.0 -= lots;
                    other.version += 1;
                }
                if incoming.remaining == 0 { stop } else { None }
            }
            _ => stop,
        }
    }

    fn remove(&mut self, at: usize) -> Open {
        let open = self.open.remove(at);
        self.free_slots.push(open.id.slot());
        open
    }

    fn fill(&mut self, incoming: &mut Open, at: usize) {
        let spec = self.spec(incoming.order.instrument).clone();
        let price = self.open[at].order.price;
        let lots = self.open[at].remaining.min(incoming.remaining);
        self.trades += 1;
        let made = money::make(&spec, &mut self.open[at], lots);
        let taken = money::take(&spec, incoming, price, lots);
        let (resting, maker_id) = (self.open[at].order.account, self.open[at].id);
        let aggressor = incoming.order.account;
        let value = money::value(&spec, price, lots);
        if spec.kind == InstrumentKind::Forward {
            for (account, limit) in [(resting, price), (aggressor, incoming.order.price)] {
                let deposit = money::deposit(&spec, limit, lots);
                *self.deposits.entry((account, spec.quote_asset)).or_default() += deposit;
            }
        } else {
            let base = i128::from(lots) * i128::from(spec.lot_size_minor);
            let (buyer, seller) = if incoming.order.side == Side::Buy {
                (aggressor, resting)
            } else {
                (resting, aggressor)
            };
            self.pay(buyer, spec.quote_asset, -value);
            self.pay(seller, spec.quote_asset, value);
            self.pay(buyer, spec.base_asset, base);
            self.pay(seller, spec.base_asset, -base);
        }
        for (account, fee) in [(resting, made), (aggressor, taken)] {
            self.pay(account, spec.quote_asset, -fee);
            self.pay(FEE_ACCOUNT, spec.quote_asset, fee);
        }
        self.last_trades.push(Trade {
            trade_id: self.trades,
            instrument: spec.number,
            price,
            quantity: QuantityLots(lots),
            aggressor: incoming.order.side,
            maker_order: maker_id,
            maker_account: resting,
            maker_fee_minor: made as i64,
            taker_order: incoming.id,
            taker_account: aggressor,
            taker_fee_minor: taken as i64,
        });
        if self.open[at].remaining == 0 {
            self.remove(at);
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

    fn amend(
        &mut self,
        id: OrderId,
        price: Option<PriceTicks>,
        quantity: Option<QuantityLots>,
    ) -> Outcome {
        let at = self.find(id);
        let before = self.open[at].clone();
        let price = price.unwrap_or(before.order.price);
        let quantity = quantity.unwrap_or(before.order.quantity);
        if quantity.0 <= before.filled {
            return self.cancel(id, CancelReason::User);
        }
        let mut after = before.clone();
        after.order.price = price;
        after.order.quantity = quantity;
        after.remaining = quantity.0 - before.filled;
        after.version += 1;
        if price == before.order.price && quantity <= before.order.quantity {
            let status =
                if after.filled > 0 { OrderStatus::PartiallyFilled } else { OrderStatus::New };
            let outcome = self.told(&after, status, None);
            self.open[at] = after;
            return outcome;
        }
        if let Err(refusal) = self.check_amended(&mut after, &before) {
            return self.refused(id, before.version, refusal);
        }
        self.open.remove(at);
        self.work(after)
    }

    fn check_amended(&self, after: &mut Open, before: &Open) -> Checked<()> {
        self.check_market(after)?;
        if after.order.post_only && !self.opposite(after).is_empty() {
            let reason = Reason::PostOnlyWouldTrade;
            return Err(Refusal::about(after.order.instrument, reason, [0; 3]));
        }
        let freed = money::hold(self.spec(before.order.instrument), before);
        self.check_funds(after, freed)
    }

    fn expire(&mut self) -> Outcome {
        let due: BTreeSet<_> = self
            .open
            .iter()
            .filter(|open| open.order.time_in_force == TimeInForce::Gtd)
            .filter(|open| open.order.expire_time <= self.time)
            .map(|open| (open.order.expire_time, open.id))
            .collect();
        let mut ids: Vec<_> = due.into_iter().map(|(_, id)| id).collect();
        let today = self.time.0 / DAY_NS;
        if today > self.day {
            self.day = today;
            let over = self.open.iter().filter(|open| {
                open.order.time_in_force == TimeInForce::Day && open.create_time.0 / DAY_NS < today
            });
            ids.extend(over.map(|open| open.id));
        }
        self.cancel_all(&ids, CancelReason::Expired)
    }

    /// Returns the account's public ID, to compare.
    #[must_use]
    pub fn account_ids(&self) -> Vec<[u8; 16]> {
        self.accounts.iter().map(|account| account.id).collect()
    }
}
