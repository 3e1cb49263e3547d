//! Who has each granule of an address, for one protocol?

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::limits::SNAT_GRANULES;
use crate::policy::{Granule, Granules};
use crate::units::MemberId;

/// Milliseconds that a granule which lost its holder rests, where others will do: what its flows'
/// peers still send should not meet another member. As long as the default idle timeout.
const REST_MILLISECONDS: u64 = 240_000;

/// Milliseconds after which no worker begins flows in a granule that was taken from its member: far
/// more than it takes to publish a snapshot, and for every worker to pass it.
const QUIET_MILLISECONDS: u64 = 1_000;

/// What is known of a granule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nobody has it. It rests until then.
    Free(u64),
    /// No member may have it: a rule listens there.
    Burned,
    /// A member may use it.
    Held(Granule),
    /// It was taken from a member at that time, and may still have flows.
    Draining(Granule, u64),
}

/// All granules of an address for one protocol.
#[derive(Clone, Debug)]
pub(super) struct Book {
    slots: Arc<[Slot; SNAT_GRANULES]>,
    /// Those on which rules listen, which may still have flows of before.
    burned: BTreeSet<usize>,
    /// Granules of the last snapshot, unless something has changed since.
    granules: Option<Arc<Granules>>,
}

impl Default for Book {
    fn default() -> Self {
        let slots = Arc::new([Slot::Free(0); SNAT_GRANULES]);
        Self { slots, burned: BTreeSet::new(), granules: None }
    }
}

impl Book {
    /// Takes back what holders may not keep; returns whether something that was held is free now.
    pub(super) fn take_back(
        &mut self,
        now: u64,
        burned: BTreeSet<usize>,
        (may_keep, is_gone): (impl Fn(MemberId) -> bool, impl Fn(MemberId) -> bool),
        is_used: impl Fn(usize) -> bool,
    ) -> bool {
        let free = Slot::Free(now.saturating_add(REST_MILLISECONDS));
        let mut freed = false;
        for granule in 0..SNAT_GRANULES {
            let is_burned = burned.contains(&granule);
            let slot = self.slots[granule];
            let next = match slot {
                Slot::Held(holder) if is_gone(holder.member) && !is_used(granule) => free,
                Slot::Held(holder) if is_burned || !may_keep(holder.member) => {
                    Slot::Draining(holder, now)
                }
                Slot::Draining(_, since) if is_quiet(since, now) && !is_used(granule) => {
                    Slot::Free(since.saturating_add(REST_MILLISECONDS))
                }
                Slot::Burned => Slot::Free(0),
                Slot::Free(_) | Slot::Held(_) | Slot::Draining(..) => slot,
            };
            let was_held = matches!(slot, Slot::Held(_) | Slot::Draining(..));
            let is_free = matches!(next, Slot::Free(_));
            freed |= was_held && is_free;
            self.set(granule, if is_free && is_burned { Slot::Burned } else { next });
        }
        self.burned = burned;
        freed
    }

    /// Granules that members have: whose, and whether they were taken from them.
    pub(super) fn held(&self) -> impl Iterator<Item = (usize, Granule, bool)> {
        self.slots.iter().enumerate().filter_map(|(granule, slot)| match slot {
            Slot::Held(holder) => Some((granule, *holder, false)),
            Slot::Draining(holder, _) => Some((granule, *holder, true)),
            Slot::Free(_) | Slot::Burned => None,
        })
    }

    /// Takes a granule from its member.
    pub(super) fn give_up(&mut self, granule: usize, now: u64) {
        if let Slot::Held(holder) = self.slots[granule] {
            self.set(granule, Slot::Draining(holder, now));
        }
    }

    /// Granules that drain, in which no worker begins a flow any more.
    pub(super) fn drained(&self, now: u64) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter_map(move |(granule, slot)| match slot {
            Slot::Draining(_, since) if is_quiet(*since, now) => Some(granule),
            Slot::Draining(..) | Slot::Held(_) | Slot::Free(_) | Slot::Burned => None,
        })
    }

    /// Leaves a granule to the member that it was taken from, if no rule listens there.
    pub(super) fn keep(&mut self, granule: usize) -> bool {
        match self.slots[granule] {
            Slot::Draining(holder, _) if !self.burned.contains(&granule) => {
                self.set(granule, Slot::Held(holder));
                true
            }
            Slot::Draining(..) | Slot::Held(_) | Slot::Free(_) | Slot::Burned => false,
        }
    }

    /// Gives a free granule to a member.
    pub(super) fn deal(&mut self, granule: usize, holder: Granule) {
        self.set(granule, Slot::Held(holder));
    }

    /// Free granules that have rested at `now`, the lowest ones: one run of so many, or none where
    /// there is no such run; or else all runs up to so many.
    pub(super) fn free_runs(&self, wanted: usize, is_whole: bool, now: u64) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut left = wanted;
        for granule in 0..SNAT_GRANULES {
            if !matches!(self.slots[granule], Slot::Free(rests) if rests <= now) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == granule => run.end += 1,
                _ if is_whole => {
                    runs.clear();
                    runs.push(granule..granule + 1);
                }
                _ => runs.push(granule..granule + 1),
            }
            left -= 1;
            let is_enough = runs.last().is_some_and(|run| run.len() == wanted);
            if is_enough || !is_whole && left == 0 {
                return runs;
            }
            left = if is_whole { wanted } else { left };
        }
        if is_whole { Vec::new() } else { runs }
    }

    /// Whether nobody has anything.
    pub(super) fn is_free(&self) -> bool {
        self.held().next().is_none()
    }

    /// Who has which granule, as workers read it; the same as before if nothing has changed.
    pub(super) fn granules(&mut self) -> Arc<Granules> {
        let slots = &self.slots;
        let granules = self.granules.get_or_insert_with(|| {
            Arc::new(Granules::of(slots.iter().map(|slot| match slot {
                Slot::Held(holder) | Slot::Draining(holder, _) => Some(*holder),
                Slot::Free(_) | Slot::Burned => None,
            })))
        });
        Arc::clone(granules)
    }

    fn set(&mut self, granule: usize, slot: Slot) {
        if self.slots[granule] != slot {
            Arc::make_mut(&mut self.slots)[granule] = slot;
            self.granules = None;
        }
    }
}

/// Whether every worker has passed the snapshot that took a granule from its member.
const fn is_quiet(since: u64, now: u64) -> bool {
    now >= since.saturating_add(QUIET_MILLISECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MemberId, WorkerId};

    const HOLDER: Granule = Granule { member: MemberId(1), worker: WorkerId(0) };

    fn book(held: impl IntoIterator<Item = usize>) -> Book {
        let mut book = Book::default();
        held.into_iter().for_each(|granule| book.deal(granule, HOLDER));
        book
    }

    fn runs(book: &Book, wanted: usize, is_whole: bool, now: u64) -> Vec<(usize, usize)> {
        let runs = book.free_runs(wanted, is_whole, now);
        runs.into_iter().map(|run| (run.start, run.end)).collect()
    }

    #[test]
    fn a_whole_run_is_the_lowest_and_pieces_are_taken_from_the_lowest_on() {
        let book = book([2, 5, 6]);
        assert_eq!(runs(&book, 2, true, 0), [(0, 2)]);
        assert_eq!(runs(&book, 3, true, 0), [(7, 10)]);
        assert_eq!(runs(&book, 6, false, 0), [(0, 2), (3, 5), (7, 9)]);
        assert!(book.free_runs(8_000, true, 0).is_empty());
        let all: usize = book.free_runs(8_000, false, 0).iter().map(Range::len).sum();
        assert_eq!(all, 8_000 - 3);
    }

    #[test]
    fn what_is_taken_back_drains_while_it_has_flows_and_rests_then() {
        let mut book = book(0..3);
        let burned = || BTreeSet::from([0]);
        type May = fn(MemberId) -> bool;
        let (stays, goes): ((May, May), (May, May)) =
            ((|_| true, |_| false), (|_| false, |_| true));
        assert!(!book.take_back(1_000, burned(), stays, |_| false));
        assert_eq!(book.slots[0], Slot::Draining(HOLDER, 1_000));
        assert!(!book.keep(0), "a rule listens there");
        assert!(!book.take_back(1_999, burned(), stays, |_| false), "a worker may begin a flow");
        assert!(!book.take_back(2_000, burned(), stays, |_| true), "it has flows");
        assert!(book.take_back(2_000, burned(), stays, |_| false));
        assert_eq!(book.slots[0], Slot::Burned);
        assert!(book.take_back(3_000, BTreeSet::new(), goes, |granule| granule == 1));
        let draining = Slot::Draining(HOLDER, 3_000);
        assert_eq!(book.slots[..3], [Slot::Free(0), draining, Slot::Free(243_000)]);
        book.keep(1);
        assert_eq!(runs(&book, 2, true, 242_999), [(3, 5)], "granule 2 rests");
        assert_eq!(runs(&book, 2, true, 243_000), [(2, 4)]);
    }
}
