//! Which of a fixed number of things are set?

/// A fixed number of bits, all clear at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Box<[u64]>,
    length: usize,
}

impl Bitmap {
    /// A bitmap of `length` bits.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { words: vec![0; length.div_ceil(64)].into(), length }
    }

    /// How many bits there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bits at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether bit `index` is set; `false` past the end.
    #[must_use]
    #[inline]
    pub fn contains(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Sets or clears bit `index`. Past the end nothing happens.
    pub fn set(&mut self, index: usize, value: bool) {
        if index >= self.length {
            return;
        }
        let bit = 1 << (index % 64);
        if value {
            self.words[index / 64] |= bit;
        } else {
            self.words[index / 64] &= !bit;
        }
    }

    /// How many bits are set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_alone_and_the_end_is_the_end() {
        let mut bitmap = Bitmap::new(65);
        bitmap.set(64, true);
        bitmap.set(65, true);
        assert_eq!((0..70).filter(|index| bitmap.contains(*index)).collect::<Vec<_>>(), [64]);
        assert_eq!(bitmap.count(), 1);
        bitmap.set(64, false);
        assert_eq!(bitmap.count(), 0);
    }
}
