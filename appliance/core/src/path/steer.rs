//! What is this packet, and which worker owns its flow?
//!
//! Walks the ownership table of `policy::steer`, row by row, for whatever was not sorted. What this
//! worker owns gets its flow key, and the record's cache line is asked for; what another owns is
//! handed over.

use super::batch::{Action, Batch, Class, Frames, Tag, Verdict};
use super::classify::{Sighting, classify, classify_fragment, is_icmp, transport};
use super::worker::{Now, Worker};
use crate::flow::key;
use crate::limits::HANDOFFS_PER_PACKET_MAX;
use crate::policy::{Backend, OutboundMapping, Share, Snapshot};
use crate::tables::{Key, mix};
use crate::telemetry::DropReason;
use crate::units::{MemberId, PortId, WorkerId};
use crate::wire::{Parsed, ProtocolNumber};

impl Worker {
    /// Classifies what was not sorted; hands over, ends or keys each packet.
    #[inline(never)]
    pub(super) fn steer<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for place in batch.sets.whole | batch.sets.fragments {
            self.steer_one(snapshot, frames, batch, place);
        }
        self.police(now, batch);
    }

    /// Classifies one parsed packet, whatever it is.
    pub(super) fn steer_one<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let parsed = &batch.parsed[place];
        let sighting = if batch.sets.fragments.contains(place) {
            classify_fragment(snapshot, parsed, frames.frame(place))
        } else if is_icmp(parsed) {
            self.steer_icmp(snapshot, frames, batch, place)
        } else {
            classify(snapshot, parsed, frames.frame(place), frames.tag(place))
        };
        match sighting {
            Sighting::Class(class) => self.take_class(snapshot, class, frames, batch, place),
            Sighting::Stateless(action) => take_stateless(snapshot, action, batch, place),
            Sighting::Own(source) => self.receive_own(snapshot, source, batch, place),
            Sighting::Drop(reason) => batch.drop(place, reason),
        }
    }

    /// The share that a packet tagged so is passed on to. Where the shares have changed under way,
    /// it may be this worker's again, which is none.
    pub(super) fn next_share<'a>(
        &self,
        mapping: &'a OutboundMapping,
        parsed: &Parsed,
        tag: Tag,
    ) -> Option<&'a Share> {
        first_share(mapping, parsed, tag.dry).filter(|share| share.worker != self.id)
    }

    /// Puts a packet into the set of its class, or passes it to its owner.
    #[inline]
    fn take_class<F: Frames>(
        &self,
        snapshot: &Snapshot,
        class: Class,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let (parsed, ingress) = (&batch.parsed[place], batch.ingress[place]);
        if !came_the_right_way(snapshot, class, parsed, ingress) {
            return batch.drop(place, DropReason::ReversePath);
        }
        let dry = frames.tag(place).dry;
        let owner = owner(snapshot, class, parsed, dry).unwrap_or(self.id);
        if owner != self.id {
            return hand_over(owner, frames.tag(place), frames, batch, place);
        }
        batch.classes[place] = class;
        if batch.sets.errors.contains(place) {
            return batch.sets.missed.add(place);
        }
        match (flow_key(class, parsed), class) {
            (Some(key), _) => {
                let home = self.flows.home(&key);
                self.flows.prefetch(home);
                (batch.keys[place], batch.homes[place]) = (key, home);
                batch.sets.tracked.add(place);
            }
            (None, Class::Routed) => batch.act(place, Action::Route),
            (None, Class::Inbound(_) | Class::Reply(_)) => batch.sets.missed.add(place),
            (None, Class::Outbound(..) | Class::OutboundReply(..)) => {
                batch.drop(place, DropReason::ProtocolNotTranslated);
            }
        }
    }
}

/// Sends a packet on that this worker may as well have as any other.
fn take_stateless(snapshot: &Snapshot, action: Action, batch: &mut Batch, place: usize) {
    if let Action::FromInstance(member) = action
        && !comes_by_its_port(snapshot, member, batch.ingress[place])
    {
        return batch.drop(place, DropReason::ReversePath);
    }
    batch.act(place, action);
}

/// The worker that owns a packet of this class; `None` where any will do.
#[inline]
pub(super) fn owner(
    snapshot: &Snapshot,
    class: Class,
    parsed: &Parsed,
    dry: u8,
) -> Option<WorkerId> {
    let is_tracked = parsed.protocol == ProtocolNumber::TCP;
    let (rule, client, port) = match class {
        Class::Inbound(rule) if is_tracked => (rule, parsed.source, parsed.source_port),
        Class::Reply(backend) if is_tracked => {
            (backend.rule, parsed.destination, parsed.destination_port)
        }
        Class::Outbound(_, mapping) => {
            let mapping = snapshot.mappings.get(mapping as usize)?;
            return Some(first_share(mapping, parsed, dry)?.worker);
        }
        Class::OutboundReply(_, holder) => return Some(holder),
        Class::Inbound(_) | Class::Reply(_) | Class::Routed => return None,
    };
    Some(snapshot.owner.of_client(client, port, snapshot.rule(rule)?.owner_share))
}

/// The secret of the hash that picks among a member's workers, any odd number.
const SHARES: u64 = 0x9e37_79b9_7f4a_7c15;

/// The share of a member's ports that a packet's flow is to be found at, when so many before were
/// found without a port for it. By what tells its mapping apart, so that all packets of one come to
/// the same.
#[inline]
pub(super) fn first_share<'a>(
    mapping: &'a OutboundMapping,
    parsed: &Parsed,
    dry: u8,
) -> Option<&'a Share> {
    let hash = || {
        let near = u64::from(parsed.source_port);
        let tcp = parsed.protocol == ProtocolNumber::TCP;
        let (far, far_port) = if mapping.endpoint_independent {
            (0, 0)
        } else {
            let port = if tcp { u64::from(parsed.destination_port) } else { 0 };
            (parsed.destination.high ^ parsed.destination.low, port)
        };
        // Twice, since hosts count their ports up, or by two: all bits must tell.
        mix(mix(far ^ SHARES, near << 16 | far_port) ^ SHARES, SHARES.rotate_left(32))
    };
    mapping.share(hash, dry)
}

/// The key of a tracked packet's flow; `None` for classes that need no record.
#[inline]
pub(super) fn flow_key(class: Class, parsed: &Parsed) -> Option<Key> {
    let tcp = parsed.protocol == ProtocolNumber::TCP;
    match class {
        Class::Inbound(rule) => tcp.then(|| key::inbound(parsed.source, parsed.source_port, rule)),
        Class::Reply(backend) => {
            tcp.then(|| key::inbound(parsed.destination, parsed.destination_port, backend.rule))
        }
        Class::Outbound(member, _) => {
            let (near, far) = (parsed.source_port, parsed.destination_port);
            Some(key::outbound(transport(parsed)?, member, near, parsed.destination, far))
        }
        Class::OutboundReply(address, _) => {
            let (near, far) = (parsed.destination_port, parsed.source_port);
            Some(key::outbound_reply(transport(parsed)?, address, near, parsed.source, far))
        }
        Class::Routed => None,
    }
}

/// Passes a packet to its owner, unless it has been passed around too often.
pub(super) fn hand_over<F: Frames>(
    owner: WorkerId,
    tag: Tag,
    frames: &mut F,
    batch: &mut Batch,
    place: usize,
) {
    // A member's workers pass it on among themselves besides.
    if tag.handoffs >= HANDOFFS_PER_PACKET_MAX + tag.dry {
        return batch.drop(place, DropReason::HandoffLoop);
    }
    frames.set_tag(place, Tag { handoffs: tag.handoffs + 1, ..tag });
    batch.end(place, Verdict::HandOff(owner));
}

/// Whether a member's packet came in by the port that leads to the member.
#[inline]
fn came_the_right_way(snapshot: &Snapshot, class: Class, parsed: &Parsed, ingress: PortId) -> bool {
    match class {
        // Both ends lie in prefixes of ours, so the source must come from where they are.
        Class::Routed => snapshot.routes.leads_by(parsed.source, ingress, &snapshot.adjacencies),
        Class::Reply(Backend { member, .. }) | Class::Outbound(member, _) => {
            comes_by_its_port(snapshot, member, ingress)
        }
        Class::Inbound(_) | Class::OutboundReply(..) => true,
    }
}

/// Whether `ingress` is the port that leads to `member`.
#[inline]
pub(super) fn comes_by_its_port(snapshot: &Snapshot, member: MemberId, ingress: PortId) -> bool {
    snapshot.member(member).is_some_and(|member| member.port == Some(ingress))
}
