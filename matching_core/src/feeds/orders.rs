//! Execution reports: per account a log, so that an owner misses nothing of its orders.

use std::collections::VecDeque;

use super::market::Taken;
use crate::engine::Engine;
use crate::event::{OrderEvent, OrderState, Trade};
use crate::types::{AccountNumber, Sequence, TimestampNs};
use crate::wire::put;
use crate::wire::replies::{self, Change};

/// Reports kept over all accounts; the oldest go first. About 100 MB.
const REPORTS_MAX: usize = 1 << 18;

#[derive(Clone, Copy, Debug)]
struct Report {
    sequence: u64,
    time_ns: u64,
    event: OrderEvent,
    state: OrderState,
    trade: Option<Trade>,
}

#[derive(Debug, Default)]
struct AccountFeed {
    reports: VecDeque<Report>,
    /// Reports that left the log.
    gone: u64,
    /// Sequence of the newest report that left, or that came before the log began.
    gone_sequence: u64,
}

/// All accounts' logs.
#[derive(Debug)]
pub struct OrderFeeds {
    accounts: Vec<AccountFeed>,
    /// Whose report is the oldest, the second oldest, and so on, and its sequence.
    ages: VecDeque<(AccountNumber, u64)>,
}

/// One watcher's place in its account's log.
#[derive(Debug)]
pub struct OrderCursor {
    account: AccountNumber,
    next: u64,
    seen: u64,
}

impl OrderFeeds {
    pub(crate) fn new(engine: &Engine) -> Self {
        let start = |view: crate::engine::AccountView| AccountFeed {
            gone_sequence: engine.account_sequence(view.number).0,
            ..AccountFeed::default()
        };
        let accounts = engine.accounts().map(start).collect();
        Self { accounts, ages: VecDeque::with_capacity(REPORTS_MAX) }
    }

    pub(crate) fn push(
        &mut self,
        sequence: Sequence,
        time: TimestampNs,
        event: OrderEvent,
        state: &OrderState,
        trade: Option<&Trade>,
    ) {
        if self.ages.len() >= REPORTS_MAX
            && let Some((account, sequence)) = self.ages.pop_front()
            && let Some(feed) = self.accounts.get_mut(account.0 as usize)
        {
            feed.forget(sequence);
        }
        let index = state.account.0 as usize;
        while self.accounts.len() <= index {
            self.accounts.push(AccountFeed::default());
        }
        if let Some(feed) = self.accounts.get_mut(index) {
            feed.reports.push_back(Report {
                sequence: sequence.0,
                time_ns: time.0,
                event,
                state: *state,
                trade: trade.copied(),
            });
            self.ages.push_back((state.account, sequence.0));
        }
    }

    /// Returns the place of a watcher who wants what happens from `from_sequence` on, with 0 what
    /// happens next.
    ///
    /// # Errors
    /// The oldest sequence that can be had, when that is later than what is wanted.
    pub fn watch(&self, account: AccountNumber, from_sequence: u64) -> Result<OrderCursor, u64> {
        let empty = AccountFeed::default();
        let feed = self.accounts.get(account.0 as usize).unwrap_or(&empty);
        let newest = feed.reports.back().map_or(feed.gone_sequence, |report| report.sequence);
        if from_sequence == 0 {
            let next = feed.gone.saturating_add(feed.reports.len() as u64);
            return Ok(OrderCursor { account, next, seen: newest });
        }
        if from_sequence <= feed.gone_sequence {
            return Err(feed.gone_sequence.saturating_add(1));
        }
        let skip = feed.reports.partition_point(|report| report.sequence < from_sequence);
        let seen = skip.checked_sub(1).and_then(|last| feed.reports.get(last));
        let seen = seen.map_or(feed.gone_sequence, |report| report.sequence);
        Ok(OrderCursor { account, next: feed.gone.saturating_add(skip as u64), seen })
    }

    /// Moves a watcher on by at most about `bytes_max` bytes.
    pub fn take(&self, cursor: &mut OrderCursor, engine: &Engine, bytes_max: usize) -> Taken {
        let mut taken = Taken::default();
        let Some(feed) = self.accounts.get(cursor.account.0 as usize) else { return taken };
        let Some(skip) = cursor.next.checked_sub(feed.gone) else {
            taken.lost = true;
            return taken;
        };
        let mut reports = feed.reports.iter().skip(usize::try_from(skip).unwrap_or(0)).peekable();
        while let Some(first) = reports.peek() {
            if taken.bytes.len() >= bytes_max {
                taken.more = true;
                break;
            }
            let (sequence, time_ns) = (first.sequence, first.time_ns);
            put::message(&mut taken.bytes, 1, |out| {
                put::uint(out, 1, sequence);
                put::uint(out, 2, cursor.seen);
                put::timestamp(out, 3, time_ns);
                while let Some(report) = reports.next_if(|report| report.sequence == sequence) {
                    put::message(out, 4, |out| write(out, report, engine));
                    cursor.next = cursor.next.saturating_add(1);
                }
            });
            cursor.seen = sequence;
            taken.sequence = sequence;
        }
        taken
    }
}

impl AccountFeed {
    /// Lets the oldest report go, which has this sequence, without a look at it: it left the
    /// processor's cache long ago.
    fn forget(&mut self, sequence: u64) {
        self.reports.drain(..1);
        self.gone = self.gone.saturating_add(1);
        self.gone_sequence = sequence;
    }
}

fn write(out: &mut Vec<u8>, report: &Report, engine: &Engine) {
    let change = Change { sequence: report.sequence, time_ns: report.time_ns };
    put::uint(out, 1, report.event as u64);
    replies::order(out, 2, &report.state, change, engine);
    if let Some(trade) = &report.trade {
        let is_maker = trade.maker_order == report.state.order_id;
        replies::trade(out, 3, trade, report.state.account, is_maker, change, engine);
    }
}
