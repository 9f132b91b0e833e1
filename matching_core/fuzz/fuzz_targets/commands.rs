//! Streams of commands: the engine and the oracle say the same to whatever is asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::engine::{Admission, Engine, EngineLimits};
use matching_core::event::{Sink, Trade};
use matching_core::reference::Reference;
use matching_core::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OrderId, OrderType, Phase,
    PriceTicks, QuantityLots, SelfTradePrevention, Sequence, Side, Switch, TimeInForce,
    TimestampNs,
};
use matching_core::workload::{Generator, Shape};

#[derive(Default)]
struct Trades(Vec<Trade>);

impl Sink for Trades {
    fn trade(&mut self, trade: &Trade) {
        self.0.push(*trade);
    }
}

/// Bytes of one command.
const STEP: usize = 12;

/// What bytes ask for.
struct Asker<'a> {
    step: &'a [u8; STEP],
    known: &'a [(OrderId, AccountNumber)],
    now: u64,
}

impl Asker<'_> {
    fn byte(&self, at: usize) -> u64 {
        self.step[at].into()
    }

    fn price(&self, at: usize) -> PriceTicks {
        // Around the middle of the wild market, a little beyond its bounds.
        PriceTicks(1_851 - 36 + i64::from(self.step[at]) % 73)
    }

    fn account(&self) -> AccountNumber {
        AccountNumber(1 + u32::from(self.step[1]) % 6)
    }

    fn instrument(&self) -> InstrumentNumber {
        InstrumentNumber(1 + u32::from(self.step[2]) % 4)
    }

    fn order_id(&self) -> (OrderId, AccountNumber) {
        let at = usize::from(self.step[3]) % self.known.len().max(1);
        self.known.get(at).copied().unwrap_or((OrderId(1), self.account()))
    }

    fn order(&self) -> NewOrder {
        let order_type = OrderType::from_number(1 + self.byte(3) % 5).unwrap();
        let time_in_force = TimeInForce::from_number(1 + self.byte(4) % 6).unwrap();
        let priced = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
        let stops = matches!(order_type, OrderType::Stop | OrderType::StopLimit);
        let flags = self.byte(11);
        let timed = time_in_force == TimeInForce::Gtd;
        NewOrder {
            account: self.account(),
            instrument: self.instrument(),
            side: Side::from_number(1 + self.byte(5) % 2).unwrap(),
            order_type,
            time_in_force,
            post_only: flags & 1 != 0,
            reduce_only: flags & 2 != 0,
            self_trade_prevention: SelfTradePrevention::from_number((flags >> 2) % 6),
            price: if priced { self.price(6) } else { PriceTicks(0) },
            quantity: QuantityLots((self.byte(7) % 40) as u32),
            stop_price: if stops { self.price(8) } else { PriceTicks(0) },
            display: QuantityLots(if flags & 64 != 0 { (self.byte(9) % 5) as u32 } else { 0 }),
            min_quantity: QuantityLots(if flags & 128 != 0 {
                (self.byte(9) % 9) as u32
            } else {
                0
            }),
            expire_time: TimestampNs(if timed { self.now + self.byte(10) * 100 } else { 0 }),
            ..NewOrder::BLANK
        }
    }

    fn rare(&self) -> Command {
        let (account, instrument) = (self.account(), self.instrument());
        match self.byte(3) % 8 {
            5 | 6 => {
                let (low, high) = (self.price(4), self.price(5));
                Command::SetPriceLimits { instrument, low: low.min(high), high: low.max(high) }
            }
            0 => Command::AdvanceTime,
            1 => Command::SetPhase {
                instrument,
                phase: [Phase::Open, Phase::Auction, Phase::Halted, Phase::PreOpen]
                    [usize::from(self.step[4]) % 4],
            },
            2 => Command::SetSwitch {
                account,
                switch: Switch::from_number(1 + self.byte(4) % 3).unwrap(),
                is_on: self.byte(5) % 4 == 0,
            },
            3 => Command::Transfer {
                account,
                asset: AssetNumber(1 + u32::from(self.step[4]) % 2),
                amount: (i64::from(self.step[5]) - 128) * 200_000,
                key: CommandKey(0),
            },
            _ => Command::MassCancel {
                account: (self.byte(4) % 3 > 0).then_some(account),
                instrument: (self.byte(4) % 2 > 0).then_some(instrument),
                side: Side::from_number(self.byte(5) % 3),
                reason: CancelReason::Admin,
            },
        }
    }

    fn command(&self) -> Command {
        match self.step[0] % 16 {
            0..=8 => Command::NewOrder(self.order()),
            9..=11 => {
                let (order_id, account) = self.order_id();
                Command::CancelOrder {
                    account: Some(account),
                    order_id,
                    reason: CancelReason::User,
                    key: CommandKey(0),
                }
            }
            12..=14 => {
                let (order_id, account) = self.order_id();
                Command::AmendOrder {
                    account,
                    order_id,
                    price: (self.byte(4) % 2 == 0).then(|| self.price(6)),
                    quantity: (self.byte(4) % 3 > 0)
                        .then(|| QuantityLots((self.byte(7) % 40) as u32)),
                    expected_version: (self.byte(5) % 4) as u32,
                    key: CommandKey(0),
                }
            }
            _ => self.rare(),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut engine = Engine::new(EngineLimits::default());
    let mut oracle = Reference::new();
    let mut known = Vec::new();
    let mut now = 1_000;
    let opening = Generator::new(Shape::WILD, 1).opening();
    let asked = data.chunks_exact(STEP).take(200);
    let mut opening = opening.into_iter();
    let mut asked = asked.map(|step| <&[u8; STEP]>::try_from(step).unwrap());
    loop {
        let command = if let Some(command) = opening.next() {
            command
        } else if let Some(step) = asked.next() {
            now += u64::from(step[10]) * u64::from(step[11]);
            Asker { step, known: &known, now }.command()
        } else {
            break;
        };
        if engine.admit(&command) != Admission::Apply {
            continue;
        }
        let sequence = Sequence(engine.last_sequence().0 + 1);
        let mut trades = Trades::default();
        let fast = engine.apply(sequence, TimestampNs(now), &command, &mut trades);
        let slow = oracle.apply(sequence, TimestampNs(now), &command);
        assert_eq!(fast, slow, "{command:?}");
        assert_eq!(trades.0, oracle.last_trades, "{command:?}");
        if let Command::NewOrder(order) = command
            && fast.status.is_open()
        {
            known.push((fast.order_id, order.account));
        }
    }
    let mut bytes = Vec::new();
    engine.write_snapshot(&mut bytes).unwrap();
    let read = Engine::read_snapshot(&mut bytes.as_slice(), EngineLimits::default()).unwrap();
    assert_eq!(read.state_hash(), engine.state_hash());
});
