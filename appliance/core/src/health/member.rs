//! What do the verdicts so far say about one probed endpoint?
//!
//! ```text
//!              threshold successes, or status 200
//!          ┌────────────────────────────────────────►┐
//!   NA ─► Down                                       Up
//!    │     └◄────────────────────────────────────────┘
//!    └ first result   threshold failures, or status ≠ 200
//! ```
//!
//! Not here: who the member is (`table`), what its pool makes of it (`pool`).

use super::{Observation, Reason, Verdict};

/// What is known about a probed endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeState {
    /// No attempt has ended yet; counts as down (behaviour.md §3.3).
    #[default]
    NotProbed,
    /// Eligible for new flows.
    Up,
    /// Not eligible for new flows.
    Down,
}

/// A change of state, to be published and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: ProbeState,
    /// The state after.
    pub to: ProbeState,
    /// Why.
    pub reason: Reason,
}

/// The state machine of one probed endpoint (behaviour.md §3.2 and §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberHealth {
    state: ProbeState,
    /// Consecutive verdicts that contradict the state; always below the threshold.
    contradictions: u32,
    last_verdict: Option<Verdict>,
}

impl MemberHealth {
    /// Takes one verdict in and says whether the state changed.
    ///
    /// An HTTP status sets the state at once and resets the count; anything else needs
    /// `threshold` in a row. The first result ends `NotProbed` whatever the threshold: what is
    /// not up is down.
    pub fn observe(&mut self, threshold: u32, verdict: Verdict) -> Option<Transition> {
        let from = self.state;
        self.last_verdict = Some(verdict);
        self.state = self.state_after(threshold, verdict);
        (self.state != from).then(|| Transition { from, to: self.state, reason: self.reason() })
    }

    fn state_after(&mut self, threshold: u32, verdict: Verdict) -> ProbeState {
        let said = if verdict.is_success() { ProbeState::Up } else { ProbeState::Down };
        let believed = match self.state {
            ProbeState::Up => ProbeState::Up,
            ProbeState::Down | ProbeState::NotProbed => ProbeState::Down,
        };
        if verdict.is_explicit() || said == believed {
            self.contradictions = 0;
            return said;
        }
        self.contradictions += 1;
        if self.contradictions >= threshold.max(1) {
            self.contradictions = 0;
            return said;
        }
        believed
    }

    /// The same knowledge for a target whose pace or threshold changed: the state stays, the
    /// count towards the next one starts again.
    #[must_use]
    pub const fn carried_over(self) -> Self {
        Self { contradictions: 0, ..self }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> ProbeState {
        self.state
    }

    /// Whether new flows may go there.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, ProbeState::Up)
    }

    /// What the latest attempt found, for people: finer than the reason code.
    #[must_use]
    pub const fn last_verdict(&self) -> Option<Verdict> {
        self.last_verdict
    }

    /// Azure's reason code for the state.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let Some(verdict) = self.last_verdict else {
            return Reason::NotProbed;
        };
        match self.state {
            ProbeState::NotProbed => Reason::NotProbed,
            ProbeState::Up if verdict.is_success() => Reason::UpProbeSuccess,
            ProbeState::Up => Reason::UpProbeApproachingUnhealthyThreshold,
            ProbeState::Down => verdict.down_reason(),
        }
    }
}

impl From<&MemberHealth> for Observation {
    fn from(health: &MemberHealth) -> Self {
        Self { is_up: health.is_up(), reason: health.reason() }
    }
}
