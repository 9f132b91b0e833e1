//! Our own: the whole engine with accounts, holds, fees and first answers, and its book alone.

use matching_core::bare::BareBook;
use matching_core::command::{Command, CommandKey, NewOrder};
use matching_core::engine::{Admission, Engine, EngineLimits, command_key};
use matching_core::event::{Sink, Trade};
use matching_core::types::{
    AccountNumber, CancelReason, InstrumentNumber, OrderId, PriceTicks, QuantityLots,
    SelfTradePrevention, Sequence, Side, TimeInForce, TimestampNs,
};
use matching_core::workload::{Generator, SHAPES, Shape};

use super::{Peer, Step, Trades, workloads::PRICES};

/// The IDs that an engine gave to the file's orders, and back.
#[derive(Default)]
struct Ids {
    of: Vec<OrderId>,
}

impl Ids {
    fn get(&self, order: u64) -> OrderId {
        self.of[order as usize]
    }
}

const fn side(number: u8) -> Side {
    if number == 1 { Side::Buy } else { Side::Sell }
}

/// The book alone. Its order numbers are those of the file's orders, plus one.
pub struct Bare {
    book: BareBook,
    ids: Ids,
}

impl Bare {
    /// Returns an empty book.
    pub fn new() -> Self {
        let book = BareBook::new(PriceTicks(PRICES.0), PriceTicks(PRICES.1));
        Self { book, ids: Ids::default() }
    }
}

impl Peer for Bare {
    fn prepare(&mut self, steps: &[Step]) {
        let known = self.ids.of.len() as u64;
        let named = steps.iter().filter(|step| step.kind > 2 && step.order < known);
        self.book.prepare(named.map(|step| self.ids.get(step.order)));
    }

    fn step(&mut self, step: &Step, trades: &mut Trades) {
        let price = PriceTicks(step.price);
        let note = |maker: OrderId, price: PriceTicks, lots: u32| {
            trades.note(maker.number() - 1, price.0.cast_unsigned(), lots.into());
        };
        match step.kind {
            1 | 2 => {
                let lots = QuantityLots(step.lots);
                let id = self.book.enter(side(step.side), price, lots, step.kind == 1, note);
                self.ids.of.push(id);
            }
            3 => {
                self.book.cancel(self.ids.get(step.order));
            }
            _ => {
                self.book.amend(self.ids.get(step.order), price, note);
            }
        }
    }
}

/// The whole engine with a hundred accounts.
pub struct Whole {
    engine: Engine,
    ids: Ids,
    commands: Vec<Command>,
    at: usize,
}

const ACCOUNTS: u64 = 100;

/// Hears trades only.
struct Heard<'a>(&'a mut Trades);

impl Sink for Heard<'_> {
    fn trade(&mut self, trade: &Trade) {
        let price = trade.price.0.cast_unsigned();
        self.0.note(trade.maker_order.number() - 1, price, trade.quantity.0.into());
    }
}

impl Whole {
    /// Returns an engine with an open market.
    pub fn new() -> Self {
        let limits = EngineLimits { idempotency_records_max: 65_536, ..EngineLimits::default() };
        let mut engine = Engine::new(limits);
        let shape = Shape { distance: 350, ..SHAPES[0] };
        for mut command in Generator::new(shape, 1).opening() {
            if let Command::DefineInstrument(spec) = &mut command {
                spec.price_min = PriceTicks(PRICES.0);
                spec.price_max = PriceTicks(PRICES.1);
                spec.limit_low = spec.price_min;
                spec.limit_high = spec.price_max;
            }
            let sequence = Sequence(engine.last_sequence().0 + 1);
            let outcome =
                engine.apply(sequence, TimestampNs(1), &command, &mut matching_core::event::Silent);
            assert_eq!(outcome.refusal, None, "{command:?}");
        }
        Self { engine, ids: Ids::default(), commands: Vec::new(), at: 0 }
    }

    fn command(&self, step: &Step) -> Command {
        let account = AccountNumber(1 + (step.order % ACCOUNTS) as u32);
        let key = CommandKey(0);
        let id = || self.ids.of.get(step.order as usize).copied().unwrap_or(OrderId(0));
        match step.kind {
            1 | 2 => Command::NewOrder(NewOrder {
                account,
                instrument: InstrumentNumber(1),
                side: side(step.side),
                price: PriceTicks(step.price),
                quantity: QuantityLots(step.lots),
                time_in_force: if step.kind == 1 { TimeInForce::Gtc } else { TimeInForce::Ioc },
                self_trade_prevention: Some(SelfTradePrevention::None),
                key: command_key(account, 3, &step.order.to_le_bytes()),
                ..NewOrder::BLANK
            }),
            3 => Command::CancelOrder {
                account: Some(account),
                order_id: id(),
                reason: CancelReason::User,
                key,
            },
            _ => Command::AmendOrder {
                account,
                order_id: id(),
                price: Some(PriceTicks(step.price)),
                quantity: None,
                expected_version: 0,
                key,
            },
        }
    }
}

impl Peer for Whole {
    fn prepare(&mut self, steps: &[Step]) {
        let commands = steps.iter().map(|step| self.command(step));
        let commands: Vec<_> = commands.collect();
        self.commands = commands;
        self.at = 0;
        let keys = self.commands.iter().filter_map(|command| match command {
            Command::NewOrder(order) => Some(order.key),
            _ => None,
        });
        self.engine.prepare(keys);
    }

    fn step(&mut self, step: &Step, trades: &mut Trades) {
        let mut command = std::mem::replace(&mut self.commands[self.at], Command::AdvanceTime);
        self.at += 1;
        if step.kind > 2 {
            // The order may have come in only a few commands before.
            command = self.command(step);
        }
        let id = match self.engine.admit(&command) {
            Admission::Apply => {
                let sequence = Sequence(self.engine.last_sequence().0 + 1);
                let time = TimestampNs(sequence.0);
                self.engine.apply(sequence, time, &command, &mut Heard(trades)).order_id
            }
            // Cancelling what has traded is refused.
            Admission::Refused(_) if step.kind > 2 => OrderId(0),
            other => panic!("{command:?}: {other:?}"),
        };
        if step.kind < 3 {
            self.ids.of.push(id);
        }
    }
}
