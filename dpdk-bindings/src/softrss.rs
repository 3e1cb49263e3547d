//! Which hash does DPDK itself give a flow, in software?
//!
//! What NICs and the owner function compute is held against it by tests.
//!
//! Not here: a hash for the data path; this one walks the input bit by bit.

use crate::raw;

/// Words of input at most: two IPv6 addresses and two ports have 9.
const WORDS_MAX: usize = 16;

/// The Toeplitz hash of `input`, words in host order, under `key`, bytes as a NIC is given them
/// (`rte_softrss`).
///
/// `None` for an input of more than 16 words, or a key that is not at least one word longer than
/// the input: the hash reads that far.
#[must_use]
pub fn toeplitz(input: &[u32], key: &[u8]) -> Option<u32> {
    let (words, _) = key.as_chunks::<4>();
    if input.len() > WORDS_MAX || words.len() <= input.len() {
        return None;
    }
    let mut input = input.to_vec();
    let words: Vec<u32> = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
    let count = u32::try_from(input.len()).ok()?;
    // SAFETY: `count` words of input and more words of key, both aligned, live for the call.
    Some(unsafe { raw::weir_softrss(input.as_mut_ptr(), count, words.as_ptr()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_too_short_gives_no_hash() {
        assert_eq!(toeplitz(&[1, 2, 3], &[0; 15]), None);
        assert_eq!(toeplitz(&[1, 2, 3], &[0; 16]), Some(0));
        assert_eq!(toeplitz(&[1; WORDS_MAX + 1], &[0; 80]), None);
    }

    #[test]
    fn the_first_bit_gives_the_first_word_of_the_key() {
        let key = [0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2];
        assert_eq!(toeplitz(&[1 << 31], &key), Some(0x6d5a_56da));
    }
}
