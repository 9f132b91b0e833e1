//! Trades taken back, corrected, and agreed outside the book.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects in few words"
)]

use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::error::Reason;
use matching_core::event::{Posting, PostingKind, Sink, Trade};
use matching_core::risk::RiskLimits;
use matching_core::trade_change::{BlockTrade, TradeChange, TradeSide};
use matching_core::types::*;

mod market;

use market::*;

#[derive(Default)]
struct Heard {
    trades: Vec<Trade>,
    postings: Vec<Posting>,
}

impl Sink for Heard {
    fn trade(&mut self, trade: &Trade) {
        self.trades.push(*trade);
    }

    fn posting(&mut self, posting: &Posting) {
        self.postings.push(*posting);
    }
}

fn heard(market: &mut Market, command: &Command) -> Heard {
    market.now += 1;
    let sequence = Sequence(market.engine.last_sequence().0 + 1);
    let mut heard = Heard::default();
    market.engine.apply(sequence, TimestampNs(market.now), command, &mut heard);
    heard
}

fn order(
    instrument: InstrumentNumber,
    account: AccountNumber,
    side: Side,
    price: i64,
    lots: u32,
) -> NewOrder {
    NewOrder {
        account,
        instrument,
        side,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        ..NewOrder::BLANK
    }
}

/// Lets the seller's order rest and the buyer take it.
fn trade(market: &mut Market, instrument: InstrumentNumber, price: i64, lots: u32) -> Trade {
    market.order(order(instrument, SELLER, Side::Sell, price, lots));
    let taken = order(instrument, BUYER, Side::Buy, price, lots);
    heard(market, &Command::NewOrder(taken)).trades[0]
}

/// Returns the change that takes a trade back; the buyer took.
fn bust(market: &Market, trade: &Trade) -> TradeChange {
    let side = |account, fee_minor, deposit_minor| TradeSide { account, fee_minor, deposit_minor };
    TradeChange {
        trade_id: trade.trade_id,
        instrument: trade.instrument,
        kind: trade.kind,
        traded_at: TimestampNs(market.now),
        price: trade.price,
        quantity: trade.quantity,
        buyer: side(trade.taker_account, trade.taker_fee_minor, trade.taker_deposit_minor),
        seller: side(trade.maker_account, trade.maker_fee_minor, trade.maker_deposit_minor),
        new_price: trade.price,
        new_quantity: QuantityLots(0),
    }
}

fn change(market: &mut Market, change: TradeChange) -> Option<Reason> {
    let outcome = market.apply(Command::ChangeTrade(Box::new(change)));
    market.check();
    outcome.refusal.map(|refusal| refusal.reason)
}

fn all_balances(market: &Market) -> Vec<(i64, i64)> {
    let accounts = [FEE_ACCOUNT, SELLER, BUYER, TWIN];
    let assets = [USD, BUSHELS];
    let each = accounts.into_iter().flat_map(|account| assets.map(|asset| (account, asset)));
    each.map(|(account, asset)| market.balance(account, asset)).collect()
}

/// TRD-060: as if the trade had never been, the fees included, and only once.
#[test]
fn test_a_bust_gives_everything_back() {
    for instrument in [CORN, FORWARD] {
        let mut market = Market::new();
        let before = all_balances(&market);
        let made = trade(&mut market, instrument, 1_833, 12);
        assert_ne!(all_balances(&market), before);
        let back = bust(&market, &made);
        let told = heard(&mut market, &Command::ChangeTrade(Box::new(back)));
        assert!(told.postings.iter().all(|one| one.kind == PostingKind::Reversal));
        assert!(told.postings.iter().all(|one| one.reference == made.trade_id));
        assert_eq!(all_balances(&market), before);
        for account in [BUYER, SELLER] {
            for position in market.engine.positions(account) {
                assert_eq!((position.bought_lots, position.sold_lots), (0, 0));
                assert_eq!((position.deposit_minor, position.open_ticks), (0, 0));
                assert_eq!(position.realised_ticks, 0);
            }
        }
        assert_eq!(market.engine.day_figures(instrument).volume_lots, 0);
        assert_eq!(change(&mut market, back), Some(Reason::TradeAlreadyCorrected));
        assert_eq!(all_balances(&market), before);
    }
}

/// TRD-061: a corrected trade leaves what the right one would have left.
#[test]
fn test_a_correction_is_the_right_trade() {
    for instrument in [CORN, FORWARD] {
        let mut right = Market::new();
        trade(&mut right, instrument, 1_830, 10);
        let mut market = Market::new();
        let made = trade(&mut market, instrument, 1_833, 12);
        let (new_price, new_quantity) = (PriceTicks(1_830), QuantityLots(10));
        let other = TradeChange { new_price, new_quantity, ..bust(&market, &made) };
        assert_eq!(change(&mut market, other), None);
        assert_eq!(all_balances(&market), all_balances(&right));
        let figures = market.engine.day_figures(instrument);
        assert_eq!(figures.notional_ticks, right.engine.day_figures(instrument).notional_ticks);
        let net = |market: &Market| {
            let mut positions = market.engine.positions(BUYER);
            positions.next().map(|found| (found.bought_lots - found.sold_lots, found.open_ticks))
        };
        assert_eq!(net(&market), net(&right));
    }
}

/// TRD-062: what is no longer there is freed from open orders, the newest first, or nothing
/// happens.
#[test]
fn test_a_bust_frees_open_orders_or_is_refused() {
    let mut market = Market::new();
    let made = trade(&mut market, CORN, 1_800, 10);
    let have = market.balance(BUYER, BUSHELS).0 / 100_000;
    let have = u32::try_from(have).unwrap();
    let first = market.order(order(CORN, BUYER, Side::Sell, 2_400, have - 15)).order_id;
    let second = market.order(order(CORN, BUYER, Side::Sell, 2_401, 15)).order_id;
    let back = bust(&market, &made);
    assert_eq!(change(&mut market, back), None);
    let open: Vec<_> = market.engine.open_orders(BUYER).map(|order| order.order_id).collect();
    assert_eq!(open, [first], "{second:?} went, and it was enough");

    let mut market = Market::new();
    let made = trade(&mut market, CORN, 1_800, 10);
    let gone = -market.balance(BUYER, BUSHELS).0 + 999_999;
    market.deposit(BUYER, BUSHELS, gone);
    let before = all_balances(&market);
    let back = bust(&market, &made);
    assert_eq!(change(&mut market, back), Some(Reason::InsufficientInventory));
    assert_eq!(all_balances(&market), before);
    market.deposit(BUYER, BUSHELS, 1);
    assert_eq!(change(&mut market, back), None, "a refused change may come again");
}

/// TRD-063: what can't have been is refused before the journal.
#[test]
fn test_an_impossible_change_is_refused() {
    let mut market = Market::new();
    let made = trade(&mut market, FORWARD, 1_800, 10);
    let back = bust(&market, &made);
    let buyer = back.buyer;
    let refusals = [
        (TradeChange { trade_id: 2, ..back }, Reason::TradeUnknown),
        (TradeChange { trade_id: 0, ..back }, Reason::TradeUnknown),
        (TradeChange { instrument: InstrumentNumber(9), ..back }, Reason::InstrumentUnknown),
        (
            TradeChange { buyer: TradeSide { account: AccountNumber(9), ..buyer }, ..back },
            Reason::AccountUnknown,
        ),
        (
            TradeChange {
                buyer: TradeSide { deposit_minor: buyer.deposit_minor + 1, ..buyer },
                ..back
            },
            Reason::InvalidArgument,
        ),
        (TradeChange { price: PriceTicks(9_000), ..back }, Reason::InvalidArgument),
        (TradeChange { new_quantity: QuantityLots(11), ..back }, Reason::QuantityMax),
        (
            TradeChange { new_quantity: QuantityLots(5), new_price: PriceTicks(1), ..back },
            Reason::PriceRange,
        ),
        (TradeChange { new_quantity: QuantityLots(10), ..back }, Reason::AmendNotAllowed),
    ];
    for (one, reason) in refusals {
        assert_eq!(change(&mut market, one), Some(reason), "{one:?}");
    }
    assert_eq!(change(&mut market, back), None);
}

/// TRD-064: a block moves what a trade moves and leaves the book and the last price alone.
#[test]
fn test_a_block_is_settled_beside_the_book() {
    let mut market = Market::new();
    let resting = market.order(order(CORN, SELLER, Side::Sell, 1_790, 5)).order_id;
    let block = BlockTrade {
        instrument: CORN,
        price: PriceTicks(1_833),
        quantity: QuantityLots(12),
        buyer: BUYER,
        seller: SELLER,
        key: CommandKey(7),
    };
    let apply = |market: &mut Market, block: BlockTrade| {
        let outcome = market.apply(Command::BlockTrade(Box::new(block)));
        market.check();
        outcome.refusal.map(|refusal| refusal.reason)
    };
    let told = heard(&mut market, &Command::BlockTrade(Box::new(block)));
    let [made] = told.trades[..] else { panic!("one trade") };
    assert_eq!((made.kind, made.quantity.0), (TradeKind::Block, 12));
    assert_eq!((made.maker_fee_minor, made.taker_fee_minor), (13_748, 13_748));
    assert_eq!(market.engine.last_trade_price(CORN), None);
    assert_eq!(market.engine.order(resting).unwrap().remaining.0, 5);
    let back = bust(&market, &made);
    assert_eq!(change(&mut market, back), None);

    let other = BlockTrade { key: CommandKey(0), ..block };
    let own = BlockTrade { seller: TWIN, ..other };
    assert_eq!(apply(&mut market, own), Some(Reason::SelfTradePrevented));
    let outside = BlockTrade { price: PriceTicks(2_501), ..other };
    assert_eq!(apply(&mut market, outside), Some(Reason::PriceLimit));
    let unpaid = BlockTrade { quantity: QuantityLots(1_001), ..other };
    assert_eq!(apply(&mut market, unpaid), Some(Reason::InsufficientInventory));
    let none = BlockTrade { quantity: QuantityLots(0), ..other };
    assert_eq!(apply(&mut market, none), Some(Reason::QuantityLot));
    let limits = RiskLimits { max_order_lots: 11, ..RiskLimits::default() };
    market.apply(Command::SetRiskLimits { account: SELLER, limits, max_open_orders: 9 });
    assert_eq!(apply(&mut market, other), Some(Reason::QuantityMax));
    market.apply(Command::SetPhase { instrument: CORN, phase: Phase::Halted });
    assert_eq!(apply(&mut market, other), Some(Reason::MarketHalted));
}
