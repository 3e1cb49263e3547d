//! How many live flows are kept, drain or end, and whose are they?

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::fates::{Before, Fate, Outlook, Planned, id_of_member, outlooks};
use super::shares::{Gauges, shares};
use crate::api::{FlowEffect, FlowEffects, ResourceChange};
use crate::limits::PLAN_EFFECTS_MAX;

/// What becomes of live flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Of all of them.
    pub flows: FlowEffects,
    /// Of those of each rule and member whose flows would end, or drain from then on, and of those
    /// that would be changed themselves: first those that end, of these the most flows first. No
    /// flow that ends or drains is under two of them.
    pub effects: Vec<FlowEffect>,
    /// Effects beyond [`PLAN_EFFECTS_MAX`].
    pub omitted: u64,
}

/// What would become of the live flows that `gauges` count; `changes` are those of the
/// configuration.
#[must_use]
pub fn effects(
    before: Before<'_>,
    planned: Planned<'_>,
    gauges: &Gauges,
    changes: &[ResourceChange],
) -> Effects {
    let outlooks = outlooks(before, planned);
    let shares = shares(&outlooks, gauges);
    let changed: BTreeSet<String> = changes.iter().map(|it| it.id.to_ascii_lowercase()).collect();
    let mut groups = Groups::default();
    for (outlook, share) in outlooks.iter().zip(&shares) {
        groups.add(outlook, *share);
    }
    groups.drop_untold(&changed);
    groups.add_members(before, &changed, &outlooks, &shares);
    let omitted = groups.told.len().saturating_sub(PLAN_EFFECTS_MAX) as u64;
    Effects { flows: groups.total(gauges), effects: groups.into_effects(), omitted }
}

/// Flows of one rule or member that share a fate.
#[derive(Default)]
struct Group<'a> {
    flows: f64,
    why: &'a str,
    is_new: bool,
}

#[derive(Default)]
struct Groups<'a> {
    told: BTreeMap<(Fate, String), Group<'a>>,
    sums: BTreeMap<Fate, f64>,
}

impl<'a> Groups<'a> {
    fn add(&mut self, outlook: &'a Outlook, share: f64) {
        *self.sums.entry(outlook.fate).or_default() += share;
        let group = self.told.entry((outlook.fate, outlook.id.clone())).or_default();
        group.flows += share;
        group.is_new |= outlook.is_new;
        if group.why.is_empty() {
            group.why = &outlook.why;
        }
    }

    /// Leaves out whose flows nothing happens to, and who is not changed.
    fn drop_untold(&mut self, changed: &BTreeSet<String>) {
        self.told
            .retain(|(_, id), group| group.is_new || changed.contains(&id.to_ascii_lowercase()));
    }

    /// Adds members that are changed, and whose flows go on.
    fn add_members(
        &mut self,
        before: Before<'_>,
        changed: &BTreeSet<String>,
        outlooks: &[Outlook],
        shares: &[f64],
    ) {
        for owner in &before.configuration.load_balancers {
            for pool in &owner.pools {
                for member in &pool.members {
                    let id = id_of_member(owner, pool, member);
                    let is_told = |fate| self.told.contains_key(&(fate, id.clone()));
                    if !changed.contains(&id.to_ascii_lowercase())
                        || is_told(Fate::End)
                        || is_told(Fate::Drain)
                    {
                        continue;
                    }
                    let known = before.snapshot.hosts.get(member.address.into()).as_member();
                    let of_member = outlooks.iter().zip(shares).filter(|(it, _)| {
                        Some(it.flows.member()) == known && it.fate == Fate::Keep
                    });
                    let flows = of_member.map(|(_, share)| share).sum();
                    let group = Group { flows, ..Group::default() };
                    self.told.insert((Fate::Keep, id), group);
                }
            }
        }
    }

    fn total(&self, gauges: &Gauges) -> FlowEffects {
        let all: u64 = gauges.members.values().sum();
        let sum = |fate| rounded(self.sums.get(&fate).copied().unwrap_or(0.0));
        let end = sum(Fate::End).min(all);
        let drain = sum(Fate::Drain).min(all - end);
        FlowEffects { keep: all - end - drain, drain, end }
    }

    fn into_effects(self) -> Vec<FlowEffect> {
        let told = self.told.into_iter().map(|((fate, id), group)| (fate, id, group));
        let mut told: Vec<_> =
            told.map(|(fate, id, it)| (fate, rounded(it.flows), id, it.why)).collect();
        told.sort_by(|one, other| {
            (one.0, Reverse(one.1), &one.2).cmp(&(other.0, Reverse(other.1), &other.2))
        });
        told.truncate(PLAN_EFFECTS_MAX);
        let touched = told.iter().filter(|it| it.0 != Fate::Keep).map(|it| it.2.clone());
        let touched: BTreeSet<_> = touched.collect();
        let effect = |(fate, flows, id, why): (Fate, u64, String, &str)| FlowEffect {
            effect: name_of(fate).to_owned(),
            flows,
            why: match why {
                "" if touched.contains(&id) => OTHERS,
                "" => KEPT,
                why => why,
            }
            .to_owned(),
            id,
        };
        told.into_iter().map(effect).collect()
    }
}

const OTHERS: &str = "its other flows go on";
const KEPT: &str = "nothing that its flows depend on changes";

const fn name_of(fate: Fate) -> &'static str {
    match fate {
        Fate::End => "End",
        Fate::Drain => "Drain",
        Fate::Keep => "Keep",
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares are neither negative nor more than there are flows"
)]
fn rounded(share: f64) -> u64 {
    share.round() as u64
}
