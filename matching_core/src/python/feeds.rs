//! Places of watchers in the streams.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::PyRefusal;
use super::engine::PyEngine;
use crate::engine::EngineLimits;
use crate::error::Reason;
use crate::feeds::market::{MarketCursor, Taken};
use crate::feeds::orders::OrderCursor;
use crate::runtime::replica::State;
use crate::types::AccountNumber;
use crate::watch::Watcher;
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

fn watch_market(
    state: &State,
    symbols: Vec<String>,
    channels: u32,
    from_sequence: u64,
) -> Result<PyMarketCursor, PyRefusalError> {
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

fn watch_orders(
    state: &State,
    account: u32,
    from_sequence: u64,
) -> Result<PyOrderCursor, PyRefusalError> {
    let cursor = state.feeds.orders.watch(AccountNumber(account), from_sequence);
    let cursor = cursor.map_err(|oldest| {
        let denial = Denial::with(Reason::SeqGap, "from_sequence", from_sequence);
        denial.and("oldest_sequence", oldest)
    })?;
    Ok(PyOrderCursor(Mutex::new(cursor)))
}

fn take_market(state: &State, cursor: &PyMarketCursor, bytes_max: usize) -> Taken {
    let mut cursor = cursor.0.lock().unwrap_or_else(PoisonError::into_inner);
    state.feeds.market.take(&mut cursor, &state.engine, bytes_max)
}

fn take_orders(state: &State, cursor: &PyOrderCursor, bytes_max: usize) -> Taken {
    let mut cursor = cursor.0.lock().unwrap_or_else(PoisonError::into_inner);
    state.feeds.orders.take(&mut cursor, &state.engine, bytes_max)
}

/// What whoever has streams offers to those who watch.
macro_rules! streams {
    ($class:ty, $state:ident) => {
        #[pymethods]
        impl $class {
            /// Returns a place in market data, or a refusal for an unknown symbol.
            #[pyo3(name = "watch_market")]
            fn py_watch_market(
                &self,
                symbols: Vec<String>,
                channels: u32,
                from_sequence: u64,
            ) -> Result<PyMarketCursor, PyRefusalError> {
                watch_market(&self.$state.read(), symbols, channels, from_sequence)
            }

            /// Returns a place in the account's reports, or a refusal when that is too long ago.
            #[pyo3(name = "watch_orders")]
            fn py_watch_orders(
                &self,
                account: u32,
                from_sequence: u64,
            ) -> Result<PyOrderCursor, PyRefusalError> {
                watch_orders(&self.$state.read(), account, from_sequence)
            }

            /// Moves on in market data: the `updates` fields, the last sequence, more, lost.
            #[pyo3(name = "take_market")]
            fn py_take_market<'py>(
                &self,
                py: Python<'py>,
                cursor: &PyMarketCursor,
                bytes_max: usize,
            ) -> Update<'py> {
                update(py, &py.detach(|| take_market(&self.$state.read(), cursor, bytes_max)))
            }

            /// Moves on in an account's reports: the `updates` fields, the last sequence, more,
            /// lost.
            #[pyo3(name = "take_orders")]
            fn py_take_orders<'py>(
                &self,
                py: Python<'py>,
                cursor: &PyOrderCursor,
                bytes_max: usize,
            ) -> Update<'py> {
                update(py, &py.detach(|| take_orders(&self.$state.read(), cursor, bytes_max)))
            }
        }
    };
}

streams!(PyEngine, replica);
streams!(PyWatcher, watcher);

/// Streams that follow a journal which another process writes.
#[pyclass(frozen, module = "farmgate._matching", name = "Watcher")]
#[derive(Debug)]
pub(super) struct PyWatcher {
    watcher: Watcher,
}

#[pymethods]
impl PyWatcher {
    /// Opens the journal of a directory; the streams reach back by so many commands at least.
    #[staticmethod]
    #[pyo3(name = "open")]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_open(py: Python<'_>, directory: PathBuf, history: u64) -> PyResult<Self> {
        let watcher = py.detach(|| Watcher::open(&directory, history, EngineLimits::default()))?;
        Ok(Self { watcher })
    }

    /// Tells whether there is more than was applied.
    #[pyo3(name = "is_behind")]
    fn py_is_behind(&self) -> PyResult<bool> {
        Ok(self.watcher.is_behind()?)
    }

    /// Applies what became durable, for a bounded while; tells whether it found something.
    #[pyo3(name = "step")]
    fn py_step(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(py.detach(|| self.watcher.step())?)
    }

    /// Returns the sequence that the streams have reached.
    #[pyo3(name = "applied_sequence")]
    fn py_applied_sequence(&self) -> u64 {
        self.watcher.read().engine.last_sequence().0
    }

    /// Returns the number of an account by the 16 bytes of its ULID.
    #[pyo3(name = "account_number")]
    fn py_account_number(&self, account_id: [u8; 16]) -> Option<u32> {
        self.watcher.read().engine.account_by_id(&account_id).map(|n| n.0)
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
