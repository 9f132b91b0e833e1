//! What the market takes and refuses.
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
use matching_core::types::*;

mod market;

use market::*;

/// TRD-004: at its price or better; the rest stays, or ends with IOC. An IOC's rest never rests.
#[test]
fn test_limit_trades_at_its_price_or_better() {
    let mut market = Market::new();
    market.order(sell(1_799, 2));
    market.order(sell(1_800, 2));
    market.order(sell(1_801, 2));
    let taken = market.order(timed(TimeInForce::Ioc, buy(1_800, 6)));
    assert_eq!((taken.filled.0, taken.filled_notional_ticks), (4, 2 * 1_799 + 2 * 1_800));
    assert_eq!(taken.cancel_reason, Some(CancelReason::IocRemainder));
    assert_eq!(best(&market, Side::Buy), None, "nothing of it rests");
    let stays = market.order(buy(1_800, 3));
    assert_eq!((stays.status, best(&market, Side::Buy)), (OrderStatus::New, Some((1_800, 3, 1))));
    assert_eq!(best(&market, Side::Sell), Some((1_801, 2, 1)), "it walked through no limit");
    market.check();
}

/// TRD-005: a market order goes as far as its protection and not beyond.
#[test]
fn test_market_order_is_protected() {
    let mut market = Market::new();
    for price in [1_800, 1_820, 1_821] {
        market.order(sell(price, 1));
    }
    let order = NewOrder { order_type: OrderType::Market, ..buy(0, 3) };
    let taken = market.order(timed(TimeInForce::Ioc, order));
    assert_eq!((taken.filled.0, taken.status), (2, OrderStatus::Cancelled));
    assert_eq!(best(&market, Side::Sell), Some((1_821, 1, 1)), "21 ticks from the best");
    market.check();
}

/// TRD-006.
#[test]
fn test_fill_or_kill_and_post_only() {
    let mut market = Market::new();
    market.order(sell(1_800, 3));
    let refused = refusal(market.order(timed(TimeInForce::Fok, buy(1_800, 4))));
    assert_eq!((refused.reason, refused.values[0]), (Reason::FokUnfillable, 3));
    let post = |price| NewOrder { post_only: true, ..buy(price, 1) };
    assert_eq!(refusal(market.order(post(1_800))).reason, Reason::PostOnlyWouldTrade);
    assert_eq!(market.order(post(1_799)).status, OrderStatus::New);
    let whole = market.order(timed(TimeInForce::Fok, buy(1_800, 3)));
    assert_eq!(whole.status, OrderStatus::Filled);
    market.check();
}

/// TRD-007: a time that has passed is no expiry.
#[test]
fn test_past_expiry_is_refused() {
    let mut market = Market::new();
    let past = NewOrder { expire_time: TimestampNs(5), ..buy(1_800, 1) };
    let refused = refusal(market.order(timed(TimeInForce::Gtd, past)));
    assert_eq!(refused.reason, Reason::ExpiryInvalid);
}

/// TRD-010.
#[test]
fn test_amendment_of_another_version_is_refused() {
    let mut market = Market::new();
    let id = market.order(buy(1_700, 5)).order_id;
    assert_eq!(market.apply(amend(id, None, Some(4), 1)).version, 2);
    let refused = refusal(market.apply(amend(id, None, Some(3), 1)));
    assert_eq!((refused.reason, refused.values), (Reason::VersionConflict, [1, 2, 0]));
    market.check();
}

/// TRD-012: out of trading hours nothing comes in; in a halt what is open can still be cancelled.
#[test]
fn test_phases_decide_what_comes_in() {
    let mut market = Market::new();
    let open = market.order(buy(1_700, 1)).order_id;
    let phase = |market: &mut Market, phase| {
        market.apply(Command::SetPhase { instrument: CORN, phase });
    };
    phase(&mut market, Phase::Halted);
    assert_eq!(refusal(market.order(buy(1_700, 1))).reason, Reason::MarketHalted);
    assert_eq!(market.apply(cancel(BUYER, open)).status, OrderStatus::Cancelled);
    for closed in [Phase::Listed, Phase::Closed, Phase::Expired, Phase::Delisted] {
        phase(&mut market, closed);
        let refused = refusal(market.order(buy(1_700, 1)));
        assert_eq!(refused.reason, Reason::InstrumentNotTrading, "{closed:?}");
        assert_eq!(refused.values[0], i64::from(closed.number()));
    }
    market.check();
}

/// TRD-014.
#[test]
fn test_open_orders_are_limited() {
    let mut market = Market::new();
    for _ in 0..100 {
        market.order(buy(1_700, 1));
    }
    let refused = refusal(market.order(buy(1_700, 1)));
    assert_eq!((refused.reason, refused.values[0]), (Reason::OpenOrdersLimit, 100));
    let at_once = timed(TimeInForce::Ioc, buy(1_700, 1));
    assert_eq!(market.order(at_once).refusal, None, "what can't stay does not count");
}

/// TRD-023: the amounts are named.
#[test]
fn test_lack_of_money_and_goods_is_told() {
    let mut market = Market::new();
    market.deposit(BUYER, USD, -9_999_000_000);
    let refused = refusal(market.order(buy(1_800, 1)));
    // 1,800 ticks of 0.25 dollars, and 2.5 basis points.
    assert_eq!(refused.reason, Reason::InsufficientFunds);
    assert_eq!(refused.values, [4_500_000 + 1_125, 1_000_000, 0]);
    market.deposit(SELLER, BUSHELS, -99_950_000);
    let refused = refusal(market.order(sell(1_800, 1)));
    assert_eq!(refused.reason, Reason::InsufficientInventory);
    assert_eq!(refused.values, [100_000, 50_000, 0]);
    market.check();
}

/// TRD-025: what does not fit is refused, never cut off.
#[test]
fn test_amounts_never_wrap() {
    let mut market = Market::new();
    let transfer =
        |amount| Command::Transfer { account: BUYER, asset: USD, amount, key: CommandKey(0) };
    for amount in [i64::MAX, 1 << 62] {
        assert_eq!(refusal(market.apply(transfer(amount))).reason, Reason::AmountOverflow);
    }
    assert_eq!(refusal(market.apply(transfer(i64::MIN))).reason, Reason::InsufficientFunds);
    market.check();
}
