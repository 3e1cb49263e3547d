//! Towards whom does a member lack ports?
//!
//! The destinations that were noted most often, in a table of a fixed size. When it is full, the
//! destination with the fewest notes makes room for a new one, which takes its count over as the
//! most that it may have been noted before (Metwally, Agrawal, El Abbadi: Efficient Computation of
//! Frequent and Top-k Elements in Data Streams, 2005). So whoever has more than a sixteenth of all
//! notes is in the table whatever the order, and what is shown is never more than what was noted.
//!
//! Not here: how many flows were refused altogether, which workers count exactly (`uses`).

use weir_core::limits::SNAT_SCARCE_DESTINATIONS_MAX;
use weir_core::units::Address;

/// What was noted of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) struct Towards {
    /// Its address and port.
    pub(in crate::control) remote: (Address, u16),
    /// Flows towards it that found no port, at least.
    pub(in crate::control) refused: u64,
}

/// The destinations that a member lacks ports for, or soon will.
#[derive(Clone, Debug, Default)]
pub(super) struct Destinations {
    counted: Vec<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    remote: (Address, u16),
    /// Notes of refused flows, and of ports of the last quarter; those of who was here before too.
    refused: u64,
    low: u64,
    /// What of `refused` may be of who was here before.
    inherited: u64,
}

impl Destinations {
    /// Notes that a flow was refused.
    pub(super) fn refused(&mut self, remote: (Address, u16)) {
        self.at(remote).refused += 1;
    }

    /// Notes that a flow took a port of the last quarter.
    pub(super) fn ran_low(&mut self, remote: (Address, u16)) {
        self.at(remote).low += 1;
    }

    /// Those with the most flows refused, then those that ran low most often.
    pub(super) fn most(&self, count: usize) -> Vec<Towards> {
        let mut sorted = self.counted.clone();
        sorted.sort_by_key(|it| std::cmp::Reverse((it.refused - it.inherited, it.low)));
        let shown = |it: Counted| Towards { remote: it.remote, refused: it.refused - it.inherited };
        sorted.into_iter().take(count).map(shown).collect()
    }

    fn at(&mut self, remote: (Address, u16)) -> &mut Counted {
        let known = self.counted.iter().position(|it| it.remote == remote);
        let place = known.unwrap_or_else(|| self.make_room(remote));
        &mut self.counted[place]
    }

    fn make_room(&mut self, remote: (Address, u16)) -> usize {
        if self.counted.len() < SNAT_SCARCE_DESTINATIONS_MAX {
            self.counted.push(Counted { remote, refused: 0, low: 0, inherited: 0 });
            return self.counted.len() - 1;
        }
        let fewest = (0..self.counted.len())
            .min_by_key(|place| (self.counted[*place].refused, self.counted[*place].low));
        let place = fewest.unwrap_or_default();
        let Counted { refused, low, .. } = self.counted[place];
        self.counted[place] = Counted { remote, refused, low, inherited: refused };
        place
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn remote(number: u16) -> (Address, u16) {
        (Address::from(std::net::IpAddr::from([192, 0, 2, 1])), number)
    }

    #[test]
    fn refused_flows_count_before_those_that_nearly_were() {
        let mut destinations = Destinations::default();
        (0..9).for_each(|_| destinations.ran_low(remote(1)));
        destinations.refused(remote(2));
        (0..3).for_each(|_| destinations.refused(remote(3)));
        let most = destinations.most(9);
        let shown: Vec<_> = most.iter().map(|it| (it.remote.1, it.refused)).collect();
        assert_eq!(shown, [(3, 3), (2, 1), (1, 0)]);
        assert_eq!(destinations.most(1).len(), 1);
    }

    proptest! {
        #[test]
        fn whoever_has_more_than_a_sixteenth_is_named_and_never_with_more_than_it_has(
            ports in prop::collection::vec(prop_oneof![0u16..4, 0u16..200], 0..2_000),
        ) {
            let mut destinations = Destinations::default();
            let mut truth: HashMap<u16, u64> = HashMap::new();
            for port in &ports {
                destinations.refused(remote(*port));
                *truth.entry(*port).or_default() += 1;
            }
            let named = destinations.most(usize::MAX);
            prop_assert!(named.len() <= SNAT_SCARCE_DESTINATIONS_MAX);
            for it in &named {
                prop_assert!(it.refused <= truth[&it.remote.1]);
            }
            let share = ports.len() as u64 / SNAT_SCARCE_DESTINATIONS_MAX as u64;
            for (port, _) in truth.into_iter().filter(|(_, count)| *count > share) {
                prop_assert!(named.iter().any(|it| it.remote.1 == port), "{} is missing", port);
            }
        }
    }
}
