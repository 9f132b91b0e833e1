//! The journal in a database: who leads, and copies for those who follow.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use super::engine::PyEngine;
use crate::engine::EngineLimits;
use crate::runtime::{Options, Runtime};
use crate::shared::SharedOptions;
use crate::shared::mirror::Mirror;

/// There is one shard; the tables have room for more.
const SHARD: i32 = 0;

#[pymethods]
impl PyEngine {
    /// Recovers the state from the copy in a directory, follows the journal in the database, and
    /// leads while it can have the lease.
    #[staticmethod]
    #[pyo3(name = "share", signature = (directory, url, *, holder, address, lease_ms=2_000, snapshot_interval_commands=1_000_000, queue_requests_max=65_536))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn py_share(
        py: Python<'_>,
        directory: PathBuf,
        url: String,
        holder: String,
        address: String,
        lease_ms: u32,
        snapshot_interval_commands: u64,
        queue_requests_max: usize,
    ) -> PyResult<Self> {
        let options = Options {
            directory,
            durable: false,
            limits: EngineLimits::default(),
            snapshot_interval_commands,
            queue_requests_max,
            epoch: 0,
        };
        let shared = SharedOptions { url, shard: SHARD, holder, address, lease_ms };
        let runtime = py.detach(|| Runtime::share(&options, &shared))?;
        Ok(Self::new(runtime))
    }

    /// Gives the lease back after answering what was taken, and does not take it again; False when
    /// there is none.
    #[pyo3(name = "hand_over")]
    fn py_hand_over(&self) -> bool {
        self.runtime().hand_over()
    }

    /// Returns 1 for a leader, 2 for a follower and 3 for neither; its epoch; the leader's address.
    #[pyo3(name = "standing")]
    fn py_standing(&self) -> (u8, u64, String) {
        let standing = self.runtime().standing();
        (standing.role as u8, standing.epoch, standing.leader)
    }
}

/// Keeps a copy of the journal in a directory for those who follow it.
#[pyclass(frozen, module = "farmgate._matching", name = "Mirror")]
#[derive(Debug)]
pub(super) struct PyMirror(Mutex<Option<Mirror>>);

#[pymethods]
impl PyMirror {
    /// Starts to copy.
    #[staticmethod]
    #[pyo3(name = "start")]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_start(directory: PathBuf, url: String) -> PyResult<Self> {
        let (holder, address) = (String::new(), String::new());
        let shared = SharedOptions { url, shard: SHARD, holder, address, lease_ms: 0 };
        Ok(Self(Mutex::new(Some(Mirror::start(&directory, shared)?))))
    }

    /// Stops to copy.
    #[pyo3(name = "stop")]
    fn py_stop(&self, py: Python<'_>) {
        py.detach(|| drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}
