//! Are the rules between objects named (behaviour.md §1.10)?

use serde_json::{Value, json};

use super::*;

fn rule(name: &str, changes: &[(&str, Value)]) -> Value {
    let mut rule = valid().pointer(&at("loadBalancingRules/0")).expect("a rule").clone();
    rule["name"] = name.into();
    for (property, value) in changes {
        rule["properties"][*property] = value.clone();
    }
    rule
}

fn balancer(name: &str) -> Value {
    let mut balancer = valid().pointer(BALANCER).expect("a load balancer").clone();
    balancer["name"] = name.into();
    balancer
}

/// A second, internal load balancer with its own frontend, without outbound rules.
fn internal_balancer() -> Value {
    let mut balancer = balancer("internal");
    balancer["properties"]["frontendIPConfigurations"][0]["properties"] =
        json!({"privateIPAddress": "10.0.0.200"});
    balancer["properties"]["outboundRules"] = json!([]);
    balancer
}

#[test]
fn v1_two_rules_on_one_frontend_port_are_refused() {
    let second = rule("second", &[("backendPort", 8081.into())]);
    assert_refused(
        &with(&at("loadBalancingRules/-"), second),
        &[(
            &at("loadBalancingRules/1/properties/frontendPort"),
            "RulesUseSameFrontendPortProtocolAndIPConfig",
        )],
    );
    let other_protocol = rule("second", &[("protocol", "Udp".into())]);
    accepted(&with(&at("loadBalancingRules/-"), other_protocol));
}

#[test]
fn v2_two_rules_to_one_backend_port_are_refused_and_both_named() {
    let second = rule("second", &[("frontendPort", 81.into())]);
    let document = with(&at("loadBalancingRules/-"), second);
    let pointer = at("loadBalancingRules/1/properties/backendPort");
    assert_refused(&document, &[(&pointer, "RulesUseSameBackendPortProtocolAndPool")]);
    let problems = check_value(&document).expect_err("a problem");
    for part in ["`web`", "`second`", "Tcp", "8080", "`pool`"] {
        assert!(problems[0].message.contains(part), "{}", problems[0]);
    }
}

#[test]
fn v3_one_member_port_behind_two_pools_is_refused() {
    let mut document = valid();
    let pool = json!({"name": "other", "properties": {"loadBalancerBackendAddresses": [
        {"name": "a", "properties": {"ipAddress": "10.0.0.12"}}]}});
    set(&mut document, &at("backendAddressPools/-"), pool);
    let second = rule(
        "second",
        &[("frontendPort", 81.into()), ("backendAddressPool", json!({"id": "other"}))],
    );
    set(&mut document, &at("loadBalancingRules/-"), second);
    assert_refused(
        &document,
        &[(
            &at("loadBalancingRules/1/properties/backendPort"),
            "RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig",
        )],
    );
}

#[test]
fn one_member_port_behind_a_public_and_an_internal_rule_is_not_yet_supported() {
    assert_refused(
        &with("/resources/-", internal_balancer()),
        &[(
            "/resources/3/properties/loadBalancingRules/0/properties/backendPort",
            "NotYetSupportedByWeir",
        )],
    );
}

#[test]
fn v9_a_rule_that_shares_its_frontend_with_an_outbound_rule_must_not_snat() {
    let pointer = at(&format!("{RULE}/disableOutboundSnat"));
    assert_value_refused(
        &pointer,
        false.into(),
        "LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule",
    );
}

#[test]
fn v10_ports_are_allocated_in_eights() {
    let pointer = at(&format!("{OUTBOUND}/allocatedOutboundPorts"));
    assert_value_refused(&pointer, 1001.into(), "AllocatedOutboundPortsNotMultipleOfEight");
}

#[test]
fn v11_members_never_get_more_ports_than_the_frontend_has() {
    let code = "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts";
    let pointer = at(&format!("{OUTBOUND}/allocatedOutboundPorts"));
    accepted(&with(&pointer, 32_000.into()));
    assert_value_refused(&pointer, 32_008.into(), code);
}

#[test]
fn v11_a_listening_port_takes_its_whole_block_of_its_protocol() {
    let code = "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts";
    let pointer = at(&format!("{OUTBOUND}/allocatedOutboundPorts"));
    let mut document = with(&pointer, 32_000.into());
    set(&mut document, &at(&format!("{RULE}/frontendPort")), 5201.into());
    assert_refused(&document, &[(&pointer, code)]);
    set(&mut document, &pointer, 31_992.into());
    accepted(&document);
    let same_block = rule("second", &[("frontendPort", 5207.into()), ("backendPort", 8081.into())]);
    set(&mut document, &at("loadBalancingRules/-"), same_block);
    set(&mut document, &pointer, 31_992.into());
    accepted(&document);
    set(&mut document, &pointer, 32_000.into());
    set(&mut document, &at(&format!("{OUTBOUND}/protocol")), "Udp".into());
    accepted(&document);
}

#[test]
fn v11_counts_all_outbound_rules_of_a_frontend() {
    let code = "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts";
    let mut document = with(&at(&format!("{OUTBOUND}/allocatedOutboundPorts")), 32_000.into());
    let pool = json!({"name": "other", "properties": {"loadBalancerBackendAddresses": [
        {"name": "c", "properties": {"ipAddress": "10.0.0.13"}}]}});
    set(&mut document, &at("backendAddressPools/-"), pool);
    let second = json!({"name": "second", "properties": {
        "frontendIPConfigurations": [{"id": "fe"}], "backendAddressPool": {"id": "other"},
        "protocol": "Tcp", "allocatedOutboundPorts": 8}});
    set(&mut document, &at("outboundRules/-"), second);
    let pointer = at("outboundRules/1/properties/allocatedOutboundPorts");
    assert_refused(&document, &[(&pointer, code)]);
}

#[test]
fn a_member_has_one_way_out() {
    let mut document = valid();
    let again = document.pointer(&at("outboundRules/0")).expect("a rule").clone();
    set(&mut document, &at("outboundRules/-"), again);
    set(&mut document, &at("outboundRules/1/name"), "again".into());
    let pointer = at("outboundRules/1/properties/backendAddressPool");
    assert_refused(&document, &[(&pointer, "MemberHasSeveralOutboundRules")]);
}

#[test]
fn v13_outbound_rules_need_a_public_frontend_of_a_standard_load_balancer() {
    let mut document = valid();
    set(&mut document, &at(FRONTEND), json!({"privateIPAddress": "10.0.0.200"}));
    let pointer = at(&format!("{OUTBOUND}/frontendIPConfigurations"));
    assert_refused(&document, &[(&pointer, "OutboundRuleRequiresPublicFrontend")]);
}

#[test]
fn v14_skus_of_load_balancer_and_public_address_agree() {
    let pointer = at(&format!("{FRONTEND}/publicIPAddress"));
    assert_refused(
        &with("/resources/1/sku", json!({"name": "Basic"})),
        &[(&pointer, "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed")],
    );
}

#[test]
fn v15_a_load_balancer_without_frontend_has_no_children() {
    let mut document = with(&at("frontendIPConfigurations"), json!([]));
    set(&mut document, &at("loadBalancingRules"), json!([]));
    set(&mut document, &at("outboundRules"), json!([]));
    let code = "LoadBalancerWithoutFrontendIPCantHaveChildResources";
    assert_refused(&document, &[(&at("frontendIPConfigurations"), code)]);
}

#[test]
fn an_address_is_one_frontend_only() {
    let mut document = valid();
    let second = json!({"name": "second", "properties": {"publicIPAddress": {"id": "ip"}}});
    set(&mut document, &at("frontendIPConfigurations/-"), second);
    let pointer = at("frontendIPConfigurations/1/properties/publicIPAddress");
    assert_refused(&document, &[(&pointer, "DuplicateFrontendAddress")]);
}

#[test]
fn a_frontend_is_not_an_own_address() {
    let pointer = at(&format!("{FRONTEND}/publicIPAddress"));
    let document = with("/resources/1/properties/ipAddress", "198.51.100.1".into());
    assert_refused(&document, &[(&pointer, "FrontendIsOwnAddress")]);
}

#[test]
fn a_load_balancer_is_public_or_internal() {
    let second = json!({"name": "second", "properties": {"privateIPAddress": "10.0.0.200"}});
    let pointer = at("frontendIPConfigurations/1/properties/privateIPAddress");
    assert_refused(
        &with(&at("frontendIPConfigurations/-"), second),
        &[(&pointer, "MixedPublicAndInternalFrontends")],
    );
}

#[test]
fn a_member_is_neither_frontend_nor_own_address_nor_twice_in_a_pool() {
    let place = format!("{POOL}/loadBalancerBackendAddresses/1/properties/ipAddress");
    let pointer = at(&place);
    assert_value_refused(&pointer, "203.0.113.10".into(), "MemberIsFrontend");
    assert_value_refused(&pointer, "10.0.0.1".into(), "MemberIsOwnAddress");
    assert_value_refused(&pointer, "10.0.0.11".into(), "DuplicateMemberAddress");
}

#[test]
fn a_member_lies_in_the_virtual_network_that_it_names() {
    let mut document = with(&at(&format!("{POOL}/virtualNetwork")), json!({"id": "vnet"}));
    accepted(&document);
    let pointer = at(&format!("{POOL}/loadBalancerBackendAddresses/1/properties/ipAddress"));
    set(&mut document, &pointer, "10.1.0.11".into());
    assert_refused(&document, &[(&pointer, "MemberOutsideVirtualNetwork")]);
}

#[test]
fn too_many_members_frontends_and_rules_are_refused() {
    let members: Vec<Value> = (0..=5000)
        .map(|number| {
            json!({"name": format!("m{number}"), "properties":
            {"ipAddress": format!("10.0.{}.{}", 1 + number / 250, 1 + number % 250)}})
        })
        .collect();
    let mut document = without(&at("outboundRules"));
    let pointer = at(&format!("{POOL}/loadBalancerBackendAddresses"));
    set(&mut document, &pointer, members.into());
    assert_refused(&document, &[(&pointer, "LimitExceeded")]);

    let rules: Vec<Value> = (1..=1501)
        .map(|port| {
            let port = Value::from(port);
            rule(&format!("r{port}"), &[("frontendPort", port.clone()), ("backendPort", port)])
        })
        .collect();
    let mut document = without(&at("outboundRules"));
    set(&mut document, &at("loadBalancingRules"), rules.into());
    assert_refused(&document, &[(&at("loadBalancingRules"), "LimitExceeded")]);
}

/// A document of `pools` pools of `members` members each, with a rule for each pool.
fn many(pools: usize, members: usize) -> Value {
    let member = |pool: usize, number: usize| {
        let host = 256 + pool * members + number;
        let address = format!("10.0.{}.{}", host / 256, host % 256);
        json!({"name": format!("m{number}"), "properties": {"ipAddress": address}})
    };
    let mut document = without(&at("outboundRules"));
    let all: Vec<Value> = (0..pools)
        .map(|pool| {
            let members: Vec<Value> = (0..members).map(|number| member(pool, number)).collect();
            json!({"name": format!("p{pool}"), "properties":
                {"loadBalancerBackendAddresses": members}})
        })
        .collect();
    let rules: Vec<Value> = (0..pools)
        .map(|pool| {
            let port = Value::from(pool + 1);
            let id = json!({"id": format!("p{pool}")});
            rule(
                &format!("r{pool}"),
                &[
                    ("frontendPort", port.clone()),
                    ("backendPort", port),
                    ("backendAddressPool", id),
                ],
            )
        })
        .collect();
    set(&mut document, &at("backendAddressPools"), all.into());
    set(&mut document, &at("loadBalancingRules"), rules.into());
    document
}

#[test]
fn pools_of_different_members_have_a_bound_for_their_tables() {
    accepted(&many(1024, 1));
    assert_refused(&many(1025, 1), &[(&at("backendAddressPools"), "LimitExceeded")]);
    let mut same = many(1025, 1);
    let first = same.pointer(&at("backendAddressPools/0/properties")).expect("a pool").clone();
    set(&mut same, &at("backendAddressPools/1024/properties"), first);
    accepted(&same);
}

#[test]
fn the_members_behind_a_frontend_have_a_bound() {
    let mut document = many(10, 1000);
    accepted(&document);
    let more = json!({"name": "more", "properties": {"ipAddress": "10.0.255.1"}});
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses/-")), more);
    let pointer = at("frontendIPConfigurations/0/name");
    assert_refused(&document, &[(&pointer, "LimitExceeded")]);
}
