//! Does anything on the wire crash a worker, leak, or come out differently with more workers?

use std::net::{IpAddr, Ipv4Addr};

use golden::document::Document;
use golden::random::at_random;
use golden::simulation::{Frame, Options, Output, Simulation};
use proptest::prelude::*;
use weir_core::units::PortId;

/// Every kind of packet, on the port where it means something.
const KINDS: [(u8, &str); 41] = [
    (0, "tcp 192.0.2.7:40000 -> 203.0.113.10:80 SYN seq 1 tcp-options 020405b4"),
    (1, "tcp 10.0.0.11:8080 -> 192.0.2.7:40000 SYN ACK seq 1 ack 2"),
    (0, "tcp 192.0.2.7:40000 -> 203.0.113.10:80 ACK seq 2 ack 2 payload 40"),
    (0, "tcp 192.0.2.7:40000 -> 203.0.113.10:80 FIN ACK seq 42 ack 2 options 01010101"),
    (1, "tcp 10.0.0.11:8080 -> 192.0.2.7:40000 RST seq 2"),
    (0, "udp 192.0.2.7:40001 -> 203.0.113.10:53 payload 30"),
    (1, "udp 10.0.0.12:5353 -> 192.0.2.7:40001 payload 60 no-checksum"),
    (1, "tcp 10.0.0.11:50000 -> 192.0.2.80:443 SYN"),
    (0, "tcp 192.0.2.80:443 -> 203.0.113.20:1024 SYN ACK ack 1"),
    (1, "tcp 10.0.0.11:8080 -> 192.0.2.80:443 SYN"),
    (1, "tcp 10.0.0.11:8080 -> 192.0.2.80:443 ACK ack 1"),
    (1, "udp 10.0.0.13:50000 -> 192.0.2.53:53 payload 20"),
    (0, "udp 192.0.2.53:53 -> 203.0.113.20:1152 payload 20"),
    (1, "tcp 10.0.0.11:50000 -> 172.16.0.9:80 SYN vlan 5"),
    (1, "ip 10.0.0.11 -> 172.16.0.9 protocol 17 no-df more offset 64 payload 64"),
    (0, "icmp 192.0.2.7 -> 203.0.113.10 rest 0x10001 payload 16"),
    (0, "icmp 192.0.2.1 -> 203.0.113.10 type 3 quotes tcp 203.0.113.10:80 -> 192.0.2.7:1 ACK"),
    (
        0,
        "icmp 192.0.2.1 -> 203.0.113.20 type 3 code 4 rest 1400 quoted 60 \
         quotes tcp 203.0.113.20:1024 -> 192.0.2.80:443 SYN tcp-options 020405b4",
    ),
    (0, "icmp 192.0.2.1 -> 203.0.113.20 type 11 quotes udp 203.0.113.20:1152 -> 192.0.2.53:53"),
    (1, "icmp 10.0.0.254 -> 192.0.2.53 type 3 quotes udp 192.0.2.53:53 -> 10.0.0.13:50000"),
    (1, "icmp 10.0.0.11 -> 192.0.2.80 type 3 quotes tcp 192.0.2.80:443 -> 10.0.0.11:8080 ACK"),
    (1, "icmp 10.0.0.12 -> 192.0.2.7 type 3 quotes udp 192.0.2.7:40001 -> 10.0.0.12:5353"),
    (0, "arp who-has 198.51.100.10 tell 198.51.100.254 padding 18"),
    (0, "arp who-has 198.51.100.1 tell 198.51.100.254 vlan 3"),
    (1, "tcp 10.0.0.11:8080 -> 10.0.0.1:51000 SYN ACK ack 1"),
    (0, "ethernet 0x86dd payload 60"),
    (0, "tcp [2001:db8::192.0.2.7]:40000 -> [2001:db8::203.0.113.10]:80 SYN seq 1"),
    (1, "tcp [2001:db8::10.0.0.11]:8080 -> [2001:db8::192.0.2.7]:40000 SYN ACK seq 1 ack 2"),
    (0, "tcp [2001:db8::192.0.2.7]:40000 -> [2001:db8::203.0.113.10]:80 ACK seq 2 payload 40"),
    (1, "tcp [2001:db8::10.0.0.11]:8080 -> [2001:db8::192.0.2.7]:40000 ACK seq 2 payload 9"),
    (1, "tcp [2001:db8::10.0.0.11]:8080 -> [2001:db8::192.0.2.7]:40000 FIN ACK seq 2 ack 9"),
    (
        0,
        "udp [2001:db8::192.0.2.7]:7 -> [2001:db8::203.0.113.10]:53 next 0 \
         extensions 3c000502000001001100010400000000 payload 30",
    ),
    (1, "udp [2001:db8::10.0.0.12]:5353 -> [2001:db8::192.0.2.7]:40001 payload 60 vlan 7"),
    (1, "tcp [2001:db8::10.0.0.11]:50000 -> [2001:db8::192.0.2.80]:443 SYN"),
    (
        1,
        "udp [2001:db8::10.0.0.11]:50000 -> [2001:db8::172.16.0.9]:80 next 44 \
         extensions 1100000000000007 payload 9",
    ),
    (0, "icmp 2001:db8::192.0.2.7 -> 2001:db8::203.0.113.10 rest 0x10001 payload 16"),
    (
        0,
        "icmp 2001:db8::7 -> 2001:db8::203.0.113.10 type 2 rest 1280 quoted 64 \
         quotes tcp [2001:db8::203.0.113.10]:80 -> [2001:db8::192.0.2.7]:40000 ACK payload 9",
    ),
    (
        0,
        "icmp fe80::7 -> ff02::1:ff33:6401 type 135 ttl 255 \
         data 20010db80000000000000000c633640101010200c63364fe",
    ),
    (
        0,
        "icmp fe80::7 -> ff02::1:ff33:640a type 135 ttl 255 \
         data 20010db80000000000000000c633640a010102000000000701010200",
    ),
    (1, "tcp [2001:db8::10.0.0.11]:8080 -> [2001:db8::10.0.0.1]:51000 SYN ACK ack 1"),
    (0, "tcp 192.0.2.9:40000 -> 203.0.113.10:80 SYN service-vlan 1 vlan 2"),
];

fn simulation(workers: u8) -> Simulation {
    let document = Document::read_dual_stack("base.json");
    Simulation::new(&document, Options::with_workers(workers))
}

fn frame(simulation: &Simulation, port: u8, line: &str) -> Vec<u8> {
    simulation.frame(PortId(port), line).bytes
}

/// What left, in an order that does not depend on who sent it, each request once.
fn sorted(outputs: Vec<Output>) -> Vec<String> {
    let mut lines: Vec<_> = outputs.iter().map(|output| format!("{output:?}")).collect();
    lines.sort();
    let is_request = |line: &String| line.starts_with("Resolve");
    lines.dedup_by(|one, other| one == other && is_request(one));
    lines
}

#[test]
fn every_truncation_of_every_kind_has_an_outcome() {
    let mut simulation = simulation(4);
    for (port, line) in KINDS {
        let whole = frame(&simulation, port, line);
        for length in 0..=whole.len() {
            for segmented in [false, true] {
                let mut cut = Frame::new(PortId(port), whole[..length].to_vec());
                cut.segmented = segmented && length < whole.len();
                simulation.receive([cut]);
            }
        }
        simulation.check_accounts();
    }
    simulation.take_outputs();
    simulation.check_that_silence_ends_everything();
}

#[test]
fn every_truncation_that_claims_to_be_whole_has_an_outcome() {
    let mut simulation = simulation(2);
    for (port, line) in KINDS.into_iter().filter(|(_, line)| !line.starts_with("ethernet")) {
        let whole = frame(&simulation, port, line);
        // The length that is to lie: of everything in IPv4, of what follows the header in IPv6.
        let kinds = [([0x08, 0x00], 20, 2, 0), ([0x86, 0xdd], 40, 4, 40)];
        let at = |kind: [u8; 2]| whole[12..].windows(2).step_by(2).position(|pair| pair == kind);
        let found = kinds.iter().find_map(|kind| Some((12 + at(kind.0)? * 2 + 2, kind)));
        let Some((network, (_, header, field, uncounted))) = found else { continue };
        for length in network + header..whole.len() {
            let mut cut = whole[..length].to_vec();
            let counted = u16::try_from(length - network - uncounted).expect("short");
            cut[network + field..network + field + 2].copy_from_slice(&counted.to_be_bytes());
            simulation.receive([Frame::new(PortId(port), cut)]);
        }
        simulation.check_accounts();
    }
    simulation.take_outputs();
    simulation.check_that_silence_ends_everything();
}

/// One step of a soup.
#[derive(Clone, Debug)]
enum Step {
    /// A packet of some kind with some bytes overwritten, some cut off.
    Packet { kind: usize, patches: Vec<(usize, u8)>, cut: Option<usize>, other_port: bool },
    /// Bytes of nobody.
    Noise(Vec<u8>),
    /// A wait, in milliseconds.
    Wait(u64),
    /// A member's probe turns.
    Health(u8, bool),
    /// A neighbour appears or goes.
    Neighbour(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let patch = (12usize..110, any::<u8>());
    let packet = (
        0..KINDS.len(),
        prop::collection::vec(patch, 0..3),
        prop::option::weighted(0.1, 0usize..90),
        prop::bool::weighted(0.05),
    );
    let packet = packet.prop_map(|(kind, patches, cut, other_port)| Step::Packet {
        kind,
        patches,
        cut,
        other_port,
    });
    prop_oneof![
        20 => packet,
        2 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Step::Noise),
        2 => (0u64..300_000).prop_map(Step::Wait),
        1 => (11u8..=13, any::<bool>()).prop_map(|(member, up)| Step::Health(member, up)),
        1 => (11u8..=13, any::<bool>()).prop_map(|(member, up)| Step::Neighbour(member, up)),
    ]
}

/// Both addresses of a member.
fn both(member: u8) -> [IpAddr; 2] {
    let host = Ipv4Addr::new(10, 0, 0, member);
    [host.into(), golden::dual_stack::twin(host).into()]
}

fn take(simulation: &mut Simulation, step: &Step) -> Vec<String> {
    match step {
        Step::Packet { kind, patches, cut, other_port } => {
            let (port, line) = KINDS[*kind];
            let mut bytes = frame(simulation, port, line);
            for (at, value) in patches {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte = *value;
                }
            }
            bytes.truncate(cut.unwrap_or(bytes.len()));
            let port = if *other_port { 1 - port } else { port };
            simulation.receive([Frame::new(PortId(port), bytes)]);
        }
        Step::Noise(bytes) => simulation.receive([Frame::new(PortId(0), bytes.clone())]),
        Step::Wait(milliseconds) => {
            let until = simulation.now().milliseconds + milliseconds;
            simulation.advance_to(until);
        }
        Step::Health(member, up) => {
            for host in both(*member) {
                simulation.world.set_health(host, 8080, *up);
            }
            simulation.publish();
        }
        Step::Neighbour(member, up) => {
            for host in both(*member) {
                let mac = up.then(|| golden::packet::mac_of_host(host));
                simulation.world.set_neighbour(PortId(1), host.into(), mac);
            }
            simulation.publish();
        }
    }
    sorted(simulation.take_outputs())
}

proptest! {
    #![proptest_config(at_random(48))]

    #[test]
    fn any_soup_comes_out_the_same_with_any_number_of_workers(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut simulations = [simulation(1), simulation(2), simulation(4)];
        for step in &steps {
            let [one, two, four] = simulations.each_mut().map(|it| take(it, step));
            prop_assert_eq!(&one, &two, "two workers at {:?}", step);
            prop_assert_eq!(&one, &four, "four workers at {:?}", step);
        }
        let named = |simulation: &Simulation| {
            let mut moved = simulation.totals().values().clone();
            moved.retain(|name, _| !name.starts_with("handoff_") && name != "resolve_requests");
            moved
        };
        prop_assert_eq!(named(&simulations[0]), named(&simulations[1]));
        prop_assert_eq!(named(&simulations[0]), named(&simulations[2]));
        for mut simulation in simulations {
            simulation.check_accounts();
            simulation.check_that_silence_ends_everything();
        }
    }

    #[test]
    fn a_soup_in_one_burst_crashes_and_leaks_nothing(
        steps in prop::collection::vec(step(), 1..200),
        workers in 1u8..=4,
    ) {
        let mut simulation = simulation(workers);
        let mut frames = Vec::new();
        for step in &steps {
            if let Step::Packet { kind, patches, .. } = step {
                let (port, line) = KINDS[*kind];
                let mut bytes = frame(&simulation, port, line);
                for (at, value) in patches {
                    if let Some(byte) = bytes.get_mut(*at) {
                        *byte = *value;
                    }
                }
                frames.push(Frame::new(PortId(port), bytes));
            }
        }
        simulation.receive(frames);
        simulation.take_outputs();
        simulation.check_accounts();
        simulation.check_that_silence_ends_everything();
    }
}
