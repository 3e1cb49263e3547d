//! What becomes of ICMP errors about translated flows?
//!
//! ```text
//!   error about Q = (s → d)  ─► Q' = (d → s): class, owner, record  ─► outer and quote rewritten
//! ```
//!
//! A packet Q left Weir translated, and somebody tells of it: a router on its way or the host that
//! it reached. The packet of the same flow that comes from there is Q'. So the error belongs to
//! whoever owns Q', and goes where Q' would go (RFC 5508 §4.2, §4.3). It opens no flow, keeps none
//! alive and ends none: nothing is written down.
//!
//! Without a record it follows the hash, as segments in mid-stream do, since several appliances may
//! stand behind one address, and a router's error reaches any of them. Not here: the bytes
//! (`wire::quoted`), errors about packets that were only routed, which are routed themselves.

use super::batch::{Action, Batch, Class, Frames, Tag};
use super::classify::{Sighting, classify, outbound_mapping};
use super::decide::{check_source, selection_hash};
use super::echo::classify_echo;
use super::find::{far_end, recorded};
use super::instance;
use super::parse::is_valid_destination;
use super::steer::{flow_key, hand_over, owner};
use super::worker::Worker;
use crate::policy::{Backend, Snapshot};
use crate::telemetry::{Counter, DropReason};
use crate::units::{MemberId, PortId, RuleId};
use crate::wire::icmp::{self, Echo};
use crate::wire::quoted::{self, Quoted};
use crate::wire::{Parsed, ProtocolNumber, Translation, parse};

/// Whether this is ICMP that tells of another packet.
#[inline]
pub(super) fn is_error(parsed: &Parsed, frame: &[u8]) -> bool {
    match (parsed.protocol, parsed.source.is_v4()) {
        (ProtocolNumber::ICMP, true) => kind(parsed, frame).is_some_and(icmp::is_error),
        (ProtocolNumber::ICMPV6, false) => kind(parsed, frame).is_some_and(icmp::is_error_v6),
        _ => false,
    }
}

fn kind(parsed: &Parsed, frame: &[u8]) -> Option<u8> {
    frame.get(..parsed.end_offset())?.get(usize::from(parsed.transport_offset)).copied()
}

/// What an error is: the class of the packet of the same flow that would come from where the
/// error comes from, with that packet; without it what the error is by itself, as one that is
/// routed.
pub(super) fn classify_error(
    snapshot: &Snapshot,
    outer: &Parsed,
    ingress: PortId,
    frame: &[u8],
    tag: Tag,
) -> (Sighting, Option<Parsed>) {
    if snapshot.hosts.get(outer.destination).is_own() {
        return (classify(snapshot, outer, frame, tag), None);
    }
    if let Some(quoted) = quoted::read(frame, outer)
        && quoted.source == outer.destination
    {
        let reversed = reversed(outer, &quoted);
        let sighting = match quoted.echo {
            // What comes back from where a request went is its reply, and the other way round.
            Some(Echo::Request) => classify_echo(snapshot, &reversed, Echo::Reply, &[], tag),
            Some(Echo::Reply) => classify_echo(snapshot, &reversed, Echo::Request, &[], tag),
            None => classify(snapshot, &reversed, &[], tag),
        };
        if let Sighting::Class(
            Class::Inbound(_) | Class::Reply(_) | Class::Outbound(..) | Class::OutboundReply(..),
        )
        | Sighting::Stateless(_) = sighting
        {
            return match check_ends(snapshot, outer, ingress) {
                Ok(()) => (sighting, Some(reversed)),
                Err(reason) => (Sighting::Drop(reason), None),
            };
        }
    }
    (by_itself(snapshot, outer, frame, tag), None)
}

/// What an error is that tells of no translated flow.
fn by_itself(snapshot: &Snapshot, outer: &Parsed, frame: &[u8], tag: Tag) -> Sighting {
    match classify(snapshot, outer, frame, tag) {
        Sighting::Drop(
            DropReason::IcmpToFrontend
            | DropReason::ProtocolNotTranslated
            | DropReason::NoOutbound
            | DropReason::RouteNotPermitted,
        )
        | Sighting::Class(Class::Outbound(..))
        | Sighting::Stateless(_) => Sighting::Drop(DropReason::IcmpErrorNotTranslated),
        sighting @ (Sighting::Class(_) | Sighting::Own(_) | Sighting::Drop(_)) => sighting,
    }
}

/// Whether an error may come from there, which may be any router, and go there.
fn check_ends(snapshot: &Snapshot, outer: &Parsed, ingress: PortId) -> Result<(), DropReason> {
    if !is_valid_destination(outer.destination) {
        return Err(DropReason::DestinationInvalid);
    }
    check_source(snapshot, outer, ingress)
}

/// The packet that would come from where the quoted one went, in the frame of the error.
const fn reversed(outer: &Parsed, quoted: &Quoted) -> Parsed {
    Parsed {
        source: quoted.destination,
        destination: quoted.source,
        source_port: quoted.destination_port,
        destination_port: quoted.source_port,
        protocol: quoted.protocol,
        acknowledgement: 0,
        tcp_flags: 0,
        ..*outer
    }
}

impl Worker {
    /// Classifies an ICMP error; one about a translated flow gets the tuple of that flow.
    pub(super) fn steer_error<F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &F,
        batch: &mut Batch,
        place: usize,
    ) -> Sighting {
        let (parsed, ingress) = (&batch.parsed[place], batch.ingress[place]);
        let (frame, tag) = (frames.frame(place), frames.tag(place));
        let (sighting, reversed) = classify_error(snapshot, parsed, ingress, frame, tag);
        if let Some(reversed) = reversed {
            batch.parsed[place] = reversed;
            batch.sets.errors.add(place);
        }
        sighting
    }

    /// Sends an error on its flow's way, on the flow's owner.
    pub(super) fn follow_error<F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let (class, parsed) = (batch.classes[place], &batch.parsed[place]);
        if let Some(action) = self.recorded_way(snapshot, class, parsed) {
            return batch.conclude(place, action);
        }
        match class {
            Class::Inbound(rule) => {
                let member = picked(snapshot, rule, parsed);
                batch.conclude(place, member.map(|member| Action::ToMember(rule, member)));
            }
            Class::Reply(backend) => self.follow_reply(snapshot, backend, frames, batch, place),
            Class::Outbound(_, mapping) => {
                self.follow_outbound(snapshot, mapping, frames, batch, place);
            }
            Class::OutboundReply(..) | Class::Routed => {
                batch.drop(place, DropReason::IcmpErrorNotTranslated);
            }
        }
    }

    /// Writes an error with its new end, and the packet that it quotes with the opposite one.
    pub(super) fn rewrite_error(&self, frame: &mut [u8], reversed: &Parsed, to: &Translation) {
        let is_v4 = reversed.source.is_v4();
        let protocol = if is_v4 { ProtocolNumber::ICMP } else { ProtocolNumber::ICMPV6 };
        let outer = Parsed { protocol, ..*reversed };
        if let Some(quoted) = quoted::read(frame, &outer) {
            quoted::translate(frame, &outer, &quoted, to);
            self.counters.count(Counter::IcmpErrorsTranslated, 1);
        }
    }

    /// What the flow's record says, if there is one that still stands. It is only read.
    fn recorded_way(
        &self,
        snapshot: &Snapshot,
        class: Class,
        parsed: &Parsed,
    ) -> Option<Result<Action, DropReason>> {
        let key = flow_key(class, parsed)?;
        let slot = self.flows.find(&key, self.flows.home(&key))?;
        let entry = self.flows.at(slot);
        if entry.generation < snapshot.flows_valid_since && !self.still_stands(snapshot, slot) {
            return None;
        }
        if entry.is_stub() {
            return None;
        }
        if let Class::Reply(backend) = class
            && backend.member.0 != entry.target
        {
            return Some(Err(DropReason::MemberMismatch));
        }
        if parsed.protocol == ProtocolNumber::UDP && !entry.admits(far_end(&class, parsed)) {
            return Some(Err(DropReason::IcmpErrorNotTranslated));
        }
        Some(Ok(recorded(&class, entry.target, entry.target_port)))
    }

    /// An error from inside about a client's packet without a record, or about a packet to a port
    /// of the member's that both clients and its own flows use.
    fn follow_reply<F: Frames>(
        &self,
        snapshot: &Snapshot,
        backend: Backend,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let parsed = batch.parsed[place];
        let routed = |address| snapshot.routes.is_routed(address);
        let as_reply = Action::FromFrontend(backend.rule, backend.member);
        if parsed.protocol == ProtocolNumber::UDP {
            return batch.act(place, as_reply);
        }
        if routed(parsed.source) && routed(parsed.destination) {
            return route_by_itself(snapshot, frames, batch, place);
        }
        if let Some(action) = instance::leaving_from_endpoint(snapshot, backend.member, &parsed) {
            return batch.act(place, action);
        }
        let Some(mapping) = outbound_mapping(snapshot, backend.member, &parsed) else {
            return batch.act(place, as_reply);
        };
        let tag = Tag { inbound_missed: true, ..frames.tag(place) };
        let class = Class::Outbound(backend.member, mapping);
        let owner = owner(snapshot, class, &parsed, tag.dry).unwrap_or(self.id);
        if owner != self.id {
            return hand_over(owner, tag, frames, batch, place);
        }
        frames.set_tag(place, tag);
        match self.recorded_way(snapshot, class, &parsed) {
            Some(way) => batch.conclude(place, way),
            None => self.follow_outbound(snapshot, mapping, frames, batch, place),
        }
    }

    /// An error from inside about a packet to a flow of the member's that this worker does not
    /// know: the next worker with ports of the member's may.
    fn follow_outbound<F: Frames>(
        &self,
        snapshot: &Snapshot,
        mapping: u32,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let (parsed, tag) = (&batch.parsed[place], frames.tag(place).passed_on());
        let mapping = snapshot.mappings.get(mapping as usize);
        match mapping.and_then(|mapping| self.next_share(mapping, parsed, tag)) {
            Some(next) => hand_over(next.worker, tag, frames, batch, place),
            None => batch.conclude(place, as_reply(snapshot, parsed)),
        }
    }
}

/// The member that the hash picks for the flow, which has no record.
fn picked(snapshot: &Snapshot, rule: RuleId, parsed: &Parsed) -> Result<MemberId, DropReason> {
    let rule = snapshot.rule(rule).ok_or(DropReason::NoRule)?;
    let pool = snapshot.pools.get(rule.pool as usize).ok_or(DropReason::NoHealthyMember)?;
    let client = (parsed.source, parsed.source_port);
    let frontend = (parsed.destination, parsed.destination_port);
    let hash = selection_hash(rule.distribution, client, frontend, parsed.protocol);
    pool.pick(hash).map_err(|_| DropReason::NoHealthyMember)
}

/// An error about a packet to a member's endpoint that belongs to none of its own flows: about a
/// client's, whose owner knows no flow of it either.
fn as_reply(snapshot: &Snapshot, parsed: &Parsed) -> Result<Action, DropReason> {
    let (near, port) = (parsed.source, parsed.source_port);
    let backend = snapshot.endpoints.member(near, port, parsed.protocol).flatten();
    let backend = backend.ok_or(DropReason::IcmpErrorNotTranslated)?;
    Ok(Action::FromFrontend(backend.rule, backend.member))
}

/// Routes an error between hosts inside, if it may be routed: no frontend was between them.
fn route_by_itself<F: Frames>(snapshot: &Snapshot, frames: &F, batch: &mut Batch, place: usize) {
    let mut outer = Parsed::default();
    let is_routed = parse(frames.frame(place), &mut outer).is_ok()
        && snapshot.routes.leads_by(outer.source, batch.ingress[place], &snapshot.adjacencies)
        && matches!(
            classify(snapshot, &outer, frames.frame(place), frames.tag(place)),
            Sighting::Class(Class::Routed)
        );
    if is_routed {
        batch.act(place, Action::Route);
    } else {
        batch.drop(place, DropReason::IcmpErrorNotTranslated);
    }
}
