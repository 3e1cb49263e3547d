//! Who of one pool may receive new flows of one rule?
//!
//! ```text
//!   rule without a probe ─────────────────────────────────► everyone, no reason
//!   adminState Up / Down ─────────────────────────────────► Up_Admin / Down_Admin
//!   adminState None ──► probe up ─────────────────────────► as probed
//!                   └─► probe down ─┬─ someone is up ─────► as probed
//!                                   ├─ AllProbedDown ─────► as probed
//!                                   └─ AllProbedUp ───────► Up_Probe_AllDownIsUp
//! ```
//!
//! Not here: weights and the choice itself (`policy`), what flows of a down member do (`flow`).

use super::Reason;
use crate::config::{AdminState, NoHealthyBackends};

/// What the prober knows about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Whether the probe holds it for up.
    pub is_up: bool,
    /// Why.
    pub reason: Reason,
}

impl Default for Observation {
    /// Not probed yet, which counts as down.
    fn default() -> Self {
        Self { is_up: false, reason: Reason::NotProbed }
    }
}

/// One member of a pool as `pool_view` judges it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolMember {
    /// What the operator said.
    pub admin_state: AdminState,
    /// What the prober knows.
    pub observation: Observation,
}

/// The judgement on one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Whether new flows may go there. Established UDP flows of a member that is not eligible move
    /// to one that is; established TCP flows stay (behaviour.md §3.4).
    pub eligible: bool,
    /// Why; `None` for rules without a probe, which Azure's health leaves out (§3.6).
    pub reason: Option<Reason>,
}

/// The judgement on a pool, for one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// In the order of the members given.
    pub members: Vec<MemberView>,
    /// All probes are down and `AllProbedUp` opened the pool as a last resort.
    pub last_resort: bool,
    /// Whether established TCP flows continue: always while somebody is eligible, and in a pool
    /// of more than one member even when nobody is (behaviour.md §3.4, Standard).
    pub established_tcp_continues: bool,
}

impl PoolView {
    /// How many members receive new flows.
    #[must_use]
    pub fn eligible_count(&self) -> usize {
        self.members.iter().filter(|member| member.eligible).count()
    }
}

/// Judges the members of a pool for a rule. `probe` is the behaviour of the rule's probe when all
/// are down, or `None` for a rule without a probe: then all are eligible, whatever the operator
/// said, since admin state acts only on rules with a probe (§3.4, §3.8).
#[must_use]
pub fn pool_view(members: &[PoolMember], probe: Option<NoHealthyBackends>) -> PoolView {
    let Some(no_healthy_backends) = probe else {
        let everyone = MemberView { eligible: true, reason: None };
        return PoolView {
            members: vec![everyone; members.len()],
            last_resort: false,
            established_tcp_continues: true,
        };
    };
    let mut views: Vec<MemberView> = members.iter().map(view_of).collect();
    let nobody_is_up = !views.iter().any(|view| view.eligible);
    let mut last_resort = false;
    if nobody_is_up && no_healthy_backends == NoHealthyBackends::AllProbedUp {
        last_resort = open_to_everyone(members, &mut views);
    }
    let somebody_is_eligible = views.iter().any(|view| view.eligible);
    PoolView {
        last_resort,
        established_tcp_continues: somebody_is_eligible || members.len() > 1,
        members: views,
    }
}

fn view_of(member: &PoolMember) -> MemberView {
    let (eligible, reason) = match member.admin_state {
        AdminState::Up => (true, Reason::UpAdmin),
        AdminState::Down => (false, Reason::DownAdmin),
        AdminState::None => (member.observation.is_up, member.observation.reason),
    };
    MemberView { eligible, reason: Some(reason) }
}

/// Makes everybody eligible whom the operator has not taken out; says whether that is anybody.
fn open_to_everyone(members: &[PoolMember], views: &mut [MemberView]) -> bool {
    let mut anybody = false;
    for (member, view) in members.iter().zip(views) {
        if member.admin_state == AdminState::None {
            *view = MemberView { eligible: true, reason: Some(Reason::UpProbeAllDownIsUp) };
            anybody = true;
        }
    }
    anybody
}
