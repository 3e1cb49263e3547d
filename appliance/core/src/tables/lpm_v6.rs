//! Which entry has the longest prefix that a key of 128 bits lies in?
//!
//! ```text
//!   lengths 32 48 64 128      is there anything of 64 bits?  ─ yes ─► longer ─► 128?
//!                                                            └ no ──► shorter ─► 48? ─► …
//! ```
//!
//! A trie over 128 bits would read a line for every step of a host's prefix. This is a search among
//! the lengths that there are (Waldvogel et al., SIGCOMM 1997): one table of prefixes, in which
//! each also leaves a marker wherever the search for it comes by, so that finding nothing there
//! means that nothing longer is worth asking for. A marker knows the best entry that is not longer
//! than itself, so that the search never turns back. With three lengths that is one or two probes,
//! with seven three, and with all 128 there can be never more than eight.
//!
//! Not here: keys of 32 bits ([`super::Lpm`]).

use std::collections::BTreeMap;

use super::flat_map::FlatMap;
use super::hash::Key;

/// An address as two words, upper bits first.
pub type Wide = [u64; 2];

/// A map from prefixes of up to 128 bits to values. Built whole, then only read.
#[derive(Clone, Debug, Default)]
pub struct LpmV6 {
    /// The lengths that there are, ascending.
    levels: Box<[Level]>,
    /// Prefix and level to the best entry's value plus one; zero is a marker with none.
    prefixes: FlatMap<Key>,
    /// The value of the empty prefix.
    whole: Option<u32>,
}

/// One length.
#[derive(Clone, Copy, Debug)]
struct Level {
    mask: Wide,
    /// seed:56 │ length:8.
    name: u64,
}

impl LpmV6 {
    /// The map of `entries`: network bits, prefix length 0 to 128, value. Bits behind the length do
    /// not count. Of equal prefixes the later counts. Entries with a longer length are left out
    /// (debug builds assert). Takes at most eight records for an entry.
    ///
    /// Where a prefix is kept nobody can predict who does not know `seed`: hosts choose their own
    /// addresses of 128 bits.
    #[must_use]
    pub fn build(seed: u64, entries: impl IntoIterator<Item = (Wide, u8, u32)>) -> Self {
        // Shorter ones first, so that a marker finds all that it has to know.
        let mut sorted = BTreeMap::new();
        for (network, length, value) in entries {
            debug_assert!(length <= 128, "{length}");
            if length <= 128 {
                sorted.insert((length, masked(network, mask(length))), value);
            }
        }
        let whole = sorted.remove(&(0, [0; 2]));
        let mut lengths: Vec<u8> = sorted.keys().map(|(length, _)| *length).collect();
        lengths.dedup();
        let levels = lengths.iter().map(|it| Level::new(*it, seed));
        let levels = levels.collect();
        let mut records = Records { levels, whole, known: BTreeMap::new() };
        for ((length, network), value) in sorted {
            if let Ok(position) = lengths.binary_search(&length) {
                records.insert(network, position, value);
            }
        }
        let prefixes = FlatMap::build(records.known);
        Self { levels: records.levels, prefixes, whole }
    }

    /// The value of the longest prefix that `address` lies in.
    #[must_use]
    #[inline]
    pub fn get(&self, address: Wide) -> Option<u32> {
        let best = search(&self.levels, usize::MAX, address, |key| self.prefixes.get(key));
        best.unwrap_or(self.whole)
    }
}

/// The table while it is built.
struct Records {
    levels: Box<[Level]>,
    whole: Option<u32>,
    known: BTreeMap<Key, u64>,
}

impl Records {
    /// Adds an entry of the length at `position`, behind all shorter ones, with its markers.
    fn insert(&mut self, network: Wide, position: usize, value: u32) {
        let (mut low, mut high) = (0, self.levels.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let level = self.levels[middle];
            if middle > position {
                high = middle;
                continue;
            }
            let key = level.key(network);
            if middle == position {
                self.known.insert(key, u64::from(value) + 1);
                return;
            }
            if !self.known.contains_key(&key) {
                let known = |key: &Key| self.known.get(key).copied();
                let best = search(&self.levels, middle, network, known).unwrap_or(self.whole);
                self.known.insert(key, best.map_or(0, |value| u64::from(value) + 1));
            }
            low = middle + 1;
        }
    }
}

impl Level {
    fn new(length: u8, seed: u64) -> Self {
        Self { mask: mask(length), name: seed << 8 | u64::from(length) }
    }

    /// Never the key of nothing: no length is zero.
    #[inline]
    const fn key(&self, address: Wide) -> Key {
        let [high, low] = masked(address, self.mask);
        [high, low, self.name]
    }
}

/// The best value of at most the length at `bound` that `get` knows of; `None` where it knows of no
/// record at all. What a record says includes all that is shorter.
#[inline]
fn search(
    levels: &[Level],
    bound: usize,
    address: Wide,
    get: impl Fn(&Key) -> Option<u64>,
) -> Option<Option<u32>> {
    let (mut low, mut high, mut best) = (0, levels.len(), None);
    while low < high {
        let middle = usize::midpoint(low, high);
        let found = if middle > bound { None } else { get(&levels[middle].key(address)) };
        if let Some(record) = found {
            best = Some(record);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    #[allow(clippy::cast_possible_truncation, reason = "32 bits plus one were put in")]
    best.map(|record| record.checked_sub(1).map(|value| value as u32))
}

/// The bits of a prefix of this length.
fn mask(length: u8) -> Wide {
    let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
    #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
    [(mask >> 64) as u64, mask as u64]
}

#[inline]
const fn masked(address: Wide, mask: Wide) -> Wide {
    [address[0] & mask[0], address[1] & mask[1]]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::flat_map::FlatKey;
    use super::*;

    /// Addresses that share long prefixes, and differ in bits all over.
    fn address() -> impl Strategy<Value = Wide> {
        (any::<[u8; 4]>(), any::<u64>()).prop_map(|(picks, noise)| {
            let word = |pick: u8| [0, u64::MAX, 0x2001_0db8 << 32, noise][usize::from(pick % 4)];
            let flip = 1u64 << (picks[2] % 64);
            [word(picks[0]) ^ if picks[3] & 1 == 0 { flip } else { 0 }, word(picks[1])]
        })
    }

    fn best(entries: &[(Wide, u8, u32)], address: Wide) -> Option<u32> {
        let mut best = None;
        for (network, length, value) in entries {
            let longer = best.is_none_or(|(longest, _)| *length >= longest);
            if masked(address, mask(*length)) == masked(*network, mask(*length)) && longer {
                best = Some((*length, *value));
            }
        }
        best.map(|(_, value)| value)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn it_answers_like_a_linear_search(
            entries in prop::collection::vec((address(), 0u8..=128, any::<u32>()), 0..60),
            probes in prop::collection::vec(address(), 40),
        ) {
            let table = LpmV6::build(1, entries.clone());
            for address in probes.into_iter().chain(entries.iter().map(|entry| entry.0)) {
                prop_assert_eq!(table.get(address), best(&entries, address));
            }
        }
    }

    #[test]
    fn every_length_at_once_is_told_apart() {
        let entries: Vec<_> =
            (0..=128u8).map(|length| ([u64::MAX; 2], length, length.into())).collect();
        let table = LpmV6::build(1, entries.clone());
        for bit in 0..128u32 {
            let flipped = u128::MAX ^ 1 << (127 - bit);
            let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("half");
            let address = [half(flipped >> 64), half(flipped)];
            assert_eq!(table.get(address), Some(bit), "differs in bit {bit}");
            assert_eq!(table.get(address), best(&entries, address));
        }
        assert_eq!(table.get([u64::MAX; 2]), Some(128));
    }

    #[test]
    fn an_empty_table_knows_nothing_and_the_empty_prefix_everything() {
        assert_eq!(LpmV6::build(1, []).get([7, 7]), None);
        assert_eq!(LpmV6::build(1, [([7, 7], 0, u32::MAX)]).get([9, 9]), Some(u32::MAX));
    }

    #[test]
    fn hosts_who_crowd_under_one_seed_do_not_under_another() {
        let table = |seed| LpmV6::build(seed, [([0x2001_0db8 << 32, 1], 128, 1)]);
        let home =
            |table: &LpmV6, host| table.levels[0].key([0x2001_0db8 << 32, host]).hash() % 512;
        let (one, other) = (table(1), table(2));
        let crowd = (0..1 << 16).filter(|host| home(&one, *host) == 0);
        let homes: Vec<u64> = crowd.map(|host| home(&other, host)).collect();
        let distinct: BTreeSet<&u64> = homes.iter().collect();
        assert!(homes.len() > 80 && distinct.len() * 4 > homes.len() * 3, "{homes:?}");
    }

    #[test]
    fn an_entry_takes_at_most_eight_records() {
        let entries = (1..=128u8).map(|length| ([u64::from(length) << 56; 2], length, 1));
        let table = LpmV6::build(1, entries);
        assert!(table.prefixes.len() <= 128 * 8, "{}", table.prefixes.len());
    }
}
