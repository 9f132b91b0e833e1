//! What the market and the account say to an order before it may enter.

use crate::book::reaches;
use crate::command::NewOrder;
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::engine::rules::{is_immediate, order_breaks};
use crate::error::{Reason, Refusal};
use crate::slab::{NONE, REDUCES};
use crate::types::{
    InstrumentKind, NO_SLOT, OrderId, OrderType, Phase, PriceTicks, Switch, TimeInForce,
};

/// KYC level from which forwards may be traded.
const FORWARDS_LEVEL: i64 = 2;

impl Engine {
    pub(crate) fn check_order(&self, order: &NewOrder) -> Result<Incoming, Refusal> {
        let plain =
            |reason| Refusal { instrument: Some(order.instrument), ..Refusal::plain(reason) };
        let index = self.book_index(order.instrument);
        let index = index.ok_or_else(|| plain(Reason::InstrumentUnknown))?;
        let account = self.ledger.get(order.account);
        let account = account.ok_or_else(|| plain(Reason::AccountUnknown))?;
        let book = &self.books[index];
        if let Some(refusal) = order_breaks(&book.spec, order) {
            return Err(refusal);
        }
        if order.time_in_force == TimeInForce::Gtd && order.expire_time <= self.time {
            return Err(plain(Reason::ExpiryInvalid));
        }
        let mode = order.self_trade_prevention.unwrap_or(account.self_trade_prevention);
        let mut incoming = Incoming {
            id: OrderId::new(self.order_number, NO_SLOT),
            slot: NONE,
            rests: !is_immediate(order.time_in_force),
            book: index,
            side: order.side,
            limit: order.price,
            owner: account.owner,
            remaining: order.quantity.0,
            cold: self.cold_of(order, mode),
            cancelled: None,
        };
        self.check_market(&mut incoming)?;
        let rests = incoming.rests;
        if rests && account.open_orders >= account.max_open_orders {
            let most = account.max_open_orders.into();
            let reason = Reason::OpenOrdersLimit;
            return Err(Refusal::about(order.instrument, reason, [most, 0, 0]));
        }
        self.check_limits(&incoming)?;
        if order.reduce_only {
            self.check_reduces(&incoming, NONE)?;
        }
        self.check_liquidity(&incoming)?;
        self.check_funds(&incoming, 0)?;
        if rests && self.slab.open_count() >= self.limits.open_orders_max {
            return Err(plain(Reason::BookFull));
        }
        Ok(incoming)
    }

    /// Checks who may trade now and at which prices; gives a market order its worst price.
    pub(crate) fn check_market(&self, incoming: &mut Incoming) -> Result<(), Refusal> {
        let book = &self.books[incoming.book];
        let spec = &book.spec;
        let refuse = |reason, values| Err(Refusal::about(spec.number, reason, values));
        let account = self.ledger.get(incoming.cold.account);
        if let Some(reason) = account.and_then(Self::switched_off) {
            return refuse(reason, [0; 3]);
        }
        let bars = account.is_some_and(|account| account.is_on(Switch::NoForwards));
        if bars && spec.kind == InstrumentKind::Forward {
            return refuse(Reason::KycLevelRequired, [FORWARDS_LEVEL, 0, 0]);
        }
        if let Some(reason) = phase_breaks(spec.phase, incoming) {
            return refuse(reason, [spec.phase.number().into(), 0, 0]);
        }
        let (low, high) = (spec.limit_low, spec.limit_high);
        let best = book.best(incoming.side.opposite()).filter(|best| (low..=high).contains(best));
        match (incoming.cold.order_type, best) {
            (OrderType::Market | OrderType::MarketToLimit, None) => {
                return refuse(Reason::NoLiquidity, [0; 3]);
            }
            (OrderType::Market, Some(best)) => {
                let worst = spec.protected(incoming.side, best);
                incoming.limit = PriceTicks(worst.0.clamp(low.0, high.0));
            }
            // Its rest stays at the price it trades at, unless it was changed since.
            (OrderType::MarketToLimit, Some(best)) if incoming.limit.0 == 0 => {
                incoming.limit = best;
                incoming.cold.price = best;
            }
            (OrderType::Stop, _) => {
                let stop = incoming.cold.stop_price;
                let worst = spec.protected(incoming.side, stop);
                incoming.limit = PriceTicks(worst.0.clamp(spec.price_min.0, spec.price_max.0));
                incoming.cold.price = incoming.limit;
            }
            _ if !(low..=high).contains(&incoming.limit) => {
                return refuse(Reason::PriceLimit, [incoming.limit.0, low.0, high.0]);
            }
            _ => {}
        }
        let value = Terms::of(spec).value(incoming.limit, incoming.remaining);
        if spec.max_notional_minor > 0 && value > spec.max_notional_minor {
            return refuse(Reason::NotionalMax, [value, spec.max_notional_minor, 0]);
        }
        Ok(())
    }

    fn check_liquidity(&self, incoming: &Incoming) -> Result<(), Refusal> {
        let book = &self.books[incoming.book];
        let number = book.spec.number;
        if incoming.cold.order_type == OrderType::Market {
            let best = book.best(incoming.side.opposite());
            if !best.is_some_and(|best| reaches(incoming.side, incoming.limit, best)) {
                return Err(Refusal::about(number, Reason::NoLiquidity, [0; 3]));
            }
        }
        if incoming.cold.post_only && book.crosses(incoming.side, incoming.limit) {
            return Err(Refusal::about(number, Reason::PostOnlyWouldTrade, [0; 3]));
        }
        let least = if incoming.cold.time_in_force == TimeInForce::Fok {
            incoming.remaining
        } else {
            incoming.cold.min_quantity.0
        };
        if least > 0 {
            let lots = self.fillable(incoming);
            let is_fok = incoming.cold.time_in_force == TimeInForce::Fok;
            let reason = if is_fok { Reason::FokUnfillable } else { Reason::MinQtyUnfillable };
            if lots < least {
                return Err(Refusal::about(number, reason, [lots.into(), 0, 0]));
            }
        }
        Ok(())
    }

    /// Checks that an order could reduce the position by all its lots, together with the account's
    /// other orders that may only do so; `slot` is its own when it is open already.
    pub(crate) fn check_reduces(&self, incoming: &Incoming, slot: u32) -> Result<(), Refusal> {
        let account = incoming.cold.account;
        let others = self.account_slots(account).filter(|&other| {
            let hot = self.slab.hot[other as usize];
            other != slot
                && hot.is(REDUCES)
                && hot.book() == incoming.book
                && hot.side() == incoming.side
        });
        let others: u64 = others.map(|other| u64::from(self.slab.open_lots(other))).sum();
        let room = u64::from(self.reducible(account, incoming.book, incoming.side));
        let room = room.saturating_sub(others);
        if u64::from(incoming.remaining) <= room {
            return Ok(());
        }
        let number = self.books[incoming.book].spec.number;
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        Err(Refusal::about(number, Reason::ReduceOnlyIncreases, [room, 0, 0]))
    }

    /// Checks that the account can pay, when `freed` of its own hold comes free first.
    pub(crate) fn check_funds(&self, incoming: &Incoming, freed: i64) -> Result<(), Refusal> {
        let terms = Terms::of(&self.books[incoming.book].spec);
        let cold = &incoming.cold;
        let needed = terms.entry(
            incoming.side,
            incoming.limit,
            incoming.remaining,
            cold.taker_notional_ticks,
        );
        let asset = terms.held_asset(incoming.side);
        let available = self.ledger.available(cold.account, asset) + freed;
        if needed <= available {
            return Ok(());
        }
        let is_base = asset == terms.base;
        Err(Refusal {
            reason: if is_base { Reason::InsufficientInventory } else { Reason::InsufficientFunds },
            instrument: Some(terms.instrument),
            asset: Some(asset),
            values: [needed, available, 0],
        })
    }
}

/// Tells why an order can't be entered in a phase.
fn phase_breaks(phase: Phase, incoming: &Incoming) -> Option<Reason> {
    let cold = &incoming.cold;
    let gathers = cold.time_in_force == TimeInForce::Gfa;
    let is_new = cold.version == 1;
    let needs_market =
        is_new && matches!(cold.order_type, OrderType::Market | OrderType::MarketToLimit);
    match phase {
        Phase::Open if gathers => Some(Reason::OrderNotAllowedInPhase),
        Phase::Open => None,
        Phase::PreOpen | Phase::Auction => {
            let waits = incoming.rests && !needs_market && !cold.post_only;
            (!waits).then_some(Reason::OrderNotAllowedInPhase)
        }
        Phase::Halted => Some(Reason::MarketHalted),
        _ => Some(Reason::InstrumentNotTrading),
    }
}
