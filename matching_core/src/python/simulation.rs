//! Backtests, for a process of their own.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::engine::PyEngine;
use crate::codec;
use crate::command::Command;
use crate::simulation::Simulation;
use crate::types::{AccountNumber, InstrumentNumber};

/// A run of the engine outside the market.
#[pyclass(frozen, module = "farmgate._matching", name = "Simulation")]
#[derive(Debug)]
pub(super) struct PySimulation(Mutex<Simulation>);

impl PySimulation {
    fn run(&self) -> MutexGuard<'_, Simulation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PySimulation {
    /// Returns a run of generated flow under the rules of a record of `instrument_record`.
    #[staticmethod]
    #[pyo3(name = "generated")]
    fn py_generated(record: &[u8], seed: u64, commands: u64) -> PyResult<Self> {
        let Ok(Command::DefineInstrument(spec)) = codec::decode(record) else {
            return Err(PyValueError::new_err("the record is not one of an instrument"));
        };
        Ok(Self(Mutex::new(Simulation::generated(&spec, seed, commands))))
    }

    /// Returns a run over a range of a journal, which tells of one account in one instrument.
    #[staticmethod]
    #[pyo3(name = "replayed")]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_replayed(
        directory: PathBuf,
        from_sequence: u64,
        to_sequence: u64,
        instrument: u32,
        account: u32,
    ) -> PyResult<Self> {
        let range = (from_sequence, to_sequence);
        let (instrument, account) = (InstrumentNumber(instrument), AccountNumber(account));
        let run = Simulation::replayed(&directory, range, instrument, account)?;
        Ok(Self(Mutex::new(run)))
    }

    /// Carries out about so many commands more; False when it is over.
    #[pyo3(name = "step")]
    fn py_step(&self, py: Python<'_>, commands: u64) -> PyResult<bool> {
        Ok(py.detach(|| self.run().step(commands))?)
    }

    /// Returns what it gave so far.
    #[pyo3(name = "summary")]
    fn py_summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let run = self.run();
        let summary = run.summary();
        let dict = PyDict::new(py);
        dict.set_item("commands", summary.commands)?;
        dict.set_item("total", run.total())?;
        dict.set_item("trades", summary.trades)?;
        dict.set_item("volume_lots", summary.volume_lots)?;
        dict.set_item("last_ticks", summary.last.0)?;
        dict.set_item("net_lots", summary.net_lots)?;
        dict.set_item("result_minor", run.result_minor())?;
        dict.set_item("events_hash", summary.events_hash())?;
        Ok(dict)
    }

    /// Returns the hash of the state.
    #[pyo3(name = "state_hash")]
    fn py_state_hash(&self, py: Python<'_>) -> String {
        py.detach(|| self.run().state_hash())
    }
}

#[pymethods]
impl PyEngine {
    /// Returns the journal record that would list an instrument as it is; None for an unknown one.
    #[pyo3(name = "instrument_record")]
    fn py_instrument_record(&self, symbol: &str) -> Option<Vec<u8>> {
        let state = self.replica.read();
        let spec = state.engine.instrument_by_symbol(symbol.as_bytes())?.clone();
        let mut record = Vec::new();
        codec::encode(&Command::DefineInstrument(Box::new(spec)), &mut record);
        Some(record.split_off(4))
    }
}
