//! Which members came up or went down, for which rules?
//!
//! ```text
//!   a probe's word ─► the groups that it can concern wait ─► a few each turn ─► what differs
//! ```
//!
//! Rules of one pool with one probe see the same members, and are a group. Only while somebody
//! listens is anything remembered. A turn looks at a bounded number of members: with many of them
//! the news comes later, and the control loop does not wait for it.
//!
//! Not here: what a probe's word means (`weir_core::health`), who is told (`super`).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use weir_core::compile::{probe_target, rule_view};
use weir_core::config::{Configuration, LoadBalancer, LoadBalancingRule, Probe};
use weir_core::health::{HealthTable, MemberView, ProbeTarget};

/// A member's new state for one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthChange {
    /// The load balancer's name.
    pub(super) load_balancer: String,
    /// The rule's name.
    pub(super) rule: String,
    /// The member's address.
    pub(super) member: IpAddr,
    /// Whether it takes new flows now.
    pub(super) is_up: bool,
    /// Azure's code.
    pub(super) reason: String,
    /// What the latest probe found, for people; empty before the first.
    pub(super) detail: String,
}

/// What was said last about each member.
#[derive(Debug)]
pub(super) struct HealthWatch {
    groups: Vec<Group>,
    waiting: VecDeque<usize>,
}

/// The rules of one pool that share a probe: positions in the configuration.
#[derive(Debug)]
struct Group {
    load_balancer: usize,
    pool: usize,
    probe: usize,
    rules: Vec<usize>,
    /// The members, and whether they were up when it was looked last.
    known: BTreeMap<IpAddr, bool>,
    waits: bool,
}

impl HealthWatch {
    /// Begins with the states as they are.
    pub(super) fn begin(configuration: &Configuration, health: &HealthTable) -> Self {
        let mut groups = groups_of(configuration);
        for group in &mut groups {
            let views = group.views(configuration, health);
            group.known = views.map(|(member, view)| (member, view.eligible)).collect();
        }
        Self { groups, waiting: VecDeque::new() }
    }

    /// Goes on with another configuration. What is new in it begins as down, as for traffic.
    pub(super) fn follow(&mut self, old: &Configuration, new: &Configuration) {
        let mut known: BTreeMap<_, _> = BTreeMap::new();
        for group in std::mem::take(&mut self.groups) {
            known.insert(group.names(old), group.known);
        }
        self.groups = groups_of(new);
        self.waiting.clear();
        for position in 0..self.groups.len() {
            let names = self.groups[position].names(new);
            self.groups[position].known = known.remove(&names).unwrap_or_default();
            self.wait(position);
        }
    }

    /// Notes that a target's state has changed. Groups that do not know its address wait already.
    pub(super) fn suspect(&mut self, configuration: &Configuration, target: &ProbeTarget) {
        for position in 0..self.groups.len() {
            let group = &self.groups[position];
            let probe = &configuration.load_balancers[group.load_balancer].probes[group.probe];
            if group.known.contains_key(&target.address) && asks(probe, target) {
                self.wait(position);
            }
        }
    }

    /// Tells what changed in some of the groups that wait: until `members_enough` were looked at.
    pub(super) fn turn(
        &mut self,
        configuration: &Configuration,
        health: &HealthTable,
        members_enough: usize,
        mut tell: impl FnMut(HealthChange),
    ) {
        let mut looked_at = 0;
        while looked_at < members_enough
            && let Some(position) = self.waiting.pop_front()
        {
            let group = &mut self.groups[position];
            group.waits = false;
            looked_at += group.look(configuration, health, &mut tell);
        }
    }

    fn wait(&mut self, position: usize) {
        let waits = std::mem::replace(&mut self.groups[position].waits, true);
        if !waits {
            self.waiting.push_back(position);
        }
    }
}

impl Group {
    /// What identifies the group in any configuration.
    fn names(&self, configuration: &Configuration) -> [String; 3] {
        let load_balancer = &configuration.load_balancers[self.load_balancer];
        let (pool, probe) = (&load_balancer.pools[self.pool], &load_balancer.probes[self.probe]);
        [load_balancer.name.clone(), pool.name.clone(), probe.name.clone()]
    }

    /// Every member as the group's rules see it.
    fn views<'a>(
        &self,
        configuration: &'a Configuration,
        health: &HealthTable,
    ) -> impl Iterator<Item = (IpAddr, MemberView)> + use<'a> {
        let load_balancer = &configuration.load_balancers[self.load_balancer];
        let first = self.rules.first().map(|rule| &load_balancer.rules[*rule]);
        let views = first.map(|rule| rule_view(load_balancer, rule, health).members);
        let members = load_balancer.pools[self.pool].members.iter().map(|member| member.address);
        members.zip(views.unwrap_or_default())
    }

    /// Tells what changed, and says how many members were looked at.
    fn look(
        &mut self,
        configuration: &Configuration,
        health: &HealthTable,
        tell: &mut impl FnMut(HealthChange),
    ) -> usize {
        let load_balancer = &configuration.load_balancers[self.load_balancer];
        let mut known = BTreeMap::new();
        for (address, view) in self.views(configuration, health) {
            let was_up = self.known.get(&address).copied().unwrap_or(false);
            if was_up != view.eligible {
                let change = self.change(load_balancer, health, address, view);
                for rule in &self.rules {
                    let rule = load_balancer.rules[*rule].name.clone();
                    tell(HealthChange { rule, ..change.clone() });
                }
            }
            known.insert(address, view.eligible);
        }
        self.known = known;
        self.known.len().max(1)
    }

    fn change(
        &self,
        load_balancer: &LoadBalancer,
        health: &HealthTable,
        member: IpAddr,
        view: MemberView,
    ) -> HealthChange {
        let target = probe_target(&load_balancer.probes[self.probe], member);
        let verdict = health.last_verdict(&target);
        HealthChange {
            load_balancer: load_balancer.name.clone(),
            rule: String::new(),
            member,
            is_up: view.eligible,
            reason: view.reason.map_or_else(String::new, |reason| reason.to_string()),
            detail: verdict.map_or_else(String::new, |verdict| verdict.to_string()),
        }
    }
}

/// Whether a target is one of this probe's.
fn asks(probe: &Probe, target: &ProbeTarget) -> bool {
    (probe.port, &probe.protocol) == (target.port, &target.protocol)
        && probe.interval_milliseconds == target.interval_milliseconds
        && probe.timeout_milliseconds == target.timeout_milliseconds
        && probe.threshold == target.threshold
}

/// The rules that have a probe, by pool and probe. Members of others are always up.
fn groups_of(configuration: &Configuration) -> Vec<Group> {
    let mut groups: BTreeMap<(usize, usize, usize), Vec<usize>> = BTreeMap::new();
    for (load_balancer, it) in configuration.load_balancers.iter().enumerate() {
        for (position, LoadBalancingRule { pool, probe, .. }) in it.rules.iter().enumerate() {
            let Some(probe) = probe else { continue };
            groups.entry((load_balancer, *pool, *probe)).or_default().push(position);
        }
    }
    let group = |((load_balancer, pool, probe), rules)| Group {
        load_balancer,
        pool,
        probe,
        rules,
        known: BTreeMap::new(),
        waits: false,
    };
    groups.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests;
