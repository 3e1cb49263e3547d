//! Whose time has come?
//!
//! A wheel with one list per tick, long enough that no deadline lies a full turn ahead. Lists
//! are linked both ways through the entries themselves, by index, so that taking an entry out
//! costs no search. A deadline that only moves away is not touched: the entry is met at its old
//! place, asked again, and put further along.

/// The list links of entries that live somewhere else.
pub trait Links {
    /// The links of entry `index`: previous, then next. Values are the wheel's own.
    fn links(&self, index: u32) -> (u32, u32);
    /// Puts the link to the previous entry.
    fn set_previous(&mut self, index: u32, previous: u32);
    /// Puts the link to the next entry.
    fn set_next(&mut self, index: u32, next: u32);
}

/// The end of a list, and the link of an entry in no list.
const NONE: u32 = u32::MAX;
/// Marks a previous link that names a list's head instead of an entry.
const HEAD: u32 = 1 << 31;

/// A timing wheel over entries with indexes below 2^31 - 1.
#[derive(Debug)]
pub struct TimingWheel {
    heads: Box<[u32]>,
    /// The tick whose list is turned next.
    turned: u32,
}

impl TimingWheel {
    /// A wheel that begins at tick `now` and holds deadlines up to `longest` ticks ahead.
    #[must_use]
    pub fn new(longest: u32, now: u32) -> Self {
        let slots = (longest as usize + 2).next_power_of_two();
        Self { heads: vec![NONE; slots].into(), turned: now }
    }

    /// Puts entry `index`, which is in no list, under `deadline`. A deadline that has passed is
    /// met at the next turn; one beyond the wheel's length is met at its end.
    pub fn insert(&mut self, links: &mut impl Links, index: u32, deadline: u32) {
        let longest = u32::try_from(self.heads.len() - 1).unwrap_or(u32::MAX);
        let ahead = deadline.saturating_sub(self.turned).min(longest);
        let slot = self.slot(self.turned.wrapping_add(ahead));
        let first = self.heads[slot as usize];
        links.set_previous(index, HEAD | slot);
        links.set_next(index, first);
        if first != NONE {
            links.set_previous(first, index);
        }
        self.heads[slot as usize] = index;
    }

    /// Takes entry `index` out of its list.
    pub fn remove(&mut self, links: &mut impl Links, index: u32) {
        let (previous, next) = links.links(index);
        self.relink(links, previous, next);
        if next != NONE {
            links.set_previous(next, previous);
        }
        links.set_previous(index, NONE);
        links.set_next(index, NONE);
    }

    /// Tells the neighbours of an entry that it has moved to index `to`, links and all.
    pub fn moved(&mut self, links: &mut impl Links, to: u32) {
        let (previous, next) = links.links(to);
        self.relink(links, previous, to);
        if next != NONE {
            links.set_previous(next, to);
        }
    }

    /// The next entry whose list has come at tick `now`, taken out of it; `None` when all lists
    /// up to `now` are empty. The caller frees the entry or inserts it again with its true
    /// deadline, and bounds how often it asks.
    pub fn expire(&mut self, links: &mut impl Links, now: u32) -> Option<u32> {
        while self.turned <= now {
            let first = self.heads[self.slot(self.turned) as usize];
            if first != NONE {
                self.remove(links, first);
                return Some(first);
            }
            self.turned += 1;
        }
        None
    }

    fn relink(&mut self, links: &mut impl Links, previous: u32, next: u32) {
        if previous == NONE {
            return;
        }
        if previous & HEAD != 0 {
            self.heads[(previous & !HEAD) as usize] = next;
        } else {
            links.set_next(previous, next);
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "masked to the wheel's length")]
    fn slot(&self, tick: u32) -> u32 {
        tick & (self.heads.len() as u32 - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    struct Store(Vec<(u32, u32)>);

    impl Links for Store {
        fn links(&self, index: u32) -> (u32, u32) {
            self.0[index as usize]
        }
        fn set_previous(&mut self, index: u32, previous: u32) {
            self.0[index as usize].0 = previous;
        }
        fn set_next(&mut self, index: u32, next: u32) {
            self.0[index as usize].1 = next;
        }
    }

    proptest! {
        #[test]
        fn every_entry_is_met_at_most_one_tick_late_and_never_early(
            steps in prop::collection::vec((0u32..40, 0u32..100, 0u32..4), 1..300),
        ) {
            let mut store = Store(vec![(NONE, NONE); 40]);
            let mut wheel = TimingWheel::new(100, 0);
            let mut model: BTreeMap<u32, u32> = BTreeMap::new();
            let mut now = 0;
            for (index, ahead, passed) in steps {
                if model.remove(&index).is_some() {
                    wheel.remove(&mut store, index);
                } else {
                    wheel.insert(&mut store, index, now + ahead);
                    model.insert(index, now + ahead);
                }
                now += passed;
                while let Some(expired) = wheel.expire(&mut store, now) {
                    let deadline = model.remove(&expired);
                    prop_assert!(deadline.is_some_and(|deadline| deadline <= now));
                }
                // What was due in the very tick of its insertion is met one tick later.
                prop_assert!(model.values().all(|deadline| *deadline >= now));
            }
        }
    }

    #[test]
    fn an_entry_that_moved_is_still_in_its_list() {
        let mut store = Store(vec![(NONE, NONE); 4]);
        let mut wheel = TimingWheel::new(10, 0);
        for index in 0..3 {
            wheel.insert(&mut store, index, 5);
        }
        store.0[3] = store.0[1];
        wheel.moved(&mut store, 3);
        let mut met: Vec<_> = std::iter::from_fn(|| wheel.expire(&mut store, 5)).collect();
        met.sort_unstable();
        assert_eq!(met, [0, 2, 3]);
    }
}
