//! A set of small integers that finds its next member either way in a few instructions.
//!
//! Three levels of 64-bit words: a bit above says that the word below it is not empty. Invariant:
//! a bit of `middle` and `top` is set exactly when the word under it is not zero.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "positions are below the capacity given to `new`, bits below 64"
)]

/// Most members a set can have: 64 x 64 x 64 x 4.
pub(crate) const CAPACITY_MAX: usize = 1 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Bitmap {
    leaves: Vec<u64>,
    middle: Vec<u64>,
    top: [u64; 4],
}

const fn above(word: u64, bit: u32) -> u64 {
    word & !(u64::MAX >> (63 - bit))
}

const fn below(word: u64, bit: u32) -> u64 {
    word & !(u64::MAX << bit)
}

const fn split(position: u32) -> (usize, u32) {
    ((position >> 6) as usize, position & 63)
}

fn join(word: usize, bit: u32) -> u32 {
    u32::try_from(word).map_or(u32::MAX, |word| (word << 6) | bit)
}

const fn lowest(word: u64) -> u32 {
    word.trailing_zeros()
}

const fn highest(word: u64) -> u32 {
    63_u32.saturating_sub(word.leading_zeros())
}

impl Bitmap {
    /// Returns an empty set of members below `capacity`, at most [`CAPACITY_MAX`].
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, CAPACITY_MAX);
        let leaves = capacity.div_ceil(64);
        Self { leaves: vec![0; leaves], middle: vec![0; leaves.div_ceil(64)], top: [0; 4] }
    }

    pub(crate) fn insert(&mut self, position: u32) {
        let (leaf, bit) = split(position);
        self.leaves[leaf] |= 1 << bit;
        let (middle, bit) = split(position >> 6);
        self.middle[middle] |= 1 << bit;
        let (top, bit) = split(position >> 12);
        self.top[top] |= 1 << bit;
    }

    pub(crate) fn remove(&mut self, position: u32) {
        let (leaf, bit) = split(position);
        self.leaves[leaf] &= !(1 << bit);
        if self.leaves[leaf] != 0 {
            return;
        }
        let (middle, bit) = split(position >> 6);
        self.middle[middle] &= !(1 << bit);
        if self.middle[middle] != 0 {
            return;
        }
        let (top, bit) = split(position >> 12);
        self.top[top] &= !(1 << bit);
    }

    /// Tells whether `position` is a member.
    pub(crate) fn contains(&self, position: u32) -> bool {
        let (leaf, bit) = split(position);
        self.leaves[leaf] & (1 << bit) != 0
    }

    /// Returns the smallest member.
    pub(crate) fn first(&self) -> Option<u32> {
        let top = self.top.iter().position(|&word| word != 0)?;
        Some(self.lowest_under(join(top, lowest(self.top[top]))))
    }

    /// Returns the largest member.
    pub(crate) fn last(&self) -> Option<u32> {
        let top = self.top.iter().rposition(|&word| word != 0)?;
        Some(self.highest_under(join(top, highest(self.top[top]))))
    }

    fn lowest_under(&self, middle: u32) -> u32 {
        let leaf = join(middle as usize, lowest(self.middle[middle as usize]));
        join(leaf as usize, lowest(self.leaves[leaf as usize]))
    }

    fn highest_under(&self, middle: u32) -> u32 {
        let leaf = join(middle as usize, highest(self.middle[middle as usize]));
        join(leaf as usize, highest(self.leaves[leaf as usize]))
    }

    /// Returns the smallest member above `position`.
    pub(crate) fn next_above(&self, position: u32) -> Option<u32> {
        let (leaf, bit) = split(position);
        let rest = above(self.leaves[leaf], bit);
        if rest != 0 {
            return Some(join(leaf, lowest(rest)));
        }
        let (middle, bit) = split(position >> 6);
        let rest = above(self.middle[middle], bit);
        if rest != 0 {
            let leaf = join(middle, lowest(rest));
            return Some(join(leaf as usize, lowest(self.leaves[leaf as usize])));
        }
        let (top, bit) = split(position >> 12);
        let rest = above(self.top[top], bit);
        if rest != 0 {
            return Some(self.lowest_under(join(top, lowest(rest))));
        }
        let next = (top.saturating_add(1)..4).find(|&word| self.top[word] != 0)?;
        Some(self.lowest_under(join(next, lowest(self.top[next]))))
    }

    /// Returns the largest member below `position`.
    pub(crate) fn next_below(&self, position: u32) -> Option<u32> {
        let (leaf, bit) = split(position);
        let rest = below(self.leaves[leaf], bit);
        if rest != 0 {
            return Some(join(leaf, highest(rest)));
        }
        let (middle, bit) = split(position >> 6);
        let rest = below(self.middle[middle], bit);
        if rest != 0 {
            let leaf = join(middle, highest(rest));
            return Some(join(leaf as usize, highest(self.leaves[leaf as usize])));
        }
        let (top, bit) = split(position >> 12);
        let rest = below(self.top[top], bit);
        if rest != 0 {
            return Some(self.highest_under(join(top, highest(rest))));
        }
        let next = (0..top).rfind(|&word| self.top[word] != 0)?;
        Some(self.highest_under(join(next, highest(self.top[next]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn test_bitmap_agrees_with_a_tree(
            steps in prop::collection::vec((any::<bool>(), 0_u32..(1 << 20)), 1..300),
            probes in prop::collection::vec(0_u32..(1 << 20), 20),
        ) {
            let mut bitmap = Bitmap::new(CAPACITY_MAX);
            let mut tree = BTreeSet::new();
            for (insert, position) in steps {
                if insert {
                    bitmap.insert(position);
                    tree.insert(position);
                } else {
                    let present = tree.range(position..).next().copied();
                    if let Some(present) = present {
                        bitmap.remove(present);
                        tree.remove(&present);
                    }
                }
                prop_assert_eq!(bitmap.first(), tree.first().copied());
                prop_assert_eq!(bitmap.last(), tree.last().copied());
            }
            for probe in probes.into_iter().chain([0, 63, 64, 4095, 4096, (1 << 20) - 1]) {
                let above = tree.range(probe.saturating_add(1)..).next().copied();
                prop_assert_eq!(bitmap.next_above(probe), above);
                prop_assert_eq!(bitmap.next_below(probe), tree.range(..probe).next_back().copied());
            }
        }
    }
}
