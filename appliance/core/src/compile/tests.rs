//! Does a change touch what it must, and nothing else?

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::config::check;
use crate::health::{ProbeTarget, Verdict};
use crate::neighbour::{Event, Neighbour, NeighbourState, NextHop, Route};
use crate::policy::{Granule, NextHop as Towards, PortBlock, RSS_KEY_BYTES};
use crate::units::{AdjacencyId, OutboundAddressId, PortId, Prefix, WorkerId};

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);

/// A compiler and everything that it is asked about.
struct Bench {
    compiler: Compiler,
    document: Value,
    health: HealthTable,
    world: World,
    now_milliseconds: u64,
    port_use: Arc<PortUse>,
    wanting: Vec<(MemberId, Transport)>,
}

impl Bench {
    fn new(workers: u8) -> Self {
        let owner = OwnerFunction::new(&[7; RSS_KEY_BYTES], workers);
        let mut bench = Self {
            compiler: Compiler::new(owner, 1),
            document: document(),
            health: HealthTable::default(),
            world: World::default(),
            now_milliseconds: 0,
            port_use: Arc::default(),
            wanting: Vec::new(),
        };
        for (port, subnet) in [(FRONT, "198.51.100.0/24"), (BACK, "10.0.0.0/24")] {
            bench.world.apply(Event::LinkChanged { port, mac: MacAddress([2; 6]), up: true });
            bench.route(subnet, &[NextHop { port, gateway: None, weight: 1 }]);
        }
        bench
    }

    fn route(&mut self, prefix: &str, next_hops: &[NextHop]) {
        let prefix: Prefix = prefix.parse().expect("a prefix");
        self.world.apply(Event::RouteRemoved { prefix, metric: 0 });
        if !next_hops.is_empty() {
            let route = Route { next_hops: next_hops.to_vec(), metric: 0 };
            self.world.apply(Event::RouteAdded { prefix, route });
        }
    }

    fn resolve(&mut self, port: PortId, address: &str) {
        let mac = Some(MacAddress([4; 6]));
        let neighbour = Neighbour { mac, state: NeighbourState::Reachable };
        let address = v4(address);
        self.world.apply(Event::NeighbourChanged { port, address, neighbour });
    }

    fn balancer(&mut self) -> &mut Value {
        &mut self.document["resources"][2]["properties"]
    }

    fn members(&mut self, addresses: &[&str]) {
        let member = |address| json!({"name": address, "properties": {"ipAddress": address}});
        let members: Vec<_> = addresses.iter().map(member).collect();
        self.balancer()["backendAddressPools"][0]["properties"]["loadBalancerBackendAddresses"] =
            members.into();
    }

    fn compile(&mut self, changes: Changes) -> Snapshot {
        let checked = check(self.document.to_string().as_bytes()).expect("a right document");
        self.health.set_targets(&probe_targets(&checked.configuration));
        let facts = [PortFacts { mac: MacAddress([2; 6]), partial_checksums: false }; 2];
        self.compiler.compile(
            Inputs {
                configuration: &checked.configuration,
                health: &self.health,
                world: &self.world,
                facts: &facts,
                now_milliseconds: self.now_milliseconds,
                port_use: std::slice::from_ref(&self.port_use),
                wanting: &std::mem::take(&mut self.wanting),
            },
            changes,
        )
    }

    fn configured(&mut self) -> Snapshot {
        self.compile(Changes { configuration: true, ..Changes::default() })
    }

    /// A member's blocks of TCP ports: the first one, and the one behind the last.
    fn ranges(&self, snapshot: &Snapshot, member: &str) -> Vec<(u16, u16)> {
        let id = self.compiler.member_id(v4(member)).expect("a member");
        let mapping = snapshot.mapping(id, Transport::Tcp).expect("a mapping");
        mapping.blocks().map(|block| (block.range().start, block.range().end)).collect()
    }

    /// Notes that a port of the only address is in use, or is not any more.
    fn use_port(&self, port: u16, is_used: bool) {
        let granule = usize::from((port - 1024) / 8);
        self.port_use.note(OutboundAddressId(0), Transport::Tcp, granule, is_used.into());
    }

    /// First port, ports and worker of a member's TCP block.
    fn block(&self, snapshot: &Snapshot, member: &str) -> (u16, u32, WorkerId) {
        let id = self.compiler.member_id(v4(member)).expect("a member");
        let mapping = snapshot.mapping(id, Transport::Tcp).expect("a mapping");
        let [share] = &mapping.shares[..] else { panic!("one share: {mapping:?}") };
        (share.blocks[0].first_port, mapping.ports(), share.worker)
    }
}

fn sum(ranges: Vec<(u16, u16)>) -> u16 {
    ranges.into_iter().map(|(first, end)| end - first).sum()
}

fn v4(text: &str) -> Address {
    text.parse::<IpAddr>().expect("an address").into()
}

fn document() -> Value {
    let rule = |name: &str, port: u16, backend: u16| {
        json!({"name": name, "properties": {
            "frontendIPConfiguration": {"id": "fe"}, "backendAddressPool": {"id": "pool"},
            "probe": {"id": "probe"}, "protocol": "Tcp", "frontendPort": port,
            "backendPort": backend, "disableOutboundSnat": true}})
    };
    let member = |address: &str| json!({"name": address, "properties": {"ipAddress": address}});
    json!({
        "appliance": {"ports": [
            {"name": "front", "device": "net_tap0", "addresses": ["198.51.100.1/24"]},
            {"name": "back", "device": "net_tap1", "addresses": ["10.0.0.1/24"]},
        ]},
        "resources": [
            {"type": "Microsoft.Network/virtualNetworks", "name": "vnet",
             "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}},
            {"type": "Microsoft.Network/publicIPAddresses", "name": "ip",
             "properties": {"ipAddress": "203.0.113.10"}},
            {"type": "Microsoft.Network/loadBalancers", "name": "lb", "sku": {"name": "Standard"},
             "properties": {
                "frontendIPConfigurations": [
                    {"name": "fe", "properties": {"publicIPAddress": {"id": "ip"}}}],
                "backendAddressPools": [{"name": "pool", "properties": {
                    "loadBalancerBackendAddresses": [member("10.0.0.11"), member("10.0.0.12")]}}],
                "probes": [{"name": "probe", "properties": {"protocol": "Tcp", "port": 8080}}],
                "loadBalancingRules": [rule("web", 80, 8080), rule("tls", 443, 8443)],
                "outboundRules": [{"name": "out", "properties": {
                    "frontendIPConfigurations": [{"id": "fe"}],
                    "backendAddressPool": {"id": "pool"}, "protocol": "All",
                    "allocatedOutboundPorts": 64}}],
             }},
        ],
    })
}

#[test]
fn ids_follow_the_object_not_its_place_in_the_document() {
    let mut bench = Bench::new(1);
    bench.configured();
    let ids = |bench: &Bench| {
        let rule = |port| bench.compiler.rule_id(v4("203.0.113.10"), port, Transport::Tcp);
        let member = |address| bench.compiler.member_id(v4(address));
        (rule(80), rule(443), member("10.0.0.11"), member("10.0.0.12"))
    };
    let before = ids(&bench);
    bench.members(&["10.0.0.9", "10.0.0.12", "10.0.0.11"]);
    let rules = bench.balancer()["loadBalancingRules"].as_array_mut().expect("rules");
    rules.reverse();
    rules[0]["name"] = "renamed".into();
    let snapshot = bench.configured();
    assert_eq!(ids(&bench), before);
    let rule = snapshot.rule(before.0.expect("web")).expect("a live rule");
    assert_eq!((rule.frontend_port, rule.backend_port), (80, 8080));
}

#[test]
fn the_id_of_a_removed_member_is_not_given_to_the_next_one() {
    let mut bench = Bench::new(1);
    bench.configured();
    let gone = bench.compiler.member_id(v4("10.0.0.12")).expect("a member");
    bench.members(&["10.0.0.11", "10.0.0.13"]);
    let snapshot = bench.configured();
    assert_ne!(bench.compiler.member_id(v4("10.0.0.13")), Some(gone));
    assert_eq!(snapshot.member(gone), None, "its slot is empty");
}

#[test]
fn blocks_and_workers_stay_while_others_come_and_go() {
    let mut bench = Bench::new(2);
    let snapshot = bench.configured();
    let (first, second) =
        (bench.block(&snapshot, "10.0.0.11"), bench.block(&snapshot, "10.0.0.12"));
    assert_eq!((first.0, second.0), (1024, 1088));
    assert_ne!(first.2, second.2, "members are dealt over the workers");
    bench.members(&["10.0.0.13", "10.0.0.12"]);
    let snapshot = bench.configured();
    assert_eq!(bench.block(&snapshot, "10.0.0.12"), second);
    let third = bench.block(&snapshot, "10.0.0.13");
    assert_eq!((third.0, third.2), (1152, first.2), "behind what was held, the idlest worker");
    let address = snapshot.outbound_address(OutboundAddressId(0)).expect("an address");
    let member = bench.compiler.member_id(v4("10.0.0.13")).expect("a member");
    let holder = Granule { member, worker: first.2 };
    assert_eq!(address.holder(Transport::Tcp, 1215), Some(holder));
    assert_eq!(address.holder(Transport::Tcp, 1087), None, "nobody's while it rests");
    assert_eq!(address.holder(Transport::Udp, 1216), None);
}

#[test]
fn a_block_that_lost_its_holder_rests_for_four_minutes_where_others_will_do() {
    let mut bench = Bench::new(1);
    bench.configured();
    bench.members(&["10.0.0.12"]);
    bench.configured();
    bench.now_milliseconds = 239_999;
    bench.members(&["10.0.0.12", "10.0.0.13"]);
    let snapshot = bench.configured();
    assert_eq!(bench.block(&snapshot, "10.0.0.13").0, 1152);
    bench.now_milliseconds = 240_000;
    bench.members(&["10.0.0.12", "10.0.0.13", "10.0.0.14"]);
    let snapshot = bench.configured();
    assert_eq!(bench.block(&snapshot, "10.0.0.14").0, 1024, "rested");
}

#[test]
fn a_rules_port_takes_its_granule_and_leaves_the_rest_of_the_block() {
    let mut bench = Bench::new(1);
    bench.configured();
    bench.balancer()["loadBalancingRules"][0]["properties"]["frontendPort"] = 1090.into();
    let snapshot = bench.configured();
    assert_eq!(bench.block(&snapshot, "10.0.0.11").0, 1024);
    assert_eq!(bench.ranges(&snapshot, "10.0.0.12"), [(1096, 1160)], "without those around 1090");
    assert_eq!(snapshot.flows_valid_since, snapshot.generation);
}

#[test]
fn ports_that_fit_in_sum_but_not_in_one_piece_are_dealt_in_pieces() {
    let mut bench = Bench::new(1);
    bench.balancer()["outboundRules"][0]["properties"]["allocatedOutboundPorts"] = 31_992.into();
    bench.balancer()["loadBalancingRules"][0]["properties"]["frontendPort"] = 20_000.into();
    let snapshot = bench.configured();
    let count = |member| sum(bench.ranges(&snapshot, member));
    // The first one goes where an unbroken run is, the second around the listening port.
    assert_eq!((count("10.0.0.11"), count("10.0.0.12")), (31_992, 31_992));
    assert_eq!(bench.ranges(&snapshot, "10.0.0.11"), [(20_008, 52_000)]);
    assert_eq!(bench.ranges(&snapshot, "10.0.0.12"), [(1024, 20_000), (52_000, 65_016)]);
}

#[test]
fn fewer_ports_are_the_lowest_ones_and_the_rest_drains_before_it_is_dealt_anew() {
    let mut bench = Bench::new(1);
    bench.configured();
    bench.use_port(1024 + 40, true);
    let ports = |it: &mut Bench, ports: u32| {
        it.balancer()["outboundRules"][0]["properties"]["allocatedOutboundPorts"] = ports.into();
        it.configured()
    };
    let snapshot = ports(&mut bench, 16);
    assert_eq!(bench.ranges(&snapshot, "10.0.0.11"), [(1024, 1040)]);
    let holder = |snapshot: &Snapshot, port| {
        let address = snapshot.outbound_address(OutboundAddressId(0)).expect("an address");
        address.holder(Transport::Tcp, port).map(|holder| holder.member)
    };
    let member = bench.compiler.member_id(v4("10.0.0.11"));
    assert_eq!(holder(&snapshot, 1064), member, "it drains");
    assert_eq!(holder(&snapshot, 1056), member, "a worker may begin a flow at this moment");
    let returns = |bench: &Bench| {
        let port_use = std::slice::from_ref(&bench.port_use);
        bench.compiler.has_ports_to_return(port_use, bench.now_milliseconds)
    };
    assert!(!returns(&bench));
    bench.now_milliseconds += 1_000;
    assert!(returns(&bench), "those without flows");
    let snapshot = bench.compile(Changes { ports: true, ..Changes::default() });
    assert_eq!((holder(&snapshot, 1056), holder(&snapshot, 1064)), (None, member));
    assert!(!returns(&bench));
    // Nobody gets it while it drains, though everybody wants more than there is.
    let snapshot = ports(&mut bench, 64);
    assert_eq!(bench.ranges(&snapshot, "10.0.0.11")[..2], [(1024, 1040), (1064, 1072)]);
    let snapshot = ports(&mut bench, 8);
    assert_eq!(bench.ranges(&snapshot, "10.0.0.11"), [(1024, 1032)]);
    bench.use_port(1064, false);
    bench.now_milliseconds += 1_000;
    assert!(returns(&bench));
    let snapshot = bench.compile(Changes { ports: true, ..Changes::default() });
    assert_eq!(holder(&snapshot, 1064), None);
    assert!(!returns(&bench));
}

#[test]
fn a_granule_that_a_rule_listens_in_begins_no_flow_while_it_drains() {
    let mut bench = Bench::new(1);
    bench.configured();
    bench.use_port(1064, true);
    bench.balancer()["loadBalancingRules"][0]["properties"]["frontendPort"] = 1064.into();
    for _ in 0..2 {
        let snapshot = bench.configured();
        let expected = [(1024, 1064), (1072, 1088), (1152, 1160)];
        assert_eq!(bench.ranges(&snapshot, "10.0.0.11"), expected);
    }
}

#[test]
fn ports_of_an_address_that_a_member_left_begin_no_flow_while_they_drain() {
    let mut bench = Bench::new(1);
    bench.configured();
    bench.use_port(1064, true);
    bench.document["resources"][1]["properties"]["ipAddress"] = "203.0.113.11".into();
    let snapshot = bench.configured();
    let left = snapshot.outbound_address(OutboundAddressId(0)).expect("an address with flows");
    assert!(left.holder(Transport::Tcp, 1064).is_some(), "it drains");
    let member = bench.compiler.member_id(v4("10.0.0.11")).expect("a member");
    let mapping = snapshot.mapping(member, Transport::Tcp).expect("a mapping");
    assert_eq!(mapping.ports(), 64);
    assert!(mapping.blocks().all(|block| block.address != OutboundAddressId(0)));
}

#[test]
fn ports_on_demand_grow_by_half_up_to_the_most_and_go_back_when_they_are_not_used() {
    let mut bench = Bench::new(1);
    bench.balancer()["outboundRules"][0]["properties"]["extensions"] =
        json!({"enableOnDemandPorts": true, "maximumOutboundPorts": 200});
    bench.configured();
    let member = bench.compiler.member_id(v4("10.0.0.11")).expect("a member");
    let ports = |bench: &mut Bench, wants: bool| {
        bench.wanting.extend(wants.then_some((member, Transport::Tcp)));
        let snapshot = bench.compile(Changes { ports: true, ..Changes::default() });
        sum(bench.ranges(&snapshot, "10.0.0.11"))
    };
    let grown: Vec<_> = (0..4).map(|_| ports(&mut bench, true)).collect();
    assert_eq!(grown, [128, 192, 200, 200]);
    bench.now_milliseconds = 239_999;
    assert_eq!(ports(&mut bench, false), 200);
    // The last port in use is in the ninth granule.
    bench.use_port(1024 + 64 + 64 + 3, true);
    bench.now_milliseconds = 240_000;
    assert_eq!(ports(&mut bench, false), 72);
    bench.now_milliseconds = 480_000;
    assert_eq!(ports(&mut bench, false), 72, "it is in use");
}

#[test]
fn the_ports_of_a_member_that_has_very_many_are_spread_over_workers() {
    let mut bench = Bench::new(16);
    bench.members(&["10.0.0.11"]);
    bench.balancer()["outboundRules"][0]["properties"]["allocatedOutboundPorts"] = 60_000.into();
    let snapshot = bench.configured();
    let mapping = &snapshot.mappings[0];
    let ports: Vec<_> = mapping
        .shares
        .iter()
        .map(|share| share.blocks.iter().map(|block| u32::from(block.ports)).sum::<u32>())
        .collect();
    assert_eq!(ports, [15_000; 4]);
    let address = snapshot.outbound_address(OutboundAddressId(0)).expect("an address");
    for share in &mapping.shares {
        for port in share.blocks.iter().flat_map(PortBlock::range) {
            let holder = address.holder(Transport::Tcp, port).map(|holder| holder.worker);
            assert_eq!(holder, Some(share.worker), "{port}");
        }
    }
}

#[test]
fn only_what_removes_something_makes_workers_check_their_flows() {
    type Change = fn(&mut Bench);
    let changes: [(&str, Change, bool); 8] = [
        ("nothing", |_| {}, false),
        ("a member more", |it| it.members(&["10.0.0.11", "10.0.0.12", "10.0.0.13"]), false),
        ("a member less", |it| it.members(&["10.0.0.11"]), true),
        ("another member", |it| it.members(&["10.0.0.11", "10.0.0.13"]), true),
        (
            "a rule less",
            |it| drop(it.balancer()["loadBalancingRules"].as_array_mut().expect("rules").pop()),
            true,
        ),
        (
            "another idle timeout",
            |it| {
                it.balancer()["loadBalancingRules"][0]["properties"]["idleTimeoutInMinutes"] =
                    9.into()
            },
            false,
        ),
        (
            "smaller blocks",
            |it| {
                it.balancer()["outboundRules"][0]["properties"]["allocatedOutboundPorts"] = 8.into()
            },
            false,
        ),
        ("no outbound rule", |it| it.balancer()["outboundRules"] = json!([]), true),
    ];
    for (name, change, ends_flows) in changes {
        let mut bench = Bench::new(2);
        let before = bench.configured();
        change(&mut bench);
        let after = bench.configured();
        let raised = after.flows_valid_since > before.flows_valid_since;
        assert_eq!(raised, ends_flows, "{name}");
    }
}

#[test]
fn a_flap_shares_everything_but_the_pools() {
    let mut bench = Bench::new(1);
    let before = bench.compile(Changes::ALL);
    let target = bench.health.iter().map(|(target, _)| target.clone()).next();
    let target: ProbeTarget = target.expect("a probed member");
    bench.health.record(&target, Verdict::TcpConnected, 0);
    let after = bench.compile(Changes { health: true, ..Changes::default() });
    assert!(Arc::ptr_eq(&before.endpoints, &after.endpoints));
    assert!(Arc::ptr_eq(&before.rules, &after.rules));
    assert!(Arc::ptr_eq(&before.members, &after.members));
    assert!(Arc::ptr_eq(&before.mappings, &after.mappings));
    assert!(Arc::ptr_eq(&before.hosts, &after.hosts));
    assert!(Arc::ptr_eq(&before.routes, &after.routes));
    assert!(Arc::ptr_eq(&before.adjacencies, &after.adjacencies));
    assert!(!before.pools[0].is_available() && after.pools[0].is_available());
    assert!(Arc::ptr_eq(&before.pools[0].selection, &after.pools[0].selection));
    assert_eq!(after.generation.0, before.generation.0 + 1);
    assert_eq!(after.flows_valid_since, before.flows_valid_since);
}

#[test]
fn a_learned_neighbour_shares_everything_about_rules() {
    let mut bench = Bench::new(1);
    let before = bench.compile(Changes::ALL);
    let member = bench.compiler.member_id(v4("10.0.0.11")).expect("a member");
    let adjacency = |snapshot: &Snapshot| snapshot.members[member.index()].adjacency;
    assert_eq!(before.adjacencies[adjacency(&before).index()].mac, None);
    bench.resolve(BACK, "10.0.0.11");
    let after = bench.compile(Changes { world: true, ..Changes::default() });
    assert!(Arc::ptr_eq(&before.rules, &after.rules));
    assert!(Arc::ptr_eq(&before.pools, &after.pools));
    assert!(Arc::ptr_eq(&before.outbound_addresses, &after.outbound_addresses));
    assert_eq!(adjacency(&before), adjacency(&after), "a learned address keeps the id");
    assert_eq!(after.adjacencies[adjacency(&after).index()].mac, Some(MacAddress([4; 6])));
    assert_eq!(after.flows_valid_since, before.flows_valid_since);
}

#[test]
fn what_comes_out_the_same_stays_the_same_memory() {
    let mut bench = Bench::new(1);
    bench.resolve(BACK, "10.0.0.11");
    let before = bench.compile(Changes::ALL);
    let after = bench.compile(Changes { world: true, ..Changes::default() });
    assert!(Arc::ptr_eq(&before.members, &after.members));
    assert!(Arc::ptr_eq(&before.routes, &after.routes));
    assert!(Arc::ptr_eq(&before.hosts, &after.hosts));
    assert!(Arc::ptr_eq(&before.ports, &after.ports));
    bench.resolve(BACK, "10.0.0.12");
    let after = bench.compile(Changes { world: true, ..Changes::default() });
    assert!(!Arc::ptr_eq(&before.routes, &after.routes), "another host on the link");
    assert!(Arc::ptr_eq(&before.hosts, &after.hosts));
}

#[test]
fn rules_of_one_pool_and_probe_see_one_pool_and_other_probes_share_its_selection_table() {
    let mut bench = Bench::new(1);
    let snapshot = bench.configured();
    assert_eq!(snapshot.pools.len(), 1, "two rules, one pool, one probe");
    let rule = &mut bench.balancer()["loadBalancingRules"][1]["properties"];
    rule.as_object_mut().expect("an object").remove("probe");
    let snapshot = bench.compile(Changes::ALL);
    assert_eq!(snapshot.pools.len(), 2, "they may differ in who is eligible");
    assert!(Arc::ptr_eq(&snapshot.pools[0].selection, &snapshot.pools[1].selection));
}

#[test]
fn several_gateways_become_a_group_and_hosts_on_the_link_a_request() {
    let mut bench = Bench::new(1);
    let via = |gateway| NextHop { port: FRONT, gateway: Some(v4(gateway)), weight: 1 };
    bench.route("0.0.0.0/0", &[via("198.51.100.253"), via("198.51.100.254")]);
    bench.resolve(FRONT, "198.51.100.7");
    let snapshot = bench.compile(Changes::ALL);
    let group = snapshot.routes.groups().first();
    let addresses: Vec<_> = group
        .expect("a group")
        .iter()
        .map(|id: &AdjacencyId| snapshot.adjacencies[id.index()].address)
        .collect();
    assert_eq!(addresses, [v4("198.51.100.253"), v4("198.51.100.254")]);
    let towards = |address, hash| snapshot.routes.towards(v4(address), || hash);
    assert_ne!(towards("192.0.2.1", 0), towards("192.0.2.1", 1), "the hash picks");
    assert_eq!(towards("198.51.100.8", 0), Towards::Unresolved(FRONT));
    assert!(matches!(towards("198.51.100.7", 0), Towards::Through(_)));
}

#[test]
fn a_member_that_no_route_leads_to_has_no_port_until_one_does() {
    let mut bench = Bench::new(1);
    bench.members(&["10.0.7.11"]);
    let snapshot = bench.compile(Changes::ALL);
    let id = bench.compiler.member_id(v4("10.0.7.11")).expect("a member");
    let member = snapshot.member(id).expect("live");
    assert_eq!(member.port, None);
    let adjacency = &snapshot.adjacencies[member.adjacency.index()];
    assert!(snapshot.ports.get(adjacency.port.index()).is_none() && adjacency.mac.is_none());
    let gateway = Some(v4("10.0.0.254"));
    bench.route("10.0.7.0/24", &[NextHop { port: BACK, gateway, weight: 1 }]);
    let snapshot = bench.compile(Changes { world: true, ..Changes::default() });
    let member = snapshot.member(id).expect("live");
    assert_eq!(member.port, Some(BACK));
    assert_eq!(snapshot.adjacencies[member.adjacency.index()].address, v4("10.0.0.254"));
}
