//! What is set aside, and whether the ledger is right.

use pyo3::prelude::*;

use super::engine::PyEngine;
use crate::engine::AssetAudit;
use crate::types::AccountNumber;

/// Order or 0, symbol, asset and amount set aside, currency and value of the order, its time.
type Hold = (u64, String, String, i64, String, i64, u64);
/// Asset, issued, sum of totals, sum of what is held, what explains it, accounts that are wrong.
type Audit = (String, i128, i128, i128, i128, u64);

#[pymethods]
impl PyEngine {
    /// Returns what is set aside of the account's balances.
    #[pyo3(name = "holds")]
    fn py_holds(&self, account: u32) -> Vec<Hold> {
        let state = self.replica.read();
        let engine = &state.engine;
        let code = |asset| engine.asset_code(asset).unwrap_or_default().to_owned();
        let holds = engine.holds(AccountNumber(account)).map(|hold| {
            let spec = engine.instrument(hold.instrument);
            (
                hold.order_id.0,
                spec.map(|spec| spec.symbol.clone()).unwrap_or_default(),
                code(hold.asset),
                hold.held_minor,
                code(hold.quote_asset),
                hold.value_minor,
                hold.create_time.0,
            )
        });
        holds.collect()
    }

    /// Returns what the ledger says of each asset, and the sequence it says it at.
    #[pyo3(name = "audit")]
    fn py_audit(&self, py: Python<'_>) -> (Vec<Audit>, u64) {
        py.detach(|| {
            let state = self.replica.read();
            let codes = state.engine.assets().map(|(_, code)| code.to_owned());
            let found = codes.zip(state.engine.audit());
            let found = found.map(|(code, audit)| {
                let AssetAudit { issued, total, held, explained, wrong_accounts } = audit;
                (code, issued, total, held, explained, wrong_accounts)
            });
            (found.collect(), state.engine.last_sequence().0)
        })
    }
}
