//! What happened, kept for those who watch: one log an instrument, one log an account.
//!
//! Events are gathered while a durable group is applied and published when it is done, so market
//! data moves in steps of a group: levels are conflated within it, trades never. Steps are encoded
//! once, however many watch. Memory is bounded: whoever falls too far behind is told.

pub(crate) mod encode;
pub mod market;
pub mod orders;

use self::market::MarketFeeds;
use self::orders::OrderFeeds;
use crate::engine::Engine;
use crate::event::{OrderEvent, OrderState, Sink, Trade};
use crate::trade_change::TradeChange;
use crate::types::{
    AccountNumber, InstrumentNumber, Phase, PriceTicks, Sequence, Side, TimestampNs,
};

/// All streams of a shard.
#[derive(Debug)]
pub struct Feeds {
    /// Market data, by instrument.
    pub market: MarketFeeds,
    /// Execution reports, by account.
    pub orders: OrderFeeds,
    sequence: Sequence,
    time: TimestampNs,
}

impl Feeds {
    /// Returns streams that start after what `engine` has seen.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self {
            market: MarketFeeds::new(engine),
            orders: OrderFeeds::new(engine),
            sequence: engine.last_sequence(),
            time: TimestampNs(0),
        }
    }

    /// Publishes what was gathered since the last time.
    pub fn publish(&mut self, engine: &Engine) {
        self.market.publish(engine, self.sequence, self.time);
    }
}

impl Sink for Feeds {
    fn begin(&mut self, sequence: Sequence, time: TimestampNs) {
        self.sequence = sequence;
        self.time = time;
    }

    fn order(&mut self, event: OrderEvent, state: &OrderState, trade: Option<&Trade>) {
        self.orders.push(self.sequence, self.time, event, state, trade);
    }

    fn trade(&mut self, trade: &Trade) {
        self.market.trade(trade, self.time);
    }

    fn trade_change(&mut self, change: &TradeChange) {
        self.market.change(change.instrument);
    }

    fn level(
        &mut self,
        instrument: InstrumentNumber,
        side: Side,
        price: PriceTicks,
        quantity_lots: u64,
        order_count: u32,
    ) {
        let _ = (quantity_lots, order_count);
        self.market.touch(instrument, side, price);
    }

    fn account(&mut self, account: AccountNumber, id: [u8; 16]) {
        let _ = (account, id);
    }

    fn instrument(&mut self, instrument: InstrumentNumber, phase: Phase) {
        self.market.phase(instrument, phase);
    }
}
