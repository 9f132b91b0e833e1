//! What an instrument is: its grid, its bounds and its fees.

use crate::types::{
    AssetNumber, InstrumentKind, InstrumentNumber, Phase, PriceTicks, QuantityLots,
};

/// Longest symbol, in bytes.
pub const SYMBOL_BYTES_MAX: usize = 32;
/// Most ticks between an instrument's lowest and highest price: the size of the largest ladder.
pub const PRICE_SPAN_TICKS_MAX: i64 = 1 << 20;

/// The rules of one instrument, as listed. Cash is in ten-thousandths of the quote currency,
/// commodity quantities in thousandths of the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentSpec {
    /// Dense number, from 1, given by the engine in the order of listing.
    pub number: InstrumentNumber,
    /// Symbol, 1 to [`SYMBOL_BYTES_MAX`] bytes of `A-Z 0-9 -`.
    pub symbol: String,
    /// Kind.
    pub kind: InstrumentKind,
    /// Asset that is traded; the sellers of SPOT give it.
    pub base_asset: AssetNumber,
    /// Asset that pays.
    pub quote_asset: AssetNumber,
    /// Size of a tick in millionths of the quote currency per unit, from 1.
    pub tick_size_micro: i64,
    /// Value of one tick for one lot in minor units of the quote asset, from 1.
    pub tick_value_minor: i64,
    /// Size of a lot in minor units of the base asset, from 1.
    pub lot_size_minor: i64,
    /// Least quantity of an order.
    pub min_lots: QuantityLots,
    /// Greatest quantity of an order.
    pub max_lots: QuantityLots,
    /// Lowest price the instrument can ever hold, from 1 tick.
    pub price_min: PriceTicks,
    /// Highest price the instrument can ever hold; at most [`PRICE_SPAN_TICKS_MAX`] above the lowest.
    pub price_max: PriceTicks,
    /// Lowest price of the day.
    pub limit_low: PriceTicks,
    /// Highest price of the day.
    pub limit_high: PriceTicks,
    /// How far from the best opposite price a market order may trade.
    pub protection_ticks: i64,
    /// Greatest value of an order in minor units of the quote asset; 0 for none.
    pub max_notional_minor: i64,
    /// Fee of resting orders in hundredths of a basis point; negative for a rebate.
    pub maker_fee_centi_bps: i32,
    /// Fee of incoming orders in hundredths of a basis point; not below the maker's.
    pub taker_fee_centi_bps: i32,
    /// Share of the value that both sides of a FORWARD deposit, in hundredths of a per cent.
    pub deposit_bps: u32,
    /// Phase.
    pub phase: Phase,
}
