//! Where does one worker count, and how are the counts of all read?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Counter, DropReason, PuntClass};

/// One worker's counters. Only that worker writes; anybody reads. Each value is exact at some
/// moment of the recent past, and exact altogether once the worker is at rest.
#[derive(Debug)]
#[repr(align(128))]
pub struct Counters {
    counters: [AtomicU64; Counter::COUNT],
    drops: [AtomicU64; DropReason::COUNT],
    punts: [AtomicU64; PuntClass::COUNT],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            drops: std::array::from_fn(|_| AtomicU64::new(0)),
            punts: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// Adds without a locked instruction: there is one writer.
#[inline]
pub(super) fn add(slot: &AtomicU64, amount: u64) {
    slot.store(slot.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl Counters {
    /// Adds `amount` to a counter. Only the worker that owns these counters may call this.
    #[inline]
    pub fn count(&self, counter: Counter, amount: u64) {
        add(&self.counters[counter.index()], amount);
    }

    /// Counts one dropped packet, in total and by its reason.
    #[inline]
    pub fn drop_one(&self, reason: DropReason) {
        self.drop_many(reason, 1);
    }

    /// Counts dropped packets, in total and by their reason.
    #[inline]
    pub fn drop_many(&self, reason: DropReason, amount: u64) {
        add(&self.drops[reason.index()], amount);
        self.count(Counter::DroppedPackets, amount);
    }

    /// Counts packets given to the kernel twin, in total and by class.
    #[inline]
    pub fn punt(&self, class: PuntClass, amount: u64) {
        add(&self.punts[class.index()], amount);
        self.count(Counter::PuntedPackets, amount);
    }

    /// The value of one counter.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter.index()].load(Ordering::Relaxed)
    }
}

/// Counters added up over workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    values: BTreeMap<String, u64>,
}

impl Totals {
    /// The sum over `workers`.
    #[must_use]
    pub fn of<'a>(workers: impl IntoIterator<Item = &'a Counters>) -> Self {
        let mut totals = Self::default();
        for worker in workers {
            totals.add(worker);
        }
        totals
    }

    fn add(&mut self, worker: &Counters) {
        let names = Counter::ALL.iter().map(|counter| counter.name().to_owned());
        let drops = DropReason::ALL.iter().map(|reason| format!("drop_{}_packets", reason.name()));
        let punts = PuntClass::ALL.iter().map(|class| format!("punt_{}_packets", class.name()));
        let slots = worker.counters.iter().chain(&worker.drops).chain(&worker.punts);
        for (name, slot) in names.chain(drops).chain(punts).zip(slots) {
            *self.values.entry(name).or_default() += slot.load(Ordering::Relaxed);
        }
    }

    /// The value under a counter's full name; 0 for a name that does not exist.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }

    /// All values by full name.
    #[must_use]
    pub const fn values(&self) -> &BTreeMap<String, u64> {
        &self.values
    }

    /// What went up since `earlier`, by full name, without what did not move.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let moved = |(name, value): (&String, &u64)| {
            let amount = value - earlier.get(name);
            (amount > 0).then(|| (name.clone(), amount))
        };
        self.values.iter().filter_map(moved).collect()
    }

    /// How far the accounting identity is off: packets that came in less packets with an
    /// outcome. 0 at rest; what is on rings and in queues otherwise.
    #[must_use]
    pub fn in_flight(&self) -> i128 {
        let sum =
            |names: &[&str]| names.iter().map(|name| i128::from(self.get(name))).sum::<i128>();
        sum(&["rx_packets", "rx_kernel_packets", "originated_packets"])
            - sum(&["tx_packets", "answered_packets", "punted_packets", "dropped_packets"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_workers_and_name_what_moved() {
        let workers = [Counters::default(), Counters::default()];
        workers[0].count(Counter::RxPackets, 3);
        let before = Totals::of(&workers);
        workers[1].count(Counter::RxPackets, 2);
        workers[1].drop_one(DropReason::NoRule);
        workers[0].punt(PuntClass::Arp, 1);
        let after = Totals::of(&workers);
        assert_eq!(after.get("rx_packets"), 5);
        assert_eq!(after.in_flight(), 3);
        let moved: Vec<_> = after.since(&before).into_iter().collect();
        let expected = [
            ("drop_no_rule_packets", 1),
            ("dropped_packets", 1),
            ("punt_arp_packets", 1),
            ("punted_packets", 1),
            ("rx_packets", 2),
        ];
        assert_eq!(moved, expected.map(|(name, amount)| (name.to_owned(), amount)));
    }
}
