//! What becomes of packets of a member that has a public address of its own?
//!
//! ```text
//!   member → outside          ─► source := its public address
//!   outside → public address  ─► destination := the member
//! ```
//!
//! One to one and without a record, for every protocol and for fragments (behaviour.md §4.1, §4.6),
//! so whichever worker has such a packet sends it on. What a load-balancing rule leads to the
//! member stays the rule's: packets from its endpoints are replies of the frontend, and only TCP of
//! a member that takes connections at its public address is asked about there.
//!
//! Not here: which bytes change (`wire::translate`), errors about such packets (`errors`).

use zerocopy::FromBytes;

use super::batch::Action;
use super::classify::{Sighting, transport};
use super::parse::{is_valid_destination, is_valid_source};
use crate::policy::{Host, Snapshot};
use crate::telemetry::DropReason;
use crate::units::{InstanceAddressId, MemberId, Transport};
use crate::wire::ipv4::Ipv4Header;
use crate::wire::{Parsed, ProtocolNumber, tcp};

/// A packet that is addressed to a member's public address and comes from such a host.
pub(super) fn classify_arriving(
    snapshot: &Snapshot,
    id: InstanceAddressId,
    from: Host,
    parsed: &Parsed,
) -> Sighting {
    let Some(instance) = snapshot.instance_addresses.get(id.index()) else {
        return Sighting::Drop(DropReason::NoRoute);
    };
    if !is_valid_source(parsed.source) {
        return Sighting::Drop(DropReason::SourceInvalid);
    }
    // The answer would be routed, and come from another address than was asked.
    if from.as_member().is_some() || snapshot.routes.is_routed(parsed.source) {
        return Sighting::Drop(DropReason::InstanceHairpin);
    }
    if parsed.asks_to_open() && !instance.inbound {
        return Sighting::Drop(DropReason::InstanceInboundClosed);
    }
    if is_of_a_rule(snapshot, instance.member, parsed) {
        return Sighting::Drop(DropReason::InstancePortBalanced);
    }
    Sighting::Stateless(Action::ToInstance(instance.member))
}

/// Whether a datagram goes to a port that a rule leads to: the answer cannot be told from those to
/// clients of the rule, of which there are no records either.
fn is_of_a_rule(snapshot: &Snapshot, member: MemberId, parsed: &Parsed) -> bool {
    let (port, protocol) = (parsed.destination_port, parsed.protocol);
    transport(parsed) == Some(Transport::Udp)
        && snapshot
            .member(member)
            .is_some_and(|it| snapshot.endpoints.member(it.address, port, protocol).is_some())
}

/// What a member's packet to the outside becomes, if it has a public address; the destination is
/// known to be outside.
#[inline]
pub(super) fn leaving(snapshot: &Snapshot, member: MemberId) -> Option<Action> {
    snapshot.instance(member).map(|_| Action::FromInstance(member))
}

/// The same for TCP from a member's endpoint that belongs to no client's connection to a frontend.
///
/// Where nobody outside can open connections by the public address, what comes from there in
/// mid-stream is a client's of the rule whose record was lost: it follows the hash.
pub(super) fn leaving_from_endpoint(
    snapshot: &Snapshot,
    member: MemberId,
    parsed: &Parsed,
) -> Option<Action> {
    let is_outside = !snapshot.routes.is_routed(parsed.destination);
    let instance = snapshot.instance(member)?;
    (instance.inbound && is_outside && is_valid_destination(parsed.destination))
        .then_some(Action::FromInstance(member))
}

/// Whether a fragment can be one of a translated datagram: the first one has its transport header
/// up to the checksum and the flags, and no later one writes over it (RFC 1858 §3).
pub(super) fn is_sound_fragment(parsed: &Parsed, frame: &[u8]) -> bool {
    let header = frame.get(usize::from(parsed.network_offset)..);
    let header = header.and_then(|header| Ipv4Header::ref_from_prefix(header).ok());
    let Some((header, _)) = header else { return false };
    let is_tcp = parsed.protocol == ProtocolNumber::TCP;
    let needed = match header.fragment_offset() {
        0 if is_tcp => tcp::CHECKSUM_OFFSET + 2,
        0 => 8,
        1 => return !is_tcp,
        _ => 0,
    };
    parsed.end_offset() >= usize::from(parsed.transport_offset) + needed
}

/// Whether a fragment asks to open a TCP connection: only the first one can, and it has its flags.
pub(super) fn fragment_asks_to_open(parsed: &Parsed, frame: &[u8]) -> bool {
    let flags = frame.get(usize::from(parsed.transport_offset) + tcp::FLAGS_OFFSET);
    let header = frame.get(usize::from(parsed.network_offset)..);
    let header = header.and_then(|header| Ipv4Header::ref_from_prefix(header).ok());
    parsed.protocol == ProtocolNumber::TCP
        && header.is_some_and(|(header, _)| header.fragment_offset() == 0)
        && flags.is_some_and(|flags| flags & (tcp::SYN | tcp::ACK) == tcp::SYN)
}
