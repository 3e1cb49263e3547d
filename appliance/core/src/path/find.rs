//! Does this worker know the packet's flow?
//!
//! A hit is replayed: time, state and what the sides expect are noted in the record, and the
//! record says what to do. Packets that need no record are ended by the snapshot here as well.

use zerocopy::big_endian::U32;

use super::batch::{Action, Batch, Class, Frames};
use super::exhaustion::sequence_of;
use super::outbound::outbound_ticks;
use super::steer::hand_over;
use super::worker::{Now, Worker};
use crate::flow::{Entry, FlowKey, Kind, Side, TcpState, inbound_ticks};
use crate::policy::Snapshot;
use crate::telemetry::DropReason;
use crate::units::{MemberId, OutboundAddressId, RuleId, Tick, Transport};
use crate::wire::{Content, Parsed, ProtocolNumber, parse, tcp};

impl Worker {
    /// Finds the flows of all that may have one and did not go straight through, in the order of
    /// arrival.
    #[inline(never)]
    pub(super) fn find<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for place in batch.sets.turning {
            // It was read before, and so it can be read. What it is, is asked row by row: a SYN of
            // a member's own looks like a reply to `sort`.
            let content = parse(frames.frame(place), &mut batch.parsed[place]);
            let is_whole = matches!(content, Ok(Content::Ipv4 | Content::Ipv6));
            debug_assert!(is_whole, "a plain segment");
            self.steer_one(snapshot, frames, batch, place);
        }
        for place in batch.sets.tracked {
            self.flows.look_ahead(&batch.keys[place], batch.homes[place]);
        }
        for place in batch.sets.tracked {
            if !self.recall(snapshot, now, frames, batch, place) {
                batch.sets.missed.add(place);
                self.flows.prefetch_room(batch.homes[place]);
                if let Class::Outbound(member, mapping) = batch.classes[place] {
                    let parsed = &batch.parsed[place];
                    self.foresee_outbound(snapshot, (member, mapping, parsed));
                }
            }
        }
    }

    /// Looks one packet's flow up and replays it. Returns whether there is such a flow.
    #[inline(always)]
    pub(super) fn recall<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> bool {
        let found = self.flows.find(&batch.keys[place], batch.homes[place]);
        found.is_some_and(|slot| self.hit(snapshot, now, slot, frames, batch, place))
    }

    /// Notes a packet in its flow's record, which says what to do with it. Returns whether the
    /// flow still stands; if not, it has ended here.
    fn hit<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        slot: u32,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> bool {
        let (class, parsed) = (&batch.classes[place], &batch.parsed[place]);
        if !self.is_valid(snapshot, slot) {
            self.end_flow(slot);
            return false;
        }
        let entry = self.flows.at_mut(slot);
        if let Class::Reply(backend) = class
            && backend.member.0 != entry.target
        {
            batch.drop(place, DropReason::MemberMismatch);
            return true;
        }
        let side = match class {
            Class::Inbound(_) | Class::Outbound(..) => Side::Opener,
            Class::Reply(_) | Class::OutboundReply(..) | Class::Routed => Side::Responder,
        };
        if parsed.asks_to_open() && side == Side::Opener && entry.tcp.may_be_reopened() {
            self.end_flow(slot);
            return false;
        }
        if entry.is_stub() {
            return self.follow_stub(snapshot, now, slot, frames, batch, place);
        }
        let action = recorded(class, entry.target, entry.target_port);
        let is_tcp = parsed.protocol == ProtocolNumber::TCP;
        if !is_tcp && !entry.admits(far_end(class, parsed)) && !self.admit(slot, class, parsed) {
            batch.drop(place, DropReason::SnatFlowUnknown);
            return true;
        }
        let entry = self.flows.at_mut(slot);
        entry.last_seen = now.tick();
        if is_tcp {
            // Without the flag the number says nothing (RFC 9293 §3.1).
            if parsed.tcp_flags & tcp::ACK != 0 {
                let expects = match side {
                    Side::Opener => &mut entry.opener_expects,
                    Side::Responder => &mut entry.responder_expects,
                };
                catch_up(expects, parsed.acknowledgement);
            }
            let mut state = entry.tcp.after(side, parsed.tcp_flags);
            if state.is_reset() && !entry.tcp.is_reset() {
                let before = entry.tcp;
                let segment = frames.frame(place).get(usize::from(parsed.transport_offset)..);
                if !self.is_credible_reset(slot, side, segment) {
                    state = before;
                }
            }
            if state != self.flows.at(slot).tcp {
                self.change_state(snapshot, slot, state);
            }
        }
        batch.act(place, action);
        true
    }

    /// Passes a packet on to where its flow found a port.
    #[cold]
    fn follow_stub<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        slot: u32,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> bool {
        let (tag, parsed) = (frames.tag(place).passed_on(), &batch.parsed[place]);
        let next = match batch.classes[place] {
            Class::Outbound(_, position) => {
                let mapping = snapshot.mappings.get(position as usize);
                mapping.and_then(|mapping| self.next_share(mapping, parsed, tag))
            }
            Class::Inbound(_) | Class::Reply(_) | Class::OutboundReply(..) | Class::Routed => None,
        };
        let Some(next) = next else {
            self.end_flow(slot);
            return false;
        };
        // A request to open tells nothing of whether the flow was opened.
        if !batch.parsed[place].asks_to_open() {
            let entry = self.flows.at_mut(slot);
            (entry.last_seen, entry.tcp) = (now.tick(), TcpState::ESTABLISHED);
        }
        hand_over(next.worker, tag, frames, batch, place);
        true
    }

    /// Whether a UDP mapping goes on with a remote port that it was not used towards so far: if the
    /// member says so. Notes it then in both records.
    #[cold]
    fn admit(&mut self, slot: u32, class: &Class, parsed: &Parsed) -> bool {
        if !matches!(class, Class::Outbound(..)) || parsed.protocol != ProtocolNumber::UDP {
            return parsed.protocol != ProtocolNumber::UDP;
        }
        for slot in [Some(slot), self.flows.partner(slot)].into_iter().flatten() {
            self.flows.at_mut(slot).admit(parsed.destination_port);
        }
        true
    }

    /// Whether a RST can be the sender's: its sequence number is what the other side expects, or a
    /// little more, where nothing has gone astray (in the spirit of RFC 5961 §3.2). It is passed on
    /// in any case; one that is guessed ends no flow early.
    #[cold]
    fn is_credible_reset(&self, slot: u32, side: Side, segment: Option<&[u8]>) -> bool {
        let expected = |entry: &Entry| match side {
            Side::Opener => entry.responder_expects.get(),
            Side::Responder => entry.opener_expects.get(),
        };
        let partner =
            self.flows.partner(slot).map_or(0, |partner| expected(self.flows.at(partner)));
        let expected = expected(self.flows.at(slot)).max(partner);
        // Nobody has acknowledged anything yet: a connection that is refused.
        expected == 0
            || segment
                .and_then(sequence_of)
                .is_some_and(|sequence| sequence.wrapping_sub(expected) < RESET_WINDOW)
    }

    /// Notes a new state in the flow's records, and a deadline that has come nearer.
    #[inline(never)]
    fn change_state(&mut self, snapshot: &Snapshot, slot: u32, state: TcpState) {
        let mut whole = state;
        if let Some(partner) = self.flows.partner(slot) {
            whole = whole.and(self.flows.at(partner).tcp);
            self.flows.at_mut(partner).tcp = whole;
        }
        self.flows.at_mut(slot).tcp = whole;
        if (whole.is_closing() || whole.is_reset())
            && let Some(deadline) = self.deadline(snapshot, slot)
        {
            self.flows.reschedule(slot, deadline);
        }
    }

    /// Whether a record may be used under this snapshot. A record from before the last change
    /// that can end flows is checked once, and carries the new generation from then on.
    #[inline]
    fn is_valid(&mut self, snapshot: &Snapshot, slot: u32) -> bool {
        if self.flows.at(slot).generation >= snapshot.flows_valid_since {
            return true;
        }
        let valid = self.still_stands(snapshot, slot);
        if valid {
            self.flows.at_mut(slot).generation = snapshot.generation;
        }
        valid
    }

    /// Whether what a record says is what the snapshot would still allow.
    #[cold]
    pub(super) fn still_stands(&self, snapshot: &Snapshot, slot: u32) -> bool {
        let entry = self.flows.at(slot);
        let Some(key) = FlowKey::unpack(&entry.key) else { return false };
        match key.kind {
            Kind::Inbound => {
                let rule = snapshot.rule(RuleId(key.id));
                let pool = rule.and_then(|rule| snapshot.pools.get(rule.pool as usize));
                pool.is_some_and(|pool| pool.members.contains(&MemberId(entry.target)))
            }
            Kind::Reservation(_) => true,
            Kind::Outbound(protocol) if entry.is_stub() => {
                snapshot.mapping(MemberId(key.id), protocol).is_some()
            }
            Kind::Outbound(protocol) => {
                let address = OutboundAddressId(entry.target);
                self.holds(snapshot, MemberId(key.id), protocol, address, entry.target_port)
            }
            Kind::OutboundReply(protocol) => {
                let address = OutboundAddressId(key.id);
                self.holds(snapshot, MemberId(entry.target), protocol, address, key.near_port)
            }
        }
    }

    /// Whether a port of an address is still the member's, on this worker: by what it may use, or
    /// until its last flow has ended. A member whose flows may not leave any more has none.
    pub(super) fn holds(
        &self,
        snapshot: &Snapshot,
        member: MemberId,
        protocol: Transport,
        address: OutboundAddressId,
        port: u16,
    ) -> bool {
        let may_leave = snapshot.mapping(member, protocol).is_some();
        let holder = snapshot.outbound_address(address).and_then(|it| it.holder(protocol, port));
        may_leave && holder.is_some_and(|it| it.member == member && it.worker == self.id)
    }

    /// When the silence of a flow ends it; `None` when its rule is gone.
    pub(super) fn deadline(&self, snapshot: &Snapshot, slot: u32) -> Option<Tick> {
        let entry = self.flows.at(slot);
        let key = FlowKey::unpack(&entry.key)?;
        if key.kind == Kind::Inbound {
            let idle = snapshot.rule(RuleId(key.id))?.idle_ticks;
            return Some(entry.last_seen.silent_for(inbound_ticks(entry.tcp, idle)));
        }
        let protocol = key.outbound_protocol()?;
        let member = match key.kind {
            Kind::OutboundReply(_) => entry.target,
            Kind::Inbound | Kind::Outbound(_) | Kind::Reservation(_) => key.id,
        };
        let timers = &snapshot.mapping(MemberId(member), protocol)?.timers;
        let ticks = outbound_ticks(protocol, entry.tcp, timers);
        let partner = self.flows.partner(slot).map(|partner| self.flows.at(partner).last_seen);
        Some(entry.last_seen.max(partner.unwrap_or_default()).silent_for(ticks))
    }
}

/// How far ahead of what its receiver has acknowledged a RST may be: as much as is usually under
/// way at a time.
const RESET_WINDOW: u32 = 1 << 20;

/// The remote port of a packet to or from the outside.
#[inline]
pub(super) const fn far_end(class: &Class, parsed: &Parsed) -> u16 {
    match class {
        Class::OutboundReply(..) => parsed.source_port,
        Class::Inbound(_) | Class::Reply(_) | Class::Outbound(..) | Class::Routed => {
            parsed.destination_port
        }
    }
}

/// Notes what a segment acknowledges, unless a later one of the same burst went straight through
/// before it (sequence numbers are compared as RFC 9293 §3.4 does).
fn catch_up(expects: &mut U32, acknowledged: u32) {
    let ahead = acknowledged.wrapping_sub(expects.get());
    if *expects == U32::ZERO || ahead < 1 << 31 {
        *expects = acknowledged.into();
    }
}

/// What a record says is to be done.
#[inline]
pub(super) fn recorded(class: &Class, target: u32, target_port: u16) -> Action {
    match *class {
        Class::Inbound(rule) => Action::ToMember(rule, MemberId(target)),
        Class::Reply(backend) => Action::FromFrontend(backend.rule, MemberId(target)),
        Class::Outbound(member, ..) => {
            Action::ToOutside(member, OutboundAddressId(target), target_port)
        }
        Class::OutboundReply(..) => Action::FromOutside(MemberId(target), target_port),
        Class::Routed => Action::Route,
    }
}
