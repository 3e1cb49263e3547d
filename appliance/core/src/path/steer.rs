//! What is this packet, and which worker owns its flow?
//!
//! Walks the ownership table of `policy::steer`. Nearly all packets go to a frontend endpoint or
//! come from a member's, which one look-up tells; the rest are asked after row by row in
//! `classify`. What this worker owns gets its flow key, and the record's cache line is asked for;
//! what another owns is handed over.

use super::batch::{Action, Batch, Class, Frames, Tag, Verdict};
use super::classify::{Sighting, classify, classify_fragment, holder_of, transport};
use super::places::Places;
use super::worker::{Now, Worker};
use crate::flow::key;
use crate::limits::HANDOFFS_PER_PACKET_MAX;
use crate::policy::{Backend, Origin, Snapshot};
use crate::telemetry::DropReason;
use crate::units::{MemberId, PortId, RuleId, WorkerId};
use crate::wire::{Parsed, ProtocolNumber};

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
        let mut to_us = Places::default();
        for place in batch.plain {
            to_us.add_if(place, snapshot.hosts.may_be_ours(batch.parsed[place].destination));
        }
        steer_to_frontends(snapshot, to_us, batch);
        steer_from_members(snapshot, batch.plain - to_us, frames, batch);
        if !(batch.unclassified | batch.fragments).is_empty() {
            self.steer_elsewhere(snapshot, frames, batch);
        }
        if snapshot.owner.workers() > 1 {
            self.hand_over_inbound(snapshot, frames, batch);
        }
        self.ask_for_flows(snapshot, batch);
        if !batch.punted.is_empty() {
            self.police(now, batch);
        }
    }

    /// Asks row by row for the class of each packet that has none yet.
    #[inline(never)]
    fn steer_elsewhere<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for place in batch.unclassified | batch.fragments {
            let parsed = &batch.parsed[place];
            let sighting = if batch.fragments.contains(place) {
                classify_fragment(snapshot, parsed)
            } else {
                classify(snapshot, parsed, frames.frame(place), frames.tag(place))
            };
            match sighting {
                Sighting::Class(class) => {
                    self.take_class(snapshot, class, frames, batch, place);
                }
                Sighting::Own(source) => self.receive_own(snapshot, source, batch, place),
                Sighting::Drop(reason) => batch.drop(place, reason),
            }
        }
    }

    /// Puts a packet into the set of its class.
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
        batch.classes[place] = class;
        match class {
            Class::Inbound(rule) => batch.take_inbound(place, rule),
            Class::Reply(backend) => batch.take_reply(place, backend),
            Class::Routed => batch.act(place, Action::Route),
            Class::Outbound(..) | Class::OutboundReply(_) => {
                let owner = outbound_owner(snapshot, class, parsed).unwrap_or(self.id);
                if owner == self.id {
                    batch.outbound.add(place);
                } else {
                    hand_over(owner, frames.tag(place), frames, batch, place);
                }
            }
        }
    }

    /// Hands over what belongs to the flows of other workers.
    #[inline(never)]
    fn hand_over_inbound<F: Frames>(&self, snapshot: &Snapshot, frames: &mut F, batch: &mut Batch) {
        for place in batch.tracked {
            let owner = flow_owner(snapshot, batch, place);
            if owner != self.id {
                batch.tracked.remove(place);
                hand_over(owner, frames.tag(place), frames, batch, place);
            }
        }
    }

    /// Sets the flow keys of all that may have a record, and asks for the records.
    #[inline]
    fn ask_for_flows(&self, snapshot: &Snapshot, batch: &mut Batch) {
        batch.inbound = batch.inbound & batch.tracked;
        batch.replies = batch.replies & batch.tracked;
        for place in batch.inbound {
            let parsed = &batch.parsed[place];
            let rule = batch.backends[place].rule;
            batch.keys[place] = key::inbound(parsed.source, parsed.source_port, rule);
            self.ask_for_flow(batch, place);
        }
        for place in batch.replies {
            let parsed = &batch.parsed[place];
            let rule = batch.backends[place].rule;
            batch.keys[place] = key::inbound(parsed.destination, parsed.destination_port, rule);
            self.ask_for_flow(batch, place);
        }
        for place in batch.outbound {
            let found = flow_key(snapshot, batch.classes[place], &batch.parsed[place]);
            let Some(key) = found else {
                batch.drop(place, DropReason::ProtocolNotTranslated);
                batch.outbound.remove(place);
                continue;
            };
            batch.keys[place] = key;
            batch.tracked.add(place);
            self.ask_for_flow(batch, place);
        }
    }

    #[inline]
    fn ask_for_flow(&self, batch: &mut Batch, place: usize) {
        let home = self.flows.home(&batch.keys[place]);
        self.flows.prefetch(home);
        batch.homes[place] = home;
    }
}

/// Packets to an address that may be ours: to a frontend endpoint, nearly always.
#[inline]
fn steer_to_frontends(snapshot: &Snapshot, to_us: Places, batch: &mut Batch) {
    for place in to_us {
        let parsed = &batch.parsed[place];
        let (port, protocol) = (parsed.destination_port, parsed.protocol);
        match snapshot.endpoints.get_v4(parsed.destination, port, protocol) {
            #[allow(clippy::cast_possible_truncation, reason = "a rule's id was put in")]
            Some(rule) => batch.take_inbound(place, RuleId(rule as u32)),
            None => batch.unclassified.add(place),
        }
    }
}

/// Packets to addresses that are not ours: replies of members' endpoints, nearly always.
#[inline]
fn steer_from_members<F: Frames>(
    snapshot: &Snapshot,
    to_others: Places,
    frames: &F,
    batch: &mut Batch,
) {
    for place in to_others {
        let parsed = &batch.parsed[place];
        let (port, protocol) = (parsed.source_port, parsed.protocol);
        let origin = snapshot.reverse.get_v4(parsed.source, port, protocol).map(Origin::from_word);
        let Some(Origin::Backend(backend)) = origin else {
            batch.unclassified.add(place);
            continue;
        };
        let opens = parsed.asks_to_open() || frames.tag(place).inbound_missed;
        if opens || !comes_by_its_port(snapshot, backend.member, batch.ingress[place]) {
            batch.unclassified.add(place);
            continue;
        }
        batch.take_reply(place, backend);
    }
}

impl Batch {
    /// A client's packet.
    #[inline]
    fn take_inbound(&mut self, place: usize, rule: RuleId) {
        self.backends[place] = Backend { rule, member: MemberId(0) };
        self.inbound.add(place);
        self.take(place, || Class::Inbound(rule));
    }

    /// A member's reply.
    #[inline]
    fn take_reply(&mut self, place: usize, backend: Backend) {
        self.backends[place] = backend;
        self.replies.add(place);
        self.take(place, || Class::Reply(backend));
    }

    /// TCP is tracked; of anything else policy is asked for every packet.
    #[inline]
    fn take(&mut self, place: usize, class: impl FnOnce() -> Class) {
        if self.parsed[place].protocol == ProtocolNumber::TCP {
            self.tracked.add(place);
        } else {
            self.classes[place] = class();
            self.missed.add(place);
        }
    }
}

/// The worker that owns an inbound flow.
fn flow_owner(snapshot: &Snapshot, batch: &Batch, place: usize) -> WorkerId {
    let (parsed, owner) = (&batch.parsed[place], &snapshot.owner);
    if batch.inbound.contains(place) {
        let (client, frontend) = (parsed.source, parsed.destination);
        return owner.of_flow(client, parsed.source_port, frontend, parsed.destination_port);
    }
    let Some(rule) = snapshot.rule(batch.backends[place].rule) else { return WorkerId(0) };
    let (client, port) = (parsed.destination, parsed.destination_port);
    owner.of_flow(client, port, rule.frontend, rule.frontend_port)
}

/// The worker that holds the ports of an outbound flow.
fn outbound_owner(snapshot: &Snapshot, class: Class, parsed: &Parsed) -> Option<WorkerId> {
    match class {
        Class::Outbound(_, mapping, _) => Some(snapshot.mappings.get(mapping as usize)?.worker),
        Class::OutboundReply(address) => holder_of(snapshot, address, parsed),
        Class::Inbound(_) | Class::Reply(_) | Class::Routed => None,
    }
}

/// The key of a tracked packet's flow; `None` for classes that need no record.
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

/// Passes a packet to its owner, unless it has been passed around too often.
pub(super) fn hand_over<F: Frames>(
    owner: WorkerId,
    tag: Tag,
    frames: &mut F,
    batch: &mut Batch,
    place: usize,
) {
    if tag.handoffs >= HANDOFFS_PER_PACKET_MAX {
        return batch.drop(place, DropReason::HandoffLoop);
    }
    frames.set_tag(place, Tag { handoffs: tag.handoffs + 1, ..tag });
    batch.end(place, Verdict::HandOff(owner));
}

/// Whether a member's packet came in by the port that leads to the member.
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
