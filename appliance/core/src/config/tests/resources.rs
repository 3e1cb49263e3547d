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
fn what_this_version_lacks_is_said_so() {
    for (place, value) in [
        (format!("{PROBE}/protocol"), json!("Https")),
        ("inboundNatRules".to_owned(), json!([{}])),
        ("inboundNatPools".to_owned(), json!([{}])),
        (format!("{RULE}/protocol"), json!("All")),
        (format!("{RULE}/frontendPort"), json!("0")),
        (format!("{RULE}/backendPort"), json!(0)),
        (format!("{RULE}/enableFloatingIP"), json!("true")),
        (format!("{RULE}/enableConnectionTracking"), json!(true)),
        (format!("{FRONTEND}/enableConnectionTracking"), json!(true)),
        (format!("{FRONTEND}/gatewayLoadBalancer"), json!({"id": "g"})),
        (format!("{FRONTEND}/privateIPAddressVersion"), json!("IPv6")),
        (format!("{POOL}/drainPeriodInSeconds"), json!(30)),
        (format!("{POOL}/backendIPConfigurations"), json!([{"id": "nic"}])),
        (format!("{POOL}/tunnelInterfaces"), json!([{}])),
        (
            format!("{POOL}/loadBalancerBackendAddresses/0/properties/ipAddress"),
            json!("2001:db8::1"),
        ),
    ] {
        assert_value_refused(&at(&place), value, "NotYetSupportedByWeir");
    }
    for (name, value) in [("name", "Gateway"), ("tier", "Global")] {
        let pointer = format!("{BALANCER}/sku/{name}");
        assert_value_refused(&pointer, value.into(), "NotYetSupportedByWeir");
    }
}

#[test]
fn several_pools_or_frontends_are_not_yet_supported() {
    let mut document = with(&at("backendAddressPools/-"), json!({"name": "other"}));
    let pointer = at(&format!("{RULE}/backendAddressPools"));
    set(&mut document, &pointer, json!([{"id": "pool"}, {"id": "other"}]));
    assert_refused(&document, &[(&pointer, "NotYetSupportedByWeir")]);
    let pointer = at(&format!("{OUTBOUND}/frontendIPConfigurations"));
    assert_value_refused(&pointer, json!([{"id": "fe"}, {"id": "fe"}]), "NotYetSupportedByWeir");
}

#[test]
fn a_whole_prefix_and_members_by_interface_are_not_yet_supported() {
    let document = with(&at(FRONTEND), json!({"publicIPPrefix": {"id": "prefix"}}));
    let pointer = at(&format!("{FRONTEND}/publicIPPrefix"));
    assert_refused(&document, &[(&pointer, "NotYetSupportedByWeir")]);
    let member = format!("{POOL}/loadBalancerBackendAddresses/0/properties");
    for name in ["networkInterfaceIPConfiguration", "loadBalancerFrontendIPConfiguration"] {
        let document = with(&at(&member), json!({name: {"id": "x"}}));
        assert_refused(&document, &[(&at(&format!("{member}/{name}")), "NotYetSupportedByWeir")]);
    }
}

#[test]
fn resources_of_other_types_are_not_yet_supported() {
    let group = json!({"type": "Microsoft.Network/networkSecurityGroups", "name": "nsg"});
    let document = with("/resources/-", group);
    assert_refused(&document, &[("/resources/3/type", "NotYetSupportedByWeir")]);
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
fn a_subnet_with_a_security_group_is_not_silently_open() {
    let subnet = json!([{"name": "s", "properties":
        {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": "nsg"}}}]);
    assert_refused(
        &with("/resources/0/properties/subnets", subnet),
        &[(
            "/resources/0/properties/subnets/0/properties/networkSecurityGroup",
            "NotYetSupportedByWeir",
        )],
    );
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
