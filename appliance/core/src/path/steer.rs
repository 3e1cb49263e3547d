//! What is this packet, and which worker owns its flow?
//!
//! Walks the ownership table of `policy::steer`, row by row. What this worker owns gets its flow
//! key, and the record's cache line is asked for; what another owns is handed over.

use super::batch::{Batch, Class, Frames, Stage, Tag, Verdict};
use super::parse::is_valid_destination;
use super::worker::{Now, Worker};
use crate::flow::key;
use crate::limits::HANDOFFS_PER_PACKET_MAX;
use crate::policy::keys::{self, AMBIGUOUS, Host};
use crate::policy::{Backend, Snapshot};
use crate::telemetry::DropReason;
use crate::units::{MemberId, OutboundAddressId, PortId, Transport, WorkerId};
use crate::wire::{Parsed, ProtocolNumber, icmp};

/// What classification says of one packet.
enum Sighting {
    Class(Class),
    Own(Host),
    Drop(DropReason),
}

impl Worker {
    /// Classifies the whole batch; hands over, ends or keys each packet.
    #[inline(never)]
    pub(super) fn steer<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for index in 0..batch.len() {
            let Stage::Parsed { fragment } = batch.stages[index] else { continue };
            let (ingress, tag) = (frames.ingress(index), frames.tag(index));
            let sighting = if fragment {
                classify_fragment(snapshot, &batch.parsed[index])
            } else {
                classify(snapshot, &batch.parsed[index], frames.frame(index), tag)
            };
            match sighting {
                Sighting::Class(class)
                    if !came_the_right_way(snapshot, class, &batch.parsed[index], ingress) =>
                {
                    batch.drop(index, DropReason::ReversePath);
                }
                Sighting::Class(class) => {
                    let owner = self.owner(snapshot, class, &batch.parsed[index]);
                    if owner == self.id {
                        self.ask_for_flow(snapshot, class, batch, index);
                    } else {
                        hand_over(owner, tag, frames, batch, index);
                    }
                }
                Sighting::Own(source) => self.receive_own(snapshot, source, ingress, batch, index),
                Sighting::Drop(reason) => batch.drop(index, reason),
            }
        }
        self.police(now, frames, batch);
    }

    /// The worker that a packet of this class belongs to; this one where any will do.
    #[inline]
    fn owner(&self, snapshot: &Snapshot, class: Class, parsed: &Parsed) -> WorkerId {
        match class {
            Class::Inbound(_) | Class::Reply(_) if parsed.protocol == ProtocolNumber::UDP => {
                self.id
            }
            Class::Inbound(_) => snapshot.owner.of_flow(
                parsed.source,
                parsed.source_port,
                parsed.destination,
                parsed.destination_port,
            ),
            Class::Reply(backend) => {
                let Some(rule) = snapshot.rule(backend.rule) else { return self.id };
                snapshot.owner.of_flow(
                    parsed.destination,
                    parsed.destination_port,
                    rule.frontend,
                    rule.frontend_port,
                )
            }
            Class::Outbound(_, mapping, _) => {
                snapshot.mappings.get(mapping as usize).map_or(self.id, |mapping| mapping.worker)
            }
            Class::OutboundReply(address) => {
                holder_of(snapshot, address, parsed).unwrap_or(self.id)
            }
            Class::Routed => self.id,
        }
    }

    /// Sets the flow key and asks for the record.
    #[inline]
    fn ask_for_flow(&self, snapshot: &Snapshot, class: Class, batch: &mut Batch, index: usize) {
        batch.stages[index] = Stage::Steered(class);
        if let Some(key) = flow_key(snapshot, class, &batch.parsed[index]) {
            let home = self.flows.home(&key);
            self.flows.prefetch(home);
            batch.keys[index] = key;
            batch.homes[index] = home;
        }
    }
}

/// The key of a tracked packet's flow; `None` for classes that need no record.
#[inline]
pub(super) fn flow_key(snapshot: &Snapshot, class: Class, parsed: &Parsed) -> Option<[u64; 3]> {
    let tcp = parsed.protocol == ProtocolNumber::TCP;
    match class {
        Class::Inbound(rule) => tcp.then(|| key::inbound(parsed.source, parsed.source_port, rule)),
        Class::Reply(backend) => {
            tcp.then(|| key::inbound(parsed.destination, parsed.destination_port, backend.rule))
        }
        Class::Outbound(member, mapping, _) => {
            snapshot.mappings.get(mapping as usize)?;
            let (near, far) = (parsed.source_port, parsed.destination_port);
            Some(key::outbound(transport(parsed)?, member, near, parsed.destination, far))
        }
        Class::OutboundReply(address) => {
            let (near, far) = (parsed.destination_port, parsed.source_port);
            Some(key::outbound_reply(transport(parsed)?, address, near, parsed.source, far))
        }
        Class::Routed => None,
    }
}

#[inline]
pub(super) const fn transport(parsed: &Parsed) -> Option<Transport> {
    match parsed.protocol {
        ProtocolNumber::TCP => Some(Transport::Tcp),
        ProtocolNumber::UDP => Some(Transport::Udp),
        _ => None,
    }
}

/// Passes a packet to its owner, unless it has been passed around too often.
pub(super) fn hand_over<F: Frames>(
    owner: WorkerId,
    tag: Tag,
    frames: &mut F,
    batch: &mut Batch,
    index: usize,
) {
    if tag.handoffs >= HANDOFFS_PER_PACKET_MAX {
        return batch.drop(index, DropReason::HandoffLoop);
    }
    frames.set_tag(index, Tag { handoffs: tag.handoffs + 1, ..tag });
    batch.end(index, Verdict::HandOff(owner));
}

/// Rows of whole datagrams.
#[inline]
fn classify(snapshot: &Snapshot, parsed: &Parsed, frame: &[u8], tag: Tag) -> Sighting {
    let (to, from) = (parsed.destination, parsed.source);
    if transport(parsed).is_some() {
        let endpoint = keys::endpoint(to, parsed.destination_port, parsed.protocol);
        if let Some(rule) = snapshot.endpoints.get(&endpoint) {
            return Sighting::Class(Class::Inbound(crate::units::RuleId(rule)));
        }
        let endpoint = keys::endpoint(from, parsed.source_port, parsed.protocol);
        match snapshot.reverse.get(&endpoint) {
            Some(AMBIGUOUS) => return Sighting::Drop(DropReason::AmbiguousEndpoint),
            Some(position) => {
                if let Some(backend) = snapshot.backends.get(position as usize) {
                    return classify_from_endpoint(snapshot, parsed, frame, *backend, tag);
                }
            }
            None => {}
        }
    }
    classify_by_host(snapshot, parsed, frame)
}

/// A packet from an endpoint: the reply to a client, unless it opens a connection of the
/// member's own or the inbound owner knew no flow of it.
#[inline]
fn classify_from_endpoint(
    snapshot: &Snapshot,
    parsed: &Parsed,
    frame: &[u8],
    backend: Backend,
    tag: Tag,
) -> Sighting {
    if snapshot.hosts.get(&keys::host(parsed.destination)).map(Host).is_some_and(Host::is_ours) {
        // No client: the appliance itself, or a frontend that has no rule for this port.
        return classify_by_host(snapshot, parsed, frame);
    }
    if parsed.asks_to_open() || tag.inbound_missed {
        let class = outbound_class(snapshot, backend.member, parsed, Some(backend));
        return class.map_or(Sighting::Class(Class::Reply(backend)), Sighting::Class);
    }
    Sighting::Class(Class::Reply(backend))
}

/// Rows that the endpoints' maps do not know.
fn classify_by_host(snapshot: &Snapshot, parsed: &Parsed, frame: &[u8]) -> Sighting {
    let host = |address| snapshot.hosts.get(&keys::host(address)).map(Host).unwrap_or_default();
    let (to, from) = (host(parsed.destination), host(parsed.source));
    if to.is_own() {
        return classify_to_this_appliance(to, from, parsed);
    }
    if from.is_frontend() {
        return Sighting::Drop(DropReason::FloatingIpReply);
    }
    if from.is_own() || from.is_answered_for() {
        return Sighting::Drop(DropReason::SourceIsFrontend);
    }
    if let Some(address) = to.as_outbound()
        && transport(parsed).is_some()
        && holder_of(snapshot, address, parsed).is_some()
    {
        return Sighting::Class(Class::OutboundReply(address));
    }
    if to.is_answered_for() {
        return Sighting::Drop(reason_at_frontend(to, parsed, frame));
    }
    classify_through(snapshot, parsed, from)
}

fn classify_to_this_appliance(to: Host, from: Host, parsed: &Parsed) -> Sighting {
    debug_assert!(to.is_own());
    if from.is_own() || from.is_answered_for() || !super::parse::is_valid_source(parsed.source) {
        return Sighting::Drop(DropReason::SourceIsFrontend);
    }
    Sighting::Own(from)
}

/// Why a frontend takes no such packet.
fn reason_at_frontend(to: Host, parsed: &Parsed, frame: &[u8]) -> DropReason {
    if parsed.protocol == ProtocolNumber::ICMP {
        let kind = frame.get(usize::from(parsed.transport_offset)).copied().unwrap_or(0);
        return if icmp::is_error(kind) {
            DropReason::IcmpErrorNotTranslated
        } else {
            DropReason::IcmpToFrontend
        };
    }
    match (to.is_frontend(), transport(parsed)) {
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
        return if snapshot.routes.is_routed(parsed.source) {
            Sighting::Class(Class::Routed)
        } else {
            Sighting::Drop(DropReason::RouteNotPermitted)
        };
    }
    let Some(member) = from.as_member() else {
        return Sighting::Drop(DropReason::RouteNotPermitted);
    };
    if transport(parsed).is_none() {
        return Sighting::Drop(DropReason::ProtocolNotTranslated);
    }
    match outbound_class(snapshot, member, parsed, None) {
        Some(class) => Sighting::Class(class),
        None => Sighting::Drop(DropReason::NoOutbound),
    }
}

/// The outbound class of a member's packet, if it has ports for the protocol and the
/// destination is outside.
pub(super) fn outbound_class(
    snapshot: &Snapshot,
    member: MemberId,
    parsed: &Parsed,
    endpoint: Option<Backend>,
) -> Option<Class> {
    if snapshot.routes.is_routed(parsed.destination) || !is_valid_destination(parsed.destination) {
        return None;
    }
    let mapping = snapshot.member(member)?.mapping(transport(parsed)?)?;
    Some(Class::Outbound(member, mapping, endpoint))
}

/// Rows of fragments: translated flows take none, as in Azure; routed ones pass.
fn classify_fragment(snapshot: &Snapshot, parsed: &Parsed) -> Sighting {
    let host = |address| snapshot.hosts.get(&keys::host(address)).map(Host).unwrap_or_default();
    let (to, from) = (host(parsed.destination), host(parsed.source));
    if to.is_own() {
        return Sighting::Drop(DropReason::OwnAddressClosed);
    }
    if from.is_answered_for() || from.is_own() {
        return Sighting::Drop(DropReason::SourceIsFrontend);
    }
    let routed = snapshot.routes.is_routed(parsed.destination);
    if to.is_answered_for() || from.as_member().is_some() && !routed {
        return Sighting::Drop(DropReason::FragmentNotTranslated);
    }
    classify_through(snapshot, parsed, from)
}

/// The worker that holds the port which a packet from outside is addressed to.
fn holder_of(snapshot: &Snapshot, address: OutboundAddressId, parsed: &Parsed) -> Option<WorkerId> {
    let address = snapshot.outbound_address(address)?;
    Some(address.holder(transport(parsed)?, parsed.destination_port)?.worker)
}

/// Whether a member's packet came in by the port that leads to the member.
#[inline]
fn came_the_right_way(snapshot: &Snapshot, class: Class, parsed: &Parsed, ingress: PortId) -> bool {
    match class {
        // Both ends lie in prefixes of ours, so the source must come from where they are.
        Class::Routed => snapshot.routes.leads_by(parsed.source, ingress, &snapshot.adjacencies),
        Class::Reply(Backend { member, .. }) | Class::Outbound(member, _, _) => {
            comes_by_its_port(snapshot, member, ingress)
        }
        Class::Inbound(_) | Class::OutboundReply(_) => true,
    }
}

/// Whether `ingress` is the port that leads to `member`.
#[inline]
pub(super) fn comes_by_its_port(snapshot: &Snapshot, member: MemberId, ingress: PortId) -> bool {
    snapshot.member(member).is_some_and(|member| member.port == Some(ingress))
}
