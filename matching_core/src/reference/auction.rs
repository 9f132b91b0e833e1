//! Auctions, tick by tick.

use super::{Reference, money};
use crate::event::Trade;
use crate::types::{
    CancelReason, InstrumentNumber, OrderId, Phase, PriceTicks, QuantityLots, Side, TimeInForce,
    TimestampNs, TradeKind,
};

impl Reference {
    /// Lots that would buy at a price, or sell.
    fn willing(&self, number: InstrumentNumber, side: Side, price: i64) -> i64 {
        let orders = self.open.iter().filter(|open| {
            open.order.instrument == number
                && open.order.side == side
                && self.may_trade(open)
                && match side {
                    Side::Buy => open.order.price.0 >= price,
                    Side::Sell => open.order.price.0 <= price,
                }
        });
        orders.map(|open| i64::from(open.remaining)).sum()
    }

    /// Returns the price of an auction that ended now.
    fn auction_price(&self, number: InstrumentNumber) -> Option<PriceTicks> {
        let highest = self.best(number, Side::Buy)?.0;
        let lowest = self.best(number, Side::Sell)?.0;
        let spec = self.spec(number);
        let middle = i64::midpoint(spec.limit_low.0, spec.limit_high.0);
        let reference = self.last.get(&number).map_or(middle, |price| price.0);
        let mut all = Vec::new();
        for price in lowest..=highest {
            let (bought, sold) =
                (self.willing(number, Side::Buy, price), self.willing(number, Side::Sell, price));
            all.push((bought.min(sold), bought - sold, price));
        }
        let most = all.iter().map(|found| found.0).max()?;
        all.retain(|found| found.0 == most);
        let least = all.iter().map(|found| found.1.abs()).min()?;
        all.retain(|found| found.1.abs() == least);
        let price = if all.iter().all(|found| found.1 > 0) {
            all.last()?.2
        } else if all.iter().all(|found| found.1 < 0) {
            all.first()?.2
        } else {
            all.iter().map(|found| ((found.2 - reference).abs(), found.2)).min()?.1
        };
        Some(PriceTicks(price))
    }

    pub(super) fn start_volatility_auction(
        &mut self,
        number: InstrumentNumber,
        reference: Option<PriceTicks>,
    ) {
        let length = self.spec(number).volatility_auction_ns;
        let ends = TimestampNs(self.time.0 + length);
        self.timed.insert(number, (ends, reference.unwrap_or_default(), false));
        self.specs[number.0 as usize - 1].phase = Phase::Auction;
    }

    pub(super) fn end_timed_auctions(&mut self) {
        loop {
            let due = self.timed.iter().map(|(number, timed)| (timed.0, *number)).min();
            let Some((ends, number)) = due.filter(|(ends, _)| *ends <= self.time) else { break };
            let (_, reference, extended) = self.timed[&number];
            let spec = self.spec(number);
            let far = |price: PriceTicks| (price.0 - reference.0).abs() > spec.band_ticks;
            let outside = spec.band_ticks > 0 && self.auction_price(number).is_some_and(far);
            let _ = ends;
            if outside && !extended {
                let ends = TimestampNs(self.time.0 + spec.volatility_auction_ns);
                self.timed.insert(number, (ends, reference, true));
                continue;
            }
            self.timed.remove(&number);
            self.specs[number.0 as usize - 1].phase = Phase::Open;
            self.uncross(number);
        }
    }

    fn first(&self, number: InstrumentNumber, side: Side) -> Option<OrderId> {
        let mut orders = self.in_book_order_of(number).into_iter();
        let first = orders.find(|open| {
            open.order.instrument == number && open.order.side == side && self.may_trade(open)
        });
        first.map(|open| open.id)
    }

    pub(super) fn uncross(&mut self, number: InstrumentNumber) {
        self.tops.retain(|key, _| key.0 != number);
        while let Some(price) = self.auction_price(number) {
            while let (Some(buy), Some(sell)) =
                (self.first(number, Side::Buy), self.first(number, Side::Sell))
            {
                let limits = [buy, sell].map(|id| self.open[self.find(id)].order.price);
                if limits[0] < price || limits[1] > price {
                    break;
                }
                self.cross(number, buy, sell, price);
            }
        }
        let over: Vec<OrderId> = self
            .in_book_order_of(number)
            .into_iter()
            .filter(|open| open.order.time_in_force == TimeInForce::Gfa)
            .map(|open| open.id)
            .collect();
        self.cancel_all(&over, CancelReason::AuctionOver);
        self.note_due(number);
    }

    fn cross(&mut self, number: InstrumentNumber, buy: OrderId, sell: OrderId, price: PriceTicks) {
        let mut lots = u32::MAX;
        for id in [buy, sell] {
            let open = &self.open[self.find(id)];
            lots = lots.min(open.shown);
        }
        for id in [buy, sell] {
            let open = &self.open[self.find(id)];
            if open.order.reduce_only {
                lots = lots.min(self.reducible(open.order.account, number, open.order.side));
                if lots == 0 {
                    self.cancel(id, CancelReason::ReduceOnly);
                    return;
                }
            }
        }
        let spec = self.spec(number).clone();
        self.trades += 1;
        let mut fees = [0; 2];
        let mut parties = [(spec.number, PriceTicks(0)); 2].map(|_| Default::default());
        for (index, id) in [buy, sell].into_iter().enumerate() {
            let at = self.find(id);
            fees[index] = money::gather(&spec, &mut self.open[at], price, lots);
            let order = &self.open[at].order;
            parties[index] = (order.account, order.price);
        }
        self.exchange(number, parties, price, lots);
        for (party, fee) in parties.into_iter().zip(fees) {
            self.charge(party.0, number, fee);
        }
        let buy_is_later = buy.number() > sell.number();
        let (maker, taker) = if buy_is_later { (1, 0) } else { (0, 1) };
        let ids = [buy, sell];
        self.last_trades.push(Trade {
            trade_id: self.trades,
            instrument: number,
            price,
            quantity: QuantityLots(lots),
            kind: TradeKind::Auction,
            aggressor: if buy_is_later { Side::Buy } else { Side::Sell },
            maker_order: ids[maker],
            maker_account: parties[maker].0,
            maker_fee_minor: fees[maker] as i64,
            maker_deposit_minor: money::kept(&spec, parties[maker].1, lots) as i64,
            taker_order: ids[taker],
            taker_account: parties[taker].0,
            taker_fee_minor: fees[taker] as i64,
            taker_deposit_minor: money::kept(&spec, parties[taker].1, lots) as i64,
        });
        self.note_price(number, price);
        for id in [ids[maker], ids[taker]] {
            let at = self.find(id);
            self.show_more_or_remove(at);
        }
    }
}
