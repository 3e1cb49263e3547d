//! Is a rule between IPv4 and IPv6 refused, whatever kind of rule it is?
//!
//! `compile` relies on it: what it is given speaks one IP from frontend to member.

use serde_json::json;

use super::*;

/// Where and how a document is wrong, besides what this version lacks.
fn wrong(document: &Value) -> Vec<(String, String)> {
    let found = examined(document);
    let problems = found.problems.iter().map(|it| &it.problem);
    problems
        .filter(|problem| problem.code != "NotYetSupportedByWeir")
        .map(|problem| (problem.pointer.clone(), problem.code.to_string()))
        .collect()
}

/// Checks that the pool or interface that these rules name is refused, and nothing else.
fn assert_told_at(document: &Value, places: &[String]) {
    let code = "DifferentAddressFamilies".to_owned();
    let expected: Vec<_> = places.iter().map(|place| (at(place), code.clone())).collect();
    assert_eq!(wrong(document), expected);
}

fn of_one_ipv6_member(mut document: Value) -> Value {
    let members = json!([{"name": "a", "properties": {"ipAddress": "2001:db8::11"}}]);
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members);
    document
}

#[test]
fn ipv6_members_behind_an_ipv4_frontend_are_refused() {
    let document = of_one_ipv6_member(valid());
    let places = [RULE, OUTBOUND].map(|rule| format!("{rule}/backendAddressPool"));
    assert_told_at(&document, &places);
}

#[test]
fn ipv4_members_behind_an_ipv6_frontend_are_refused() {
    let mut document = internal();
    set(&mut document, &at(FRONTEND), json!({"privateIPAddress": "2001:db8::10"}));
    assert_told_at(&document, &[format!("{RULE}/backendAddressPool")]);
}

#[test]
fn one_stray_member_is_enough() {
    let stray = json!({"name": "c", "properties": {"ipAddress": "2001:db8::11"}});
    let mut document = internal();
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses/-")), stray);
    assert_told_at(&document, &[format!("{RULE}/backendAddressPool")]);
}

#[test]
fn every_frontend_of_an_outbound_rule_is_compared() {
    let address = json!({"type": "Microsoft.Network/publicIPAddresses", "name": "ip6",
        "properties": {"ipAddress": "2001:db8::10", "publicIPAddressVersion": "IPv6"}});
    let mut document = with("/resources/-", address);
    let frontend = json!({"name": "fe6", "properties": {"publicIPAddress": {"id": "ip6"}}});
    set(&mut document, &at("frontendIPConfigurations/-"), frontend);
    let both = json!([{"id": "fe"}, {"id": "fe6"}]);
    set(&mut document, &at(&format!("{OUTBOUND}/frontendIPConfigurations")), both);
    assert_told_at(&document, &[format!("{OUTBOUND}/backendAddressPool")]);
}

#[test]
fn inbound_nat_to_a_pool_of_the_other_family_is_refused() {
    let mut document = of_one_ipv6_member(internal());
    set(&mut document, &at("loadBalancingRules"), json!([]));
    let rule = json!({"name": "ssh", "properties": {"frontendIPConfiguration": {"id": "fe"},
        "backendAddressPool": {"id": "pool"}, "protocol": "Tcp", "backendPort": 22,
        "frontendPortRangeStart": 500, "frontendPortRangeEnd": 509}});
    set(&mut document, &at("inboundNatRules"), json!([rule]));
    assert_told_at(&document, &["inboundNatRules/0/properties/backendAddressPool".to_owned()]);
}

#[test]
fn inbound_nat_to_an_interface_of_the_other_family_is_refused() {
    let mut document = internal();
    let rule = json!({"name": "ssh", "properties": {"frontendIPConfiguration": {"id": "fe"},
        "protocol": "Tcp", "backendPort": 22, "frontendPort": 500}});
    set(&mut document, &at("inboundNatRules"), json!([rule]));
    let interface = json!({"type": "Microsoft.Network/networkInterfaces", "name": "nic",
        "properties": {"ipConfigurations": [{"name": "ip", "properties": {
            "privateIPAddress": "2001:db8::11",
            "loadBalancerInboundNatRules": [{"id": "loadBalancers/lb/inboundNatRules/ssh"}]}}]}});
    set(&mut document, "/resources/-", interface);
    assert_told_at(&document, &["inboundNatRules/0/properties/frontendIPConfiguration".to_owned()]);
}
