//! What an account may do, what it has, and what an order of it would do.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::PyRefusal;
use super::engine::{PyEngine, Ticket};
use crate::command::Command;
use crate::engine::Engine;
use crate::error::Reason;
use crate::event::OrderState;
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::types::{
    AccountNumber, CancelReason, InstrumentKind, OrderId, QuantityLots, Side, Switch,
};
use crate::wire::describe::describe;
use crate::wire::replies::{self, Change};
use crate::wire::{Denial, decimal, put, requests};

/// Lots of an order, its value, value of a day, lots of a position.
type Limits = (u32, i64, i64, i64);
/// Switches, most open orders, limits.
type Risk = (u8, u32, Limits);

#[pymethods]
impl PyEngine {
    #[pyo3(name = "set_switch")]
    fn py_set_switch(
        &self,
        py: Python<'_>,
        account: u32,
        switch: u64,
        is_on: bool,
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        let switch = Switch::from_number(switch);
        let switch = switch.ok_or_else(|| PyValueError::new_err("there is no such switch"))?;
        self.control(py, Command::SetSwitch { account, switch, is_on }, future)
    }

    /// Limits are given as lots of an order, its value, value of a day, lots of a position.
    #[pyo3(name = "set_risk_limits")]
    fn py_set_risk_limits(
        &self,
        py: Python<'_>,
        account: u32,
        max_open_orders: u32,
        limits: Limits,
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        let limits = RiskLimits {
            max_order_lots: limits.0,
            max_order_notional_minor: limits.1,
            max_daily_notional_minor: limits.2,
            max_position_lots: limits.3,
        };
        self.control(py, Command::SetRiskLimits { account, limits, max_open_orders }, future)
    }

    /// Cancels the account's orders for a reason that the exchange or a lost session gives.
    #[pyo3(name = "cancel_all")]
    fn py_cancel_all(
        &self,
        py: Python<'_>,
        account: u32,
        reason: u64,
        future: Ticket,
    ) -> PyResult<()> {
        let reason = CancelReason::from_number(reason);
        let reason = reason.ok_or_else(|| PyValueError::new_err("there is no such reason"))?;
        let account = Some(AccountNumber(account));
        let command = Command::MassCancel { account, instrument: None, side: None, reason };
        self.control(py, command, future)
    }

    /// Returns the account's switches, a bit each, the first in the lowest, and its limits as
    /// `set_risk_limits` takes them; None when there is no such account.
    #[pyo3(name = "risk")]
    fn py_risk(&self, account: u32) -> Option<Risk> {
        let state = self.replica.read();
        let account = state.engine.account(AccountNumber(account))?;
        let limits = account.limits;
        let limits = (
            limits.max_order_lots,
            limits.max_order_notional_minor,
            limits.max_daily_notional_minor,
            limits.max_position_lots,
        );
        Some((account.switches, account.max_open_orders, limits))
    }

    /// Returns the numbers of the accounts for which a switch is on.
    #[pyo3(name = "switched_on")]
    fn py_switched_on(&self, switch: u8) -> Vec<u32> {
        let state = self.replica.read();
        let bit = 1_u8.checked_shl(u32::from(switch).saturating_sub(1)).unwrap_or(0);
        let accounts = state.engine.accounts().filter(|account| account.switches & bit != 0);
        accounts.map(|account| account.number.0).collect()
    }

    /// Returns the account's forwards: positions, and those with open orders only.
    #[pyo3(name = "positions")]
    fn py_positions<'py>(
        &self,
        py: Python<'py>,
        account: u32,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let account = AccountNumber(account);
        let state = self.replica.read();
        let engine = &state.engine;
        let mut open = std::collections::BTreeMap::<_, [i64; 2]>::new();
        for order in engine.open_orders(account) {
            let lots = open.entry(order.instrument).or_default();
            let side = usize::from(order.side == Side::Sell);
            if let Some(lots) = lots.get_mut(side) {
                *lots = lots.saturating_add(order.remaining.0.into());
            }
        }
        for position in engine.positions(account) {
            open.entry(position.instrument).or_default();
        }
        let mut found = Vec::new();
        for (number, [buys, sells]) in open {
            let Some(spec) = engine.instrument(number) else { continue };
            if spec.kind == InstrumentKind::Forward {
                let dict = position_dict(py, engine, account, spec)?;
                dict.set_item("open_buy_lots", buys)?;
                dict.set_item("open_sell_lots", sells)?;
                found.push(dict);
            }
        }
        Ok(found)
    }

    /// Returns the bytes of a `PreviewOrderResponse` to a `CreateOrderRequest`, or a refusal.
    #[pyo3(name = "preview_order")]
    fn py_preview_order(
        &self,
        py: Python<'_>,
        account: u32,
        message: &[u8],
    ) -> PyResult<Py<PyAny>> {
        let reply = py.detach(|| {
            let state = self.replica.read();
            preview(&state.engine, AccountNumber(account), message)
        });
        Ok(match reply {
            Ok(bytes) => PyBytes::new(py, &bytes).into_any().unbind(),
            Err(denial) => Py::new(py, PyRefusal::from(denial))?.into_any(),
        })
    }
}

fn position_dict<'py>(
    py: Python<'py>,
    engine: &Engine,
    account: AccountNumber,
    spec: &InstrumentSpec,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let position = engine.positions(account).find(|found| found.instrument == spec.number);
    let net = position.map_or(0, |found| found.bought_lots.saturating_sub(found.sold_lots));
    dict.set_item("symbol", &spec.symbol)?;
    dict.set_item("tick_size_micro", spec.tick_size_micro)?;
    dict.set_item("tick_value_minor", spec.tick_value_minor)?;
    dict.set_item("net_lots", net)?;
    dict.set_item("open_ticks", position.map_or(0, |found| found.open_ticks))?;
    dict.set_item("realised_ticks", position.map_or(0, |found| found.realised_ticks))?;
    dict.set_item("last_ticks", engine.last_trade_price(spec.number).map(|last| last.0))?;
    Ok(dict)
}

fn preview(engine: &Engine, account: AccountNumber, message: &[u8]) -> Result<Vec<u8>, Denial> {
    let request = requests::create_order(message, account, engine)?;
    let own = engine.account(account).ok_or_else(|| Denial::plain(Reason::AccountUnknown))?;
    if !request.account_id.is_empty() && request.account_id.as_bytes() != replies::ulid(&own.id) {
        return Err(Denial::plain(Reason::AccountUnknown));
    }
    let found = engine.preview(&request.order);
    let found = found.map_err(|refusal| describe(&refusal, engine, OrderId(0)))?;
    let state = replies::entered(&request.order, &found.outcome, engine);
    let rest = QuantityLots(found.outcome.remaining.0);
    // It has no number: it never came in.
    let state = OrderState { order_id: OrderId(0), remaining: rest, ..state };
    let change = Change { sequence: engine.last_sequence().0, time_ns: 0 };
    let mut out = Vec::with_capacity(256);
    replies::order(&mut out, 1, &state, change, engine);
    let code = engine.asset_code(found.held_asset).unwrap_or_default();
    let quote = engine.instrument(request.order.instrument).map(|spec| spec.quote_asset);
    let scale = if quote == Some(found.held_asset) { 4 } else { 3 };
    put::bytes(&mut out, 2, decimal::format(found.held_minor.into(), scale, scale).as_bytes());
    put::bytes(&mut out, 3, code.as_bytes());
    put::bytes(&mut out, 4, decimal::money(found.outcome.fees_minor).as_bytes());
    put::uint(&mut out, 5, engine.last_sequence().0);
    Ok(out)
}
