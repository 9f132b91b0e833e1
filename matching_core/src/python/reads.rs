//! Reads, answered from the replica.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::engine::PyEngine;
use crate::engine::Engine;
use crate::instrument::InstrumentSpec;
use crate::types::{AccountNumber, InstrumentNumber, OrderId, Side};
use crate::wire::replies::{self, Change};
use crate::wire::{decimal, put};

/// Returns the book, with its orders as one account sees them when there is an `owner`.
fn book_reply(
    engine: &Engine,
    spec: &InstrumentSpec,
    depth: usize,
    owner: Option<AccountNumber>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(depth.saturating_mul(48));
    put::bytes(&mut out, 1, spec.symbol.as_bytes());
    for (side, field) in [(Side::Buy, 2), (Side::Sell, 3)] {
        for (price, lots, orders) in engine.depth(spec.number, side, depth) {
            put::message(&mut out, field, |out| {
                replies::level_fields(out, price, lots, orders, spec);
                let Some(owner) = owner else { return };
                for (id, account, shown) in engine.level_orders(spec.number, side, price) {
                    put::message(out, 4, |out| {
                        put::uint(out, 1, shown.into());
                        put::uint(out, 2, if account == owner { id.0 } else { 0 });
                    });
                }
            });
        }
    }
    put::uint(&mut out, 4, engine.book_sequence(spec.number).0);
    put::uint(&mut out, 5, replies::checksum(engine, spec.number).into());
    if let Some(price) = engine.last_trade_price(spec.number) {
        replies::put_price(&mut out, 6, price, Some(spec));
    }
    out
}

/// One instrument as Python sees it, with its market as it stands.
fn market_dict<'py>(
    py: Python<'py>,
    engine: &Engine,
    spec: &InstrumentSpec,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let price = |ticks: i64| decimal::price(ticks, spec.tick_size_micro);
    dict.set_item("number", spec.number.0)?;
    dict.set_item("symbol", &spec.symbol)?;
    dict.set_item("kind", spec.kind.number())?;
    dict.set_item("phase", spec.phase.number())?;
    dict.set_item("base_asset", engine.asset_code(spec.base_asset))?;
    dict.set_item("quote_asset", engine.asset_code(spec.quote_asset))?;
    dict.set_item("tick_size_micro", spec.tick_size_micro)?;
    dict.set_item("tick_value_minor", spec.tick_value_minor)?;
    dict.set_item("lot_size_minor", spec.lot_size_minor)?;
    dict.set_item("min_lots", spec.min_lots.0)?;
    dict.set_item("max_lots", spec.max_lots.0)?;
    dict.set_item("limit_low", price(spec.limit_low.0))?;
    dict.set_item("limit_high", price(spec.limit_high.0))?;
    dict.set_item("maker_fee_centi_bps", spec.maker_fee_centi_bps)?;
    dict.set_item("taker_fee_centi_bps", spec.taker_fee_centi_bps)?;
    dict.set_item("sequence", engine.book_sequence(spec.number).0)?;
    let day = engine.day_figures(spec.number);
    dict.set_item("last", engine.last_trade_price(spec.number).map(|last| price(last.0)))?;
    dict.set_item("last_ticks", engine.last_trade_price(spec.number).map(|last| last.0))?;
    dict.set_item("last_lots", day.last_lots)?;
    for (side, name) in [(Side::Buy, "bid"), (Side::Sell, "ask")] {
        let best = engine.depth(spec.number, side, 1).next();
        dict.set_item(name, best.map(|(best, lots, _)| (price(best.0), lots)))?;
    }
    let mut summary = Vec::new();
    crate::feeds::encode::summary(&mut summary, engine, spec.number);
    dict.set_item("summary", PyBytes::new(py, &summary))?;
    Ok(dict)
}

fn rules_dict<'py>(py: Python<'py>, spec: &InstrumentSpec) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("symbol", &spec.symbol)?;
    for (name, value) in [
        ("kind", i64::from(spec.kind.number())),
        ("base_asset", spec.base_asset.0.into()),
        ("quote_asset", spec.quote_asset.0.into()),
        ("tick_size_micro", spec.tick_size_micro),
        ("tick_value_minor", spec.tick_value_minor),
        ("lot_size_minor", spec.lot_size_minor),
        ("min_lots", spec.min_lots.0.into()),
        ("max_lots", spec.max_lots.0.into()),
        ("price_min", spec.price_min.0),
        ("price_max", spec.price_max.0),
        ("limit_low", spec.limit_low.0),
        ("limit_high", spec.limit_high.0),
        ("protection_ticks", spec.protection_ticks),
        ("max_notional_minor", spec.max_notional_minor),
        ("maker_fee_centi_bps", spec.maker_fee_centi_bps.into()),
        ("taker_fee_centi_bps", spec.taker_fee_centi_bps.into()),
        ("deposit_bps", spec.deposit_bps.into()),
        ("band_ticks", spec.band_ticks),
        ("allocation", spec.allocation.number().into()),
        ("fifo_percent", spec.fifo_percent.into()),
        ("share_min_lots", spec.share_min_lots.into()),
        ("position_limit_lots", spec.position_limit_lots),
        ("phase", spec.phase.number().into()),
    ] {
        dict.set_item(name, value)?;
    }
    dict.set_item("volatility_auction_ns", spec.volatility_auction_ns)?;
    Ok(dict)
}

#[pymethods]
impl PyEngine {
    /// Returns the bytes of a `GetOrderBookResponse`, or None when there is no such instrument;
    /// with an owner each price comes with its orders, and the owner's own are named.
    #[pyo3(name = "order_book", signature = (symbol, depth, owner=None))]
    fn py_order_book<'py>(
        &self,
        py: Python<'py>,
        symbol: &str,
        depth: usize,
        owner: Option<u32>,
    ) -> Option<Bound<'py, PyBytes>> {
        let reply = py.detach(|| {
            let state = self.replica.read();
            let spec = state.engine.instrument_by_symbol(symbol.as_bytes())?;
            Some(book_reply(&state.engine, spec, depth, owner.map(AccountNumber)))
        });
        reply.map(|reply| PyBytes::new(py, &reply))
    }

    /// Returns the bytes of a `GetOrderResponse` of an open order and its account's number.
    #[pyo3(name = "open_order")]
    fn py_open_order<'py>(
        &self,
        py: Python<'py>,
        order_id: u64,
    ) -> Option<(Bound<'py, PyBytes>, u32)> {
        let reply = py.detach(|| {
            let state = self.replica.read();
            let order = state.engine.order(OrderId(order_id))?;
            let change = Change { sequence: state.engine.last_sequence().0, time_ns: 0 };
            let mut out = Vec::with_capacity(256);
            replies::order(&mut out, 1, &order, change, &state.engine);
            Some((out, order.account.0))
        });
        reply.map(|(reply, account)| (PyBytes::new(py, &reply), account))
    }

    /// Returns code, total and held, in minor units, of each asset the account ever had.
    #[pyo3(name = "balances")]
    fn py_balances(&self, account: u32) -> Vec<(String, i64, i64)> {
        let state = self.replica.read();
        let balances = state.engine.balances(AccountNumber(account));
        let named = balances.map(|(asset, total, held)| {
            (state.engine.asset_code(asset).unwrap_or_default().to_owned(), total, held)
        });
        named.collect()
    }

    /// Returns the instruments with their rules and their market as it stands.
    #[pyo3(name = "instruments", signature = (symbols=None))]
    fn py_instruments<'py>(
        &self,
        py: Python<'py>,
        symbols: Option<Vec<String>>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let state = self.replica.read();
        let engine = &state.engine;
        match symbols {
            Some(symbols) => symbols
                .iter()
                .filter_map(|symbol| engine.instrument_by_symbol(symbol.as_bytes()))
                .map(|spec| market_dict(py, engine, spec))
                .collect(),
            None => engine.instruments().map(|spec| market_dict(py, engine, spec)).collect(),
        }
    }

    /// Returns the rules of an instrument as `define_instrument` takes them; None for none.
    #[pyo3(name = "instrument_rules")]
    fn py_instrument_rules<'py>(
        &self,
        py: Python<'py>,
        symbol: &str,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let state = self.replica.read();
        let spec = state.engine.instrument_by_symbol(symbol.as_bytes());
        spec.map(|spec| rules_dict(py, spec)).transpose()
    }

    /// Returns the open orders of an instrument and the lots bought and not sold again.
    #[pyo3(name = "instrument_usage")]
    fn py_instrument_usage(&self, number: u32) -> (usize, i64) {
        self.replica.read().engine.usage(InstrumentNumber(number))
    }

    /// Returns the codes of the assets, by number from 1.
    #[pyo3(name = "assets")]
    fn py_assets(&self) -> Vec<String> {
        self.replica.read().engine.assets().map(|(_, code)| code.to_owned()).collect()
    }

    /// Returns the number of the account with a public ID.
    #[pyo3(name = "account_number")]
    fn py_account_number(&self, id: [u8; 16]) -> Option<u32> {
        self.replica.read().engine.account_by_id(&id).map(|account| account.0)
    }

    /// Returns the sequence of the last command that changed orders of the account.
    #[pyo3(name = "account_sequence")]
    fn py_account_sequence(&self, account: u32) -> u64 {
        self.replica.read().engine.account_sequence(AccountNumber(account)).0
    }

    /// Returns the sequence of the last command that reads show.
    #[pyo3(name = "applied_sequence")]
    fn py_applied_sequence(&self) -> u64 {
        self.replica.applied()
    }

    /// Returns the hash of the state that reads show, and its sequence.
    #[pyo3(name = "state_hash")]
    fn py_state_hash(&self, py: Python<'_>) -> (String, u64) {
        py.detach(|| {
            let state = self.replica.read();
            let hash = state.engine.state_hash();
            (blake3::Hash::from_bytes(hash).to_hex().to_string(), state.engine.last_sequence().0)
        })
    }
}
