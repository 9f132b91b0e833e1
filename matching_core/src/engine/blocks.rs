//! Trades agreed outside the book: the accounts' limits and money are checked as for orders, the
//! book and the last price are not touched.

use crate::command::NewOrder;
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::engine::settlement::Leg;
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, Sink, Trade};
use crate::slab::NONE;
use crate::trade_change::BlockTrade;
use crate::types::{
    AccountNumber, FEE_ACCOUNT, InstrumentKind, NO_SLOT, OrderId, Phase, SelfTradePrevention, Side,
    TimeInForce, TradeKind,
};

/// Greatest value of a block in minor units; see `InstrumentSpec::check`.
const VALUE_MINOR_MAX: i128 = 1 << 60;

impl Engine {
    /// Tells why a block can't be: what it names does not exist, or its numbers don't fit.
    pub(crate) fn block_breaks(&self, block: &BlockTrade) -> Option<Refusal> {
        let plain = |reason| Some(Refusal::plain(reason));
        let Some(index) = self.book_index(block.instrument) else {
            return plain(Reason::InstrumentUnknown);
        };
        let known =
            |account: AccountNumber| account != FEE_ACCOUNT && self.ledger.get(account).is_some();
        if !known(block.buyer) || !known(block.seller) {
            return plain(Reason::AccountUnknown);
        }
        let spec = &self.books[index].spec;
        let lots = i128::from(block.quantity.0);
        let value = i128::from(spec.price_max.0) * lots * i128::from(spec.tick_value_minor);
        let base = lots * i128::from(spec.lot_size_minor);
        if block.quantity.0 == 0 {
            return Some(Refusal::about(spec.number, Reason::QuantityLot, [0; 3]));
        }
        if value > VALUE_MINOR_MAX || base > VALUE_MINOR_MAX {
            return Some(Refusal::about(spec.number, Reason::AmountOverflow, [0; 3]));
        }
        super::rules::price_breaks(spec, block.price)
    }

    pub(crate) fn block_trade<S: Sink>(&mut self, block: &BlockTrade, sink: &mut S) -> Outcome {
        if let Err(refusal) = self.check_block(block) {
            return self.refused(OrderId(0), 0, refusal);
        }
        let Some(index) = self.book_index(block.instrument) else {
            return self.refused(OrderId(0), 0, Refusal::plain(Reason::InstrumentUnknown));
        };
        let terms = Terms::of(&self.books[index].spec);
        let (price, lots) = (block.price, block.quantity.0);
        let value = terms.value(price, lots);
        let fee = terms.taker_fee(price.0 * i64::from(lots)).min(value);
        let deposit = if terms.is_forward { terms.deposit(price, lots) } else { 0 };
        self.trade_number += 1;
        for (account, side) in [(block.buyer, Side::Buy), (block.seller, Side::Sell)] {
            let leg = Leg { account, side, price, lots, released: 0, deposit, fee };
            self.post_leg(&leg, value, &terms, sink);
            self.mark_account(account);
        }
        self.post_fees(2 * fee, &terms, sink);
        sink.trade(&Trade {
            trade_id: self.trade_number,
            instrument: terms.instrument,
            price,
            quantity: block.quantity,
            kind: TradeKind::Block,
            aggressor: Side::Buy,
            maker_order: OrderId(0),
            maker_account: block.seller,
            maker_fee_minor: fee,
            maker_deposit_minor: deposit,
            taker_order: OrderId(0),
            taker_account: block.buyer,
            taker_fee_minor: fee,
            taker_deposit_minor: deposit,
        });
        self.books[index].sequence = self.last_sequence;
        Outcome { order_id: OrderId(self.trade_number), ..self.numbered(0) }
    }

    fn check_block(&self, block: &BlockTrade) -> Result<(), Refusal> {
        let index = self.book_index(block.instrument);
        let index = index.ok_or_else(|| Refusal::plain(Reason::InstrumentUnknown))?;
        let spec = &self.books[index].spec;
        let refuse = |reason, values| Err(Refusal::about(spec.number, reason, values));
        match spec.phase {
            Phase::Open | Phase::Auction | Phase::PreOpen if spec.kind != InstrumentKind::Index => {
            }
            Phase::Halted => return refuse(Reason::MarketHalted, [0; 3]),
            phase => {
                return refuse(Reason::InstrumentNotTrading, [phase.number().into(), 0, 0]);
            }
        }
        let (low, high) = (spec.limit_low, spec.limit_high);
        if !(low..=high).contains(&block.price) {
            return refuse(Reason::PriceLimit, [block.price.0, low.0, high.0]);
        }
        let parties = [(block.buyer, Side::Buy), (block.seller, Side::Sell)];
        let owners = parties.map(|(account, _)| self.ledger.get(account).map(|one| one.owner));
        if owners[0] == owners[1] {
            return refuse(Reason::SelfTradePrevented, [0; 3]);
        }
        for (account, side) in parties {
            if let Some(reason) = self.ledger.get(account).and_then(Self::switched_off) {
                return refuse(reason, [0; 3]);
            }
            let incoming = self.as_order(block, account, side, index);
            self.check_limits(&incoming)?;
            self.check_funds(&incoming, 0)?;
        }
        Ok(())
    }

    /// Returns one side of a block as an order that would come in.
    fn as_order(
        &self,
        block: &BlockTrade,
        account: AccountNumber,
        side: Side,
        index: usize,
    ) -> Incoming {
        let order = NewOrder {
            account,
            instrument: block.instrument,
            side,
            time_in_force: TimeInForce::Ioc,
            price: block.price,
            quantity: block.quantity,
            ..NewOrder::BLANK
        };
        let mode = SelfTradePrevention::None;
        Incoming {
            id: OrderId::new(self.order_number, NO_SLOT),
            slot: NONE,
            rests: false,
            book: index,
            side,
            limit: block.price,
            owner: self.ledger.get(account).map_or_else(Default::default, |found| found.owner),
            remaining: block.quantity.0,
            cold: self.cold_of(&order, mode),
            cancelled: None,
        }
    }
}
