//! What is said to an order before it trades, and changing one.

use super::{Checked, Open, Reference, money};
use crate::command::NewOrder;
use crate::error::{Reason, Refusal};
use crate::event::Outcome;
use crate::types::{
    AccountNumber, CancelReason, InstrumentKind, InstrumentNumber, NO_SLOT, OrderId, OrderStatus,
    OrderType, Phase, PriceTicks, QuantityLots, Side, Switch, TimeInForce,
};

fn is_immediate(order: &NewOrder) -> bool {
    matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
}

fn is_stop(order: &NewOrder) -> bool {
    matches!(order.order_type, OrderType::Stop | OrderType::StopLimit)
}

impl Reference {
    pub(super) fn enter(&mut self, order: &NewOrder) -> Outcome {
        self.number += 1;
        match self.check_entry(order) {
            Err(refusal) => self.refused(OrderId::new(self.number, NO_SLOT), 1, refusal),
            Ok(mut incoming) => {
                if !is_immediate(order) {
                    let slot = self.free_slots.pop().unwrap_or_else(|| {
                        self.last_slot += 1;
                        self.last_slot
                    });
                    incoming.id = OrderId::new(self.number, slot);
                }
                if is_stop(order) {
                    return self.enter_stop(incoming);
                }
                self.work(incoming, !is_immediate(order))
            }
        }
    }

    fn enter_stop(&mut self, mut incoming: Open) -> Outcome {
        let spec = self.spec(incoming.order.instrument);
        let last = self.last.get(&spec.number).copied();
        let reached = last.is_some_and(|last| match incoming.order.side {
            Side::Buy => last >= incoming.order.stop_price,
            Side::Sell => last <= incoming.order.stop_price,
        });
        if reached && spec.phase == Phase::Open {
            return self.triggered(incoming);
        }
        incoming.waits_since = Some(self.sequence);
        let outcome = self.told(&incoming, OrderStatus::TriggerWait, None);
        self.insert(incoming);
        outcome
    }

    /// Enters a stop order whose price was reached.
    fn triggered(&mut self, mut open: Open) -> Outcome {
        open.waits_since = None;
        if open.order.order_type == OrderType::StopLimit {
            return self.work(open, true);
        }
        let spec = self.spec(open.order.instrument);
        let own = open.order.price;
        open.order.price = match open.order.side {
            Side::Buy => own.min(spec.limit_high),
            Side::Sell => own.max(spec.limit_low),
        };
        self.work(open, false)
    }

    pub(super) fn run_stops(&mut self) {
        let mut at = 0;
        while at < self.due.len() {
            let number = self.due[at];
            at += 1;
            while let Some(index) = self.reached(number) {
                let mut open = self.open[index].clone();
                let spec = self.spec(number);
                let inside = (spec.limit_low..=spec.limit_high).contains(&open.order.price);
                if open.order.order_type == OrderType::StopLimit && !inside {
                    self.cancel(open.id, CancelReason::Admin);
                    continue;
                }
                self.open.remove(index);
                open.version += 1;
                self.triggered(open);
            }
        }
        self.due.clear();
    }

    fn reached(&self, number: InstrumentNumber) -> Option<usize> {
        let last = *self.last.get(&number)?;
        if self.spec(number).phase != Phase::Open {
            return None;
        }
        let waiting = self.in_book_order_of(number).into_iter().filter(|open| {
            open.waits_since.is_some()
                && match open.order.side {
                    Side::Buy => open.order.stop_price <= last,
                    Side::Sell => open.order.stop_price >= last,
                }
        });
        waiting.map(|open| self.find(open.id)).next()
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
            shown: order.quantity.0,
            waits_since: None,
            taken_ticks: 0,
            made_ticks: 0,
            fees: [0; 2],
        };
        self.check_market(&mut open)?;
        let rests = !is_immediate(order);
        let count = self.open.iter().filter(|other| other.order.account == order.account).count();
        if rests && count as u32 >= account.max_open_orders {
            return about(Reason::OpenOrdersLimit, [account.max_open_orders.into(), 0, 0]);
        }
        self.check_limits(&open)?;
        self.check_reduces(&open)?;
        let opposite = self.opposite(&open);
        if order.order_type == OrderType::Market && opposite.is_empty() {
            return about(Reason::NoLiquidity, [0; 3]);
        }
        if order.post_only && !opposite.is_empty() {
            return about(Reason::PostOnlyWouldTrade, [0; 3]);
        }
        let is_whole = order.time_in_force == TimeInForce::Fok;
        let least = if is_whole { open.remaining } else { order.min_quantity.0 };
        let lots = if least > 0 { self.fillable(&open) } else { 0 };
        if lots < least {
            let reason = if is_whole { Reason::FokUnfillable } else { Reason::MinQtyUnfillable };
            return about(reason, [lots.into(), 0, 0]);
        }
        if is_stop(order) {
            open.waits_since = Some(self.sequence);
        }
        self.check_funds(&open, 0)?;
        open.waits_since = None;
        Ok(open)
    }

    /// Checks the account, the phase and the prices; gives an order without a price its own.
    fn check_market(&self, open: &mut Open) -> Checked<()> {
        let spec = self.spec(open.order.instrument);
        let about = |reason, values| Err(Refusal::about(spec.number, reason, values));
        let switches = &self.accounts[open.order.account.0 as usize].switches;
        if switches.contains(&Switch::Restricted.number()) {
            return about(Reason::AccountRestricted, [0; 3]);
        }
        if switches.contains(&Switch::Killed.number()) {
            return about(Reason::KillSwitchActive, [0; 3]);
        }
        let bars = switches.contains(&Switch::NoForwards.number());
        if bars && spec.kind == InstrumentKind::Forward {
            return about(Reason::KycLevelRequired, [2, 0, 0]);
        }
        let phase = [spec.phase.number().into(), 0, 0];
        let takes = [OrderType::Market, OrderType::MarketToLimit].contains(&open.order.order_type);
        match spec.phase {
            Phase::Halted => return about(Reason::MarketHalted, phase),
            Phase::Open if open.order.time_in_force == TimeInForce::Gfa => {
                return about(Reason::OrderNotAllowedInPhase, phase);
            }
            Phase::Open => {}
            Phase::PreOpen | Phase::Auction => {
                let at_once = is_immediate(&open.order) || open.order.post_only;
                if at_once || takes && open.version == 1 {
                    return about(Reason::OrderNotAllowedInPhase, phase);
                }
            }
            _ => return about(Reason::InstrumentNotTrading, phase),
        }
        let (low, high) = (spec.limit_low.0, spec.limit_high.0);
        let sign = if open.order.side == Side::Buy { 1 } else { -1 };
        let best = self.best_inside(spec, open.order.side.opposite());
        match open.order.order_type {
            OrderType::Market => {
                let Some(best) = best else { return about(Reason::NoLiquidity, [0; 3]) };
                let worst = best.0 + sign * spec.protection_ticks;
                open.order.price = PriceTicks(worst.clamp(low, high));
            }
            OrderType::MarketToLimit if best.is_none() => {
                return about(Reason::NoLiquidity, [0; 3]);
            }
            OrderType::MarketToLimit if open.order.price.0 == 0 => {
                open.order.price = best.unwrap_or_default();
            }
            OrderType::Stop => {
                let worst = open.order.stop_price.0 + sign * spec.protection_ticks;
                open.order.price = PriceTicks(worst.clamp(spec.price_min.0, spec.price_max.0));
            }
            _ if open.order.price.0 < low || open.order.price.0 > high => {
                return about(Reason::PriceLimit, [open.order.price.0, low, high]);
            }
            _ => {}
        }
        let value = money::value(spec, open.order.price, open.remaining) as i64;
        if spec.max_notional_minor > 0 && value > spec.max_notional_minor {
            return about(Reason::NotionalMax, [value, spec.max_notional_minor, 0]);
        }
        Ok(())
    }

    /// Checks the account's own limits.
    pub(super) fn check_limits(&self, open: &Open) -> Checked<()> {
        let account = open.order.account;
        let (number, side) = (open.order.instrument, open.order.side);
        let limits = self.accounts[account.0 as usize].limits;
        let about = |reason, values| Err(Refusal::about(number, reason, values));
        let passes = |most: i128, value: i128| most == 0 || value <= most;
        let quantity = open.order.quantity.0;
        if !passes(limits.max_order_lots.into(), quantity.into()) {
            let values = [quantity.into(), limits.max_order_lots.into(), 0];
            return about(Reason::QuantityMax, values);
        }
        let spec = self.spec(number);
        let value = money::value(spec, open.order.price, open.remaining);
        if !passes(limits.max_order_notional_minor.into(), value) {
            let values = [value as i64, limits.max_order_notional_minor, 0];
            return about(Reason::NotionalMax, values);
        }
        let others: Vec<_> = self
            .open
            .iter()
            .filter(|other| other.id != open.id && other.order.account == account)
            .collect();
        let today = (self.time.0 / super::DAY_NS, spec.quote_asset);
        let traded = self.accounts[account.0 as usize].traded.get(&today).copied().unwrap_or(0);
        let waiting = others.iter().map(|other| {
            let theirs = self.spec(other.order.instrument);
            let same = theirs.quote_asset == spec.quote_asset;
            if same { money::value(theirs, other.order.price, other.remaining) } else { 0 }
        });
        let most = limits.max_daily_notional_minor;
        if !passes(most.into(), traded + waiting.sum::<i128>() + value) {
            return about(Reason::DailyLimit, [most, 0, 0]);
        }
        let lots = others
            .iter()
            .filter(|other| other.order.instrument == number && other.order.side == side)
            .map(|other| i128::from(other.remaining));
        let net = i128::from(self.positions.get(&(account, number)).copied().unwrap_or(0));
        let net = if side == Side::Buy { net } else { -net };
        let reach = net + lots.sum::<i128>() + i128::from(open.remaining);
        let both = [limits.max_position_lots, spec.position_limit_lots];
        let most = both.into_iter().filter(|most| *most > 0).min().unwrap_or(0);
        if spec.kind == InstrumentKind::Forward && !passes(most.into(), reach) {
            return about(Reason::PositionLimit, [most, 0, 0]);
        }
        Ok(())
    }

    /// Returns the lots by which an order could reduce the account's position.
    pub(super) fn reducible(
        &self,
        account: AccountNumber,
        number: InstrumentNumber,
        side: Side,
    ) -> u32 {
        if self.spec(number).kind != InstrumentKind::Forward {
            return 0;
        }
        let net = self.positions.get(&(account, number)).copied().unwrap_or(0);
        let open = if side == Side::Sell { net } else { -net };
        u32::try_from(open.max(0)).unwrap_or(u32::MAX)
    }

    fn check_reduces(&self, open: &Open) -> Checked<()> {
        if !open.order.reduce_only {
            return Ok(());
        }
        let number = open.order.instrument;
        let others = self.open.iter().filter(|other| {
            other.id != open.id
                && other.order.reduce_only
                && other.order.account == open.order.account
                && other.order.instrument == number
                && other.order.side == open.order.side
        });
        let others: i64 = others.map(|other| i64::from(other.remaining)).sum();
        let room = i64::from(self.reducible(open.order.account, number, open.order.side)) - others;
        if i64::from(open.remaining) <= room {
            return Ok(());
        }
        Err(Refusal::about(number, Reason::ReduceOnlyIncreases, [room.max(0), 0, 0]))
    }

    pub(super) fn check_funds(&self, open: &Open, freed: i128) -> Checked<()> {
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

    pub(super) fn amend(
        &mut self,
        id: OrderId,
        price: Option<PriceTicks>,
        quantity: Option<QuantityLots>,
    ) -> Outcome {
        let at = self.find(id);
        let before = self.open[at].clone();
        let mut after = before.clone();
        after.order.price = price.unwrap_or(before.order.price);
        after.order.quantity = quantity.unwrap_or(before.order.quantity);
        if after.order.quantity.0 <= before.filled {
            return self.cancel(id, CancelReason::User);
        }
        after.remaining = after.order.quantity.0 - before.filled;
        after.version += 1;
        let keeps = after.order.price == before.order.price
            && after.order.quantity <= before.order.quantity;
        if before.waits_since.is_some() {
            if before.order.order_type == OrderType::Stop && price.is_some() {
                let number = before.order.instrument;
                let refusal = Refusal::about(number, Reason::PriceNotAllowed, [0; 3]);
                return self.refused(id, before.version, refusal);
            }
            if let Err(refusal) = self.check_amended(&mut after, &before) {
                return self.refused(id, before.version, refusal);
            }
            after.shown = after.remaining;
            if !keeps {
                after.waits_since = Some(self.sequence);
            }
            let outcome = self.told(&after, OrderStatus::TriggerWait, None);
            self.open[at] = after;
            return outcome;
        }
        if keeps {
            after.shown = after.shown.min(after.remaining);
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
        self.forget_top(&after);
        self.work(after, true)
    }

    fn check_amended(&self, after: &mut Open, before: &Open) -> Checked<()> {
        self.check_market(after)?;
        if after.order.post_only && !self.opposite(after).is_empty() {
            let reason = Reason::PostOnlyWouldTrade;
            return Err(Refusal::about(after.order.instrument, reason, [0; 3]));
        }
        if after.order.price != before.order.price || after.order.quantity > before.order.quantity {
            self.check_limits(after)?;
        }
        self.check_reduces(after)?;
        let freed = money::hold(self.spec(before.order.instrument), before);
        self.check_funds(after, freed)
    }
}
