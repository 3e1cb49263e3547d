//! Claims about the mirror of the kernel and about what it is asked for.

use std::net::IpAddr;

use super::*;
use crate::limits::{ADJACENCIES_MAX, ROUTES_MAX};

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);
const MAC_A: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);
const MAC_B: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xb]);

#[test]
fn only_a_change_of_the_usable_mac_concerns_forwarding() {
    use NeighbourState::{Delay, Failed, Incomplete, Permanent, Probe, Reachable, Stale};
    let table = [
        ("asked", None, Incomplete, false),
        ("answered", Some(MAC_A), Reachable, true),
        ("aged", Some(MAC_A), Stale, false),
        ("about to ask", Some(MAC_A), Delay, false),
        ("asking again", Some(MAC_A), Probe, false),
        ("moved", Some(MAC_B), Reachable, true),
        ("gave up", None, Failed, true),
        ("asked anew", None, Incomplete, false),
        ("set by hand", Some(MAC_A), Permanent, true),
        ("a failed entry's old MAC is not usable", Some(MAC_A), Failed, true),
    ];
    let mut world = World::default();
    for (step, mac, state, expected) in table {
        let neighbour = Neighbour { mac, state };
        let event = Event::NeighbourChanged { port: BACK, address: ip("10.0.0.11"), neighbour };
        assert_eq!(world.apply(event), expected, "{step}");
    }
    let gone = Event::NeighbourRemoved { port: BACK, address: ip("10.0.0.11") };
    assert!(!world.apply(gone.clone()), "an unusable neighbour is missed by nobody");
    assert!(!world.apply(gone), "removed twice");
}

#[test]
fn the_longest_prefix_wins_then_the_lowest_metric() {
    let mut world = two_links();
    add(&mut world, "0.0.0.0/0", 0, &[via(FRONT, "192.0.2.1")]);
    add(&mut world, "10.0.0.0/8", 20, &[via(BACK, "10.0.0.2")]);
    add(&mut world, "10.0.0.0/8", 10, &[via(BACK, "10.0.0.1")]);
    add(&mut world, "10.0.0.0/24", 500, &[on_link(BACK)]);
    add(&mut world, "10.9.0.0/16", 0, &[]);
    add(&mut world, "2001:db8::/32", 0, &[via(FRONT, "fe80::1")]);
    let table = [
        ("10.0.0.11", Some((BACK, "10.0.0.11"))),
        ("10.1.0.1", Some((BACK, "10.0.0.1"))),
        ("10.9.1.1", None),
        ("198.51.100.7", Some((FRONT, "192.0.2.1"))),
        ("2001:db8::5", Some((FRONT, "fe80::1"))),
        ("2001:db9::5", None),
    ];
    for (destination, expected) in table {
        let expected = expected.map(|(port, address)| (port, ip(address)));
        assert_eq!(world.route_to(ip(destination)), expected, "{destination}");
    }
}

#[test]
fn removing_the_best_route_brings_back_the_next_one() {
    let mut world = two_links();
    let prefix = "10.0.0.0/8".parse().expect("a prefix");
    assert!(add(&mut world, "10.0.0.0/8", 10, &[via(BACK, "10.0.0.1")]));
    assert!(!add(&mut world, "10.0.0.0/8", 20, &[via(BACK, "10.0.0.2")]), "worse: unused");
    assert!(!add(&mut world, "10.0.0.0/8", 10, &[via(BACK, "10.0.0.1")]), "the same again");
    assert!(world.apply(Event::RouteRemoved { prefix, metric: 10 }));
    assert_eq!(world.route_to(ip("10.1.1.1")), Some((BACK, ip("10.0.0.2"))));
    assert!(world.apply(Event::RouteRemoved { prefix, metric: 20 }));
    assert_eq!(world.route_to(ip("10.1.1.1")), None);
    assert!(!world.apply(Event::RouteRemoved { prefix, metric: 20 }), "removed twice");
    assert_eq!(world, two_links(), "nothing is left behind");
}

#[test]
fn a_next_hop_on_a_link_that_is_down_is_passed_over() {
    let mut world = two_links();
    add(&mut world, "0.0.0.0/0", 0, &[via(FRONT, "192.0.2.1"), via(BACK, "10.0.0.1")]);
    assert_eq!(world.route_to(ip("8.8.8.8")), Some((FRONT, ip("192.0.2.1"))));
    assert!(world.apply(Event::LinkChanged { port: FRONT, mac: MAC_A, up: false }));
    assert_eq!(world.route_to(ip("8.8.8.8")), Some((BACK, ip("10.0.0.1"))));
    assert!(!world.apply(Event::LinkChanged { port: FRONT, mac: MAC_A, up: false }));
}

#[test]
fn own_addresses_come_change_their_length_and_go() {
    let mut world = two_links();
    let address = ip("10.0.0.4");
    let added = |length| Event::AddressAdded { port: BACK, address, length };
    assert!(world.apply(added(24)));
    assert!(!world.apply(added(24)));
    assert!(world.apply(added(16)));
    assert_eq!(world.links()[&BACK].addresses, [(address, 16)]);
    assert!(world.is_own(address));
    assert!(world.apply(Event::AddressRemoved { port: BACK, address }));
    assert!(!world.apply(Event::AddressRemoved { port: BACK, address }));
    assert!(!world.is_own(address));
}

#[test]
fn a_resynchronisation_that_brings_nothing_new_changes_nothing() {
    let mut world = two_links();
    add(&mut world, "0.0.0.0/0", 0, &[via(FRONT, "192.0.2.1")]);
    learn(&mut world, FRONT, "192.0.2.1", NeighbourState::Reachable);
    let mut same = world.clone();
    learn(&mut same, FRONT, "192.0.2.1", NeighbourState::Stale);
    add(&mut same, "0.0.0.0/0", 900, &[via(BACK, "10.0.0.1")]);
    assert!(!world.apply(Event::Resynchronised(Box::new(same.clone()))));
    assert_eq!(world, same, "but the details are taken over");
    assert!(world.apply(Event::Resynchronised(Box::default())));
    assert_eq!(world, World::default());
}

#[test]
fn members_next_hops_and_all_gateways_are_wanted_own_addresses_are_not() {
    let mut world = two_links();
    let own = Event::AddressAdded { port: BACK, address: ip("10.0.0.4"), length: 24 };
    world.apply(own);
    add(&mut world, "0.0.0.0/0", 0, &[via(FRONT, "192.0.2.1"), via(FRONT, "192.0.2.2")]);
    add(&mut world, "10.0.0.0/24", 0, &[on_link(BACK)]);
    add(&mut world, "10.2.0.0/16", 0, &[via(BACK, "10.0.0.2")]);
    add(&mut world, "10.3.0.0/16", 0, &[via(BACK, "10.0.0.4")]);
    let members = ["10.0.0.11", "10.2.0.7", "10.0.0.4", "203.0.113.9"].map(ip);
    let expected =
        [(FRONT, "192.0.2.1"), (FRONT, "192.0.2.2"), (BACK, "10.0.0.2"), (BACK, "10.0.0.11")];
    let expected = expected.map(|(port, address)| (port, ip(address))).into();
    assert_eq!(wanted_neighbours(&members, &world), expected);

    world.apply(Event::LinkChanged { port: BACK, mac: MAC_B, up: false });
    let front_only = wanted_neighbours(&members, &world);
    assert!(front_only.iter().all(|(port, _)| *port == FRONT), "a link that is down wants nothing");
}

#[test]
fn at_the_bounds_the_rest_is_left_out_and_counted() {
    let mut world = two_links();
    for n in 0..u32::try_from(ROUTES_MAX).expect("fits") + 2 {
        let prefix = Prefix::new(Address::from_v4_bits(n << 8).to_ip(), 24).expect("a prefix");
        let route = Route { next_hops: vec![on_link(BACK)], metric: 0 };
        world.apply(Event::RouteAdded { prefix, route });
    }
    let members: Vec<_> = (0..u32::try_from(ADJACENCIES_MAX).expect("fits") + 9)
        .map(|n| Address::from_v4_bits(0x0001_0000 + n))
        .collect();
    for member in &members {
        let neighbour = Neighbour { mac: Some(MAC_A), state: NeighbourState::Reachable };
        world.apply(Event::NeighbourChanged { port: BACK, address: *member, neighbour });
    }
    assert_eq!((world.left_out().routes, world.left_out().neighbours), (2, 9));
    assert_eq!(world.routes().count(), ROUTES_MAX);
    assert_eq!(world.neighbours().len(), ADJACENCIES_MAX);
    assert_eq!(wanted_neighbours(&members, &world).len(), ADJACENCIES_MAX);
    let known = Event::RouteAdded {
        prefix: "0.0.1.0/24".parse().expect("a prefix"),
        route: Route { next_hops: vec![on_link(FRONT)], metric: 0 },
    };
    assert!(world.apply(known), "a known route still changes");
}

fn ip(text: &str) -> Address {
    text.parse::<IpAddr>().expect("an address").into()
}

fn via(port: PortId, gateway: &str) -> NextHop {
    NextHop { port, gateway: Some(ip(gateway)), weight: 1 }
}

fn on_link(port: PortId) -> NextHop {
    NextHop { port, gateway: None, weight: 1 }
}

fn add(world: &mut World, prefix: &str, metric: u32, next_hops: &[NextHop]) -> bool {
    let route = Route { next_hops: next_hops.to_vec(), metric };
    world.apply(Event::RouteAdded { prefix: prefix.parse().expect("a prefix"), route })
}

fn learn(world: &mut World, port: PortId, address: &str, state: NeighbourState) {
    let neighbour = Neighbour { mac: Some(MAC_A), state };
    world.apply(Event::NeighbourChanged { port, address: ip(address), neighbour });
}

fn two_links() -> World {
    let mut world = World::default();
    world.apply(Event::LinkChanged { port: FRONT, mac: MAC_A, up: true });
    world.apply(Event::LinkChanged { port: BACK, mac: MAC_B, up: true });
    world
}
