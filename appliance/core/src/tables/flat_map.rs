//! What does the snapshot know under this key?
//!
//! An open-addressed map from [`Key`] to a 32-bit value, built by the control side, read by
//! workers. At most half full, so that a look-up ends after one probe nearly always.

use super::hash::{Hasher, Key, is_zero, same};
use super::prefetch::prefetch;

/// Slots are 32 bytes, two to a cache line. A key of zeroes marks a free slot.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(32))]
struct Slot {
    key: Key,
    value: u32,
}

/// A map that is written once and then only read.
#[derive(Clone, Debug)]
pub struct FlatMap {
    slots: Box<[Slot]>,
    shift: u32,
    hasher: Hasher,
    length: usize,
}

impl FlatMap {
    /// A map of `entries`; of two entries with the same key the later one counts.
    ///
    /// No key may be all zeroes: those entries are left out (debug builds assert).
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (Key, u32)>) -> Self {
        let entries: Vec<_> = entries.into_iter().collect();
        let capacity = (entries.len() * 2).next_power_of_two().max(2);
        let mut map = Self {
            slots: vec![Slot::default(); capacity].into(),
            shift: 64 - capacity.trailing_zeros(),
            // Endpoints come from the operator, not from an adversary: a fixed secret will do.
            hasher: Hasher::new(0x7765_6972),
            length: 0,
        };
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }

    fn insert(&mut self, key: Key, value: u32) {
        debug_assert_ne!(key, Key::default(), "the zero key marks free slots");
        let mask = self.slots.len() - 1;
        let mut at = self.home(&key);
        while self.slots[at].key != Key::default() && self.slots[at].key != key {
            at = (at + 1) & mask;
        }
        self.length += usize::from(self.slots[at].key != key);
        self.slots[at] = Slot { key, value };
    }

    /// The value under `key`.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &Key) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.home(key);
        loop {
            let slot = &self.slots[at & mask];
            if same(&slot.key, key) {
                return Some(slot.value);
            }
            if is_zero(&slot.key) {
                return None;
            }
            at += 1;
        }
    }

    /// Asks for the cache line that a look-up of `key` reads first.
    #[inline]
    pub fn prefetch(&self, key: &Key) {
        prefetch(&self.slots[self.home(key)]);
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no keys.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "shifted to the table's width")]
    fn home(&self, key: &Key) -> usize {
        (self.hasher.hash(key) >> self.shift) as usize & (self.slots.len() - 1)
    }
}

impl Default for FlatMap {
    fn default() -> Self {
        Self::build([])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_like_an_ordered_map(
            entries in prop::collection::vec((0u64..4, 1u64..50, any::<u32>()), 0..200),
        ) {
            let entries: Vec<_> =
                entries.into_iter().map(|(a, b, value)| ([a, b, 9], value)).collect();
            let map = FlatMap::build(entries.clone());
            let model: BTreeMap<_, _> = entries.into_iter().collect();
            prop_assert_eq!(map.len(), model.len());
            for a in 0..4 {
                for b in 1..60 {
                    prop_assert_eq!(map.get(&[a, b, 9]), model.get(&[a, b, 9]).copied());
                }
            }
        }
    }
}
