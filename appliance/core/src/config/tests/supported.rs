//! Is everything that this version lacks told with one code, and named in the documentation?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::super::supported::ROWS;
use super::*;

/// A use of a feature: its name, a document that uses it, and where that is told.
pub(super) type Use = (&'static str, Value, Vec<String>);

fn changed(feature: &'static str, mut document: Value, place: &str, value: Value) -> Use {
    set(&mut document, place, value);
    (feature, document, vec![place.to_owned()])
}

/// At least one use of every feature.
pub(super) fn uses() -> Vec<Use> {
    let mut all = uses_of_load_balancers();
    all.extend(uses_of_rules());
    all.extend(uses_of_members());
    all.extend(uses_of_other_resources());
    all
}

fn uses_of_load_balancers() -> Vec<Use> {
    let nat_rule = json!([{"name": "ssh", "properties": {"frontendIPConfiguration": {"id": "fe"},
        "protocol": "Tcp", "frontendPort": 50001, "backendPort": 22}}]);
    let nat_pool = json!([{"name": "ssh", "properties": {"frontendIPConfiguration": {"id": "fe"},
        "protocol": "Tcp", "frontendPortRangeStart": 50000, "frontendPortRangeEnd": 50119,
        "backendPort": 22}}]);
    let mut gateway = internal();
    set(&mut gateway, &format!("{BALANCER}/sku/name"), "Gateway".into());
    let mut dynamic = internal();
    set(
        &mut dynamic,
        "/resources/0/properties/subnets",
        json!([{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}]),
    );
    set(&mut dynamic, &at(FRONTEND), json!({"subnet": {"id": "s"}}));
    let tier = format!("{BALANCER}/sku/tier");
    let gateways = at(&format!("{FRONTEND}/gatewayLoadBalancer"));
    vec![
        ("Gateway load balancers", gateway, vec![format!("{BALANCER}/sku/name")]),
        changed("Global load balancers", valid(), &tier, "Global".into()),
        changed("Inbound NAT rules", valid(), &at("inboundNatRules"), nat_rule),
        changed("Inbound NAT pools", valid(), &at("inboundNatPools"), nat_pool),
        changed("Chains to gateway load balancers", valid(), &gateways, json!({"id": "g"})),
        (
            "Addresses that Azure chooses",
            dynamic,
            vec![at(&format!("{FRONTEND}/privateIPAddress"))],
        ),
    ]
}

fn uses_of_rules() -> Vec<Use> {
    let mut ha_ports = internal();
    for (name, value) in
        [("protocol", json!("All")), ("frontendPort", 0.into()), ("backendPort", 0.into())]
    {
        set(&mut ha_ports, &at(&format!("{RULE}/{name}")), value);
    }
    let mut shared = valid();
    let mut balancer = internal().pointer(BALANCER).expect("a load balancer").clone();
    balancer["name"] = "internal".into();
    set(&mut shared, "/resources/-", balancer);
    let probe = json!({"protocol": "Https", "port": 443, "requestPath": "/"});
    let mut https = with(&at(PROBE), probe);
    set(&mut https, &at(&format!("{PROBE}/loadBalancingRules")), json!([]));
    let mut basic_with_a_probe = basic();
    set(&mut basic_with_a_probe, &at(&format!("{RULE}/probe")), json!({"id": "probe"}));
    let place = |name: &str| at(&format!("{RULE}/{name}"));
    let tracking = at(&format!("{FRONTEND}/enableConnectionTracking"));
    vec![
        ("HA ports", ha_ports, vec![place("protocol")]),
        changed("The protocol Quic", valid(), &place("protocol"), "Quic".into()),
        changed("Floating IP", valid(), &place("enableFloatingIP"), true.into()),
        changed(
            "Tracking of UDP connections",
            valid(),
            &place("enableConnectionTracking"),
            "true".into(),
        ),
        changed("Tracking of UDP connections", valid(), &tracking, true.into()),
        ("HTTPS probes", https, vec![at(&format!("{PROBE}/protocol"))]),
        (
            "A public and an internal rule to one port of a member",
            shared,
            vec!["/resources/3/properties/loadBalancingRules/0/properties/backendPort".to_owned()],
        ),
        (
            "The end of flows when all members of a Basic load balancer are down",
            basic_with_a_probe,
            vec![format!("{BALANCER}/sku/name")],
        ),
    ]
}

fn uses_of_members() -> Vec<Use> {
    let mut v6 = internal();
    set(&mut v6, &at(FRONTEND), json!({"privateIPAddress": "2001:db8::10"}));
    let member = json!([{"name": "a", "properties": {"ipAddress": "2001:db8::11"}}]);
    set(&mut v6, &at(&format!("{POOL}/loadBalancerBackendAddresses")), member);
    let place = |name: &str| at(&format!("{POOL}/{name}"));
    let global = json!({"name": "g", "properties": {"loadBalancerFrontendIPConfiguration":
        {"id": "x"}}});
    let global_place =
        place("loadBalancerBackendAddresses/2/properties/loadBalancerFrontendIPConfiguration");
    vec![
        (
            "IPv6 frontends and members",
            v6,
            vec![
                at(&format!("{FRONTEND}/privateIPAddress")),
                place("loadBalancerBackendAddresses/0/properties/ipAddress"),
            ],
        ),
        changed("Draining with a reset", valid(), &place("drainPeriodInSeconds"), 30.into()),
        changed("Tunnel interfaces", valid(), &place("tunnelInterfaces"), json!([{"port": 1}])),
        (
            "Load balancers as members",
            with(&place("loadBalancerBackendAddresses/-"), global),
            vec![global_place],
        ),
    ]
}

fn uses_of_other_resources() -> Vec<Use> {
    let group = json!({"type": "Microsoft.Network/networkSecurityGroups", "name": "nsg"});
    let mut subnet = with("/resources/-", group);
    let subnets = "/resources/0/properties/subnets";
    set(
        &mut subnet,
        subnets,
        json!([{"name": "s", "properties":
        {"addressPrefix": "10.0.0.0/24"}}]),
    );
    let in_subnet = |name: &str| format!("{subnets}/0/properties/{name}");
    let disk = json!({"type": "Microsoft.Compute/disks", "name": "disk"});
    vec![
        changed(
            "Network security groups of subnets and interfaces",
            subnet.clone(),
            &in_subnet("networkSecurityGroup"),
            json!({"id": "nsg"}),
        ),
        changed("NAT gateways", subnet.clone(), &in_subnet("natGateway"), json!({"id": "n"})),
        changed("Route tables", subnet, &in_subnet("routeTable"), json!({"id": "r"})),
        changed(
            "Peerings of virtual networks",
            valid(),
            "/resources/0/properties/virtualNetworkPeerings",
            json!([{"name": "p"}]),
        ),
        (
            "Resources of other types",
            with("/resources/-", disk),
            vec!["/resources/3/type".to_owned()],
        ),
    ]
}

#[test]
fn every_feature_that_is_lacking_is_told_at_its_place_and_nothing_else_is() {
    let mut seen = BTreeSet::new();
    for (feature, document, expected) in uses() {
        let found = examined(&document);
        let told: Vec<_> = found.problems.iter().map(|it| it.problem.pointer.clone()).collect();
        assert_eq!(told, expected, "{feature}: {:#?}", found.problems);
        assert!(found.is_right_in_azure() && found.configuration.is_none(), "{feature}");
        assert!(check_value(&document).is_err(), "{feature}");
        seen.insert(feature);
    }
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.feature).collect();
    assert_eq!(seen, rows);
}

#[test]
fn the_documentation_lists_every_row_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs::read_to_string(page).expect("the documentation");
    let section = text.split("## Not yet supported").nth(1).expect("a section");
    let section = section.split("\n## ").next().expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let documented: Vec<&str> =
        rows.filter(|feature| *feature != "feature" && !feature.starts_with('-')).collect();
    let known: Vec<&str> = ROWS.iter().map(|row| row.feature).collect();
    assert_eq!(documented, known);
}

#[test]
fn features_that_are_written_as_switched_off_are_accepted() {
    for (place, value) in [
        ("inboundNatRules".to_owned(), json!([])),
        ("inboundNatPools".to_owned(), json!(null)),
        (format!("{RULE}/enableFloatingIP"), json!("false")),
        (format!("{RULE}/enableConnectionTracking"), json!(false)),
        (format!("{FRONTEND}/privateIPAddressVersion"), json!("IPv4")),
        (format!("{POOL}/drainPeriodInSeconds"), json!("0")),
        (format!("{POOL}/tunnelInterfaces"), json!([])),
    ] {
        let checked = accepted(&with(&at(&place), value));
        assert_eq!(checked.warnings, [], "{place}");
    }
}
