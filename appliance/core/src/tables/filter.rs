//! Can this word be one of a few?
//!
//! A Bloom filter (Bloom 1970) with one hash function: one bit per word, 32 places for each. It
//! never misses a word that it was built of, and takes about one other in thirty for one.

use super::hash::mix;

/// Places for each word.
const SPARSITY: usize = 32;
/// Keeps neighbouring words apart; the filter is no defence, so that anybody may know it.
const SECRET: u64 = 0x9e37_79b9_7f4a_7c15;

/// A set of words that errs to one side.
#[derive(Clone, Debug)]
pub struct Filter {
    bits: Box<[u64]>,
    shift: u32,
}

impl Filter {
    /// The filter of these words.
    #[must_use]
    pub fn build(words: impl IntoIterator<Item = u64>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        let places = (words.len() * SPARSITY).next_power_of_two().max(64);
        let mut filter =
            Self { bits: vec![0; places / 64].into(), shift: 64 - places.trailing_zeros() };
        for word in words {
            let place = filter.place(word);
            filter.bits[place / 64] |= 1 << (place % 64);
        }
        filter
    }

    /// Whether the filter may have been built of `word`: 1 or 0, to be reckoned with instead of
    /// branched on.
    #[must_use]
    #[inline]
    pub fn may_contain(&self, word: u64) -> u32 {
        let place = self.place(word);
        let bits = self.bits.get(place / 64).copied().unwrap_or(u64::MAX);
        u32::from(bits >> (place % 64) & 1 == 1)
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "shifted to the filter's width")]
    fn place(&self, word: u64) -> usize {
        (mix(word, SECRET) >> self.shift) as usize
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::build([])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_word_that_is_there_is_missed(words in prop::collection::vec(any::<u64>(), 0..300)) {
            let filter = Filter::build(words.iter().copied());
            prop_assert!(words.into_iter().all(|word| filter.may_contain(word) == 1));
        }
    }

    #[test]
    fn few_words_are_taken_for_others() {
        let filter = Filter::build((0..1000).map(|word| 0xffff_cb00_7100 + word));
        let mistaken: u32 =
            (0..100_000).map(|word| filter.may_contain(0xffff_0a00_0000 + word)).sum();
        assert!(mistaken < 5_000, "{mistaken} of 100000");
    }
}
