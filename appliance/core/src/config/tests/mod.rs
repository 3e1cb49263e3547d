//! Is every rule of a configuration named when it is broken?
//!
//! Each test changes one thing of a document that is right, and names place and code of what
//! `check` must say.

mod appliance;
mod azure_rules;
mod codes;
mod echo;
mod examples;
mod families;
mod instances;
mod interfaces;
mod leniency;
mod meaning;
pub(crate) mod mutation;
mod outbound;
mod port_mapping;
mod resources;
mod rules;
mod schema;
mod sku;
mod sources;
mod supported;
mod templates;

use serde_json::{Value, json};

use super::{Checked, Examined, Problem, Source, check, check_document, examine};

/// The first load balancer of [`valid`].
const BALANCER: &str = "/resources/2";

/// A small document in which nothing is wrong, and nothing to warn of.
pub(crate) fn valid() -> Value {
    json!({
        "appliance": {
            "ports": [
                {"name": "front", "device": "net_tap0,iface=f", "addresses": ["198.51.100.1/24"]},
                {"name": "back", "device": "net_tap1,iface=b", "addresses": ["10.0.0.1/24"]},
            ],
            "routes": [{"destination": "0.0.0.0/0", "nextHop": "198.51.100.254"}],
        },
        "resources": [
            {"type": "Microsoft.Network/virtualNetworks", "name": "vnet",
             "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}},
            {"type": "Microsoft.Network/publicIPAddresses", "name": "ip",
             "properties": {"ipAddress": "203.0.113.10"}},
            {"type": "Microsoft.Network/loadBalancers", "name": "lb", "sku": {"name": "Standard"},
             "properties": {
                "frontendIPConfigurations": [
                    {"name": "fe", "properties": {"publicIPAddress": {"id": "ip"}}},
                ],
                "backendAddressPools": [
                    {"name": "pool", "properties": {"loadBalancerBackendAddresses": [
                        {"name": "a", "properties": {"ipAddress": "10.0.0.11"}},
                        {"name": "b", "properties": {"ipAddress": "10.0.0.12"}},
                    ]}},
                ],
                "probes": [{"name": "probe", "properties": {"protocol": "Tcp", "port": 8080}}],
                "loadBalancingRules": [
                    {"name": "web", "properties": {
                        "frontendIPConfiguration": {"id": "fe"},
                        "backendAddressPool": {"id": "pool"}, "probe": {"id": "probe"},
                        "protocol": "Tcp", "frontendPort": 80, "backendPort": 8080,
                        "disableOutboundSnat": true}},
                ],
                "outboundRules": [
                    {"name": "out", "properties": {
                        "frontendIPConfigurations": [{"id": "fe"}],
                        "backendAddressPool": {"id": "pool"}, "protocol": "All",
                        "allocatedOutboundPorts": 1024}},
                ],
             }},
        ],
    })
}

/// A document as text, with names and words in other cases than Azure's.
fn in_other_spelling(document: &Value) -> String {
    document
        .to_string()
        .replace("loadBalancingRules", "loadbalancingRules")
        .replace("backendAddressPool\"", "backendaddressPool\"")
        .replace("frontendIPConfigurations", "frontendIpConfigurations")
        .replace("\"protocol\":\"Tcp\"", "\"Protocol\":\"TCP\"")
}

/// An address of a network interface that joins the pool.
pub(crate) fn interface(name: &str, address: &str) -> Value {
    json!({"type": "Microsoft.Network/networkInterfaces", "name": name, "properties": {
    "ipConfigurations": [{"name": "ip", "properties": {
        "privateIPAddress": address,
        "loadBalancerBackendAddressPools": [{"id": "loadBalancers/lb/backendAddressPools/pool"}],
    }}]}})
}

/// [`valid`] with network interfaces `/resources/3` and `/resources/4` as members.
pub(crate) fn with_interfaces() -> Value {
    let mut document = with(&at(POOL), json!({}));
    set(&mut document, "/resources/-", interface("nic-a", "10.0.0.11"));
    set(&mut document, "/resources/-", interface("nic-b", "10.0.0.12"));
    document
}

/// [`with_interfaces`] and a public address `own`, which nobody has.
fn with_own_public_address() -> Value {
    let mut document = with_interfaces();
    let address = json!({"type": "Microsoft.Network/publicIPAddresses", "name": "own",
        "properties": {"ipAddress": "203.0.113.99"}});
    set(&mut document, "/resources/-", address);
    document
}

/// [`with_interfaces`] on a Basic load balancer, which has neither outbound rules nor (in this
/// version) probes.
fn basic() -> Value {
    let mut document = with_interfaces();
    set(&mut document, &format!("{BALANCER}/sku/name"), "Basic".into());
    set(&mut document, &at("outboundRules"), json!([]));
    let rule = document.pointer_mut(&at(RULE)).and_then(Value::as_object_mut).expect("a rule");
    rule.remove("probe");
    document
}

/// [`valid`] on an internal frontend, without outbound rules.
fn internal() -> Value {
    let mut document = with(&at(FRONTEND), json!({"privateIPAddress": "10.0.0.200"}));
    set(&mut document, &at("outboundRules"), json!([]));
    document
}

/// A second rule of [`valid`], with other ports.
fn second_rule(changes: &[(&str, Value)]) -> Value {
    let mut rule = valid().pointer(&at("loadBalancingRules/0")).expect("a rule").clone();
    rule["name"] = "second".into();
    rule["properties"]["frontendPort"] = 81.into();
    rule["properties"]["backendPort"] = 8081.into();
    for (property, value) in changes {
        rule["properties"][*property] = value.clone();
    }
    rule
}

/// A place of the first load balancer's properties.
pub(crate) fn at(place: &str) -> String {
    format!("{BALANCER}/properties/{place}")
}

const RULE: &str = "loadBalancingRules/0/properties";
const OUTBOUND: &str = "outboundRules/0/properties";
const PROBE: &str = "probes/0/properties";
const POOL: &str = "backendAddressPools/0/properties";
const FRONTEND: &str = "frontendIPConfigurations/0/properties";

/// The address of the first interface of [`with_interfaces`].
const INTERFACE: &str = "/resources/3/properties/ipConfigurations/0/properties";

/// Writes `value` at `pointer`, adding the last token if it is missing; `-` appends to a list.
pub(crate) fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, token) = pointer.rsplit_once('/').expect("a pointer with a parent");
    match document.pointer_mut(parent).expect("a place in the document") {
        Value::Object(map) => {
            map.insert(token.to_owned(), value);
        }
        Value::Array(list) if token == "-" => list.push(value),
        Value::Array(list) => list[token.parse::<usize>().expect("a position")] = value,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("a single value has no children")
        }
    }
}

fn with(pointer: &str, value: Value) -> Value {
    let mut document = valid();
    set(&mut document, pointer, value);
    document
}

fn without(pointer: &str) -> Value {
    let mut document = valid();
    let (parent, token) = pointer.rsplit_once('/').expect("a pointer with a parent");
    let map = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    map.remove(token).expect("something to remove");
    document
}

/// Checks a document as text, and that it is the same to check it as a value.
pub(crate) fn check_value(document: &Value) -> Result<Checked, Vec<Problem>> {
    let text = document.to_string();
    let found = check(text.as_bytes());
    match (&found, check_document(document.clone(), &text)) {
        (Ok(found), Ok(again)) => {
            assert_eq!(found.configuration, again.configuration);
            assert_eq!(warned(found), warned(&again));
            assert_eq!(found.etag(), again.etag());
        }
        (Err(found), Err(again)) => assert_eq!(*found, again),
        (found, again) => panic!("as text {found:#?}, as a value {again:#?}"),
    }
    found
}

/// Everything that is found in a document, with what this version lacks.
fn examined(document: &Value) -> Examined {
    let text = document.to_string().into_bytes();
    examine(vec![Source { name: "file.json".to_owned(), text }])
}

pub(crate) fn accepted(document: &Value) -> Checked {
    check_value(document).unwrap_or_else(|problems| panic!("refused: {problems:#?}"))
}

/// Checks a document of which exactly these problems are to be found, in this order.
fn assert_refused(document: &Value, expected: &[(&str, &str)]) {
    let problems = check_value(document).expect_err("a document with a problem");
    assert_eq!(places(&problems), expected, "{problems:#?}");
}

/// Checks that one changed value is refused at its own place.
fn assert_value_refused(pointer: &str, value: Value, code: &str) {
    assert_refused(&with(pointer, value), &[(pointer, code)]);
}

/// Of what the author of a good document is told, and where.
fn warned(checked: &Checked) -> Vec<(&str, &str)> {
    let problems = checked.warnings.iter().map(|it| &it.problem);
    problems.map(|problem| (problem.pointer.as_str(), problem.code.as_ref())).collect()
}

fn places(problems: &[Problem]) -> Vec<(&str, &str)> {
    problems.iter().map(|problem| (problem.pointer.as_str(), problem.code.as_ref())).collect()
}
