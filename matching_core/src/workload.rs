//! Streams of commands for tests and benchmarks: seeded, and the same on every machine.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "the numbers are the generator's own and small"
)]

mod mishaps;

use crate::command::{ClientOrderId, Command, CommandKey, NewOrder};
use crate::engine::command_key;
use crate::event::{Outcome, Trade};
use crate::instrument::InstrumentSpec;
use crate::types::{
    AccountNumber, Allocation, AssetNumber, CancelReason, InstrumentKind, InstrumentNumber,
    OWN_OWNER, OrderId, OrderType, OwnerNumber, Phase, PriceTicks, QuantityLots,
    SelfTradePrevention, Side, TimeInForce, TimestampNs,
};

/// `SplitMix64`: small, fast, and good enough for loads.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Returns dice that fall the same way for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, from 1.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    /// Returns true `percent` times in a hundred.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a stream is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Name of the workload.
    pub name: &'static str,
    /// Accounts that trade.
    pub accounts: u32,
    /// Instruments.
    pub instruments: u32,
    /// Orders that rest, about; above it cancellations prevail.
    pub resting: usize,
    /// Percent of commands that cancel, once enough rests.
    pub cancel: u64,
    /// Percent that cross at once.
    pub cross: u64,
    /// Percent that amend.
    pub amend: u64,
    /// How far from the middle orders are placed, in ticks.
    pub distance: u64,
    /// Most lots of a crossing order.
    pub sweep: u64,
    /// Whether every kind of order, mode and mishap comes up.
    pub wild: bool,
}

/// The workloads of the benchmark.
pub const SHAPES: [Shape; 7] = [
    Shape { name: "mixed_small", ..Shape::MIXED },
    Shape { name: "mixed_deep", resting: 110_000, distance: 400, ..Shape::MIXED },
    Shape { name: "cancel_heavy", cancel: 47, cross: 2, amend: 1, distance: 5, ..Shape::MIXED },
    Shape { name: "sweep", cross: 20, sweep: 400, distance: 60, ..Shape::MIXED },
    Shape { name: "add_only", resting: usize::MAX, cancel: 0, cross: 0, amend: 0, ..Shape::MIXED },
    Shape { name: "wide_span", distance: 60_000, ..Shape::MIXED },
    Shape { name: "many_symbols", instruments: 1_000, resting: 20_000, ..Shape::MIXED },
];

impl Shape {
    const MIXED: Self = Self {
        name: "mixed",
        accounts: 100,
        instruments: 1,
        resting: 2_000,
        cancel: 30,
        cross: 8,
        amend: 2,
        distance: 40,
        sweep: 5,
        wild: false,
    };

    /// Everything at once, on a small market that is often short of money and of room.
    pub const WILD: Self = Self {
        name: "wild",
        accounts: 6,
        instruments: 4,
        resting: 100,
        cancel: 8,
        amend: 8,
        distance: 6,
        sweep: 12,
        wild: true,
        ..Self::MIXED
    };
}

/// Trades that may still be taken back.
const TRADES_KEPT: usize = 64;

/// Makes commands, one after the other; it hears the answers, so that it knows what to cancel.
#[derive(Clone, Debug)]
pub struct Generator {
    shape: Shape,
    seed: u64,
    dice: Dice,
    resting: Vec<(OrderId, AccountNumber)>,
    traded: Vec<(TimestampNs, Trade)>,
    made: u64,
}

impl Generator {
    /// Returns the generator of a workload.
    #[must_use]
    pub const fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            seed,
            dice: Dice::new(seed),
            resting: Vec::new(),
            traded: Vec::new(),
            made: 0,
        }
    }

    /// Returns the commands that open the market.
    #[must_use]
    pub fn opening(&self) -> Vec<Command> {
        let mut commands: Vec<_> =
            ["USD", "CORN"].map(|code| Command::RegisterAsset { code: code.to_owned() }).into();
        for number in 0..self.shape.instruments {
            commands.push(Command::DefineInstrument(Box::new(self.spec(number))));
        }
        for number in 1..=self.shape.accounts {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_le_bytes());
            // In the wild some accounts share an owner.
            let owner = if self.shape.wild { OwnerNumber(1 + number % 3) } else { OWN_OWNER };
            let mode = if self.shape.wild { 1 + u64::from(number) % 5 } else { 1 };
            let mode = SelfTradePrevention::from_number(mode);
            commands.push(Command::OpenAccount {
                id,
                owner,
                self_trade_prevention: mode.unwrap_or(SelfTradePrevention::CancelNewest),
                max_open_orders: if self.shape.wild { 15 } else { u32::MAX },
            });
            for asset in [1, 2] {
                let amount = if self.shape.wild { 300_000_000 } else { 1 << 54 };
                let (account, asset) = (AccountNumber(number), AssetNumber(asset));
                commands.push(Command::Transfer { account, asset, amount, key: CommandKey(0) });
            }
        }
        commands
    }

    fn spec(&self, number: u32) -> InstrumentSpec {
        let wild = self.shape.wild;
        let forward = wild && number % 2 == 1;
        let allocation = match number {
            2 if wild => Allocation::Split,
            3 if wild => Allocation::ProRata,
            _ => Allocation::Fifo,
        };
        let shares = allocation != Allocation::Fifo;
        // Other percentages with every seed.
        let mut dice = Dice::new(self.seed.rotate_left(32) ^ u64::from(number));
        let band = wild && number != 1;
        let middle = self.middle();
        let reach = (self.shape.distance.cast_signed() + 10) * 2;
        InstrumentSpec {
            number: InstrumentNumber(0),
            symbol: format!("S-{number}"),
            kind: if forward { InstrumentKind::Forward } else { InstrumentKind::Spot },
            base_asset: AssetNumber(2),
            quote_asset: AssetNumber(1),
            tick_size_micro: 2_500,
            tick_value_minor: 2_501,
            lot_size_minor: 100_000,
            min_lots: QuantityLots(1),
            max_lots: QuantityLots(1_000),
            price_min: PriceTicks(middle - reach),
            price_max: PriceTicks(middle + reach),
            limit_low: PriceTicks(middle - reach + 10),
            limit_high: PriceTicks(middle + reach - 10),
            protection_ticks: 3,
            max_notional_minor: if self.shape.wild { 150_000_000 } else { 0 },
            maker_fee_centi_bps: if forward { -100 } else { 50 },
            taker_fee_centi_bps: 250,
            deposit_bps: if forward { 1_000 } else { 0 },
            band_ticks: if band { 6 } else { 0 },
            volatility_auction_ns: if band { 12_000 } else { 0 },
            allocation,
            fifo_percent: if shares { dice.below(101) as u8 } else { 0 },
            share_min_lots: if shares { dice.below(4) as u8 } else { 0 },
            position_limit_lots: 0,
            phase: Phase::Open,
        }
    }

    const fn middle(&self) -> i64 {
        1_833 + (self.shape.distance.cast_signed()) * 3
    }

    /// Returns the next command.
    pub fn command(&mut self) -> Command {
        self.made += 1;
        if self.shape.wild && self.dice.chance(4) {
            return self.mishap();
        }
        let enough = self.resting.len() >= self.shape.resting;
        let roll = self.dice.below(100);
        let cancel = if enough { self.shape.cancel + 25 } else { self.shape.cancel };
        if roll < cancel && !self.resting.is_empty() {
            return self.cancel();
        }
        if roll < cancel + self.shape.amend && !self.resting.is_empty() {
            return self.amend();
        }
        let crosses = roll >= 100 - self.shape.cross;
        Command::NewOrder(self.order(crosses))
    }

    /// Hears the answer to a command.
    pub fn hear(&mut self, command: &Command, outcome: &Outcome) {
        if let (Command::NewOrder(order), true) = (command, outcome.status.is_open()) {
            self.resting.push((outcome.order_id, order.account));
        }
    }

    /// Hears a trade, so that it knows what to take back; the latest are enough.
    pub fn hear_trade(&mut self, trade: &Trade) {
        if self.traded.len() >= TRADES_KEPT {
            let index = self.dice.below(TRADES_KEPT as u64) as usize;
            self.traded.swap_remove(index);
        }
        self.traded.push((self.now(), *trade));
    }

    fn pick(&mut self) -> (OrderId, AccountNumber) {
        let index = self.dice.below(self.resting.len() as u64) as usize;
        self.resting[index]
    }

    fn cancel(&mut self) -> Command {
        let index = self.dice.below(self.resting.len() as u64) as usize;
        let (order_id, account) = self.resting.swap_remove(index);
        let (account, reason) = (Some(account), CancelReason::User);
        Command::CancelOrder { account, order_id, reason, key: CommandKey(0) }
    }

    fn amend(&mut self) -> Command {
        let (order_id, account) = self.pick();
        let price = self.dice.chance(50).then(|| PriceTicks(self.price(self.shape.distance)));
        let lots = QuantityLots(1 + self.dice.below(9) as u32);
        Command::AmendOrder {
            account,
            order_id,
            price,
            quantity: (price.is_none() || self.dice.chance(50)).then_some(lots),
            expected_version: 0,
            key: CommandKey(0),
        }
    }

    fn price(&mut self, distance: u64) -> i64 {
        self.middle() + self.dice.below(2 * distance + 1).cast_signed() - distance.cast_signed()
    }

    fn order(&mut self, crosses: bool) -> NewOrder {
        let account = AccountNumber(1 + self.dice.below(self.shape.accounts.into()) as u32);
        let side = if self.dice.chance(50) { Side::Buy } else { Side::Sell };
        let away = 1 + self.dice.below(self.shape.distance).cast_signed();
        let sign = if (side == Side::Buy) == crosses { 1 } else { -1 };
        let lots =
            if crosses { 1 + self.dice.below(self.shape.sweep) } else { 1 + self.dice.below(9) };
        let key = command_key(account, 3, &self.made.to_le_bytes());
        let mut order = NewOrder {
            account,
            instrument: InstrumentNumber(1 + self.dice.below(self.shape.instruments.into()) as u32),
            side,
            order_type: OrderType::Limit,
            time_in_force: if crosses { TimeInForce::Ioc } else { TimeInForce::Gtc },
            post_only: false,
            reduce_only: false,
            self_trade_prevention: Some(SelfTradePrevention::None),
            price: PriceTicks(self.middle() + sign * away),
            quantity: QuantityLots(lots as u32),
            stop_price: PriceTicks(0),
            display: QuantityLots(0),
            min_quantity: QuantityLots(0),
            expire_time: TimestampNs(0),
            client_order_id: ClientOrderId::NONE,
            key,
        };
        if self.shape.wild {
            self.vary(&mut order);
        }
        order
    }

    fn vary(&mut self, order: &mut NewOrder) {
        order.price = PriceTicks(self.price(self.shape.distance));
        order.self_trade_prevention = SelfTradePrevention::from_number(self.dice.below(6));
        order.time_in_force = match self.dice.below(12) {
            0..=4 => TimeInForce::Gtc,
            5 => TimeInForce::Day,
            6 => TimeInForce::Gtd,
            7 | 8 => TimeInForce::Ioc,
            _ => TimeInForce::Fok,
        };
        if order.time_in_force == TimeInForce::Gtd {
            order.expire_time = TimestampNs(self.now().0 + self.dice.below(400) * 1_000);
        }
        let immediate = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        order.post_only = !immediate && self.dice.chance(15);
        if immediate && self.dice.chance(30) {
            order.order_type = OrderType::Market;
            order.price = PriceTicks(0);
        }
        self.vary_kind(order);
        if self.dice.chance(3) {
            order.quantity = QuantityLots(self.dice.below(1_200) as u32);
        }
        if self.dice.chance(3) {
            order.price = PriceTicks(order.price.0 + self.dice.below(60).cast_signed() - 30);
        }
    }

    /// Turns some orders into those that wait, hide, or ask for more.
    fn vary_kind(&mut self, order: &mut NewOrder) {
        let immediate = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if immediate {
            if self.dice.chance(20) {
                order.min_quantity = QuantityLots(1 + self.dice.below(6) as u32);
            }
        } else if self.dice.chance(20) {
            order.post_only = false;
            order.stop_price = PriceTicks(self.price(self.shape.distance));
            order.order_type = OrderType::StopLimit;
            if self.dice.chance(50) {
                order.order_type = OrderType::Stop;
                order.price = PriceTicks(0);
            }
        } else if self.dice.chance(8) {
            order.post_only = false;
            order.order_type = OrderType::MarketToLimit;
            order.price = PriceTicks(0);
        } else if self.dice.chance(6) && order.time_in_force != TimeInForce::Gtd {
            order.time_in_force = TimeInForce::Gfa;
            order.post_only = false;
        }
        if self.dice.chance(12) {
            order.display = QuantityLots(1 + self.dice.below(4) as u32);
        }
        if self.dice.chance(15) {
            order.reduce_only = true;
        }
    }

    /// Returns the time of the next command: a microsecond a command, a day every 50,000.
    #[must_use]
    pub const fn now(&self) -> TimestampNs {
        TimestampNs(1_000 * self.made + (self.made / 50_000) * 86_400_000_000_000)
    }
}
