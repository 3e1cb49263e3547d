//! Does this worker know the packet's flow?
//!
//! A hit is replayed: time, state and what the sides expect are noted in the record, and the
//! record says what to do. Packets that need no record are ended by the snapshot here as well.

use zerocopy::FromBytes;

use super::batch::{Action, Batch, Class, Frames, Stage};
use super::worker::{Now, Worker};
use crate::flow::{FlowKey, Kind, Side, TcpState, inbound_ticks, outbound_ticks};
use crate::policy::Snapshot;
use crate::tables::Key;
use crate::telemetry::DropReason;
use crate::units::{MemberId, OutboundAddressId, RuleId, Tick, Transport};
use crate::wire::tcp::TcpHeader;
use crate::wire::{Parsed, ProtocolNumber};

impl Worker {
    /// Finds the flows of the whole batch.
    #[inline(never)]
    pub(super) fn find<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &F,
        batch: &mut Batch,
    ) {
        // The home lines are there by now; a record that stands elsewhere would be waited for.
        for index in 0..batch.len() {
            if matches!(batch.stages[index], Stage::Steered(_)) {
                self.flows.prefetch_next(&batch.keys[index], batch.homes[index]);
            }
        }
        for index in 0..batch.len() {
            let Stage::Steered(class) = batch.stages[index] else { continue };
            batch.stages[index] = match class {
                Class::Routed => Stage::Decided(Action::Route),
                Class::Inbound(_) | Class::Reply(_)
                    if batch.parsed[index].protocol == ProtocolNumber::UDP =>
                {
                    Stage::Missed(class)
                }
                Class::Inbound(_)
                | Class::Reply(_)
                | Class::Outbound(..)
                | Class::OutboundReply(_) => {
                    let (key, home) = (&batch.keys[index], batch.homes[index]);
                    let frame = frames.frame(index);
                    self.look_up(snapshot, now, class, key, home, &batch.parsed[index], frame)
                }
            };
            refuse_another_member(class, batch, index);
        }
    }

    /// Looks one packet's flow up.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "one packet's columns")]
    pub(super) fn look_up(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        class: Class,
        key: &Key,
        home: u32,
        parsed: &Parsed,
        frame: &[u8],
    ) -> Stage {
        let Some(slot) = self.flows.find(key, home) else { return Stage::Missed(class) };
        if !self.is_valid(snapshot, slot) {
            self.end_flow(slot);
            return Stage::Missed(class);
        }
        let entry = self.flows.at(slot);
        if let Class::Reply(backend) = class
            && backend.member.0 != entry.target
        {
            // To be refused, and so nothing for the record to learn from.
            return Stage::Decided(replay(class, entry.target, entry.target_port));
        }
        self.hit(snapshot, now, class, slot, parsed, acknowledged(frame, parsed))
    }

    /// Notes a packet in its flow's record and says what to do with it.
    #[inline]
    fn hit(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        class: Class,
        slot: u32,
        parsed: &Parsed,
        acknowledged: u32,
    ) -> Stage {
        let side = match class {
            Class::Inbound(_) | Class::Outbound(..) => Side::Opener,
            Class::Reply(_) | Class::OutboundReply(_) | Class::Routed => Side::Responder,
        };
        let entry = self.flows.at_mut(slot);
        let opens = parsed.asks_to_open();
        if opens && side == Side::Opener && entry.tcp.may_be_reopened() {
            self.end_flow(slot);
            return Stage::Missed(class);
        }
        entry.last_seen = now.tick();
        if parsed.protocol == ProtocolNumber::TCP {
            match side {
                Side::Opener => entry.opener_expects = acknowledged,
                Side::Responder => entry.responder_expects = acknowledged,
            }
            let state = entry.tcp.after(side, parsed.tcp_flags);
            if state != entry.tcp {
                self.change_state(snapshot, slot, state);
            }
        }
        Stage::Decided(replay(class, self.flows.at(slot).target, self.flows.at(slot).target_port))
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
    fn still_stands(&self, snapshot: &Snapshot, slot: u32) -> bool {
        let entry = self.flows.at(slot);
        let Some(key) = FlowKey::unpack(&entry.key) else { return false };
        match key.kind {
            Kind::Inbound => {
                let rule = snapshot.rule(RuleId(key.id));
                let pool = rule.and_then(|rule| snapshot.pools.get(rule.pool as usize));
                pool.is_some_and(|pool| pool.members.contains(&MemberId(entry.target)))
            }
            Kind::OutboundTcp | Kind::OutboundUdp => {
                let protocol = key.outbound_protocol().unwrap_or(Transport::Tcp);
                let address = OutboundAddressId(entry.target);
                self.holds(snapshot, MemberId(key.id), protocol, address, entry.target_port)
            }
            Kind::OutboundReplyTcp | Kind::OutboundReplyUdp => {
                let protocol = key.outbound_protocol().unwrap_or(Transport::Tcp);
                let address = OutboundAddressId(key.id);
                self.holds(snapshot, MemberId(entry.target), protocol, address, key.near_port)
            }
        }
    }

    /// Whether a port of an address is still the member's, on this worker.
    fn holds(
        &self,
        snapshot: &Snapshot,
        member: MemberId,
        protocol: Transport,
        address: OutboundAddressId,
        port: u16,
    ) -> bool {
        let holder = snapshot.outbound_address(address).and_then(|it| it.holder(protocol, port));
        holder.is_some_and(|holder| holder.member == member && holder.worker == self.id)
    }

    /// When the silence of a flow ends it; `None` when its rule is gone.
    pub(super) fn deadline(&self, snapshot: &Snapshot, slot: u32) -> Option<Tick> {
        let entry = self.flows.at(slot);
        let key = FlowKey::unpack(&entry.key)?;
        if key.kind == Kind::Inbound {
            let idle = snapshot.rule(RuleId(key.id))?.idle_ticks;
            return Some(entry.last_seen.after(inbound_ticks(entry.tcp, idle)));
        }
        let protocol = key.outbound_protocol()?;
        let member = match key.kind {
            Kind::OutboundReplyTcp | Kind::OutboundReplyUdp => entry.target,
            Kind::Inbound | Kind::OutboundTcp | Kind::OutboundUdp => key.id,
        };
        let mapping = snapshot.member(MemberId(member))?.mapping(protocol)?;
        let idle = snapshot.mappings.get(mapping as usize)?.idle_ticks;
        let ticks = match protocol {
            Transport::Tcp => outbound_ticks(entry.tcp, idle),
            Transport::Udp => idle,
        };
        let partner = self.flows.partner(slot).map(|partner| self.flows.at(partner).last_seen);
        Some(entry.last_seen.max(partner.unwrap_or_default()).after(ticks))
    }
}

/// Drops the reply of a member to a flow that another one serves.
#[inline]
pub(super) fn refuse_another_member(class: Class, batch: &mut Batch, index: usize) {
    if let Stage::Decided(Action::FromFrontend(_, served_by)) = batch.stages[index]
        && let Class::Reply(backend) = class
        && backend.member != served_by
    {
        batch.drop(index, DropReason::MemberMismatch);
    }
}

/// What a record says is to be done.
#[inline]
fn replay(class: Class, target: u32, target_port: u16) -> Action {
    match class {
        Class::Inbound(rule) => Action::ToMember(rule, MemberId(target)),
        Class::Reply(backend) => Action::FromFrontend(backend.rule, MemberId(target)),
        Class::Outbound(member, ..) => {
            Action::ToOutside(member, OutboundAddressId(target), target_port)
        }
        Class::OutboundReply(_) => Action::FromOutside(MemberId(target), target_port),
        Class::Routed => Action::Route,
    }
}

/// The acknowledgement number of a TCP segment; 0 for others.
#[inline]
fn acknowledged(frame: &[u8], parsed: &Parsed) -> u32 {
    if parsed.protocol != ProtocolNumber::TCP {
        return 0;
    }
    let segment = frame.get(usize::from(parsed.transport_offset)..).unwrap_or_default();
    TcpHeader::ref_from_prefix(segment).map_or(0, |(header, _)| header.acknowledgement.get())
}
