//! When everything fails at once, is it the members or the appliance?
//!
//! Members fail one by one; a port without link, a wrong route or a starved control thread fails
//! all of them within one probing interval. The members are still taken down, as
//! `noHealthyBackendsBehavior` says, but the event names where to look first.
//!
//! Not here: the attempts that a late prober discards (`appliance/src/control/probe`).

use std::collections::BTreeSet;
use std::fmt;

use super::ProbeTarget;

/// Every probed target is down, and most of them fell within one probing interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllMembersFailedAtOnce {
    /// Targets that fell within the window.
    pub fell: usize,
    /// All targets of the table; every one is down.
    pub targets: usize,
    /// The longest interval plus timeout of the targets that fell, in milliseconds.
    pub within_milliseconds: u64,
}

impl fmt::Display for AllMembersFailedAtOnce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "all {} probed targets are down and {} of them failed within {} ms: suspect this \
             appliance first (its back port's link, its routes, its load), then the members",
            self.targets, self.fell, self.within_milliseconds
        )
    }
}

/// Whether the current incident has been reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    reported: bool,
}

impl Suspicion {
    /// A target is up: the next time that all are down is a new incident.
    pub(super) const fn lift(&mut self) {
        self.reported = false;
    }

    /// Judges a table in which nothing is up, from when each target last left `Up`.
    ///
    /// Targets probe at their own phase, so one outage reaches all of them within one interval
    /// and the timeout of the last attempt. Fewer than two addresses say nothing about the
    /// appliance, and neither do members that had been down for long: more than half of the
    /// table has to have fallen.
    pub(super) fn judge<'a>(
        &mut self,
        falls: impl Iterator<Item = (&'a ProbeTarget, Option<u64>)>,
        now_ms: u64,
    ) -> Option<AllMembersFailedAtOnce> {
        let mut event = AllMembersFailedAtOnce { fell: 0, targets: 0, within_milliseconds: 0 };
        let mut addresses = BTreeSet::new();
        for (target, fell_at_ms) in falls {
            event.targets += 1;
            let window = window_ms(target);
            if fell_at_ms.is_some_and(|fell| now_ms.saturating_sub(fell) <= window) {
                event.fell += 1;
                event.within_milliseconds = event.within_milliseconds.max(window);
                addresses.insert(target.address);
            }
        }
        if self.reported || addresses.len() < 2 || event.fell * 2 <= event.targets {
            return None;
        }
        self.reported = true;
        Some(event)
    }
}

fn window_ms(target: &ProbeTarget) -> u64 {
    u64::from(target.interval_milliseconds) + u64::from(target.timeout_milliseconds)
}
