//! Does a document mean what Azure says that it means?

use std::net::IpAddr;

use serde_json::json;

use super::super::{
    AdminState, LoadBalancer, LoadDistribution, NoHealthyBackends, Probe, ProbeProtocol, Sku,
    TransportProtocol,
};
use super::*;
use crate::units::Transport;

fn balancer(document: &Value) -> LoadBalancer {
    accepted(document).configuration.load_balancers.remove(0)
}

fn probe(properties: Value) -> Probe {
    balancer(&with(&at(PROBE), properties)).probes.remove(0)
}

#[test]
fn references_become_positions_and_defaults_are_azures() {
    let document = valid();
    let checked = accepted(&document);
    assert_eq!(*checked.document, document);
    assert_eq!(checked.configuration.virtual_networks[0].prefixes[0].to_string(), "10.0.0.0/16");
    let balancer = &checked.configuration.load_balancers[0];
    assert_eq!((balancer.name.as_str(), balancer.sku), ("lb", Sku::Standard));
    let frontend = &balancer.frontends[0];
    let address: IpAddr = "203.0.113.10".parse().expect("an address");
    assert_eq!((frontend.address, frontend.public), (address, true));
    let member = &balancer.pools[0].members[1];
    assert_eq!((member.admin_state, member.weight), (AdminState::None, 1));
    let rule = &balancer.rules[0];
    assert_eq!((rule.frontend, rule.pool, rule.probe), (0, 0, Some(0)));
    assert_eq!((rule.protocol, rule.frontend_port, rule.backend_port), (Transport::Tcp, 80, 8080));
    assert_eq!((rule.idle_timeout_minutes, rule.enable_tcp_reset), (4, false));
    assert_eq!(rule.load_distribution, LoadDistribution::Default);
    let outbound = &balancer.outbound_rules[0];
    assert_eq!((&outbound.frontends[..], outbound.pool), (&[0][..], 0));
    assert_eq!((outbound.protocol, outbound.idle_timeout_minutes), (TransportProtocol::All, 4));
    assert_eq!(outbound.allocated_outbound_ports, 1024);
}

#[test]
fn members_have_admin_state_and_weight() {
    let member = json!({"ipAddress": "10.0.0.11", "adminState": "down",
        "extensions": {"weight": "100"}});
    let place = at(&format!("{POOL}/loadBalancerBackendAddresses/0/properties"));
    let member = balancer(&with(&place, member)).pools.remove(0).members.remove(0);
    assert_eq!((member.admin_state, member.weight), (AdminState::Down, 100));
    let beside = at(&format!("{POOL}/loadBalancerBackendAddresses/0/extensions"));
    let member = balancer(&with(&beside, json!({"weight": 7}))).pools.remove(0).members.remove(0);
    assert_eq!(member.weight, 7);
}

#[test]
fn a_probes_timeout_follows_its_interval_and_protocol() {
    let times = |probe: Probe| (probe.interval_milliseconds, probe.timeout_milliseconds);
    assert_eq!(times(probe(json!({"protocol": "Tcp", "port": 1}))), (15_000, 15_000));
    let slow = json!({"protocol": "Http", "port": 1, "requestPath": "/", "intervalInSeconds": 60});
    assert_eq!(times(probe(slow)), (60_000, 30_000));
    let fast = json!({"protocol": "Tcp", "port": 1, "intervalInSeconds": 5,
        "extensions": {"intervalInMilliseconds": 200, "timeoutInMilliseconds": 150}});
    assert_eq!(times(probe(fast)), (200, 150));
}

#[test]
fn a_probe_has_threshold_count_path_and_last_resort() {
    let probe = probe(json!({"protocol": "HTTP", "port": "80", "requestPath": "health",
        "probeThreshold": 3, "numberOfProbes": 4, "noHealthyBackendsBehavior": "allProbedUp"}));
    assert_eq!(probe.protocol, ProbeProtocol::Http { path: "/health".to_owned() });
    assert_eq!((probe.threshold, probe.number_of_probes), (3, 4));
    assert_eq!(probe.no_healthy_backends, NoHealthyBackends::AllProbedUp);
}

#[test]
fn the_default_allocation_follows_the_size_of_the_pool() {
    for (members, ports) in
        [(1, 1024), (50, 1024), (51, 512), (101, 256), (201, 128), (401, 64), (801, 32), (1000, 32)]
    {
        let members: Vec<Value> = (0..members)
            .map(|number| {
                json!({"name": format!("m{number}"), "properties":
                {"ipAddress": format!("10.0.{}.{}", 1 + number / 250, 1 + number % 250)}})
            })
            .collect();
        let mut document = with(&at(&format!("{OUTBOUND}/allocatedOutboundPorts")), 0.into());
        set(&mut document, &at(&format!("{POOL}/loadBalancerBackendAddresses")), members.into());
        assert_eq!(balancer(&document).outbound_rules[0].allocated_outbound_ports, ports);
    }
}

#[test]
fn the_idle_timeout_of_the_public_address_wins() {
    let document = with("/resources/1/properties/idleTimeoutInMinutes", 20.into());
    assert_eq!(balancer(&document).rules[0].idle_timeout_minutes, 20);
    let pointer = at(&format!("{RULE}/idleTimeoutInMinutes"));
    let expected = [(pointer.as_str(), "PublicIPAddressIdleTimeoutWins")];
    assert_eq!(warned(&accepted(&document)), expected);
}

#[test]
fn a_load_balancer_without_sku_is_basic() {
    let mut document = basic();
    let balancer_object = document.pointer_mut(BALANCER).and_then(Value::as_object_mut);
    balancer_object.expect("a load balancer").remove("sku");
    assert_eq!(balancer(&document).sku, Sku::Basic);
}

#[test]
fn what_is_nested_deeper_than_readers_follow_is_refused_as_text_and_as_a_value() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let mut document = valid();
    // The document, its resources and the resource around it, and its properties: four levels.
    document["resources"][0]["properties"]["unknown"] = nested(96);
    accepted(&document);
    document["resources"][0]["properties"]["unknown"] = nested(97);
    assert_refused(&document, &[("", "DocumentTooDeep")]);
}

#[test]
fn a_document_has_one_etag_whatever_its_parts_stand_first() {
    let document = valid();
    let (appliance, resources) = (document["appliance"].clone(), document["resources"].clone());
    let turned = json!({"resources": resources, "appliance": appliance});
    assert_eq!(accepted(&document).etag(), accepted(&turned).etag());
    assert_eq!(accepted(&turned).document.to_string(), accepted(&document).document.to_string());
}
