//! Commands of the exchange itself: assets, accounts, money from outside, instruments.

use crate::book::Book;
use crate::command::Command;
use crate::engine::Engine;
use crate::engine::rules::{price_breaks, quantity_breaks};
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, PostingKind, Sink};
use crate::instrument::InstrumentSpec;
use crate::ledger::{Account, Change, ISSUED_MINOR_MAX};
use crate::types::{
    AccountNumber, AssetNumber, FEE_ACCOUNT, InstrumentNumber, OWN_OWNER, OrderId, OwnerNumber,
    Phase,
};

/// Most accounts, assets and instruments of a shard: far above need, far below what would overflow.
const ACCOUNTS_MAX: usize = 1 << 26;
const ASSETS_MAX: usize = 1 << 16;
const INSTRUMENTS_MAX: usize = 1 << 14;

impl Engine {
    /// Tells why a command can't be: what it names does not exist, or it breaks a fixed rule.
    pub(crate) fn breaks(&self, command: &Command) -> Option<Refusal> {
        let missing = |account: AccountNumber| {
            self.ledger.get(account).is_none().then(|| Refusal::plain(Reason::AccountUnknown))
        };
        let unlisted = |number: InstrumentNumber| {
            let refusal = Refusal::plain(Reason::InstrumentUnknown);
            self.book_index(number).is_none().then_some(refusal)
        };
        match command {
            Command::NewOrder(order) => missing(order.account).or_else(|| {
                let Some(index) = self.book_index(order.instrument) else {
                    return Some(Refusal::plain(Reason::InstrumentUnknown));
                };
                super::rules::order_breaks(&self.books[index].spec, order)
            }),
            Command::CancelOrder { account, order_id, .. } => {
                let refusal = Refusal::plain(Reason::OrderNotFound);
                self.own_order(*account, *order_id).is_none().then_some(refusal)
            }
            Command::AmendOrder { .. } => self.amend_breaks(command),
            Command::MassCancel { account, instrument, .. } => {
                account.and_then(missing).or_else(|| instrument.and_then(unlisted))
            }
            Command::OpenAccount { .. } => {
                (self.ledger.accounts.len() >= ACCOUNTS_MAX).then(too_many)
            }
            Command::SetSwitch { account, .. } => missing(*account),
            Command::SetRiskLimits { account, limits, .. } => {
                let invalid = || Refusal::plain(Reason::OutOfRange);
                missing(*account).or_else(|| (!limits.is_valid()).then(invalid))
            }
            Command::RegisterAsset { code } => {
                let fits = (1..=crate::codec::ASSET_CODE_BYTES_MAX).contains(&code.len());
                (!fits || self.assets.len() >= ASSETS_MAX).then(too_many)
            }
            Command::Transfer { account, asset, amount, .. } => missing(*account).or_else(|| {
                let known = self.asset_code(*asset).is_some() && *amount != 0;
                let known = known && *account != FEE_ACCOUNT;
                (!known).then(|| Refusal::plain(Reason::OutOfRange))
            }),
            Command::DefineInstrument(spec) => self.instrument_breaks(spec),
            Command::UpdateInstrument(spec) => self.update_breaks(spec),
            Command::SetPriceLimits { instrument, low, high } => {
                unlisted(*instrument).or_else(|| self.limits_break(*instrument, *low, *high))
            }
            Command::SetPhase { instrument, phase } => {
                unlisted(*instrument).or_else(|| self.phase_breaks(*instrument, *phase))
            }
            Command::ChangeTrade(change) => self.change_breaks(change),
            Command::BlockTrade(block) => self.block_breaks(block),
            Command::AdvanceTime => None,
        }
    }

    fn amend_breaks(&self, command: &Command) -> Option<Refusal> {
        let Command::AmendOrder { account, order_id, price, quantity, expected_version, .. } =
            command
        else {
            return None;
        };
        let Some(slot) = self.own_order(Some(*account), *order_id) else {
            return Some(Refusal::plain(Reason::OrderNotFound));
        };
        let version = self.slab.cold[slot as usize].version;
        let spec = &self.books[self.slab.hot[slot as usize].book()].spec;
        if *expected_version != 0 && *expected_version != version {
            let values = [(*expected_version).into(), version.into(), 0];
            return Some(Refusal::about(spec.number, Reason::VersionConflict, values));
        }
        if price.is_none() && quantity.is_none() {
            return Some(Refusal::about(spec.number, Reason::AmendNotAllowed, [0; 3]));
        }
        let price = price.and_then(|price| price_breaks(spec, price));
        price.or_else(|| quantity.and_then(|quantity| quantity_breaks(spec, quantity)))
    }

    fn instrument_breaks(&self, spec: &InstrumentSpec) -> Option<Refusal> {
        let assets = [spec.base_asset, spec.quote_asset];
        let known = assets.into_iter().all(|asset| self.asset_code(asset).is_some());
        if !known || spec.check().is_some() {
            return Some(Refusal::plain(Reason::InvalidArgument));
        }
        let Some(listed) = self.instrument_by_symbol(spec.symbol.as_bytes()) else {
            return (self.books.len() >= INSTRUMENTS_MAX).then(too_many);
        };
        let book = self.book_index(listed.number).and_then(|index| self.books.get(index))?;
        let fits = book.is_empty() || book.spec.same_grid(spec);
        (!fits).then(|| Refusal::about(listed.number, Reason::AmendNotAllowed, [0; 3]))
    }

    pub(crate) fn open_account(&mut self, mut account: Account) -> AccountNumber {
        if let Some(found) = self.ledger.find(&account.id) {
            return found;
        }
        if account.owner == OWN_OWNER {
            let next = u32::try_from(self.ledger.accounts.len()).unwrap_or(u32::MAX);
            account.owner = OwnerNumber(next);
        }
        self.ledger.open(account)
    }

    pub(crate) fn register_asset(&mut self, code: &str) -> AssetNumber {
        let found = self.assets.iter().position(|known| known == code);
        let index = found.unwrap_or_else(|| {
            self.assets.push(code.to_owned());
            self.assets.len() - 1
        });
        AssetNumber(u32::try_from(index + 1).unwrap_or(u32::MAX))
    }

    pub(crate) fn transfer<S: Sink>(
        &mut self,
        account: AccountNumber,
        asset: AssetNumber,
        amount: i64,
        sink: &mut S,
    ) -> Outcome {
        if let Some(refusal) = self.transfer_breaks(account, asset, amount) {
            return self.refused(OrderId(0), 0, refusal);
        }
        *self.ledger.issued(asset) += amount;
        let kind = if amount < 0 { PostingKind::Withdrawal } else { PostingKind::Deposit };
        let reference = self.last_sequence.0;
        let change = Change { kind, total: amount, held: 0, reference };
        self.ledger.post(account, asset, change, sink);
        self.numbered(account.0)
    }

    fn transfer_breaks(
        &mut self,
        account: AccountNumber,
        asset: AssetNumber,
        amount: i64,
    ) -> Option<Refusal> {
        let issued = self.ledger.issued(asset).checked_add(amount);
        if issued.is_none_or(|issued| issued > ISSUED_MINOR_MAX) {
            return Some(Refusal::of_asset(asset, Reason::AmountOverflow, [amount, 0, 0]));
        }
        let available = self.ledger.available(account, asset);
        (amount < 0 && available < amount.saturating_neg()).then(|| {
            let values = [amount.saturating_neg(), available, 0];
            Refusal::of_asset(asset, Reason::InsufficientFunds, values)
        })
    }

    pub(crate) fn define_instrument<S: Sink>(
        &mut self,
        spec: &InstrumentSpec,
        sink: &mut S,
    ) -> Outcome {
        let listed = self.instrument_by_symbol(spec.symbol.as_bytes()).map(|spec| spec.number);
        let next = u32::try_from(self.books.len() + 1).unwrap_or(u32::MAX);
        let number = listed.unwrap_or(InstrumentNumber(next));
        let spec = InstrumentSpec { number, ..spec.clone() };
        let phase = spec.phase;
        match self.book_index(number) {
            Some(index) if self.books[index].is_empty() => {
                self.forget_timed_auction(index);
                let book = &mut self.books[index];
                // A price in ticks of another grid would say something else.
                let kept = book.spec.same_grid(&spec).then_some((book.last_trade, book.day));
                let (last_trade, day) = kept.unwrap_or_default();
                *book = Book { last_trade, day, ..Book::new(spec) };
            }
            Some(index) => {
                let before = self.books[index].spec.phase;
                self.replace_rules(index, &spec);
                self.move_limits(index, spec.limit_low, spec.limit_high, sink);
                if phase != before {
                    self.change_phase(index, phase, sink);
                }
            }
            None => self.list_book(Book::new(spec)),
        }
        self.announce_instrument(number, phase, sink);
        self.numbered(number.0)
    }

    pub(crate) fn set_phase<S: Sink>(
        &mut self,
        instrument: InstrumentNumber,
        phase: Phase,
        sink: &mut S,
    ) -> Outcome {
        if let Some(index) = self.book_index(instrument) {
            self.change_phase(index, phase, sink);
            self.announce_instrument(instrument, phase, sink);
        }
        self.numbered(instrument.0)
    }

    pub(crate) fn announce_instrument<S: Sink>(
        &mut self,
        number: InstrumentNumber,
        phase: Phase,
        sink: &mut S,
    ) {
        if let Some(index) = self.book_index(number) {
            self.books[index].sequence = self.last_sequence;
        }
        sink.instrument(number, phase);
    }
}

fn too_many() -> Refusal {
    Refusal::plain(Reason::OutOfRange)
}
