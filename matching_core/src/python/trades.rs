//! Trades outside the book, and trades that are taken back or corrected.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::engine::{PyEngine, Ticket};
use crate::command::Command;
use crate::engine::command_key;
use crate::trade_change::{BlockTrade, TradeChange, TradeSide};
use crate::types::{
    AccountNumber, InstrumentNumber, PriceTicks, QuantityLots, TimestampNs, TradeKind,
};

/// Keys of calls; see [`command_key`].
const IDEMPOTENCY_KEY: u8 = 2;

/// Account, fee and deposit of one side.
type Side = (u32, i64, i64);
/// Number, instrument, kind and time of a trade, its price and its lots.
type Executed = (u64, u32, u64, u64, i64, u32);

#[pymethods]
impl PyEngine {
    /// Takes a trade back, with no lots left, or corrects it.
    #[pyo3(name = "change_trade")]
    #[allow(clippy::too_many_arguments, reason = "they are those of the command")]
    fn py_change_trade(
        &self,
        py: Python<'_>,
        trade: Executed,
        buyer: Side,
        seller: Side,
        new_price: i64,
        new_quantity: u32,
        future: Ticket,
    ) -> PyResult<()> {
        let (trade_id, instrument, kind, traded_at, price, quantity) = trade;
        let kind = TradeKind::from_number(kind);
        let kind = kind.ok_or_else(|| PyValueError::new_err("there is no such kind"))?;
        let side = |(account, fee_minor, deposit_minor): Side| TradeSide {
            account: AccountNumber(account),
            fee_minor,
            deposit_minor,
        };
        let change = TradeChange {
            trade_id,
            instrument: InstrumentNumber(instrument),
            kind,
            traded_at: TimestampNs(traded_at),
            price: PriceTicks(price),
            quantity: QuantityLots(quantity),
            buyer: side(buyer),
            seller: side(seller),
            new_price: PriceTicks(new_price),
            new_quantity: QuantityLots(new_quantity),
        };
        self.control(py, Command::ChangeTrade(Box::new(change)), future)
    }

    /// Settles a trade that two accounts agreed.
    #[pyo3(name = "block_trade")]
    #[allow(clippy::too_many_arguments, reason = "they are those of the command")]
    fn py_block_trade(
        &self,
        py: Python<'_>,
        instrument: u32,
        price: i64,
        quantity: u32,
        buyer: u32,
        seller: u32,
        key: &[u8],
        future: Ticket,
    ) -> PyResult<()> {
        let block = BlockTrade {
            instrument: InstrumentNumber(instrument),
            price: PriceTicks(price),
            quantity: QuantityLots(quantity),
            buyer: AccountNumber(buyer),
            seller: AccountNumber(seller),
            key: command_key(AccountNumber(buyer), IDEMPOTENCY_KEY, key),
        };
        self.control(py, Command::BlockTrade(Box::new(block)), future)
    }
}
