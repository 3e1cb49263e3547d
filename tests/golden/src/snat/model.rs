//! Which flows live, and what becomes of a packet?
//!
//! One list, searched from its beginning. A packet is sent first and judged then: where several
//! outcomes would do, the model takes the one that was seen and goes on from there.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use weir_core::units::{Tick, Transport};

use super::allotment::Allotment;
use super::connection::{Connection, Phase};
use super::setting::{Setting, Timers};
use super::traffic::{Packet, Segment};

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It left towards the outside, from this outbound address and port.
    Outside(SocketAddrV4),
    /// It reached this member and port.
    Inside(SocketAddrV4),
    /// It was dropped for this reason.
    Dropped(String),
}

/// A flow of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its protocol.
    pub protocol: Transport,
    /// The member and the port that it sends from.
    pub near: SocketAddrV4,
    /// The host outside.
    pub remote: Ipv4Addr,
    /// The host's ports that the member has sent to: for TCP the one.
    pub remote_ports: Vec<u16>,
    /// The outbound address and the port that it has there.
    pub outside: SocketAddrV4,
    connection: Connection,
    last_packet_ms: u64,
}

/// Everything that is known of a member's flows.
#[derive(Debug)]
pub struct Model {
    allotment: Allotment,
    timers: Timers,
    endpoint_independent: bool,
    flows: Vec<Flow>,
    /// Flows of members that may not leave any more, until their silence would have ended them:
    /// who comes back before may find them again.
    departed: Vec<Flow>,
    /// What has happened at least once.
    reached: BTreeSet<&'static str>,
    now_ms: u64,
}

/// What identifies a flow to a member and to the world.
pub(super) type Identity = (Transport, SocketAddrV4, SocketAddrV4, SocketAddrV4);

/// The remote ports of a UDP flow that are told apart. Behind them, all are admitted.
const PORTS_NOTED: usize = 4;

impl Flow {
    /// What tells it from all others: protocol, member, host and outbound address.
    pub(super) fn identity(&self) -> Identity {
        let port = if self.protocol == Transport::Tcp { self.remote_ports[0] } else { 0 };
        (self.protocol, self.near, SocketAddrV4::new(self.remote, port), self.outside)
    }

    /// Whether it is this flow's that a member sends.
    fn sends(&self, packet: &Packet) -> bool {
        (self.protocol, self.near, self.remote)
            == (packet.protocol, packet.source, *packet.destination.ip())
            && (self.protocol != Transport::Tcp || self.remote_ports == [packet.destination.port()])
    }

    /// Whether it is this flow's that comes from outside.
    fn awaits(&self, packet: &Packet) -> bool {
        (self.protocol, self.outside, self.remote)
            == (packet.protocol, packet.destination, *packet.source.ip())
            && self.admits(packet.source.port())
    }

    fn admits(&self, remote_port: u16) -> bool {
        match self.protocol {
            Transport::Tcp => self.remote_ports == [remote_port],
            Transport::Udp => {
                self.remote_ports.len() > PORTS_NOTED || self.remote_ports.contains(&remote_port)
            }
            Transport::Icmp => true,
        }
    }

    /// Whether a flow of this packet could not be told from this one by the host outside.
    fn occupies(&self, outside: SocketAddrV4, packet: &Packet) -> bool {
        (self.protocol, self.outside, self.remote)
            == (packet.protocol, outside, *packet.destination.ip())
            && (self.protocol != Transport::Tcp || self.remote_ports == [packet.destination.port()])
    }

    /// When it is over, if nobody says anything more: at the first tick that begins when its
    /// timer has passed for certain.
    fn ends_at(&self, timers: &Timers) -> u64 {
        let timer = match (self.protocol, self.connection.phase()) {
            (Transport::Udp, _) => timers.udp,
            (Transport::Icmp, _) => timers.icmp,
            (Transport::Tcp, Phase::Opening) => timers.opening.min(timers.established),
            (Transport::Tcp, Phase::Established) => timers.established,
            (Transport::Tcp, Phase::Closing) => timers.closing.min(timers.established),
            (Transport::Tcp, Phase::Reset) => timers.reset.min(timers.established),
        };
        let last = self.last_packet_ms / Tick::MILLISECONDS;
        (last + 1) * Tick::MILLISECONDS + timer
    }

    /// Whether both ends are told when it ends by silence, if its rule says so.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.protocol == Transport::Tcp && self.connection.phase() == Phase::Established
    }
}

impl Model {
    /// One without flows, at time 0.
    #[must_use]
    pub fn new(setting: &Setting, allotment: Allotment) -> Self {
        Self {
            allotment,
            timers: setting.timers(),
            endpoint_independent: setting.endpoint_independent,
            flows: Vec::new(),
            departed: Vec::new(),
            reached: BTreeSet::new(),
            now_ms: 0,
        }
    }

    /// Who may use what.
    #[must_use]
    pub const fn allotment(&self) -> &Allotment {
        &self.allotment
    }

    /// All flows that live.
    #[must_use]
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// What has happened at least once, so that a test can tell how far it went.
    #[must_use]
    pub const fn reached(&self) -> &BTreeSet<&'static str> {
        &self.reached
    }

    /// When one of the flows ends by silence.
    #[must_use]
    pub fn end_of(&self, flow: &Flow) -> u64 {
        flow.ends_at(&self.timers)
    }

    /// A member has sent a packet to the outside.
    ///
    /// # Errors
    /// A sentence about what should have become of it.
    pub fn sent(&mut self, packet: &Packet, seen: &Seen) -> Result<(), String> {
        let tcp = packet.protocol == Transport::Tcp;
        if let Some(place) = self.flows.iter().position(|flow| flow.sends(packet)) {
            if tcp && packet.segment == Segment::Syn && self.flows[place].connection.is_over() {
                self.flows.remove(place);
            } else {
                let flow = &mut self.flows[place];
                flow.last_packet_ms = self.now_ms;
                flow.connection.note(packet.segment, true);
                if !flow.remote_ports.contains(&packet.destination.port()) {
                    flow.remote_ports.push(packet.destination.port());
                }
                return expect(&Seen::Outside(flow.outside), seen);
            }
        }
        let member = *packet.source.ip();
        if !self.allotment.is_member(member) {
            return expect(&Seen::Dropped("route_not_permitted".into()), seen);
        }
        if !self.allotment.may_leave(member, packet.protocol) {
            let reason = match packet.protocol {
                Transport::Tcp | Transport::Udp => "no_outbound",
                Transport::Icmp => "protocol_not_translated",
            };
            return expect(&Seen::Dropped(reason.into()), seen);
        }
        if tcp && packet.segment != Segment::Syn {
            return expect(&Seen::Dropped("outbound_mid_stream".into()), seen);
        }
        self.opened(packet, seen)
    }

    /// A member's packet has opened a flow, unless no port was left.
    fn opened(&mut self, packet: &Packet, seen: &Seen) -> Result<(), String> {
        let free = self.free_ports(packet);
        self.reached.extend(free.is_empty().then_some("a flow without a port"));
        let outside = match (seen, &free[..]) {
            (Seen::Outside(outside), _) if free.contains(outside) => *outside,
            (seen, []) => return expect(&Seen::Dropped("snat_ports_exhausted".into()), seen),
            (seen, [port]) => return expect(&Seen::Outside(*port), seen),
            (seen, ports) => return Err(format!("{seen:?} instead of one of {ports:?}")),
        };
        let is_sibling = |flow: &Flow| {
            (flow.protocol, flow.near) == (packet.protocol, packet.source)
                && flow.outside == outside
        };
        if self.flows.iter().any(is_sibling) {
            self.reached.insert("a port for several flows of an endpoint");
        }
        let shares = self.allotment.shares(*packet.source.ip(), packet.protocol);
        if shares[0].blocks.first().is_some_and(|block| block.address != *outside.ip()) {
            self.reached.insert("a port of a further address");
        }
        let mut connection = Connection::default();
        connection.note(packet.segment, true);
        self.flows.push(Flow {
            protocol: packet.protocol,
            near: packet.source,
            remote: *packet.destination.ip(),
            remote_ports: vec![packet.destination.port()],
            outside,
            connection,
            last_packet_ms: self.now_ms,
        });
        Ok(())
    }

    /// Where a flow may go: the lowest free port of each share of the member. Of an
    /// endpoint-independent mapping it is the port that the member's port has already, and else one
    /// that nobody uses.
    fn free_ports(&self, packet: &Packet) -> Vec<SocketAddrV4> {
        if self.endpoint_independent {
            let near =
                |flow: &&Flow| (flow.protocol, flow.near) == (packet.protocol, packet.source);
            if let Some(sibling) = self.flows.iter().find(near) {
                return vec![sibling.outside];
            }
        }
        let occupies = |flow: &Flow, outside| {
            if self.endpoint_independent {
                (flow.protocol, flow.outside) == (packet.protocol, outside)
            } else {
                flow.occupies(outside, packet)
            }
        };
        let is_free =
            |outside: &SocketAddrV4| !self.flows.iter().any(|flow| occupies(flow, *outside));
        let shares = self.allotment.shares(*packet.source.ip(), packet.protocol);
        shares.iter().filter_map(|share| share.each().find(is_free)).collect()
    }

    /// A packet has come from outside.
    ///
    /// # Errors
    /// A sentence about what should have become of it.
    pub fn received(&mut self, packet: &Packet, seen: &Seen) -> Result<(), String> {
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.awaits(packet)) {
            flow.last_packet_ms = self.now_ms;
            flow.connection.note(packet.segment, false);
            return expect(&Seen::Inside(flow.near), seen);
        }
        // Whoever comes across a flow that may not live on ends it.
        self.departed.retain(|flow| !flow.awaits(packet));
        let is_held = self.allotment.holder(packet.destination, packet.protocol).is_some();
        let reason = if is_held { "snat_flow_unknown" } else { "no_rule" };
        expect(&Seen::Dropped(reason.into()), seen)
    }

    /// Time has passed. Returns the flows that have ended.
    pub fn time_passed(&mut self, now_ms: u64) -> Vec<Flow> {
        self.now_ms = now_ms;
        let timers = self.timers;
        let is_over = |flow: &mut Flow| flow.ends_at(&timers) <= now_ms;
        self.departed.retain_mut(|flow| !is_over(flow));
        let ended: Vec<_> = self.flows.extract_if(.., is_over).collect();
        self.reached.extend(ended.iter().map(|flow| {
            match (flow.protocol, flow.connection.phase()) {
                (Transport::Udp, _) => "the end of a UDP mapping",
                (Transport::Icmp, _) => "the end of pings",
                (Transport::Tcp, Phase::Opening) => "the end of a half-open connection",
                (Transport::Tcp, Phase::Established) => "the end of an established connection",
                (Transport::Tcp, Phase::Closing) => "the end of a closing connection",
                (Transport::Tcp, Phase::Reset) => "the end of a reset connection",
            }
        }));
        ended
    }

    /// Ports were dealt anew: flows live on, whether their ports are still their member's or not,
    /// unless it may not leave at all any more. `found` are the flows that the workers know.
    ///
    /// # Errors
    /// A sentence about what is wrong with the allotment.
    pub fn dealt(&mut self, allotment: Allotment, found: &[Identity]) -> Result<(), String> {
        allotment.check()?;
        let may_leave = |flow: &Flow| allotment.may_leave(*flow.near.ip(), flow.protocol);
        let back = |flow: &mut Flow| may_leave(flow) && found.contains(&flow.identity());
        let back: Vec<_> = self.departed.extract_if(.., back).collect();
        self.departed.extend(self.flows.extract_if(.., |flow| !may_leave(flow)));
        self.departed.retain(|flow| !may_leave(flow));
        self.reached.extend((!back.is_empty()).then_some("a flow that was found again"));
        self.flows.extend(back);
        for flow in &self.flows {
            let holder = allotment.holder(flow.outside, flow.protocol);
            if holder.map(|(member, _)| member) != Some(*flow.near.ip()) {
                return Err(format!("{holder:?} holds the port of {flow:?}"));
            }
        }
        let ports = |of: &Allotment, member| of.ports(member, Transport::Tcp);
        for member in allotment.members() {
            let before = ports(&self.allotment, member);
            if before > 0 && ports(&allotment, member) > before {
                self.reached.insert("further ports");
            }
        }
        let is_elsewhere = |flow: &Flow| {
            let shares = allotment.shares(*flow.near.ip(), flow.protocol);
            !shares.iter().any(|share| share.each().any(|outside| outside == flow.outside))
        };
        if self.flows.iter().any(is_elsewhere) {
            self.reached.insert("a flow on a port that was taken back");
        }
        self.allotment = allotment;
        Ok(())
    }
}

fn expect(expected: &Seen, seen: &Seen) -> Result<(), String> {
    if expected == seen { Ok(()) } else { Err(format!("{seen:?} instead of {expected:?}")) }
}
