//! Which packets of a batch are meant?

use std::ops::{BitAnd, BitOr, Sub};

use crate::limits::BATCH;

const _: () = assert!(BATCH == u32::BITS as usize, "a place is a bit");

/// A set of places in a batch. Walking through it goes from the front, so that what is done one by
/// one is done in the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(u32);

impl Places {
    /// The first `count` places.
    pub(super) const fn first(count: usize) -> Self {
        if count >= BATCH { Self(u32::MAX) } else { Self((1 << count) - 1) }
    }

    /// Whether no place is meant.
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `place`.
    #[inline]
    pub(super) const fn add(&mut self, place: usize) {
        self.0 |= 1 << (place % BATCH);
    }

    /// Adds `place` if `bit` is 1, nothing if it is 0: without a branch, for what no processor
    /// could foresee.
    #[inline]
    pub(super) const fn add_if(&mut self, place: usize, bit: u32) {
        self.0 |= bit << (place % BATCH);
    }

    /// Whether `place` is in the set.
    #[inline]
    pub(super) const fn contains(self, place: usize) -> bool {
        self.0 >> (place % BATCH) & 1 == 1
    }
}

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let left = std::num::NonZeroU32::new(self.0)?;
        self.0 &= self.0 - 1;
        // Below 32 whatever the set: indexing by it needs no check.
        Some(left.trailing_zeros() as usize)
    }
}

impl BitOr for Places {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Places {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Places {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_walked_through_from_the_front() {
        let mut places = Places::default();
        for place in [31, 0, 7, 8] {
            places.add(place);
        }
        places.add_if(9, 0);
        places.add_if(10, 1);
        assert_eq!(places.collect::<Vec<_>>(), [0, 7, 8, 10, 31]);
        assert_eq!((places - Places::first(8)).collect::<Vec<_>>(), [8, 10, 31]);
        assert_eq!(Places::first(32).count(), 32);
        assert_eq!(Places::first(0), Places::default());
    }
}
