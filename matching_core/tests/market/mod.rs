//! A small market with two instruments and three funded accounts.
#![allow(
    dead_code,
    missing_docs,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "each test takes what it needs"
)]

use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::engine::{Engine, EngineLimits};
use matching_core::error::Refusal;
use matching_core::event::{Outcome, Silent};
use matching_core::instrument::InstrumentSpec;
use matching_core::types::*;

pub const CORN: InstrumentNumber = InstrumentNumber(1);
pub const FORWARD: InstrumentNumber = InstrumentNumber(2);
pub const USD: AssetNumber = AssetNumber(1);
pub const BUSHELS: AssetNumber = AssetNumber(2);
pub const SELLER: AccountNumber = AccountNumber(1);
pub const BUYER: AccountNumber = AccountNumber(2);
pub const TWIN: AccountNumber = AccountNumber(3);

pub struct Market {
    pub engine: Engine,
    pub now: u64,
}

pub fn spec(symbol: &str, kind: InstrumentKind) -> InstrumentSpec {
    InstrumentSpec {
        number: InstrumentNumber(0),
        symbol: symbol.into(),
        kind,
        base_asset: BUSHELS,
        quote_asset: USD,
        tick_size_micro: 2_500,
        tick_value_minor: 2_500,
        lot_size_minor: 100_000,
        min_lots: QuantityLots(1),
        max_lots: QuantityLots(1_000),
        price_min: PriceTicks(1_000),
        price_max: PriceTicks(3_000),
        limit_low: PriceTicks(1_500),
        limit_high: PriceTicks(2_500),
        protection_ticks: 20,
        max_notional_minor: 0,
        maker_fee_centi_bps: 50,
        taker_fee_centi_bps: 250,
        deposit_bps: 1_000,
        band_ticks: 0,
        volatility_auction_ns: 0,
        allocation: Allocation::Fifo,
        fifo_percent: 0,
        share_min_lots: 0,
        position_limit_lots: 0,
        phase: Phase::Open,
    }
}

impl Market {
    pub fn new() -> Self {
        let mut market = Self { engine: Engine::new(EngineLimits::default()), now: 1_000 };
        for code in ["USD", "CORN"] {
            market.apply(Command::RegisterAsset { code: code.into() });
        }
        for (id, owner) in [(1, 1), (2, 2), (3, 2)] {
            market.apply(Command::OpenAccount {
                id: [id; 16],
                owner: OwnerNumber(owner),
                self_trade_prevention: SelfTradePrevention::CancelNewest,
                max_open_orders: 100,
            });
        }
        for account in [SELLER, BUYER, TWIN] {
            market.deposit(account, USD, 10_000_000_000);
            market.deposit(account, BUSHELS, 100_000_000);
        }
        for (symbol, kind) in [("CORN", InstrumentKind::Spot), ("CORN-F", InstrumentKind::Forward)]
        {
            market.apply(Command::DefineInstrument(Box::new(spec(symbol, kind))));
        }
        market
    }

    pub fn apply(&mut self, command: Command) -> Outcome {
        self.now += 1;
        let sequence = Sequence(self.engine.last_sequence().0 + 1);
        self.engine.apply(sequence, TimestampNs(self.now), &command, &mut Silent)
    }

    pub fn deposit(&mut self, account: AccountNumber, asset: AssetNumber, amount: i64) {
        let key = CommandKey(0);
        let outcome = self.apply(Command::Transfer { account, asset, amount, key });
        assert_eq!(outcome.refusal, None);
    }

    pub fn order(&mut self, order: NewOrder) -> Outcome {
        self.apply(Command::NewOrder(order))
    }

    pub fn balance(&self, account: AccountNumber, asset: AssetNumber) -> (i64, i64) {
        let mut balances = self.engine.balances(account);
        balances.find(|balance| balance.0 == asset).map_or((0, 0), |(_, total, held)| (total, held))
    }

    pub fn check(&self) {
        for asset in [USD, BUSHELS] {
            let accounts = self.engine.accounts();
            let sum: i64 = accounts.map(|account| self.balance(account.number, asset).0).sum();
            assert_eq!(sum, self.engine.issued(asset), "money is conserved");
        }
        for account in self.engine.accounts().skip(1) {
            for (_, total, held) in self.engine.balances(account.number) {
                assert!(total >= held && held >= 0, "{total} {held}");
            }
        }
        let mut bytes = Vec::new();
        self.engine.write_snapshot(&mut bytes).unwrap();
        let limits = EngineLimits::default();
        let mut read = Engine::read_snapshot(&mut bytes.as_slice(), limits).unwrap();
        read.lead().unwrap();
        assert_eq!(read.state_hash(), self.engine.state_hash());
    }
}

pub fn limit(account: AccountNumber, side: Side, price: i64, lots: u32) -> NewOrder {
    NewOrder {
        account,
        instrument: CORN,
        side,
        price: PriceTicks(price),
        quantity: QuantityLots(lots),
        ..NewOrder::BLANK
    }
}

pub fn sell(price: i64, lots: u32) -> NewOrder {
    limit(SELLER, Side::Sell, price, lots)
}

pub fn buy(price: i64, lots: u32) -> NewOrder {
    limit(BUYER, Side::Buy, price, lots)
}

pub fn timed(time_in_force: TimeInForce, order: NewOrder) -> NewOrder {
    NewOrder { time_in_force, ..order }
}

pub fn cancel(account: AccountNumber, order_id: OrderId) -> Command {
    let (account, reason, key) = (Some(account), CancelReason::User, CommandKey(0));
    Command::CancelOrder { account, order_id, reason, key }
}

pub fn amend(order_id: OrderId, price: Option<i64>, lots: Option<u32>, version: u32) -> Command {
    Command::AmendOrder {
        account: BUYER,
        order_id,
        price: price.map(PriceTicks),
        quantity: lots.map(QuantityLots),
        expected_version: version,
        key: CommandKey(0),
    }
}

pub fn refusal(outcome: Outcome) -> Refusal {
    outcome.refusal.unwrap()
}

pub fn best(market: &Market, side: Side) -> Option<(i64, u64, u32)> {
    let first = market.engine.depth(CORN, side, 1).next();
    first.map(|(price, lots, count)| (price.0, lots, count))
}
