//! Are mistakes in one resource named at their place?

use serde_json::json;

use super::*;

#[test]
fn values_out_of_range_are_refused() {
    for (place, value) in [
        (format!("{RULE}/frontendPort"), json!(65_535)),
        (format!("{RULE}/backendPort"), json!(65_536)),
        (format!("{RULE}/idleTimeoutInMinutes"), json!(3)),
        (format!("{RULE}/idleTimeoutInMinutes"), json!(101)),
        (format!("{OUTBOUND}/idleTimeoutInMinutes"), json!(121)),
        (format!("{OUTBOUND}/allocatedOutboundPorts"), json!(64_008)),
        (format!("{PROBE}/port"), json!(0)),
        (format!("{PROBE}/intervalInSeconds"), json!(4)),
        (format!("{PROBE}/intervalInSeconds"), json!(-15)),
        (format!("{PROBE}/probeThreshold"), json!(101)),
        (format!("{PROBE}/numberOfProbes"), json!("0")),
    ] {
        assert_value_refused(&at(&place), value, "ValueOutOfRange");
    }
}

#[test]
fn extensions_have_ranges_and_no_unknown_words() {
    for (key, value, code) in [
        ("intervalInMilliseconds", json!(99), "ValueOutOfRange"),
        ("timeoutInMilliseconds", json!(15_001), "ValueOutOfRange"),
        ("timeoutInMiliseconds", json!(100), "UnknownProperty"),
    ] {
        let document = with(&at(&format!("{PROBE}/extensions")), json!({key: value}));
        assert_refused(&document, &[(&at(&format!("{PROBE}/extensions/{key}")), code)]);
    }
    let member = format!("{POOL}/loadBalancerBackendAddresses/0/properties/extensions");
    let document = with(&at(&member), json!({"weight": 101}));
    assert_refused(&document, &[(&at(&format!("{member}/weight")), "ValueOutOfRange")]);
}

#[test]
fn what_is_required_and_missing_is_named() {
    for place in [
        format!("{RULE}/frontendPort"),
        format!("{RULE}/backendPort"),
        format!("{RULE}/protocol"),
        format!("{RULE}/frontendIPConfiguration"),
        format!("{RULE}/backendAddressPool"),
        format!("{OUTBOUND}/protocol"),
        format!("{OUTBOUND}/frontendIPConfigurations"),
        format!("{OUTBOUND}/backendAddressPool"),
        format!("{PROBE}/port"),
        format!("{PROBE}/protocol"),
        format!("{POOL}/loadBalancerBackendAddresses/0/properties/ipAddress"),
        "probes/0/name".to_owned(),
    ] {
        let pointer = at(&place);
        let problems = check_value(&without(&pointer)).expect_err("something is missing");
        assert_eq!(places(&problems)[0], (pointer.as_str(), "MissingProperty"));
    }
    let document = with(&at(FRONTEND), json!({}));
    let pointer = at(&format!("{FRONTEND}/privateIPAddress"));
    assert_refused(&document, &[(&pointer, "MissingProperty")]);
}

#[test]
fn references_to_nothing_are_refused() {
    for (place, id) in [
        (format!("{RULE}/frontendIPConfiguration/id"), "nobody"),
        (format!("{RULE}/probe/id"), "backendAddressPools/pool"),
        (format!("{RULE}/backendAddressPool/id"), ""),
        (format!("{RULE}/backendAddressPool/id"), "loadBalancers/other/backendAddressPools/pool"),
        (format!("{OUTBOUND}/backendAddressPool/id"), "frontendIPConfigurations/fe"),
        (format!("{OUTBOUND}/frontendIPConfigurations/0/id"), "nobody"),
        (format!("{FRONTEND}/publicIPAddress/id"), "nobody"),
    ] {
        assert_value_refused(&at(&place), id.into(), "InvalidResourceReference");
    }
}

#[test]
fn a_broken_object_is_reported_once_and_still_resolves() {
    let document = with(&at(&format!("{PROBE}/port")), "none".into());
    assert_refused(&document, &[(&at(&format!("{PROBE}/port")), "InvalidType")]);
}

#[test]
fn names_are_azures_and_unique_without_case() {
    assert_value_refused(&at("outboundRules/0/name"), "a/b".into(), "InvalidResourceName");
    let twin = json!({"name": "PROBE", "properties": {"protocol": "Tcp", "port": 1}});
    let document = with(&at("probes/-"), twin);
    assert_refused(&document, &[(&at("probes/1/name"), "DuplicateResourceName")]);
    let twin = json!({"type": "Microsoft.Network/publicIPAddresses", "name": "IP",
        "properties": {"ipAddress": "203.0.113.11"}});
    assert_refused(&with("/resources/-", twin), &[("/resources/3/name", "DuplicateResourceName")]);
}

#[test]
fn v23_and_v24_http_probes_have_a_path_and_a_port_that_is_allowed() {
    let http =
        |port: u16, path: &str| json!({"protocol": "Http", "port": port, "requestPath": path});
    let pointer = |name: &str| at(&format!("{PROBE}/{name}"));
    let document = with(&at(PROBE), json!({"protocol": "Http", "port": 80}));
    assert_refused(&document, &[(&pointer("requestPath"), "MissingProperty")]);
    let document = with(&at(PROBE), http(110, "/"));
    assert_refused(&document, &[(&pointer("port"), "HttpProbePortNotSupported")]);
    let document = with(&at(PROBE), http(80, "/ HTTP/1.1\r\nX: y"));
    assert_refused(&document, &[(&pointer("requestPath"), "InvalidRequestPath")]);
    assert_value_refused(&pointer("requestPath"), "/x".into(), "RequestPathNotAllowed");
}

#[test]
fn addresses_are_those_of_single_hosts() {
    let pointer = at(&format!("{POOL}/loadBalancerBackendAddresses/0/properties/ipAddress"));
    for text in ["10.0.0", "0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", "10.0.0.1/24"] {
        assert_value_refused(&pointer, text.into(), "InvalidIPAddress");
    }
}

#[test]
fn address_spaces_are_prefixes_without_host_bits() {
    let pointer = "/resources/0/properties/addressSpace/addressPrefixes/0";
    for text in ["10.0.0.0", "10.0.0.1/16", "10.0.0.0/33"] {
        assert_value_refused(pointer, text.into(), "InvalidCIDRNotation");
    }
    let pointer = "/resources/0/properties/addressSpace/addressPrefixes";
    assert_value_refused(pointer, json!([]), "LimitExceeded");
}

#[test]
fn subnets_lie_in_the_address_space_and_do_not_overlap() {
    let subnet = |name: &str, prefix: &str| {
        json!({"name": name, "properties":
        {"addressPrefix": prefix}})
    };
    let place = "/resources/0/properties/subnets";
    let pointer = format!("{place}/1/properties/addressPrefix");
    let first = subnet("a", "10.0.0.0/24");
    accepted(&with(place, json!([first, subnet("b", "10.0.1.0/24")])));
    for (prefix, code) in
        [("10.1.0.0/24", "NetcfgInvalidSubnet"), ("10.0.0.128/25", "NetcfgSubnetRangesOverlap")]
    {
        let document = with(place, json!([first, subnet("b", prefix)]));
        assert_refused(&document, &[(&pointer, code)]);
    }
}

#[test]
fn an_internal_frontend_lies_in_its_subnet() {
    let mut document = internal();
    let subnets = json!([{"name": "s", "properties": {"addressPrefix": "10.0.1.0/24"}}]);
    set(&mut document, "/resources/0/properties/subnets", subnets);
    let id = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/VNET\
              /subnets/S";
    set(&mut document, &at(&format!("{FRONTEND}/subnet")), json!({"id": id}));
    let pointer = at(&format!("{FRONTEND}/privateIPAddress"));
    assert_refused(&document, &[(&pointer, "PrivateIPAddressNotInSubnet")]);
    set(&mut document, &pointer, "10.0.1.200".into());
    accepted(&document);
    set(&mut document, &at(&format!("{FRONTEND}/subnet/id")), "subnets/other".into());
    let pointer = at(&format!("{FRONTEND}/subnet/id"));
    assert_refused(&document, &[(&pointer, "InvalidResourceReference")]);
}

#[test]
fn an_address_that_is_taken_from_a_prefix_lies_in_it() {
    let prefix = |text: &str| {
        json!({"type": "Microsoft.Network/publicIPPrefixes", "name": "p",
        "sku": {"name": "Standard"}, "properties": {"prefixLength": 28, "ipPrefix": text}})
    };
    let mut document = with("/resources/1/properties/publicIPPrefix", json!({"id": "p"}));
    set(&mut document, "/resources/-", prefix("203.0.113.0/28"));
    accepted(&document);
    set(&mut document, "/resources/3", prefix("203.0.113.16/28"));
    let pointer = "/resources/1/properties/ipAddress";
    assert_refused(&document, &[(pointer, "PublicIPAddressOutsidePrefix")]);
    set(&mut document, "/resources/3", prefix("203.0.113.8/29"));
    let pointer = "/resources/3/properties/prefixLength";
    assert_refused(&document, &[(pointer, "PrefixLengthMismatch")]);
    set(&mut document, "/resources/3/properties", json!({"ipPrefix": "203.0.0.0/16"}));
    assert_refused(&document, &[("/resources/3/properties/ipPrefix", "ValueOutOfRange")]);
}

#[test]
fn security_rules_are_checked() {
    let rule = |name: &str, changes: Value| {
        let mut rule = json!({"name": name, "properties": {"priority": 100, "access": "Allow",
            "direction": "Inbound", "protocol": "*", "sourceAddressPrefix": "Internet",
            "sourcePortRange": "*", "destinationAddressPrefixes": ["10.0.0.0/24", "10.0.1.7"],
            "destinationPortRanges": ["80", 443, "8000-8999"]}});
        for (name, value) in changes.as_object().expect("changes") {
            rule["properties"][name] = value.clone();
        }
        rule
    };
    let group = |rules: Value| {
        let group = json!({"type": "Microsoft.Network/networkSecurityGroups", "name": "nsg",
            "properties": {"securityRules": rules}});
        with("/resources/-", group)
    };
    accepted(&group(json!([rule("a", json!({})), rule("b", json!({"direction": "Outbound"}))])));
    for (name, value, code) in [
        ("priority", json!(99), "ValueOutOfRange"),
        ("priority", json!(4097), "ValueOutOfRange"),
        ("access", json!("Maybe"), "InvalidValue"),
        ("protocol", json!("Sctp"), "InvalidValue"),
        ("sourcePortRange", json!("9-8"), "SecurityRuleInvalidPortRange"),
        ("sourcePortRange", json!("65536"), "SecurityRuleInvalidPortRange"),
        ("sourceAddressPrefix", json!("10.0.0.1/24"), "InvalidCIDRNotation"),
        ("sourceAddressPrefix", json!("1 2"), "SecurityRuleInvalidAddressPrefix"),
        ("sourceAddressPrefix", json!(null), "MissingProperty"),
    ] {
        let document = group(json!([rule("a", json!({name: value}))]));
        let pointer = format!("/resources/3/properties/securityRules/0/properties/{name}");
        assert_refused(&document, &[(&pointer, code)]);
    }
    let document = group(json!([rule("a", json!({})), rule("b", json!({}))]));
    let pointer = "/resources/3/properties/securityRules/1/properties/priority";
    assert_refused(&document, &[(pointer, "SecurityRuleConflict")]);
}

#[test]
fn a_frontend_has_one_address() {
    let pointer = at(&format!("{FRONTEND}/privateIPAddress"));
    assert_value_refused(&pointer, "10.0.0.200".into(), "FrontendHasTwoAddresses");
}

#[test]
fn pools_beyond_the_default_table_name_their_ports() {
    let members: Vec<Value> = (0..1001)
        .map(|number| {
            json!({"name": format!("m{number}"), "properties":
            {"ipAddress": format!("10.0.{}.{}", 1 + number / 250, 1 + number % 250)}})
        })
        .collect();
    let mut document = without(&at(&format!("{OUTBOUND}/allocatedOutboundPorts")));
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members.into());
    let pointer = at(&format!("{OUTBOUND}/allocatedOutboundPorts"));
    assert_refused(&document, &[(&pointer, "AllocatedOutboundPortsRequired")]);
}
