//! What accounts may do, what they have, and what an order would do.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{Command, NewOrder};
use matching_core::error::Reason;
use matching_core::risk::RiskLimits;
use matching_core::types::*;

mod market;

use market::*;

fn order(account: AccountNumber, side: Side, price: i64, lots: u32) -> NewOrder {
    NewOrder {
        account,
        instrument: CORN,
        side,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        ..NewOrder::BLANK
    }
}

fn forward(account: AccountNumber, side: Side, price: i64, lots: u32) -> NewOrder {
    NewOrder { instrument: FORWARD, ..order(account, side, price, lots) }
}

fn limit(market: &mut Market, account: AccountNumber, limits: RiskLimits) {
    let outcome = market.apply(Command::SetRiskLimits { account, limits, max_open_orders: 100 });
    assert_eq!(outcome.refusal, None);
}

fn refusal(market: &mut Market, order: NewOrder) -> Option<Reason> {
    market.order(order).refusal.map(|refusal| refusal.reason)
}

/// TRD-013, TRD-050: the kill switch stops entry and nothing else, and is not the exchange's own.
#[test]
fn test_switches_are_apart() {
    let mut market = Market::new();
    let set = |market: &mut Market, switch, is_on| {
        market.apply(Command::SetSwitch { account: BUYER, switch, is_on });
    };
    let open = market.order(order(BUYER, Side::Buy, 1_800, 2));
    set(&mut market, Switch::Killed, true);
    let more = || order(BUYER, Side::Buy, 1_800, 1);
    assert_eq!(refusal(&mut market, more()), Some(Reason::KillSwitchActive));
    set(&mut market, Switch::Restricted, true);
    set(&mut market, Switch::Killed, false);
    assert_eq!(refusal(&mut market, more()), Some(Reason::AccountRestricted));
    let cancelled = market.apply(Command::CancelOrder {
        account: Some(BUYER),
        order_id: open.order_id,
        reason: CancelReason::User,
        key: matching_core::command::CommandKey(0),
    });
    assert_eq!(cancelled.status, OrderStatus::Cancelled);
    set(&mut market, Switch::Restricted, false);
    assert_eq!(refusal(&mut market, more()), None);
    let later = || forward(BUYER, Side::Buy, 1_800, 1);
    set(&mut market, Switch::NoForwards, true);
    assert_eq!(refusal(&mut market, later()), Some(Reason::KycLevelRequired));
    assert_eq!(refusal(&mut market, more()), None, "it is about forwards alone");
    set(&mut market, Switch::NoForwards, false);
    assert_eq!(refusal(&mut market, later()), None);
    assert!(market.engine.audit().iter().all(matching_core::engine::AssetAudit::is_right));
    market.check();
}

/// TRD-051: what is good till cancelled outlives its session.
#[test]
fn test_lost_session_spares_what_is_good_till_cancelled() {
    let mut market = Market::new();
    let day =
        |price| NewOrder { time_in_force: TimeInForce::Day, ..order(BUYER, Side::Buy, price, 1) };
    market.order(day(1_700));
    let stays = market.order(order(BUYER, Side::Buy, 1_701, 1)).order_id;
    market.order(day(1_702));
    let outcome = market.apply(Command::MassCancel {
        account: Some(BUYER),
        instrument: None,
        side: None,
        reason: CancelReason::Disconnect,
    });
    assert_eq!(outcome.remaining.0, 2);
    let open: Vec<_> = market.engine.open_orders(BUYER).map(|order| order.order_id).collect();
    assert_eq!(open, [stays]);
    market.check();
}

/// TRD-052: each limit stops exactly at itself.
#[test]
fn test_limits_stop_exactly() {
    let mut market = Market::new();
    limit(&mut market, BUYER, RiskLimits { max_order_lots: 5, ..RiskLimits::default() });
    assert_eq!(refusal(&mut market, order(BUYER, Side::Buy, 1_800, 5)), None);
    let more = order(BUYER, Side::Buy, 1_800, 6);
    assert_eq!(refusal(&mut market, more), Some(Reason::QuantityMax));

    // A lot at 1,800 ticks is worth 4,500,000.
    let value = 4_500_000;
    let notional = RiskLimits { max_order_notional_minor: 3 * value, ..RiskLimits::default() };
    limit(&mut market, TWIN, notional);
    assert_eq!(refusal(&mut market, order(TWIN, Side::Buy, 1_800, 3)), None);
    let more = order(TWIN, Side::Buy, 1_801, 3);
    assert_eq!(refusal(&mut market, more), Some(Reason::NotionalMax));
    market.check();
}

/// TRD-053: the day's limit counts what was traded and what may still trade, and starts anew.
#[test]
fn test_daily_limit_counts_open_and_traded() {
    let mut market = Market::new();
    let value = 4_500_000;
    let daily = RiskLimits { max_daily_notional_minor: 10 * value, ..RiskLimits::default() };
    limit(&mut market, BUYER, daily);
    market.order(order(SELLER, Side::Sell, 1_800, 4));
    assert_eq!(market.order(order(BUYER, Side::Buy, 1_800, 4)).filled.0, 4);
    assert_eq!(refusal(&mut market, order(BUYER, Side::Buy, 1_800, 5)), None);
    let two = order(BUYER, Side::Buy, 1_800, 2);
    assert_eq!(refusal(&mut market, two), Some(Reason::DailyLimit));
    assert_eq!(refusal(&mut market, order(BUYER, Side::Buy, 1_800, 1)), None);
    let one = order(BUYER, Side::Buy, 1_500, 1);
    assert_eq!(refusal(&mut market, one), Some(Reason::DailyLimit));
    market.now += 86_400_000_000_000;
    assert_eq!(refusal(&mut market, order(BUYER, Side::Buy, 1_800, 4)), None);
    assert_eq!(refusal(&mut market, one), Some(Reason::DailyLimit), "six lots wait, four more");
    market.check();
}

/// TRD-054: a position goes to its limit and not beyond, and can always be reduced.
#[test]
fn test_position_limit_counts_open_orders() {
    let mut market = Market::new();
    limit(&mut market, BUYER, RiskLimits { max_position_lots: 5, ..RiskLimits::default() });
    market.order(forward(SELLER, Side::Sell, 1_800, 4));
    assert_eq!(market.order(forward(BUYER, Side::Buy, 1_800, 4)).filled.0, 4);
    let two = forward(BUYER, Side::Buy, 1_700, 2);
    assert_eq!(refusal(&mut market, two), Some(Reason::PositionLimit));
    assert_eq!(refusal(&mut market, forward(BUYER, Side::Buy, 1_700, 1)), None);
    // From four long to five short.
    assert_eq!(refusal(&mut market, forward(BUYER, Side::Sell, 1_900, 9)), None);
    let one = forward(BUYER, Side::Sell, 1_900, 1);
    assert_eq!(refusal(&mut market, one), Some(Reason::PositionLimit));
    market.check();
}

/// TRD-055: average cost; what closes is realised, what goes through zero opens at its own price.
#[test]
fn test_position_keeps_average_price_and_result() {
    let mut market = Market::new();
    let mut trade = |side: Side, price, lots| {
        market.order(forward(SELLER, side.opposite(), price, lots));
        market.order(forward(BUYER, side, price, lots));
        let position = market.engine.positions(BUYER).next().unwrap();
        (position.bought_lots - position.sold_lots, position.open_ticks, position.realised_ticks)
    };
    assert_eq!(trade(Side::Buy, 1_800, 2), (2, 3_600, 0));
    assert_eq!(trade(Side::Buy, 1_830, 1), (3, 5_430, 0));
    // The average is 1,810.
    assert_eq!(trade(Side::Sell, 1_820, 1), (2, 3_620, 10));
    assert_eq!(trade(Side::Sell, 1_800, 5), (-3, 5_400, -10));
    assert_eq!(trade(Side::Buy, 1_790, 3), (0, 0, 20));
    let other = market.engine.positions(SELLER).next().unwrap();
    assert_eq!(other.realised_ticks, -20, "what one wins the other loses");
    market.check();
}

/// TRD-056: a preview tells fills, fee and hold, and leaves no trace.
#[test]
fn test_preview_leaves_no_trace() {
    let mut market = Market::new();
    market.order(order(SELLER, Side::Sell, 1_800, 2));
    market.order(order(SELLER, Side::Sell, 1_802, 1));
    let before = market.engine.state_hash();
    let wanted = order(BUYER, Side::Buy, 1_801, 5);
    let found = market.engine.preview(&wanted).unwrap();
    assert_eq!(market.engine.state_hash(), before);
    assert_eq!((found.outcome.filled.0, found.outcome.remaining.0), (2, 3));
    assert_eq!(found.held_asset, USD);
    let outcome = market.order(wanted);
    assert_eq!(outcome.fees_minor, found.outcome.fees_minor);
    assert_eq!(market.balance(BUYER, USD).1, found.held_minor);
    let refused = market.engine.preview(&order(BUYER, Side::Buy, 9_999, 1)).unwrap_err();
    assert_eq!(refused.reason, Reason::PriceRange);
}

/// TRD-058: journals of before there was more than one switch are read as they were meant.
#[test]
fn test_records_of_risk_come_back() {
    use matching_core::codec::{Records, decode, encode};
    let switched = |switch, is_on| Command::SetSwitch { account: BUYER, switch, is_on };
    assert_eq!(decode(&[6, 1, 2, 0, 0, 0]), Ok(switched(Switch::Restricted, true)));
    assert_eq!(decode(&[6, 0, 2, 0, 0, 0]), Ok(switched(Switch::Restricted, false)));
    assert!(decode(&[6, 8, 2, 0, 0, 0]).is_err(), "there is no fifth switch");
    let limits = RiskLimits {
        max_order_lots: 1,
        max_order_notional_minor: 2,
        max_daily_notional_minor: 3,
        max_position_lots: 4,
    };
    let limited = Command::SetRiskLimits { account: BUYER, limits, max_open_orders: 5 };
    for command in [switched(Switch::CancelOnDisconnect, true), limited] {
        let mut bytes = Vec::new();
        encode(&command, &mut bytes);
        let mut read = Command::AdvanceTime;
        assert!(Records::new(&bytes).read(&mut read).unwrap());
        assert_eq!(read, command);
    }
}
