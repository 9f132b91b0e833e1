//! Orders that wait for a price, and prices that stop the market.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::error::Reason;
use matching_core::instrument::InstrumentSpec;
use matching_core::types::*;

mod market;

use market::*;

/// TRD-046: a sweep past the band stops there; the call ends by itself and trades at one price.
#[test]
fn test_price_outside_the_band_starts_a_volatility_auction() {
    let mut market = Market::new();
    let mut rules = spec("CORN-BAND", InstrumentKind::Spot);
    rules.band_ticks = 5;
    rules.volatility_auction_ns = 60_000;
    let number = market.apply(Command::DefineInstrument(Box::new(rules))).order_id.0;
    let band = InstrumentNumber(u32::try_from(number).unwrap());
    let enter = |market: &mut Market, account, side, price, lots, time_in_force| {
        let order = NewOrder {
            account,
            instrument: band,
            side,
            price: PriceTicks(price),
            quantity: QuantityLots(lots),
            time_in_force,
            ..NewOrder::BLANK
        };
        market.apply(Command::NewOrder(order))
    };
    let gtc = TimeInForce::Gtc;
    for (price, lots) in [(1_830, 1), (1_833, 2), (1_840, 4)] {
        enter(&mut market, SELLER, Side::Sell, price, lots, gtc);
    }
    enter(&mut market, BUYER, Side::Buy, 1_830, 1, gtc);
    // 1,833 lies within five ticks of 1,830, 1,840 does not.
    let swept = enter(&mut market, BUYER, Side::Buy, 1_840, 6, gtc);
    assert_eq!((swept.filled.0, swept.remaining.0), (2, 4));
    let phase = |market: &Market| market.engine.instrument(band).unwrap().phase;
    assert_eq!(phase(&market), Phase::Auction);
    let refused = enter(&mut market, BUYER, Side::Buy, 1_840, 1, TimeInForce::Ioc);
    assert_eq!(refused.refusal.unwrap().reason, Reason::OrderNotAllowedInPhase);
    let found = market.engine.indication(band).unwrap();
    assert_eq!((found.price, found.lots, found.surplus), (PriceTicks(1_840), 4, 0));
    market.now += 61_000;
    market.apply(Command::AdvanceTime);
    assert_eq!(phase(&market), Phase::Auction, "outside the band it goes on once");
    market.now += 61_000;
    market.apply(Command::AdvanceTime);
    assert_eq!(phase(&market), Phase::Open);
    assert_eq!(market.engine.last_trade_price(band), Some(PriceTicks(1_840)));
    assert!(market.engine.indication(band).is_none());
}

/// TRD-040: stops go off in the order a moving price reaches them, and set each other off.
#[test]
fn test_stops_cascade_in_the_order_of_their_prices() {
    let mut market = Market::new();
    let order = |account, side, order_type, price, stop| NewOrder {
        account,
        instrument: CORN,
        side,
        order_type,
        time_in_force: TimeInForce::Gtc,
        price: PriceTicks(price),
        stop_price: PriceTicks(stop),
        quantity: QuantityLots(1),
        ..NewOrder::BLANK
    };
    for price in [1_800, 1_801, 1_802, 1_803] {
        let resting = order(SELLER, Side::Sell, OrderType::Limit, price, 0);
        market.apply(Command::NewOrder(resting));
    }
    let far = order(BUYER, Side::Buy, OrderType::StopLimit, 1_810, 1_801);
    let far = market.apply(Command::NewOrder(far));
    let near = order(BUYER, Side::Buy, OrderType::Stop, 0, 1_800);
    let near = market.apply(Command::NewOrder(near));
    assert_eq!([far.status, near.status], [OrderStatus::TriggerWait; 2]);
    let spark = order(TWIN, Side::Buy, OrderType::Limit, 1_800, 0);
    let spark = market.apply(Command::NewOrder(spark));
    assert_eq!(spark.status, OrderStatus::Filled);
    // The nearer one bought at 1,801, which set off the farther one at 1,802.
    assert_eq!(market.engine.last_trade_price(CORN), Some(PriceTicks(1_802)));
    assert!(market.engine.order(far.order_id).is_none());
    assert!(market.engine.order(near.order_id).is_none());
}

/// TRD-009: other rules of the instrument since it was entered do not cost a stop its place.
#[test]
fn test_fewer_lots_keep_a_stops_place_under_other_rules() {
    let mut market = Market::new();
    let mut stop = || {
        let order = NewOrder {
            account: BUYER,
            instrument: CORN,
            side: Side::Buy,
            order_type: OrderType::Stop,
            stop_price: PriceTicks(1_850),
            quantity: QuantityLots(2),
            ..NewOrder::BLANK
        };
        market.order(order).order_id
    };
    let (first, second) = (stop(), stop());
    let rules = InstrumentSpec { protection_ticks: 5, ..spec("CORN", InstrumentKind::Spot) };
    assert_eq!(market.apply(Command::DefineInstrument(Box::new(rules))).refusal, None);
    let fewer = Command::AmendOrder {
        account: BUYER,
        order_id: first,
        price: None,
        quantity: Some(QuantityLots(1)),
        expected_version: 0,
        key: CommandKey(0),
    };
    assert_eq!(market.apply(fewer).refusal, None);
    let waiting: Vec<_> = market.engine.book_orders(CORN).map(|order| order.order_id).collect();
    assert_eq!(waiting, [first, second]);
}
