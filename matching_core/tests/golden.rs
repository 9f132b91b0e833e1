//! The published vectors, through the engine: auction price, shared lots, fees.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{Command, NewOrder};
use matching_core::event::{Outcome, Sink, Trade};
use matching_core::instrument::InstrumentSpec;
use matching_core::types::*;

mod market;

use market::*;

#[derive(Default)]
struct Trades(Vec<Trade>);

impl Sink for Trades {
    fn trade(&mut self, trade: &Trade) {
        self.0.push(*trade);
    }
}

fn order(account: AccountNumber, side: Side, price: i64, lots: u32) -> NewOrder {
    NewOrder {
        account,
        instrument: CORN,
        side,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        self_trade_prevention: Some(SelfTradePrevention::None),
        ..NewOrder::BLANK
    }
}

fn heard(market: &mut Market, command: &Command) -> (Outcome, Vec<Trade>) {
    let mut trades = Trades::default();
    market.now += 1;
    let sequence = Sequence(market.engine.last_sequence().0 + 1);
    let outcome = market.engine.apply(sequence, TimestampNs(market.now), command, &mut trades);
    (outcome, trades.0)
}

fn fills(trades: &[Trade], makers: &[OrderId]) -> Vec<u32> {
    let filled = |id: &OrderId| {
        let of = trades.iter().filter(|trade| trade.maker_order == *id);
        of.map(|trade| trade.quantity.0).sum()
    };
    makers.iter().map(filled).collect()
}

/// TRD-045: bids 1835 for 10, 1834 for 20, 1833 for 15; asks 1831 for 8, 1833 for 17, 1834 for 20,
/// 1836 for 5: 30 lots trade at 1834, and 15 lots are sold that find no buyer.
#[test]
fn test_auction_uncrosses_as_published() {
    let mut market = Market::new();
    market.apply(Command::SetPhase { instrument: CORN, phase: Phase::Auction });
    for (price, lots) in [(1_835, 10), (1_834, 20), (1_833, 15)] {
        market.order(order(BUYER, Side::Buy, price, lots));
    }
    for (price, lots) in [(1_831, 8), (1_833, 17), (1_834, 20), (1_836, 5)] {
        market.order(order(SELLER, Side::Sell, price, lots));
    }
    let found = market.engine.indication(CORN).unwrap();
    assert_eq!((found.price, found.lots, found.surplus), (PriceTicks(1_834), 30, -15));
    let open = Command::SetPhase { instrument: CORN, phase: Phase::Open };
    let (_, trades) = heard(&mut market, &open);
    assert!(trades.iter().all(|trade| trade.price == PriceTicks(1_834)));
    assert_eq!(trades.iter().map(|trade| trade.quantity.0).sum::<u32>(), 30);
    let best = |side| market.engine.depth(CORN, side, 1).next().unwrap();
    assert_eq!(best(Side::Buy), (PriceTicks(1_833), 15, 1));
    assert_eq!(best(Side::Sell), (PriceTicks(1_834), 15, 1));
    market.check();
}

fn shared(allocation: Allocation, fifo_percent: u8, resting: &[u32], incoming: u32) -> Vec<u32> {
    let mut market = Market::new();
    let rules = InstrumentSpec {
        allocation,
        fifo_percent,
        share_min_lots: 2,
        ..spec("CORN", InstrumentKind::Spot)
    };
    assert_eq!(market.apply(Command::DefineInstrument(Box::new(rules))).refusal, None);
    let makers: Vec<_> = resting
        .iter()
        .map(|&lots| market.order(order(SELLER, Side::Sell, 1_800, lots)).order_id)
        .collect();
    let taker = Command::NewOrder(order(BUYER, Side::Buy, 1_800, incoming));
    let (outcome, trades) = heard(&mut market, &taker);
    assert_eq!(outcome.filled, QuantityLots(incoming));
    market.check();
    fills(&trades, &makers)
}

/// TRD-047: 60 lots into A 10, B 100, C 40, of which 40 % by time: A 10, B 39, C 11; all by time
/// 10, 50, 0. And CME's notice of 2005: 60 into TOP 10, then 5, 20, 50, 75 give 10, 3, 6, 16, 25.
#[test]
fn test_lots_are_shared_as_published() {
    assert_eq!(shared(Allocation::Split, 40, &[10, 100, 40], 60), [10, 39, 11]);
    assert_eq!(shared(Allocation::Fifo, 0, &[10, 100, 40], 60), [10, 50, 0]);
    assert_eq!(shared(Allocation::ProRata, 0, &[10, 5, 20, 50, 75], 60), [10, 3, 6, 16, 25]);
}

/// TRD-024: 12 lots of 100 bushels at 4.5825 are 5,499.0000; the taker pays 1.3748, the maker
/// 0.2750; and in twelve parts no more than at once.
#[test]
fn test_fees_as_published() {
    for parts in [1, 2, 12] {
        let mut market = Market::new();
        market.order(order(SELLER, Side::Sell, 1_833, 12));
        let mut taken = 0;
        let mut fees = 0;
        if parts == 1 {
            fees = market.order(order(BUYER, Side::Buy, 1_833, 12)).fees_minor;
            taken = 12;
        }
        while taken < 12 {
            let lots = 12 / parts;
            fees += market.order(order(BUYER, Side::Buy, 1_833, lots)).fees_minor;
            taken += lots;
        }
        let maker = market.balance(SELLER, USD).0 - 10_000_000_000 - 54_990_000;
        assert_eq!(maker, -2_750, "the resting order is charged on the sum of its fills");
        assert_eq!(market.balance(FEE_ACCOUNT, USD).0, fees + 2_750);
        if parts == 1 {
            assert_eq!(fees, 13_748);
        }
        market.check();
    }
}
