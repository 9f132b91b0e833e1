//! What an instrument is: its grid, its bounds and its fees.

use crate::types::{
    Allocation, AssetNumber, InstrumentKind, InstrumentNumber, Phase, PriceTicks, QuantityLots,
    Side,
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
    /// How far a trade may be from the one before the command; a further one starts a volatility
    /// auction instead. 0 for no band.
    pub band_ticks: i64,
    /// How long a volatility auction lasts.
    pub volatility_auction_ns: u64,
    /// How lots are shared among the orders of one price.
    pub allocation: Allocation,
    /// Of a split: per cent that go to the earliest orders.
    pub fifo_percent: u8,
    /// In proportion: smaller shares than this become nothing.
    pub share_min_lots: u8,
    /// Greatest position of an account in a FORWARD; 0 for none.
    pub position_limit_lots: i64,
    /// Phase.
    pub phase: Phase,
}

/// Fees above this many hundredths of a basis point, 10 %, are taken for a mistake.
pub const FEE_CENTI_BPS_MAX: i32 = 100_000;
/// Greatest value an order can have, in minor units: room for sums of a million of them.
const NOTIONAL_MINOR_MAX: i128 = 1 << 60;

/// Longest volatility auction: an hour.
const VOLATILITY_AUCTION_NS_MAX: u64 = 3_600 * 1_000_000_000;

impl InstrumentSpec {
    /// Tells what keeps these rules from being listed: the field and why, or `None`.
    ///
    /// The bounds guarantee that the value of an order, with fees and deposit, fits `i64`.
    #[must_use]
    pub fn check(&self) -> Option<&'static str> {
        let symbol_fits = (1..=SYMBOL_BYTES_MAX).contains(&self.symbol.len())
            && self.symbol.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-'));
        let value_max = i128::from(self.price_max.0)
            .saturating_mul(self.max_lots.0.into())
            .saturating_mul(self.tick_value_minor.into());
        let base_max = i128::from(self.lot_size_minor).saturating_mul(self.max_lots.0.into());
        let fees = -FEE_CENTI_BPS_MAX..=FEE_CENTI_BPS_MAX;
        let span = self.price_max.0.checked_sub(self.price_min.0);
        let rules = [
            (symbol_fits, "symbol"),
            (self.tick_size_micro >= 1, "tick_size"),
            (self.tick_value_minor >= 1, "tick_value"),
            (self.lot_size_minor >= 1, "lot_size"),
            (self.min_lots.0 >= 1, "min_lots"),
            (self.min_lots <= self.max_lots, "max_lots"),
            (self.price_min.0 >= 1, "price_min"),
            (span.is_some_and(|span| (0..PRICE_SPAN_TICKS_MAX).contains(&span)), "price_max"),
            (self.limit_low >= self.price_min, "limit_low"),
            (self.limit_low <= self.limit_high, "limit_low"),
            (self.limit_high <= self.price_max, "limit_high"),
            ((0..=PRICE_SPAN_TICKS_MAX).contains(&self.protection_ticks), "protection_ticks"),
            (self.max_notional_minor >= 0, "max_notional"),
            (fees.contains(&self.maker_fee_centi_bps), "maker_fee"),
            (fees.contains(&self.taker_fee_centi_bps), "taker_fee"),
            (self.taker_fee_centi_bps >= self.maker_fee_centi_bps.saturating_abs(), "taker_fee"),
            (self.deposit_bps <= 10_000, "deposit"),
            ((0..=PRICE_SPAN_TICKS_MAX).contains(&self.band_ticks), "band"),
            (self.volatility_auction_ns <= VOLATILITY_AUCTION_NS_MAX, "volatility_auction"),
            (self.band_ticks == 0 || self.volatility_auction_ns > 0, "volatility_auction"),
            (self.fifo_percent <= 100, "fifo_percent"),
            (self.position_limit_lots >= 0, "position_limit"),
            (value_max <= NOTIONAL_MINOR_MAX, "max_lots"),
            (base_max <= NOTIONAL_MINOR_MAX, "lot_size"),
            (self.base_asset != self.quote_asset, "base_asset"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, field)| field)
    }

    /// Returns the worst price that an order may trade at when it starts from `price`.
    #[must_use]
    pub const fn protected(&self, side: Side, price: PriceTicks) -> PriceTicks {
        PriceTicks(match side {
            Side::Buy => price.0.saturating_add(self.protection_ticks),
            Side::Sell => price.0.saturating_sub(self.protection_ticks),
        })
    }

    /// Tells whether a trade at `price` lies in the band around the trade before.
    #[must_use]
    pub fn is_in_band(&self, reference: Option<PriceTicks>, price: PriceTicks) -> bool {
        match reference {
            Some(reference) if self.band_ticks > 0 => {
                reference.0.abs_diff(price.0) <= self.band_ticks.unsigned_abs()
            }
            _ => true,
        }
    }

    /// Tells whether a price and a lot mean the same under the other rules.
    #[must_use]
    pub fn same_units(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.base_asset == other.base_asset
            && self.quote_asset == other.quote_asset
            && self.tick_size_micro == other.tick_size_micro
            && self.tick_value_minor == other.tick_value_minor
            && self.lot_size_minor == other.lot_size_minor
            && self.price_min == other.price_min
            && self.price_max == other.price_max
    }

    /// Tells whether open orders mean the same under the other rules.
    #[must_use]
    pub fn same_grid(&self, other: &Self) -> bool {
        self.same_units(other)
            && self.taker_fee_centi_bps == other.taker_fee_centi_bps
            && self.deposit_bps == other.deposit_bps
    }
}
