//! Does it matter to a flow how many workers there are, and where its packets arrive?
//!
//! Conversations of every kind at once: each direction arrives at a worker of its own, or each
//! packet at any. Bursts are cut and turns are taken at random. A packet is known by the number
//! in its IPv4 identification or its IPv6 flow label, which nobody changes.
//!
//! Not here: threads and rings (`appliance/tests/workers.rs`).
#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};

use golden::document::Document;
use golden::random::at_random;
use golden::simulation::{Options, Output, Passage, Simulation};
use proptest::prelude::*;
use weir_core::units::PortId;

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);
const RULES: [&str; 5] = [
    "203.0.113.10:80",
    "203.0.113.11:80",
    "198.51.100.10:80",
    "[2001:db8::203.0.113.10]:80",
    "[2001:db8::203.0.113.11]:80",
];
const DNS: [&str; 2] = ["203.0.113.10:53", "[2001:db8::203.0.113.10]:53"];
/// What the opener and the responder may send; the last three end or reopen a connection.
const FLAGS: [&str; 5] = ["ACK ack 1", "PSH ACK ack 1 payload 9", "FIN ACK ack 1", "RST", "SYN"];

const SYN: usize = 4;
/// Those that neither end nor open one at once.
const HARMLESS: usize = 3;

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A client to a rule.
    Inbound(usize),
    /// A client to a rule whose flows have no record.
    Untracked(usize),
    /// A member to the outside, from any port.
    Outbound { member: u8, port: u16, tcp: bool },
    /// The same from a port that rules lead to, so that the inbound owner is asked first.
    OutboundFromEndpoint { member: u8, port: u16 },
}

/// One conversation. Its far end has an address of its own.
#[derive(Clone, Debug)]
struct Talk {
    kind: Kind,
    far: ([u8; 2], u16),
    /// Where each direction arrives; `None` for anywhere.
    arrival: [Option<usize>; 2],
}

/// A packet of some conversation, and the turns that are taken after it arrived.
#[derive(Clone, Debug)]
struct Step {
    talk: prop::sample::Index,
    back: bool,
    flags: usize,
    arrival: usize,
    turns: Vec<usize>,
}

/// What was sent under a number.
#[derive(Clone, Copy, Debug)]
struct Sent {
    talk: usize,
    back: bool,
    /// The worker at which it arrived, and whether all of its direction do.
    arrival: (usize, bool),
}

/// How a packet left.
type Left = (Passage, PortId, Vec<u8>);

impl Talk {
    fn is_inbound(&self) -> bool {
        matches!(self.kind, Kind::Inbound(_) | Kind::Untracked(_))
    }

    fn is_ipv6(&self) -> bool {
        self.near().starts_with('[')
    }

    /// Records that it has on its worker.
    fn records(&self) -> usize {
        match self.kind {
            Kind::Untracked(_) => 0,
            Kind::Inbound(_) => 1,
            Kind::Outbound { .. } | Kind::OutboundFromEndpoint { .. } => 2,
        }
    }

    /// Hand-offs that one packet may take.
    fn handoffs_max(&self) -> u8 {
        match self.kind {
            Kind::Untracked(_) => 0,
            Kind::Inbound(_) | Kind::Outbound { .. } => 1,
            Kind::OutboundFromEndpoint { .. } => 2,
        }
    }

    fn is_tcp(&self) -> bool {
        !matches!(self.kind, Kind::Untracked(_) | Kind::Outbound { tcp: false, .. })
    }

    fn far(&self, number: usize) -> String {
        let ([a, b], port) = self.far;
        if self.is_ipv6() {
            format!("[2001:db8:{a}:{b}::{number:x}]:{port}")
        } else {
            format!("20.{a}.{b}.{number}:{port}")
        }
    }

    /// The end that it speaks to, or from.
    fn near(&self) -> String {
        match self.kind {
            Kind::Inbound(rule) => RULES[rule].to_owned(),
            Kind::Untracked(rule) => DNS[rule].to_owned(),
            Kind::Outbound { member, port, .. } | Kind::OutboundFromEndpoint { member, port } => {
                format!("10.0.0.{member}:{port}")
            }
        }
    }

    /// The packet with this number, and its port. `beyond` is what the near end is called by
    /// who is behind Weir: the member, or the outbound address.
    fn line(
        &self,
        talk: usize,
        back: bool,
        flags: usize,
        beyond: &str,
        id: u16,
    ) -> (PortId, String) {
        let (near, far) = (self.near(), self.far(talk));
        let (port, from, to) = match (self.is_inbound(), back) {
            (true, false) => (FRONT, far.as_str(), near.as_str()),
            (true, true) => (BACK, beyond, far.as_str()),
            (false, false) => (BACK, near.as_str(), far.as_str()),
            (false, true) => (FRONT, far.as_str(), beyond),
        };
        let (kind, flags) = if self.is_tcp() { ("tcp", FLAGS[flags]) } else { ("udp", "") };
        let name = if self.is_ipv6() { "label" } else { "id" };
        (port, format!("{kind} {from} -> {to} {flags} {name} {id}"))
    }
}

/// A simulation with what was sent and what left so far.
struct Run<'a> {
    simulation: Simulation,
    workers: usize,
    talks: &'a [Talk],
    /// What each conversation's near end is called on the other side.
    beyond: Vec<String>,
    sent: Vec<Sent>,
    /// In the order in which they left.
    left: Vec<(usize, Left)>,
}

impl<'a> Run<'a> {
    fn new(workers: u8, burst: usize, talks: &'a [Talk]) -> Self {
        let options = Options { burst, ..Options::with_workers(workers) };
        let simulation = Simulation::new(&Document::read_dual_stack("base.json"), options);
        let beyond = vec![String::new(); talks.len()];
        let workers = workers.into();
        Self { simulation, workers, talks, beyond, sent: Vec::new(), left: Vec::new() }
    }

    /// Lets a packet arrive: at `anywhere`, unless its direction has a place.
    fn send(&mut self, talk: usize, back: bool, flags: usize, anywhere: usize) {
        let id = u16::try_from(self.sent.len()).expect("few packets");
        let place = self.talks[talk].arrival[usize::from(back)];
        let worker = place.unwrap_or(anywhere) % self.workers;
        let (port, line) = self.talks[talk].line(talk, back, flags, &self.beyond[talk], id);
        self.simulation.arrive(worker, self.simulation.frame(port, &line));
        self.sent.push(Sent { talk, back, arrival: (worker, place.is_some()) });
    }

    /// Opens every conversation, and learns what its near end is called on the other side.
    fn open(&mut self) {
        for talk in 0..self.talks.len() {
            let inbound = self.talks[talk].is_inbound();
            self.send(talk, false, SYN, talk);
            self.simulation.settle();
            self.take();
            let Some((number, (_, _, frame))) = self.left.last() else { panic!("nothing left") };
            assert_eq!(*number + 1, self.sent.len(), "the opening packet leaves");
            let ends = golden::packet::ends(frame).expect("a plain frame");
            self.beyond[talk] = ends[usize::from(inbound)].to_string();
        }
    }

    fn go(&mut self, steps: &[Step]) {
        for step in steps {
            let talk = step.talk.index(self.talks.len());
            // A reopened outbound flow may take another port, and a reply opens nothing.
            let reopens = self.talks[talk].is_inbound() && !step.back;
            let flags = if reopens { step.flags } else { step.flags % HARMLESS };
            self.send(talk, step.back, flags, step.arrival);
            for worker in &step.turns {
                self.simulation.turn(worker % self.workers);
            }
        }
        self.simulation.settle();
        self.take();
    }

    fn take(&mut self) {
        for (passage, output) in self.simulation.take_passages() {
            let Output::Wire(port, frame) = output else { panic!("not for the wire: {output:?}") };
            let at = if frame[12..14] == [0x08, 0x00] { 18 } else { 16 };
            let number = usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
            self.left.push((number, (passage, port, frame)));
        }
    }

    /// Every packet left once, by the one worker of its flow, with no more hand-offs than it may.
    fn check_owners(&self) {
        let numbers: BTreeSet<_> = self.left.iter().map(|(number, _)| *number).collect();
        assert_eq!((numbers.len(), self.left.len()), (self.sent.len(), self.sent.len()));
        let mut owners = BTreeMap::new();
        for (number, (passage, _, _)) in &self.left {
            let Sent { talk, arrival: (arrival, _), .. } = self.sent[*number];
            let kind = &self.talks[talk];
            assert!(passage.handoffs <= kind.handoffs_max(), "{passage:?} of {kind:?}");
            if kind.records() == 0 {
                assert_eq!(passage.worker, arrival, "whoever has it keeps it");
                continue;
            }
            let owner = *owners.entry(talk).or_insert(passage.worker);
            assert_eq!(passage.worker, owner, "packet {number} of {kind:?}");
            if kind.handoffs_max() == 1 {
                assert_eq!(passage.handoffs == 1, arrival != owner, "packet {number} of {kind:?}");
            }
        }
        let mut records = vec![0; self.workers];
        owners.iter().for_each(|(talk, owner)| records[*owner] += self.talks[*talk].records());
        assert_eq!(self.simulation.records(), records, "and nobody else has a record");
    }

    /// What arrived by one queue left in the order of arrival.
    fn check_order(&self) {
        let mut last = BTreeMap::new();
        for (number, _) in &self.left {
            let Sent { talk, back, arrival: (_, is_one) } = self.sent[*number];
            if is_one {
                let before = last.insert((talk, back), *number);
                assert!(
                    before < Some(*number),
                    "{before:?} before {number}: {:?}",
                    self.talks[talk]
                );
            }
        }
    }

    /// What left, by number; but for the outbound port, which each worker takes from its own.
    fn frames(&self) -> BTreeMap<usize, (PortId, Option<&[u8]>)> {
        let mut frames = BTreeMap::new();
        for (number, (_, port, bytes)) in &self.left {
            let Sent { talk, back, .. } = self.sent[*number];
            let is_same = self.talks[talk].is_inbound() || back;
            frames.insert(*number, (*port, is_same.then_some(&bytes[..])));
        }
        frames
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    let outbound = (11u8..=13, 20_000u16.., any::<bool>());
    prop_oneof![
        4 => (0..RULES.len()).prop_map(Kind::Inbound),
        1 => (0..DNS.len()).prop_map(Kind::Untracked),
        2 => outbound.prop_map(|(member, port, tcp)| Kind::Outbound { member, port, tcp }),
        1 => (11u8..=13, 8080u16..=8082)
            .prop_map(|(member, port)| Kind::OutboundFromEndpoint { member, port }),
    ]
}

fn talk() -> impl Strategy<Value = Talk> {
    let arrival = || prop::option::weighted(0.8, 0usize..16);
    (kind(), any::<([u8; 2], u16)>(), arrival(), arrival()).prop_map(
        |(kind, (host, port), forth, back)| Talk {
            kind,
            far: (host, port.max(1)),
            arrival: [forth, back],
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let turns = prop::collection::vec(0usize..16, 0..4);
    (any::<prop::sample::Index>(), any::<bool>(), 0..FLAGS.len(), 0usize..16, turns)
        .prop_map(|(talk, back, flags, arrival, turns)| Step { talk, back, flags, arrival, turns })
}

proptest! {
    #![proptest_config(at_random(96))]

    #[test]
    fn a_flow_meets_one_worker_in_order_wherever_its_packets_arrive(
        talks in prop::collection::vec(talk(), 1..40),
        steps in prop::collection::vec(step(), 1..300),
        workers in 1u8..=16,
        burst in 1usize..=32,
    ) {
        let mut many = Run::new(workers, burst, &talks);
        let mut one = Run::new(1, 32, &talks);
        for run in [&mut many, &mut one] {
            run.open();
            run.go(&steps);
            run.check_owners();
            run.check_order();
            run.simulation.check_accounts();
        }
        prop_assert_eq!(many.frames(), one.frames());
        many.simulation.check_that_silence_ends_everything();
    }
}
