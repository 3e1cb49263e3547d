//! Which flows end by silence, and how are their ends told?

use zerocopy::IntoBytes;

use super::sessions::SessionEvent;
use super::worker::{Now, ORIGINATED_PER_TURN, Originated, OriginatedFrame, Worker};
use crate::flow::{Entry, FlowKey, Holder, Kind, Towards};
use crate::policy::{NextHop, Snapshot};
use crate::telemetry::Counter;
use crate::units::{
    Address, AdjacencyId, MacAddress, MemberId, OutboundAddressId, RuleId, Transport,
};
use crate::wire::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader};
use crate::wire::{ProtocolNumber, compose, tcp};

/// One end of a connection as a reset towards it is addressed.
pub(super) struct Reset {
    source: (Address, u16),
    destination: (Address, u16),
    sequence: u32,
    /// What it acknowledges, if it answers a SYN.
    acknowledges: Option<u32>,
    next_hop: AdjacencyId,
}

impl Worker {
    /// Ends flows whose time has come, meeting at most `budget` records. Resets that idle flows
    /// owe are left in `originated`. Returns how many records were met.
    pub fn expire(&mut self, snapshot: &Snapshot, now: Now, budget: usize) -> usize {
        for met in 0..budget {
            if self.originated.len() + 2 > ORIGINATED_PER_TURN {
                return met;
            }
            let Some(slot) = self.flows.next_due(now.tick()) else { return met };
            self.foresee_end();
            match self.deadline(snapshot, slot) {
                Some(deadline) if deadline > now.tick() => self.flows.reschedule(slot, deadline),
                Some(_) => {
                    self.counters.count(Counter::FlowsExpired, 1);
                    self.reset_idle(snapshot, slot);
                    self.forget(slot);
                }
                None => self.end_flow(slot),
            }
        }
        budget
    }

    /// Asks for what will be looked at if the next flow ends: each is a cache miss.
    #[inline]
    fn foresee_end(&self) {
        let Some(entry) = self.flows.prefetch_upcoming() else { return };
        let Some(FlowKey { kind: Kind::Outbound(protocol), id, far, far_port, .. }) =
            FlowKey::unpack(&entry.key)
        else {
            return;
        };
        let (member, address) = (MemberId(id), OutboundAddressId(entry.target));
        let holder = Holder { member, address, protocol };
        self.ports.prefetch(&holder, Towards::One(far, far_port), entry.target_port);
    }

    /// Ends a flow whose rule, member or port is gone, or whose tuple opens anew.
    pub(super) fn end_flow(&mut self, slot: u32) {
        self.counters.count(Counter::FlowsEnded, 1);
        self.forget(slot);
    }

    /// Frees a flow's records, its port, and its place in the counts.
    fn forget(&mut self, slot: u32) {
        let entry = self.flows.at(self.flows.timed(slot));
        let (key, target, port) = (FlowKey::unpack(&entry.key), entry.target, entry.target_port);
        let (is_stub, is_reserved) = (entry.is_stub(), entry.has_reservation());
        self.flows.remove(slot);
        let Some(key) = key else { return };
        match key.kind {
            Kind::Inbound => {
                self.rules.flow_ended(key.id as usize);
                self.members.flow_ended(target as usize);
            }
            Kind::Outbound(protocol) if !is_stub => {
                let (member, address) = (MemberId(key.id), OutboundAddressId(target));
                let holder = Holder { member, address, protocol };
                let far = (key.far, key.far_port);
                self.release(&holder, port, is_reserved, key.near_port, far);
                self.outbound.flow_ended(member, protocol);
                self.members.flow_ended(member.index());
                let near = (key.near_port, port);
                self.note_session(SessionEvent::Deleted, &holder, near, far);
            }
            // The record with the timer is the member's side.
            Kind::Outbound(_) | Kind::OutboundReply(_) | Kind::Reservation(_) => {}
        }
    }

    /// Tells both sides of an established flow that it has ended, where its rule asks for that
    /// (behaviour.md §5).
    fn reset_idle(&mut self, snapshot: &Snapshot, slot: u32) {
        let entry = *self.flows.at(slot);
        if !entry.tcp.is_established() {
            return;
        }
        let Some(resets) = self.resets(snapshot, slot, &entry) else { return };
        for reset in resets {
            self.originate_reset(snapshot, &reset);
        }
    }

    fn resets(&self, snapshot: &Snapshot, slot: u32, entry: &Entry) -> Option<[Reset; 2]> {
        let key = FlowKey::unpack(&entry.key)?;
        let NextHop::Through(far_hop) = snapshot.routes.towards(key.far, || 0) else { return None };
        let far = (key.far, key.far_port);
        if key.kind == Kind::Inbound {
            let rule = snapshot.rule(RuleId(key.id)).filter(|rule| rule.tcp_reset)?;
            let member = snapshot.member(MemberId(entry.target))?;
            let frontend = (rule.frontend, rule.frontend_port);
            let near = (member.address, rule.backend_port);
            let to_client = (frontend, far, entry.opener_expects.get(), far_hop);
            let to_member = (far, near, entry.responder_expects.get(), member.adjacency);
            return Some([to_client, to_member].map(Reset::from));
        }
        let member = snapshot.member(MemberId(key.id))?;
        snapshot.mapping(MemberId(key.id), Transport::Tcp).filter(|it| it.tcp_reset)?;
        let outbound = snapshot.outbound_address(OutboundAddressId(entry.target))?;
        let responder_expects = self.flows.at(self.flows.partner(slot)?).responder_expects.get();
        let outside = (outbound.address, entry.target_port);
        let near = (member.address, key.near_port);
        let to_remote = (outside, far, responder_expects, far_hop);
        let to_member = (far, near, entry.opener_expects.get(), member.adjacency);
        Some([to_remote, to_member].map(Reset::from))
    }

    pub(super) fn originate_reset(&mut self, snapshot: &Snapshot, reset: &Reset) {
        let adjacency = &snapshot.adjacencies[reset.next_hop.index()];
        let Some(mac) = adjacency.mac else { return };
        let source = snapshot.ports[adjacency.port.index()].mac;
        let frame = reset.frame(source, mac);
        self.originated.push(Originated { port: adjacency.port, frame });
        self.counters.count(Counter::ResetsSent, 1);
    }
}

impl From<((Address, u16), (Address, u16), u32, AdjacencyId)> for Reset {
    fn from(
        (source, destination, sequence, next_hop): (
            (Address, u16),
            (Address, u16),
            u32,
            AdjacencyId,
        ),
    ) -> Self {
        Self { source, destination, sequence, acknowledges: None, next_hop }
    }
}

impl Reset {
    /// The answer to a SYN with this sequence number at a port that is closed.
    pub(super) const fn of_syn(
        source: (Address, u16),
        destination: (Address, u16),
        sequence: u32,
        next_hop: AdjacencyId,
    ) -> Self {
        let acknowledges = Some(sequence.wrapping_add(1));
        Self { source, destination, sequence: 0, acknowledges, next_hop }
    }

    /// The segment `<SEQ=sequence><CTL=RST>`, which the receiver takes since it expects exactly
    /// this sequence number (RFC 5961 §3.2), or `<SEQ=0><ACK=…><CTL=RST,ACK>` (RFC 9293 §3.10.7).
    fn frame(&self, from: MacAddress, to: MacAddress) -> OriginatedFrame {
        let is_v4 = self.source.0.is_v4();
        let flags = if self.acknowledges.is_some() { tcp::RST | tcp::ACK } else { tcp::RST };
        let numbers = (self.sequence, self.acknowledges.unwrap_or(0));
        let ether_type = if is_v4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 }.into();
        let ethernet = EthernetHeader { destination: to.0, source: from.0, ether_type };
        let segment = compose::segment(self.source, self.destination, flags, numbers);
        let (ethernet, segment) = (ethernet.as_bytes(), segment.as_bytes());
        let (source, destination) = (self.source.0, self.destination.0);
        if is_v4 {
            let network = compose::ipv4(source, destination, ProtocolNumber::TCP, SEGMENT);
            OriginatedFrame::of([ethernet, network.as_bytes(), segment])
        } else {
            let network = compose::ipv6(source, destination, ProtocolNumber::TCP, SEGMENT);
            OriginatedFrame::of([ethernet, network.as_bytes(), segment])
        }
    }
}

/// Bytes of a reset's segment.
const SEGMENT: u16 = 20;
const _: () = assert!(tcp::HEADER_LENGTH == SEGMENT as usize);
