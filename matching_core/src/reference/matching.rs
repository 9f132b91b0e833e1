//! An order through the book: what trades, what is kept apart, what stays.

use super::{Open, Reference, money, sharing};
use crate::event::{Outcome, Trade};
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::types::{
    AccountNumber, Allocation, CancelReason, FEE_ACCOUNT, InstrumentKind, InstrumentNumber,
    NO_SLOT, OrderId, OrderStatus, Phase, PriceTicks, QuantityLots, SelfTradePrevention, Side,
    TradeKind,
};

impl Reference {
    /// Returns the best price of a side.
    pub(super) fn best(&self, number: InstrumentNumber, side: Side) -> Option<PriceTicks> {
        let mut orders = self.in_book_order_of(number).into_iter();
        let best = orders.find(|open| {
            open.order.instrument == number && open.order.side == side && self.may_trade(open)
        });
        best.map(|open| open.order.price)
    }

    /// Returns the best price of a side unless it lies outside the day's limits.
    pub(super) fn best_inside(&self, spec: &InstrumentSpec, side: Side) -> Option<PriceTicks> {
        let inside = |best: &PriceTicks| *best >= spec.limit_low && *best <= spec.limit_high;
        self.best(spec.number, side).filter(inside)
    }

    /// Returns the IDs of the orders that an order's limit reaches, in the order they would trade.
    pub(super) fn opposite(&self, open: &Open) -> Vec<OrderId> {
        let reaches = |other: &&Open| {
            other.order.instrument == open.order.instrument
                && other.order.side != open.order.side
                && self.may_trade(other)
                && match open.order.side {
                    Side::Buy => other.order.price <= open.order.price,
                    Side::Sell => other.order.price >= open.order.price,
                }
        };
        self.in_book_order_of(open.order.instrument)
            .into_iter()
            .filter(reaches)
            .map(|other| other.id)
            .collect()
    }

    /// Tells whether an order is in the book and not on the near side of the day's limits.
    pub(super) fn may_trade(&self, open: &Open) -> bool {
        let spec = self.spec(open.order.instrument);
        let inside = match open.order.side {
            Side::Buy => open.order.price <= spec.limit_high,
            Side::Sell => open.order.price >= spec.limit_low,
        };
        open.waits_since.is_none() && inside
    }

    pub(super) fn find(&self, id: OrderId) -> usize {
        self.open.iter().position(|open| open.id == id).unwrap_or(usize::MAX)
    }

    pub(super) fn insert(&mut self, open: Open) {
        // The list runs by age, and IDs rise with age.
        let at = self.open.partition_point(|other| other.id < open.id);
        self.open.insert(at, open);
    }

    fn outside_band(
        &self,
        number: InstrumentNumber,
        reference: Option<PriceTicks>,
        at: PriceTicks,
    ) -> bool {
        let band = self.spec(number).band_ticks;
        reference.is_some_and(|reference| band > 0 && (reference.0 - at.0).abs() > band)
    }

    pub(super) fn fillable(&self, open: &Open) -> u32 {
        let number = open.order.instrument;
        let shares = self.spec(number).allocation != Allocation::Fifo;
        let last = self.last.get(&number).copied();
        let (mut lots, mut level, mut before) = (0_u64, None, 0);
        for id in self.opposite(open) {
            let other = &self.open[self.find(id)];
            if level != Some(other.order.price) {
                (level, before) = (Some(other.order.price), lots);
            }
            if self.outside_band(number, last, other.order.price) {
                break;
            }
            let is_own = other.owner == open.owner && open.mode != SelfTradePrevention::None;
            if is_own && open.mode != SelfTradePrevention::CancelOldest {
                // A shared level is not touched while its own orders stand in it.
                lots = if shares { before } else { lots };
                break;
            }
            if !is_own && !other.order.reduce_only {
                lots += u64::from(other.remaining);
            }
        }
        lots.min(open.remaining.into()) as u32
    }

    /// Trades what can trade; what is left stays if it may.
    pub(super) fn work(&mut self, mut incoming: Open, may_rest: bool) -> Outcome {
        let number = incoming.order.instrument;
        let mut cancelled = None;
        if self.spec(number).phase == Phase::Open {
            cancelled = self.trade(&mut incoming, may_rest);
        }
        if self.spec(number).phase != Phase::Open {
            for id in self.opposite(&incoming) {
                let at = self.find(id);
                if incoming.remaining == 0 || cancelled.is_some() {
                    break;
                }
                let is_own = self.open[at].owner == incoming.owner;
                if is_own && incoming.mode != SelfTradePrevention::None {
                    cancelled = self.keep_apart(&mut incoming, at);
                }
            }
        }
        if incoming.remaining > 0 && cancelled.is_none() && !may_rest {
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
            self.rest(incoming);
        } else if incoming.id.slot() != NO_SLOT {
            self.free_slots.push(incoming.id.slot());
        }
        outcome
    }

    fn rest(&mut self, mut incoming: Open) {
        self.priority += 1;
        incoming.priority = self.priority;
        let display = incoming.order.display.0;
        let shows_part = display > 0 && display < incoming.remaining;
        incoming.shown = if shows_part { display } else { incoming.remaining };
        let (number, side) = (incoming.order.instrument, incoming.order.side);
        let price = incoming.order.price;
        let betters = self.best(number, side).is_none_or(|best| match side {
            Side::Buy => price > best,
            Side::Sell => price < best,
        });
        if betters && self.spec(number).phase == Phase::Open {
            self.tops.insert((number, side), incoming.id.number());
        }
        self.insert(incoming);
    }

    pub(super) fn forget_top(&mut self, open: &Open) {
        let key = (open.order.instrument, open.order.side);
        if self.tops.get(&key) == Some(&open.id.number()) {
            self.tops.remove(&key);
        }
    }

    fn trade(&mut self, incoming: &mut Open, may_rest: bool) -> Option<CancelReason> {
        let number = incoming.order.instrument;
        let reference = self.last.get(&number).copied();
        let shares = self.spec(number).allocation != Allocation::Fifo;
        let mut cancelled = None;
        while incoming.remaining > 0 && cancelled.is_none() {
            let Some(id) = self.opposite(incoming).first().copied() else { break };
            let at = self.find(id);
            let price = self.open[at].order.price;
            if self.outside_band(number, reference, price) {
                self.start_volatility_auction(number, reference);
                return (!may_rest).then_some(CancelReason::IocRemainder);
            }
            if shares {
                cancelled = self.share(incoming, price);
            } else if self.is_own(incoming, at) {
                cancelled = self.keep_apart(incoming, at);
            } else {
                cancelled = self.fill(incoming, at, u32::MAX);
            }
        }
        cancelled
    }

    fn is_own(&self, incoming: &Open, at: usize) -> bool {
        self.open[at].owner == incoming.owner && incoming.mode != SelfTradePrevention::None
    }

    /// Trades with all orders at a price, each for its share.
    fn share(&mut self, incoming: &mut Open, price: PriceTicks) -> Option<CancelReason> {
        let here = |reference: &Self, incoming: &Open| -> Vec<OrderId> {
            let all = reference.opposite(incoming).into_iter();
            all.filter(|id| reference.open[reference.find(*id)].order.price == price).collect()
        };
        for id in here(self, incoming) {
            let at = self.find(id);
            if self.is_own(incoming, at) {
                let cancelled = self.keep_apart(incoming, at);
                if cancelled.is_some() || incoming.remaining == 0 {
                    return cancelled;
                }
            }
        }
        let ids = here(self, incoming);
        let shown: Vec<u32> = ids.iter().map(|id| self.open[self.find(*id)].shown).collect();
        let spec = self.spec(incoming.order.instrument);
        let top = self.tops.get(&(spec.number, incoming.order.side.opposite()));
        let top = ids.iter().position(|id| Some(&id.number()) == top);
        let lots = shown.iter().map(|lots| u64::from(*lots)).sum::<u64>();
        let lots = lots.min(incoming.remaining.into()) as u32;
        let shares = sharing::shares(spec, &shown, top, lots);
        for (id, share) in ids.into_iter().zip(shares) {
            if share > 0 && incoming.remaining > 0 {
                let at = self.find(id);
                let cancelled = self.fill(incoming, at, share);
                if cancelled.is_some() {
                    return cancelled;
                }
            }
        }
        None
    }

    pub(super) fn keep_apart(&mut self, incoming: &mut Open, at: usize) -> Option<CancelReason> {
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
                    other.shown = other.shown.min(other.remaining);
                    other.order.quantity.0 -= lots;
                    other.version += 1;
                }
                if incoming.remaining == 0 { stop } else { None }
            }
            _ => stop,
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> Open {
        let open = self.open.remove(at);
        self.free_slots.push(open.id.slot());
        open
    }

    /// Notes the price of a trade and whether orders wait for it.
    pub(super) fn note_price(&mut self, number: InstrumentNumber, price: PriceTicks) {
        self.last.insert(number, price);
        self.note_due(number);
    }

    pub(super) fn note_due(&mut self, number: InstrumentNumber) {
        let Some(last) = self.last.get(&number) else { return };
        let reached = self.open.iter().any(|open| {
            open.order.instrument == number
                && open.waits_since.is_some()
                && match open.order.side {
                    Side::Buy => open.order.stop_price <= *last,
                    Side::Sell => open.order.stop_price >= *last,
                }
        });
        if reached && self.due.last() != Some(&number) {
            self.due.push(number);
        }
    }

    /// Lets the next part of an iceberg show at the end of its price, or ends a filled order.
    pub(super) fn show_more_or_remove(&mut self, at: usize) {
        let open = &mut self.open[at];
        if open.remaining == 0 {
            self.remove(at);
        } else if open.shown == 0 {
            self.priority += 1;
            open.priority = self.priority;
            open.shown = open.order.display.0.min(open.remaining);
            let open = open.clone();
            self.forget_top(&open);
        }
    }

    fn fill(&mut self, incoming: &mut Open, at: usize, most: u32) -> Option<CancelReason> {
        let number = incoming.order.instrument;
        let spec = self.spec(number).clone();
        let price = self.open[at].order.price;
        let mut lots = self.open[at].shown.min(incoming.remaining).min(most);
        if self.open[at].order.reduce_only {
            let (account, side) = (self.open[at].order.account, self.open[at].order.side);
            lots = lots.min(self.reducible(account, number, side));
            if lots == 0 {
                self.remove(at);
                return None;
            }
        }
        if incoming.order.reduce_only {
            let (account, side) = (incoming.order.account, incoming.order.side);
            lots = lots.min(self.reducible(account, number, side));
            if lots == 0 {
                return Some(CancelReason::ReduceOnly);
            }
        }
        self.trades += 1;
        let made = money::make(&spec, &mut self.open[at], lots);
        let taken = money::take(&spec, incoming, price, lots);
        let (resting, maker_id) = (self.open[at].order.account, self.open[at].id);
        let aggressor = incoming.order.account;
        let parties = if incoming.order.side == Side::Buy {
            [(aggressor, incoming.order.price), (resting, price)]
        } else {
            [(resting, price), (aggressor, incoming.order.price)]
        };
        self.exchange(number, parties, price, lots);
        for (account, fee) in [(resting, made), (aggressor, taken)] {
            self.charge(account, number, fee);
        }
        self.last_trades.push(Trade {
            trade_id: self.trades,
            instrument: spec.number,
            price,
            quantity: QuantityLots(lots),
            kind: TradeKind::Normal,
            aggressor: incoming.order.side,
            maker_order: maker_id,
            maker_account: resting,
            maker_fee_minor: made as i64,
            maker_deposit_minor: money::kept(&spec, price, lots) as i64,
            taker_order: incoming.id,
            taker_account: aggressor,
            taker_fee_minor: taken as i64,
            taker_deposit_minor: money::kept(&spec, incoming.order.price, lots) as i64,
        });
        self.note_price(number, price);
        self.show_more_or_remove(at);
        None
    }

    /// Moves what a trade moves between buyer and seller, each with the limit of its order.
    pub(super) fn exchange(
        &mut self,
        number: InstrumentNumber,
        parties: [(AccountNumber, PriceTicks); 2],
        price: PriceTicks,
        lots: u32,
    ) {
        let spec = self.spec(number).clone();
        let [(buyer, _), (seller, _)] = parties;
        let value = money::value(&spec, price, lots);
        let today = (self.time.0 / super::DAY_NS, spec.quote_asset);
        for account in [buyer, seller] {
            let account = &mut self.accounts[account.0 as usize];
            if account.limits != RiskLimits::default() {
                *account.traded.entry(today).or_default() += value;
            }
        }
        if spec.kind == InstrumentKind::Forward {
            for (account, limit) in parties {
                let deposit = money::deposit(&spec, limit, lots);
                *self.deposits.entry((account, spec.quote_asset)).or_default() += deposit;
            }
            *self.positions.entry((buyer, number)).or_default() += i64::from(lots);
            *self.positions.entry((seller, number)).or_default() -= i64::from(lots);
            return;
        }
        let base = i128::from(lots) * i128::from(spec.lot_size_minor);
        self.pay(buyer, spec.quote_asset, -value);
        self.pay(seller, spec.quote_asset, value);
        self.pay(buyer, spec.base_asset, base);
        self.pay(seller, spec.base_asset, -base);
    }

    pub(super) fn charge(&mut self, account: AccountNumber, number: InstrumentNumber, fee: i128) {
        let quote = self.spec(number).quote_asset;
        self.pay(account, quote, -fee);
        self.pay(FEE_ACCOUNT, quote, fee);
    }
}
