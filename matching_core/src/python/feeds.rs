//! Places of watchers in the streams.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::PyRefusal;
use super::engine::PyEngine;
use crate::error::Reason;
use crate::feeds::market::{MarketCursor, Taken};
use crate::feeds::orders::OrderCursor;
use crate::types::AccountNumber;
use crate::wire::Denial;

/// A watcher's place in market data.
#[pyclass(frozen, module = "farmgate._matching", name = "MarketCursor")]
#[derive(Debug)]
pub(super) struct PyMarketCursor(Mutex<MarketCursor>);

/// A watcher's place in an account's execution reports.
#[pyclass(frozen, module = "farmgate._matching", name = "OrderCursor")]
#[derive(Debug)]
pub(super) struct PyOrderCursor(Mutex<OrderCursor>);

type Update<'py> = (Bound<'py, PyBytes>, u64, bool, bool);

fn update<'py>(py: Python<'py>, taken: &Taken) -> Update<'py> {
    (PyBytes::new(py, &taken.bytes), taken.sequence, taken.more, taken.lost)
}

#[pymethods]
impl PyEngine {
    /// Returns a place in market data, or a refusal for an unknown symbol.
    #[pyo3(name = "watch_market")]
    fn py_watch_market(
        &self,
        symbols: Vec<String>,
        channels: u32,
        from_sequence: u64,
    ) -> Result<PyMarketCursor, PyRefusalError> {
        let state = self.replica.read();
        let mut instruments = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            match state.engine.instrument_by_symbol(symbol.as_bytes()) {
                Some(spec) => instruments.push(spec.number),
                None => {
                    return Err(Denial::with(Reason::InstrumentUnknown, "symbol", symbol).into());
                }
            }
        }
        let cursor = state.feeds.market.watch(&instruments, channels, from_sequence);
        Ok(PyMarketCursor(Mutex::new(cursor)))
    }

    /// Returns a place in the account's reports, or a refusal when that is too long ago.
    #[pyo3(name = "watch_orders")]
    fn py_watch_orders(
        &self,
        account: u32,
        from_sequence: u64,
    ) -> Result<PyOrderCursor, PyRefusalError> {
        let state = self.replica.read();
        let cursor = state.feeds.orders.watch(AccountNumber(account), from_sequence);
        let cursor = cursor.map_err(|oldest| {
            let denial = Denial::with(Reason::SeqGap, "from_sequence", from_sequence);
            denial.and("oldest_sequence", oldest)
        })?;
        Ok(PyOrderCursor(Mutex::new(cursor)))
    }

    /// Moves on in market data: the `updates` fields, the last sequence, more, lost.
    #[pyo3(name = "take_market")]
    fn py_take_market<'py>(
        &self,
        py: Python<'py>,
        cursor: &PyMarketCursor,
        bytes_max: usize,
    ) -> Update<'py> {
        let taken = py.detach(|| {
            let state = self.replica.read();
            let mut cursor = cursor.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.feeds.market.take(&mut cursor, &state.engine, bytes_max)
        });
        update(py, &taken)
    }

    /// Moves on in an account's reports: the `updates` fields, the last sequence, more, lost.
    #[pyo3(name = "take_orders")]
    fn py_take_orders<'py>(
        &self,
        py: Python<'py>,
        cursor: &PyOrderCursor,
        bytes_max: usize,
    ) -> Update<'py> {
        let taken = py.detach(|| {
            let state = self.replica.read();
            let mut cursor = cursor.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.feeds.orders.take(&mut cursor, &state.engine, bytes_max)
        });
        update(py, &taken)
    }
}

/// A refusal raised as `RefusedError(refusal)`.
pub(super) struct PyRefusalError(Denial);

impl From<Denial> for PyRefusalError {
    fn from(denial: Denial) -> Self {
        Self(denial)
    }
}

impl From<PyRefusalError> for PyErr {
    fn from(error: PyRefusalError) -> Self {
        super::RefusedError::new_err(PyRefusal::from(error.0))
    }
}
