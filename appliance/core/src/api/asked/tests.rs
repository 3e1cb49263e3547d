//! Does a line, however it was mangled, become a change that the check sees, or a named error?

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;
use crate::api::{Method, Request};
use crate::config::tests::mutation::{any_mutation, mutate};
use crate::config::tests::{accepted, at, check_value, set, valid, with_interfaces};
use crate::config::{Checked, edit};

const POOL: &str = "loadBalancers/lb/backendAddressPools/pool";

/// A document with two frontends, and with both kinds of pools.
fn in_force() -> Checked {
    let mut document = with_interfaces();
    let listed = json!({"name": "listed", "properties": {"loadBalancerBackendAddresses": [
        {"name": "c", "properties": {"ipAddress": "10.0.0.21"}},
        {"name": "d", "properties": {"ipAddress": "10.0.0.22"}},
    ]}});
    set(&mut document, &at("backendAddressPools/-"), listed);
    let address = json!({"type": "Microsoft.Network/publicIPAddresses", "name": "other",
        "properties": {"ipAddress": "203.0.113.20"}});
    set(&mut document, "/resources/-", address);
    let frontend = json!({"name": "other", "properties": {"publicIPAddress": {"id": "other"}}});
    set(&mut document, &at("frontendIPConfigurations/-"), frontend);
    accepted(&document)
}

/// One request of each method that changes a part, and of the query, all of them right.
fn requests() -> Vec<(&'static str, Value)> {
    let listed = "loadBalancers/lb/backendAddressPools/listed";
    let gets = |frontend: &str, address: &str| {
        json!({"id": format!("loadBalancers/lb/frontendIPConfigurations/{frontend}"),
            "properties": {"publicIPAddress": {"id": format!("publicIPAddresses/{address}")}}})
    };
    vec![
        (
            "addMember",
            json!({"pool": listed, "name": "e", "ipAddress": "10.0.0.23", "adminState": "Down",
                "weight": 3, "virtualNetwork": "virtualNetworks/vnet", "dryRun": true}),
        ),
        ("removeMember", json!({"pool": listed, "member": "10.0.0.22", "ifMatch": "*"})),
        (
            "setMember",
            json!({"pool": POOL, "member": "nic-b/ip", "adminState": "up", "weight": 100}),
        ),
        (
            "swapPublicIpAddresses",
            json!({"frontendIPConfigurations": [gets("fe", "other"), gets("other", "ip")]}),
        ),
        (
            "queryInboundNatRulePortMapping",
            json!({"backendAddressPool": POOL, "ipAddress": "10.0.0.11"}),
        ),
        (
            "queryInboundNatRulePortMapping",
            json!({"backendAddressPool": POOL,
                "ipConfiguration": {"id": "networkInterfaces/nic-a/ipConfigurations/ip"}}),
        ),
        (
            "put",
            json!({"id": "loadBalancers/lb/probes/extra",
            "resource": {"properties": {"protocol": "Tcp", "port": 81}}}),
        ),
        ("delete", json!({"id": listed, "dryRun": false})),
    ]
}

fn line(method: &str, parameters: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).to_string()
}

/// What becomes of the configuration, or the answer; an error otherwise.
#[allow(clippy::wildcard_enum_match_arm, reason = "methods of other files come and go")]
fn carried_out(line: &str, checked: &Checked) -> Result<Option<Value>, Error> {
    let request = Request::parse(line.as_bytes()).map_err(|rejection| rejection.error)?;
    let asked = match request.method {
        Method::Put(it) => Asked::try_from(it),
        Method::Delete(it) => Asked::try_from(it),
        Method::AddMember(it) => Asked::try_from(it),
        Method::RemoveMember(it) => Asked::try_from(it),
        Method::SetMember(it) => Asked::try_from(it),
        Method::SwapPublicIpAddresses(it) => Asked::try_from(it),
        Method::QueryInboundNatRulePortMapping(it) => {
            return it.answer(&checked.configuration).map(|_| None);
        }
        other => panic!("no such request is made here: {other:?}"),
    }?;
    Ok(Some(edit::apply(&checked.echo, asked.edit, &asked.if_match)?))
}

#[test]
fn each_request_as_it_is_meant_gives_a_configuration_that_can_be_applied() {
    let checked = in_force();
    for (method, parameters) in requests() {
        let made = carried_out(&line(method, &parameters), &checked).expect(method);
        if let Some(document) = made {
            assert_ne!(document, *checked.echo, "{method}");
            accepted(&document);
        }
    }
}

#[test]
fn what_does_not_fit_is_said_in_words() {
    let query = |more: Value| {
        let mut parameters = json!({"backendAddressPool": POOL});
        let fields = parameters.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        ("queryInboundNatRulePortMapping", parameters)
    };
    for ((method, parameters), code, part) in [
        (
            ("setMember", json!({"pool": POOL, "member": "x", "adminState": "Drain"})),
            -32602,
            "None, Up or Down",
        ),
        (("setMember", json!({"pool": POOL, "member": "10.0.0.11"})), -32602, "give `adminState`"),
        (("setMember", json!({"pool": POOL, "member": "x", "weight": -1})), -32602, "weight"),
        (("removeMember", json!({"pool": POOL, "member": "x"})), -32005, "no member `x`"),
        (("removeMember", json!({"pool": "pool", "member": "x"})), -32602, "no resource type"),
        (
            ("addMember", json!({"pool": POOL, "name": "x", "ipAddress": "10.0.0.11"})),
            -32602,
            "use `setMember`",
        ),
        (
            ("swapPublicIpAddresses", json!({"frontendIPConfigurations": []})),
            -32602,
            "two frontends",
        ),
        (query(json!({})), -32602, "one of the two"),
        (
            query(json!({"ipAddress": "10.0.0.11", "ipConfiguration": {"id": "x"}})),
            -32602,
            "one of the two",
        ),
        (query(json!({"ipAddress": "ten"})), -32602, "is no IP address"),
        (query(json!({"ipAddress": "10.0.0.99"})), -32005, "no member 10.0.0.99"),
        (query(json!({"ipConfiguration": {"id": POOL}})), -32602, "is no IP configuration"),
    ] {
        let refused = carried_out(&line(method, &parameters), &in_force()).expect_err(part);
        assert_eq!(refused.code, code, "{}", refused.message);
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

#[test]
fn inbound_nat_has_no_ports_until_its_rules_can_be_applied() {
    let pool = POOL.to_owned();
    let query = QueryInboundNatRulePortMapping {
        backend_address_pool: pool,
        ip_address: Some("10.0.0.12".into()),
        ip_configuration: None,
    };
    let answer = query.answer(&accepted(&valid()).configuration);
    assert_eq!(answer, Ok(Success::PortMappings(PortMappings::default())));
}

proptest! {
    #[test]
    fn a_mangled_line_is_carried_out_whole_or_refused_by_name(
        request in any::<Index>(),
        mutations in prop::collection::vec((any::<Index>(), any_mutation()), 1..5),
    ) {
        let checked = in_force();
        let (method, mut parameters) = request.get(&requests()).clone();
        for (place, mutation) in mutations {
            mutate(&mut parameters, &place, mutation);
        }
        match carried_out(&line(method, &parameters), &checked) {
            Err(error) => {
                prop_assert!([-32602, -32005, -32006].contains(&error.code), "{}", error);
                prop_assert!(!error.message.is_empty());
            }
            Ok(Some(document)) => {
                for problem in check_value(&document).err().unwrap_or_default() {
                    prop_assert!(!problem.message.is_empty() && !problem.code.is_empty());
                }
            }
            Ok(None) => {}
        }
    }

    #[test]
    fn a_line_with_any_one_byte_changed_is_carried_out_or_refused_by_name(
        request in any::<Index>(),
        place in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let (method, parameters) = request.get(&requests()).clone();
        let mut bytes = line(method, &parameters).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Err(rejection) = Request::parse(&bytes) {
            prop_assert!(!rejection.error.message.is_empty());
            let code = rejection.error.code;
            prop_assert!([-32700, -32600, -32601, -32602].contains(&code), "{}", code);
        }
    }
}
