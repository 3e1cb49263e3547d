//! What is to be probed, and what do verdicts mean for a rule?

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::{Configuration, LoadBalancer, LoadBalancingRule, Probe};
use crate::health::{HealthTable, PoolMember, PoolView, ProbeTarget, pool_view};

/// What a probe asks of one member.
#[must_use]
pub fn probe_target(probe: &Probe, address: IpAddr) -> ProbeTarget {
    ProbeTarget {
        address,
        port: probe.port,
        protocol: probe.protocol.clone(),
        interval_milliseconds: probe.interval_milliseconds,
        timeout_milliseconds: probe.timeout_milliseconds,
        threshold: probe.threshold,
    }
}

/// Everything to be probed: the members of every rule that has a probe (behaviour.md §3.1: a
/// probe that no rule names does not run).
#[must_use]
pub fn probe_targets(configuration: &Configuration) -> BTreeSet<ProbeTarget> {
    let mut targets = BTreeSet::new();
    for load_balancer in &configuration.load_balancers {
        // Many rules have a pool and a probe in common.
        let probed: BTreeSet<_> =
            load_balancer.rules.iter().filter_map(|rule| Some((rule.pool, rule.probe?))).collect();
        for (pool, probe) in probed {
            let (members, probe) =
                (&load_balancer.pools[pool].members, &load_balancer.probes[probe]);
            targets.extend(members.iter().map(|member| probe_target(probe, member.address)));
        }
    }
    targets
}

/// Who of a rule's pool takes new flows, and why not the others.
#[must_use]
pub fn rule_view(
    load_balancer: &LoadBalancer,
    rule: &LoadBalancingRule,
    health: &HealthTable,
) -> PoolView {
    let probe = rule.probe.map(|probe| &load_balancer.probes[probe]);
    let members: Vec<PoolMember> = load_balancer.pools[rule.pool]
        .members
        .iter()
        .map(|member| PoolMember {
            admin_state: member.admin_state,
            observation: probe
                .map(|probe| health.observation(&probe_target(probe, member.address)))
                .unwrap_or_default(),
        })
        .collect();
    pool_view(&members, probe.map(|probe| probe.no_healthy_backends))
}
