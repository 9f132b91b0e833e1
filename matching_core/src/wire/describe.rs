//! The numbers of a refusal as the named decimals that its message mentions.

use super::Denial;
use super::decimal;
use crate::engine::Engine;
use crate::error::{Reason, Refusal};
use crate::instrument::InstrumentSpec;
use crate::types::{OrderId, OrderStatus, Phase};

/// Returns a refusal of the engine in the words of the API.
#[must_use]
pub fn describe(refusal: &Refusal, engine: &Engine, order_id: OrderId) -> Denial {
    let spec = refusal.instrument.and_then(|number| engine.instrument(number));
    let denial = Denial::plain(refusal.reason);
    let [first, second, third] = refusal.values;
    let price =
        |ticks| spec.map_or_else(String::new, |spec| decimal::price(ticks, spec.tick_size_micro));
    match refusal.reason {
        Reason::PriceLimit | Reason::PriceBand | Reason::PriceRange => {
            denial.and("price", price(first)).and("low", price(second)).and("high", price(third))
        }
        Reason::QuantityLot => denial.and("quantity", first),
        Reason::QuantityMin => denial.and("quantity", first).and("minimum", second),
        Reason::QuantityMax => denial.and("quantity", first).and("maximum", second),
        Reason::NotionalMax => {
            denial.and("notional", decimal::money(first)).and("maximum", decimal::money(second))
        }
        Reason::InsufficientFunds | Reason::InsufficientInventory => {
            funds(denial, refusal, engine, spec)
        }
        Reason::OpenOrdersLimit | Reason::PositionLimit => denial.and("maximum", first),
        Reason::FokUnfillable | Reason::MinQtyUnfillable => denial.and("available", first),
        Reason::InstrumentNotTrading | Reason::OrderNotAllowedInPhase => {
            denial.and("phase", phase_name(first))
        }
        Reason::VersionConflict => denial.and("expected", first).and("actual", second),
        Reason::OrderNotFound => denial.and("order_id", order_id.0),
        Reason::OrderClosed => denial.and("order_id", order_id.0).and("status", status_name(first)),
        Reason::InstrumentUnknown => denial.and("symbol", ""),
        Reason::OrderTypeUnsupported => denial.and("feature", "order type"),
        Reason::AmendNotAllowed => denial.and("rule", "name a new price or a new quantity"),
        Reason::TifInvalid => denial.and("time_in_force", ""),
        Reason::DailyLimit => denial.and("maximum", decimal::money(first)),
        Reason::KycLevelRequired => denial.and("level", first).and("actual", "lower"),
        Reason::IdempotencyKeyReused => denial.and("key", ""),
        Reason::TradeUnknown => denial.and("trade_id", first),
        _ => denial,
    }
}

fn funds(
    denial: Denial,
    refusal: &Refusal,
    engine: &Engine,
    spec: Option<&InstrumentSpec>,
) -> Denial {
    let [needed, available, _] = refusal.values;
    let code = refusal.asset.and_then(|asset| engine.asset_code(asset)).unwrap_or_default();
    // A commodity's code names its grade and place, such as CORN.US2Y.CHI.
    let is_cash = spec.map_or(!code.contains('.'), |spec| refusal.asset == Some(spec.quote_asset));
    // Commodities are kept in thousandths of their unit, cash in ten-thousandths.
    let scale = if is_cash { 4 } else { 3 };
    let amount = |value: i64| decimal::format(value.into(), scale, scale);
    denial.and("asset", code).and("needed", amount(needed)).and("available", amount(available))
}

fn phase_name(number: i64) -> &'static str {
    match u64::try_from(number).ok().and_then(Phase::from_number) {
        Some(Phase::Draft) => "DRAFT",
        Some(Phase::Listed) => "LISTED",
        Some(Phase::PreOpen) => "PRE_OPEN",
        Some(Phase::Auction) => "AUCTION",
        Some(Phase::Open) => "OPEN",
        Some(Phase::Halted) => "HALTED",
        Some(Phase::Closed) => "CLOSED",
        Some(Phase::Expired) => "EXPIRED",
        Some(Phase::Delisted) => "DELISTED",
        None => "UNKNOWN",
    }
}

fn status_name(number: i64) -> &'static str {
    match u64::try_from(number).ok().and_then(OrderStatus::from_number) {
        Some(OrderStatus::Filled) => "FILLED",
        Some(OrderStatus::Cancelled) => "CANCELLED",
        Some(OrderStatus::Expired) => "EXPIRED",
        Some(OrderStatus::Rejected) => "REJECTED",
        _ => "CLOSED",
    }
}
