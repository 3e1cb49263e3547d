//! Does the path do what the model says, step by step?

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use weir_core::config::outbound_methods;
use weir_core::flow::{Entry, FlowKey, Kind};
use weir_core::units::{MemberId, OutboundAddressId, PortId, Transport};

use super::allotment::{Allotment, ipv4};
use super::model::{Flow, Identity, Model, Seen};
use super::setting::{RULE, Setting, Way, names, set};
use super::step::{Step, Twist};
use super::traffic::{Packet, Segment};
use crate::document::Document;
use crate::packet::{Direction, decode, encode};
use crate::simulation::{Options, Output, Simulation};

/// A simulation and the model beside it.
#[derive(Debug)]
pub struct Trial {
    setting: Setting,
    document: Document,
    simulation: Simulation,
    model: Model,
    /// What has happened, in the words of text cases.
    transcript: Vec<String>,
}

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);
const MEMBERS: &str = "backendAddressPools/servers/loadBalancerBackendAddresses";

impl Trial {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(setting: &Setting) -> Self {
        let document = setting.document();
        let simulation = Simulation::new(&document, Options::with_workers(setting.workers));
        let model = Model::new(setting, Allotment::of(simulation.snapshot()));
        let sets = setting.changes().into_iter().map(|change| format!("set {change}"));
        let mut transcript: Vec<_> =
            std::iter::once("config base.json".to_owned()).chain(sets).collect();
        transcript.push("at 0ms".to_owned());
        Self { setting: setting.clone(), document, simulation, model, transcript }
    }

    /// What has happened, as a text case that `BLESS=1` completes.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.transcript.join("\n")
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Lets a step happen.
    ///
    /// # Errors
    /// What is wrong behind it.
    pub fn take(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Segment { member, port, remote, remote_port, segment } => {
                let source = SocketAddrV4::new(member_of(member), 40_000 + u16::from(port));
                let destination = SocketAddrV4::new(host(remote), 443 + u16::from(remote_port));
                self.send(&Packet { protocol: Transport::Tcp, source, destination, segment })?;
            }
            Step::Datagram { member, port, remote, remote_port } => {
                let source = SocketAddrV4::new(member_of(member), 40_000 + u16::from(port));
                let destination = SocketAddrV4::new(host(remote), 443 + u16::from(remote_port));
                let segment = Segment::Syn;
                self.send(&Packet { protocol: Transport::Udp, source, destination, segment })?;
            }
            Step::Ping { member, identifier, remote } => {
                let source = SocketAddrV4::new(member_of(member), 7_000 + u16::from(identifier));
                let destination = SocketAddrV4::new(host(remote), 0);
                let (protocol, segment) = (Transport::Icmp, Segment::Syn);
                self.send(&Packet { protocol, source, destination, segment })?;
            }
            Step::Connect { member, port, remote } => self.connect(member, port, remote)?,
            Step::Burst { member, remote, count, tcp } => {
                self.open_many(member, remote, count, tcp)?;
            }
            Step::Continue { flow, segment } => {
                if let Some(packet) = self.nth(flow).map(|flow| packet_of(flow, segment)) {
                    self.send(&packet)?;
                }
            }
            Step::Reply { flow, segment } => {
                if let Some(packet) = self.nth(flow).map(|flow| reply_to(flow, segment)) {
                    self.receive(&packet)?;
                }
            }
            Step::Stray { flow, twist, segment } => {
                if let Some(packet) = self.nth(flow).map(|flow| reply_to(flow, segment)) {
                    self.receive(&twisted(packet, twist))?;
                }
            }
            Step::Wait { milliseconds } => {
                self.wait_until(self.simulation.now().milliseconds + u64::from(milliseconds))?;
            }
            Step::WaitForEnd { flow } => {
                if let Some(end) = self.nth(flow).map(|flow| self.model.end_of(flow)) {
                    self.wait_until(end - 1)?;
                    self.compare()?;
                    self.wait_until(end)?;
                }
            }
            Step::Publish => self.publish()?,
            Step::Resize { ports } => {
                self.set(&format!("{RULE}/allocatedOutboundPorts {ports}"))?;
            }
            Step::Frontends { count } => self.set(&names(count.into()))?,
            Step::Toggle { member } => self.toggle(member)?,
        }
        self.compare()
    }

    /// Waits until every flow has ended, and sees that nothing is left of any.
    ///
    /// # Errors
    /// What is wrong.
    pub fn finish(&mut self) -> Result<(), String> {
        while let Some(end) = self.model.flows().iter().map(|flow| self.model.end_of(flow)).max() {
            self.wait_until(end)?;
            self.compare()?;
        }
        self.simulation.check_that_silence_ends_everything();
        // What is taken from a member now is nobody's when every worker knows it.
        self.simulation.publish();
        self.simulation.advance_to(self.simulation.now().milliseconds + 1_000);
        self.simulation.publish();
        let allotment = Allotment::of(self.simulation.snapshot());
        allotment.check()?;
        allotment.check_that_nothing_drains()?;
        allotment.check_that_nothing_is_used(&self.simulation.workers)
    }

    fn nth(&self, number: u8) -> Option<&Flow> {
        let flows = self.model.flows();
        flows.get(usize::from(number) % flows.len().max(1))
    }

    fn connect(&mut self, member: u8, port: u8, remote: u8) -> Result<(), String> {
        let source = SocketAddrV4::new(member_of(member), 42_000 + u16::from(port));
        let destination = SocketAddrV4::new(host(remote), 443);
        let protocol = Transport::Tcp;
        let syn = Packet { protocol, source, destination, segment: Segment::Syn };
        self.send(&syn)?;
        let opened = self.model.flows().iter().find(|flow| packet_of(flow, Segment::Syn) == syn);
        if let Some(answer) = opened.map(|flow| reply_to(flow, Segment::SynAck)) {
            self.receive(&answer)?;
            self.send(&Packet { segment: Segment::Ack, ..syn })?;
        }
        Ok(())
    }

    fn open_many(&mut self, member: u8, remote: u8, count: u8, tcp: bool) -> Result<(), String> {
        let protocol = if tcp { Transport::Tcp } else { Transport::Udp };
        let destination = SocketAddrV4::new(host(remote), 443);
        for port in 41_000..41_000 + u16::from(count) {
            let source = SocketAddrV4::new(member_of(member), port);
            self.send(&Packet { protocol, source, destination, segment: Segment::Syn })?;
        }
        Ok(())
    }

    fn send(&mut self, packet: &Packet) -> Result<(), String> {
        let seen = self.exchange(BACK, packet)?;
        self.model.sent(packet, &seen).map_err(|sentence| said_of(packet, &sentence))
    }

    fn receive(&mut self, packet: &Packet) -> Result<(), String> {
        let seen = self.exchange(FRONT, packet)?;
        self.model.received(packet, &seen).map_err(|sentence| said_of(packet, &sentence))
    }

    /// Sends a packet through the path and says what became of it.
    fn exchange(&mut self, port: PortId, packet: &Packet) -> Result<Seen, String> {
        let line = packet.line(port == BACK);
        let name = if port == BACK { "back" } else { "front" };
        self.transcript.push(format!("  > {name} {line}"));
        let before = self.drops();
        let frame = self.simulation.frame(port, &line);
        self.simulation.receive([frame]);
        let outputs = self.simulation.take_outputs();
        match &outputs[..] {
            [] => self.reason(&before),
            [Output::Wire(out, frame)] if *out != port => self.read(*out, packet, frame),
            other => Err(said_of(packet, &format!("led to {other:?}"))),
        }
    }

    /// Which end of the packet was written anew; nothing else may be.
    fn read(&self, out: PortId, packet: &Packet, frame: &[u8]) -> Result<Seen, String> {
        let port_at = if packet.protocol == Transport::Icmp { 38 } else { 34 };
        let end = |address: usize, port: usize| {
            let octets: [u8; 4] = *frame[address..].first_chunk().expect("a whole frame");
            let port: [u8; 2] = *frame[port..].first_chunk().expect("a whole frame");
            SocketAddrV4::new(Ipv4Addr::from(octets), u16::from_be_bytes(port))
        };
        let (seen, expected) = if out == FRONT {
            let source = end(26, port_at);
            (Seen::Outside(source), Packet { source, ..*packet })
        } else {
            let port_at = if packet.protocol == Transport::Icmp { 38 } else { 36 };
            let destination = end(30, port_at);
            (Seen::Inside(destination), Packet { destination, ..*packet })
        };
        let link = self.simulation.world.links().at(out);
        let line = expected.line(out == FRONT);
        let bytes = encode(&line, link, Direction::Leaving).expect("a line of ours");
        if bytes == frame {
            return Ok(seen);
        }
        let left = decode(frame, link, Direction::Leaving);
        Err(said_of(packet, &format!("became {left} instead of {line}")))
    }

    fn drops(&self) -> BTreeMap<String, u64> {
        let totals = self.simulation.totals();
        let drops = totals.values().iter().filter(|(name, _)| name.starts_with("drop_"));
        drops.map(|(name, amount)| (name.to_string(), *amount)).collect()
    }

    /// The one reason that was counted since.
    fn reason(&self, before: &BTreeMap<String, u64>) -> Result<Seen, String> {
        let after = self.drops();
        let moved: Vec<_> =
            after.iter().filter(|(name, now)| before.get(*name) != Some(now)).collect();
        let [(name, _)] = moved[..] else { return Err(format!("one drop counts as {moved:?}")) };
        let name = name.trim_start_matches("drop_").trim_end_matches("_packets");
        Ok(Seen::Dropped(name.to_owned()))
    }

    /// Lets time pass, and sees that just those flows are reset that ended in silence.
    fn wait_until(&mut self, milliseconds: u64) -> Result<(), String> {
        self.transcript.push(format!("at {milliseconds}ms"));
        self.simulation.advance_to(milliseconds);
        let ended = self.model.time_passed(milliseconds);
        let owed: BTreeSet<String> = ended
            .iter()
            .filter(|flow| self.setting.tcp_reset && flow.is_established())
            .flat_map(|flow| {
                let remote = SocketAddrV4::new(flow.remote, flow.remote_ports[0]);
                [(flow.outside, remote), (remote, flow.near)]
            })
            .map(|(from, to)| format!("{from} -> {to}"))
            .collect();
        let outputs = self.simulation.take_outputs();
        let sent: BTreeSet<String> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Wire(_, frame) => crate::packet::ends(frame),
                Output::Kernel(..) | Output::Resolve(..) => None,
            })
            .map(|[from, to]| format!("{from} -> {to}"))
            .collect();
        if owed != sent || sent.len() != outputs.len() {
            return Err(format!("resets {sent:?} instead of {owed:?}"));
        }
        Ok(())
    }

    /// Changes the outbound rule, where there is one.
    fn set(&mut self, change: &str) -> Result<(), String> {
        let before = self.document.clone();
        if self.setting.way == Way::LoadBalancingRules {
            return Ok(());
        }
        set(&mut self.document, change)?;
        self.apply(before, format!("set {change}"))
    }

    fn toggle(&mut self, member: u8) -> Result<(), String> {
        let before = self.document.clone();
        let name = format!("server-{}", member % 4 + 1);
        let path = format!("{MEMBERS}/{name}");
        if self.document.unset(&path).is_ok() {
            return self.apply(before, format!("unset {path}"));
        }
        let address = member_of(member);
        let value = format!(r#"{{"name": "{name}", "properties": {{"ipAddress": "{address}"}}}}"#);
        self.document.set(&format!("{MEMBERS}/+"), &value)?;
        self.apply(before, format!("set {MEMBERS}/+ {value}"))
    }

    /// Puts the document in force, unless it is not valid.
    fn apply(&mut self, before: Document, line: String) -> Result<(), String> {
        if !self.document.is_valid() {
            self.document = before;
            return Ok(());
        }
        self.transcript.push(line);
        self.simulation.world.configure(self.document.check());
        self.publish()
    }

    /// Has ports dealt anew, as far as there is a reason.
    fn publish(&mut self) -> Result<(), String> {
        self.transcript.push("apply".to_owned());
        self.simulation.publish();
        let found: Vec<_> = self.records()?.into_iter().collect();
        let (before, after) =
            (self.model.allotment().clone(), Allotment::of(self.simulation.snapshot()));
        let addresses = self.addresses();
        after.check_against(&before, &addresses)?;
        self.model.dealt(after, &found)
    }

    /// The addresses that members leave from, by the configuration.
    fn addresses(&self) -> Vec<Ipv4Addr> {
        let methods = outbound_methods(self.simulation.world.configuration());
        let addresses = methods.iter().flat_map(|method| &method.addresses);
        addresses.filter_map(|address| ipv4(address.to_ip())).collect()
    }

    /// Holds the workers' records against the model's flows.
    fn compare(&self) -> Result<(), String> {
        let expected: BTreeSet<Identity> = self.model.flows().iter().map(Flow::identity).collect();
        if expected.len() != self.model.flows().len() {
            return Err(format!("two flows of the model are one: {:?}", self.model.flows()));
        }
        let found = self.records()?;
        let missing: Vec<_> = expected.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected).collect();
        if missing.is_empty() && surplus.is_empty() {
            return Ok(());
        }
        Err(format!("flows that should live: {missing:?}; that should have ended: {surplus:?}"))
    }

    /// The flows that the workers have records of, as far as these are in force.
    fn records(&self) -> Result<BTreeSet<Identity>, String> {
        let entries = self.simulation.workers.iter().flat_map(|it| it.flows().entries());
        let mut found = BTreeSet::new();
        for flow in entries.filter_map(|entry| self.identity(entry)) {
            if !found.insert(flow) {
                return Err(format!("there are two records of {flow:?}"));
            }
        }
        Ok(found)
    }

    /// The flow that a record stands for, if it is a member's side of one, and in force.
    fn identity(&self, entry: &Entry) -> Option<Identity> {
        let snapshot = self.simulation.snapshot();
        let key = FlowKey::unpack(&entry.key)?;
        let Kind::Outbound(protocol) = key.kind else { return None };
        if entry.is_stub() {
            return None;
        }
        let outbound = snapshot.outbound_address(OutboundAddressId(entry.target))?;
        let member = MemberId(key.id);
        let holder = outbound.holder(protocol, entry.target_port)?.member;
        snapshot.mapping(member, protocol)?;
        if holder != member {
            return None;
        }
        let near = ipv4(snapshot.member(member)?.address.to_ip())?;
        Some((
            protocol,
            SocketAddrV4::new(near, key.near_port),
            SocketAddrV4::new(ipv4(key.far.to_ip())?, key.far_port),
            SocketAddrV4::new(ipv4(outbound.address.to_ip())?, entry.target_port),
        ))
    }
}

const fn member_of(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 11 + number % 4)
}

const fn host(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 80 + number)
}

/// Another packet of a flow's member.
fn packet_of(flow: &Flow, segment: Segment) -> Packet {
    let port = *flow.remote_ports.last().expect("a flow leads somewhere");
    let destination = SocketAddrV4::new(flow.remote, port);
    Packet { protocol: flow.protocol, source: flow.near, destination, segment }
}

/// What the host answers.
fn reply_to(flow: &Flow, segment: Segment) -> Packet {
    let Packet { protocol, destination, .. } = packet_of(flow, segment);
    Packet { protocol, source: destination, destination: flow.outside, segment }
}

fn twisted(packet: Packet, twist: Twist) -> Packet {
    let Packet { protocol, source, destination, segment } = packet;
    match twist {
        Twist::Host => {
            let [a, b, c, d] = source.ip().octets();
            Packet { source: SocketAddrV4::new([a, b, c, d + 1].into(), source.port()), ..packet }
        }
        Twist::RemotePort => {
            Packet { source: SocketAddrV4::new(*source.ip(), source.port() + 1), ..packet }
        }
        Twist::Port => {
            let destination = SocketAddrV4::new(*destination.ip(), destination.port() + 1);
            Packet { destination, ..packet }
        }
        Twist::Protocol => {
            let protocol = if protocol == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
            Packet { protocol, source, destination, segment }
        }
        Twist::PortZero => Packet { source: SocketAddrV4::new(*source.ip(), 0), ..packet },
    }
}

fn said_of(packet: &Packet, sentence: &str) -> String {
    format!("{packet:?}: {sentence}")
}
