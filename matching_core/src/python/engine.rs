//! The running engine: requests in, answers into futures.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::PyRefusal;
use crate::command::{Command, CommandKey};
use crate::engine::{EngineLimits, command_key};
use crate::instrument::InstrumentSpec;
use crate::runtime::replica::Replica;
use crate::runtime::{Completion, Options, Reply, Request, Runtime};
use crate::types::{
    AccountNumber, Allocation, AssetNumber, InstrumentKind, InstrumentNumber, OwnerNumber, Phase,
    PriceTicks, QuantityLots, SelfTradePrevention,
};
use crate::wire::Denial;

pub(super) type Ticket = Py<PyAny>;

/// Keys of transfers; see [`command_key`].
const IDEMPOTENCY_KEY: u8 = 2;

/// The matching engine of one shard, durable in a directory.
#[pyclass(frozen, module = "farmgate._matching", name = "Engine")]
#[derive(Debug)]
pub(super) struct PyEngine {
    runtime: Mutex<Runtime<Ticket>>,
    pub(super) replica: Arc<Replica<Ticket>>,
}

impl PyEngine {
    pub(super) fn new(runtime: Runtime<Ticket>) -> Self {
        let replica = Arc::clone(runtime.replica());
        Self { runtime: Mutex::new(runtime), replica }
    }

    pub(super) fn runtime(&self) -> MutexGuard<'_, Runtime<Ticket>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, py: Python<'_>, request: Request, future: Ticket) -> PyResult<()> {
        let submitted = self.runtime().submit(request, future);
        if let Err((denial, future)) = submitted {
            let refusal = PyRefusal::from(denial);
            resolve(py, &future, Py::new(py, refusal)?.into_any())?;
        }
        Ok(())
    }

    pub(super) fn control(&self, py: Python<'_>, command: Command, future: Ticket) -> PyResult<()> {
        self.submit(py, Request::Control(Box::new(command)), future)
    }
}

fn resolve(py: Python<'_>, future: &Ticket, result: Py<PyAny>) -> PyResult<()> {
    let future = future.bind(py);
    // A caller that went away cancelled its future.
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    future.call_method1(intern!(py, "set_result"), (result,))?;
    Ok(())
}

fn answer(py: Python<'_>, reply: Result<Reply, Denial>) -> PyResult<Py<PyAny>> {
    Ok(match reply {
        Ok(Reply::Bytes(bytes)) => PyBytes::new(py, &bytes).into_any().unbind(),
        Ok(Reply::Outcome(outcome)) => {
            // Number of what was made, sequence, and how many were cancelled.
            let counted = (outcome.order_id.0, outcome.sequence.0, outcome.remaining.0);
            counted.into_pyobject(py)?.into_any().unbind()
        }
        Ok(Reply::Reached) => py.None(),
        Err(denial) => Py::new(py, PyRefusal::from(denial))?.into_any(),
    })
}

#[pymethods]
impl PyEngine {
    /// Recovers the state from a directory and starts the engine's threads.
    #[staticmethod]
    #[pyo3(name = "open", signature = (directory, *, durable=true, snapshot_interval_commands=1_000_000, queue_requests_max=65_536, epoch=1))]
    fn py_open(
        py: Python<'_>,
        directory: PathBuf,
        durable: bool,
        snapshot_interval_commands: u64,
        queue_requests_max: usize,
        epoch: u64,
    ) -> PyResult<Self> {
        let options = Options {
            directory,
            durable,
            limits: EngineLimits::default(),
            snapshot_interval_commands,
            queue_requests_max,
            epoch,
        };
        Ok(Self::new(py.detach(|| Runtime::open(&options))?))
    }

    /// Returns the file descriptor that is readable while answers wait.
    #[pyo3(name = "fileno")]
    fn py_fileno(&self) -> i32 {
        self.runtime().event_fd()
    }

    /// Resolves the futures whose answers have come; tells whether feeds moved on.
    #[pyo3(name = "drain")]
    fn py_drain(&self, py: Python<'_>) -> PyResult<bool> {
        let mut completions: Vec<Completion<Ticket>> = Vec::new();
        let moved = self.runtime().drain(&mut completions);
        for completion in completions {
            let result = answer(py, completion.reply)?;
            resolve(py, &completion.ticket, result)?;
        }
        Ok(moved)
    }

    #[pyo3(name = "create_order")]
    fn py_create_order(
        &self,
        py: Python<'_>,
        account: u32,
        key: &[u8],
        message: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        let request = Request::Create { account, key: key.into(), message: message.into() };
        self.submit(py, request, future)
    }

    #[pyo3(name = "cancel_order")]
    fn py_cancel_order(
        &self,
        py: Python<'_>,
        account: Option<u32>,
        key: &[u8],
        message: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = account.map(AccountNumber);
        let request = Request::Cancel { account, key: key.into(), message: message.into() };
        self.submit(py, request, future)
    }

    #[pyo3(name = "amend_order")]
    fn py_amend_order(
        &self,
        py: Python<'_>,
        account: u32,
        key: &[u8],
        message: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        let request = Request::Amend { account, key: key.into(), message: message.into() };
        self.submit(py, request, future)
    }

    #[pyo3(name = "batch_create_orders")]
    fn py_batch_create_orders(
        &self,
        py: Python<'_>,
        account: u32,
        message: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        self.submit(py, Request::Batch { account, message: message.into() }, future)
    }

    #[pyo3(name = "order_session")]
    fn py_order_session(
        &self,
        py: Python<'_>,
        account: u32,
        message: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        self.submit(py, Request::Session { account, message: message.into() }, future)
    }

    #[pyo3(name = "mass_cancel")]
    fn py_mass_cancel(
        &self,
        py: Python<'_>,
        account: u32,
        message: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        self.submit(py, Request::MassCancel { account, message: message.into() }, future)
    }

    #[pyo3(name = "register_asset")]
    fn py_register_asset(&self, py: Python<'_>, code: String, future: Ticket) -> PyResult<()> {
        self.control(py, Command::RegisterAsset { code }, future)
    }

    #[pyo3(name = "open_account")]
    fn py_open_account(
        &self,
        py: Python<'_>,
        id: [u8; 16],
        owner: u32,
        max_open_orders: u32,
        future: Ticket,
    ) -> PyResult<()> {
        let command = Command::OpenAccount {
            id,
            owner: OwnerNumber(owner),
            self_trade_prevention: SelfTradePrevention::CancelNewest,
            max_open_orders,
        };
        self.control(py, command, future)
    }

    #[pyo3(name = "transfer")]
    fn py_transfer(
        &self,
        py: Python<'_>,
        account: u32,
        asset: u32,
        amount: i64,
        key: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let account = AccountNumber(account);
        let key = match key {
            [] => CommandKey(0),
            key => command_key(account, IDEMPOTENCY_KEY, key),
        };
        let asset = AssetNumber(asset);
        self.control(py, Command::Transfer { account, asset, amount, key }, future)
    }

    #[pyo3(name = "define_instrument")]
    fn py_define_instrument(
        &self,
        py: Python<'_>,
        rules: &Bound<'_, PyDict>,
        future: Ticket,
    ) -> PyResult<()> {
        let spec = instrument(rules)?;
        if let Some(field) = spec.check() {
            return Err(PyValueError::new_err(format!("{}: {field} does not fit", spec.symbol)));
        }
        self.control(py, Command::DefineInstrument(Box::new(spec)), future)
    }

    #[pyo3(name = "update_instrument")]
    fn py_update_instrument(
        &self,
        py: Python<'_>,
        rules: &Bound<'_, PyDict>,
        future: Ticket,
    ) -> PyResult<()> {
        self.control(py, Command::UpdateInstrument(Box::new(instrument(rules)?)), future)
    }

    #[pyo3(name = "set_price_limits")]
    fn py_set_price_limits(
        &self,
        py: Python<'_>,
        instrument: u32,
        low: i64,
        high: i64,
        future: Ticket,
    ) -> PyResult<()> {
        let instrument = InstrumentNumber(instrument);
        let (low, high) = (PriceTicks(low), PriceTicks(high));
        self.control(py, Command::SetPriceLimits { instrument, low, high }, future)
    }

    #[pyo3(name = "set_phase")]
    fn py_set_phase(
        &self,
        py: Python<'_>,
        instrument: u32,
        phase: u64,
        future: Ticket,
    ) -> PyResult<()> {
        let phase = Phase::from_number(phase);
        let phase = phase.ok_or_else(|| PyValueError::new_err("there is no such phase"))?;
        let instrument = InstrumentNumber(instrument);
        self.control(py, Command::SetPhase { instrument, phase }, future)
    }

    /// Resolves the future once reads show everything that was durable when this was called.
    #[pyo3(name = "wait_applied")]
    fn py_wait_applied(
        &self,
        py: Python<'_>,
        sequence: Option<u64>,
        future: Ticket,
    ) -> PyResult<()> {
        let durable = self.runtime().statistics().durable_next.load(Ordering::Acquire);
        let sequence = sequence.unwrap_or_else(|| durable.saturating_sub(1));
        match self.replica.wait(sequence, future) {
            Some(future) => resolve(py, &future, py.None()),
            None => Ok(()),
        }
    }

    #[pyo3(name = "statistics")]
    fn py_statistics(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let runtime = self.runtime();
        let statistics = runtime.statistics();
        let read = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Acquire);
        [
            ("groups", read(&statistics.groups)),
            ("commands", read(&statistics.commands)),
            ("sync_ns", read(&statistics.sync_ns)),
            ("durable_sequence", read(&statistics.durable_next).saturating_sub(1)),
            ("applied_sequence", self.replica.applied()),
            ("snapshot_failures", read(&statistics.snapshot_failures)),
            ("stopped", statistics.stopped.load(Ordering::Acquire).into()),
        ]
        .into()
    }

    /// Finishes what was submitted and stops the threads; drain once more afterwards.
    #[pyo3(name = "close")]
    fn py_close(&self, py: Python<'_>) {
        py.detach(|| self.runtime().close());
    }
}

fn instrument(rules: &Bound<'_, PyDict>) -> PyResult<InstrumentSpec> {
    fn get<'py, T: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(
        rules: &Bound<'py, PyDict>,
        name: &'static str,
    ) -> PyResult<T> {
        let value = rules.get_item(name)?;
        value.ok_or_else(|| PyValueError::new_err(format!("{name} is missing")))?.extract()
    }
    fn given<'py, T: for<'a> FromPyObject<'a, 'py, Error = PyErr> + Default>(
        rules: &Bound<'py, PyDict>,
        name: &str,
    ) -> PyResult<T> {
        rules.get_item(name)?.map_or_else(|| Ok(T::default()), |value| value.extract())
    }
    let unknown = |what: &str| PyValueError::new_err(format!("there is no such {what}"));
    Ok(InstrumentSpec {
        number: InstrumentNumber(0),
        symbol: get(rules, "symbol")?,
        kind: InstrumentKind::from_number(get(rules, "kind")?).ok_or_else(|| unknown("kind"))?,
        base_asset: AssetNumber(get(rules, "base_asset")?),
        quote_asset: AssetNumber(get(rules, "quote_asset")?),
        tick_size_micro: get(rules, "tick_size_micro")?,
        tick_value_minor: get(rules, "tick_value_minor")?,
        lot_size_minor: get(rules, "lot_size_minor")?,
        min_lots: QuantityLots(get(rules, "min_lots")?),
        max_lots: QuantityLots(get(rules, "max_lots")?),
        price_min: PriceTicks(get(rules, "price_min")?),
        price_max: PriceTicks(get(rules, "price_max")?),
        limit_low: PriceTicks(get(rules, "limit_low")?),
        limit_high: PriceTicks(get(rules, "limit_high")?),
        protection_ticks: get(rules, "protection_ticks")?,
        max_notional_minor: get(rules, "max_notional_minor")?,
        maker_fee_centi_bps: get(rules, "maker_fee_centi_bps")?,
        taker_fee_centi_bps: get(rules, "taker_fee_centi_bps")?,
        deposit_bps: get(rules, "deposit_bps")?,
        band_ticks: given(rules, "band_ticks")?,
        volatility_auction_ns: given(rules, "volatility_auction_ns")?,
        allocation: match given(rules, "allocation")? {
            0 => Allocation::Fifo,
            number => Allocation::from_number(number).ok_or_else(|| unknown("allocation"))?,
        },
        fifo_percent: given(rules, "fifo_percent")?,
        share_min_lots: given(rules, "share_min_lots")?,
        position_limit_lots: given(rules, "position_limit_lots")?,
        phase: Phase::from_number(get(rules, "phase")?).ok_or_else(|| unknown("phase"))?,
    })
}
