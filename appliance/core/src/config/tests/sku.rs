//! Do Basic and Standard differ as behaviour.md §1.11 says?

use serde_json::json;

use super::*;

#[test]
fn basic_lacks_what_only_standard_has() {
    accepted(&basic());
    let zones = at("frontendIPConfigurations/0/zones");
    let https = json!({"protocol": "Https", "port": 443, "requestPath": "/"});
    let outbound = valid().pointer(&at("outboundRules")).expect("rules").clone();
    for (pointer, value, refused) in [
        (at(&format!("{RULE}/enableTcpReset")), json!(true), None),
        (zones.clone(), json!(["1"]), Some(zones)),
        (at(PROBE), https, Some(at(&format!("{PROBE}/protocol")))),
        (at("outboundRules"), outbound, None),
    ] {
        let mut document = basic();
        set(&mut document, &pointer, value);
        let refused = refused.unwrap_or(pointer);
        let problems = check_value(&document).expect_err("only Standard has it");
        let found = places(&problems);
        assert!(found.contains(&(refused.as_str(), "StandardSkuRequired")), "{problems:#?}");
    }
}

#[test]
fn members_of_basic_are_interfaces() {
    let mut document = basic();
    let members = valid().pointer(&at(POOL)).expect("a pool").clone();
    set(&mut document, &at("backendAddressPools/-"), json!({"name": "b", "properties": members}));
    let pointer = at("backendAddressPools/1/properties/loadBalancerBackendAddresses");
    assert_refused(&document, &[(&pointer, "StandardSkuRequired")]);
}

#[test]
fn basic_is_smaller() {
    let rules: Vec<Value> = (1..=251)
        .map(|port| second_rule(&[("frontendPort", port.into()), ("backendPort", port.into())]))
        .zip(1..)
        .map(|(mut rule, number)| {
            rule["name"] = format!("r{number}").into();
            rule["properties"]["probe"] = Value::Null;
            rule
        })
        .collect();
    let mut document = basic();
    set(&mut document, &at("loadBalancingRules"), rules.into());
    assert_refused(&document, &[(&at("loadBalancingRules"), "LimitExceeded")]);
    set(&mut document, &format!("{BALANCER}/sku/name"), "Standard".into());
    accepted(&document);
}

#[test]
fn a_basic_prefix_does_not_exist_and_v14_holds_for_prefixes() {
    let prefix = json!({"type": "Microsoft.Network/publicIPPrefixes", "name": "p",
        "sku": {"name": "Basic"}, "properties": {"prefixLength": 28}});
    let problems = check_value(&with("/resources/-", prefix)).expect_err("no Basic prefix");
    assert_eq!(places(&problems)[0], ("/resources/3/sku", "StandardSkuRequired"));
}
