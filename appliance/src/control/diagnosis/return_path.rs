//! Do members' replies come back through Weir?
//!
//! ```text
//!   two arms   router ── front [ Weir ] back ── members
//!   one arm    router ──┬── port [ Weir ]           the members' default route decides: Weir, or
//!                       └── members                 the router, and then replies go past Weir
//! ```
//!
//! A member's routing table cannot be seen from here. What can be: where members stand, and
//! whether their packets arrived by another port than the one that leads to them.

use std::collections::BTreeSet;

use weir_core::api::Finding;
use weir_core::units::{Address, PortId};

use super::finding::{fine, some_of, unknown, warning};
use super::growth::Growth;
use super::network::Network;

/// Judges the arms that members and clients are on.
pub(super) fn judge(network: Network<'_>, growth: &Growth, now_ms: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(count) = growth.of_late("drop_reverse_path_packets", now_ms) {
        findings.push(warning(
            "return-path",
            format!(
                "packets of members arrive by a port that does not lead to them, and are dropped \
                 ({count} since the start)"
            ),
            "A member answers by another interface, or a switch joins the links of two ports: \
             its default route must be Weir's address on the port that leads to it. Or somebody \
             forges members' addresses, which does no harm.",
        ));
    }
    let shared = one_armed(network);
    if !shared.is_empty() {
        findings.push(one_arm(network, &shared));
    }
    if findings.is_empty() {
        findings.push(fine("return-path", "clients and members are on different ports"));
    }
    findings
}

/// Members on the link of a router that clients come by.
fn one_armed(network: Network<'_>) -> BTreeSet<(PortId, Address)> {
    let ports = |is_v4| -> BTreeSet<PortId> {
        network.routers(is_v4).into_iter().map(|(port, _)| port).collect()
    };
    let (of_v4, of_v6) = (ports(true), ports(false));
    let members = network.members().into_iter();
    let placed = members.filter_map(|it| Some((network.world.route_to(it)?.0, it)));
    let is_shared = |(port, member): &(PortId, Address)| {
        if member.is_v4() { of_v4.contains(port) } else { of_v6.contains(port) }
    };
    placed.filter(is_shared).collect()
}

fn one_arm(network: Network<'_>, shared: &BTreeSet<(PortId, Address)>) -> Finding {
    let ports: BTreeSet<&str> = shared.iter().map(|(port, _)| network.name(*port)).collect();
    let own = shared.iter().filter_map(|(port, member)| network.own_address(*port, *member));
    let own: BTreeSet<Address> = own.collect();
    unknown(
        "return-path",
        format!(
            "one arm: by {} Weir reaches both the router of the clients and {}",
            some_of(ports),
            some_of(shared.iter().map(|(_, member)| member))
        ),
        &format!(
            "Their default route must be Weir ({}), not the router: otherwise replies go past \
             Weir and connections hang. Look on a member with `ip route`.",
            some_of(own)
        ),
    )
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{self, Ok, Unknown, Warning};

    use super::super::finding::tests::assert_found;
    use super::super::network::tests::{configuration, world};
    use super::*;

    #[test]
    fn the_port_that_members_share_with_clients_decides() {
        type Own = &'static [(u8, &'static str)];
        let default = ("0.0.0.0/0", 0, Some("198.51.100.254"));
        let apart: Own = &[(0, "198.51.100.1/24"), (1, "10.0.0.1/24")];
        let together: Own = &[(0, "198.51.100.1/24")];
        type Row<'a> = (&'a str, Own, Vec<(&'a str, u8, Option<&'a str>)>, &'a str);
        let cases: [(Row<'_>, (FindingState, &str)); 4] = [
            (("two arms", apart, vec![default], "10.0.0.11"), (Ok, "different ports")),
            (("no router", apart, vec![], "10.0.0.11"), (Ok, "different ports")),
            (("one arm", together, vec![default], "198.51.100.11"), (Unknown, "by front Weir")),
            (
                (
                    "one arm, by a router",
                    together,
                    vec![default, ("10.0.0.0/24", 0, Some("198.51.100.253"))],
                    "10.0.0.11",
                ),
                (Unknown, "and 10.0.0.11"),
            ),
        ];
        for ((name, own, routes, member), expected) in cases {
            let ports: Vec<_> =
                ["front", "back"].into_iter().zip(own.iter().map(|it| it.1)).collect();
            let member_of = if member.starts_with("10.") { member } else { "10.0.0.99" };
            let mut configuration = configuration(&ports, &[member_of], "203.0.113.10");
            let pool = &mut configuration.load_balancers[0].pools[0];
            pool.members[0].address = member.parse().expect("an address");
            let world = world(own, &routes);
            let network = Network { configuration: &configuration, world: &world };
            let found = judge(network, &Growth::default(), 0);
            assert_found(name, &found, &[expected]);
            if expected.0 == Unknown {
                assert!(found[0].remedy.contains("(198.51.100.1)"), "{found:?}");
            }
        }
    }

    #[test]
    fn packets_by_the_wrong_port_are_told_while_they_come() {
        let configuration = configuration(&[("front", "198.51.100.1/24")], &[], "203.0.113.10");
        let world = world(&[(0, "198.51.100.1/24")], &[]);
        let network = Network { configuration: &configuration, world: &world };
        let mut growth = Growth::default();
        growth.observe("drop_reverse_path_packets", 12, 0);
        assert_found("now", &judge(network, &growth, 0), &[(Warning, "12 since")]);
        assert_found("past", &judge(network, &growth, 90_000), &[(Ok, "different")]);
    }
}
