//! Sharing lots among the orders of one price otherwise than by time alone.
//!
//! Source: the allocation algorithms of CME Globex: A (TOP, pro-rata with a minimum, FIFO) and K
//! (split FIFO and pro-rata with FIFO leveling); the percentages are the instrument's.

use crate::engine::Engine;
use crate::engine::funds::Terms;
use crate::engine::matching::Incoming;
use crate::event::Sink;
use crate::instrument::InstrumentSpec;
use crate::types::{Allocation, PriceTicks};

/// Returns the lots of each order, in the order of their times; they add up to `quantity`, which
/// is at most the sum of `lots`.
///
/// `top` is the order that bettered the market: by [`Allocation::ProRata`] it is served first.
pub(crate) fn allocate(
    spec: &InstrumentSpec,
    lots: &[u32],
    top: Option<usize>,
    quantity: u32,
) -> Vec<u32> {
    let mut shares = vec![0; lots.len()];
    let mut left = quantity;
    let mut give = |index: usize, most: u32, left: &mut u32| {
        let share = most.min(*left).min(lots[index] - shares[index]);
        shares[index] += share;
        *left -= share;
    };
    match (spec.allocation, top) {
        (Allocation::ProRata, Some(top)) => give(top, u32::MAX, &mut left),
        (Allocation::Split, _) => {
            let first = u64::from(quantity) * u64::from(spec.fifo_percent) / 100;
            let mut first = u32::try_from(first).unwrap_or(u32::MAX);
            let rest = left - first;
            for index in 0..lots.len() {
                give(index, u32::MAX, &mut first);
            }
            left = rest + first;
        }
        _ => {}
    }
    let open: Vec<u32> = lots.iter().zip(&shares).map(|(lots, share)| lots - share).collect();
    let total: u64 = open.iter().copied().map(u64::from).sum();
    let pool = left;
    for (index, &open) in open.iter().enumerate() {
        let share = (u64::from(open) * u64::from(pool)).checked_div(total).unwrap_or(0);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        if share >= u32::from(spec.share_min_lots) {
            let given = share.min(left);
            shares[index] += given;
            left -= given;
        }
    }
    for (share, &lots) in shares.iter_mut().zip(lots) {
        let given = left.min(lots - *share);
        *share += given;
        left -= given;
    }
    shares
}

impl Engine {
    /// Trades with all orders of a level at once, each for its share.
    pub(crate) fn share_level<S: Sink>(
        &mut self,
        incoming: &mut Incoming,
        level: u32,
        price: PriceTicks,
        terms: &Terms,
        sink: &mut S,
    ) {
        let side = incoming.side.opposite();
        let head = self.books[incoming.book].side(side).head(level);
        let slots: Vec<u32> = self.level_slots(head).collect();
        if incoming.avoids_own() {
            for &slot in &slots {
                if self.slab.hot[slot as usize].owner == incoming.owner.0 && !incoming.is_done() {
                    self.keep_apart(incoming, slot, terms, sink);
                }
            }
            if incoming.is_done() {
                return;
            }
        }
        let book = &self.books[incoming.book];
        let slots: Vec<u32> = self.level_slots(book.side(side).head(level)).collect();
        let lots: Vec<u32> =
            slots.iter().map(|&slot| self.slab.hot[slot as usize].remaining).collect();
        let top = book.top[usize::from(side.number() - 1)];
        let is_top = |&slot: &u32| self.slab.hot[slot as usize].number == top;
        let top = slots.iter().position(is_top);
        let total: u64 = lots.iter().copied().map(u64::from).sum();
        let quantity = u32::try_from(total).unwrap_or(u32::MAX).min(incoming.remaining);
        let shares = allocate(&book.spec, &lots, top, quantity);
        for (&slot, &share) in slots.iter().zip(&shares) {
            if share > 0 && !incoming.is_done() {
                self.fill(incoming, slot, price, share, terms, sink);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{
        AssetNumber, InstrumentKind, InstrumentNumber, Phase, PriceTicks, QuantityLots,
    };

    fn spec(allocation: Allocation, fifo_percent: u8) -> InstrumentSpec {
        InstrumentSpec {
            number: InstrumentNumber(1),
            symbol: "S".to_owned(),
            kind: InstrumentKind::Spot,
            base_asset: AssetNumber(1),
            quote_asset: AssetNumber(2),
            tick_size_micro: 1,
            tick_value_minor: 1,
            lot_size_minor: 1,
            min_lots: QuantityLots(1),
            max_lots: QuantityLots(1_000),
            price_min: PriceTicks(1),
            price_max: PriceTicks(100),
            limit_low: PriceTicks(1),
            limit_high: PriceTicks(100),
            protection_ticks: 1,
            max_notional_minor: 0,
            maker_fee_centi_bps: 0,
            taker_fee_centi_bps: 0,
            deposit_bps: 0,
            band_ticks: 0,
            volatility_auction_ns: 0,
            allocation,
            fifo_percent,
            share_min_lots: 2,
            position_limit_lots: 0,
            phase: Phase::Open,
        }
    }

    /// TRD-047.
    #[test]
    fn test_split_shares_as_published() {
        // Rest A10 B100 C40, incoming 60, 40 % FIFO: A10 B39 C11.
        assert_eq!(allocate(&spec(Allocation::Split, 40), &[10, 100, 40], None, 60), [10, 39, 11]);
        assert_eq!(allocate(&spec(Allocation::Split, 100), &[10, 100, 40], None, 60), [10, 50, 0]);
    }

    #[test]
    fn test_pro_rata_shares_as_published() {
        // CME's notice of 2005: 60 into TOP 10, then 5, 20, 50, 75.
        let shares = allocate(&spec(Allocation::ProRata, 0), &[10, 5, 20, 50, 75], Some(0), 60);
        assert_eq!(shares, [10, 3, 6, 16, 25]);
    }

    #[test]
    fn test_shares_add_up() {
        let mut state = 7_u64;
        let mut dice = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from((state >> 33) % below).unwrap_or(0)
        };
        for _ in 0..20_000 {
            let count = 1 + dice(8) as usize;
            let lots: Vec<u32> = (0..count).map(|_| 1 + dice(200)).collect();
            let total: u32 = lots.iter().sum();
            let quantity = 1 + dice(u64::from(total));
            let quantity = quantity.min(total);
            let kind = if dice(2) == 0 { Allocation::ProRata } else { Allocation::Split };
            let top = (dice(2) == 0).then(|| dice(count as u64) as usize);
            let percent = u8::try_from(dice(101)).unwrap_or(0);
            let shares = allocate(&spec(kind, percent), &lots, top, quantity);
            assert_eq!(shares.iter().sum::<u32>(), quantity, "{lots:?} {quantity}");
            assert!(shares.iter().zip(&lots).all(|(share, lots)| share <= lots));
        }
    }
}
