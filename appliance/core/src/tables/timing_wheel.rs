//! Whose time has come?
//!
//! A wheel with a few lists per tick, long enough that no deadline lies a full turn ahead. Lists
//! are linked both ways through the entries themselves, by index, so that taking an entry out
//! costs no search. A deadline that only moves away is not touched: the entry is met at its old
//! place, asked again, and put further along.
//!
//! ```text
//!   tick    turned     +1      +2    …
//!   lists   a b c d  a b c d  a b c d     an entry goes to the next of the four in turn
//!           │ │ │ └► the first of each list is asked for while those of the others are met
//!           ▼ ▼ ▼
//! ```
//!
//! A list is a chain of cache misses: the next entry is not known before this one is there. Four
//! chains side by side are four misses under way at a time.

/// The list links of entries that live somewhere else.
pub trait Links {
    /// The links of entry `index`: previous, then next. Values are the wheel's own.
    fn links(&self, index: u32) -> (u32, u32);
    /// Puts the link to the previous entry.
    fn set_previous(&mut self, index: u32, previous: u32);
    /// Puts the link to the next entry.
    fn set_next(&mut self, index: u32, next: u32);
    /// Asks for the entry's memory, whose links are soon needed.
    fn prefetch(&self, index: u32);
}

/// The end of a list, and the link of an entry in no list.
const NONE: u32 = u32::MAX;
/// Marks a previous link that names a list's head instead of an entry.
const HEAD: u32 = 1 << 31;
/// Lists of a tick; a power of two. Of 600,000 records that end at once, each takes 122 ns with one
/// list, 80 with four and 80 with eight (`scripts/bench --scenario expiry`).
const LISTS: u32 = 4;

/// A timing wheel over entries with indexes below 2^31 - 1.
#[derive(Debug)]
pub struct TimingWheel {
    /// The first entry of each list, `LISTS` in a row for each tick.
    heads: Box<[u32]>,
    /// The tick whose lists are turned next.
    turned: u32,
    /// Which of a tick's lists the next entry goes into.
    fill: u32,
    /// Which of a tick's lists is met next.
    meet: u32,
}

impl TimingWheel {
    /// A wheel that begins at tick `now` and holds deadlines up to `longest` ticks ahead.
    #[must_use]
    pub fn new(longest: u32, now: u32) -> Self {
        let heads = vec![NONE; Self::lists(longest)].into();
        Self { heads, turned: now, fill: 0, meet: 0 }
    }

    /// How many bytes a wheel that holds deadlines up to `longest` ticks ahead takes.
    #[must_use]
    pub const fn bytes(longest: u32) -> usize {
        Self::lists(longest) * size_of::<u32>()
    }

    /// Puts entry `index`, which is in no list, under `deadline`. A deadline that has passed is
    /// met at the next turn; one beyond the wheel's length is met at its end.
    #[inline]
    pub fn insert(&mut self, links: &mut impl Links, index: u32, deadline: u32) {
        let ahead = deadline.saturating_sub(self.turned).min(self.ticks() - 1);
        self.fill = (self.fill + 1) % LISTS;
        let list = self.first_list(self.turned.wrapping_add(ahead)) + self.fill;
        let first = self.heads[list as usize];
        links.set_previous(index, HEAD | list);
        links.set_next(index, first);
        if first != NONE {
            links.set_previous(first, index);
        }
        self.heads[list as usize] = index;
    }

    /// Takes entry `index` out of its list.
    pub fn remove(&mut self, links: &mut impl Links, index: u32) {
        self.forget(links, index);
        links.set_previous(index, NONE);
        links.set_next(index, NONE);
    }

    /// Takes entry `index`, which is about to be freed, out of its list. Its links stay as they
    /// are: whoever reads an entry that has just been written to in parts waits for it.
    #[inline]
    pub fn forget(&mut self, links: &mut impl Links, index: u32) {
        let (previous, next) = links.links(index);
        self.relink(links, previous, next);
        if next != NONE {
            links.set_previous(next, previous);
        }
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
            for _ in 0..LISTS {
                let list = self.first_list(self.turned) + self.meet;
                self.meet = (self.meet + 1) % LISTS;
                let first = self.heads[list as usize];
                if first != NONE {
                    self.take_first(links, list, first);
                    return Some(first);
                }
            }
            self.turned += 1;
            self.prefetch_firsts(links);
        }
        None
    }

    /// The entry that [`Self::expire`] is likely to meet next; it has been asked for.
    #[must_use]
    #[inline]
    pub fn upcoming(&self) -> Option<u32> {
        let first = self.heads[(self.first_list(self.turned) + self.meet) as usize];
        (first != NONE).then_some(first)
    }

    /// Takes out the first entry of a list. The one behind it is only written to and asked for,
    /// which waits for nothing.
    fn take_first(&mut self, links: &mut impl Links, list: u32, first: u32) {
        let (_, next) = links.links(first);
        self.heads[list as usize] = next;
        if next != NONE {
            links.prefetch(next);
            links.set_previous(next, HEAD | list);
        }
        links.set_previous(first, NONE);
        links.set_next(first, NONE);
    }

    fn prefetch_firsts(&self, links: &impl Links) {
        let list = self.first_list(self.turned) as usize;
        let firsts = &self.heads[list..list + LISTS as usize];
        firsts.iter().filter(|first| **first != NONE).for_each(|first| links.prefetch(*first));
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

    const fn lists(longest: u32) -> usize {
        (longest as usize + 2).next_power_of_two() * LISTS as usize
    }

    fn first_list(&self, tick: u32) -> u32 {
        // The number of ticks is a power of two.
        (tick & (self.ticks() - 1)) * LISTS
    }

    #[allow(clippy::cast_possible_truncation, reason = "far fewer than 2^32")]
    const fn ticks(&self) -> u32 {
        self.heads.len() as u32 / LISTS
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
        fn prefetch(&self, index: u32) {
            assert!(index as usize <= self.0.len(), "no entry is {index}");
        }
    }

    proptest! {
        #[test]
        fn every_entry_is_met_at_most_one_tick_late_and_never_early(
            begin in prop::sample::select(vec![0u32, 1, 127, 1 << 20]),
            steps in prop::collection::vec((0u32..40, 0u32..100, 0u32..4), 1..300),
        ) {
            let mut store = Store(vec![(NONE, NONE); 40]);
            let mut wheel = TimingWheel::new(100, begin);
            let mut model: BTreeMap<u32, u32> = BTreeMap::new();
            let mut now = begin;
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
    fn who_is_asked_bit_by_bit_meets_every_entry_once() {
        let mut store = Store(vec![(NONE, NONE); 1000]);
        let mut wheel = TimingWheel::new(100, 0);
        (0..1000).for_each(|index| wheel.insert(&mut store, index, 1 + index % 7));
        let mut met = vec![0; 1000];
        for now in 0..10 {
            // Three a tick, and what was met is put back once, as a record that spoke would be.
            for _ in 0..3 {
                let Some(index) = wheel.expire(&mut store, now) else { break };
                met[index as usize] += 1;
                wheel.insert(&mut store, index, now + 50);
            }
        }
        while let Some(index) = wheel.expire(&mut store, 59) {
            met[index as usize] += 1;
        }
        assert_eq!(wheel.expire(&mut store, 200), None);
        let again = met.iter().filter(|times| **times == 2).count();
        assert_eq!((again, met.iter().sum::<usize>()), (27, 1027));
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
