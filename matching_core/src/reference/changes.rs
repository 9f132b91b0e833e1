//! Trades taken back, corrected, or agreed outside the book.

use super::{Checked, Open, Reference, money};
use crate::command::NewOrder;
use crate::error::{Reason, Refusal};
use crate::event::{Outcome, Trade};
use crate::instrument::InstrumentSpec;
use crate::risk::RiskLimits;
use crate::trade_change::{BlockTrade, TradeChange};
use crate::types::{
    AccountNumber, AssetNumber, CancelReason, FEE_ACCOUNT, InstrumentKind, NO_SLOT, OrderId,
    OrderStatus, Phase, SelfTradePrevention, Side, Switch, TimeInForce, TradeKind,
};

/// What moves of an account's asset.
type Moves = Vec<(AccountNumber, AssetNumber, i128)>;

/// Returns by how much the totals change, and the deposits.
fn moves(spec: &InstrumentSpec, change: &TradeChange) -> (Moves, Moves) {
    let before = money::value(spec, change.price, change.quantity.0);
    let after = money::value(spec, change.new_price, change.new_quantity.0);
    let lots = i128::from(change.new_quantity.0) - i128::from(change.quantity.0);
    let (mut totals, mut deposits) = (Vec::new(), Vec::new());
    for (side, sign) in [(change.buyer, 1), (change.seller, -1)] {
        let fee = i128::from(change.new_fee(side.fee_minor) - side.fee_minor);
        totals.push((side.account, spec.quote_asset, -fee));
        totals.push((FEE_ACCOUNT, spec.quote_asset, fee));
        if spec.kind == InstrumentKind::Forward {
            let now = i128::from(side.deposit_minor);
            let wanted = money::deposit(spec, change.new_price, change.new_quantity.0);
            let more = if now == 0 { 0 } else { wanted - now };
            deposits.push((side.account, spec.quote_asset, more));
        } else {
            let base = sign * lots * i128::from(spec.lot_size_minor);
            totals.push((side.account, spec.quote_asset, -sign * (after - before)));
            totals.push((side.account, spec.base_asset, base));
        }
    }
    (totals, deposits)
}

fn sum(moves: &Moves, account: AccountNumber, asset: AssetNumber) -> i128 {
    let own = moves.iter().filter(|one| (one.0, one.1) == (account, asset));
    own.map(|one| one.2).sum()
}

impl Reference {
    pub(super) fn change(&mut self, change: &TradeChange) -> Outcome {
        let spec = self.spec(change.instrument).clone();
        let (totals, deposits) = moves(&spec, change);
        let mut needs = Vec::new();
        for side in [change.buyer, change.seller] {
            for asset in [spec.quote_asset, spec.base_asset] {
                let needed =
                    sum(&deposits, side.account, asset) - sum(&totals, side.account, asset);
                needs.push((side.account, asset, needed));
            }
        }
        for &(account, asset, needed) in &needs {
            let deposited = self.deposits.get(&(account, asset)).copied().unwrap_or(0);
            let orders = self.held(account, asset) - deposited;
            let free = self.available(account, asset) + orders;
            if needed > free {
                let reason = if asset == spec.base_asset {
                    Reason::InsufficientInventory
                } else {
                    Reason::InsufficientFunds
                };
                let values = [needed as i64, free as i64, 0];
                let instrument = Some(spec.number);
                let refusal = Refusal { reason, instrument, asset: Some(asset), values };
                return self.refused(OrderId(0), 0, refusal);
            }
        }
        for (account, asset, needed) in needs {
            self.free_up(account, asset, needed);
        }
        for (account, asset, amount) in totals {
            self.pay(account, asset, amount);
        }
        for (account, asset, amount) in deposits {
            *self.deposits.entry((account, asset)).or_default() += amount;
        }
        self.change_lots(&spec, change);
        Outcome { order_id: OrderId(change.trade_id), ..self.outcome(OrderStatus::New) }
    }

    /// Corrects positions and what was traded today.
    fn change_lots(&mut self, spec: &InstrumentSpec, change: &TradeChange) {
        if spec.kind == InstrumentKind::Forward {
            let lots = i64::from(change.new_quantity.0) - i64::from(change.quantity.0);
            *self.positions.entry((change.buyer.account, spec.number)).or_default() += lots;
            *self.positions.entry((change.seller.account, spec.number)).or_default() -= lots;
        }
        let today = self.time.0 / super::DAY_NS;
        if change.traded_at.0 / super::DAY_NS != today {
            return;
        }
        let value = money::value(spec, change.new_price, change.new_quantity.0)
            - money::value(spec, change.price, change.quantity.0);
        for side in [change.buyer, change.seller] {
            let account = &mut self.accounts[side.account.0 as usize];
            if account.limits != RiskLimits::default() {
                *account.traded.entry((today, spec.quote_asset)).or_default() += value;
            }
        }
    }

    /// Cancels orders that hold of the asset, the newest first, until enough is free.
    fn free_up(&mut self, account: AccountNumber, asset: AssetNumber, needed: i128) {
        while self.available(account, asset) < needed {
            let holds = self.open.iter().filter(|open| {
                let spec = self.spec(open.order.instrument);
                open.order.account == account
                    && money::held_asset(spec, open.order.side) == asset
                    && money::hold(spec, open) > 0
            });
            let Some(id) = holds.map(|open| open.id).max() else { break };
            self.cancel(id, CancelReason::Correction);
        }
    }

    pub(super) fn block(&mut self, block: &BlockTrade) -> Outcome {
        if let Err(refusal) = self.check_block(block) {
            return self.refused(OrderId(0), 0, refusal);
        }
        let spec = self.spec(block.instrument).clone();
        let (price, lots) = (block.price, block.quantity.0);
        let fee = money::block_fee(&spec, price, lots);
        self.trades += 1;
        self.exchange(spec.number, [(block.buyer, price), (block.seller, price)], price, lots);
        for account in [block.buyer, block.seller] {
            self.charge(account, spec.number, fee);
        }
        let deposit = money::kept(&spec, price, lots) as i64;
        self.last_trades.push(Trade {
            trade_id: self.trades,
            instrument: spec.number,
            price,
            quantity: block.quantity,
            kind: TradeKind::Block,
            aggressor: Side::Buy,
            maker_order: OrderId(0),
            maker_account: block.seller,
            maker_fee_minor: fee as i64,
            maker_deposit_minor: deposit,
            taker_order: OrderId(0),
            taker_account: block.buyer,
            taker_fee_minor: fee as i64,
            taker_deposit_minor: deposit,
        });
        Outcome { order_id: OrderId(self.trades), ..self.outcome(OrderStatus::New) }
    }

    fn check_block(&self, block: &BlockTrade) -> Checked<()> {
        let spec = self.spec(block.instrument);
        let about = |reason, values| Err(Refusal::about(spec.number, reason, values));
        match spec.phase {
            Phase::Halted => return about(Reason::MarketHalted, [0; 3]),
            Phase::Open | Phase::PreOpen | Phase::Auction => {}
            phase => return about(Reason::InstrumentNotTrading, [phase.number().into(), 0, 0]),
        }
        let (price, low, high) = (block.price.0, spec.limit_low.0, spec.limit_high.0);
        if price < low || price > high {
            return about(Reason::PriceLimit, [price, low, high]);
        }
        let owner = |account: AccountNumber| self.accounts[account.0 as usize].owner;
        if owner(block.buyer) == owner(block.seller) {
            return about(Reason::SelfTradePrevented, [0; 3]);
        }
        for (account, side) in [(block.buyer, Side::Buy), (block.seller, Side::Sell)] {
            let switches = &self.accounts[account.0 as usize].switches;
            if switches.contains(&Switch::Restricted.number()) {
                return about(Reason::AccountRestricted, [0; 3]);
            }
            if switches.contains(&Switch::Killed.number()) {
                return about(Reason::KillSwitchActive, [0; 3]);
            }
            let order = NewOrder {
                account,
                instrument: block.instrument,
                side,
                time_in_force: TimeInForce::Ioc,
                price: block.price,
                quantity: block.quantity,
                ..NewOrder::BLANK
            };
            let open = Open {
                order,
                id: OrderId::new(self.number, NO_SLOT),
                owner: owner(account),
                mode: SelfTradePrevention::None,
                priority: 0,
                create_time: self.time,
                version: 1,
                filled: 0,
                remaining: block.quantity.0,
                shown: block.quantity.0,
                waits_since: None,
                taken_ticks: 0,
                made_ticks: 0,
                fees: [0; 2],
            };
            self.check_limits(&open)?;
            self.check_funds(&open, 0)?;
        }
        Ok(())
    }
}
