//! What the market takes and refuses, and the bugs of other engines that this one must not have.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::error::{Reason, Refusal};
use matching_core::event::Outcome;
use matching_core::types::*;

mod market;

use market::*;

fn limit(account: AccountNumber, side: Side, price: i64, lots: u32) -> NewOrder {
    NewOrder {
        account,
        instrument: CORN,
        side,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        ..NewOrder::BLANK
    }
}

fn sell(price: i64, lots: u32) -> NewOrder {
    limit(SELLER, Side::Sell, price, lots)
}

fn buy(price: i64, lots: u32) -> NewOrder {
    limit(BUYER, Side::Buy, price, lots)
}

fn timed(time_in_force: TimeInForce, order: NewOrder) -> NewOrder {
    NewOrder { time_in_force, ..order }
}

fn cancel(account: AccountNumber, order_id: OrderId) -> Command {
    let (account, reason, key) = (Some(account), CancelReason::User, CommandKey(0));
    Command::CancelOrder { account, order_id, reason, key }
}

fn amend(order_id: OrderId, price: Option<i64>, lots: Option<u32>, version: u32) -> Command {
    Command::AmendOrder {
        account: BUYER,
        order_id,
        price: price.map(PriceTicks),
        quantity: lots.map(QuantityLots),
        expected_version: version,
        key: CommandKey(0),
    }
}

fn refusal(outcome: Outcome) -> Refusal {
    outcome.refusal.unwrap()
}

fn best(market: &Market, side: Side) -> Option<(i64, u64, u32)> {
    let first = market.engine.depth(CORN, side, 1).next();
    first.map(|(price, lots, count)| (price.0, lots, count))
}

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

/// `StockSharp` #681: cancelling inside a level loses the order of the others.
#[test]
fn test_bug_queue_survives_a_cancel_inside_it() {
    let mut market = Market::new();
    let [a, b, c, d] = [1, 2, 3, 4].map(|lots| market.order(sell(1_800, lots)).order_id);
    market.apply(cancel(SELLER, b));
    market.order(buy(1_800, 2));
    assert!(market.engine.order(a).is_none());
    assert_eq!(market.engine.order(c).unwrap().remaining.0, 2);
    assert_eq!(market.engine.order(d).unwrap().remaining.0, 4);
    market.check();
}

/// osmosis-labs/orderbook #211 and glinscott/JSOrderbook #2: a best price that nobody offers.
#[test]
fn test_bug_no_best_price_is_left_by_a_cancel() {
    let mut market = Market::new();
    let far = market.order(sell(2_000, 1)).order_id;
    let near = market.order(sell(1_800, 1)).order_id;
    market.apply(cancel(SELLER, near));
    assert_eq!(best(&market, Side::Sell), Some((2_000, 1, 1)));
    market.apply(cancel(SELLER, far));
    assert_eq!(best(&market, Side::Sell), None);
    assert_eq!(market.engine.level(CORN, Side::Sell, PriceTicks(1_800)), (0, 0));
    market.check();
}

/// liquibook #12: an unknown number cancels somebody else's order.
#[test]
fn test_bug_unknown_number_cancels_nothing() {
    let mut market = Market::new();
    let open = market.order(sell(1_800, 1)).order_id;
    let closed = market.order(sell(1_800, 1)).order_id;
    market.apply(cancel(SELLER, closed));
    // Its slot goes to the next order, its number to none.
    let next = market.order(sell(1_800, 1)).order_id;
    for wrong in [closed, OrderId(0), OrderId(u64::MAX), OrderId(open.0 + (1 << 40))] {
        assert_eq!(refusal(market.apply(cancel(SELLER, wrong))).reason, Reason::OrderNotFound);
    }
    assert_eq!(refusal(market.apply(cancel(BUYER, open))).reason, Reason::OrderNotFound);
    assert!(market.engine.order(open).is_some() && market.engine.order(next).is_some());
}

/// liquibook #25: a stop that waits can't be cancelled.
#[test]
fn test_bug_waiting_stop_is_cancelled() {
    let mut market = Market::new();
    let stop = NewOrder {
        order_type: OrderType::StopLimit,
        stop_price: PriceTicks(1_850),
        ..buy(1_860, 2)
    };
    let stop = market.order(stop);
    assert_eq!(stop.status, OrderStatus::TriggerWait);
    assert_eq!(market.apply(cancel(BUYER, stop.order_id)).status, OrderStatus::Cancelled);
    assert_eq!(market.balance(BUYER, USD).1, 0, "what it held is free");
    market.check();
}

/// OrderBook-rs #88: a maker that was filled in part goes to the back.
#[test]
fn test_bug_partly_filled_maker_stays_in_front() {
    let mut market = Market::new();
    let first = market.order(sell(1_800, 5)).order_id;
    let second = market.order(sell(1_800, 5)).order_id;
    market.order(buy(1_800, 2));
    market.order(buy(1_800, 2));
    assert_eq!(market.engine.order(first).unwrap().remaining.0, 1);
    assert_eq!(market.engine.order(second).unwrap().remaining.0, 5);
    market.check();
}

/// OrderBook-rs #138: what self-trade prevention cancelled of an order rests all the same.
#[test]
fn test_bug_prevented_rest_does_not_rest() {
    let mut market = Market::new();
    market.order(sell(1_799, 1));
    market.order(limit(TWIN, Side::Sell, 1_800, 5));
    let order = NewOrder {
        self_trade_prevention: Some(SelfTradePrevention::CancelNewest),
        ..buy(1_800, 8)
    };
    let outcome = market.order(order);
    assert_eq!((outcome.filled.0, outcome.remaining.0), (1, 0));
    assert_eq!(outcome.cancel_reason, Some(CancelReason::SelfTrade));
    assert_eq!(best(&market, Side::Buy), None);
    market.check();
}

/// joaquinbejar/hft-clob-core #59: an order that is amended through the market rests crossed.
#[test]
fn test_bug_amendment_through_the_market_trades() {
    let mut market = Market::new();
    market.order(sell(1_800, 2));
    let id = market.order(buy(1_700, 5)).order_id;
    let outcome = market.apply(amend(id, Some(1_801), None, 0));
    assert_eq!((outcome.filled.0, outcome.filled_notional_ticks), (2, 3_600));
    assert_eq!((best(&market, Side::Sell), best(&market, Side::Buy)), (None, Some((1_801, 3, 1))));
    market.check();
}

/// vega #8374: the next part of an iceberg leaves the book crossed.
#[test]
fn test_bug_iceberg_leaves_no_crossed_book() {
    let mut market = Market::new();
    market.order(NewOrder { display: QuantityLots(2), ..sell(1_800, 6) });
    let outcome = market.order(buy(1_800, 9));
    assert_eq!((outcome.filled.0, outcome.remaining.0), (6, 3));
    assert_eq!((best(&market, Side::Sell), best(&market, Side::Buy)), (None, Some((1_800, 3, 1))));
    market.check();
}

/// FLOX #472: an auction forgets what is hidden of icebergs, and when orders end.
#[test]
fn test_bug_auction_keeps_icebergs_and_expiries() {
    let mut market = Market::new();
    let phase = |market: &mut Market, phase| {
        market.apply(Command::SetPhase { instrument: CORN, phase });
    };
    phase(&mut market, Phase::Auction);
    market.order(NewOrder { display: QuantityLots(1), ..sell(1_800, 4) });
    let ends = TimestampNs(market.now + 1_000);
    let gtd = NewOrder { expire_time: ends, ..buy(1_790, 1) };
    let gtd = market.order(timed(TimeInForce::Gtd, gtd)).order_id;
    let buyer = market.order(buy(1_800, 3)).order_id;
    phase(&mut market, Phase::Open);
    assert!(market.engine.order(buyer).is_none(), "hidden lots trade too");
    assert_eq!(best(&market, Side::Sell), Some((1_800, 1, 1)));
    market.now += 2_000;
    market.apply(Command::AdvanceTime);
    assert!(market.engine.order(gtd).is_none());
    market.check();
}
