//! Checks of the ledger while it is in use: double entry, and what stands behind each hold.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "sums of amounts below 2^62 are taken in 128 bits; slots come from the slab"
)]

use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::types::{
    AccountNumber, AssetNumber, FEE_ACCOUNT, InstrumentNumber, OrderId, TimestampNs,
};

/// What the ledger says of one asset, and what it ought to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetAudit {
    /// What came in from outside and did not leave.
    pub issued: i128,
    /// Sum of the totals of all accounts; equals `issued`.
    pub total: i128,
    /// Sum of what is set aside of all accounts.
    pub held: i128,
    /// Sum of what open orders and positions account for; equals `held`.
    pub explained: i128,
    /// Accounts but the exchange's own that break `total >= held >= 0`, or whose held amount is
    /// not that of their orders and positions.
    pub wrong_accounts: u64,
}

impl AssetAudit {
    /// Tells whether the ledger is right about the asset.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.issued == self.total && self.held == self.explained && self.wrong_accounts == 0
    }
}

/// What is set aside of an account's balance, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// Order; 0 for the deposit of a position.
    pub order_id: OrderId,
    /// Instrument.
    pub instrument: InstrumentNumber,
    /// Asset that is set aside.
    pub asset: AssetNumber,
    /// Amount, in minor units of the asset.
    pub held_minor: i64,
    /// Currency of the instrument.
    pub quote_asset: AssetNumber,
    /// What the order may still trade for, in minor units of the currency.
    pub value_minor: i64,
    /// When the order was accepted; 0 for a position.
    pub create_time: TimestampNs,
}

impl Engine {
    /// Returns what is set aside of an account's balances: for orders, the oldest first, then for
    /// positions.
    pub fn holds(&self, account: AccountNumber) -> impl Iterator<Item = HoldView> {
        let orders = self.account_slots(account).map(|slot| {
            let cold = &self.slab.cold[slot as usize];
            let hot = self.slab.hot[slot as usize];
            let terms = Terms::of(&self.books[hot.book()].spec);
            HoldView {
                order_id: self.slab.order_id(slot),
                instrument: terms.instrument,
                asset: terms.held_asset(hot.side()),
                held_minor: cold.held_minor,
                quote_asset: terms.quote,
                value_minor: terms.value(cold.price, self.slab.open_lots(slot)),
                create_time: cold.create_time,
            }
        });
        let positions = self.positions(account).filter(|found| found.deposit_minor != 0);
        let deposits = positions.filter_map(|position| {
            let spec = self.instrument(position.instrument)?;
            Some(HoldView {
                order_id: OrderId(0),
                instrument: spec.number,
                asset: spec.quote_asset,
                held_minor: position.deposit_minor,
                quote_asset: spec.quote_asset,
                value_minor: 0,
                create_time: TimestampNs(0),
            })
        });
        orders.chain(deposits)
    }

    /// Returns what the ledger says of each asset, by number from 1.
    #[must_use]
    pub fn audit(&self) -> Vec<AssetAudit> {
        let mut audits = vec![AssetAudit::default(); self.assets.len() + 1];
        for (audit, &issued) in audits.iter_mut().zip(&self.ledger.issued) {
            audit.issued = issued.into();
        }
        let mut explained = vec![0_i128; audits.len()];
        for (number, account) in (0..).zip(&self.ledger.accounts) {
            let number = AccountNumber(number);
            for hold in self.holds(number) {
                explained[hold.asset.0 as usize] += i128::from(hold.held_minor);
            }
            for balance in &account.balances {
                let index = balance.asset.0 as usize;
                let audit = &mut audits[index];
                audit.total += i128::from(balance.total);
                audit.held += i128::from(balance.held);
                audit.explained += explained[index];
                let is_sound =
                    balance.total >= balance.held && balance.held >= 0 || number == FEE_ACCOUNT;
                if !is_sound || explained[index] != i128::from(balance.held) {
                    audit.wrong_accounts += 1;
                }
                explained[index] = 0;
            }
            // What is held of an asset that the account has no balance of.
            for (audit, rest) in audits.iter_mut().zip(&mut explained) {
                if *rest != 0 {
                    audit.explained += *rest;
                    audit.wrong_accounts += 1;
                    *rest = 0;
                }
            }
        }
        audits.remove(0);
        audits
    }
}
