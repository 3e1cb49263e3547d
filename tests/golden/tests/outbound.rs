//! Is every port of a member usable, however many there are?
//!
//! Not here: what a port may be used for (`snat_model.rs`).

use std::collections::BTreeSet;

use golden::document::Document;
use golden::packet::ends;
use golden::simulation::{Options, Output, Simulation};
use weir_core::units::PortId;

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);

/// A port whose record finds no room between others must not stop everybody behind it: ports are
/// given from the lowest, and it would stay the lowest.
#[test]
fn a_port_without_room_for_its_record_is_passed_over() {
    const MEMBERS: u16 = 3;
    const EACH: u16 = 16_000;
    let mut document = Document::read("base.json");
    for (path, value) in [
        ("outboundRules/internet/allocatedOutboundPorts", "16000"),
        ("appliance/limits/flowsPerWorker", "131072"),
    ] {
        document.set(path, value).expect("a property of the document");
    }
    let mut simulation = Simulation::new(&document, Options::with_workers(1));
    let mut opened = 0;
    for flow in 0..MEMBERS * EACH {
        let (member, port) = (11 + flow % MEMBERS, 30_000 + flow / MEMBERS);
        let line = format!("tcp 10.0.0.{member}:{port} -> 192.0.2.83:443 SYN");
        let frame = simulation.frame(BACK, &line);
        simulation.receive([frame]);
        opened += simulation.take_outputs().len();
    }
    // Nearly all of the table's bound of 98,304 records, two for a flow.
    let asked = usize::from(MEMBERS * EACH);
    assert!(opened * 1_000 >= asked * 999, "{opened} of {asked}");
}

/// Ports that are spread over several workers: a flow begins at the worker that its hash names, and
/// goes on to the others when that one has none for it.
#[test]
fn every_port_of_several_workers_is_used_before_a_flow_is_refused() {
    const PORTS: u16 = 20_000;
    let mut document = Document::read("base.json");
    for (path, value) in [
        ("outboundRules/internet/allocatedOutboundPorts", "20000"),
        ("appliance/limits/flowsPerWorker", "131072"),
    ] {
        document.set(path, value).expect("a property of the document");
    }
    let mut simulation = Simulation::new(&document, Options::with_workers(4));
    let mut outside = BTreeSet::new();
    // Not one behind the other: the hash may deal out such ports evenly.
    let near = |flow: u16| 1_024 + flow * 2;
    for flow in 0..PORTS {
        let line = format!("tcp 10.0.0.11:{} -> 192.0.2.83:443 SYN", near(flow));
        let [Output::Wire(_, frame)] = &exchange(&mut simulation, BACK, &line)[..] else {
            panic!("flow {flow} of {PORTS} finds no port");
        };
        let [from, to] = ends(frame).expect("a plain frame");
        assert!(outside.insert(from), "{from} was given twice");
        let line = format!("tcp {to} -> {from} SYN ACK ack 1");
        let [Output::Wire(_, frame)] = &exchange(&mut simulation, FRONT, &line)[..] else {
            panic!("the reply to {from} finds nobody");
        };
        let member = ends(frame).expect("a plain frame")[1];
        assert_eq!(member.port(), near(flow), "the reply to {from}");
    }
    assert!(simulation.totals().get("snat_stubs_created") > 0, "a worker had no port left");
    let holders = simulation.records().into_iter().filter(|records| *records > 0).count();
    assert_eq!(holders, 2, "workers that hold a part of the ports");
    let line = format!("tcp 10.0.0.11:{} -> 192.0.2.83:443 SYN", near(PORTS));
    assert!(exchange(&mut simulation, BACK, &line).is_empty(), "there is no further port");
    assert_eq!(simulation.totals().get("drop_snat_ports_exhausted_packets"), 1);
    simulation.check_that_silence_ends_everything();
}

fn exchange(simulation: &mut Simulation, port: PortId, line: &str) -> Vec<Output> {
    let frame = simulation.frame(port, line);
    simulation.receive([frame]);
    simulation.take_outputs()
}
