//! History as rows for a database.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::engine::{Engine, EngineLimits};
use crate::event::{Posting, Trade};
use crate::follow::{Block, Changed, Follower, Moment};
use crate::trade_change::TradeChange;
use crate::types::CancelReason;
use crate::wire::replies;

/// Follows a journal from another process.
#[pyclass(frozen, module = "farmgate._matching", name = "Follower")]
#[derive(Debug)]
pub(super) struct PyFollower(Mutex<Follower>);

fn order_row<'py>(
    py: Python<'py>,
    Changed { last: moment, came_in, state }: &Changed,
) -> PyResult<Bound<'py, PyTuple>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let client_order_id = text(state.client_order_id.as_bytes());
    let reject_reason = state.refusal.map_or_else(String::new, |r| replies::reason_name(r.reason));
    PyTuple::new(
        py,
        [
            state.order_id.0.into_pyobject(py)?.into_any(),
            state.account.0.into_pyobject(py)?.into_any(),
            state.instrument.0.into_pyobject(py)?.into_any(),
            client_order_id.into_pyobject(py)?.into_any(),
            state.side.number().into_pyobject(py)?.into_any(),
            state.order_type.number().into_pyobject(py)?.into_any(),
            state.time_in_force.number().into_pyobject(py)?.into_any(),
            u8::from(state.post_only).into_pyobject(py)?.into_any(),
            state.self_trade_prevention.number().into_pyobject(py)?.into_any(),
            state.price.0.into_pyobject(py)?.into_any(),
            state.quantity.0.into_pyobject(py)?.into_any(),
            state.filled.0.into_pyobject(py)?.into_any(),
            state.remaining.0.into_pyobject(py)?.into_any(),
            state.filled_notional_ticks.into_pyobject(py)?.into_any(),
            state.fees_minor.into_pyobject(py)?.into_any(),
            state.status.number().into_pyobject(py)?.into_any(),
            state.cancel_reason.map_or(0, CancelReason::number).into_pyobject(py)?.into_any(),
            reject_reason.into_pyobject(py)?.into_any(),
            state.expire_time.0.into_pyobject(py)?.into_any(),
            state.create_time.0.into_pyobject(py)?.into_any(),
            moment.time_ns.into_pyobject(py)?.into_any(),
            moment.sequence.into_pyobject(py)?.into_any(),
            state.version.into_pyobject(py)?.into_any(),
            state.stop_price.0.into_pyobject(py)?.into_any(),
            state.display.0.into_pyobject(py)?.into_any(),
            state.min_quantity.0.into_pyobject(py)?.into_any(),
            u8::from(state.reduce_only).into_pyobject(py)?.into_any(),
            came_in.into_pyobject(py)?.into_any(),
        ],
    )
}

/// Every trade stands when it is made.
const STATUS_EXECUTED: u8 = 1;

fn trade_row<'py>(
    py: Python<'py>,
    (moment, trade): &(Moment, Trade),
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(
        py,
        [
            trade.trade_id.into_pyobject(py)?,
            trade.instrument.0.into_pyobject(py)?,
            trade.price.0.into_pyobject(py)?,
            trade.quantity.0.into_pyobject(py)?,
            trade.aggressor.number().into_pyobject(py)?,
            trade.maker_order.0.into_pyobject(py)?,
            trade.maker_account.0.into_pyobject(py)?,
            trade.maker_fee_minor.into_pyobject(py)?,
            trade.taker_order.0.into_pyobject(py)?,
            trade.taker_account.0.into_pyobject(py)?,
            trade.taker_fee_minor.into_pyobject(py)?,
            moment.time_ns.into_pyobject(py)?,
            moment.sequence.into_pyobject(py)?,
            trade.kind.number().into_pyobject(py)?,
            trade.maker_deposit_minor.into_pyobject(py)?,
            trade.taker_deposit_minor.into_pyobject(py)?,
            STATUS_EXECUTED.into_pyobject(py)?,
        ],
    )
}

fn change_row<'py>(
    py: Python<'py>,
    (moment, change): &(Moment, TradeChange),
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(
        py,
        [
            change.trade_id.into_pyobject(py)?,
            change.price.0.into_pyobject(py)?,
            change.quantity.0.into_pyobject(py)?,
            change.new_price.0.into_pyobject(py)?,
            change.new_quantity.0.into_pyobject(py)?,
            change.new_fee(change.buyer.fee_minor).into_pyobject(py)?,
            change.new_fee(change.seller.fee_minor).into_pyobject(py)?,
            moment.time_ns.into_pyobject(py)?,
            moment.sequence.into_pyobject(py)?,
            // The candles come later.
            0_u8.into_pyobject(py)?,
        ],
    )
}

fn posting_row<'py>(
    py: Python<'py>,
    index: usize,
    (moment, posting): &(Moment, Posting),
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(
        py,
        [
            moment.sequence.into_pyobject(py)?,
            index.into_pyobject(py)?,
            posting.account.0.into_pyobject(py)?,
            posting.asset.0.into_pyobject(py)?,
            (posting.kind as u8).into_pyobject(py)?,
            posting.total_change.into_pyobject(py)?,
            posting.held_change.into_pyobject(py)?,
            posting.total.into_pyobject(py)?,
            posting.held.into_pyobject(py)?,
            posting.reference.into_pyobject(py)?,
            moment.time_ns.into_pyobject(py)?,
        ],
    )
}

fn block_dict<'py>(
    py: Python<'py>,
    block: &Block,
    engine: &Engine,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("sequence", block.end.sequence)?;
    dict.set_item("time_ns", block.end.time_ns)?;
    dict.set_item("commands", block.commands)?;
    dict.set_item("accounts", block.accounts.iter().map(|(n, id)| (n.0, *id)).collect::<Vec<_>>())?;
    let orders = PyList::empty(py);
    for order in block.orders.values() {
        orders.append(order_row(py, order)?)?;
    }
    dict.set_item("orders", orders)?;
    let trades = PyList::empty(py);
    for trade in &block.trades {
        trades.append(trade_row(py, trade)?)?;
    }
    dict.set_item("trades", trades)?;
    let changes = PyList::empty(py);
    for change in &block.changes {
        changes.append(change_row(py, change)?)?;
    }
    dict.set_item("changes", changes)?;
    let postings = PyList::empty(py);
    // Positions within a command: a block starts with a command, so counting anew is stable.
    let (mut sequence, mut index) = (0, 0_usize);
    for posting in &block.postings {
        index = if posting.0.sequence == sequence { index.saturating_add(1) } else { 0 };
        sequence = posting.0.sequence;
        postings.append(posting_row(py, index, posting)?)?;
    }
    dict.set_item("postings", postings)?;
    let symbols: Vec<_> = engine
        .instruments()
        .map(|spec| {
            (spec.number.0, spec.symbol.as_str(), spec.tick_size_micro, spec.tick_value_minor)
        })
        .collect();
    dict.set_item("instruments", symbols)?;
    let assets: Vec<_> = engine.assets().map(|(number, code)| (number.0, code)).collect();
    dict.set_item("assets", assets)?;
    Ok(dict)
}

#[pymethods]
impl PyFollower {
    /// Opens the journal of a directory to go on after `watermark`.
    #[staticmethod]
    #[pyo3(name = "open")]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_open(py: Python<'_>, directory: PathBuf, watermark: u64) -> PyResult<Self> {
        let limits = EngineLimits::default();
        let follower = py.detach(|| Follower::open(&directory, watermark, limits))?;
        Ok(Self(Mutex::new(follower)))
    }

    /// Returns what became durable since the last block, or None.
    #[pyo3(name = "next_block")]
    fn py_next_block<'py>(
        &self,
        py: Python<'py>,
        commands_max: u64,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let block = py.detach(|| {
            let mut follower = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            follower.next_block(commands_max)
        })?;
        let follower = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        block.map(|block| block_dict(py, &block, follower.engine())).transpose()
    }

    /// Returns the hash of the state after the last block, and its sequence.
    #[pyo3(name = "state_hash")]
    fn py_state_hash(&self, py: Python<'_>) -> (String, u64) {
        py.detach(|| {
            let follower = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let engine = follower.engine();
            let hash = blake3::Hash::from_bytes(engine.state_hash());
            (hash.to_hex().to_string(), engine.last_sequence().0)
        })
    }
}
