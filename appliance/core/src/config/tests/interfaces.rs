//! Are network interfaces members as behaviour.md §1.4 says?

use serde_json::json;

use super::*;

const MEMBERSHIP: &str =
    "/resources/3/properties/ipConfigurations/0/properties/loadBalancerBackendAddressPools";

#[test]
fn interfaces_that_name_a_pool_are_its_members() {
    let checked = accepted(&with_interfaces());
    assert_eq!(checked.warnings, []);
    let pool = &checked.configuration.load_balancers[0].pools[0];
    let members: Vec<_> =
        pool.members.iter().map(|it| (it.name.as_str(), it.address.to_string())).collect();
    let expected = [("nic-a/ip", "10.0.0.11".to_owned()), ("nic-b/ip", "10.0.0.12".to_owned())];
    assert_eq!(members, expected);
    assert!(pool.members[0].by_interface);
    assert_eq!(checked.configuration.network_interfaces[1].name, "nic-b");
}

#[test]
fn what_azure_answers_about_such_a_pool_changes_nothing() {
    let expected = accepted(&with_interfaces()).configuration;
    let id = |nic: &str| json!({"id": format!("networkInterfaces/{nic}/ipConfigurations/ip")});
    let mut document = with_interfaces();
    let place = at(&format!("{POOL}/backendIPConfigurations"));
    set(&mut document, &place, json!([id("nic-a"), id("nic-b")]));
    assert_eq!(accepted(&document).configuration, expected);
    let listed = json!([{"name": "one", "properties": {
        "networkInterfaceIPConfiguration": id("nic-a"), "adminState": "Down"}}]);
    set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), listed);
    let pool = &accepted(&document).configuration.load_balancers[0].pools[0];
    assert_eq!(pool.members.len(), 2);
    assert_eq!(pool.members[0].admin_state, super::super::AdminState::Down);
}

#[test]
fn a_pool_of_interfaces_that_are_not_there_is_not_silently_empty() {
    let mut document = with(&at(POOL), json!({}));
    let place = at(&format!("{POOL}/backendIPConfigurations"));
    set(&mut document, &place, json!([{"id": "networkInterfaces/gone/ipConfigurations/ip"}]));
    assert_refused(&document, &[(&format!("{place}/0/id"), "InvalidResourceReference")]);
}

#[test]
fn what_an_interface_joins_is_there_and_unambiguous() {
    for id in
        ["loadBalancers/lb/backendAddressPools/other", "loadBalancers/x/backendAddressPools/pool"]
    {
        let mut document = with_interfaces();
        set(&mut document, MEMBERSHIP, json!([{"id": id}]));
        let pointer = format!("{MEMBERSHIP}/0/id");
        assert_refused(&document, &[(&pointer, "InvalidResourceReference")]);
    }
    let mut document = with_interfaces();
    set(&mut document, MEMBERSHIP, json!([{"id": "pool"}]));
    accepted(&document);
}

#[test]
fn a_pool_does_not_mix_addresses_and_interfaces() {
    let mut document = with_interfaces();
    let listed = json!([{"name": "c", "properties": {"ipAddress": "10.0.0.13"}}]);
    let place = at(&format!("{POOL}/loadBalancerBackendAddresses"));
    set(&mut document, &place, listed);
    assert_refused(&document, &[(&place, "PoolMixesAddressesAndInterfaces")]);
}

#[test]
fn an_inbound_nat_rule_leads_to_the_interface_that_names_it() {
    let mut document = with_interfaces();
    let rule = json!([{"name": "ssh", "properties": {"frontendIPConfiguration": {"id": "fe"},
        "protocol": "Tcp", "frontendPort": 50001, "backendPort": 22}}]);
    set(&mut document, &at("inboundNatRules"), rule);
    for nic in [3, 4] {
        let place = format!("/resources/{nic}/properties/ipConfigurations/0/properties");
        set(&mut document, &format!("{place}/loadBalancerInboundNatRules"), json!([{"id": "ssh"}]));
        let problems = examined(&document).problems;
        let codes: Vec<_> = problems.iter().map(|it| it.problem.code.as_ref()).collect();
        if nic == 3 {
            assert_eq!(codes, ["NotYetSupportedByWeir"]);
        } else {
            assert!(codes.contains(&"InboundNatRuleHasSeveralTargets"), "{problems:#?}");
        }
    }
}

#[test]
fn an_interface_lies_in_its_subnet_and_one_network() {
    let mut document = with_interfaces();
    let subnets = json!([{"name": "s", "properties": {"addressPrefix": "10.0.1.0/24"}}]);
    set(&mut document, "/resources/0/properties/subnets", subnets);
    set(
        &mut document,
        &format!("{INTERFACE}/subnet"),
        json!({"id": "virtualNetworks/vnet/subnets/s"}),
    );
    let pointer = format!("{INTERFACE}/privateIPAddress");
    assert_refused(&document, &[(&pointer, "PrivateIPAddressNotInSubnet")]);
}

#[test]
fn frontends_and_members_are_in_one_virtual_network() {
    let mut document = with_interfaces();
    set(&mut document, &at("outboundRules"), json!([]));
    let subnets = |prefix: &str| json!([{"name": "s", "properties": {"addressPrefix": prefix}}]);
    set(&mut document, "/resources/0/properties/subnets", subnets("10.0.0.0/24"));
    let other = json!({"type": "Microsoft.Network/virtualNetworks", "name": "other", "properties":
        {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets("10.0.0.0/24")}});
    set(&mut document, "/resources/-", other);
    for (nic, network) in [(3, "vnet"), (4, "other")] {
        let place = format!("/resources/{nic}/properties/ipConfigurations/0/properties/subnet");
        let id = format!("virtualNetworks/{network}/subnets/s");
        set(&mut document, &place, json!({"id": id}));
    }
    let expected = [(&*at("backendAddressPools"), "LoadBalancerSpansVirtualNetworks")];
    assert_refused(&document, &expected);
}

#[test]
fn members_with_addresses_need_no_interface_that_azure_names_beside_them() {
    let nic = json!({"id": "networkInterfaces/elsewhere/ipConfigurations/ip"});
    let mut document = with(&at(&format!("{POOL}/backendIPConfigurations")), json!([nic.clone()]));
    accepted(&document);
    for number in [0, 1] {
        let member = format!("{POOL}/loadBalancerBackendAddresses/{number}/properties");
        let place = at(&format!("{member}/networkInterfaceIPConfiguration"));
        set(&mut document, &place, nic.clone());
    }
    let pool = &accepted(&document).configuration.load_balancers[0].pools[0];
    assert!(pool.members.iter().all(|member| member.by_interface));
}
