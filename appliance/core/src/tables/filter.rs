//! Can this word be one of a few?
//!
//! A Bloom filter (Bloom 1970) with one hash function, of one size, so that asking it is a
//! multiplication and a bit. It never misses a word that it was built of, and takes others for one
//! as often as places are taken: 1,000 words take one place in 65.

/// Words of bits.
const WORDS: usize = 1024;
/// Keeps neighbouring words apart; the filter is no defence, so that anybody may know it.
const SECRET: u64 = 0x9e37_79b9_7f4a_7c15;

/// A set of words that errs to one side, in 8 KiB.
#[derive(Clone, Debug)]
pub struct Filter {
    bits: Box<[u64; WORDS]>,
}

impl Filter {
    /// The filter of these words.
    #[must_use]
    pub fn build(words: impl IntoIterator<Item = u64>) -> Self {
        let mut bits = Box::new([0; WORDS]);
        for word in words {
            let place = place(word);
            bits[place / 64] |= 1 << (place % 64);
        }
        Self { bits }
    }

    /// Whether the filter may have been built of `word`: 1 or 0, to be reckoned with instead of
    /// branched on.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "one bit")]
    pub fn may_contain(&self, word: u64) -> u32 {
        let place = place(word);
        (self.bits[place / 64] >> (place % 64)) as u32 & 1
    }
}

/// A multiplicative hash of 16 bits.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "16 bits")]
const fn place(word: u64) -> usize {
    const _: () = assert!(WORDS * 64 == 1 << 16);
    (word.wrapping_mul(SECRET) >> 48) as usize
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
        let filter = Filter::build((0..1000).map(|word| 0xcb00_7100 + word));
        let mistaken: u32 = (0..100_000).map(|word| filter.may_contain(0x0a00_0000 + word)).sum();
        assert!(mistaken < 3_000, "{mistaken} of 100000");
    }
}
