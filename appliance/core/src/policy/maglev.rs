//! Which member does a hash select?
//!
//! Maglev's table (Eisenbud et al., NSDI 2016, §3.4): every member walks the table in an order
//! of its own and takes the next free entry in turn, so that all get the same share and few
//! entries change when the membership does. A member of weight w takes w turns in a round.
//! Orders follow from names that are the same on every appliance with the same configuration.

use crate::tables::mix;

/// Entries of a selection table: a prime, so that every step width visits every entry, and more
/// than 100 for each of several hundred members, for shares within one percent.
pub const SELECTION_ENTRIES: usize = 65_537;

/// A table from hash to position in the pool.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection {
    entries: Box<[u16]>,
}

/// One member's walk through the table.
struct Walk {
    at: usize,
    step: usize,
    weight: u32,
}

impl Selection {
    /// The table over members with these names (hashes of what identifies them) and weights of
    /// at least 1. Members past 65,535 are left out; without members every entry is position 0,
    /// which is then never eligible.
    #[must_use]
    pub fn build(names: &[u64], weights: &[u16]) -> Self {
        const FREE: u16 = u16::MAX;
        let mut entries = vec![FREE; SELECTION_ENTRIES];
        let mut walks: Vec<Walk> = names.iter().zip(weights).map(Walk::new).collect();
        walks.truncate(usize::from(FREE));
        let mut free = if walks.is_empty() { 0 } else { SELECTION_ENTRIES };
        while free > 0 {
            for (position, walk) in (0u16..).zip(&mut walks) {
                for _ in 0..walk.weight.min(u32::try_from(free).unwrap_or(u32::MAX)) {
                    let at = walk.next_where(|at| entries[at] == FREE);
                    entries[at] = position;
                    free -= 1;
                }
            }
        }
        if walks.is_empty() {
            entries.fill(0);
        }
        Self { entries: entries.into() }
    }

    /// The position that `hash` selects; its upper 32 bits count.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "scaled below the table's length")]
    pub fn pick(&self, hash: u64) -> u16 {
        self.entries[(((hash >> 32) * SELECTION_ENTRIES as u64) >> 32) as usize]
    }
}

impl Walk {
    #[allow(clippy::cast_possible_truncation, reason = "remainders below the table's length")]
    fn new((name, weight): (&u64, &u16)) -> Self {
        const ENTRIES: u64 = SELECTION_ENTRIES as u64;
        let start = mix(*name ^ 0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345);
        let step = mix(*name ^ 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89);
        Self {
            at: (start % ENTRIES) as usize,
            step: (step % (ENTRIES - 1)) as usize + 1,
            weight: u32::from((*weight).max(1)),
        }
    }

    /// The next entry of this walk that is still free. There is one: the caller counts them.
    fn next_where(&mut self, free: impl Fn(usize) -> bool) -> usize {
        loop {
            let at = self.at;
            self.at = (at + self.step) % SELECTION_ENTRIES;
            if free(at) {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(member: usize) -> u64 {
        mix(member as u64 + 1, 0x9e37_79b9_7f4a_7c15)
    }

    fn shares(selection: &Selection, members: usize) -> Vec<usize> {
        let mut shares = vec![0; members];
        for entry in &selection.entries {
            shares[usize::from(*entry)] += 1;
        }
        shares
    }

    #[test]
    fn equal_weights_get_equal_shares_to_the_entry() {
        for members in [1, 2, 3, 10, 100, 655] {
            let names: Vec<_> = (0..members).map(name).collect();
            let shares = shares(&Selection::build(&names, &vec![1; members]), members);
            let (least, most) = (shares.iter().min(), shares.iter().max());
            assert!(most.expect("some") - least.expect("some") <= 1, "{members}: {shares:?}");
        }
    }

    #[test]
    fn shares_follow_weights_within_one_percent() {
        let weights = [1, 2, 5, 10, 100];
        let names: Vec<_> = (0..weights.len()).map(name).collect();
        let shares = shares(&Selection::build(&names, &weights), weights.len());
        for (share, weight) in shares.iter().zip(weights) {
            let fair = SELECTION_ENTRIES * usize::from(weight) / 118;
            assert!(share.abs_diff(fair) * 100 <= fair + 11_000, "{share} of {fair}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn removing_one_member_moves_little_beyond_its_own_entries(
            members in 3usize..100,
            gone in 0usize..100,
        ) {
            let gone = gone % members;
            let names: Vec<_> = (0..members).map(name).collect();
            let before = Selection::build(&names, &vec![1; members]);
            let mut fewer = names.clone();
            fewer.remove(gone);
            let after = Selection::build(&fewer, &vec![1; members - 1]);
            let mut disrupted = 0;
            for (old, new) in before.entries.iter().zip(&after.entries) {
                let (old, new) = (usize::from(*old), usize::from(*new));
                let new = if new >= gone { new + 1 } else { new };
                disrupted += usize::from(old != gone && old != new);
            }
            prop_assert!(disrupted * 100 <= SELECTION_ENTRIES * 3, "{disrupted} entries moved");
        }
    }

    #[test]
    fn the_table_does_not_depend_on_the_order_of_members() {
        let (one, other) = (
            Selection::build(&[name(1), name(2)], &[1, 1]),
            Selection::build(&[name(2), name(1)], &[1, 1]),
        );
        let same =
            one.entries.iter().zip(&other.entries).filter(|(one, other)| **one == 1 - **other);
        assert!(same.count() * 100 >= SELECTION_ENTRIES * 99);
    }
}
