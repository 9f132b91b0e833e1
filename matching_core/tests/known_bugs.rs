//! The bugs of other engines, one test each, so that this one does not get them.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use matching_core::codec::Records;
use matching_core::command::{Command, NewOrder};
use matching_core::engine::{Engine, EngineLimits};
use matching_core::error::Reason;
use matching_core::event::{Outcome, Silent};
use matching_core::journal::recovery;
use matching_core::runtime::{Options, Reply, Request, Runtime};
use matching_core::types::*;
use matching_core::workload::{Generator, Shape};

mod market;

use market::*;

fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "it takes too long");
        std::thread::yield_now();
    }
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

/// glinscott/JSOrderbook #2: a level is left behind when its last order goes.
#[test]
fn test_bug_no_empty_level_is_left_behind() {
    let mut market = Market::new();
    let only = market.order(sell(1_800, 2)).order_id;
    let kept = market.order(sell(1_805, 1)).order_id;
    market.order(buy(1_800, 2));
    assert!(market.engine.order(only).is_none());
    let levels = |market: &Market| {
        market.engine.depth(CORN, Side::Sell, 10).map(|level| level.0.0).collect::<Vec<_>>()
    };
    assert_eq!(levels(&market), [1_805]);
    market.apply(cancel(SELLER, kept));
    assert_eq!(levels(&market), []);
    assert_eq!(market.engine.level(CORN, Side::Sell, PriceTicks(1_805)), (0, 0));
    market.check();
}

/// osmosis-labs/orderbook #211: a best price that nobody offers.
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

/// liquibook #43: what is left of an immediate order rests.
#[test]
fn test_bug_rest_of_an_immediate_order_does_not_rest() {
    let mut market = Market::new();
    market.order(sell(1_800, 2));
    let taken = market.order(timed(TimeInForce::Ioc, buy(1_800, 5)));
    assert_eq!((taken.filled.0, taken.remaining.0), (2, 0));
    assert_eq!(taken.cancel_reason, Some(CancelReason::IocRemainder));
    assert_eq!(best(&market, Side::Buy), None);
    assert!(market.engine.order(taken.order_id).is_none());
    assert_eq!(market.balance(BUYER, USD).1, 0, "and it holds nothing");
    market.check();
}

/// matchcore #167: an order that trades at once walks on through its own limit.
#[test]
fn test_bug_marketable_limit_stops_at_its_limit() {
    for (side, limits) in [(Side::Buy, [1_799, 1_800, 1_801]), (Side::Sell, [1_801, 1_800, 1_799])]
    {
        let mut market = Market::new();
        for price in limits {
            market.order(limit(SELLER, side.opposite(), price, 1));
        }
        let taken = market.order(limit(BUYER, side, 1_800, 5));
        assert_eq!((taken.filled.0, taken.remaining.0), (2, 3), "{side:?}");
        assert_eq!(best(&market, side.opposite()), Some((limits[2], 1, 1)), "{side:?}");
        assert_eq!(best(&market, side), Some((1_800, 3, 1)), "{side:?}");
        market.check();
    }
}

/// `PinnacleMM` #13: the journal is written outside the lock, so that it tells another order of
/// events than the one that happened. Here many threads ask at once, and the journal alone gives
/// the state that they were answered from.
#[test]
fn test_bug_journal_tells_the_order_in_which_it_happened() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        directory: directory.path().to_owned(),
        durable: true,
        limits: EngineLimits::default(),
        snapshot_interval_commands: u64::MAX,
        queue_requests_max: 100_000,
        epoch: 1,
    };
    let mut runtime = Runtime::open(&options).unwrap();
    let opening = Generator::new(Shape::WILD, 3).opening();
    let opened = opening.len();
    for command in opening {
        runtime.submit(Request::Control(Box::new(command)), 0).unwrap();
    }
    // The accounts exist before anybody trades on them.
    let mut answers = Vec::new();
    until(|| {
        runtime.drain(&mut answers);
        answers.len() == opened
    });
    answers.clear();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let runtime = &runtime;
            scope.spawn(move || {
                let mut generator = Generator::new(Shape::WILD, thread);
                for number in 0..500 {
                    let command = Request::Control(Box::new(generator.command()));
                    runtime.submit(command, 1 + thread * 500 + number).unwrap();
                }
            });
        }
    });
    until(|| {
        runtime.drain(&mut answers);
        answers.len() == 2_000
    });
    runtime.close();
    let told = replayed(directory.path());
    let mut compared = 0;
    for answer in &answers {
        if let Ok(Reply::Outcome(outcome)) = &answer.reply
            && outcome.sequence.0 > 0
            && outcome.refusal.is_none()
        {
            assert_eq!(told.get(&outcome.sequence), Some(outcome));
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared} answers were of the journal");
}

/// Returns what the journal alone answers to each of its commands.
fn replayed(directory: &std::path::Path) -> BTreeMap<Sequence, Outcome> {
    let mut replayed = Engine::new(EngineLimits::default());
    let mut told = BTreeMap::new();
    recovery::replay(directory, recovery::GENESIS, |frame, _| {
        let mut records = Records::new(frame.payload);
        let mut command = Command::AdvanceTime;
        while records.read(&mut command).map_err(|_| "a record")? {
            let sequence = Sequence(replayed.last_sequence().0 + 1);
            let time = TimestampNs(frame.header.time_ns);
            let outcome = replayed.apply(sequence, time, &command, &mut Silent);
            told.insert(sequence, outcome);
        }
        Ok(())
    })
    .unwrap();
    told
}
