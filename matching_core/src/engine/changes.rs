//! Trades that are taken back or corrected: everything that a trade moved goes back, and what the
//! corrected trade would have moved is moved instead.
//!
//! Nobody is left short: what an account lacks is freed from its own open orders, the newest first,
//! and when even that is not enough nothing happens at all.

use crate::engine::funds::Terms;
use crate::engine::{DAY_NS, Engine};
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, PostingKind, Sink};
use crate::ledger::Change;
use crate::trade_change::{TradeChange, TradeSide};
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, FEE_ACCOUNT, OrderId, PriceTicks, Side,
};

/// What moves of one balance.
struct Move {
    account: AccountNumber,
    asset: AssetNumber,
    total: i64,
    held: i64,
}

impl Engine {
    /// Tells why a change can't be: what it says of the trade can't have been, or is the case
    /// already.
    pub(crate) fn change_breaks(&self, change: &TradeChange) -> Option<Refusal> {
        let plain = |reason| Some(Refusal::plain(reason));
        if change.trade_id == 0 || change.trade_id > self.trade_number {
            let number = i64::try_from(change.trade_id).unwrap_or(i64::MAX);
            let values = [number, 0, 0];
            return Some(Refusal { values, ..Refusal::plain(Reason::TradeUnknown) });
        }
        if self.changed_trades.contains(&change.trade_id) {
            return plain(Reason::TradeAlreadyCorrected);
        }
        let Some(index) = self.book_index(change.instrument) else {
            return plain(Reason::InstrumentUnknown);
        };
        let spec = &self.books[index].spec;
        let most = i128::from(spec.price_max.0)
            * i128::from(change.quantity.0)
            * i128::from(spec.tick_value_minor);
        let sound = |side: &TradeSide| {
            self.ledger.get(side.account).is_some()
                && i128::from(side.fee_minor).abs() <= most
                && (0..=most).contains(&i128::from(side.deposit_minor))
        };
        let inside = |price: PriceTicks| (spec.price_min..=spec.price_max).contains(&price);
        let same = change.new_price == change.price && change.new_quantity == change.quantity;
        if !sound(&change.buyer) || !sound(&change.seller) {
            return plain(Reason::AccountUnknown);
        }
        let fits = inside(change.price) && change.quantity.0 > 0 && most <= 1 << 60;
        if !fits || !self.keeps_deposits(change) {
            return plain(Reason::InvalidArgument);
        }
        if !change.is_bust() && !inside(change.new_price) {
            let values = [change.new_price.0, spec.price_min.0, spec.price_max.0];
            return Some(Refusal::about(spec.number, Reason::PriceRange, values));
        }
        if change.new_quantity > change.quantity {
            let values = [change.new_quantity.0.into(), change.quantity.0.into(), 0];
            return Some(Refusal::about(spec.number, Reason::QuantityMax, values));
        }
        same.then(|| Refusal::about(spec.number, Reason::AmendNotAllowed, [0; 3]))
    }

    pub(crate) fn change_trade<S: Sink>(&mut self, change: &TradeChange, sink: &mut S) -> Outcome {
        let Some(index) = self.book_index(change.instrument) else {
            return self.refused(OrderId(0), 0, Refusal::plain(Reason::InstrumentUnknown));
        };
        let terms = Terms::of(&self.books[index].spec);
        let moves = moves(change, &terms);
        if let Some(refusal) = self.lacks(&moves, &terms) {
            return self.refused(OrderId(0), 0, refusal);
        }
        for needed in &moves {
            self.free_up(needed.account, needed.asset, &moves, sink);
        }
        for made in &moves {
            let kind = PostingKind::Reversal;
            let (total, held, reference) = (made.total, made.held, change.trade_id);
            self.ledger.post(
                made.account,
                made.asset,
                Change { kind, total, held, reference },
                sink,
            );
        }
        if terms.is_forward {
            self.change_positions(change, &terms);
        }
        self.change_turnover(change, &terms);
        self.mark_account(change.buyer.account);
        self.mark_account(change.seller.account);
        self.books[index].day.change(change.traded_at.0 / DAY_NS, change);
        self.books[index].sequence = self.last_sequence;
        self.changed_trades.insert(change.trade_id);
        sink.trade_change(change);
        Outcome { order_id: OrderId(change.trade_id), ..self.numbered(0) }
    }

    /// Tells whether the deposits that are to be freed are kept.
    fn keeps_deposits(&self, change: &TradeChange) -> bool {
        let sides = [change.buyer, change.seller];
        sides.iter().all(|side| {
            let own = sides.iter().filter(|other| other.account == side.account);
            let freed: i64 = own.map(|own| own.deposit_minor).fold(0, i64::saturating_add);
            let positions = self.ledger.get(side.account).map_or(&[][..], |found| &found.positions);
            let kept = positions.iter().find(|position| position.instrument == change.instrument);
            freed <= kept.map_or(0, |position| position.deposit_minor)
        })
    }

    /// Tells who would be short, even without any open order.
    fn lacks(&self, moves: &[Move], terms: &Terms) -> Option<Refusal> {
        moves.iter().find_map(|one| {
            if one.account == FEE_ACCOUNT {
                return None;
            }
            let needed = needed(moves, one.account, one.asset);
            let available = self.ledger.available(one.account, one.asset);
            let available = available + self.held_by_orders(one.account, one.asset);
            (needed > available).then(|| Refusal {
                reason: if one.asset == terms.base {
                    Reason::InsufficientInventory
                } else {
                    Reason::InsufficientFunds
                },
                instrument: Some(terms.instrument),
                asset: Some(one.asset),
                values: [needed, available, 0],
            })
        })
    }

    fn held_by_orders(&self, account: AccountNumber, asset: AssetNumber) -> i64 {
        let held = |slot: u32| self.held_of(slot, asset);
        self.account_slots(account).filter_map(held).fold(0, i64::saturating_add)
    }

    /// Returns what an open order holds, when it is of the asset.
    fn held_of(&self, slot: u32, asset: AssetNumber) -> Option<i64> {
        let hot = self.slab.hot[slot as usize];
        let holds = Terms::of(&self.books[hot.book()].spec).held_asset(hot.side());
        (holds == asset).then(|| self.slab.cold[slot as usize].held_minor)
    }

    fn free_up<S: Sink>(
        &mut self,
        account: AccountNumber,
        asset: AssetNumber,
        moves: &[Move],
        sink: &mut S,
    ) {
        if account == FEE_ACCOUNT {
            return;
        }
        let needed = needed(moves, account, asset);
        while self.ledger.available(account, asset) < needed {
            let holds = |slot: &u32| self.held_of(*slot, asset).is_some_and(|held| held > 0);
            let Some(slot) = self.account_slots(account).filter(holds).last() else { break };
            self.close_resting(slot, CancelReason::Correction, sink);
        }
    }

    fn change_positions(&mut self, change: &TradeChange, terms: &Terms) {
        for (side, way) in [(change.buyer, Side::Buy), (change.seller, Side::Sell)] {
            let position = self.ledger.account(side.account).position(terms.instrument);
            position.deposit_minor += deposit_change(change, &side, terms);
            position.undo(way, change.quantity.0, change.price);
            if !change.is_bust() {
                position.trade(way, change.new_quantity.0, change.new_price);
            }
        }
    }

    /// Corrects what the accounts traded today.
    fn change_turnover(&mut self, change: &TradeChange, terms: &Terms) {
        let today = self.time.0 / DAY_NS;
        if change.traded_at.0 / DAY_NS != today {
            return;
        }
        let value = terms.value(change.new_price, change.new_quantity.0)
            - terms.value(change.price, change.quantity.0);
        for side in [change.buyer, change.seller] {
            if let Some(allowance) = &mut self.ledger.account(side.account).allowance {
                allowance.note(today, terms.quote, value);
            }
        }
    }
}

/// Returns all that moves, each account's part first, then the exchange's fees.
fn moves(change: &TradeChange, terms: &Terms) -> Vec<Move> {
    let value = terms.value(change.new_price, change.new_quantity.0)
        - terms.value(change.price, change.quantity.0);
    let lots = i64::from(change.new_quantity.0) - i64::from(change.quantity.0);
    let mut moves = Vec::new();
    let mut fees = 0;
    for (side, sign) in [(change.buyer, 1), (change.seller, -1)] {
        let fee = change.new_fee(side.fee_minor) - side.fee_minor;
        fees += fee;
        let account = side.account;
        let (total, held) = if terms.is_forward {
            (-fee, deposit_change(change, &side, terms))
        } else {
            (-sign * value - fee, 0)
        };
        moves.push(Move { account, asset: terms.quote, total, held });
        if !terms.is_forward {
            let total = sign * lots * terms.lot_size;
            moves.push(Move { account, asset: terms.base, total, held: 0 });
        }
    }
    moves.push(Move { account: FEE_ACCOUNT, asset: terms.quote, total: fees, held: 0 });
    moves
}

/// Returns by how much more or less is kept as deposit. Nothing was kept for a trade without
/// deposit, and nothing is asked for it later.
fn deposit_change(change: &TradeChange, side: &TradeSide, terms: &Terms) -> i64 {
    if side.deposit_minor == 0 {
        return 0;
    }
    terms.deposit(change.new_price, change.new_quantity.0) - side.deposit_minor
}

/// Returns what the moves together take from what an account has free of an asset.
fn needed(moves: &[Move], account: AccountNumber, asset: AssetNumber) -> i64 {
    let own = moves.iter().filter(|one| one.account == account && one.asset == asset);
    own.map(|one| one.held - one.total).sum()
}
