//! How much an account may trade.

use crate::types::AssetNumber;

/// What one account may do at most; 0 stands for no limit.
///
/// Money is counted apart in each currency, in its minor units, so no rate of exchange can change
/// what was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RiskLimits {
    /// Lots of one order.
    pub max_order_lots: u32,
    /// Value of one order.
    pub max_order_notional_minor: i64,
    /// Value of all that was traded on a day (UTC) and may still trade.
    pub max_daily_notional_minor: i64,
    /// Lots of one forward, bought more than sold or the other way round, open orders included.
    pub max_position_lots: i64,
}

impl RiskLimits {
    /// Tells whether no value is negative.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.max_order_notional_minor >= 0
            && self.max_daily_notional_minor >= 0
            && self.max_position_lots >= 0
    }
}

/// The limits of one account, and what it traded on the day since it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) limits: RiskLimits,
    /// Day that the turnover is of, counted from 1970.
    pub(crate) day: u64,
    /// Value traded by currency; few, so a scan beats any index.
    pub(crate) turnover: Vec<(AssetNumber, i64)>,
}

impl Allowance {
    /// Adds a trade to the turnover of its day.
    pub(crate) fn note(&mut self, day: u64, asset: AssetNumber, value: i64) {
        if day != self.day {
            self.day = day;
            self.turnover.clear();
        }
        match self.turnover.iter_mut().find(|(known, _)| *known == asset) {
            Some((_, sum)) => *sum = sum.saturating_add(value),
            None => self.turnover.push((asset, value)),
        }
    }

    /// Returns the turnover of a day.
    pub(crate) fn traded(&self, day: u64, asset: AssetNumber) -> i64 {
        let found = self.turnover.iter().find(|(known, _)| *known == asset);
        found.filter(|_| day == self.day).map_or(0, |(_, sum)| *sum)
    }
}
