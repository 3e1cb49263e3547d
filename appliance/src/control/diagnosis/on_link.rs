//! Are there clients that members answer directly, past Weir?
//!
//! A member sends to an address of its own subnet without a router. If that is a client of a
//! frontend, the reply carries the member's address, and the client drops it.

use std::collections::{BTreeMap, BTreeSet};

use weir_core::api::Finding;
use weir_core::units::{Address, PortId, Prefix};

use super::finding::{fine, some_of, warning};
use super::network::Network;

/// Judges the subnets in which members stand.
pub(super) fn judge(network: Network<'_>) -> Vec<Finding> {
    let subnets = member_subnets(network);
    let mut findings = Vec::new();
    for ((port, subnet), members) in &subnets {
        let frontends = network.frontends().filter(|(address, _)| subnet.contains(*address));
        let frontends: Vec<String> =
            frontends.map(|(address, name)| format!("{name} ({address})")).collect();
        if !frontends.is_empty() {
            findings.push(frontend_among_members(*subnet, &frontends));
        }
        let strangers = strangers(network, *port, *subnet, members);
        if !strangers.is_empty() {
            findings.push(host_among_members(*subnet, &strangers));
        }
    }
    if findings.is_empty() {
        let count = subnets.len();
        let text = format!("no frontend and no client is known in members' subnets ({count})");
        findings.push(fine("on-link", text));
    }
    findings
}

/// The subnets of ports that hold members, with them.
fn member_subnets(network: Network<'_>) -> BTreeMap<(PortId, Prefix), BTreeSet<Address>> {
    let mut subnets: BTreeMap<_, BTreeSet<Address>> = BTreeMap::new();
    let members = network.members();
    for (port, subnet) in network.subnets() {
        let inside: BTreeSet<Address> =
            members.iter().copied().filter(|member| subnet.contains(*member)).collect();
        if !inside.is_empty() {
            subnets.entry((port, subnet)).or_default().extend(inside);
        }
    }
    subnets
}

/// Hosts of a subnet that Weir had to find, and that are neither members nor routers.
fn strangers(
    network: Network<'_>,
    port: PortId,
    subnet: Prefix,
    members: &BTreeSet<Address>,
) -> Vec<Address> {
    let hops = network.world.routes().flat_map(|(_, hops)| hops);
    let routers: BTreeSet<Address> = hops.filter_map(|hop| hop.gateway).collect();
    let neighbours = network.world.neighbours().iter();
    let found = neighbours.filter(|(_, known)| known.usable_mac().is_some());
    let here = found.map(|(key, _)| *key).filter(|(at, it)| *at == port && subnet.contains(*it));
    let is_stranger =
        |it: &Address| !members.contains(it) && !routers.contains(it) && !network.world.is_own(*it);
    here.map(|(_, address)| address).filter(is_stranger).collect()
}

fn frontend_among_members(subnet: Prefix, frontends: &[String]) -> Finding {
    warning(
        "on-link",
        format!("frontends lie in {subnet}, where members stand: {}", some_of(frontends)),
        "Hosts of that subnet, members too, cannot use these frontends: members answer them \
         directly. Put clients into another subnet, or give the frontends an address elsewhere.",
    )
}

fn host_among_members(subnet: Prefix, strangers: &[Address]) -> Finding {
    warning(
        "on-link",
        format!("hosts beside the members of {subnet}: {}", some_of(strangers)),
        "If they are clients of a frontend, members answer them directly, past Weir, and their \
         connections hang: put them into another subnet. If they are not, nothing is wrong.",
    )
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{self, Ok, Warning};

    use super::super::finding::tests::assert_found;
    use super::super::network::tests::{configuration, learn, world};
    use super::*;

    #[test]
    fn frontends_and_strangers_beside_members_are_named() {
        let ports = [("front", "198.51.100.1/24"), ("back", "10.0.0.1/24")];
        let own = [(0, "198.51.100.1/24"), (1, "10.0.0.1/24")];
        let routes =
            [("0.0.0.0/0", 0, Some("198.51.100.254")), ("10.9.0.0/16", 1, Some("10.0.0.254"))];
        type Row<'a> = (&'a str, &'a str, &'a [(u8, &'a str)], &'a [(FindingState, &'a str)]);
        let cases: [Row<'_>; 5] = [
            ("quiet", "203.0.113.10", &[], &[(Ok, "subnets (1)")]),
            (
                "members, routers and own addresses belong there",
                "203.0.113.10",
                &[(1, "10.0.0.11"), (1, "10.0.0.254"), (1, "10.0.0.1"), (0, "198.51.100.7")],
                &[(Ok, "subnets (1)")],
            ),
            ("on the other link", "198.51.100.100", &[], &[(Ok, "subnets (1)")]),
            ("a frontend", "10.0.0.100", &[], &[(Warning, "10.0.0.0/24, where members")]),
            (
                "both",
                "10.0.0.100",
                &[(1, "10.0.0.50")],
                &[(Warning, "lb/front (10.0.0.100)"), (Warning, "10.0.0.0/24: 10.0.0.50")],
            ),
        ];
        for (name, frontend, neighbours, expected) in cases {
            let configuration = configuration(&ports, &["10.0.0.11", "10.9.0.1"], frontend);
            let mut world = world(&own, &routes);
            for (port, address) in neighbours {
                learn(&mut world, *port, address);
            }
            let network = Network { configuration: &configuration, world: &world };
            assert_found(name, &judge(network), expected);
        }
    }
}
