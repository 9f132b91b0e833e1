//! The prices of the day, moved while orders rest.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{Command, NewOrder};
use matching_core::error::Reason;
use matching_core::event::Outcome;
use matching_core::types::*;

mod market;

use market::*;

fn move_limits(market: &mut Market, low: i64, high: i64) -> Outcome {
    let (low, high) = (PriceTicks(low), PriceTicks(high));
    market.apply(Command::SetPriceLimits { instrument: CORN, low, high })
}

fn limited() -> Market {
    let mut market = Market::new();
    assert_eq!(move_limits(&mut market, 1_700, 1_900).refusal, None);
    market
}

fn levels(market: &Market, side: Side) -> Vec<i64> {
    market.engine.depth(CORN, side, 10).map(|level| level.0.0).collect()
}

/// TRD-011, TRD-080: an order at a limit is taken, one beyond it is not.
#[test]
fn test_orders_beyond_the_limits_are_refused() {
    let mut market = limited();
    for price in [1_700, 1_900] {
        assert_eq!(market.order(buy(price, 1)).refusal, None);
    }
    for price in [1_699, 1_901] {
        let refused = refusal(market.order(buy(price, 1)));
        assert_eq!((refused.reason, refused.values), (Reason::PriceLimit, [price, 1_700, 1_900]));
    }
    market.check();
}

/// TRD-080: what an instrument can't hold is no limit.
#[test]
fn test_limits_stay_within_what_the_instrument_can_hold() {
    let mut market = limited();
    for (low, high) in [(1, 1_900), (1_700, 9_999), (1_800, 1_799)] {
        assert_eq!(refusal(move_limits(&mut market, low, high)).reason, Reason::PriceRange);
    }
    let spec = market.engine.instrument(CORN).unwrap();
    assert_eq!((spec.limit_low, spec.limit_high), (PriceTicks(1_700), PriceTicks(1_900)));
}

/// TRD-081: an order left outside keeps its place and its hold, does not show and does not trade.
#[test]
fn test_orders_left_outside_wait_in_their_place() {
    let mut market = limited();
    let above = market.order(buy(1_850, 2)).order_id;
    let inside = market.order(buy(1_790, 3)).order_id;
    let held = market.balance(BUYER, USD).1;
    move_limits(&mut market, 1_700, 1_800);
    assert_eq!(levels(&market, Side::Buy), [1_790]);
    assert_eq!(market.engine.level(CORN, Side::Buy, PriceTicks(1_850)), (0, 0));
    assert_eq!(market.balance(BUYER, USD).1, held);
    assert!(market.engine.order(above).is_some());
    let sold = market.order(sell(1_700, 4));
    assert_eq!((sold.filled.0, sold.filled_notional_ticks), (3, 3 * 1_790), "never at 1,850");
    assert!(market.engine.order(inside).is_none());
    assert_eq!(levels(&market, Side::Sell), [1_700], "the book does not cross");
    market.check();
    assert_eq!(market.apply(amend(above, None, Some(1), 0)).refusal, None, "fewer lots may be");
    let more = refusal(market.apply(amend(above, None, Some(9), 0)));
    assert_eq!(more.reason, Reason::PriceLimit, "more may not");
    market.check();
    assert_eq!(market.apply(cancel(BUYER, above)).status, OrderStatus::Cancelled);
    assert_eq!(market.balance(BUYER, USD).1, 0);
    market.check();
}

/// TRD-081: on the far side they show, and wait for nobody.
#[test]
fn test_orders_on_the_far_side_are_reached_by_nobody() {
    let mut market = limited();
    market.order(buy(1_710, 2));
    move_limits(&mut market, 1_750, 1_900);
    assert_eq!(levels(&market, Side::Buy), [1_710]);
    for order_type in [OrderType::Market, OrderType::MarketToLimit] {
        let order = NewOrder { order_type, ..sell(0, 1) };
        let time_in_force =
            if order_type == OrderType::Market { TimeInForce::Ioc } else { TimeInForce::Gtc };
        let refused = refusal(market.order(timed(time_in_force, order)));
        assert_eq!(refused.reason, Reason::NoLiquidity, "{order_type:?}");
    }
    assert_eq!(market.order(NewOrder { post_only: true, ..sell(1_750, 1) }).refusal, None);
    market.check();
}

/// TRD-082: what limits take in again trades at once where it can, the earlier order first.
#[test]
fn test_orders_taken_in_again_trade() {
    let mut market = limited();
    let first = market.order(buy(1_850, 2)).order_id;
    let second = market.order(buy(1_860, 2)).order_id;
    let idle = market.order(buy(1_820, 1)).order_id;
    move_limits(&mut market, 1_700, 1_800);
    market.order(sell(1_790, 1));
    market.order(sell(1_800, 2));
    market.order(sell(1_795, 3));
    move_limits(&mut market, 1_700, 1_900);
    let filled = |id| market.engine.order(id).map_or(99, |order| order.filled.0);
    assert_eq!([filled(first), filled(second), filled(idle)], [99, 99, 99], "all are filled");
    let order = market.engine.last_trade_price(CORN).unwrap();
    assert_eq!(order, PriceTicks(1_800), "the last lot was the dearest");
    assert_eq!((levels(&market, Side::Buy), levels(&market, Side::Sell)), (vec![], vec![1_800]));
    market.check();
}

/// TRD-082: not with their own owner, and post-only orders end rather than take.
#[test]
fn test_orders_taken_in_again_keep_their_promises() {
    let mut market = limited();
    let own = market.order(buy(1_850, 2)).order_id;
    let posted = market.order(NewOrder { post_only: true, ..buy(1_840, 1) }).order_id;
    move_limits(&mut market, 1_700, 1_800);
    let twin = market.order(limit(TWIN, Side::Sell, 1_790, 5)).order_id;
    move_limits(&mut market, 1_700, 1_900);
    assert!(market.engine.order(own).is_none(), "the newest of one owner's is cancelled");
    assert!(market.engine.order(posted).is_none());
    assert_eq!(market.engine.order(twin).unwrap().filled.0, 0);
    assert_eq!(market.engine.last_trade_price(CORN), None);
    assert_eq!(market.balance(BUYER, USD).1, 0);
    market.check();
}

/// TRD-082: in a halt they only show again, and trade when the market opens.
#[test]
fn test_orders_taken_in_again_wait_for_the_market() {
    let mut market = limited();
    market.order(buy(1_850, 2));
    move_limits(&mut market, 1_700, 1_800);
    market.order(sell(1_790, 2));
    let phase = |market: &mut Market, phase| {
        market.apply(Command::SetPhase { instrument: CORN, phase });
    };
    phase(&mut market, Phase::Halted);
    move_limits(&mut market, 1_700, 1_900);
    assert_eq!(levels(&market, Side::Buy), [1_850]);
    assert_eq!(market.engine.last_trade_price(CORN), None);
    phase(&mut market, Phase::Open);
    assert!(market.engine.last_trade_price(CORN).is_some());
    market.check();
}

/// TRD-083: other rules leave phase and prices of the day alone.
#[test]
fn test_other_rules_keep_phase_and_limits() {
    let mut market = limited();
    market.apply(Command::SetPhase { instrument: CORN, phase: Phase::Halted });
    let before = market.engine.instrument(CORN).unwrap().clone();
    let mut rules = before.clone();
    rules.max_lots = QuantityLots(7);
    rules.limit_high = PriceTicks(1_750);
    rules.phase = Phase::Open;
    let update = |market: &mut Market, rules: &_| {
        let rules: &matching_core::instrument::InstrumentSpec = rules;
        market.apply(Command::UpdateInstrument(Box::new(rules.clone()))).refusal
    };
    assert_eq!(update(&mut market, &rules), None);
    let after = market.engine.instrument(CORN).unwrap();
    assert_eq!(after.max_lots, QuantityLots(7));
    assert_eq!((after.phase, after.limit_high), (Phase::Halted, before.limit_high));
    market.apply(Command::SetPhase { instrument: CORN, phase: Phase::Open });
    market.order(buy(1_750, 1));
    rules.taker_fee_centi_bps += 1;
    assert_eq!(update(&mut market, &rules).unwrap().reason, Reason::AmendNotAllowed);
    rules.tick_value_minor += 1;
    assert_eq!(update(&mut market, &rules).unwrap().reason, Reason::InvalidArgument);
    rules.symbol = "NOPE".into();
    assert_eq!(update(&mut market, &rules).unwrap().reason, Reason::InstrumentUnknown);
    market.check();
}

/// TRD-084: an instrument leaves when nothing of it is open; when it expires, its orders end.
#[test]
fn test_an_instrument_leaves_when_nothing_is_open() {
    let mut market = limited();
    let phase = |market: &mut Market, instrument, phase| {
        market.apply(Command::SetPhase { instrument, phase }).refusal
    };
    let open = market.order(buy(1_750, 1)).order_id;
    let refused = phase(&mut market, CORN, Phase::Delisted).unwrap();
    assert_eq!(refused.reason, Reason::AmendNotAllowed);
    assert_eq!(phase(&mut market, CORN, Phase::Expired), None);
    assert!(market.engine.order(open).is_none());
    assert_eq!(market.balance(BUYER, USD).1, 0);
    assert_eq!(phase(&mut market, CORN, Phase::Delisted), None);
    market.order(NewOrder { instrument: FORWARD, ..sell(1_800, 3) });
    market.order(NewOrder { instrument: FORWARD, ..buy(1_800, 2) });
    assert_eq!(market.engine.usage(FORWARD), (1, 2));
    assert_eq!(phase(&mut market, FORWARD, Phase::Expired), None);
    assert_eq!(market.engine.usage(FORWARD), (0, 2));
    assert!(phase(&mut market, FORWARD, Phase::Delisted).is_some(), "two lots are open");
    market.check();
}

/// TRD-085: an instrument's own limit of positions holds for accounts without one, and the
/// smaller of two holds.
#[test]
fn test_positions_are_limited_by_the_instrument() {
    let mut market = Market::new();
    let mut rules = market.engine.instrument(FORWARD).unwrap().clone();
    rules.position_limit_lots = 5;
    assert_eq!(market.apply(Command::UpdateInstrument(Box::new(rules))).refusal, None);
    let order = |lots| NewOrder { instrument: FORWARD, ..buy(1_800, lots) };
    let refused = refusal(market.order(order(6)));
    assert_eq!((refused.reason, refused.values[0]), (Reason::PositionLimit, 5));
    assert_eq!(market.order(order(5)).refusal, None);
    assert!(market.order(order(1)).refusal.is_some());
    market.check();
}
