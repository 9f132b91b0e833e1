//! Where records are, found by a piece of their key.
//!
//! Open addressing with linear probing: one line of cache answers most questions. What leaves is
//! filled up from behind, so nothing is left that would make the table grow while the number of
//! records stays: a table in its steady state allocates nothing.
//!
//! Invariant: from a place's home to where it stands no slot is empty.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "indexes are masked by the length, which is a power of two"
)]

/// An odd number whose multiples spread over all 64 bits: 2^64 over the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Where a record is, and enough of its key to grow the table without looking at the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Odd; 0 where there is no place.
    tag: u32,
    position: u32,
}

const EMPTY: Place = Place { tag: 0, position: 0 };

/// A table from tags to positions; a tag may have several.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    slots: Box<[Place]>,
    count: usize,
}

impl Places {
    /// Returns a table with room for that many positions.
    pub(crate) fn with_capacity(count: usize) -> Self {
        let slots = (count * 4 / 3 + 1).next_power_of_two().max(8);
        Self { slots: vec![EMPTY; slots].into(), count: 0 }
    }

    const fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    const fn home(&self, tag: u32) -> usize {
        ((tag as u64).wrapping_mul(SPREAD) >> 32) as usize & self.mask()
    }

    /// Returns what stands where the tag would stand first: reading it brings it into the cache.
    pub(crate) const fn tag_at_home(&self, tag: u32) -> u32 {
        self.slots[self.home(tag | 1)].tag
    }

    /// Returns the position of this tag that `is_it`.
    pub(crate) fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag | 1;
        let mut index = self.home(tag);
        loop {
            let place = self.slots[index];
            if place.tag == 0 {
                return None;
            }
            if place.tag == tag && is_it(place.position) {
                return Some(place.position);
            }
            index = (index + 1) & self.mask();
        }
    }

    /// Adds a position.
    pub(crate) fn insert(&mut self, tag: u32, position: u32) {
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.put(Place { tag: tag | 1, position });
        self.count += 1;
    }

    fn put(&mut self, place: Place) {
        let mut index = self.home(place.tag);
        while self.slots[index].tag != 0 {
            index = (index + 1) & self.mask();
        }
        self.slots[index] = place;
    }

    fn grow(&mut self) {
        let wider = vec![EMPTY; self.slots.len() * 2].into();
        let old = core::mem::replace(&mut self.slots, wider);
        for place in old.iter().filter(|place| place.tag != 0) {
            self.put(*place);
        }
    }

    /// Removes a position, if it is there.
    pub(crate) fn remove(&mut self, tag: u32, position: u32) {
        let wanted = Place { tag: tag | 1, position };
        let mut hole = self.home(wanted.tag);
        while self.slots[hole] != wanted {
            if self.slots[hole].tag == 0 {
                return;
            }
            hole = (hole + 1) & self.mask();
        }
        self.count -= 1;
        let mut index = (hole + 1) & self.mask();
        while self.slots[index].tag != 0 {
            let from_home = index.wrapping_sub(self.home(self.slots[index].tag)) & self.mask();
            if from_home >= index.wrapping_sub(hole) & self.mask() {
                self.slots[hole] = self.slots[index];
                hole = index;
            }
            index = (index + 1) & self.mask();
        }
        self.slots[hole] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use super::Places;

    #[test]
    fn places_agree_with_a_map_through_growth_and_removal() {
        let mut state = 0x1234_5678_u64;
        let mut dice = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let mut places = Places::with_capacity(4);
        let mut map = HashMap::<u32, u32>::new();
        for step in 0..200_000_u32 {
            // Few tags, so that they share homes; the number of positions swings.
            let tag = u32::try_from(dice(64)).unwrap() << 20;
            let position =
                u32::try_from(dice(if step / 20_000 % 2 == 0 { 400 } else { 40 })).unwrap();
            if let Some(&known) = map.get(&position) {
                places.remove(known, position);
                map.remove(&position);
                assert_eq!(places.find(known, |other| other == position), None);
            } else {
                places.insert(tag, position);
                map.insert(position, tag);
            }
            if step % 97 == 0 {
                for (&position, &tag) in &map {
                    assert_eq!(places.find(tag, |other| other == position), Some(position));
                }
                assert_eq!(places.count, map.len());
            }
        }
    }

    #[test]
    fn steady_table_does_not_grow() {
        let mut places = Places::with_capacity(100);
        let slots = places.slots.len();
        for position in 0..100_000_u32 {
            places.insert(position.wrapping_mul(0x9E37_79B9), position);
            if let Some(old) = position.checked_sub(99) {
                places.remove(old.wrapping_mul(0x9E37_79B9), old);
            }
        }
        assert_eq!(places.slots.len(), slots);
    }
}
