//! Do ICMP errors find the flow that they are about, whichever worker they arrive at?

#![allow(clippy::expect_used, reason = "a test may fail")]

use std::net::Ipv4Addr;

use golden::document::Document;
use golden::packet::{Direction, encode};
use golden::random::at_random;
use golden::simulation::{Options, Output, Simulation};
use proptest::prelude::*;
use weir_core::units::PortId;

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);

/// A remote host, somebody's router outside, and one inside.
const REMOTE: &str = "192.0.2.80:443";
const OUTSIDE: &str = "198.18.7.7";
const INSIDE: &str = "10.0.0.254";

/// What leaves when this line's frame comes in by this port.
fn send(simulation: &mut Simulation, port: PortId, line: &str) -> Vec<Output> {
    simulation.receive([simulation.frame(port, line)]);
    simulation.take_outputs()
}

/// The frame of a line that leaves by a port.
fn leaving(simulation: &Simulation, port: PortId, line: &str) -> Vec<Output> {
    let bytes = encode(line, simulation.world.links().at(port), Direction::Leaving);
    vec![Output::Wire(port, bytes.expect("a packet's line"))]
}

/// An outbound address and port, as they are written, of the only packet that left.
fn outside_end(outputs: &[Output]) -> String {
    let [Output::Wire(FRONT, frame)] = outputs else { unreachable!("left: {outputs:?}") };
    golden::packet::ends(frame).expect("a plain packet")[0].to_string()
}

fn host(socket: &str) -> &str {
    socket.split(':').next().expect("an address")
}

/// Errors about a flow from both sides, and that each comes out as it must.
fn errors_about(
    simulation: &mut Simulation,
    kind: &str,
    [near, outside, far]: [&str; 3],
) -> Result<(), TestCaseError> {
    let about = |source: &str, to: &str, from: &str, towards: &str| {
        let (to, quote) = (host(to), format!("{kind} {from} -> {towards} payload 30"));
        format!("icmp {source} -> {to} type 3 code 4 rest 0x500 quoted 60 quotes {quote}")
    };
    let left = send(simulation, FRONT, &about(OUTSIDE, outside, outside, far));
    let expected = leaving(simulation, BACK, &about(OUTSIDE, near, near, far));
    prop_assert_eq!(left, expected, "from outside");
    let left = send(simulation, BACK, &about(INSIDE, far, far, near));
    let expected = leaving(simulation, FRONT, &about(host(outside), far, far, outside));
    prop_assert_eq!(left, expected, "from inside");
    Ok(())
}

fn flow_counters(simulation: &Simulation) -> [u64; 3] {
    let totals = simulation.totals();
    ["flows_created", "flows_expired", "flows_ended"].map(|name| totals.get(name))
}

proptest! {
    #![proptest_config(at_random(64))]

    #[test]
    fn an_error_finds_a_members_flow_to_the_outside(
        remote in (any::<u8>(), 1u16..),
        member in 11u8..=13,
        port in 1u16..,
        workers in 1u8..=8,
        tcp in any::<bool>(),
        spread in any::<bool>(),
    ) {
        // A UDP datagram from a service port is an answer, whoever it goes to.
        prop_assume!(tcp || port != 5353);
        let mut simulation = simulation(workers, if spread { 20_000 } else { 64 });
        let near = format!("10.0.0.{member}:{port}");
        let far = format!("{}:{}", Ipv4Addr::new(192, 0, 2, remote.0), remote.1);
        let (kind, open) = if tcp { ("tcp", "SYN") } else { ("udp", "") };
        let opened = send(&mut simulation, BACK, &format!("{kind} {near} -> {far} {open}"));
        let outside = outside_end(&opened);
        let before = flow_counters(&simulation);
        errors_about(&mut simulation, kind, [&near, &outside, &far])?;
        prop_assert_eq!(flow_counters(&simulation), before);
        simulation.check_accounts();
    }

    #[test]
    fn an_error_finds_a_clients_flow(
        client in (any::<u8>(), 1u16..),
        workers in 1u8..=8,
        tcp in any::<bool>(),
    ) {
        let mut simulation = simulation(workers, 64);
        let client = format!("{}:{}", Ipv4Addr::new(192, 0, 2, client.0), client.1);
        let (kind, frontend, open) = if tcp {
            ("tcp", "203.0.113.10:80", "SYN")
        } else {
            ("udp", "203.0.113.10:53", "")
        };
        let line = format!("{kind} {client} -> {frontend} {open}");
        let opened = send(&mut simulation, FRONT, &line);
        let [Output::Wire(BACK, frame)] = &opened[..] else { panic!("left: {opened:?}") };
        let member = golden::packet::ends(frame).expect("a plain packet")[1].to_string();
        errors_about(&mut simulation, kind, [&member, frontend, &client])?;
        simulation.check_accounts();
    }
}

/// Members have so many ports each; with more than 16,384, several workers hold them.
fn simulation(workers: u8, ports: u32) -> Simulation {
    let mut document = Document::read("base.json");
    let ports = ports.to_string();
    document.set("outboundRules/internet/allocatedOutboundPorts", &ports).expect("a rule");
    document.set("appliance/limits/flowsPerWorker", "65536").expect("a limit");
    Simulation::new(&document, Options::with_workers(workers))
}

#[test]
fn an_error_follows_its_flow_to_where_it_found_a_port() {
    let mut simulation = simulation(4, 20_000);
    let mut flows = Vec::new();
    // Even ones alone, as Linux takes them for what connects.
    for port in (1_024..41_024).step_by(2) {
        let near = format!("10.0.0.11:{port}");
        let opened = send(&mut simulation, BACK, &format!("tcp {near} -> {REMOTE} SYN"));
        flows.push((outside_end(&opened), near));
    }
    assert!(simulation.totals().get("snat_stubs_created") > 0, "a worker had no port left");
    for (outside, near) in &flows {
        let found = errors_about(&mut simulation, "tcp", [near, outside, REMOTE]);
        assert!(found.is_ok(), "{near} {outside}: {found:?}");
    }
    let unknown = format!("{INSIDE} -> {} type 11 quotes tcp {REMOTE}", host(REMOTE));
    let left = send(&mut simulation, BACK, &format!("icmp {unknown} -> 10.0.0.11:9 ACK"));
    assert_eq!(left, [], "a flow that no worker has");
    let dropped = simulation.totals().get("drop_icmp_error_not_translated_packets");
    assert_eq!((dropped, simulation.totals().get("dropped_packets")), (1, 1));
    simulation.check_accounts();
}
