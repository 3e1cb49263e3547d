//! Which row of the ownership table is this packet's?
//!
//! For packets that are not plainly a client's to a frontend endpoint or a member's reply: each row
//! in turn, every question asked. Not here: who owns what is found (`steer`).

use super::batch::{Action, Class, Tag};
use super::instance;
use super::parse::{is_valid_destination, is_valid_source};
use crate::policy::{Backend, Host, Snapshot};
use crate::telemetry::DropReason;
use crate::units::{MemberId, OutboundAddressId, Transport, WorkerId};
use crate::wire::{Parsed, ProtocolNumber, icmp, tcp};

/// What classification says of one packet.
pub(super) enum Sighting {
    /// It is one of these.
    Class(Class),
    /// It needs neither a record nor an owner.
    Stateless(Action),
    /// It goes to an own address, and comes from such a host.
    Own(Host),
    /// It ends here.
    Drop(DropReason),
}

/// What tells a flow apart from others of its two hosts: ports, or what stands for them.
#[inline]
pub(super) const fn transport(parsed: &Parsed) -> Option<Transport> {
    match parsed.protocol {
        ProtocolNumber::TCP => Some(Transport::Tcp),
        ProtocolNumber::UDP => Some(Transport::Udp),
        ProtocolNumber::ICMP => Some(Transport::Icmp),
        _ => None,
    }
}

/// The same of the protocols that rules speak of.
#[inline]
const fn ruled(parsed: &Parsed) -> Option<Transport> {
    match transport(parsed) {
        Some(Transport::Icmp) | None => None,
        ports => ports,
    }
}

/// Whether this is ICMP as its family speaks it.
pub(super) const fn is_icmp(parsed: &Parsed) -> bool {
    let protocol =
        if parsed.source.is_v4() { ProtocolNumber::ICMP } else { ProtocolNumber::ICMPV6 };
    parsed.protocol == protocol
}

/// Rows of whole datagrams.
#[inline]
pub(super) fn classify(snapshot: &Snapshot, parsed: &Parsed, frame: &[u8], tag: Tag) -> Sighting {
    let (to, from) = (parsed.destination, parsed.source);
    if ruled(parsed).is_some() {
        let (near, far) = (parsed.destination_port, parsed.source_port);
        if let Some(rule) = snapshot.endpoints.frontend(to, near, parsed.protocol) {
            return Sighting::Class(Class::Inbound(rule));
        }
        match snapshot.endpoints.member(from, far, parsed.protocol) {
            Some(None) => return Sighting::Drop(DropReason::AmbiguousEndpoint),
            // To no client: to the appliance itself, or to a frontend without a rule for this port.
            Some(Some(_)) if snapshot.hosts.get(to).is_ours() => {}
            Some(Some(backend)) => return classify_from_endpoint(snapshot, parsed, backend, tag),
            None => {}
        }
    }
    classify_by_host(snapshot, parsed, frame)
}

/// A packet from an endpoint: the reply to a client, unless it opens a connection of the
/// member's own or the inbound owner knew no flow of it.
fn classify_from_endpoint(
    snapshot: &Snapshot,
    parsed: &Parsed,
    backend: Backend,
    tag: Tag,
) -> Sighting {
    if parsed.asks_to_open()
        && let Some(action) = instance::leaving_from_endpoint(snapshot, backend.member, parsed)
    {
        return Sighting::Stateless(action);
    }
    if (parsed.asks_to_open() || tag.inbound_missed)
        && let Some(mapping) = outbound_mapping(snapshot, backend.member, parsed)
    {
        return Sighting::Class(Class::Outbound(backend.member, mapping));
    }
    Sighting::Class(Class::Reply(backend))
}

/// Rows that the endpoints' maps do not know.
fn classify_by_host(snapshot: &Snapshot, parsed: &Parsed, frame: &[u8]) -> Sighting {
    let (to, from) = (snapshot.hosts.get(parsed.destination), snapshot.hosts.get(parsed.source));
    if to.is_own() {
        return classify_to_this_appliance(to, from, parsed);
    }
    if from.is_frontend() {
        return Sighting::Drop(DropReason::FloatingIpReply);
    }
    if from.is_own() || from.is_answered_for() {
        return Sighting::Drop(DropReason::SourceIsFrontend);
    }
    if let Some(id) = to.as_instance() {
        return instance::classify_arriving(snapshot, id, from, parsed);
    }
    if let Some(address) = to.as_outbound()
        && ruled(parsed).is_some()
        && let Some(holder) = holder_of(snapshot, address, parsed)
    {
        return Sighting::Class(Class::OutboundReply(address, holder));
    }
    if to.is_answered_for() {
        return Sighting::Drop(reason_at_frontend(to, parsed, frame));
    }
    classify_through(snapshot, parsed, from)
}

fn classify_to_this_appliance(to: Host, from: Host, parsed: &Parsed) -> Sighting {
    debug_assert!(to.is_own());
    let may_ask = is_valid_source(parsed.source) || parsed.source.is_link_local();
    if from.is_own() || from.is_answered_for() || !may_ask {
        return Sighting::Drop(DropReason::SourceIsFrontend);
    }
    Sighting::Own(from)
}

/// Why a frontend takes no such packet.
fn reason_at_frontend(to: Host, parsed: &Parsed, frame: &[u8]) -> DropReason {
    if is_icmp(parsed) {
        let kind = frame.get(usize::from(parsed.transport_offset)).copied().unwrap_or(0);
        let is_error =
            if parsed.source.is_v4() { icmp::is_error(kind) } else { icmp::is_error_v6(kind) };
        return if is_error {
            DropReason::IcmpErrorNotTranslated
        } else {
            DropReason::IcmpToFrontend
        };
    }
    match (to.is_frontend(), ruled(parsed)) {
        (_, None) => DropReason::ProtocolNotTranslated,
        (true, Some(_)) => DropReason::NoRule,
        (false, Some(_)) => DropReason::SnatFlowUnknown,
    }
}

/// A packet that neither comes from an endpoint nor goes to this appliance: a member's outbound
/// flow, or one to be routed.
fn classify_through(snapshot: &Snapshot, parsed: &Parsed, from: Host) -> Sighting {
    if !is_valid_destination(parsed.destination) {
        return Sighting::Drop(DropReason::DestinationInvalid);
    }
    if snapshot.routes.is_routed(parsed.destination) {
        return if !is_valid_source(parsed.source) {
            Sighting::Drop(DropReason::SourceInvalid)
        } else if snapshot.routes.is_routed(parsed.source) {
            Sighting::Class(Class::Routed)
        } else {
            Sighting::Drop(DropReason::RouteNotPermitted)
        };
    }
    let Some(member) = from.as_member() else {
        return Sighting::Drop(DropReason::RouteNotPermitted);
    };
    if let Some(action) = instance::leaving(snapshot, member) {
        return Sighting::Stateless(action);
    }
    if ruled(parsed).is_none() {
        return Sighting::Drop(DropReason::ProtocolNotTranslated);
    }
    match mapping_of(snapshot, member, parsed) {
        Some(mapping) => Sighting::Class(Class::Outbound(member, mapping)),
        None => Sighting::Drop(DropReason::NoOutbound),
    }
}

/// The mapping for a member's packet to the outside, by its position, if the member has ports for
/// the protocol and the destination is outside. Ports are of IPv4 addresses, and for IPv4 only.
pub(super) fn outbound_mapping(
    snapshot: &Snapshot,
    member: MemberId,
    parsed: &Parsed,
) -> Option<u32> {
    if snapshot.routes.is_routed(parsed.destination) || !is_valid_destination(parsed.destination) {
        return None;
    }
    mapping_of(snapshot, member, parsed)
}

/// The same where the destination is known to be outside.
#[inline]
fn mapping_of(snapshot: &Snapshot, member: MemberId, parsed: &Parsed) -> Option<u32> {
    if !parsed.source.is_v4() {
        return None;
    }
    let member = snapshot.member(member)?;
    // A public address of its own wins (behaviour.md §4.1).
    if member.instance.is_some() { None } else { member.mapping(ruled(parsed)?) }
}

/// Rows of fragments: translated flows take none, as in Azure; routed ones pass, and those of a
/// member's own public address.
pub(super) fn classify_fragment(snapshot: &Snapshot, parsed: &Parsed, frame: &[u8]) -> Sighting {
    let (to, from) = (snapshot.hosts.get(parsed.destination), snapshot.hosts.get(parsed.source));
    if to.is_own() {
        return Sighting::Drop(DropReason::OwnAddressClosed);
    }
    if from.is_answered_for() || from.is_own() {
        return Sighting::Drop(DropReason::SourceIsFrontend);
    }
    let routed = snapshot.routes.is_routed(parsed.destination);
    if let Some(sighting) = classify_fragment_of_instance(snapshot, parsed, frame, (to, from)) {
        return sighting;
    }
    if to.is_answered_for() || from.as_member().is_some() && !routed {
        return Sighting::Drop(DropReason::FragmentNotTranslated);
    }
    classify_through(snapshot, parsed, from)
}

/// The row of fragments to or from a member's own public address, if this is one.
fn classify_fragment_of_instance(
    snapshot: &Snapshot,
    parsed: &Parsed,
    frame: &[u8],
    (to, from): (Host, Host),
) -> Option<Sighting> {
    let id = to.as_instance();
    let is_outside = || !snapshot.routes.is_routed(parsed.destination);
    let leaves = || from.as_member().is_some_and(|it| snapshot.instance(it).is_some());
    if id.is_none() && !(leaves() && is_outside()) {
        return None;
    }
    if !instance::is_sound_fragment(parsed, frame) {
        return Some(Sighting::Drop(DropReason::FragmentNotTranslated));
    }
    let Some(id) = id else { return Some(classify_through(snapshot, parsed, from)) };
    let opens = instance::fragment_asks_to_open(parsed, frame);
    let flags = if opens { tcp::SYN } else { 0 };
    let parsed = Parsed { tcp_flags: flags, ..*parsed };
    Some(instance::classify_arriving(snapshot, id, from, &parsed))
}

/// The worker that holds the port which a packet from outside is addressed to.
fn holder_of(snapshot: &Snapshot, address: OutboundAddressId, parsed: &Parsed) -> Option<WorkerId> {
    let address = snapshot.outbound_address(address)?;
    Some(address.holder(ruled(parsed)?, parsed.destination_port)?.worker)
}
