//! Do both directions of any flow land on one worker, and come back as they went?

#![allow(clippy::expect_used, reason = "a test may fail")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use golden::document::Document;
use golden::random::at_random;
use golden::simulation::{Options, Output, Simulation};
use proptest::prelude::*;
use weir_core::path::Tag;
use weir_core::units::PortId;

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);
const RULES: [&str; 5] = [
    "203.0.113.10:80",
    "203.0.113.11:80",
    "198.51.100.10:80",
    "[2001:db8::cb00:710a]:80",
    "[2001:db8::c633:640a]:80",
];
const DNS: [&str; 2] = ["203.0.113.10:53", "[2001:db8::cb00:710a]:53"];

fn send(simulation: &mut Simulation, port: PortId, line: &str) -> Vec<Output> {
    simulation.receive([simulation.frame(port, line)]);
    simulation.take_outputs()
}

/// Source and destination of the only frame that left, as they are written.
fn ends(outputs: &[Output]) -> Option<(PortId, String, String)> {
    let [Output::Wire(port, frame)] = outputs else { return None };
    let [from, to] = golden::packet::ends(frame)?;
    Some((*port, from.to_string(), to.to_string()))
}

fn simulation(workers: u8) -> Simulation {
    let document = Document::read_dual_stack("base.json");
    Simulation::new(&document, Options::with_workers(workers))
}

/// The client that speaks to this frontend.
fn client_of(frontend: &str, v4: Ipv4Addr, v6: Ipv6Addr, port: u16) -> String {
    let frontend: SocketAddr = frontend.parse().expect("address and port");
    let client = if frontend.is_ipv4() { IpAddr::from(v4) } else { v6.into() };
    SocketAddr::new(client, port).to_string()
}

/// The same among IPv6 addresses: global unicast outside of what is configured.
fn host_v6() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits >> 4 | 0x2 << 124 | 1 << 123))
}

fn owners(simulation: &Simulation) -> Vec<usize> {
    let records = simulation.records();
    (0..records.len()).filter(|worker| records[*worker] > 0).collect()
}

/// An address that is nobody's here and can be a client's.
fn host() -> impl Strategy<Value = Ipv4Addr> {
    (1u8..223, any::<[u8; 3]>())
        .prop_map(|(first, rest)| Ipv4Addr::new(first, rest[0], rest[1], rest[2]))
        .prop_filter("special", |host| {
            let [a, b, ..] = host.octets();
            !matches!((a, b), (10 | 127, _) | (172, 16) | (198, 51) | (203, 0))
        })
}

proptest! {
    #![proptest_config(at_random(96))]

    #[test]
    fn a_tcp_conversation_stays_on_one_worker_and_returns_as_it_went(
        hosts in (host(), host_v6()),
        port in 1u16..,
        rule in 0..RULES.len(),
        workers in 2u8..=8,
    ) {
        let mut simulation = simulation(workers);
        let frontend = RULES[rule];
        let client = client_of(frontend, hosts.0, hosts.1, port);
        let opening = format!("tcp {client} -> {frontend} SYN seq 1");
        let sent = ends(&send(&mut simulation, FRONT, &opening));
        let (out, source, member) = sent.expect("the opening segment leaves");
        prop_assert_eq!((out, &source), (BACK, &client));
        let owner = owners(&simulation);
        prop_assert_eq!(owner.len(), 1, "one worker has the record");
        for (turn, flags) in ["SYN ACK", "ACK", "FIN ACK"].into_iter().enumerate() {
            let reply = format!("tcp {member} -> {client} {flags} seq {turn} ack 2");
            let returned = ends(&send(&mut simulation, BACK, &reply));
            let expected = (FRONT, frontend.to_owned(), client.clone());
            prop_assert_eq!(returned, Some(expected));
            let next = format!("tcp {client} -> {frontend} ACK seq 2 ack {turn}");
            let forth = ends(&send(&mut simulation, FRONT, &next));
            prop_assert_eq!(forth, Some((BACK, client.clone(), member.clone())));
        }
        prop_assert_eq!(owners(&simulation), owner, "and nobody else ever had one");
        prop_assert_eq!(simulation.totals().get("flows_created"), 1);
        prop_assert_eq!(simulation.totals().get("fallback_packets"), 0);
        simulation.check_accounts();
        simulation.check_that_silence_ends_everything();
    }

    #[test]
    fn a_udp_conversation_returns_as_it_went_without_a_record(
        hosts in (host(), host_v6()),
        port in 1u16..,
        frontend in prop::sample::select(&DNS[..]),
        workers in 1u8..=8,
    ) {
        let mut simulation = simulation(workers);
        let client = client_of(frontend, hosts.0, hosts.1, port);
        let query = format!("udp {client} -> {frontend} payload 9");
        let (_, _, member) = ends(&send(&mut simulation, FRONT, &query)).expect("it leaves");
        let answer = format!("udp {member} -> {client} payload 99");
        let returned = ends(&send(&mut simulation, BACK, &answer));
        prop_assert_eq!(returned, Some((FRONT, frontend.to_owned(), client)));
        prop_assert!(owners(&simulation).is_empty());
        simulation.check_accounts();
    }

    #[test]
    fn an_outbound_conversation_stays_on_the_worker_of_the_members_ports(
        remote in host(),
        remote_port in 1u16..,
        member in 11u8..=13,
        port in 1u16..,
        workers in 1u8..=8,
        tcp in any::<bool>(),
    ) {
        let mut simulation = simulation(workers);
        let (near, far) = (format!("10.0.0.{member}:{port}"), format!("{remote}:{remote_port}"));
        // A UDP datagram from a service port is an answer, whoever it goes to.
        prop_assume!(tcp || port != 5353);
        let (kind, open) = if tcp { ("tcp", "SYN") } else { ("udp", "") };
        let opening = format!("{kind} {near} -> {far} {open}");
        let (_, outside, _) = ends(&send(&mut simulation, BACK, &opening)).expect("it leaves");
        prop_assert!(outside.starts_with("203.0.113.20:"));
        let owner = owners(&simulation);
        prop_assert_eq!(owner.len(), 1, "one worker has both records");
        let ack = if tcp { "ACK ack 1" } else { "" };
        let answer = format!("{kind} {far} -> {outside} {ack}");
        let returned = ends(&send(&mut simulation, FRONT, &answer));
        prop_assert_eq!(returned, Some((BACK, far.clone(), near.clone())));
        let next = format!("{kind} {near} -> {far} {ack}");
        let forth = ends(&send(&mut simulation, BACK, &next));
        prop_assert_eq!(forth, Some((FRONT, outside, far)));
        prop_assert_eq!(owners(&simulation), owner);
        simulation.check_accounts();
        simulation.check_that_silence_ends_everything();
    }
}

#[test]
fn a_packet_that_was_handed_over_twice_is_not_handed_over_again() {
    let mut simulation = Simulation::new(&Document::read("base.json"), Options::with_workers(4));
    let mut dropped = 0;
    for port in 40_000..40_008 {
        let line = format!("tcp 192.0.2.7:{port} -> 203.0.113.10:80 SYN");
        let mut frame = simulation.frame(FRONT, &line);
        frame.tag = Tag { handoffs: 2, inbound_missed: false, dry: 0 };
        simulation.receive([frame]);
        dropped += u64::from(simulation.take_outputs().is_empty());
    }
    assert!(dropped > 0);
    assert_eq!(simulation.totals().get("drop_handoff_loop_packets"), dropped);
    simulation.check_accounts();
}
