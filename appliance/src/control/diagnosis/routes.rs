//! Does a route lead to every member, and back to clients?

use weir_core::api::Finding;
use weir_core::units::Address;

use super::finding::{fine, problem, some_of, warning};
use super::network::Network;

/// Judges the ways to members, to gateways and to whoever is not known.
pub(super) fn judge(network: Network<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let world = network.world;
    let members = network.members();
    let (routed, lost): (Vec<Address>, Vec<Address>) =
        members.iter().partition(|member| world.route_to(**member).is_some());
    let is_known =
        |address: &Address| world.next_hops_to(*address).is_some_and(|it| !it.is_empty());
    let (down, missing): (Vec<Address>, Vec<Address>) = lost.into_iter().partition(is_known);
    if !missing.is_empty() {
        findings.push(problem(
            "route",
            format!("no route leads to {}", some_of(missing)),
            "Add their network to `appliance.routes` by its router, or give a port an address in \
             it. `ip -n weir route` shows what there is.",
        ));
    }
    if !down.is_empty() {
        findings.push(problem(
            "route",
            format!("the port that leads to them is down: {}", some_of(down)),
            "See the finding `link`; `ip -n weir link` shows the kernel's side.",
        ));
    }
    if let Some(finding) = gateways(network) {
        findings.push(finding);
    }
    findings.extend(clients(network));
    if findings.is_empty() {
        let count = routed.len();
        findings
            .push(fine("route", format!("routes lead to every member ({count}) and to clients")));
    }
    findings
}

/// Next hops of the configuration that lie on no link as the kernel sees it.
fn gateways(network: Network<'_>) -> Option<Finding> {
    let routes = network.configuration.appliance.routes.iter();
    let hops = routes.map(|route| Address::from(route.next_hop));
    let lost: std::collections::BTreeSet<Address> =
        hops.filter(|hop| network.world.route_to(*hop).is_none()).collect();
    (!lost.is_empty()).then(|| {
        problem(
            "route",
            format!("gateways cannot be reached: {}", some_of(lost)),
            "Their port is down, or has lost its address: `ip -n weir address`.",
        )
    })
}

/// Frontends of a family without a way to clients that nobody has named.
fn clients(network: Network<'_>) -> Vec<Finding> {
    let without = |is_v4: bool| {
        let frontends = network.frontends().filter(|(address, _)| address.is_v4() == is_v4);
        let names: Vec<String> = frontends.map(|(_, name)| name).collect();
        if names.is_empty() || !network.routers(is_v4).is_empty() {
            return None;
        }
        let (family, any) = if is_v4 { ("IPv4", "0.0.0.0/0") } else { ("IPv6", "::/0") };
        Some(warning(
            "route",
            format!(
                "no default route for {family}: of the clients of {} only those in networks with \
                 a route of their own are answered",
                some_of(names)
            ),
            &format!("Add {any} to `appliance.routes`, or have a routing daemon install it."),
        ))
    };
    [true, false].into_iter().filter_map(without).collect()
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Warning};
    use weir_core::neighbour::Event;
    use weir_core::units::{MacAddress, PortId};

    use super::super::finding::tests::{Expected, assert_found};
    use super::super::network::tests::{configuration, world};
    use super::*;

    const PORTS: &[(&str, &str)] = &[("front", "198.51.100.1/24"), ("back", "10.0.0.1/24")];
    const OWN: &[(u8, &str)] = &[(0, "198.51.100.1/24"), (1, "10.0.0.1/24")];
    const DEFAULT: (&str, u8, Option<&str>) = ("0.0.0.0/0", 0, Some("198.51.100.254"));

    #[test]
    fn members_and_clients_without_a_route_are_named() {
        type Routes = &'static [(&'static str, u8, Option<&'static str>)];
        let cases: [(&str, Routes, &[&str], &Expected); 4] = [
            ("all", &[DEFAULT], &["10.0.0.11", "10.0.0.12"], &[(Ok, "every member (2)")]),
            (
                "no default",
                &[],
                &["10.0.0.11", "10.9.0.1"],
                &[(Problem, "leads to 10.9.0.1"), (Warning, "IPv4: of the clients of lb/front")],
            ),
            (
                "own networks only",
                &[("192.0.2.0/24", 0, Some("198.51.100.254"))],
                &["10.0.0.11"],
                &[(Warning, "no default route for IPv4")],
            ),
            (
                "behind a router",
                &[DEFAULT, ("10.9.0.0/16", 1, Some("10.0.0.254"))],
                &["10.9.0.1"],
                &[(Ok, "every member (1)")],
            ),
        ];
        for (name, routes, members, expected) in cases {
            let configuration = configuration(PORTS, members, "203.0.113.10");
            let world = world(OWN, routes);
            let network = Network { configuration: &configuration, world: &world };
            assert_found(name, &judge(network), expected);
        }
    }

    #[test]
    fn a_port_that_is_down_is_told_from_a_route_that_is_missing() {
        let configuration = configuration(PORTS, &["10.0.0.11"], "203.0.113.10");
        let mut world = world(OWN, &[DEFAULT]);
        world.apply(Event::LinkChanged { port: PortId(1), mac: MacAddress([2; 6]), up: false });
        let network = Network { configuration: &configuration, world: &world };
        assert_found("down", &judge(network), &[(Problem, "is down: 10.0.0.11")]);
    }
}
