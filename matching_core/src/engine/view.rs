//! Reading the state.

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{DayFigures, Engine};
use crate::event::OrderState;
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::types::{
    AccountNumber, AssetNumber, InstrumentNumber, OrderId, OwnerNumber, PriceTicks,
    SelfTradePrevention, Sequence, Side,
};

/// A trading account as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Number.
    pub number: AccountNumber,
    /// Public ID.
    pub id: [u8; 16],
    /// Beneficial owner.
    pub owner: OwnerNumber,
    /// Self-trade prevention of its orders.
    pub self_trade_prevention: SelfTradePrevention,
    /// Most open orders at a time.
    pub max_open_orders: u32,
    /// Open orders.
    pub open_orders: u32,
    /// A bit for each [`Switch`](crate::types::Switch) that is on, the first in the lowest.
    pub switches: u8,
    /// Limits.
    pub limits: RiskLimits,
}

/// Bought, sold, and the deposit kept, of one account in one forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionView {
    /// Forward.
    pub instrument: InstrumentNumber,
    /// Lots bought.
    pub bought_lots: i64,
    /// Lots sold.
    pub sold_lots: i64,
    /// Deposit kept, in minor units of the quote asset.
    pub deposit_minor: i64,
    /// What the lots that are not closed were traded for, price in ticks times lots.
    pub open_ticks: i64,
    /// What closed lots brought, price in ticks times lots.
    pub realised_ticks: i64,
}

impl Engine {
    /// Returns the sequence of the last command applied, 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    /// Returns an instrument by its number.
    #[must_use]
    pub fn instrument(&self, number: InstrumentNumber) -> Option<&InstrumentSpec> {
        self.book_index(number).map(|index| &self.books[index].spec)
    }

    /// Returns an instrument by its symbol.
    #[must_use]
    pub fn instrument_by_symbol(&self, symbol: &[u8]) -> Option<&InstrumentSpec> {
        let same = |&index: &u32| self.books[index as usize].spec.symbol.as_bytes() == symbol;
        let index = self.symbols.find(xxh3_64(symbol), same)?;
        Some(&self.books[*index as usize].spec)
    }

    /// Returns all instruments, in the order of listing.
    pub fn instruments(&self) -> impl Iterator<Item = &InstrumentSpec> {
        self.books.iter().map(|book| &book.spec)
    }

    /// Returns the code of an asset.
    #[must_use]
    pub fn asset_code(&self, asset: AssetNumber) -> Option<&str> {
        let index = (asset.0 as usize).checked_sub(1)?;
        self.assets.get(index).map(String::as_str)
    }

    /// Returns all assets with their codes, by number.
    pub fn assets(&self) -> impl Iterator<Item = (AssetNumber, &str)> {
        (1..).map(AssetNumber).zip(self.assets.iter().map(String::as_str))
    }

    /// Returns the number of the account with a public ID.
    #[must_use]
    pub fn account_by_id(&self, id: &[u8; 16]) -> Option<AccountNumber> {
        self.ledger.find(id)
    }

    /// Returns an account.
    #[must_use]
    pub fn account(&self, number: AccountNumber) -> Option<AccountView> {
        let account = self.ledger.get(number)?;
        Some(AccountView {
            number,
            id: account.id,
            owner: account.owner,
            self_trade_prevention: account.self_trade_prevention,
            max_open_orders: account.max_open_orders,
            open_orders: account.open_orders,
            switches: account.switches,
            limits: account.allowance.as_ref().map(|found| found.limits).unwrap_or_default(),
        })
    }

    /// Returns all accounts, by number.
    pub fn accounts(&self) -> impl Iterator<Item = AccountView> {
        (0..).map_while(|number| self.account(AccountNumber(number)))
    }

    /// Returns total and held of each asset that the account ever had, by asset.
    pub fn balances(
        &self,
        account: AccountNumber,
    ) -> impl Iterator<Item = (AssetNumber, i64, i64)> {
        let balances = self.ledger.get(account).map_or(&[][..], |account| &account.balances);
        balances.iter().map(|balance| (balance.asset, balance.total, balance.held))
    }

    /// Returns what came in from outside of an asset and did not leave again.
    #[must_use]
    pub fn issued(&self, asset: AssetNumber) -> i64 {
        self.ledger.issued.get(asset.0 as usize).copied().unwrap_or_default()
    }

    /// Returns the account's positions in forwards, by instrument.
    pub fn positions(&self, account: AccountNumber) -> impl Iterator<Item = PositionView> {
        let positions = self.ledger.get(account).map_or(&[][..], |account| &account.positions);
        positions.iter().map(|position| PositionView {
            instrument: position.instrument,
            bought_lots: position.bought_lots,
            sold_lots: position.sold_lots,
            deposit_minor: position.deposit_minor,
            open_ticks: position.open_ticks,
            realised_ticks: position.realised_ticks,
        })
    }

    /// Returns an open order.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<OrderState> {
        self.slab.find(id).map(|slot| self.open_state(slot))
    }

    fn open_state(&self, slot: u32) -> OrderState {
        let remaining = self.slab.open_lots(slot);
        self.resting_state(slot, remaining, self.resting_status(slot), None)
    }

    /// Returns the open orders of an account, the oldest first.
    pub fn open_orders(&self, account: AccountNumber) -> impl Iterator<Item = OrderState> {
        self.account_slots(account).map(|slot| self.open_state(slot))
    }

    /// Returns price, lots and orders of at most `max` levels, the best first.
    pub fn depth(
        &self,
        instrument: InstrumentNumber,
        side: Side,
        max: usize,
    ) -> impl Iterator<Item = (PriceTicks, u64, u32)> {
        let book = self.book_index(instrument).map(|index| &self.books[index]);
        book.into_iter().flat_map(move |book| {
            let ladder = book.side(side);
            ladder.iter().take(max).map(move |level| {
                let (lots, count) = ladder.totals(level);
                (book.price(level), lots, count)
            })
        })
    }

    /// Returns the orders at a price as they would trade, each with its account and the lots that
    /// show.
    pub fn level_orders(
        &self,
        instrument: InstrumentNumber,
        side: Side,
        price: PriceTicks,
    ) -> impl Iterator<Item = (OrderId, AccountNumber, u32)> {
        let book = self.book_index(instrument).map(|index| &self.books[index]);
        let inside = |book: &&crate::book::Book| {
            (book.spec.price_min..=book.spec.price_max).contains(&price)
        };
        book.filter(inside).into_iter().flat_map(move |book| {
            self.level_slots(book.side(side).head(book.level(price))).map(|slot| {
                let account = self.slab.cold[slot as usize].account;
                (self.slab.order_id(slot), account, self.slab.hot[slot as usize].remaining)
            })
        })
    }

    /// Returns lots and orders at a price; zeros where nobody waits.
    #[must_use]
    pub fn level(&self, instrument: InstrumentNumber, side: Side, price: PriceTicks) -> (u64, u32) {
        let Some(index) = self.book_index(instrument) else { return (0, 0) };
        let book = &self.books[index];
        if !(book.spec.price_min..=book.spec.price_max).contains(&price) {
            return (0, 0);
        }
        let (ladder, level) = (book.side(side), book.level(price));
        if ladder.is_in(level) { ladder.totals(level) } else { (0, 0) }
    }

    /// Returns what the instrument traded on its last day with a trade.
    #[must_use]
    pub fn day_figures(&self, instrument: InstrumentNumber) -> DayFigures {
        self.book_index(instrument).map(|index| self.books[index].day).unwrap_or_default()
    }

    /// Returns the open orders of one instrument: buys, then sells, as they would trade.
    pub fn book_orders(&self, instrument: InstrumentNumber) -> impl Iterator<Item = OrderState> {
        self.book_slots(Some(instrument)).map(|slot| self.open_state(slot))
    }

    /// Returns the price of the last trade.
    #[must_use]
    pub fn last_trade_price(&self, instrument: InstrumentNumber) -> Option<PriceTicks> {
        self.books[self.book_index(instrument)?].last_trade
    }

    /// Returns the sequence of the last command that changed the instrument's market data.
    #[must_use]
    pub fn book_sequence(&self, instrument: InstrumentNumber) -> Sequence {
        self.book_index(instrument).map_or(Sequence(0), |index| self.books[index].sequence)
    }

    /// Returns the sequence of the last command that produced an order event of the account.
    #[must_use]
    pub fn account_sequence(&self, account: AccountNumber) -> Sequence {
        self.ledger.get(account).map_or(Sequence(0), |account| account.sequence)
    }
}
