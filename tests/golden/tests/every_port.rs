//! Can a member use every one of its ports before the first flow is refused?
//!
//! ```text
//!   up to 16,384 ports of a member   one worker holds them
//!   more of them                     dealt over up to four workers; a flow goes from one to the next
//! ```
//!
//! Not here: which port a flow gets (`snat_model`).
#![allow(clippy::panic, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::ops::Range;

use golden::document::Document;
use golden::simulation::{Options, Output, Simulation};
use weir_core::units::PortId;

/// The members of `base.json`, by the last byte of their addresses.
const MEMBERS: [u8; 3] = [11, 12, 13];
/// A source port that is no service's.
const FIRST_SOURCE_PORT: u16 = 30_000;
/// Where a frame has its source address, and its source port.
const SOURCE: (Range<usize>, Range<usize>) = (26..30, 34..36);

/// Opens flows of all members in turn towards one destination: each gets a tuple that nobody else
/// has until every member has used all its `ports`, and then none gets any.
fn every_port_is_used_before_the_first_refusal(workers: u8, ports: u16) {
    let mut document = Document::read("base.json");
    for (path, value) in [
        ("outboundRules/internet/allocatedOutboundPorts", ports.to_string()),
        // Room for the records of all flows on one worker.
        ("appliance/limits/flowsPerWorker", "262144".to_owned()),
    ] {
        document.set(path, &value).expect("a property of the document");
    }
    let mut simulation = Simulation::new(&document, Options::with_workers(workers));
    let mut taken = BTreeSet::new();
    for flow in 0..ports {
        for member in MEMBERS {
            let tuple = open(&mut simulation, member, flow);
            let tuple = tuple.unwrap_or_else(|| panic!("{member} has no port after {flow} flows"));
            assert!(taken.insert(tuple), "flow {flow} of {member} has what another flow has");
        }
    }
    for member in MEMBERS {
        assert_eq!(open(&mut simulation, member, ports), None, "{member} has one port too many");
    }
    let totals = simulation.totals();
    assert_eq!(totals.get("drop_snat_ports_exhausted_packets"), MEMBERS.len() as u64);
    assert_eq!(totals.get("dropped_packets"), MEMBERS.len() as u64);
    simulation.check_accounts();
}

/// What the world sees as the source of a member's new flow.
fn open(simulation: &mut Simulation, member: u8, flow: u16) -> Option<Vec<u8>> {
    let port = FIRST_SOURCE_PORT + flow;
    let line = format!("tcp 10.0.0.{member}:{port} -> 192.0.2.83:443 SYN");
    let frame = simulation.frame(PortId(1), &line);
    simulation.receive([frame]);
    match &simulation.take_outputs()[..] {
        [Output::Wire(_, frame)] => Some([&frame[SOURCE.0], &frame[SOURCE.1]].concat()),
        _ => None,
    }
}

#[test]
fn every_port_of_one_share_is_used_with_1_worker() {
    every_port_is_used_before_the_first_refusal(1, 16_384);
}

#[test]
fn every_port_of_one_share_is_used_with_4_workers() {
    every_port_is_used_before_the_first_refusal(4, 16_384);
}

#[test]
fn every_port_of_one_share_is_used_with_16_workers() {
    every_port_is_used_before_the_first_refusal(16, 16_384);
}

#[test]
fn every_port_of_many_is_used_with_1_worker() {
    every_port_is_used_before_the_first_refusal(1, 20_000);
}

#[test]
fn every_port_of_many_is_used_with_4_workers() {
    every_port_is_used_before_the_first_refusal(4, 20_000);
}

#[test]
fn every_port_of_many_is_used_with_16_workers() {
    every_port_is_used_before_the_first_refusal(16, 20_000);
}
