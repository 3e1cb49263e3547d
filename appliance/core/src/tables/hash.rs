//! How are keys hashed?
//!
//! By folded multiplication: both operands are mixed with a secret, multiplied to 128 bits, and
//! the halves are combined. The result is not linear in the key, so keys that collide under one
//! secret do not collide under the next (a CRC's would). Secrets are drawn per boot where an
//! adversary could aim at a table, and fixed where several appliances must agree.

/// What flow records are keyed by, and whatever else both address families share.
pub type Key = [u64; 3];

/// Whether two keys are the same. One branch for all three words; the comparison of arrays calls
/// for vectors that a key in registers would have to be written to memory for.
#[must_use]
#[inline]
pub const fn same(one: &Key, other: &Key) -> bool {
    (one[0] ^ other[0]) | (one[1] ^ other[1]) | (one[2] ^ other[2]) == 0
}

/// The last two words of a key whose first one is 0.
pub type ShortKey = [u64; 2];

/// Whether `key` has these as its last two words.
#[must_use]
#[inline]
pub const fn same_short(key: &Key, short: ShortKey) -> bool {
    (key[1] ^ short[0]) | (key[2] ^ short[1]) == 0
}

/// Whether a key is the zero key, which marks free slots.
#[must_use]
#[inline]
pub const fn is_zero(key: &Key) -> bool {
    key[0] | key[1] | key[2] == 0
}

/// A keyed hash function over [`Key`].
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    secret: [u64; 3],
}

impl Hasher {
    /// A hash function that nobody can predict who does not know `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // No product of 0 is a secret.
        let seed = if seed == 0 { 0xd6e8_feb8_6659_fd93 } else { seed };
        let first = mix(seed, 0x9e37_79b9_7f4a_7c15);
        let second = mix(first ^ seed, 0xd1b5_4a32_d192_ed03);
        Self { secret: [first | 1, second | 1, mix(second, first) | 1] }
    }

    /// The hash of `key`; all 64 bits are usable.
    #[must_use]
    #[inline]
    pub const fn hash(&self, key: &Key) -> u64 {
        let inner = mix(key[0] ^ self.secret[0], key[1] ^ self.secret[1]);
        mix(inner ^ self.secret[2], key[2] ^ self.secret[0])
    }

    /// Another hash of `key`, for tables that strangers fill: every word goes through both
    /// products, so that keys in a row, such as a scanner's ports, are as scattered as any.
    #[must_use]
    #[inline]
    pub const fn scatter(&self, key: &Key) -> u64 {
        let inner = mix(key[1] ^ self.secret[0], key[2] ^ self.secret[1]);
        mix(inner ^ key[0] ^ self.secret[2], self.secret[1])
    }
}

/// The folded product of two words.
#[must_use]
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
pub const fn mix(one: u64, other: u64) -> u64 {
    let product = one as u128 * other as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_keys_spread_evenly_over_buckets() {
        let hasher = Hasher::new(1);
        let mut buckets = [0u32; 256];
        for port in 0..65_536u64 {
            let hash = hasher.hash(&[0, 0xffff_c000_0201, port]);
            buckets[usize::try_from(hash >> 56).expect("a byte")] += 1;
        }
        assert!(buckets.iter().all(|count| (170..350).contains(count)), "{buckets:?}");
    }

    #[test]
    fn keys_that_collide_under_one_seed_do_not_under_another() {
        let (one, other) = (Hasher::new(1), Hasher::new(2));
        let slot = |hasher: Hasher, port: u64| hasher.scatter(&[0, 7, port]) >> 52;
        let target = slot(one, 0);
        let colliding: Vec<u64> = (1..1 << 20).filter(|port| slot(one, *port) == target).collect();
        let still = colliding.iter().filter(|port| slot(other, **port) == slot(other, 0)).count();
        assert!(colliding.len() > 150 && still < 8, "{still} of {}", colliding.len());
    }

    /// What scanners and ordinary clients make: ports in a row, addresses in a row, both.
    #[test]
    fn keys_in_rows_spread_like_any_others_under_every_seed() {
        for seed in 0..200 {
            let hasher = Hasher::new(seed);
            for row in 0..3u64 {
                let mut buckets = [0u32; 256];
                for step in 0..65_536u64 {
                    let (address, port) = match row {
                        0 => (7, step),
                        1 => (step, 40_000),
                        _ => (step >> 8, step & 0xff),
                    };
                    let key = [0, 0xffff_0a00_0000 + address, port << 24 | 3];
                    let bucket = usize::try_from(hasher.scatter(&key) >> 56);
                    buckets[bucket.expect("a byte")] += 1;
                }
                let most = buckets.iter().max().copied().unwrap_or(0);
                assert!(most < 340, "seed {seed}, row {row}: {most} where 256 are fair");
            }
        }
    }
}
