//! The crates: orderbook-rs and lobster.

use std::sync::{Arc, Mutex};

use lobster::{FillMetadata, OrderEvent};
use orderbook_rs::{Id, OrderBook, Side, TimeInForce, TradeResult};
use pricelevel::{OrderUpdate, Price};

use super::{Peer, Step, Trades};

/// orderbook-rs with its trade listener; orders that are gone are refused by itself.
pub struct OrderBookRs {
    book: OrderBook<()>,
    heard: Arc<Mutex<Vec<(u64, u64, u64)>>>,
}

impl OrderBookRs {
    /// Returns an empty book.
    pub fn new() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        let listener = move |result: &TradeResult| {
            let mut told = told.lock().expect("one thread");
            for trade in result.match_result.trades().as_vec() {
                let Id::Sequential(maker) = trade.maker_order_id() else { panic!("our IDs") };
                let price = u64::try_from(trade.price().as_u128()).expect("small");
                told.push((maker, price, trade.quantity().as_u64()));
            }
        };
        Self { book: OrderBook::with_trade_listener("CORN", Arc::new(listener)), heard }
    }
}

impl Peer for OrderBookRs {
    fn step(&mut self, step: &Step, trades: &mut Trades) {
        let id = Id::sequential(step.order);
        let price = u128::from(step.price.cast_unsigned());
        match step.kind {
            1 | 2 => {
                let side = if step.side == 1 { Side::Buy } else { Side::Sell };
                let time = if step.kind == 1 { TimeInForce::Gtc } else { TimeInForce::Ioc };
                let lots = step.lots.into();
                // An immediate order that can't fill whole is an error after its trades.
                let _ = self.book.add_limit_order(id, price, lots, side, time, None);
            }
            3 => {
                let _ = self.book.cancel_order(id);
            }
            _ => {
                let new_price = Price::new(price);
                let _ =
                    self.book.update_order(OrderUpdate::UpdatePrice { order_id: id, new_price });
            }
        }
        for (maker, price, lots) in self.heard.lock().expect("one thread").drain(..) {
            trades.note(maker, price, lots);
        }
    }
}

/// lobster has neither immediate orders nor moves: they are an order and a cancellation, and a
/// cancellation and an order for what is open, which the driver keeps count of.
pub struct Lobster {
    book: lobster::OrderBook,
    open: Vec<(u64, u8)>,
}

impl Lobster {
    /// Returns an empty book with room for all orders.
    pub fn new(steps: &[Step]) -> Self {
        let orders = steps.iter().filter(|step| step.kind < 3).count();
        Self { book: lobster::OrderBook::new(orders, 64, false), open: vec![(0, 0); orders] }
    }

    fn enter(&mut self, order: u64, lots: u64, price: i64, trades: &mut Trades) -> u64 {
        let side =
            if self.open[order as usize].1 == 1 { lobster::Side::Bid } else { lobster::Side::Ask };
        let price = price.cast_unsigned();
        let limit = lobster::OrderType::Limit { id: order.into(), side, qty: lots, price };
        let fills: Vec<FillMetadata> = match self.book.execute(limit) {
            OrderEvent::Filled { fills, .. } | OrderEvent::PartiallyFilled { fills, .. } => fills,
            _ => Vec::new(),
        };
        let mut left = lots;
        for fill in fills {
            left -= fill.qty;
            let maker = u64::try_from(fill.order_2).expect("our IDs");
            self.open[maker as usize].0 -= fill.qty;
            trades.note(maker, fill.price, fill.qty);
        }
        self.open[order as usize].0 = left;
        left
    }

    fn cancel(&mut self, order: u64) -> u64 {
        let left = std::mem::take(&mut self.open[order as usize].0);
        if left > 0 {
            self.book.execute(lobster::OrderType::Cancel { id: order.into() });
        }
        left
    }
}

impl Peer for Lobster {
    fn step(&mut self, step: &Step, trades: &mut Trades) {
        match step.kind {
            1 | 2 => {
                self.open[step.order as usize].1 = step.side;
                let left = self.enter(step.order, step.lots.into(), step.price, trades);
                if step.kind == 2 && left > 0 {
                    self.cancel(step.order);
                }
            }
            3 => {
                self.cancel(step.order);
            }
            _ => {
                let left = self.cancel(step.order);
                if left > 0 {
                    self.enter(step.order, left, step.price, trades);
                }
            }
        }
    }
}
