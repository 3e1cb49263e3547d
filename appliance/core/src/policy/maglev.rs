//! Which member does a hash select?
//!
//! Maglev's table (Eisenbud et al., NSDI 2016, §3.4): every member walks the table in an order
//! of its own and takes the next free entry in turn, so that all get the same share and few
//! entries change when the membership does. A member of weight w takes w turns in a round.
//! Orders follow from names that are the same on every appliance with the same configuration.

use std::vec::IntoIter;

use crate::tables::{Bitmap, mix};

/// Entries of a selection table: a prime, so that every step width visits every entry, and more
/// than 100 for each of several hundred members, for shares within one percent.
pub const SELECTION_ENTRIES: usize = 65_537;

/// Walks find free entries by looking until one in so many is left for each member, and know the
/// order of those in advance: the last hundredth would take six tenths of all looks. With 10
/// members a table takes 330,000 looks instead of 770,000, and 0.7 ms.
const FORESIGHT_FROM: usize = 15;

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

/// A table that is being filled.
struct Filling {
    entries: Vec<u16>,
    /// Which entries are taken, a bit each: what walks look at, in the processor's first cache.
    taken: Bitmap,
    free: usize,
}

impl Selection {
    /// The table over members with these names (hashes of what identifies them) and weights of
    /// at least 1. Members past 65,535 are left out; without members every entry is position 0,
    /// which is then never eligible.
    #[must_use]
    pub fn build(names: &[u64], weights: &[u16]) -> Self {
        let mut walks: Vec<Walk> = names.iter().zip(weights).map(Walk::new).collect();
        walks.truncate(usize::from(u16::MAX));
        let mut filling = Filling::new();
        if !walks.is_empty() {
            let rest = SELECTION_ENTRIES / (FORESIGHT_FROM * walks.len());
            let at = filling.fill(&mut walks, Turn::default(), rest, Walk::next);
            let free = filling.free_entries();
            let mut ahead: Vec<_> = walks.iter().map(|walk| walk.foresee(&free)).collect();
            filling.fill(&mut ahead, at, 0, Foreseen::next);
        }
        Self { entries: filling.entries.into() }
    }

    /// The position that `hash` selects; its upper 32 bits count.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "scaled below the table's length")]
    pub fn pick(&self, hash: u64) -> u16 {
        self.entries[(((hash >> 32) * SELECTION_ENTRIES as u64) >> 32) as usize]
    }
}

/// Whose turn it is, and how many turns of the round this member had.
#[derive(Clone, Copy, Default)]
struct Turn {
    position: usize,
    taken: u32,
}

impl Filling {
    fn new() -> Self {
        Self {
            entries: vec![0; SELECTION_ENTRIES],
            taken: Bitmap::new(SELECTION_ENTRIES),
            free: SELECTION_ENTRIES,
        }
    }

    /// Gives entries to members in turn, from the turn `at`, until no more than `rest` are free.
    /// Returns whose turn is next.
    fn fill<W: Weighted>(
        &mut self,
        walks: &mut [W],
        mut at: Turn,
        rest: usize,
        next: impl Fn(&mut W, &Bitmap) -> usize,
    ) -> Turn {
        while self.free > rest {
            let walk = &mut walks[at.position];
            let entry = next(walk, &self.taken);
            self.taken.set(entry, true);
            self.entries[entry] = u16::try_from(at.position).unwrap_or(u16::MAX);
            self.free -= 1;
            at.taken += 1;
            if at.taken >= walk.weight() {
                at = Turn { position: at.position + 1, taken: 0 };
                if at.position == walks.len() {
                    at.position = 0;
                }
            }
        }
        at
    }

    fn free_entries(&self) -> Vec<usize> {
        (0..SELECTION_ENTRIES).filter(|entry| !self.taken.contains(*entry)).collect()
    }
}

/// What takes several turns in a round.
trait Weighted {
    fn weight(&self) -> u32;
}

impl Weighted for Walk {
    fn weight(&self) -> u32 {
        self.weight
    }
}

impl Weighted for Foreseen {
    fn weight(&self) -> u32 {
        self.weight
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
    fn next(&mut self, taken: &Bitmap) -> usize {
        loop {
            let at = self.at;
            let next = at + self.step;
            self.at = if next < SELECTION_ENTRIES { next } else { next - SELECTION_ENTRIES };
            if !taken.contains(at) {
                return at;
            }
        }
    }

    /// These entries in the order in which this walk comes to them: to entry `at + k · step` after
    /// k steps, so that k is the distance divided by the step, modulo the prime.
    fn foresee(&self, free: &[usize]) -> Foreseen {
        let divided_by_step = inverse(self.step);
        let steps_to = |entry: usize| {
            let distance = (entry + SELECTION_ENTRIES - self.at) % SELECTION_ENTRIES;
            distance * divided_by_step % SELECTION_ENTRIES
        };
        let mut entries: Vec<_> = free.iter().map(|entry| (steps_to(*entry), *entry)).collect();
        entries.sort_unstable();
        Foreseen { entries: entries.into_iter(), weight: self.weight }
    }
}

/// What is left of a member's walk when few entries are free.
struct Foreseen {
    /// Steps, and the entry they lead to.
    entries: IntoIter<(usize, usize)>,
    weight: u32,
}

impl Foreseen {
    fn next(&mut self, taken: &Bitmap) -> usize {
        let next = self.entries.find(|(_, entry)| !taken.contains(*entry));
        let Some((_, entry)) = next else { unreachable!("every walk knows every free entry") };
        entry
    }
}

/// What a step is multiplied with to be 1, by Fermat's theorem: the table's length is prime.
fn inverse(step: usize) -> usize {
    let (mut power, mut result, mut exponent) = (step, 1, SELECTION_ENTRIES - 2);
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = result * power % SELECTION_ENTRIES;
        }
        power = power * power % SELECTION_ENTRIES;
        exponent /= 2;
    }
    result
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

    /// The table as the paper builds it.
    fn plainly(names: &[u64], weights: &[u16]) -> Selection {
        let mut walks: Vec<Walk> = names.iter().zip(weights).map(Walk::new).collect();
        let mut filling = Filling::new();
        filling.fill(&mut walks, Turn::default(), 0, Walk::next);
        Selection { entries: filling.entries.into() }
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
        fn foresight_changes_no_entry(weights in prop::collection::vec(1u16..=100, 1..60)) {
            let names: Vec<_> = (0..weights.len()).map(name).collect();
            prop_assert_eq!(Selection::build(&names, &weights), plainly(&names, &weights));
        }

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
