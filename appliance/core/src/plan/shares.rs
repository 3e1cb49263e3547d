//! How many flows of each rule are on each member?
//!
//! Workers count live flows per rule and per member, not per pair of both. Every flow is on one
//! member, so members' counts add up to all flows; those of a rule are spread over its members.
//! Where rules share members, the counts leave open how; then each pair gets its share in
//! proportion, as near to both counts as can be (iterative proportional fitting: Deming and Stephan
//! 1940). Where the counts leave nothing open, as for a member of one rule, the result is exact.

use std::collections::BTreeMap;

use super::fates::{Flows, Outlook};
use crate::policy::Snapshot;
use crate::units::{MemberId, RuleId};

/// Rounds of fitting. Counts of a thousand rules on a thousand members agree to a flow by then.
const ROUNDS: usize = 24;

/// Live flows as workers count them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Of each rule, by its id.
    pub rules: BTreeMap<RuleId, u64>,
    /// Of each member, by its id: of rules, and to the outside.
    pub members: BTreeMap<MemberId, u64>,
}

impl Gauges {
    /// Of everything that is live in a snapshot, as these tell.
    #[must_use]
    pub fn of(
        snapshot: &Snapshot,
        of_rule: impl Fn(RuleId) -> u64,
        of_member: impl Fn(MemberId) -> u64,
    ) -> Self {
        let rules = (0u32..).zip(snapshot.rules.iter()).filter(|(_, rule)| rule.live);
        let members = (0u32..).zip(snapshot.members.iter()).filter(|(_, member)| member.live);
        Self {
            rules: rules.map(|(id, _)| (RuleId(id), of_rule(RuleId(id)))).collect(),
            members: members.map(|(id, _)| (MemberId(id), of_member(MemberId(id)))).collect(),
        }
    }
}

/// How many flows each outlook speaks of; altogether as many as members have.
pub(super) fn shares(outlooks: &[Outlook], gauges: &Gauges) -> Vec<f64> {
    let outside = outside(gauges);
    let mut shares: Vec<f64> = outlooks.iter().map(|outlook| outlook.part).collect();
    for _ in 0..ROUNDS {
        fit(outlooks, &mut shares, |outlook| match outlook.flows {
            Flows::Inbound(rule, _) => (Some(rule), count(&gauges.rules, rule)),
            Flows::Outbound(..) => (None, outside),
        });
        fit(outlooks, &mut shares, |outlook| {
            let member = outlook.flows.member();
            (member, count(&gauges.members, member))
        });
    }
    shares
}

/// Flows of members that are of no rule.
fn outside(gauges: &Gauges) -> f64 {
    let (all, inbound): (u64, u64) = (gauges.members.values().sum(), gauges.rules.values().sum());
    as_share(all.saturating_sub(inbound))
}

fn count<K: Ord>(gauges: &BTreeMap<K, u64>, id: K) -> f64 {
    as_share(gauges.get(&id).copied().unwrap_or(0))
}

#[allow(clippy::cast_precision_loss, reason = "flows are fewer than 2^53")]
const fn as_share(flows: u64) -> f64 {
    flows as f64
}

/// Scales the shares of each group so that they add up to what the group has.
fn fit<K: Ord>(outlooks: &[Outlook], shares: &mut [f64], group: impl Fn(&Outlook) -> (K, f64)) {
    let mut sums: BTreeMap<K, f64> = BTreeMap::new();
    for (outlook, share) in outlooks.iter().zip(shares.iter()) {
        *sums.entry(group(outlook).0).or_default() += share;
    }
    for (outlook, share) in outlooks.iter().zip(shares.iter_mut()) {
        let (key, wanted) = group(outlook);
        let sum = sums.get(&key).copied().unwrap_or(0.0);
        *share = if sum > 0.0 { *share * wanted / sum } else { 0.0 };
    }
}
