//! Does every row of behaviour.md §1.10 have its code, or a reason why it is not here?

use serde_json::json;

use super::*;

/// What becomes of a row.
enum Row {
    /// A document that breaks it, and where and how that is told.
    Refused(Value, String, &'static str),
    /// Why nothing on a box can break it.
    NotHere(&'static str),
}

use Row::{NotHere, Refused};

fn refused(number: u8, document: Value, place: String, code: &'static str) -> (u8, Row) {
    (number, Refused(document, place, code))
}

const SAME_BACKEND_PORT: &str = "RulesUseSameBackendPortProtocolAndPool";

fn with_second(document: &Value, changes: &[(&str, Value)]) -> Value {
    let mut document = document.clone();
    set(&mut document, &at("loadBalancingRules/-"), second_rule(changes));
    document
}

fn second(name: &str) -> String {
    at(&format!("loadBalancingRules/1/properties/{name}"))
}

/// [`internal`] with a rule for all ports.
fn ha_ports(floats: bool) -> Value {
    let mut document = internal();
    for (name, value) in [
        ("protocol", json!("All")),
        ("frontendPort", json!(0)),
        ("backendPort", json!(0)),
        ("enableFloatingIP", json!(floats)),
    ] {
        set(&mut document, &at(&format!("{RULE}/{name}")), value);
    }
    document
}

fn nat_rule(name: &str, port: u16, backend_port: u16) -> Value {
    json!({"name": name, "properties": {"frontendIPConfiguration": {"id": "fe"},
        "backendAddressPool": {"id": "pool"}, "protocol": "Tcp", "backendPort": backend_port,
        "frontendPortRangeStart": port, "frontendPortRangeEnd": port + 9}})
}

fn with_nat_rules(rules: Value) -> Value {
    with(&at("inboundNatRules"), rules)
}

/// Two load balancers of one type, and the second one's rule leads to a member of the first.
fn two_balancers(document: Value, address: &str) -> Value {
    let mut document = document;
    let mut balancer = document.pointer(BALANCER).expect("a load balancer").clone();
    balancer["name"] = "second".into();
    balancer["properties"]["outboundRules"] = json!([]);
    let public = balancer["properties"]["frontendIPConfigurations"][0]["properties"]
        .get("publicIPAddress")
        .is_some();
    let frontend = if public {
        let address = json!({"type": "Microsoft.Network/publicIPAddresses", "name": "ip2",
            "properties": {"ipAddress": address}});
        set(&mut document, "/resources/-", address);
        json!({"publicIPAddress": {"id": "ip2"}})
    } else {
        json!({"privateIPAddress": address})
    };
    balancer["properties"]["frontendIPConfigurations"][0]["properties"] = frontend;
    set(&mut document, "/resources/-", balancer);
    document
}

fn rows_of_rules() -> Vec<(u8, Row)> {
    let same_port = [("frontendPort", json!(80))];
    let float = json!(true);
    let mut floating = with(&at(&format!("{RULE}/enableFloatingIP")), float.clone());
    floating = with_second(
        &floating,
        &[("enableFloatingIP", float.clone()), ("backendPort", json!(8080))],
    );
    vec![
        refused(
            1,
            with_second(&valid(), &same_port),
            second("frontendPort"),
            "RulesUseSameFrontendPortProtocolAndIPConfig",
        ),
        refused(
            2,
            with_second(&valid(), &[("backendPort", json!(8080))]),
            second("backendPort"),
            SAME_BACKEND_PORT,
        ),
        refused(
            3,
            two_balancers(valid(), "203.0.113.11"),
            "/resources/4/properties/loadBalancingRules/0/properties/backendPort".to_owned(),
            "RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig",
        ),
        refused(4, floating, second("backendPort"), SAME_BACKEND_PORT),
    ]
}

fn rows_of_ha_ports() -> Vec<(u8, Row)> {
    let float = json!(true);
    let public_ha = {
        let mut document = ha_ports(false);
        set(&mut document, &at(FRONTEND), json!({"publicIPAddress": {"id": "ip"}}));
        set(&mut document, &at(&format!("{RULE}/disableOutboundSnat")), true.into());
        document
    };
    let partial = with(&at(&format!("{RULE}/frontendPort")), 0.into());
    let mut other_balancer = two_balancers(ha_ports(false), "10.0.0.201");
    let rules = json!([second_rule(&[])]);
    set(&mut other_balancer, "/resources/3/properties/loadBalancingRules", rules);
    let several = with_second(
        &ha_ports(true),
        &[
            ("protocol", json!("All")),
            ("frontendPort", 0.into()),
            ("backendPort", 0.into()),
            ("enableFloatingIP", float),
        ],
    );
    vec![
        refused(5, partial, at(&format!("{RULE}/protocol")), "InvalidHaPortsRule"),
        refused(
            5,
            public_ha,
            at(&format!("{RULE}/frontendIPConfiguration")),
            "HaPortsRuleRequiresInternalFrontend",
        ),
        refused(
            6,
            with_second(&ha_ports(false), &[]),
            at(&format!("{RULE}/backendAddressPool")),
            "HaPortsRuleExcludesOtherRules",
        ),
        refused(
            6,
            other_balancer,
            at(&format!("{RULE}/backendAddressPool")),
            "HaPortsRuleExcludesOtherRules",
        ),
        refused(
            7,
            with_second(&ha_ports(true), &[]),
            second("enableFloatingIP"),
            "HaPortsRuleRequiresFloatingIP",
        ),
        refused(
            8,
            several,
            second("frontendIPConfiguration"),
            "RulesUseSameFrontendPortProtocolAndIPConfig",
        ),
    ]
}

fn rows_of_outbound_rules() -> Vec<(u8, Row)> {
    let ports =
        |number: u32| with(&at(&format!("{OUTBOUND}/allocatedOutboundPorts")), number.into());
    let place = |name: &str| at(&format!("{OUTBOUND}/{name}"));
    vec![
        refused(
            9,
            with(&at(&format!("{RULE}/disableOutboundSnat")), false.into()),
            at(&format!("{RULE}/disableOutboundSnat")),
            "LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule",
        ),
        refused(
            10,
            ports(1001),
            place("allocatedOutboundPorts"),
            "AllocatedOutboundPortsNotMultipleOfEight",
        ),
        refused(
            11,
            ports(64_000),
            place("allocatedOutboundPorts"),
            "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts",
        ),
    ]
}

fn rows_of_addresses() -> Vec<(u8, Row)> {
    let mut public = with_own_public_address();
    set(&mut public, &format!("{INTERFACE}/publicIPAddress"), json!({"id": "own"}));
    let mut secondary = with_interfaces();
    set(&mut secondary, &format!("{INTERFACE}/primary"), false.into());
    let mut internal_frontend = valid();
    set(&mut internal_frontend, &at(FRONTEND), json!({"privateIPAddress": "10.0.0.200"}));
    let mut without_frontend = with(&at("frontendIPConfigurations"), json!([]));
    set(&mut without_frontend, &at("loadBalancingRules"), json!([]));
    set(&mut without_frontend, &at("outboundRules"), json!([]));
    let place = |name: &str| at(&format!("{OUTBOUND}/{name}"));
    vec![
        refused(
            12,
            public,
            format!("{INTERFACE}/publicIPAddress"),
            "NicWithPublicIpCannotReferencePoolWithOutboundRule",
        ),
        refused(
            13,
            internal_frontend,
            place("frontendIPConfigurations"),
            "OutboundRuleRequiresPublicFrontend",
        ),
        refused(
            13,
            secondary,
            format!("{INTERFACE}/loadBalancerBackendAddressPools"),
            "OutboundRuleRequiresPrimaryIPConfiguration",
        ),
        refused(
            14,
            with("/resources/1/sku", json!({"name": "Basic"})),
            at(&format!("{FRONTEND}/publicIPAddress")),
            "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed",
        ),
        refused(
            15,
            without_frontend,
            at("frontendIPConfigurations"),
            "LoadBalancerWithoutFrontendIPCantHaveChildResources",
        ),
    ]
}

/// 301 rules that lead to one interface.
fn too_many_rules_for_an_interface() -> Value {
    let rules: Vec<Value> = (1..=301)
        .map(|port| {
            let mut rule =
                second_rule(&[("frontendPort", port.into()), ("backendPort", port.into())]);
            rule["name"] = format!("r{port}").into();
            rule
        })
        .collect();
    let mut document = with_interfaces();
    let first = document["resources"][3].clone();
    set(&mut document, "/resources/4", first);
    set(&mut document, "/resources/4/name", "other".into());
    set(
        &mut document,
        "/resources/4/properties/ipConfigurations/0/properties",
        json!({"privateIPAddress": "10.0.0.99"}),
    );
    set(&mut document, &at("outboundRules"), json!([]));
    set(&mut document, &at("loadBalancingRules"), rules.into());
    document
}

fn rows_of_interfaces() -> Vec<(u8, Row)> {
    let mut two = internal();
    set(&mut two, &at(POOL), json!({}));
    let mut joined = interface("nic-a", "10.0.0.11");
    joined["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] = json!([{"id": "loadBalancers/lb/backendAddressPools/pool"},
               {"id": "loadBalancers/second/backendAddressPools/pool"}]);
    set(&mut two, "/resources/-", joined);
    let mut two = two_balancers(two, "10.0.0.201");
    set(&mut two, "/resources/4/properties/loadBalancingRules", json!([]));
    let mut floats = internal();
    set(&mut floats, &at(POOL), json!({}));
    let mut secondary = interface("nic-a", "10.0.0.11");
    secondary["properties"]["ipConfigurations"][0]["properties"]["primary"] = false.into();
    set(&mut floats, "/resources/-", secondary);
    set(&mut floats, &at(&format!("{RULE}/enableFloatingIP")), true.into());
    vec![
        refused(
            16,
            too_many_rules_for_an_interface(),
            "/resources/3/name".to_owned(),
            "LoadBalancerRuleCountLimitReachedForNic",
        ),
        (
            17,
            NotHere("A probe serves the health of scale sets only in Azure; none are known here."),
        ),
        refused(
            18,
            two,
            format!("{INTERFACE}/loadBalancerBackendAddressPools"),
            "AnotherInternalLoadBalancerExists",
        ),
        (19, NotHere("Availability sets belong to virtual machines, which are not in the model.")),
        (20, NotHere("Availability sets and scale sets are not in the model.")),
        (25, NotHere("A box has no zones: they are kept and echoed, and may change.")),
        (26, NotHere("Scale sets are not in the model, so none can use a load balancer.")),
        refused(
            27,
            floats,
            at(&format!("{RULE}/enableFloatingIP")),
            "FloatingIPRequiresPrimaryIPConfiguration",
        ),
    ]
}

fn rows_of_nat_and_probes() -> Vec<(u8, Row)> {
    let overlap = with_nat_rules(json!([nat_rule("a", 500, 22), nat_rule("b", 509, 23)]));
    let same = with_nat_rules(json!([nat_rule("a", 500, 22), nat_rule("b", 510, 22)]));
    let of_rule = with_nat_rules(json!([nat_rule("a", 500, 8080)]));
    let mut both = with_nat_rules(json!([nat_rule("a", 500, 22)]));
    let pool = json!([{"name": "p", "properties": {"frontendIPConfiguration": {"id": "fe"},
        "protocol": "Tcp", "frontendPortRangeStart": 600, "frontendPortRangeEnd": 700,
        "backendPort": 22}}]);
    set(&mut both, &at("inboundNatPools"), pool);
    let http = |port: u16| json!({"protocol": "Http", "port": port, "requestPath": "/"});
    let nat =
        |number: usize, name: &str| at(&format!("inboundNatRules/{number}/properties/{name}"));
    vec![
        refused(
            21,
            overlap,
            nat(1, "frontendPortRangeStart"),
            "RulesUseSameFrontendPortProtocolAndIPConfig",
        ),
        refused(21, same, nat(1, "backendPort"), SAME_BACKEND_PORT),
        refused(21, of_rule, nat(0, "backendPort"), SAME_BACKEND_PORT),
        refused(22, both, at("inboundNatPools"), "InboundNatRulesAndPoolsAreExclusive"),
        refused(
            23,
            with(&at(PROBE), http(993)),
            at(&format!("{PROBE}/port")),
            "HttpProbePortNotSupported",
        ),
        refused(
            24,
            with(&at(PROBE), json!({"protocol": "Http", "port": 80})),
            at(&format!("{PROBE}/requestPath")),
            "MissingProperty",
        ),
        refused(
            24,
            with(&at(&format!("{PROBE}/requestPath")), "/x".into()),
            at(&format!("{PROBE}/requestPath")),
            "RequestPathNotAllowed",
        ),
    ]
}

#[test]
fn every_rule_of_the_specification_is_told_by_its_code() {
    let mut rows = rows_of_rules();
    rows.extend(rows_of_ha_ports());
    rows.extend(rows_of_outbound_rules());
    rows.extend(rows_of_addresses());
    rows.extend(rows_of_interfaces());
    rows.extend(rows_of_nat_and_probes());
    for (number, row) in &rows {
        match row {
            Refused(document, place, code) => {
                let found = examined(document);
                let wrong = found.problems.iter().map(|it| &it.problem);
                let wrong: Vec<_> =
                    wrong.filter(|it| it.code != "NotYetSupportedByWeir").cloned().collect();
                assert_eq!(places(&wrong), [(place.as_str(), *code)], "V{number}: {wrong:#?}");
            }
            NotHere(why) => assert!(why.ends_with('.'), "V{number}"),
        }
    }
    let mut numbers: Vec<u8> = rows.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=27).collect::<Vec<u8>>());
}

#[test]
fn what_azure_answers_about_a_pool_of_ports_is_accepted() {
    let mut document = valid();
    set(
        &mut document,
        &at("inboundNatPools"),
        json!([{"name": "ssh", "properties": {
        "frontendIPConfiguration": {"id": "fe"}, "protocol": "Tcp", "backendPort": 22,
        "frontendPortRangeStart": 50000, "frontendPortRangeEnd": 50119}}]),
    );
    set(
        &mut document,
        &at("inboundNatRules"),
        json!([{"name": "ssh.0", "properties": {
        "frontendIPConfiguration": {"id": "fe"}, "protocol": "Tcp", "backendPort": 22,
        "frontendPort": 50000}}]),
    );
    assert!(examined(&document).is_right_in_azure());
}
