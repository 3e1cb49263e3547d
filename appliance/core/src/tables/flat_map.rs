//! What does the snapshot know under this key?
//!
//! An open-addressed map from one word or three to one word, built by the control side, read by
//! workers. At most a quarter full, and small ones nearly empty: which keys need a second probe is
//! what no processor foresees, and a wrong guess costs more than the line of a slot.

use super::hash::{Hasher, Key, is_zero, same};

const SECRET: u64 = 0x9e37_79b9_7f4a_7c15;
const HASHER: Hasher = Hasher::new(SECRET);

/// Slots of the smallest map.
const SLOTS_MIN: usize = 512;

/// What a [`FlatMap`] may be keyed by.
pub trait FlatKey: Copy {
    /// The key that marks free slots, and that no entry may have.
    const FREE: Self;
    /// The key's hash, whose lower bits are good. Endpoints and hosts come from the operator, not
    /// from an adversary: a fixed secret will do. Who keeps what strangers chose puts a secret into
    /// the key's last word.
    fn hash(&self) -> u64;
    /// Whether both are the same key.
    fn is(&self, other: &Self) -> bool;
    /// Whether this is [`Self::FREE`].
    fn is_free(&self) -> bool;
}

impl FlatKey for u64 {
    const FREE: Self = 0;

    /// The upper half of a product: each of its bits depends on every bit of the key.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half")]
    fn hash(&self) -> u64 {
        ((u128::from(*self) * u128::from(SECRET)) >> 64) as u64
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        self == other
    }

    #[inline]
    fn is_free(&self) -> bool {
        *self == 0
    }
}

impl FlatKey for Key {
    const FREE: Self = [0; 3];

    #[inline]
    fn hash(&self) -> u64 {
        HASHER.hash(self)
    }

    #[inline]
    fn is(&self, other: &Self) -> bool {
        same(self, other)
    }

    #[inline]
    fn is_free(&self) -> bool {
        is_zero(self)
    }
}

/// 16 bytes for one word, 32 for three: whole slots to a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Slot<K> {
    key: K,
    value: u64,
}

/// A map that is written once and then only read.
#[derive(Clone, Debug)]
pub struct FlatMap<K> {
    slots: Box<[Slot<K>]>,
    mask: usize,
    length: usize,
}

impl<K: FlatKey> FlatMap<K> {
    /// A map of `entries`; of two entries with the same key the later one counts.
    ///
    /// No key may be [`FlatKey::FREE`]: those entries are left out (debug builds assert).
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (K, u64)>) -> Self {
        let entries: Vec<_> = entries.into_iter().collect();
        let capacity = (entries.len() * 4).next_power_of_two().max(SLOTS_MIN);
        let free = Slot { key: K::FREE, value: 0 };
        let mut map = Self { slots: vec![free; capacity].into(), mask: capacity - 1, length: 0 };
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }

    fn insert(&mut self, key: K, value: u64) {
        debug_assert!(!key.is_free(), "this key marks free slots");
        if key.is_free() {
            return;
        }
        let mask = self.mask;
        let mut at = self.home(&key);
        while !self.slots[at].key.is_free() && !self.slots[at].key.is(&key) {
            at = (at + 1) & mask;
        }
        self.length += usize::from(self.slots[at].key.is_free());
        self.slots[at] = Slot { key, value };
    }

    /// The value under `key`.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &K) -> Option<u64> {
        let mut at = self.home(key);
        loop {
            // Always there: the mask is that of the slots.
            let slot = self.slots.get(at)?;
            if slot.key.is(key) {
                return Some(slot.value);
            }
            if slot.key.is_free() {
                return None;
            }
            at = (at + 1) & self.mask;
        }
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
    #[allow(clippy::cast_possible_truncation, reason = "cut to the table's width")]
    fn home(&self, key: &K) -> usize {
        key.hash() as usize & self.mask
    }
}

impl<K: FlatKey> Default for FlatMap<K> {
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
            entries in prop::collection::vec((0u64..4, 1u64..50, any::<u64>()), 0..200),
        ) {
            let wide = entries.iter().map(|(a, b, value)| ([*a, *b, 9], *value));
            let narrow = entries.iter().map(|(a, b, value)| (a << 32 | b, *value));
            let (wide, narrow) = (FlatMap::build(wide), FlatMap::build(narrow));
            let model: BTreeMap<_, _> =
                entries.into_iter().map(|(a, b, value)| ((a, b), value)).collect();
            prop_assert_eq!((wide.len(), narrow.len()), (model.len(), model.len()));
            for a in 0..4 {
                for b in 1..60 {
                    let expected = model.get(&(a, b)).copied();
                    prop_assert_eq!(wide.get(&[a, b, 9]), expected);
                    prop_assert_eq!(narrow.get(&(a << 32 | b)), expected);
                }
            }
        }
    }
}
