//! Is every flow that lives told once, whatever is asked, and as it is?
//!
//! What there is to tell is known from the packets that went in and came out. Not here: questions
//! and answers between threads (`appliance/tests/listings.rs`).

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may fail")]

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use golden::document::Document;
use golden::random::at_random;
use golden::simulation::{Options, Output, Simulation};
use proptest::prelude::*;
use weir_core::flow::key;
use weir_core::path::{FlowQuery, FlowSlice, FlowView, Now, Sizes, Through, Worker};
use weir_core::units::{Address, MemberId, PortId, Prefix, Transport, WorkerId};

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);
const FRONTENDS: [&str; 3] = ["203.0.113.10:80", "203.0.113.11:80", "[2001:db8::cb00:710a]:80"];

/// Slots that a worker without packets looks at in a turn.
const SLOTS: u32 = 256;

/// A flow as it was seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    protocol: Transport,
    source: SocketAddr,
    destination: SocketAddr,
    translated: SocketAddr,
    outbound: bool,
}

impl Seen {
    fn member(&self) -> IpAddr {
        if self.outbound { self.source.ip() } else { self.translated.ip() }
    }
}

impl From<&FlowView> for Seen {
    fn from(view: &FlowView) -> Self {
        let end = |(address, port): (Address, u16)| SocketAddr::new(address.to_ip(), port);
        Self {
            protocol: view.protocol,
            source: end(view.source),
            destination: end(view.destination),
            translated: end(view.translated),
            outbound: matches!(view.through, Through::OutboundAddress(_)),
        }
    }
}

/// A flow that somebody opens.
#[derive(Clone, Copy, Debug)]
enum Opening {
    Inbound { frontend: usize, client: u8, port: u16 },
    Outbound { tcp: bool, member: u8, port: u16, remote: u8 },
}

fn opening() -> impl Strategy<Value = Opening> {
    prop_oneof![
        (0..FRONTENDS.len(), 1u8..4, 1000u16..1040)
            .prop_map(|(frontend, client, port)| Opening::Inbound { frontend, client, port }),
        (any::<bool>(), 11u8..=13, 2000u16..2010, 1u8..5).prop_map(
            |(tcp, member, port, remote)| Opening::Outbound { tcp, member, port, remote }
        ),
    ]
}

/// Opens a flow; returns what was seen of it.
fn open(simulation: &mut Simulation, opening: Opening) -> Seen {
    let (port, protocol, source, destination) = match opening {
        Opening::Inbound { frontend, client, port } => {
            let frontend: SocketAddr = FRONTENDS[frontend].parse().expect("an endpoint");
            let client = if frontend.is_ipv4() {
                format!("192.0.2.{client}:{port}")
            } else {
                format!("[2001:db8:9::{client}]:{port}")
            };
            (FRONT, Transport::Tcp, client.parse().expect("an endpoint"), frontend)
        }
        Opening::Outbound { tcp, member, port, remote } => {
            let member = format!("10.0.0.{member}:{port}").parse().expect("an endpoint");
            let remote = format!("192.0.2.{remote}:443").parse().expect("an endpoint");
            (BACK, if tcp { Transport::Tcp } else { Transport::Udp }, member, remote)
        }
    };
    let (kind, flags) = if protocol == Transport::Tcp { ("tcp", "SYN") } else { ("udp", "") };
    let line = format!("{kind} {source} -> {destination} {flags}");
    simulation.receive([simulation.frame(port, &line)]);
    let outputs = simulation.take_outputs();
    let wired = outputs.iter().find_map(|output| match output {
        Output::Wire(_, frame) => golden::packet::ends(frame),
        Output::Kernel(..) | Output::Resolve(..) => None,
    });
    let [from, to] = wired.expect("it leaves");
    let outbound = port == BACK;
    let translated = if outbound { from } else { to };
    Seen { protocol, source, destination, translated, outbound }
}

/// Everything that the workers tell, slice by slice.
fn listed(
    simulation: &Simulation,
    query: FlowQuery,
    views_max: usize,
    budget: u32,
) -> Vec<FlowView> {
    let mut views = Vec::new();
    for worker in &simulation.workers {
        let mut slice = FlowSlice::new(query, 0, views_max);
        let mut scanned = 0;
        loop {
            while !slice.is_answered() {
                worker.list(simulation.snapshot(), simulation.now(), &mut slice, budget);
            }
            assert!(slice.views().len() <= views_max);
            scanned += slice.scanned();
            views.extend_from_slice(slice.views());
            if slice.next().is_none() {
                break;
            }
            slice = slice.again();
        }
        assert_eq!(scanned, worker.flows().slots(), "each slot is looked at once");
    }
    views
}

fn member(simulation: &Simulation, address: IpAddr) -> Option<MemberId> {
    simulation.snapshot().hosts.get(address.into()).as_member()
}

/// Which parts of an example flow are asked for.
type Parts = [bool; 8];

/// The question that asks for these parts of a flow, and whether another flow fits it.
fn question(
    simulation: &Simulation,
    parts: Parts,
    length: u8,
    example: Seen,
) -> (FlowQuery, impl Fn(&Seen) -> bool + use<>) {
    let snapshot = simulation.snapshot();
    let [protocol, source, source_port, destination, destination_port, of_member, rule, outbound] =
        parts;
    let prefix = |address: IpAddr| {
        let length = if address.is_ipv4() { length % 33 } else { 128 - length % 33 };
        Prefix::new(address, length)
    };
    let source = prefix(example.source.ip()).filter(|_| source);
    let destination = prefix(example.destination.ip()).filter(|_| destination);
    let frontend = (example.destination.ip().into(), example.destination.port());
    let rule = rule.then(|| snapshot.endpoints.frontend(frontend.0, frontend.1, 6)).flatten();
    let query = FlowQuery {
        protocol: protocol.then_some(example.protocol),
        source,
        source_port: source_port.then_some(example.source.port()),
        destination,
        destination_port: destination_port.then_some(example.destination.port()),
        member: of_member.then(|| member(simulation, example.member())).flatten(),
        through: rule.map(Through::Rule),
        outbound_only: outbound,
    };
    let fits = move |seen: &Seen| {
        (!protocol || seen.protocol == example.protocol)
            && source.is_none_or(|it| it.contains(seen.source.ip().into()))
            && (!source_port || seen.source.port() == example.source.port())
            && destination.is_none_or(|it| it.contains(seen.destination.ip().into()))
            && (!destination_port || seen.destination.port() == example.destination.port())
            && (!of_member || seen.member() == example.member())
            && (rule.is_none() || seen.destination == example.destination)
            && (!outbound || seen.outbound)
    };
    (query, fits)
}

fn simulation(workers: u8, seed: u64) -> Simulation {
    let options = Options { seed, ..Options::with_workers(workers) };
    Simulation::new(&Document::read_dual_stack("base.json"), options)
}

proptest! {
    #![proptest_config(at_random(128))]

    #[test]
    fn every_flow_that_is_asked_for_is_told_once_whatever_the_slices(
        openings in prop::collection::vec(opening(), 1..120),
        parts in any::<Parts>(),
        length in any::<u8>(),
        example in any::<prop::sample::Index>(),
        views_max in 1usize..80,
        budget in 1u32..300,
        workers in 1u8..5,
        seed in any::<u64>(),
    ) {
        let mut simulation = simulation(workers, seed);
        let mut seen: Vec<_> = openings.iter().map(|it| open(&mut simulation, *it)).collect();
        seen.sort_unstable();
        seen.dedup();
        let (query, fits) = question(&simulation, parts, length, *example.get(&seen));
        let mut told: Vec<Seen> = Vec::new();
        for view in listed(&simulation, query, views_max, budget) {
            prop_assert_eq!(Some(view.member), member(&simulation, Seen::from(&view).member()));
            told.push((&view).into());
        }
        told.sort_unstable();
        let expected: Vec<_> = seen.into_iter().filter(fits).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn a_flow_is_found_by_the_keys_of_both_its_directions_and_by_no_other(
        openings in prop::collection::vec(opening(), 1..60),
        seed in any::<u64>(),
    ) {
        let mut simulation = simulation(3, seed);
        openings.iter().for_each(|it| { open(&mut simulation, *it); });
        for view in listed(&simulation, FlowQuery::default(), 1000, SLOTS) {
            let ((source, source_port), (destination, port)) = (view.source, view.destination);
            let keys = match view.through {
                Through::Rule(rule) => vec![key::inbound(source, source_port, rule)],
                Through::OutboundAddress(address) => {
                    let (protocol, taken) = (view.protocol, view.translated.1);
                    vec![
                        key::outbound(protocol, view.member, source_port, destination, port),
                        key::outbound_reply(protocol, address, taken, destination, port),
                    ]
                }
            };
            let (snapshot, now) = (simulation.snapshot(), simulation.now());
            for key in keys {
                let found = |key| {
                    let workers = simulation.workers.iter();
                    workers.filter_map(|it| it.look_up(snapshot, now, &key)).collect::<Vec<_>>()
                };
                prop_assert_eq!(found(key), vec![view]);
                let [far, low, word] = key;
                // The last bits of the word are the id of a rule, a member or an address.
                prop_assert_eq!(found([far, low, word ^ 0x80_0000]), vec![]);
            }
        }
    }
}

#[test]
fn a_flow_is_told_with_its_state_its_silence_and_its_end() {
    let mut simulation = simulation(2, 1);
    let seen = open(&mut simulation, Opening::Inbound { frontend: 0, client: 1, port: 1000 });
    let told = |simulation: &Simulation| {
        let views = listed(simulation, FlowQuery::default(), 10, SLOTS);
        let [view] = views[..] else { panic!("one flow: {views:?}") };
        (view.tcp.name(), view.idle_ticks / 8, view.expires_in_ticks.div_ceil(8))
    };
    assert_eq!(told(&simulation), ("Opening", 0, 33));
    for (port, from, to, flags) in [
        (BACK, seen.translated, seen.source, "SYN ACK"),
        (FRONT, seen.source, seen.destination, "ACK"),
    ] {
        simulation.receive([simulation.frame(port, &format!("tcp {from} -> {to} {flags}"))]);
    }
    simulation.advance_to(60_000);
    assert_eq!(told(&simulation), ("Established", 60, 4 * 60 - 60 + 1));
    simulation.advance_to(242_000);
    assert_eq!(listed(&simulation, FlowQuery::default(), 10, SLOTS), []);
}

#[test]
fn an_outbound_flow_is_as_silent_as_both_its_directions() {
    let mut simulation = simulation(2, 1);
    let opening = Opening::Outbound { tcp: false, member: 11, port: 2000, remote: 1 };
    let seen = open(&mut simulation, opening);
    simulation.advance_to(60_000);
    let answer = format!("udp {} -> {}", seen.destination, seen.translated);
    simulation.receive([simulation.frame(FRONT, &answer)]);
    simulation.advance_to(100_000);
    let views = listed(&simulation, FlowQuery::default(), 10, SLOTS);
    let [view] = views[..] else { panic!("one flow: {views:?}") };
    assert_eq!((view.idle_ticks / 8, view.expires_in_ticks / 8), (40, 240 - 40));
}

/// Whether a further packet of a flow leaves as those before it did.
fn goes_on(simulation: &mut Simulation, flow: &Seen) -> bool {
    let port = if flow.outbound { BACK } else { FRONT };
    let line = format!("tcp {} -> {} ACK", flow.source, flow.destination);
    simulation.receive([simulation.frame(port, &line)]);
    simulation.take_outputs().iter().any(|output| match output {
        Output::Wire(_, frame) => golden::packet::ends(frame)
            .is_some_and(|[from, to]| flow.translated == if flow.outbound { from } else { to }),
        Output::Kernel(..) | Output::Resolve(..) => false,
    })
}

#[test]
fn what_the_next_packet_would_end_is_not_told() {
    const MEMBER: &str = "backendAddressPools/servers/loadBalancerBackendAddresses/server-1";
    const FEW: &str = r#"{"id": "backendAddressPools/few"}"#;
    for (path, value, ended) in [
        // The member is gone; nobody may leave any more; its rule has another pool.
        (MEMBER, None, 12..40),
        ("outboundRules/internet", None, 30..31),
        ("loadBalancingRules/web/backendAddressPool", Some(FEW), 20..60),
    ] {
        let mut document = Document::read("base.json");
        let few = r#"{"name": "few", "properties": {"loadBalancerBackendAddresses": [
            {"name": "server-2", "properties": {"ipAddress": "10.0.0.12"}}]}}"#;
        document.set("backendAddressPools/+", few).expect("a pool");
        let mut simulation = Simulation::new(&document, Options::with_workers(2));
        let inbound = |port| Opening::Inbound { frontend: 0, client: 1, port };
        let outbound = |(member, port)| Opening::Outbound { tcp: true, member, port, remote: 1 };
        let members = (11..=13).flat_map(|member| (2000..2010).map(move |port| (member, port)));
        let openings = (1000..1060).map(inbound).chain(members.map(outbound));
        let flows: Vec<_> = openings.map(|opening| open(&mut simulation, opening)).collect();
        match value {
            Some(value) => document.set(path, value),
            None => document.unset(path),
        }
        .expect(path);
        simulation.world.configure(document.check());
        simulation.publish();
        assert_eq!(simulation.records().iter().sum::<usize>(), 60 + 2 * 30, "nothing ended yet");
        let views = listed(&simulation, FlowQuery::default(), 7, SLOTS);
        let mut told: Vec<Seen> = views.iter().map(Into::into).collect();
        told.sort_unstable();
        let going_on = flows.iter().filter(|flow| goes_on(&mut simulation, flow)).copied();
        let mut going_on: Vec<_> = going_on.collect();
        going_on.sort_unstable();
        assert_eq!(told, going_on, "{path}");
        assert!(ended.contains(&(flows.len() - told.len())), "{path}: {} left", told.len());
    }
}

/// `cargo test --release -p golden --test listing -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_long_a_turn_of_a_listing_takes() {
    let mut simulation = Simulation::new(&Document::read("base.json"), Options::with_workers(1));
    let sizes = Sizes::of_flow_slots(1 << 22);
    simulation.workers[0] = Worker::new(WorkerId(0), sizes, 1, Now::default());
    let clients = (0..2_600_000u32).map(|number| {
        let (host, port) = (number / 50_000, 1024 + number % 50_000);
        format!("tcp 192.0.2.{host}:{port} -> 203.0.113.10:80 SYN")
    });
    let mut frames: Vec<_> = Vec::new();
    for line in clients {
        frames.push(simulation.frame(FRONT, &line));
        if frames.len() == 4096 {
            simulation.receive(std::mem::take(&mut frames));
            simulation.take_outputs();
        }
    }
    let nobody = Prefix::new("9.9.9.0".parse().expect("an address"), 24);
    for (what, query) in [
        ("none wanted", FlowQuery { source: nobody, ..FlowQuery::default() }),
        ("none outbound", FlowQuery { outbound_only: true, ..FlowQuery::default() }),
        ("all wanted", FlowQuery::default()),
    ] {
        let (worker, snapshot) = (&simulation.workers[0], simulation.snapshot());
        let (mut turns, mut scanned, mut found) = (Vec::new(), 0, 0);
        let mut slice = FlowSlice::new(query, 0, 16_384);
        let begun = Instant::now();
        while slice.next().is_some() {
            slice = slice.again();
            while !slice.is_answered() {
                let turn = Instant::now();
                worker.list(snapshot, simulation.now(), &mut slice, SLOTS);
                turns.push(turn.elapsed());
            }
            scanned += slice.scanned();
            found += slice.views().len();
        }
        let (passed, records) = (begun.elapsed(), worker.flows().len());
        turns.sort_unstable();
        let [half, most] = [turns.len() / 2, turns.len() * 99 / 100].map(|turn| turns[turn]);
        println!(
            "{what}: {found} of {records} in {scanned} slots, {passed:?}; {} turns, half of them \
             within {half:?}, 99 % within {most:?}",
            turns.len()
        );
    }
}
