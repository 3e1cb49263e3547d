//! Is what `explain` says what a worker does?
//!
//! Random packets under random circumstances, explained and then sent: verdict, worker, rule,
//! member, ends and next hop are the same. Not here: the sentences (`weir_core::explain`).

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use golden::document::Document;
use golden::dual_stack::twin;
use golden::packet;
use golden::random::at_random;
use golden::simulation::{Options, Output, Simulation};
use proptest::prelude::*;
use weir_core::explain::{self, Course, Question, Segment};
use weir_core::path::Verdict;
use weir_core::telemetry::{DropReason, ObjectCounters, ObjectTotals, Totals};
use weir_core::units::{MacAddress, PortId, Transport, WorkerId};

/// Addresses of every kind that there is under `base.json`, and of none.
const HOSTS: [[u8; 4]; 19] = [
    [192, 0, 2, 7],
    [192, 0, 2, 80],
    [203, 0, 113, 10],
    [203, 0, 113, 11],
    [198, 51, 100, 10],
    [203, 0, 113, 20],
    [198, 51, 100, 1],
    [10, 0, 0, 1],
    [198, 51, 100, 9],
    [198, 51, 100, 254],
    [10, 0, 0, 11],
    [10, 0, 0, 12],
    [10, 0, 0, 13],
    [10, 0, 0, 99],
    [10, 0, 1, 5],
    [172, 16, 0, 9],
    [10, 9, 9, 9],
    [127, 0, 0, 1],
    [224, 0, 0, 5],
];
const PORTS: [u16; 12] = [80, 53, 8080, 8081, 8082, 5353, 22, 179, 3784, 443, 1024, 1100];

/// What is not as it should be.
#[derive(Clone, Debug)]
enum Trouble {
    Health(u8, bool),
    Silent(usize),
    NoDefaultRoute,
    LinkDown(u8),
}

/// A packet, and the circumstances in which it comes.
#[derive(Clone, Debug)]
struct Scene {
    workers: u8,
    receiver: u8,
    is_v6: bool,
    protocol: Transport,
    is_further: bool,
    ends: [(usize, u16); 2],
    ingress: Option<u8>,
    distribution: &'static str,
    troubles: Vec<Trouble>,
    /// Packets of others before it.
    before: Vec<[(usize, u16); 2]>,
}

fn end() -> impl Strategy<Value = (usize, u16)> {
    (0..HOSTS.len(), prop_oneof![4 => prop::sample::select(&PORTS[..]), 1 => 1u16..])
}

/// Ends that rules know of, more often than chance would have it.
fn ends() -> impl Strategy<Value = [(usize, u16); 2]> {
    let client = (0usize..2, 1024u16..);
    let frontend = prop::sample::select(&[(2usize, 80u16), (3, 80), (4, 80), (2, 53)][..]);
    let endpoint = prop::sample::select(&[(10usize, 8080u16), (11, 8081), (12, 5353)][..]);
    let member = (10usize..13, 1024u16..);
    prop_oneof![
        3 => (client.clone(), frontend).prop_map(<[_; 2]>::from),
        1 => (endpoint, client.clone()).prop_map(<[_; 2]>::from),
        2 => (member, client).prop_map(<[_; 2]>::from),
        4 => (end(), end()).prop_map(<[_; 2]>::from),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => (11u8..=13, prop::bool::weighted(0.2)).prop_map(|(it, up)| Trouble::Health(it, up)),
        2 => (0..HOSTS.len()).prop_map(Trouble::Silent),
        1 => Just(Trouble::NoDefaultRoute),
        1 => (0u8..2).prop_map(Trouble::LinkDown),
    ]
}

fn scene() -> impl Strategy<Value = Scene> {
    let who = (1u8..=4, 0u8..4, prop::bool::weighted(0.3));
    let what = (any::<bool>(), prop::bool::weighted(0.2), ends());
    let ingress = prop::option::weighted(0.4, 0u8..2);
    let distribution = prop::sample::select(&["Default", "SourceIP", "SourceIPProtocol"][..]);
    let before = prop::collection::vec(ends(), 0..6);
    let around = (ingress, distribution, prop::collection::vec(trouble(), 0..4), before);
    (who, what, around).prop_map(|((workers, receiver, is_v6), (tcp, is_further, ends), around)| {
        Scene {
            workers,
            receiver: receiver % workers,
            is_v6,
            protocol: if tcp { Transport::Tcp } else { Transport::Udp },
            is_further,
            ends,
            ingress: around.0,
            distribution: around.1,
            troubles: around.2,
            before: around.3,
        }
    })
}

impl Scene {
    fn address(&self, host: usize) -> IpAddr {
        let address = Ipv4Addr::from(HOSTS[host]);
        if self.is_v6 { twin(address).into() } else { address.into() }
    }

    fn simulation(&self) -> Simulation {
        let mut document = Document::read_dual_stack("base.json");
        for rule in ["web", "dns", "shop"] {
            let path = format!("loadBalancingRules/{rule}/loadDistribution");
            document.set(&path, &format!("\"{}\"", self.distribution)).expect("it is there");
        }
        let mut simulation = Simulation::new(&document, Options::with_workers(self.workers));
        let world = &mut simulation.world;
        for trouble in &self.troubles {
            match trouble {
                Trouble::Health(member, up) => {
                    let host = Ipv4Addr::new(10, 0, 0, *member);
                    world.set_health(host.into(), 8080, *up);
                    world.set_health(twin(host).into(), 8080, *up);
                }
                Trouble::Silent(host) => {
                    let address = self.address(*host).into();
                    (0..2).for_each(|port| world.set_neighbour(PortId(port), address, None));
                }
                Trouble::NoDefaultRoute => {
                    let prefix = if self.is_v6 { "::/0" } else { "0.0.0.0/0" };
                    world.set_route(prefix.parse().expect("a prefix"), &[]);
                }
                Trouble::LinkDown(port) => world.set_link(PortId(*port), false),
            }
        }
        simulation.publish();
        simulation
    }

    fn line(&self, [from, to]: [(usize, u16); 2]) -> String {
        let [from, to] = [from, to].map(|(host, port)| SocketAddr::new(self.address(host), port));
        match (self.protocol, self.is_further) {
            (Transport::Tcp, false) => format!("tcp {from} -> {to} SYN seq 1"),
            (Transport::Tcp, true) => format!("tcp {from} -> {to} ACK seq 1"),
            (Transport::Udp | Transport::Icmp, _) => format!("udp {from} -> {to}"),
        }
    }

    /// Asks about the answer to what was sent last: its ends, as it left, the other way round.
    fn turn(&mut self, simulation: &mut Simulation) {
        let outputs = simulation.take_outputs();
        let last = outputs.iter().rev().find_map(|output| match output {
            Output::Wire(port, bytes) => Some((port, packet::ends(bytes)?)),
            Output::Kernel(..) | Output::Resolve(..) => None,
        });
        let Some((port, [from, to])) = last else { return };
        let host = |end: SocketAddr| {
            let known = (0..HOSTS.len()).find(|host| self.address(*host) == end.ip())?;
            Some((known, end.port()))
        };
        if let (Some(from), Some(to)) = (host(from), host(to)) {
            (self.ends, self.ingress) = ([to, from], Some(port.0));
        }
    }

    fn question(&self, simulation: &Simulation) -> Question {
        let [source, destination] = self.ends.map(|(host, port)| (self.address(host).into(), port));
        let back = explain::port_towards(simulation.snapshot(), source.0);
        Question {
            protocol: self.protocol,
            source,
            destination,
            ingress: self.ingress.map(PortId).or(back).unwrap_or(PortId(0)),
            receiver: WorkerId(self.receiver),
            segment: if self.is_further { Segment::Further } else { Segment::Opening },
        }
    }
}

/// What a packet did.
#[derive(Debug, PartialEq)]
struct Deed {
    worker: usize,
    handoffs: u64,
    end: End,
    recorded: bool,
    rule: Option<u32>,
    member: Option<u32>,
}

#[derive(Debug, PartialEq)]
enum End {
    Wire(PortId, MacAddress, [SocketAddr; 2]),
    Kernel(PortId),
    Drop(String),
}

/// Sends the packet and looks at what it did.
fn sent(simulation: &mut Simulation, scene: &Scene, question: &Question) -> Deed {
    let before = simulation.totals();
    let of_each = |simulation: &Simulation| -> Vec<u64> {
        let each = simulation.workers.iter().map(|it| Totals::of([&*it.counters]));
        each.map(|totals| totals.get("dropped_packets")).collect()
    };
    let dropped = of_each(simulation);
    let [rules, members] = [false, true].map(|it| packets(simulation, it));
    let frame = simulation.frame(question.ingress, &scene.line(scene.ends));
    simulation.arrive(question.receiver.index(), frame);
    simulation.settle();
    let moved = simulation.totals().since(&before);
    let count = |name: &str| moved.get(name).copied().unwrap_or(0);
    let mut outputs = simulation.take_passages();
    outputs.retain(|(_, output)| !matches!(output, Output::Resolve(..)));
    let (worker, end) = match &outputs[..] {
        [(passage, Output::Wire(port, bytes))] => {
            let ends = packet::ends(bytes).expect("a plain frame");
            let mac = MacAddress(*bytes.first_chunk().expect("a frame"));
            (passage.worker, End::Wire(*port, mac, ends))
        }
        [(passage, Output::Kernel(port, _))] => (passage.worker, End::Kernel(*port)),
        [] => {
            let is_reason =
                |reason: &&DropReason| count(&format!("drop_{}_packets", reason.name())) > 0;
            let reason = DropReason::ALL.iter().find(is_reason).expect("it was dropped");
            let now = of_each(simulation);
            let worker = (0..now.len()).find(|it| now[*it] > dropped[*it]).expect("by somebody");
            (worker, End::Drop(reason.name().to_owned()))
        }
        several => panic!("one packet in, several out: {several:?}"),
    };
    let [rule, member] = [(rules, false), (members, true)].map(|(before, of_members)| {
        let now = packets(simulation, of_members);
        let moved =
            (0u32..).zip(now.into_iter().zip(before)).find(|(_, (now, before))| now > before);
        moved.map(|(id, _)| id)
    });
    Deed {
        worker,
        handoffs: count("handoff_out_packets"),
        end,
        recorded: count("flows_created") > 0,
        rule,
        member,
    }
}

/// Packets of each rule or member so far.
fn packets(simulation: &Simulation, of_members: bool) -> Vec<u64> {
    let of = |id: usize| {
        let mut totals = ObjectTotals::default();
        for worker in &simulation.workers {
            let counters: &ObjectCounters =
                if of_members { &worker.members } else { &worker.rules };
            counters.add_to(id, &mut totals);
        }
        totals.packets
    };
    (0..32).map(of).collect()
}

/// What a course says that the packet does; rule and member where they are counted.
fn told(course: &Course) -> Deed {
    let socket =
        |(address, port): (weir_core::units::Address, u16)| SocketAddr::new(address.to_ip(), port);
    let end = match course.verdict {
        Verdict::Transmit(port) => {
            let tuple = course.leaves_as.expect("what leaves has ends");
            let hop = course.departure.expect("and a next hop");
            assert_eq!(hop.port, port);
            End::Wire(
                port,
                hop.mac.expect("resolved"),
                [socket(tuple.source), socket(tuple.destination)],
            )
        }
        Verdict::Punt(_) => End::Kernel(course.question.ingress),
        Verdict::Drop(reason) => End::Drop(reason.name().to_owned()),
        Verdict::Answer(_) | Verdict::HandOff(_) => panic!("no end: {course:?}"),
    };
    let is_sent = matches!(end, End::Wire(..));
    Deed {
        worker: course.worker().index(),
        handoffs: course.workers.len() as u64 - 1,
        end,
        recorded: course.is_recorded,
        rule: course.rule.filter(|_| is_sent).map(|id| id.0),
        member: course.member.filter(|_| is_sent).map(|id| id.0),
    }
}

proptest! {
    #![proptest_config(at_random(200))]

    #[test]
    fn what_is_explained_is_what_happens_to_the_first_packet_of_a_flow(scene in scene()) {
        let mut simulation = scene.simulation();
        let question = scene.question(&simulation);
        let course = explain::follow(simulation.snapshot(), &question, None).expect("a port");
        let deed = sent(&mut simulation, &scene, &question);
        prop_assert_eq!(told(&course), deed, "{:?}", course);
        if let Some((hop, mac)) = course.departure.and_then(|hop| Some((hop, hop.mac?))) {
            prop_assert_eq!(packet::mac_of_host(hop.address.to_ip()), mac, "{:?}", hop);
        }
        let unresolved = Verdict::Drop(DropReason::NeighbourUnresolved);
        prop_assert!(course.verdict != unresolved || course.departure.is_some());
    }

    #[test]
    fn what_is_explained_of_a_flow_that_is_known_is_what_happens_to_its_next_packet(
        mut scene in scene(),
        is_among_them in any::<bool>(),
        is_turned in any::<bool>(),
    ) {
        let mut simulation = scene.simulation();
        scene.is_further = false;
        if is_among_them {
            scene.before.push(scene.ends);
        }
        for ends in &scene.before {
            let source = scene.address(ends[0].0).into();
            let back = explain::port_towards(simulation.snapshot(), source);
            let frame = simulation.frame(back.unwrap_or(PortId(0)), &scene.line(*ends));
            simulation.receive([frame]);
        }
        if is_turned {
            scene.turn(&mut simulation);
        }
        simulation.take_outputs();
        let mut question = scene.question(&simulation);
        let (snapshot, now) = (simulation.snapshot(), simulation.now());
        let owners = explain::owners(snapshot, &question);
        let known = owners.iter().find_map(|(owner, key)| {
            simulation.workers[owner.index()].look_up(snapshot, now, key)
        });
        scene.is_further = known.is_some();
        question.segment = if known.is_some() { Segment::Further } else { Segment::Opening };
        let course = explain::follow(snapshot, &question, known.as_ref()).expect("a port");
        let deed = sent(&mut simulation, &scene, &question);
        match (&course.mapping, &deed.end, known) {
            (Some(mapping), End::Wire(port, _, [from, to]), None) => {
                let mut blocks = mapping.blocks();
                let is_its = blocks.any(|block| block.range().contains(&from.port()));
                prop_assert!(is_its, "{from} of {mapping:?}");
                let tuple = course.leaves_as.expect("it leaves");
                prop_assert_eq!(course.verdict, Verdict::Transmit(*port));
                prop_assert_eq!(tuple.source.0.to_ip(), from.ip());
                let far = (tuple.destination.0.to_ip(), tuple.destination.1);
                prop_assert_eq!(far, (to.ip(), to.port()));
            }
            _ => prop_assert_eq!(told(&course), deed, "{:?}", course),
        }
    }

    #[test]
    fn the_worker_that_receives_a_packet_decides_nothing(scene in scene()) {
        let simulation = scene.simulation();
        let question = scene.question(&simulation);
        let courses = (0..scene.workers).map(|receiver| {
            let question = Question { receiver: WorkerId(receiver), ..question };
            explain::follow(simulation.snapshot(), &question, None).expect("the port is there")
        });
        let mut ends: Vec<_> = courses
            .map(|course| (course.verdict, course.rule, course.member, course.leaves_as))
            .collect();
        ends.dedup();
        prop_assert_eq!(ends.len(), 1, "{:?}", ends);
    }
}
