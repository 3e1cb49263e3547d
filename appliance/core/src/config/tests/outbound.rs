//! Are outbound rules, their extensions and what load-balancing rules translate read and counted as
//! behaviour.md §4.2 and §4.3 say?

use serde_json::json;

use super::*;
use crate::config::OutboundExtensions;
use crate::limits::OUTBOUND_ADDRESSES_MAX;

const TOO_MANY: &str =
    "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts";

fn outbound(name: &str) -> String {
    at(&format!("{OUTBOUND}/{name}"))
}

/// Adds a public IP prefix and a frontend that owns it.
fn add_prefix(document: &mut Value, name: &str, prefix: &str) {
    let length: u8 = prefix.rsplit('/').next().and_then(|it| it.parse().ok()).expect("a length");
    let resource = json!({"type": "Microsoft.Network/publicIPPrefixes", "name": name,
        "properties": {"prefixLength": length, "ipPrefix": prefix}});
    set(document, "/resources/-", resource);
    let frontend = json!({"name": name, "properties": {"publicIPPrefix": {"id": name}}});
    set(document, &at("frontendIPConfigurations/-"), frontend);
}

/// Adds a public IP address and a frontend of it.
fn add_frontend(document: &mut Value, name: &str, address: &str) {
    let resource = json!({"type": "Microsoft.Network/publicIPAddresses", "name": name,
        "properties": {"ipAddress": address}});
    set(document, "/resources/-", resource);
    let frontend = json!({"name": name, "properties": {"publicIPAddress": {"id": name}}});
    set(document, &at("frontendIPConfigurations/-"), frontend);
}

fn leave_from(document: &mut Value, frontends: &[&str]) {
    let ids: Vec<Value> = frontends.iter().map(|name| json!({"id": name})).collect();
    set(document, &outbound("frontendIPConfigurations"), ids.into());
}

fn members(pool: u8, number: usize) -> Value {
    let member = |number: usize| {
        let address = format!("10.0.{}.{}", usize::from(pool) + number / 250, 1 + number % 250);
        json!({"name": format!("m{number}"), "properties": {"ipAddress": address}})
    };
    (0..number).map(member).collect::<Vec<_>>().into()
}

/// [`valid`] without outbound rule, its rule translating what leaves.
fn implicit() -> Value {
    let mut document = without(&at("outboundRules"));
    set(&mut document, &at(&format!("{RULE}/disableOutboundSnat")), false.into());
    document
}

fn outbound_rule(document: &Value) -> crate::config::OutboundRule {
    accepted(document).configuration.load_balancers[0].outbound_rules[0].clone()
}

#[test]
fn extensions_of_an_outbound_rule_are_read_and_are_azures_without() {
    assert_eq!(outbound_rule(&valid()).extensions, OutboundExtensions::default());
    let written = json!({
        "enableEndpointIndependentMapping": true, "enableIcmpEcho": "true",
        "enableOnDemandPorts": true, "maximumOutboundPorts": 2048, "rejectWhenExhausted": true,
        "tcpOpeningTimeoutInSeconds": 5, "tcpFinTimeoutInSeconds": "30",
        "tcpResetTimeoutInSeconds": 1, "udpIdleTimeoutInSeconds": 120,
        "icmpQueryTimeoutInSeconds": 61});
    let expected = OutboundExtensions {
        enable_endpoint_independent_mapping: true,
        enable_icmp_echo: true,
        enable_on_demand_ports: true,
        maximum_outbound_ports: 2048,
        reject_when_exhausted: true,
        tcp_opening_timeout_seconds: 5,
        tcp_fin_timeout_seconds: 30,
        tcp_reset_timeout_seconds: 1,
        udp_idle_timeout_seconds: Some(120),
        icmp_query_timeout_seconds: 61,
    };
    assert_eq!(outbound_rule(&with(&outbound("extensions"), written)).extensions, expected);
}

#[test]
fn extensions_of_an_outbound_rule_have_ranges_and_no_unknown_words() {
    for (name, value, code) in [
        ("tcpOpeningTimeoutInSeconds", json!(0), "ValueOutOfRange"),
        ("tcpOpeningTimeoutInSeconds", json!(241), "ValueOutOfRange"),
        ("tcpFinTimeoutInSeconds", json!(7_201), "ValueOutOfRange"),
        ("tcpResetTimeoutInSeconds", json!(241), "ValueOutOfRange"),
        ("udpIdleTimeoutInSeconds", json!(9), "ValueOutOfRange"),
        ("udpIdleTimeoutInSeconds", json!(7_201), "ValueOutOfRange"),
        ("icmpQueryTimeoutInSeconds", json!(9), "ValueOutOfRange"),
        ("rejectWhenExhausted", json!("maybe"), "InvalidType"),
        ("enableEndpointIndependantMapping", json!(true), "UnknownProperty"),
    ] {
        let document = with(&outbound("extensions"), json!({name: value}));
        assert_refused(&document, &[(&outbound(&format!("extensions/{name}")), code)]);
    }
}

#[test]
fn a_maximum_of_ports_is_one_of_ports_on_demand_and_no_less_than_the_allocation() {
    let pointer = outbound("extensions/maximumOutboundPorts");
    for (on_demand, maximum, code) in [
        (false, 2048, "MaximumOutboundPortsRequiresOnDemandPorts"),
        (true, 2044, "MaximumOutboundPortsNotMultipleOfEight"),
        (true, 1016, "MaximumOutboundPortsBelowAllocation"),
        (true, 64_008, "ValueOutOfRange"),
        (true, 0, "ValueOutOfRange"),
    ] {
        let extensions = json!({"enableOnDemandPorts": on_demand, "maximumOutboundPorts": maximum});
        assert_refused(&with(&outbound("extensions"), extensions), &[(&pointer, code)]);
    }
    let extensions = json!({"enableOnDemandPorts": true, "maximumOutboundPorts": 1024});
    accepted(&with(&outbound("extensions"), extensions));
}

#[test]
fn an_outbound_rule_has_its_frontends_in_the_order_of_its_words() {
    let mut document = valid();
    add_frontend(&mut document, "second", "203.0.113.11");
    leave_from(&mut document, &["second", "fe"]);
    assert_eq!(outbound_rule(&document).frontends, [1, 0]);
}

#[test]
fn a_frontend_of_a_prefix_owns_all_of_it_and_listens_on_the_first_address() {
    let mut document = valid();
    add_prefix(&mut document, "range", "203.0.113.32/30");
    leave_from(&mut document, &["range"]);
    let frontends = &accepted(&document).configuration.load_balancers[0].frontends;
    assert_eq!(frontends[1].address.to_string(), "203.0.113.32");
    assert_eq!(frontends[1].prefix.map(|it| it.to_string()).as_deref(), Some("203.0.113.32/30"));
    assert!(frontends[1].public);
    assert_eq!(frontends[0].prefix, None);
}

#[test]
fn prefixes_share_no_address_with_frontends_members_or_the_appliance() {
    let refused = |prefix: &str, code| {
        let mut document = valid();
        add_prefix(&mut document, "range", prefix);
        let pointer = at("frontendIPConfigurations/1/properties/publicIPPrefix");
        assert_refused(&document, &[(&pointer, code)]);
    };
    refused("203.0.113.8/29", "DuplicateFrontendAddress");
    refused("198.51.100.0/30", "FrontendIsOwnAddress");

    let mut document = valid();
    add_prefix(&mut document, "wide", "192.0.2.0/28");
    add_prefix(&mut document, "narrow", "192.0.2.8/30");
    let pointer = at("frontendIPConfigurations/2/properties/publicIPPrefix");
    assert_refused(&document, &[(&pointer, "DuplicateFrontendAddress")]);

    let mut document = valid();
    add_prefix(&mut document, "wide", "192.0.2.0/28");
    add_frontend(&mut document, "inside", "192.0.2.15");
    let pointer = at("frontendIPConfigurations/2/properties/publicIPAddress");
    assert_refused(&document, &[(&pointer, "DuplicateFrontendAddress")]);

    let place = format!("{POOL}/loadBalancerBackendAddresses/1/properties/ipAddress");
    let mut document = with(&at(&place), "192.0.2.15".into());
    add_prefix(&mut document, "wide", "192.0.2.0/28");
    assert_refused(&document, &[(&at(&place), "MemberIsFrontend")]);
}

#[test]
fn a_prefix_is_one_of_hosts() {
    let mut document = valid();
    add_prefix(&mut document, "loopback", "127.0.0.0/28");
    assert_refused(&document, &[("/resources/3/properties/ipPrefix", "InvalidIPAddress")]);
}

#[test]
fn v11_sums_the_ports_of_all_addresses_of_all_frontends() {
    let pointer = outbound("allocatedOutboundPorts");
    let mut document = valid();
    add_prefix(&mut document, "range", "203.0.113.32/31");
    leave_from(&mut document, &["fe", "range"]);
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members(1, 3));
    set(&mut document, &pointer, 64_000.into());
    accepted(&document);
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members(1, 4));
    assert_refused(&document, &[(&pointer, TOO_MANY)]);
    set(&mut document, &pointer, 48_000.into());
    accepted(&document);
}

#[test]
fn v11_a_listening_port_takes_its_block_of_the_first_address_only() {
    let pointer = outbound("allocatedOutboundPorts");
    let mut document = valid();
    add_prefix(&mut document, "range", "203.0.113.32/31");
    leave_from(&mut document, &["range"]);
    let on_the_prefix =
        [("frontendIPConfiguration", json!({"id": "range"})), ("frontendPort", 5201.into())];
    set(&mut document, &at("loadBalancingRules/-"), second_rule(&on_the_prefix));
    // Of 128,000 ports eight are burned, once.
    set(&mut document, &pointer, 64_000.into());
    assert_refused(&document, &[(&pointer, TOO_MANY)]);
    set(&mut document, &pointer, 63_992.into());
    accepted(&document);
}

#[test]
fn v11_holds_for_identifiers_of_echo_requests_too() {
    let rule = |name: &str, pool: &str, protocol: &str| {
        json!({"name": name, "properties": {
            "frontendIPConfigurations": [{"id": "fe"}], "backendAddressPool": {"id": pool},
            "protocol": protocol, "allocatedOutboundPorts": 32_000,
            "extensions": {"enableIcmpEcho": true}}})
    };
    let mut document = valid();
    let other = json!({"name": "other", "properties": {"loadBalancerBackendAddresses":
        members(2, 1)}});
    set(&mut document, &at("backendAddressPools/-"), other);
    set(&mut document, &at("outboundRules"), json!([rule("tcp", "pool", "Tcp")]));
    accepted(&document);
    set(&mut document, &at("outboundRules/-"), rule("udp", "other", "Udp"));
    let pointer = at("outboundRules/1/properties/allocatedOutboundPorts");
    assert_refused(&document, &[(&pointer, TOO_MANY)]);
}

#[test]
fn a_members_echo_requests_have_one_way_out() {
    let rule = |name: &str, protocol: &str| {
        json!({"name": name, "properties": {
            "frontendIPConfigurations": [{"id": "fe"}], "backendAddressPool": {"id": "pool"},
            "protocol": protocol, "allocatedOutboundPorts": 1024,
            "extensions": {"enableIcmpEcho": true}}})
    };
    let document = with(&at("outboundRules"), json!([rule("tcp", "Tcp"), rule("udp", "Udp")]));
    let pointer = at("outboundRules/1/properties/backendAddressPool");
    assert_refused(&document, &[(&pointer, "MemberHasSeveralOutboundRules")]);
    let mut document = document;
    set(&mut document, &at("outboundRules/1/properties/extensions/enableIcmpEcho"), false.into());
    accepted(&document);
}

#[test]
fn addresses_that_flows_leave_from_have_a_bound() {
    // A prefix of that many addresses fits, and one more does not.
    let length = 32 - OUTBOUND_ADDRESSES_MAX.ilog2();
    let prefix = format!("192.0.2.0/{length}");
    let mut document = valid();
    add_prefix(&mut document, "range", &prefix);
    leave_from(&mut document, &["range"]);
    accepted(&document);
    leave_from(&mut document, &["range", "fe"]);
    let pointer = outbound("frontendIPConfigurations");
    assert_refused(&document, &[(&pointer, "LimitExceeded")]);

    let mut document = implicit();
    add_prefix(&mut document, "range", &prefix);
    let on_the_prefix = second_rule(&[("frontendIPConfiguration", json!({"id": "range"}))]);
    set(&mut document, &at("loadBalancingRules/-"), on_the_prefix);
    accepted(&document);
    let place = at("loadBalancingRules/1/properties/disableOutboundSnat");
    set(&mut document, &place, false.into());
    assert_refused(&document, &[(&at(&format!("{RULE}/disableOutboundSnat")), "LimitExceeded")]);
}

#[test]
fn rules_that_translate_what_leaves_are_nothing_to_warn_of() {
    assert_eq!(accepted(&implicit()).warnings, []);
    let mut one_thousand = implicit();
    set(&mut one_thousand, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members(1, 5000));
    assert_eq!(accepted(&one_thousand).warnings, []);
}

/// [`implicit`] with two pools of `each` members that leave from one frontend.
fn two_pools(each: usize) -> Value {
    let mut document = implicit();
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members(1, each));
    let other = json!({"name": "other", "properties": {"loadBalancerBackendAddresses":
        members(100, each)}});
    set(&mut document, &at("backendAddressPools/-"), other);
    let rule = second_rule(&[
        ("backendAddressPool", json!({"id": "other"})),
        ("disableOutboundSnat", false.into()),
    ]);
    set(&mut document, &at("loadBalancingRules/-"), rule);
    document
}

#[test]
fn several_pools_that_share_too_few_ports_are_warned_of() {
    // Pools of 31 members get 1,024 ports for each: 63,488 in all, and twice as many do not fit.
    assert_eq!(accepted(&two_pools(31)).warnings, []);
    let short = two_pools(32);
    let pointer = at("loadBalancingRules/1/properties/disableOutboundSnat");
    let expected = [(pointer.as_str(), "ImplicitOutboundSnatShortOfPorts")];
    assert_eq!(warned(&accepted(&short)), expected);
    let mut other_protocol = short.clone();
    set(&mut other_protocol, &at("loadBalancingRules/1/properties/protocol"), "Udp".into());
    assert_eq!(accepted(&other_protocol).warnings, []);
    let mut same_members = short.clone();
    let first = at(&format!("{POOL}/loadBalancerBackendAddresses"));
    let second = at("backendAddressPools/1/properties/loadBalancerBackendAddresses");
    let listed = short.pointer(&first).expect("members").clone();
    set(&mut same_members, &second, listed);
    set(&mut same_members, &at("loadBalancingRules/1/properties/backendPort"), 8082.into());
    assert_eq!(accepted(&same_members).warnings, [], "they have their ports already");
}

#[test]
fn rules_of_basic_take_ports_of_both_protocols() {
    let mut document = basic();
    set(&mut document, &at(&format!("{RULE}/disableOutboundSnat")), false.into());
    let pointer = at("loadBalancingRules/1/properties/disableOutboundSnat");
    let other = json!({"name": "other", "properties": {}});
    set(&mut document, &at("backendAddressPools/-"), other);
    for number in 0..70_usize {
        let pool = if number < 35 { "pool" } else { "other" };
        let address = format!("10.0.1.{}", number + 1);
        let mut nic = interface(&format!("nic-{number}"), &address);
        let place = "/properties/ipConfigurations/0/properties/loadBalancerBackendAddressPools";
        set(
            &mut nic,
            place,
            json!([{"id": format!("loadBalancers/lb/backendAddressPools/{pool}")}]),
        );
        set(&mut document, "/resources/-", nic);
    }
    let rule = second_rule(&[
        ("backendAddressPool", json!({"id": "other"})),
        ("disableOutboundSnat", false.into()),
        ("protocol", "Udp".into()),
        ("probe", json!(null)),
    ]);
    set(&mut document, &at("loadBalancingRules/-"), rule);
    let expected = [(pointer.as_str(), "ImplicitOutboundSnatShortOfPorts"); 2];
    assert_eq!(warned(&accepted(&document)), expected, "of Tcp and of Udp");
}
