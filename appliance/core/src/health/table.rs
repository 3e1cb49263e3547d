//! What is known about every probed endpoint of the appliance?
//!
//! Not here: when to probe (`appliance/src/control/probe`), whether the appliance itself is the
//! culprit when all fail (`suspicion`).

use std::collections::{BTreeMap, BTreeSet};

use super::suspicion::{AllMembersFailedAtOnce, Suspicion};
use super::{MemberHealth, Observation, ProbeState, ProbeTarget, Reason, Transition, Verdict};

/// What a new set of targets changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetChanges {
    /// Targets that were not there before, in order.
    pub added: Vec<ProbeTarget>,
    /// Targets that are gone, in order.
    pub removed: Vec<ProbeTarget>,
}

/// One endpoint's health and when it last left `Up`.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    health: MemberHealth,
    fell_at_ms: Option<u64>,
}

/// The health of all probed endpoints. Holds exactly the targets of the last `set_targets`, whose
/// number the configuration bounds.
#[derive(Clone, Debug, Default)]
pub struct HealthTable {
    entries: BTreeMap<ProbeTarget, Entry>,
    targets_up: usize,
    suspicion: Suspicion,
}

impl HealthTable {
    /// Replaces the set of targets. A target that stays keeps its state; a new one that asks the
    /// same endpoint the same question as an old one (only its interval, timeout or threshold
    /// differs) begins with the state of the old one, so that no edit of a probe takes a pool
    /// down.
    pub fn set_targets(&mut self, targets: &BTreeSet<ProbeTarget>) -> TargetChanges {
        let added: Vec<_> =
            targets.iter().filter(|target| !self.entries.contains_key(target)).cloned().collect();
        let inherited: Vec<_> = added.iter().map(|target| self.inheritance(target)).collect();
        let removed: Vec<_> =
            self.entries.keys().filter(|target| !targets.contains(target)).cloned().collect();
        for target in &removed {
            self.entries.remove(target);
        }
        self.entries.extend(added.iter().cloned().zip(inherited));
        self.targets_up = self.entries.values().filter(|entry| entry.health.is_up()).count();
        TargetChanges { added, removed }
    }

    fn inheritance(&self, target: &ProbeTarget) -> Entry {
        let first = ProbeTarget {
            interval_milliseconds: 0,
            timeout_milliseconds: 0,
            threshold: 0,
            ..target.clone()
        };
        self.entries
            .range(first..)
            .next()
            .filter(|(known, _)| known.asks_the_same_as(target))
            .map_or_else(Entry::default, |(_, entry)| Entry {
                health: entry.health.carried_over(),
                ..*entry
            })
    }

    /// Takes in what one attempt found at `now_ms`, milliseconds on the caller's monotonic clock.
    /// A verdict for a target that is no longer configured is ignored.
    pub fn record(
        &mut self,
        target: &ProbeTarget,
        verdict: Verdict,
        now_ms: u64,
    ) -> Option<Transition> {
        let entry = self.entries.get_mut(target)?;
        let transition = entry.health.observe(target.threshold, verdict)?;
        if transition.to == ProbeState::Up {
            self.targets_up += 1;
            self.suspicion.lift();
        } else if transition.from == ProbeState::Up {
            self.targets_up -= 1;
            entry.fell_at_ms = Some(now_ms);
        }
        Some(transition)
    }

    /// Whether everything failed so close together that the appliance is the first suspect. To be
    /// asked after a transition; answers once per incident, until a target is up again.
    pub fn suspect(&mut self, now_ms: u64) -> Option<AllMembersFailedAtOnce> {
        if self.targets_up > 0 || self.entries.is_empty() {
            return None;
        }
        let falls = self.entries.iter().map(|(target, entry)| (target, entry.fell_at_ms));
        self.suspicion.judge(falls, now_ms)
    }

    /// Whether new flows may go to the target; false for one that is not configured.
    #[must_use]
    pub fn is_up(&self, target: &ProbeTarget) -> bool {
        self.entries.get(target).is_some_and(|entry| entry.health.is_up())
    }

    /// Whether the target is up, or was since the process started.
    #[must_use]
    pub fn has_been_up(&self, target: &ProbeTarget) -> bool {
        let was = |entry: &Entry| entry.health.is_up() || entry.fell_at_ms.is_some();
        self.entries.get(target).is_some_and(was)
    }

    /// Why the target is up or down; `NotProbed` for one that is not configured.
    #[must_use]
    pub fn reason(&self, target: &ProbeTarget) -> Reason {
        self.entries.get(target).map_or(Reason::NotProbed, |entry| entry.health.reason())
    }

    /// State and reason in the shape that `pool_view` takes.
    #[must_use]
    pub fn observation(&self, target: &ProbeTarget) -> Observation {
        self.entries.get(target).map_or_else(Observation::default, |entry| (&entry.health).into())
    }

    /// What the latest attempt found, for people: finer than the reason code.
    #[must_use]
    pub fn last_verdict(&self, target: &ProbeTarget) -> Option<Verdict> {
        self.entries.get(target)?.health.last_verdict()
    }

    /// Every target with its health, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ProbeTarget, &MemberHealth)> {
        self.entries.iter().map(|(target, entry)| (target, &entry.health))
    }

    /// How many targets are probed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is probed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many targets are up.
    #[must_use]
    pub const fn targets_up(&self) -> usize {
        self.targets_up
    }
}
