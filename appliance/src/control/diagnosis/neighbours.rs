//! Which next hops have not told their link-layer address, and for how long?

use std::collections::{BTreeMap, BTreeSet};

use weir_core::api::Finding;
use weir_core::neighbour::World;
use weir_core::units::{Address, PortId};

use super::finding::{fine, problem, some_of, warning};
use super::network::Network;

/// Wanted neighbours, and since when they are not resolved.
#[derive(Debug, Default)]
pub(in crate::control) struct Unresolved {
    wanted: BTreeSet<(PortId, Address)>,
    since_ms: BTreeMap<(PortId, Address), u64>,
}

impl Unresolved {
    /// Replaces the set of wanted neighbours.
    pub(in crate::control) fn want(&mut self, wanted: BTreeSet<(PortId, Address)>) {
        self.wanted = wanted;
    }

    /// Looks at all of them at `now_ms`.
    pub(in crate::control) fn observe(&mut self, world: &World, now_ms: u64) {
        let lacking = |key: &&(PortId, Address)| world.mac_of(key.0, key.1).is_none();
        let since = self.wanted.iter().filter(lacking).map(|key| {
            let since = self.since_ms.get(key).copied().unwrap_or(now_ms);
            (*key, since)
        });
        self.since_ms = since.collect();
    }
}

/// Judges the neighbours that are wanted.
pub(super) fn judge(unresolved: &Unresolved, network: Network<'_>, now_ms: u64) -> Vec<Finding> {
    let written = |(key, since): (&(PortId, Address), &u64)| {
        let seconds = now_ms.saturating_sub(*since) / 1_000;
        (seconds, format!("{} on {} ({seconds} s)", key.1, network.name(key.0)))
    };
    let all: Vec<(u64, String)> = unresolved.since_ms.iter().map(written).collect();
    let (long, new): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(seconds, _)| *seconds >= PATIENCE_SECONDS);
    let names = |all: Vec<(u64, String)>| some_of(all.into_iter().map(|(_, name)| name));
    let mut findings = Vec::new();
    if !long.is_empty() {
        let detail = format!("next hops do not answer: {}", names(long));
        findings.push(problem(
            "neighbour",
            detail,
            "Are they running, and on that port's link (VLAN, switch port)? `ip -n weir neigh` \
             shows what the kernel knows.",
        ));
    }
    if !new.is_empty() {
        let detail = format!("next hops are being asked for: {}", names(new));
        findings.push(warning("neighbour", detail, "Ask again in a few seconds."));
    }
    if findings.is_empty() {
        let count = unresolved.wanted.len();
        findings.push(fine("neighbour", format!("every next hop is resolved ({count})")));
    }
    findings
}

/// The kernel asks three times, a second apart.
const PATIENCE_SECONDS: u64 = 5;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Warning};

    use super::super::finding::tests::assert_found;
    use super::super::network::tests::{configuration, ip, learn, world};
    use super::*;

    #[test]
    fn who_does_not_answer_for_long_is_told_from_who_was_only_just_asked() {
        let ports = [("front", "198.51.100.1/24"), ("back", "10.0.0.1/24")];
        let configuration = configuration(&ports, &["10.0.0.11"], "203.0.113.10");
        let mut world = world(&[(1, "10.0.0.1/24")], &[]);
        let mut unresolved = Unresolved::default();
        let mut look = |world: &World, members: &[&str], second: u64, expected: &[_]| {
            unresolved.want(members.iter().map(|member| (PortId(1), ip(member))).collect());
            unresolved.observe(world, second * 1_000);
            let network = Network { configuration: &configuration, world };
            let found = judge(&unresolved, network, second * 1_000);
            assert_found(&format!("second {second}"), &found, expected);
        };
        look(&world, &[], 0, &[(Ok, "resolved (0)")]);
        look(&world, &["10.0.0.11"], 1, &[(Warning, "10.0.0.11 on back (0 s)")]);
        look(&world, &["10.0.0.11"], 5, &[(Warning, "(4 s)")]);
        look(&world, &["10.0.0.11"], 6, &[(Problem, "10.0.0.11 on back (5 s)")]);
        let both = ["10.0.0.11", "10.0.0.12"];
        look(&world, &both, 7, &[(Problem, "10.0.0.11"), (Warning, "10.0.0.12")]);
        learn(&mut world, 1, "10.0.0.11");
        look(&world, &both, 8, &[(Warning, "10.0.0.12 on back (1 s)")]);
        look(&world, &["10.0.0.11"], 9, &[(Ok, "resolved (1)")]);
    }
}
