//! Are the ports that lead to a member those that inbound NAT rules give it?

use super::*;
use crate::config::edit::ResourceId;
use crate::config::problem::Report;
use crate::config::{
    Configuration, InboundNatRulePortMapping, PortMappingError, PortMappingQuery, port_mappings,
    read_all,
};

const POOL_ID: &str = "loadBalancers/lb/backendAddressPools/pool";

/// What a document means, also of what this version cannot apply.
fn meaning(document: &Value) -> Configuration {
    let report = Report::default();
    let configuration = read_all(document, &report).expect("an appliance");
    let errors = report.finish().errors;
    assert_eq!(errors, [], "it is right in Azure");
    configuration
}

/// Interfaces behind two rules for the pool, one for `nic-b` alone, and one for nobody.
fn with_nat_rules() -> Value {
    let mut document = with_interfaces();
    let rule = |name: &str, protocol: &str, backend_port: u16, more: Value| {
        let mut rule = json!({"name": name, "properties": {
            "frontendIPConfiguration": {"id": "fe"}, "protocol": protocol,
            "backendPort": backend_port}});
        let properties = rule["properties"].as_object_mut().expect("an object");
        properties.extend(more.as_object().expect("an object").clone());
        rule
    };
    let range = |start: u16, end: u16| {
        json!({"backendAddressPool": {"id": "pool"},
            "frontendPortRangeStart": start, "frontendPortRangeEnd": end})
    };
    let rules = json!([
        rule("ssh", "Tcp", 22, range(50_000, 50_001)),
        rule("single", "Udp", 53, json!({"frontendPort": 5353})),
        rule("rdp", "All", 3389, range(65_533, 65_534)),
        rule("unbound", "Tcp", 443, json!({"frontendPort": 8443})),
    ]);
    set(&mut document, &at("inboundNatRules"), rules);
    let place = "/resources/4/properties/ipConfigurations/0/properties/loadBalancerInboundNatRules";
    set(&mut document, place, json!([{"id": "loadBalancers/lb/inboundNatRules/single"}]));
    document
}

fn id(text: &str) -> ResourceId {
    ResourceId::parse(text).expect("an id")
}

/// Rule, protocol, frontend port and backend port of each mapping.
fn shown(mappings: Vec<InboundNatRulePortMapping>) -> Vec<(String, &'static str, u16, u16)> {
    let show = |it: InboundNatRulePortMapping| {
        (it.rule, it.protocol.name(), it.frontend_port, it.backend_port)
    };
    mappings.into_iter().map(show).collect()
}

fn asked(document: &Value, query: &PortMappingQuery) -> Vec<(String, &'static str, u16, u16)> {
    shown(port_mappings(&meaning(document), &id(POOL_ID), query).expect("a member"))
}

fn by_address(address: &str) -> PortMappingQuery {
    PortMappingQuery::IpAddress(address.parse().expect("an address"))
}

#[test]
fn each_member_has_the_port_of_its_position_and_the_rules_of_its_own() {
    let document = with_nat_rules();
    let first = [("ssh".into(), "Tcp", 50_000, 22), ("rdp".into(), "All", 65_533, 3389)];
    let second = [
        ("ssh".into(), "Tcp", 50_001, 22),
        ("single".into(), "Udp", 5353, 53),
        ("rdp".into(), "All", 65_534, 3389),
    ];
    assert_eq!(asked(&document, &by_address("10.0.0.11")), first);
    assert_eq!(asked(&document, &by_address("10.0.0.12")), second);
    let of = |nic: &str| {
        PortMappingQuery::IpConfiguration(id(&format!(
            "networkInterfaces/{nic}/ipConfigurations/IP"
        )))
    };
    assert_eq!(asked(&document, &of("NIC-A")), first);
    assert_eq!(asked(&document, &of("nic-b")), second);
}

#[test]
fn a_word_on_a_member_moves_nobodys_port() {
    let mut document = with_nat_rules();
    let before = asked(&document, &by_address("10.0.0.11"));
    let listed = json!([{"name": "said", "properties": {"adminState": "Down",
        "networkInterfaceIPConfiguration": {"id": "networkInterfaces/nic-b/ipConfigurations/ip"}}}]);
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), listed);
    assert_eq!(asked(&document, &by_address("10.0.0.11")), before);
}

#[test]
fn every_port_of_a_range_is_one_members_at_most() {
    let mut document = with_nat_rules();
    for number in 13..=20_u8 {
        let nic = interface(&format!("nic-{number}"), &format!("10.0.0.{number}"));
        set(&mut document, "/resources/-", nic);
    }
    for (rule, end) in [(0, 50_009), (2, 65_534)] {
        let end = json!(end);
        set(
            &mut document,
            &at(&format!("inboundNatRules/{rule}/properties/frontendPortRangeEnd")),
            end,
        );
    }
    let start = at("inboundNatRules/2/properties/frontendPortRangeStart");
    set(&mut document, &start, 65_525.into());
    let configuration = meaning(&document);
    for (position, number) in (11..=20).enumerate() {
        let found =
            port_mappings(&configuration, &id(POOL_ID), &by_address(&format!("10.0.0.{number}")));
        let mut found = shown(found.expect("a member"));
        found.retain(|(rule, ..)| rule != "single");
        let position = u16::try_from(position).expect("ten");
        let ports: Vec<u16> = found.into_iter().map(|(_, _, port, _)| port).collect();
        assert_eq!(ports, [50_000 + position, 65_525 + position]);
    }
}

#[test]
fn without_inbound_nat_there_are_no_ports() {
    assert_eq!(asked(&valid(), &by_address("10.0.0.11")), []);
}

#[test]
fn who_is_not_there_is_named() {
    let configuration = meaning(&with_nat_rules());
    let refused = |pool: &str, query: &PortMappingQuery| {
        port_mappings(&configuration, &id(pool), query).expect_err(pool).to_string()
    };
    let member = by_address("10.0.0.11");
    assert!(
        refused("loadBalancers/lb/backendAddressPools/x", &member).contains("no loadBalancers/")
    );
    assert!(
        refused("loadBalancers/x/backendAddressPools/pool", &member).contains("loadBalancers/x/")
    );
    assert!(refused("loadBalancers/lb", &member).contains("is no backend address pool"));
    let nobody = refused(POOL_ID, &by_address("10.0.0.99"));
    assert!(nobody.contains("no member 10.0.0.99 in loadBalancers/lb"), "{nobody}");
    let of = |text: &str| PortMappingQuery::IpConfiguration(id(text));
    let gone = of("networkInterfaces/gone/ipConfigurations/ip");
    assert!(refused(POOL_ID, &gone).contains("networkInterfaces/gone/ipConfigurations/ip"));
    let subnet = of("virtualNetworks/vnet/subnets/s");
    let expected = PortMappingError::AnotherResource {
        id: "virtualNetworks/vnet/subnets/s".into(),
        what: "IP configuration",
    };
    assert_eq!(refused(POOL_ID, &subnet), expected.to_string());
}
