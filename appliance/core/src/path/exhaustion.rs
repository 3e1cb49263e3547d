//! What is done about a member whose ports are used up?
//!
//! The flow is counted against the member, its destination is noted for the control side, and the
//! member is told, where the outbound rule asks for that. Not here: who makes events of it.

use zerocopy::IntoBytes;

use super::expire::Reset;
use super::worker::{ORIGINATED_PER_TURN, Originated, OriginatedFrame, Worker};
use crate::flow::key;
use crate::policy::{Adjacency, OutboundMapping, Snapshot};
use crate::telemetry::Counter;
use crate::units::{Address, MemberId, Transport};
use crate::wire::ethernet::{ETHERTYPE_IPV4, EthernetHeader};
use crate::wire::{Parsed, ProtocolNumber, compose};

/// What a worker tells of a member's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhaustion {
    /// The member.
    pub member: MemberId,
    /// The protocol.
    pub protocol: Transport,
    /// The destination that the ports are used towards.
    pub remote: (Address, u16),
    /// How bad it is.
    pub kind: ExhaustionKind,
}

/// How far a member's ports are used up towards a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExhaustionKind {
    /// The port taken last was in the last quarter: all below are taken.
    RunningLow,
    /// There was none for a flow.
    Exhausted,
}

/// Notes that one turn may leave. Of more, every one is counted and the further ones are not told.
pub(super) const EXHAUSTIONS_PER_TURN: usize = 16;

/// Answers to refused flows that one turn may make: half of what it may make at all, so that the
/// timers always have room for theirs. Further flows are refused in silence.
const REFUSALS_PER_TURN: usize = ORIGINATED_PER_TURN / 2;
/// Of these, notes of one member and protocol, so that others are heard, too.
const EXHAUSTIONS_OF_ONE: usize = 4;

/// A flow that found no port.
pub(super) struct Shortage<'a> {
    pub(super) member: MemberId,
    pub(super) mapping: &'a OutboundMapping,
    pub(super) parsed: &'a Parsed,
    pub(super) frame: &'a [u8],
}

impl Worker {
    /// Refuses a flow for want of a port.
    pub(super) fn refuse(&mut self, snapshot: &Snapshot, shortage: &Shortage<'_>) {
        let parsed = shortage.parsed;
        let Some(protocol) = super::classify::transport(parsed) else { return };
        self.outbound.flow_refused(shortage.member, protocol);
        self.note_exhaustion(shortage.member, protocol, parsed, ExhaustionKind::Exhausted);
        if shortage.mapping.rejects && self.originated.len() < REFUSALS_PER_TURN {
            self.reject(snapshot, protocol, shortage);
        }
    }

    /// Notes that a member's ports are nearly used up towards a destination.
    pub(super) fn note_low(&mut self, member: MemberId, protocol: Transport, parsed: &Parsed) {
        self.note_exhaustion(member, protocol, parsed, ExhaustionKind::RunningLow);
    }

    fn note_exhaustion(
        &mut self,
        member: MemberId,
        protocol: Transport,
        parsed: &Parsed,
        kind: ExhaustionKind,
    ) {
        let far_port = key::far_port(protocol, parsed.destination_port);
        let note = Exhaustion { member, protocol, remote: (parsed.destination, far_port), kind };
        let is_its = |it: &&Exhaustion| it.member == member && it.protocol == protocol;
        let has_room = self.exhaustions.len() < EXHAUSTIONS_PER_TURN
            && self.exhaustions.iter().filter(is_its).count() < EXHAUSTIONS_OF_ONE;
        if has_room && !self.exhaustions.contains(&note) {
            self.exhaustions.push(note);
        }
    }

    /// Tells the member at once: by a RST, or by ICMP that this is prohibited (type 3 code 13).
    fn reject(&mut self, snapshot: &Snapshot, protocol: Transport, shortage: &Shortage<'_>) {
        let Some(member) = snapshot.member(shortage.member) else { return };
        let adjacency = &snapshot.adjacencies[member.adjacency.index()];
        let parsed = shortage.parsed;
        if protocol == Transport::Tcp {
            let segment = shortage.frame.get(usize::from(parsed.transport_offset)..);
            let Some(sequence) = segment.and_then(sequence_of) else { return };
            let source = (parsed.destination, parsed.destination_port);
            let destination = (parsed.source, parsed.source_port);
            let reset = Reset::of_syn(source, destination, sequence, member.adjacency);
            return self.originate_reset(snapshot, &reset);
        }
        let Some(frame) = prohibited(snapshot, adjacency, parsed, shortage.frame) else { return };
        self.originated.push(Originated { port: adjacency.port, frame });
        self.counters.count(Counter::IcmpErrorsSent, 1);
    }
}

/// Bytes of an IPv4 header without options.
const HEADER: usize = 20;

/// The sequence number of a TCP segment.
pub(super) fn sequence_of(segment: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(segment.get(4..8)?.try_into().ok()?))
}

/// An ICMP error to the sender of a packet, with what RFC 792 wants of it: its IP header and eight
/// bytes. Its source is where the packet was going: workers know no address of the appliance's on
/// the member's side, and a member takes an error from there.
fn prohibited(
    snapshot: &Snapshot,
    adjacency: &Adjacency,
    parsed: &Parsed,
    frame: &[u8],
) -> Option<OriginatedFrame> {
    let mac = adjacency.mac?;
    let from = snapshot.ports.get(adjacency.port.index())?.mac;
    let network = frame.get(usize::from(parsed.network_offset)..)?;
    // A header with options would not fit. Nobody is told then.
    if parsed.header_length() != HEADER {
        return None;
    }
    let header = network.get(..HEADER)?.try_into().ok()?;
    let payload = network.get(HEADER..HEADER + 8)?.try_into().ok()?;
    let ether_type = ETHERTYPE_IPV4.into();
    let ethernet = EthernetHeader { destination: mac.0, source: from.0, ether_type };
    let icmp = compose::prohibited(header, payload);
    let length = u16::try_from(icmp.len()).ok()?;
    let outer = compose::ipv4(parsed.destination, parsed.source, ProtocolNumber::ICMP, length);
    Some(OriginatedFrame::of([ethernet.as_bytes(), outer.as_bytes(), &icmp]))
}
