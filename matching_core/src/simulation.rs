//! Backtests: the same engine over generated flow, or over a part of the journal again.
//!
//! What comes out depends on the rules, the seed and the count alone, or on the journal's range.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the flow's numbers are small; sums of money are in 128 bits"
)]

use std::path::Path;

use crate::codec::Records;
use crate::command::{Command, CommandKey, NewOrder};
use crate::engine::{Engine, EngineLimits};
use crate::event::{Outcome, Silent, Sink, Trade};
use crate::instrument::InstrumentSpec;
use crate::journal::JournalError;
use crate::journal::reader::{DurableMark, JournalReader};
use crate::runtime::store;
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, InstrumentNumber, OWN_OWNER, OrderId, Phase,
    PriceTicks, QuantityLots, SelfTradePrevention, Sequence, Side, TimeInForce, TimestampNs,
};
use crate::workload::Dice;

/// Most commands of a run.
pub const COMMANDS_MAX: u64 = 10_000_000;
/// The account whose result a generated run tells: its orders rest, all others come to it.
const MAKER: AccountNumber = AccountNumber(1);
const ACCOUNTS: u32 = 20;
const RESTING_MAX: usize = 2_000;
/// How far from the last price orders are placed.
const REACH_TICKS: u64 = 20;
const FUNDS_MINOR: i64 = 1 << 54;
/// The time of the first command, and between two: a run knows no clock.
const START_NS: u64 = 1_700_000_000_000_000_000;
const STEP_NS: u64 = 1_000_000;

/// What a run gave so far.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Commands done.
    pub commands: u64,
    /// Trades of the instrument.
    pub trades: u64,
    /// Lots traded.
    pub volume_lots: u64,
    /// Lots that the watched account bought more than it sold.
    pub net_lots: i64,
    /// What the watched account took in and paid, fees included, in minor units.
    pub cash_minor: i128,
    /// Price of the last trade.
    pub last: PriceTicks,
    events: blake3::Hasher,
}

impl Summary {
    /// Returns what the watched account earned, its lots at the last price, in minor units.
    #[must_use]
    pub fn result_minor(&self, tick_value_minor: i64) -> i128 {
        let value = i128::from(self.net_lots) * i128::from(self.last.0);
        self.cash_minor + value * i128::from(tick_value_minor)
    }

    /// Returns the hash of all trades.
    #[must_use]
    pub fn events_hash(&self) -> String {
        self.events.finalize().to_hex().to_string()
    }
}

struct Watcher<'a> {
    summary: &'a mut Summary,
    instrument: InstrumentNumber,
    account: AccountNumber,
    tick_value_minor: i64,
}

impl Sink for Watcher<'_> {
    fn trade(&mut self, trade: &Trade) {
        if trade.instrument != self.instrument {
            return;
        }
        let summary = &mut *self.summary;
        summary.trades += 1;
        summary.volume_lots += u64::from(trade.quantity.0);
        summary.last = trade.price;
        for number in [trade.trade_id, trade.price.0.cast_unsigned(), trade.quantity.0.into()] {
            summary.events.update(&number.to_le_bytes());
        }
        for order in [trade.maker_order, trade.taker_order] {
            summary.events.update(&order.0.to_le_bytes());
        }
        let lots = i64::from(trade.quantity.0);
        let value =
            i128::from(trade.price.0) * i128::from(lots) * i128::from(self.tick_value_minor);
        let (taken, made) = (trade.aggressor, trade.aggressor.opposite());
        for (account, side, fee) in [
            (trade.maker_account, made, trade.maker_fee_minor),
            (trade.taker_account, taken, trade.taker_fee_minor),
        ] {
            if account == self.account {
                let sign = if side == Side::Buy { 1 } else { -1 };
                summary.net_lots += i64::from(sign) * lots;
                summary.cash_minor -= i128::from(sign) * value + i128::from(fee);
            }
        }
    }
}

#[derive(Debug)]
enum Source {
    Flow { dice: Dice, resting: Vec<(OrderId, AccountNumber)> },
    Journal { reader: Box<JournalReader>, from: u64, to: u64, durable: u64 },
}

/// A run.
#[derive(Debug)]
pub struct Simulation {
    engine: Engine,
    source: Source,
    instrument: InstrumentNumber,
    account: AccountNumber,
    tick_value_minor: i64,
    total: u64,
    summary: Summary,
}

impl Simulation {
    /// Returns a run of `commands` generated ones, at most [`COMMANDS_MAX`], under an instrument's
    /// rules.
    #[must_use]
    pub fn generated(spec: &InstrumentSpec, seed: u64, commands: u64) -> Self {
        let mut engine = Engine::new(EngineLimits::default());
        for command in opening(spec) {
            apply(&mut engine, TimestampNs(START_NS), &command, &mut Silent);
        }
        Self {
            engine,
            source: Source::Flow { dice: Dice::new(seed), resting: Vec::new() },
            instrument: InstrumentNumber(1),
            account: MAKER,
            tick_value_minor: spec.tick_value_minor,
            total: commands.min(COMMANDS_MAX),
            summary: Summary::default(),
        }
    }

    /// Returns a run over the commands from one sequence to another of a journal; told is the
    /// result of one account in one instrument.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn replayed(
        directory: &Path,
        (from, to): (u64, u64),
        instrument: InstrumentNumber,
        account: AccountNumber,
    ) -> Result<Self, JournalError> {
        let limits = EngineLimits::default();
        let before = from.saturating_sub(1);
        let (engine, position) = store::newest_snapshot(directory, limits, before)?;
        let durable = DurableMark::open(directory)?.map_or(0, |mark| mark.read());
        let reader = Box::new(JournalReader::new(directory, position));
        Ok(Self {
            engine,
            source: Source::Journal { reader, from, to, durable },
            instrument,
            account,
            tick_value_minor: 0,
            total: to.saturating_add(1).saturating_sub(from).min(COMMANDS_MAX),
            summary: Summary::default(),
        })
    }

    /// Carries out about `commands` more; false when the run is over.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn step(&mut self, commands: u64) -> Result<bool, JournalError> {
        match self.source {
            Source::Flow { .. } => self.flow(commands),
            Source::Journal { .. } => return self.replay(commands),
        }
        Ok(self.summary.commands < self.total)
    }

    /// Returns what it gave so far.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Returns how many commands it has in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Returns what the watched account earned, in minor units.
    #[must_use]
    pub fn result_minor(&self) -> i128 {
        self.summary.result_minor(self.tick_value_minor)
    }

    /// Returns the hash of the state, as hexadecimal.
    #[must_use]
    pub fn state_hash(&self) -> String {
        blake3::Hash::from_bytes(self.engine.state_hash()).to_hex().to_string()
    }

    fn flow(&mut self, commands: u64) {
        let Self { engine, source, summary, total, .. } = self;
        let Source::Flow { dice, resting } = source else { return };
        let end = summary.commands.saturating_add(commands).min(*total);
        while summary.commands < end {
            let command = next(engine, dice, resting, summary.commands);
            summary.commands += 1;
            let time = TimestampNs(START_NS + STEP_NS * summary.commands);
            let mut watcher = Watcher {
                summary,
                instrument: self.instrument,
                account: self.account,
                tick_value_minor: self.tick_value_minor,
            };
            let outcome = apply(engine, time, &command, &mut watcher);
            if let (Command::NewOrder(order), true) = (&command, outcome.status.is_open()) {
                resting.push((outcome.order_id, order.account));
            }
        }
    }

    fn replay(&mut self, commands: u64) -> Result<bool, JournalError> {
        let Self { engine, source, summary, instrument, account, tick_value_minor, .. } = self;
        let Source::Journal { reader, from, to, durable } = source else { return Ok(false) };
        let mut budget = commands;
        let mut command = Command::AdvanceTime;
        while let Some((header, payload)) = reader.next(*durable)? {
            let mut records = Records::new(payload);
            let time = TimestampNs(header.time_ns);
            while records.read(&mut command).map_err(|_| JournalError::Stopped)? {
                let sequence = engine.last_sequence().0 + 1;
                if sequence > *to {
                    return Ok(false);
                }
                if sequence < *from {
                    apply(engine, time, &command, &mut Silent);
                } else {
                    if let Some(spec) = engine.instrument(*instrument) {
                        *tick_value_minor = spec.tick_value_minor;
                    }
                    summary.commands += 1;
                    let mut watcher = Watcher {
                        summary,
                        instrument: *instrument,
                        account: *account,
                        tick_value_minor: *tick_value_minor,
                    };
                    apply(engine, time, &command, &mut watcher);
                }
                budget = budget.saturating_sub(1);
            }
            if budget == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn apply<S: Sink>(
    engine: &mut Engine,
    time: TimestampNs,
    command: &Command,
    sink: &mut S,
) -> Outcome {
    let sequence = Sequence(engine.last_sequence().0 + 1);
    engine.apply(sequence, time, command, sink)
}

/// Returns the commands that open a market of its own with the rules of an instrument.
fn opening(spec: &InstrumentSpec) -> Vec<Command> {
    let assets = ["CASH", "GOODS"].map(|code| Command::RegisterAsset { code: code.to_owned() });
    let mut commands = Vec::from(assets);
    commands.push(Command::DefineInstrument(Box::new(InstrumentSpec {
        number: InstrumentNumber(0),
        base_asset: AssetNumber(2),
        quote_asset: AssetNumber(1),
        phase: Phase::Open,
        ..spec.clone()
    })));
    for number in 1..=ACCOUNTS {
        let mut id = [0; 16];
        for (byte, value) in id.iter_mut().zip(number.to_le_bytes()) {
            *byte = value;
        }
        commands.push(Command::OpenAccount {
            id,
            owner: OWN_OWNER,
            self_trade_prevention: SelfTradePrevention::CancelNewest,
            max_open_orders: u32::MAX,
        });
        for asset in [1, 2].map(AssetNumber) {
            let account = AccountNumber(number);
            let key = CommandKey(0);
            commands.push(Command::Transfer { account, asset, amount: FUNDS_MINOR, key });
        }
    }
    commands
}

/// Returns the next command of the flow: orders around the last price, cancellations, takers.
fn next(
    engine: &Engine,
    dice: &mut Dice,
    resting: &mut Vec<(OrderId, AccountNumber)>,
    done: u64,
) -> Command {
    let Some(spec) = engine.instrument(InstrumentNumber(1)) else { return Command::AdvanceTime };
    if done % 1_000 == 999 {
        return Command::AdvanceTime;
    }
    let roll = dice.below(100);
    if (roll < 30 || resting.len() > RESTING_MAX) && !resting.is_empty() {
        let index = usize::try_from(dice.below(resting.len() as u64)).unwrap_or(0);
        let (order_id, account) = resting.swap_remove(index);
        let (account, reason) = (Some(account), CancelReason::User);
        return Command::CancelOrder { account, order_id, reason, key: CommandKey(0) };
    }
    let takes = roll >= 90;
    let middle = i64::midpoint(spec.limit_low.0, spec.limit_high.0);
    let centre = engine.last_trade_price(spec.number).map_or(middle, |price| price.0);
    let side = if dice.chance(50) { Side::Buy } else { Side::Sell };
    let away = dice.below(REACH_TICKS).cast_signed() + 1;
    let sign = if (side == Side::Buy) == takes { 1 } else { -1 };
    let price = (centre + sign * away).clamp(spec.limit_low.0, spec.limit_high.0);
    let first: u64 = if takes { 2 } else { 1 };
    let account = first + dice.below(u64::from(ACCOUNTS) + 1 - first);
    let lots = u64::from(spec.min_lots.0) + dice.below(9);
    Command::NewOrder(NewOrder {
        account: AccountNumber(u32::try_from(account).unwrap_or(1)),
        instrument: spec.number,
        side,
        time_in_force: if takes { TimeInForce::Ioc } else { TimeInForce::Gtc },
        price: PriceTicks(price),
        quantity: QuantityLots(u32::try_from(lots).unwrap_or(1)),
        ..NewOrder::BLANK
    })
}
