//! Shares among the orders of one price, one lot of thought at a time.

use crate::instrument::InstrumentSpec;
use crate::types::Allocation;

/// Returns the lots of each order.
pub(super) fn shares(
    spec: &InstrumentSpec,
    shown: &[u32],
    top: Option<usize>,
    lots: u32,
) -> Vec<u32> {
    let mut given = vec![0; shown.len()];
    let left = |given: &[u32]| lots - given.iter().sum::<u32>();
    if spec.allocation == Allocation::ProRata
        && let Some(top) = top
    {
        given[top] = shown[top].min(lots);
    }
    if spec.allocation == Allocation::Split {
        let first = (u128::from(lots) * u128::from(spec.fifo_percent) / 100) as u32;
        for index in 0..shown.len() {
            given[index] = shown[index].min(first - given.iter().sum::<u32>());
        }
    }
    let pool = u128::from(left(&given));
    let open: Vec<u128> =
        (0..shown.len()).map(|index| (shown[index] - given[index]).into()).collect();
    let all: u128 = open.iter().sum();
    for (given, open) in given.iter_mut().zip(&open) {
        let share = (open * pool).checked_div(all).unwrap_or(0) as u32;
        if share >= u32::from(spec.share_min_lots) {
            *given += share;
        }
    }
    for index in 0..shown.len() {
        let rest = left(&given);
        given[index] += rest.min(shown[index] - given[index]);
    }
    given
}
