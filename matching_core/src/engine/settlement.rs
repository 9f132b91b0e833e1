//! The money side of one fill: both accounts, the exchange's fees, what stays set aside.

use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::engine::{DAY_NS, Engine};
use crate::event::{PostingKind, Sink};
use crate::ledger::Change;
use crate::types::{AccountNumber, AssetNumber, FEE_ACCOUNT, PriceTicks, Side};

/// One account's side of a fill.
pub(crate) struct Leg {
    pub(crate) account: AccountNumber,
    pub(crate) side: Side,
    pub(crate) price: PriceTicks,
    pub(crate) lots: u32,
    /// What the fill frees of the order's hold; 0 for the incoming order, which has none yet.
    pub(crate) released: i64,
    /// What a forward keeps as deposit.
    pub(crate) deposit: i64,
    pub(crate) fee: i64,
}

/// What a fill cost one side.
#[derive(Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) fee: i64,
    pub(crate) deposit: i64,
}

impl Leg {
    const fn charge(&self) -> Charge {
        Charge { fee: self.fee, deposit: self.deposit }
    }
}

impl Engine {
    /// Posts a fill and returns what it cost the resting and the incoming order.
    pub(crate) fn settle<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        slot: u32,
        price: PriceTicks,
        lots: u32,
        terms: &Terms,
        sink: &mut S,
    ) -> [Charge; 2] {
        let value = terms.value(price, lots);
        let ticks = price.0 * i64::from(lots);
        let maker = self.maker_leg(slot, incoming.side.opposite(), price, lots, terms);

        let cold = &mut incoming.cold;
        cold.taker_notional_ticks += ticks;
        let charged = terms.taker_fee(cold.taker_notional_ticks);
        let mut fee = charged - cold.taker_fee_minor;
        if incoming.side == Side::Sell && !terms.is_forward {
            fee = fee.min(value);
        }
        cold.taker_fee_minor += fee;
        let deposit = if terms.is_forward { terms.deposit(incoming.limit, lots) } else { 0 };
        let side = incoming.side;
        let taker = Leg { account: cold.account, side, price, lots, released: 0, deposit, fee };

        self.post_leg(&maker, value, terms, sink);
        self.post_leg(&taker, value, terms, sink);
        self.post_fees(maker.fee + taker.fee, terms, sink);
        [maker.charge(), taker.charge()]
    }

    /// Posts a fill of an auction and returns what it cost buyer and seller.
    pub(crate) fn settle_crossing<S: Sink>(
        &mut self,
        buy: u32,
        sell: u32,
        price: PriceTicks,
        lots: u32,
        terms: &Terms,
        sink: &mut S,
    ) -> [Charge; 2] {
        let value = terms.value(price, lots);
        let buyer = self.gathered_leg(buy, Side::Buy, price, lots, terms);
        let seller = self.gathered_leg(sell, Side::Sell, price, lots, terms);
        self.post_leg(&buyer, value, terms, sink);
        self.post_leg(&seller, value, terms, sink);
        self.post_fees(buyer.fee + seller.fee, terms, sink);
        [buyer.charge(), seller.charge()]
    }

    /// Gives the exchange the fees of the last trade.
    pub(crate) fn post_fees<S: Sink>(&mut self, total: i64, terms: &Terms, sink: &mut S) {
        let reference = self.trade_number;
        let change = Change { kind: PostingKind::Fee, total, held: 0, reference };
        self.ledger.post(FEE_ACCOUNT, terms.quote, change, sink);
    }

    /// Charges an order that gathered for an auction as if it came in.
    fn gathered_leg(
        &mut self,
        slot: u32,
        side: Side,
        price: PriceTicks,
        lots: u32,
        terms: &Terms,
    ) -> Leg {
        let ticks = price.0 * i64::from(lots);
        let remaining = self.slab.open_lots(slot) - lots;
        let cold = &mut self.slab.cold[slot as usize];
        cold.taker_notional_ticks += ticks;
        let held = terms.hold(side, cold.price, remaining, cold.taker_notional_ticks);
        let released = cold.held_minor - held;
        cold.held_minor = held;
        let value = ticks * terms.tick_value;
        let deposit = if terms.is_forward { terms.deposit(cold.price, lots) } else { 0 };
        let most = match (terms.is_forward, side) {
            (true, _) => released - deposit,
            (false, Side::Buy) => released - value,
            (false, Side::Sell) => value,
        };
        let fee = terms.taker_fee(cold.taker_notional_ticks) - cold.taker_fee_minor;
        let fee = fee.min(most);
        cold.taker_fee_minor += fee;
        Leg { account: cold.account, side, price, lots, released, deposit, fee }
    }

    /// Charges the resting order, whose fee never exceeds what the fill leaves to pay it.
    fn maker_leg(
        &mut self,
        slot: u32,
        side: Side,
        price: PriceTicks,
        lots: u32,
        terms: &Terms,
    ) -> Leg {
        let ticks = price.0 * i64::from(lots);
        let remaining = self.slab.open_lots(slot) - lots;
        let cold = &mut self.slab.cold[slot as usize];
        cold.maker_notional_ticks += ticks;
        let held = terms.hold(side, cold.price, remaining, cold.taker_notional_ticks);
        let released = cold.held_minor - held;
        cold.held_minor = held;
        let value = ticks * terms.tick_value;
        let deposit = if terms.is_forward { terms.deposit(cold.price, lots) } else { 0 };
        let most = match (terms.is_forward, side) {
            (true, _) => released - deposit,
            (false, Side::Buy) => released - value,
            (false, Side::Sell) => value,
        };
        let fee = (terms.maker_fee(cold.maker_notional_ticks) - cold.maker_fee_minor).min(most);
        cold.maker_fee_minor += fee;
        Leg { account: cold.account, side, price, lots, released, deposit, fee }
    }

    pub(crate) fn post_leg<S: Sink>(&mut self, leg: &Leg, value: i64, terms: &Terms, sink: &mut S) {
        let trade = |total, held, reference| {
            let kind = PostingKind::Trade;
            Change { kind, total, held, reference }
        };
        let reference = self.trade_number;
        let ledger = &mut self.ledger;
        if terms.is_forward {
            let held = leg.deposit - leg.released;
            let kind = if held > 0 { PostingKind::Hold } else { PostingKind::Release };
            let change = Change { kind, total: 0, held, reference };
            ledger.post(leg.account, terms.quote, change, sink);
            let position = ledger.account(leg.account).position(terms.instrument);
            position.deposit_minor += leg.deposit;
            position.trade(leg.side, leg.lots, leg.price);
        } else {
            let base = i64::from(leg.lots) * terms.lot_size;
            let (quote, base) = match leg.side {
                Side::Buy => (trade(-value, -leg.released, reference), trade(base, 0, reference)),
                Side::Sell => (trade(value, 0, reference), trade(-base, -leg.released, reference)),
            };
            ledger.post(leg.account, terms.quote, quote, sink);
            ledger.post(leg.account, terms.base, base, sink);
        }
        let change = Change { kind: PostingKind::Fee, total: -leg.fee, held: 0, reference };
        ledger.post(leg.account, terms.quote, change, sink);
        if let Some(allowance) = &mut ledger.account(leg.account).allowance {
            allowance.note(self.time.0 / DAY_NS, terms.quote, value);
        }
    }

    /// Sets aside or frees what an order holds.
    pub(crate) fn hold<S: Sink>(
        &mut self,
        account: AccountNumber,
        asset: AssetNumber,
        amount: i64,
        reference: u64,
        sink: &mut S,
    ) {
        let kind = if amount < 0 { PostingKind::Release } else { PostingKind::Hold };
        self.ledger.post(account, asset, Change { kind, total: 0, held: amount, reference }, sink);
    }
}
