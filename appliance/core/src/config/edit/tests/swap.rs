//! Do frontends exchange their addresses, all or none?

use super::*;
use crate::config::tests::{accepted, check_value, set, valid};

const FRONTEND: &str = "loadBalancers/lb/frontendIPConfigurations/fe";
const OTHER: &str = "loadBalancers/second/frontendIPConfigurations/front";
const THIRD: &str = "loadBalancers/second/frontendIPConfigurations/third";

/// [`valid`] with a second load balancer, of two frontends.
fn two_balancers() -> Value {
    let mut document = valid();
    for (name, address) in
        [("two", "203.0.113.20"), ("three", "203.0.113.30"), ("free", "203.0.113.40")]
    {
        let address = json!({"type": "Microsoft.Network/publicIPAddresses", "name": name,
            "properties": {"ipAddress": address}});
        set(&mut document, "/resources/-", address);
    }
    let of = |name: &str| json!({"publicIPAddress": {"id": name}});
    let id = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/TWO";
    let second = json!({"type": "Microsoft.Network/loadBalancers", "name": "second",
    "sku": {"name": "Standard"}, "properties": {"frontendIPConfigurations": [
        {"name": "front", "properties": of(id)}, {"name": "third", "properties": of("three")},
    ]}});
    set(&mut document, "/resources/-", second);
    document
}

fn swap(document: &Value, wanted: &[(&str, &str)]) -> Result<Value, EditError> {
    let wanted = wanted.iter().map(|(frontend, address)| FrontendAddress {
        frontend: id(frontend),
        public_address: (*address).to_owned(),
    });
    apply(document, Edit::SwapPublicAddresses(wanted.collect()), &IfMatch::Anything)
}

/// The address of each frontend.
fn addresses(document: &Value) -> Vec<String> {
    let balancers = accepted(document).configuration.load_balancers;
    let frontends = balancers.iter().flat_map(|it| &it.frontends);
    frontends.map(|it| it.address.to_string()).collect()
}

#[test]
fn frontends_of_any_load_balancers_exchange_addresses_and_back() {
    let document = two_balancers();
    assert_eq!(addresses(&document), ["203.0.113.10", "203.0.113.20", "203.0.113.30"]);
    let there = [(FRONTEND, "publicIPAddresses/two"), (OTHER, "IP")];
    let swapped = swap(&document, &there).expect("swapped");
    assert_eq!(addresses(&swapped), ["203.0.113.20", "203.0.113.10", "203.0.113.30"]);
    let back = [(OTHER, "publicIPAddresses/two"), (FRONTEND, "ip")];
    assert_eq!(swap(&swapped, &back).expect("back").to_string(), document.to_string());
    let round = [(FRONTEND, "two"), (OTHER, "three"), (THIRD, "ip")];
    let round = swap(&document, &round).expect("three at once");
    assert_eq!(addresses(&round), ["203.0.113.20", "203.0.113.30", "203.0.113.10"]);
}

#[test]
fn an_address_that_nobody_had_can_come_in_and_one_in_use_elsewhere_is_refused_by_the_check() {
    let document = two_balancers();
    let moved = swap(&document, &[(FRONTEND, "free"), (OTHER, "ip")]).expect("moved");
    assert_eq!(addresses(&moved), ["203.0.113.40", "203.0.113.10", "203.0.113.30"]);
    let shared = swap(&document, &[(FRONTEND, "three"), (OTHER, "ip")]).expect("edited");
    let problems = check_value(&shared).expect_err("two frontends with one address");
    assert_eq!(problems[0].code, "DuplicateFrontendAddress");
}

#[test]
fn a_swap_that_makes_no_sense_is_refused_by_name() {
    let mut internal = two_balancers();
    let place = "/resources/6/properties/frontendIPConfigurations/0/properties";
    set(&mut internal, place, json!({"privateIPAddress": "10.0.0.200"}));
    for (document, wanted, part) in [
        (two_balancers(), vec![], "two frontends or more"),
        (two_balancers(), vec![(FRONTEND, "two")], "two frontends or more"),
        (
            two_balancers(),
            vec![(FRONTEND, "two"), (OTHER, "TWO")],
            "publicIPAddresses/two is named",
        ),
        (two_balancers(), vec![(FRONTEND, "two"), (FRONTEND, "ip")], "/fe is named twice"),
        (two_balancers(), vec![(FRONTEND, "none"), (OTHER, "ip")], "no publicIPAddresses/none"),
        (two_balancers(), vec![(FRONTEND, "loadBalancers/lb"), (OTHER, "ip")], "is no public IP"),
        (two_balancers(), vec![(FRONTEND, "a/b"), (OTHER, "ip")], "`a` is no resource type"),
        (
            two_balancers(),
            vec![("loadBalancers/lb/probes/probe", "two"), (OTHER, "ip")],
            "is no frontend IP configuration",
        ),
        (
            two_balancers(),
            vec![("loadBalancers/lb/frontendIPConfigurations/none", "two"), (OTHER, "ip")],
            "there is no loadBalancers/lb/frontendIPConfigurations/none",
        ),
        (internal, vec![(FRONTEND, "two"), (OTHER, "ip")], "has no public IP address to exchange"),
    ] {
        let refused = swap(&document, &wanted).expect_err(part).to_string();
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn a_swap_is_meant_for_one_version_of_the_whole() {
    let document = two_balancers();
    let wanted = [(FRONTEND, "two"), (OTHER, "ip")].map(|(frontend, address)| FrontendAddress {
        frontend: id(frontend),
        public_address: address.to_owned(),
    });
    let edit = Edit::SwapPublicAddresses(wanted.to_vec());
    let checked = accepted(&document);
    let now = checked.etag().to_owned();
    assert!(apply(&checked.echo, edit.clone(), &IfMatch::Etag(now.clone())).is_ok());
    let stale = apply(&checked.echo, edit, &IfMatch::Etag("0".into()));
    assert_eq!(stale, Err(EditError::PreconditionFailed { id: WHOLE.into(), now }));
}
