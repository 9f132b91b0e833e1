//! The Python face: `py_*` converts and calls, and holds no rule.
//!
//! Answers come back through asyncio futures, which [`engine::PyEngine::py_drain`] resolves on the
//! event loop's own thread.

mod accounts;
mod audit;
mod engine;
mod feeds;
mod follower;
mod proofs;
mod reads;
mod shared;
mod simulation;
mod trades;

use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::journal::JournalError;
use crate::wire::Denial;

create_exception!(
    _matching,
    JournalFailure,
    PyRuntimeError,
    "The journal can't be opened or read."
);

create_exception!(
    _matching,
    RefusedError,
    PyRuntimeError,
    "The engine refused; its argument is the Refusal."
);

impl From<JournalError> for PyErr {
    fn from(error: JournalError) -> Self {
        JournalFailure::new_err(error.to_string())
    }
}

/// A refusal: the number of its reason and what its message mentions.
#[pyclass(frozen, module = "farmgate._matching", name = "Refusal")]
#[derive(Debug)]
pub struct PyRefusal {
    /// Number, as in `farmgate.api.errors.v1.Reason`.
    #[pyo3(get)]
    pub reason: u16,
    metadata: Vec<(&'static str, String)>,
}

#[pymethods]
impl PyRefusal {
    #[getter]
    fn metadata(&self) -> std::collections::BTreeMap<&'static str, &str> {
        self.metadata.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn __repr__(&self) -> String {
        format!("Refusal(reason={}, metadata={:?})", self.reason, self.metadata)
    }
}

impl From<Denial> for PyRefusal {
    fn from(denial: Denial) -> Self {
        Self { reason: denial.reason as u16, metadata: denial.metadata }
    }
}

#[pymodule]
mod _matching {
    #[pymodule_export]
    use super::engine::PyEngine;
    #[pymodule_export]
    use super::feeds::{PyMarketCursor, PyOrderCursor, PyWatcher};
    #[pymodule_export]
    use super::follower::PyFollower;
    #[pymodule_export]
    use super::proofs::{
        PyDayFile, PyDayVerifier, PyPublicJournal, py_inclusion_path, py_inclusion_root,
    };
    #[pymodule_export]
    use super::shared::PyMirror;
    #[pymodule_export]
    use super::simulation::PySimulation;
    #[pymodule_export]
    use super::{JournalFailure, PyRefusal, RefusedError};
}
