//! Trying an order on a copy of what it could touch.

use std::collections::HashMap;

use crate::book::{Book, reaches};
use crate::command::{Command, CommandKey, NewOrder};
use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::error::Refusal;
use crate::event::{Outcome, Silent};
use crate::instrument::InstrumentSpec;
use crate::slab::{FLAGS, NONE, REDUCES};
use crate::types::{
    AccountNumber, AssetNumber, FEE_ACCOUNT, InstrumentNumber, PriceTicks, Sequence,
};

/// What an order would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The answer it would get; its order number is of the copy.
    pub outcome: Outcome,
    /// What would stay set aside for its rest, in minor units.
    pub held_minor: i64,
    /// Of this asset.
    pub held_asset: AssetNumber,
}

impl Engine {
    /// Tells what an order would do now, without its coming in.
    ///
    /// It goes through the engine itself, over a copy of its book as far as it reaches and of the
    /// accounts it meets there. What stops it would set off is not followed.
    ///
    /// # Errors
    /// The refusal it would get.
    pub fn preview(&self, order: &NewOrder) -> Result<Preview, Refusal> {
        if let Some(refusal) = self.breaks(&Command::NewOrder(*order)) {
            return Err(refusal);
        }
        let incoming = self.check_order(order)?;
        let held_asset = Terms::of(&self.books[incoming.book].spec).held_asset(incoming.side);
        let mut copy = Excerpt::of(self, incoming.book, order.account);
        for slot in self.reached_by(incoming.book, order, incoming.limit) {
            copy.add(self, slot);
        }
        let order = NewOrder {
            account: copy.accounts[&order.account],
            instrument: InstrumentNumber(1),
            key: CommandKey(0),
            ..*order
        };
        let mut copy = copy.engine;
        let sequence = Sequence(self.last_sequence.0.saturating_add(1));
        let outcome = copy.apply(sequence, self.time, &Command::NewOrder(order), &mut Silent);
        if let Some(refusal) = outcome.refusal {
            let instrument = Some(self.books[incoming.book].spec.number);
            return Err(Refusal { instrument, ..refusal });
        }
        let slot = copy.slab.find(outcome.order_id);
        let held_minor = slot.map_or(0, |slot| copy.slab.cold[slot as usize].held_minor);
        Ok(Preview { outcome, held_minor, held_asset })
    }

    /// Returns the slots of the levels an order reaches until they have lots enough, each level
    /// whole: who gets what of a level may depend on all of it. Beyond, only its own owner's
    /// orders: a call, also one that the order starts, keeps those apart at every price.
    fn reached_by(&self, index: usize, order: &NewOrder, limit: PriceTicks) -> Vec<u32> {
        let book = &self.books[index];
        let ladder = book.side(order.side.opposite());
        let is_call = book.spec.phase.is_call();
        let owner = self.ledger.get(order.account).map(|account| account.owner.0);
        let mut slots = Vec::new();
        let mut lots = 0_u64;
        for level in ladder.iter() {
            if !reaches(order.side, limit, book.price(level)) {
                break;
            }
            let is_enough = is_call || lots >= u64::from(order.quantity.0);
            for slot in self.level_slots(ladder.head(level)) {
                let hot = self.slab.hot[slot as usize];
                let is_own = owner == Some(hot.owner);
                // What only reduces may turn out to have nothing to reduce.
                if !is_own && !hot.is(REDUCES) {
                    lots += u64::from(self.slab.open_lots(slot));
                }
                if is_own || !is_enough {
                    slots.push(slot);
                }
            }
        }
        slots
    }
}

/// A small engine with one book, numbered anew.
struct Excerpt {
    engine: Engine,
    accounts: HashMap<AccountNumber, AccountNumber>,
    instrument: InstrumentNumber,
}

impl Excerpt {
    fn of(engine: &Engine, index: usize, account: AccountNumber) -> Self {
        let book = &engine.books[index];
        let instrument = book.spec.number;
        let mut copy = Engine::bare(engine.limits);
        copy.last_sequence = engine.last_sequence;
        copy.time = engine.time;
        copy.day = engine.day;
        copy.order_number = engine.order_number;
        copy.trade_number = engine.trade_number;
        copy.assets.clone_from(&engine.assets);
        copy.ledger.issued.clone_from(&engine.ledger.issued);
        let spec = InstrumentSpec { number: InstrumentNumber(1), ..book.spec.clone() };
        let kept = Book { last_trade: book.last_trade, top: book.top, ..Book::new(spec) };
        copy.list_book(kept);
        let mut excerpt = Self { engine: copy, accounts: HashMap::new(), instrument };
        excerpt.account(engine, FEE_ACCOUNT);
        excerpt.account(engine, account);
        excerpt
    }

    fn account(&mut self, engine: &Engine, number: AccountNumber) -> AccountNumber {
        if let Some(known) = self.accounts.get(&number) {
            return *known;
        }
        let mut account = engine.ledger.accounts[number.0 as usize].clone();
        account.open_orders = 0;
        account.oldest = NONE;
        account.newest = NONE;
        // What its limits say was said already, about all that it has open.
        account.allowance = None;
        account.positions.retain(|position| position.instrument == self.instrument);
        for position in &mut account.positions {
            position.instrument = InstrumentNumber(1);
        }
        let copied = self.engine.ledger.open(account);
        self.accounts.insert(number, copied);
        copied
    }

    fn add(&mut self, engine: &Engine, slot: u32) {
        let mut hot = engine.slab.hot[slot as usize];
        let mut cold = engine.slab.cold[slot as usize];
        let side = hot.side();
        cold.account = self.account(engine, cold.account);
        cold.record = None;
        hot.book_and_side &= FLAGS | 1;
        let copy = &mut self.engine;
        let slot = copy.slab.reserve();
        copy.slab.put(slot, hot, cold);
        copy.books[0].side_mut(side).append(&mut copy.slab, slot);
        copy.list_order(slot, cold.account);
    }
}
