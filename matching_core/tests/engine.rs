//! The engine as its users see it: what an order does to the book, the money and the answers.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{ClientOrderId, Command, CommandKey, NewOrder};
use matching_core::engine::{Admission, command_key};
use matching_core::error::Reason;
use matching_core::event::Outcome;
use matching_core::types::*;

mod market;

use market::*;

fn limit(account: AccountNumber, side: Side, price: i64, lots: u32) -> NewOrder {
    NewOrder {
        account,
        instrument: CORN,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        reduce_only: false,
        self_trade_prevention: None,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        stop_price: PriceTicks(0),
        display: QuantityLots(0),
        min_quantity: QuantityLots(0),
        expire_time: TimestampNs(0),
        client_order_id: ClientOrderId::NONE,
        key: CommandKey(0),
    }
}

/// TRD-002, TRD-022, TRD-024.
#[test]
fn test_trade_settles_money_commodity_and_fees() {
    // 12 lots of 100 bu at 4.5825: 5,499.0000, taker 1.3748, maker 0.2750.
    let mut market = Market::new();
    let sell = market.order(limit(SELLER, Side::Sell, 1_833, 12));
    assert_eq!((sell.status, sell.remaining), (OrderStatus::New, QuantityLots(12)));
    assert_eq!(market.balance(SELLER, BUSHELS), (100_000_000, 1_200_000));
    let buy = market.order(limit(BUYER, Side::Buy, 1_840, 12));
    assert_eq!((buy.status, buy.filled), (OrderStatus::Filled, QuantityLots(12)));
    assert_eq!(buy.fees_minor, 13_748);
    assert_eq!(market.balance(BUYER, USD), (10_000_000_000 - 54_990_000 - 13_748, 0));
    assert_eq!(market.balance(BUYER, BUSHELS), (101_200_000, 0));
    assert_eq!(market.balance(SELLER, USD), (10_000_000_000 + 54_990_000 - 2_750, 0));
    assert_eq!(market.balance(SELLER, BUSHELS), (98_800_000, 0));
    assert_eq!(market.balance(FEE_ACCOUNT, USD), (16_498, 0));
    assert_eq!(market.engine.last_trade_price(CORN), Some(PriceTicks(1_833)));
    market.check();
}

/// TRD-001.
#[test]
fn test_price_then_time_decides() {
    let mut market = Market::new();
    let second = market.order(limit(SELLER, Side::Sell, 1_801, 5));
    let first = market.order(limit(SELLER, Side::Sell, 1_800, 5));
    let third = market.order(limit(SELLER, Side::Sell, 1_801, 5));
    market.order(limit(BUYER, Side::Buy, 1_801, 7));
    assert!(market.engine.order(first.order_id).is_none());
    assert_eq!(market.engine.order(second.order_id).unwrap().remaining, QuantityLots(3));
    assert_eq!(market.engine.order(third.order_id).unwrap().remaining, QuantityLots(5));
    market.check();
}

/// TRD-005, TRD-011, TRD-012, TRD-023.
#[test]
fn test_refusals_name_what_stands_in_the_way() {
    let mut market = Market::new();
    let reason = |outcome: Outcome| outcome.refusal.map(|refusal| refusal.reason);
    let market_order = |side| NewOrder {
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Ioc,
        price: PriceTicks(0),
        ..limit(BUYER, side, 0, 1)
    };
    assert_eq!(reason(market.order(market_order(Side::Buy))), Some(Reason::NoLiquidity));
    let outside = market.order(limit(BUYER, Side::Buy, 1_400, 1));
    assert_eq!(reason(outside), Some(Reason::PriceLimit));
    let dear = market.order(limit(BUYER, Side::Buy, 2_500, 1_000));
    assert_eq!(reason(dear), None);
    let dearer = market.order(limit(BUYER, Side::Buy, 2_500, 1_000));
    assert_eq!(reason(dearer), Some(Reason::InsufficientFunds));
    let naked = market.order(limit(TWIN, Side::Sell, 2_500, 1_000));
    assert_eq!(reason(naked), None, "one hundred thousand bushels are all it has");
    let post = NewOrder { post_only: true, ..limit(SELLER, Side::Sell, 2_400, 1) };
    assert_eq!(reason(market.order(post)), Some(Reason::PostOnlyWouldTrade));
    let fok = NewOrder { time_in_force: TimeInForce::Fok, ..limit(SELLER, Side::Sell, 2_400, 999) };
    market.apply(Command::SetPhase { instrument: CORN, phase: Phase::Halted });
    assert_eq!(reason(market.order(fok)), Some(Reason::MarketHalted));
    market.check();
}

/// TRD-008.
#[test]
fn test_self_trade_prevention_compares_owners() {
    for (mode, left, rests) in [
        (SelfTradePrevention::CancelNewest, 5, 0),
        (SelfTradePrevention::CancelOldest, 0, 8),
        (SelfTradePrevention::CancelBoth, 0, 0),
        (SelfTradePrevention::Decrement, 0, 3),
    ] {
        let mut market = Market::new();
        let old = market.order(limit(TWIN, Side::Sell, 1_800, 5));
        let new =
            NewOrder { self_trade_prevention: Some(mode), ..limit(BUYER, Side::Buy, 1_800, 8) };
        let new = market.order(new);
        let open = |id| market.engine.order(id).map_or(0, |order| order.remaining.0);
        assert_eq!((open(old.order_id), open(new.order_id)), (left, rests), "{mode:?}");
        assert_eq!(market.engine.last_trade_price(CORN), None);
        market.check();
    }
}

/// TRD-009.
#[test]
fn test_amend_keeps_priority_only_when_it_shrinks() {
    let mut market = Market::new();
    let a = market.order(limit(SELLER, Side::Sell, 1_800, 5)).order_id;
    let b = market.order(limit(SELLER, Side::Sell, 1_800, 5)).order_id;
    let amend = |order_id, price: Option<i64>, lots: Option<u32>| Command::AmendOrder {
        account: SELLER,
        order_id,
        price: price.map(PriceTicks),
        quantity: lots.map(QuantityLots),
        expected_version: 0,
        key: CommandKey(0),
    };
    let shrunk = market.apply(amend(a, None, Some(3)));
    assert_eq!((shrunk.version, shrunk.remaining), (2, QuantityLots(3)));
    market.order(limit(BUYER, Side::Buy, 1_800, 1));
    assert_eq!(market.engine.order(a).unwrap().remaining, QuantityLots(2));
    market.apply(amend(a, None, Some(6)));
    market.order(limit(BUYER, Side::Buy, 1_800, 1));
    assert_eq!(market.engine.order(b).unwrap().remaining, QuantityLots(4));
    assert_eq!(market.engine.order(a).unwrap().remaining, QuantityLots(5));
    market.order(limit(BUYER, Side::Buy, 1_750, 4));
    let crossed = market.apply(amend(a, Some(1_750), None));
    assert_eq!((crossed.filled, crossed.remaining), (QuantityLots(5), QuantityLots(1)));
    market.check();
}

#[test]
fn test_repeat_gets_the_first_answer_and_reuse_is_refused() {
    let mut market = Market::new();
    let key = command_key(BUYER, 1, b"mine");
    let order = NewOrder { key, ..limit(BUYER, Side::Buy, 1_800, 1) };
    let order = NewOrder { client_order_id: ClientOrderId::new(b"mine").unwrap(), ..order };
    let command = Command::NewOrder(order);
    assert_eq!(market.engine.admit(&command), Admission::Apply);
    let first = market.apply(command.clone());
    market.order(limit(SELLER, Side::Sell, 1_800, 1));
    assert_eq!(market.engine.admit(&command), Admission::Repeat(first));
    let other = Command::NewOrder(NewOrder { quantity: QuantityLots(2), ..order });
    let Admission::Refused(refusal) = market.engine.admit(&other) else { panic!() };
    assert_eq!(refusal.reason, Reason::DuplicateClientOrderId);
    market.check();
}

#[test]
fn test_forward_keeps_deposits_of_both_sides() {
    let mut market = Market::new();
    market.order(NewOrder { instrument: FORWARD, ..limit(SELLER, Side::Sell, 2_000, 10) });
    market.order(NewOrder { instrument: FORWARD, ..limit(BUYER, Side::Buy, 2_000, 10) });
    // 10 lots at 5.00 are 5,000.0000; a tenth of it is deposited.
    assert_eq!(market.balance(SELLER, USD).1, 5_000_000);
    assert_eq!(market.balance(BUYER, USD).1, 5_000_000);
    assert_eq!(market.engine.positions(BUYER).next().unwrap().bought_lots, 10);
    market.check();
}

/// TRD-007.
#[test]
fn test_time_ends_gtd_and_day_orders() {
    let mut market = Market::new();
    let gtd = NewOrder {
        time_in_force: TimeInForce::Gtd,
        expire_time: TimestampNs(5_000),
        ..limit(SELLER, Side::Sell, 1_800, 1)
    };
    let gtd = market.order(gtd).order_id;
    let day = NewOrder { time_in_force: TimeInForce::Day, ..limit(SELLER, Side::Sell, 1_800, 1) };
    let day = market.order(day).order_id;
    market.now = 6_000;
    assert!(market.engine.has_expiry_due(TimestampNs(6_000)));
    market.apply(Command::AdvanceTime);
    assert!(market.engine.order(gtd).is_none() && market.engine.order(day).is_some());
    market.now = 24 * 3_600 * 1_000_000_000;
    market.apply(Command::AdvanceTime);
    assert!(market.engine.order(day).is_none());
    assert_eq!(market.balance(SELLER, BUSHELS).1, 0);
    market.check();
}

/// TRD-008.
#[test]
fn test_amended_order_keeps_its_place_among_the_accounts_orders() {
    // The neighbour in the account's list closes while the amended order trades with it.
    let mut market = Market::new();
    let open = |side, price| NewOrder {
        self_trade_prevention: Some(SelfTradePrevention::None),
        ..limit(SELLER, side, price, 5)
    };
    let amended = market.order(open(Side::Buy, 1_790)).order_id;
    let neighbour = market.order(open(Side::Sell, 1_800)).order_id;
    let last = market.order(open(Side::Sell, 1_810)).order_id;
    market.apply(Command::AmendOrder {
        account: SELLER,
        order_id: amended,
        price: Some(PriceTicks(1_800)),
        quantity: Some(QuantityLots(8)),
        expected_version: 0,
        key: CommandKey(0),
    });
    assert!(market.engine.order(neighbour).is_none());
    let left: Vec<_> = market.engine.open_orders(SELLER).map(|order| order.order_id).collect();
    assert_eq!(left, [amended, last]);
    let cancelled = market.apply(Command::MassCancel {
        account: Some(SELLER),
        instrument: None,
        side: None,
        reason: CancelReason::User,
    });
    assert_eq!(cancelled.remaining, QuantityLots(2));
    assert_eq!(market.balance(SELLER, USD).1, 0);
    market.check();
}
