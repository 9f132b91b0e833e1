//! What can be told of a command without the market: the rules that [`super::Engine::admit`] and
//! `apply` share, and the fingerprint that tells a repeat from a reuse of its key.

use xxhash_rust::xxh3::xxh3_64;

use crate::command::{Command, NewOrder};
use crate::error::{Reason, Refusal};
use crate::instrument::InstrumentSpec;
use crate::types::{
    InstrumentKind, OrderId, OrderType, PriceTicks, QuantityLots, SelfTradePrevention, TimeInForce,
};

/// Tells which rule of the instrument as listed an order breaks.
pub(crate) fn order_breaks(spec: &InstrumentSpec, order: &NewOrder) -> Option<Refusal> {
    let refuse = |reason| Some(Refusal::about(spec.number, reason, [0; 3]));
    if spec.kind == InstrumentKind::Index {
        let phase = i64::from(spec.phase.number());
        return Some(Refusal::about(spec.number, Reason::InstrumentNotTrading, [phase, 0, 0]));
    }
    kind_breaks(spec, order).map_or_else(|| values_break(spec, order), refuse)
}

/// Tells which rule the kind of an order breaks: what goes with what.
fn kind_breaks(spec: &InstrumentSpec, order: &NewOrder) -> Option<Reason> {
    let immediate = is_immediate(order.time_in_force);
    let gathers = order.time_in_force == TimeInForce::Gfa;
    let fits = match order.order_type {
        OrderType::Market => immediate && !order.post_only,
        OrderType::Limit => !order.post_only || !(immediate || gathers),
        OrderType::MarketToLimit | OrderType::Stop | OrderType::StopLimit => {
            !immediate && !gathers && !order.post_only
        }
    };
    if !fits {
        return Some(Reason::TifInvalid);
    }
    if (order.time_in_force == TimeInForce::Gtd) != (order.expire_time.0 != 0) {
        return Some(Reason::ExpiryInvalid);
    }
    let priced = matches!(order.order_type, OrderType::Limit | OrderType::StopLimit);
    let stops = is_stop(order.order_type);
    let shows = order.display.0 != 0;
    let display_fits = !immediate
        && order.order_type != OrderType::Stop
        && order.display >= spec.min_lots
        && order.display <= order.quantity;
    let filled_at_least = order.min_quantity.0 != 0;
    let min_fits = order.time_in_force == TimeInForce::Ioc && order.min_quantity <= order.quantity;
    [
        (!priced && order.price.0 != 0, Reason::PriceNotAllowed),
        (priced && order.price.0 == 0, Reason::PriceRequired),
        (stops && order.stop_price.0 == 0, Reason::StopPriceRequired),
        (!stops && order.stop_price.0 != 0, Reason::PriceNotAllowed),
        (shows && !display_fits, Reason::DisplayQtyInvalid),
        (filled_at_least && !min_fits, Reason::MinQtyInvalid),
        (order.reduce_only && spec.kind != InstrumentKind::Forward, Reason::OrderTypeUnsupported),
    ]
    .into_iter()
    .find_map(|(broken, reason)| broken.then_some(reason))
}

fn values_break(spec: &InstrumentSpec, order: &NewOrder) -> Option<Refusal> {
    let given = [order.price, order.stop_price];
    let mut given = given.into_iter().filter(|price| price.0 != 0);
    let price = given.find_map(|price| price_breaks(spec, price));
    price.or_else(|| quantity_breaks(spec, order.quantity))
}

/// Tells whether an order of this type waits for a stop price.
pub(crate) const fn is_stop(order_type: OrderType) -> bool {
    matches!(order_type, OrderType::Stop | OrderType::StopLimit)
}

/// Tells whether an order of this kind never rests.
pub(crate) const fn is_immediate(time_in_force: TimeInForce) -> bool {
    matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
}

/// Tells whether a price lies outside what the instrument can hold.
pub(crate) fn price_breaks(spec: &InstrumentSpec, price: PriceTicks) -> Option<Refusal> {
    let values = [price.0, spec.price_min.0, spec.price_max.0];
    let inside = (spec.price_min..=spec.price_max).contains(&price);
    (!inside).then(|| Refusal::about(spec.number, Reason::PriceRange, values))
}

/// Tells whether a quantity is not one of an order.
pub(crate) fn quantity_breaks(spec: &InstrumentSpec, quantity: QuantityLots) -> Option<Refusal> {
    let (reason, bound) = if quantity.0 == 0 {
        (Reason::QuantityLot, 0)
    } else if quantity < spec.min_lots {
        (Reason::QuantityMin, spec.min_lots.0)
    } else if quantity > spec.max_lots {
        (Reason::QuantityMax, spec.max_lots.0)
    } else {
        return None;
    };
    Some(Refusal::about(spec.number, reason, [quantity.0.into(), bound.into(), 0]))
}

/// Returns the fingerprint of what a keyed command asks; its key is not part of it.
pub(crate) fn fingerprint(command: &Command) -> u64 {
    match command {
        Command::NewOrder(order) => order_fingerprint(order),
        Command::CancelOrder { order_id, .. } => words(&[2, order_id.0]),
        Command::AmendOrder { order_id, price, quantity, expected_version, .. } => {
            amend_fingerprint(*order_id, *price, *quantity, *expected_version)
        }
        Command::BlockTrade(block) => words(&[
            5,
            u64::from(block.instrument.0) << 32 | u64::from(block.quantity.0),
            block.price.0.cast_unsigned(),
            u64::from(block.buyer.0) << 32 | u64::from(block.seller.0),
        ]),
        Command::Transfer { account, asset, amount, .. } => {
            words(&[4, account.0.into(), asset.0.into(), amount.cast_unsigned()])
        }
        _ => 0,
    }
}

fn amend_fingerprint(
    order: OrderId,
    price: Option<PriceTicks>,
    quantity: Option<QuantityLots>,
    version: u32,
) -> u64 {
    let price = price.unwrap_or_default().0.cast_unsigned();
    words(&[3, order.0, price, quantity.unwrap_or_default().0.into(), version.into()])
}

fn order_fingerprint(order: &NewOrder) -> u64 {
    let enums = u64::from(order.side.number())
        | u64::from(order.order_type.number()) << 8
        | u64::from(order.time_in_force.number()) << 16
        | u64::from(order.post_only) << 24
        | u64::from(order.reduce_only) << 25
        | u64::from(order.self_trade_prevention.map_or(0, SelfTradePrevention::number)) << 32;
    let fixed = words(&[
        1,
        enums,
        u64::from(order.instrument.0) << 32 | u64::from(order.quantity.0),
        order.price.0.cast_unsigned(),
        order.stop_price.0.cast_unsigned(),
        u64::from(order.display.0) << 32 | u64::from(order.min_quantity.0),
        order.expire_time.0,
    ]);
    if order.client_order_id.is_none() {
        return fixed;
    }
    fixed ^ xxh3_64(order.client_order_id.as_bytes())
}

fn words<const N: usize>(words: &[u64; N]) -> u64 {
    let mut bytes = [[0; 8]; N];
    for (bytes, word) in bytes.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    xxh3_64(bytes.as_flattened())
}
