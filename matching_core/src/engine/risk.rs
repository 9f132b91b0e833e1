//! What an account's own limits and switches say to an order.

use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::engine::{DAY_NS, Engine};
use crate::error::{Reason, Refusal};
use crate::event::Outcome;
use crate::ledger::Account;
use crate::risk::{Allowance, RiskLimits};
use crate::types::{AccountNumber, InstrumentKind, Side, Switch};

impl Engine {
    /// Tells which switch keeps an account from entering orders.
    pub(crate) const fn switched_off(account: &Account) -> Option<Reason> {
        if account.is_on(Switch::Restricted) {
            return Some(Reason::AccountRestricted);
        }
        if account.is_on(Switch::Killed) {
            return Some(Reason::KillSwitchActive);
        }
        None
    }

    /// Checks an order against its account's limits; its slot is set when it is open already.
    ///
    /// The account's open orders are looked through, so only accounts with limits pay for them.
    pub(crate) fn check_limits(&self, incoming: &Incoming) -> Result<(), Refusal> {
        let account = incoming.cold.account;
        let spec = &self.books[incoming.book].spec;
        let refuse = |reason, values| Err(Refusal::about(spec.number, reason, values));
        let allowance = self.ledger.get(account).and_then(|account| account.allowance.as_ref());
        let Some(allowance) = allowance else { return self.check_position(incoming, 0) };
        let limits = &allowance.limits;
        let most = limits.max_order_lots;
        if most > 0 && incoming.cold.quantity.0 > most {
            let lots = incoming.cold.quantity.0.into();
            return refuse(Reason::QuantityMax, [lots, most.into(), 0]);
        }
        let terms = Terms::of(spec);
        let value = terms.value(incoming.limit, incoming.remaining);
        let most = limits.max_order_notional_minor;
        if most > 0 && value > most {
            return refuse(Reason::NotionalMax, [value, most, 0]);
        }
        let most = limits.max_daily_notional_minor;
        if most > 0 {
            let traded = allowance.traded(self.time.0 / DAY_NS, terms.quote);
            let open = self.open_value(incoming, &terms);
            if traded.saturating_add(open).saturating_add(value) > most {
                return refuse(Reason::DailyLimit, [most, 0, 0]);
            }
        }
        self.check_position(incoming, limits.max_position_lots)
    }

    /// Checks the position against the account's own limit and the instrument's; 0 is none.
    fn check_position(&self, incoming: &Incoming, own: i64) -> Result<(), Refusal> {
        let spec = &self.books[incoming.book].spec;
        let most = [own, spec.position_limit_lots].into_iter().filter(|most| *most > 0).min();
        match most {
            Some(most) if spec.kind == InstrumentKind::Forward && self.reach(incoming) > most => {
                Err(Refusal::about(spec.number, Reason::PositionLimit, [most, 0, 0]))
            }
            _ => Ok(()),
        }
    }

    /// Returns what the account's other orders in the same currency may still trade for.
    fn open_value(&self, incoming: &Incoming, terms: &Terms) -> i64 {
        let others = self.account_slots(incoming.cold.account);
        let values = others.filter(|&slot| slot != incoming.slot).map(|slot| {
            let other = Terms::of(&self.books[self.slab.hot[slot as usize].book()].spec);
            if other.quote != terms.quote {
                return 0;
            }
            other.value(self.slab.cold[slot as usize].price, self.slab.open_lots(slot))
        });
        values.fold(0, i64::saturating_add)
    }

    /// Returns how far the position would go if all that the account has open on the order's side
    /// traded.
    fn reach(&self, incoming: &Incoming) -> i64 {
        let account = incoming.cold.account;
        let others = self.account_slots(account).filter(|&slot| {
            let hot = self.slab.hot[slot as usize];
            slot != incoming.slot && hot.book() == incoming.book && hot.side() == incoming.side
        });
        let open: i64 = others.map(|slot| i64::from(self.slab.open_lots(slot))).sum();
        let net = self.net_lots(account, incoming.book);
        let sign = if incoming.side == Side::Buy { 1 } else { -1 };
        sign * net + open + i64::from(incoming.remaining)
    }

    pub(crate) fn set_switch(
        &mut self,
        account: AccountNumber,
        switch: Switch,
        is_on: bool,
    ) -> Outcome {
        self.ledger.account(account).switch(switch, is_on);
        self.numbered(account.0)
    }

    /// Gives an account other limits; what it traded today still counts.
    pub(crate) fn set_risk_limits(
        &mut self,
        account: AccountNumber,
        limits: &RiskLimits,
        max_open_orders: u32,
    ) -> Outcome {
        let found = self.ledger.account(account);
        found.max_open_orders = max_open_orders;
        if *limits == RiskLimits::default() {
            found.allowance = None;
        } else {
            let day = self.time.0 / DAY_NS;
            let fresh = || Box::new(Allowance { day, ..Allowance::default() });
            found.allowance.get_or_insert_with(fresh).limits = *limits;
        }
        self.numbered(account.0)
    }
}
