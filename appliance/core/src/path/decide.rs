//! What becomes of a packet without a flow?
//!
//! The slow path: asked once per flow, out of line, in this order: load-balancing rule, outbound
//! mapping, and what needs no record at all. What is decided is recorded, so that the next
//! packet is replayed by `find`.

use super::batch::{Action, Batch, Class, Frames, Tag};
use super::classify::{outbound_mapping, transport};
use super::instance;
use super::parse::{is_valid_destination, is_valid_source};
use super::steer::{comes_by_its_port, flow_key, hand_over};
use super::worker::{Now, Worker};
use crate::flow::{Block, Entry, Holder, TakeError, TcpState, inbound_ticks, key, outbound_ticks};
use crate::policy::{Backend, LoadDistribution, NextHop, OutboundMapping, Rule, Snapshot};
use crate::tables::{Hasher, Key};
use crate::telemetry::{Counter, DropReason};
use crate::units::{Address, MemberId, PortId, RuleId, Transport};
use crate::wire::{Parsed, ProtocolNumber, tcp};

/// The selection hash. Its secret is fixed: every appliance with the same configuration picks
/// the same member for the same flow.
const SELECTION: Hasher = Hasher::new(0x5765_6972_2053_656c);

/// What `decide` comes to for one packet.
type Decision = Result<Action, DropReason>;

/// A packet whose flow is not known.
#[derive(Clone, Copy)]
struct Newcomer<'a> {
    parsed: &'a Parsed,
    ingress: PortId,
    /// The home slot of the record that it may get.
    home: u32,
}

impl<'a> Newcomer<'a> {
    #[inline]
    const fn at(batch: &'a Batch, place: usize) -> Self {
        let (parsed, ingress) = (&batch.parsed[place], batch.ingress[place]);
        Self { parsed, ingress, home: batch.homes[place] }
    }
}

impl Worker {
    /// Decides every packet of the batch that missed.
    #[inline(never)]
    pub(super) fn decide<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        let made = self.flows.made();
        for place in batch.sets.missed {
            // A packet before this one may have made the record that this one missed, if it is a
            // retransmission, or the next datagram of a burst.
            let may_have_record = self.flows.made() != made && batch.sets.tracked.contains(place);
            if may_have_record && self.recall(snapshot, now, batch, place) {
                continue;
            }
            self.decide_one(snapshot, now, frames, batch, place);
        }
    }

    #[inline]
    fn decide_one<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let newcomer = Newcomer::at(batch, place);
        match batch.classes[place] {
            Class::Inbound(rule) => {
                let member = self.decide_inbound(snapshot, now, rule, newcomer);
                batch.conclude(place, member.map(|member| Action::ToMember(rule, member)));
            }
            Class::Reply(backend) => {
                self.decide_reply(snapshot, now, backend, frames, batch, place);
            }
            Class::Outbound(member, mapping) => {
                let decision = match snapshot.mappings.get(mapping as usize) {
                    Some(mapping) => {
                        self.decide_outbound(snapshot, now, member, mapping, &newcomer)
                    }
                    None => Err(DropReason::NoOutbound),
                };
                batch.conclude(place, decision);
            }
            Class::OutboundReply(..) => batch.drop(place, DropReason::SnatFlowUnknown),
            Class::Routed => batch.act(place, Action::Route),
        }
    }

    /// A client's packet that belongs to no known flow.
    #[inline]
    fn decide_inbound(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        rule_id: RuleId,
        newcomer: Newcomer<'_>,
    ) -> Result<MemberId, DropReason> {
        let parsed = newcomer.parsed;
        check_source(snapshot, parsed, newcomer.ingress)?;
        let rule = snapshot.rule(rule_id).ok_or(DropReason::NoRule)?;
        let pool = snapshot.pools.get(rule.pool as usize).ok_or(DropReason::NoHealthyMember)?;
        let client = (parsed.source, parsed.source_port);
        let frontend = (parsed.destination, parsed.destination_port);
        let hash = selection_hash(rule.distribution, client, frontend, parsed.protocol);
        let member = pool.pick(hash).map_err(|_| DropReason::NoHealthyMember)?;
        if parsed.protocol == ProtocolNumber::UDP {
            self.counters.count(Counter::StatelessPackets, 1);
        } else {
            self.track(snapshot, now, Backend { rule: rule_id, member }, rule, newcomer);
        }
        // The reply will need the client's address resolved; ask before it comes.
        if let NextHop::Unresolved(port) = snapshot.routes.towards(parsed.source, || hash) {
            self.request(port, parsed.source);
        }
        Ok(member)
    }

    /// Makes a record for a TCP flow, if it opens or is worth one, and there is room.
    #[inline]
    fn track(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        backend: Backend,
        rule: &Rule,
        Newcomer { parsed, home, .. }: Newcomer<'_>,
    ) {
        let opens = is_opening(parsed);
        // A client inside is always tracked: the reply to it is told from a member's own packet by
        // the record alone.
        let pressed = self.flows.is_under_pressure() && !snapshot.routes.is_routed(parsed.source);
        // Under pressure only a client that has proved to be there by its acknowledgement.
        let confirms = pressed && parsed.tcp_flags & ALL_FLAGS == tcp::ACK;
        if !(opens && !pressed || confirms) {
            let counter = if opens { Counter::FlowsUntracked } else { Counter::FallbackPackets };
            return self.counters.count(counter, 1);
        }
        // Even a client that confirms is believed for good only when a member has answered it.
        let state = TcpState::NEW;
        let (Backend { rule: id, member }, born) = (backend, snapshot.generation);
        let key = key::inbound(parsed.source, parsed.source_port, id);
        let entry = Entry::new(key, member.0, 0, state, now.tick(), born);
        let deadline = now.tick().silent_for(inbound_ticks(state, rule.idle_ticks));
        match self.flows.insert(entry, home, deadline) {
            Ok(_) => {
                self.counters.count(Counter::FlowsCreated, 1);
                self.rules.flow_created(id.index());
                self.members.flow_created(member.index());
            }
            Err(_) => self.counters.count(Counter::FlowsUntracked, 1),
        }
    }

    /// A packet from an endpoint that belongs to no known inbound flow.
    fn decide_reply<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        backend: Backend,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let parsed = &batch.parsed[place];
        let as_reply = Action::FromFrontend(backend.rule, backend.member);
        if !is_valid_destination(parsed.destination) {
            return batch.drop(place, DropReason::DestinationInvalid);
        }
        if parsed.protocol == ProtocolNumber::UDP {
            self.counters.count(Counter::StatelessPackets, 1);
            return batch.act(place, as_reply);
        }
        let routed = |address| snapshot.routes.is_routed(address);
        if routed(parsed.source) && routed(parsed.destination) {
            // No frontend is between them: a host that talks to the member itself.
            return batch.act(place, Action::Route);
        }
        if let Some(action) = instance::leaving_from_endpoint(snapshot, backend.member, parsed) {
            return batch.act(place, action);
        }
        if let Some(mapping) = outbound_mapping(snapshot, backend.member, parsed) {
            let mapping = (backend.member, mapping);
            return self.ask_outbound_owner(snapshot, now, mapping, frames, batch, place);
        }
        if parsed.asks_to_open() {
            return batch.drop(place, DropReason::NoOutbound);
        }
        self.counters.count(Counter::FallbackPackets, 1);
        batch.act(place, as_reply);
    }

    /// Looks for the flow among the member's outbound flows, on whichever worker has them.
    fn ask_outbound_owner<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        (member, position): (MemberId, u32),
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let Some(mapping) = snapshot.mappings.get(position as usize) else {
            return batch.drop(place, DropReason::NoOutbound);
        };
        if mapping.worker != self.id {
            let tag = Tag { inbound_missed: true, ..frames.tag(place) };
            return hand_over(mapping.worker, tag, frames, batch, place);
        }
        let class = Class::Outbound(member, position);
        let Some(key) = flow_key(class, &batch.parsed[place]) else {
            return batch.drop(place, DropReason::ProtocolNotTranslated);
        };
        batch.classes[place] = class;
        (batch.keys[place], batch.homes[place]) = (key, self.flows.home(&key));
        if !self.recall(snapshot, now, batch, place) {
            let newcomer = Newcomer::at(batch, place);
            let decision = self.decide_outbound(snapshot, now, member, mapping, &newcomer);
            batch.conclude(place, decision);
        }
    }

    /// A member's packet to the outside that belongs to no known flow.
    fn decide_outbound(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        member: MemberId,
        mapping: &OutboundMapping,
        newcomer: &Newcomer<'_>,
    ) -> Decision {
        let parsed = newcomer.parsed;
        let protocol = transport(parsed).ok_or(DropReason::ProtocolNotTranslated)?;
        if protocol == Transport::Tcp && !is_opening(parsed) {
            // From an endpoint it is the reply to a client that no worker has a record of.
            let (near, port) = (parsed.source, parsed.source_port);
            let endpoint = snapshot.endpoints.member(near, port, parsed.protocol).flatten();
            let backend = endpoint.ok_or(DropReason::OutboundMidStream)?;
            self.counters.count(Counter::FallbackPackets, 1);
            return Ok(Action::FromFrontend(backend.rule, backend.member));
        }
        let holder = Holder { member, address: mapping.address, protocol };
        let block = Block { holder, first_port: mapping.first_port, ports: mapping.ports };
        let port = self.open_outbound(snapshot, now, mapping, &block, newcomer)?;
        if let NextHop::Unresolved(hop) = snapshot.routes.towards(parsed.destination, || 0) {
            self.request(hop, parsed.destination);
        }
        Ok(Action::ToOutside(member, mapping.address, port))
    }

    /// Takes the lowest free port and makes both records of the flow. Where the records that stand
    /// around a port's home leave no room for its own, the next port is tried: or that port would
    /// be in the way of every flow to this destination for as long as it is the lowest.
    fn open_outbound(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        mapping: &OutboundMapping,
        block: &Block,
        newcomer: &Newcomer<'_>,
    ) -> Result<u16, DropReason> {
        let parsed = newcomer.parsed;
        let mut without_room = [None; PORTS_TRIED];
        let mut opened = Err(DropReason::FlowTableFull);
        for place in 0..PORTS_TRIED {
            let port = match self.take_port(block, parsed, &without_room) {
                Ok(port) => port,
                Err(_) if place > 0 => break,
                Err(reason) => {
                    opened = Err(reason);
                    break;
                }
            };
            if self.track_outbound(snapshot, now, mapping, block, port, newcomer) {
                opened = Ok(port);
                break;
            }
            without_room[place] = Some(port);
        }
        for port in without_room.iter().flatten() {
            let (remote, remote_port) = (parsed.destination, parsed.destination_port);
            if self.ports.give_back(&block.holder, remote, remote_port, *port) {
                self.outbound.flow_ended(outbound_slot(&block.holder));
            }
        }
        opened
    }

    /// The lowest free port, but for those `without_room`.
    fn take_port(
        &mut self,
        block: &Block,
        parsed: &Parsed,
        without_room: &[Option<u16>],
    ) -> Result<u16, DropReason> {
        let (remote, remote_port) = (parsed.destination, parsed.destination_port);
        let is_taken = |port| {
            without_room.contains(&Some(port))
                || self.flows.has_port(&block.holder, port, remote, remote_port)
        };
        let taken = self.ports.take(block, remote, remote_port, is_taken);
        let (port, first) = taken.map_err(|error| match error {
            TakeError::Exhausted => DropReason::SnatPortsExhausted,
            TakeError::DestinationsFull => DropReason::SnatDestinationsFull,
        })?;
        if first {
            self.outbound.flow_created(outbound_slot(&block.holder));
        }
        Ok(port)
    }

    /// Makes both records of an outbound flow; returns whether there was room.
    fn track_outbound(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        mapping: &OutboundMapping,
        block: &Block,
        port: u16,
        &Newcomer { parsed, home, .. }: &Newcomer<'_>,
    ) -> bool {
        let holder = block.holder;
        let (near, far) = (parsed.source_port, parsed.destination_port);
        let remote = parsed.destination;
        let forth = key::outbound(holder.protocol, holder.member, near, remote, far);
        let back = key::outbound_reply(holder.protocol, holder.address, port, remote, far);
        let back_home = self.flows.home(&back);
        // A block that changed hands may have left a flow behind whose time has not come.
        if let Some(stale) = self.flows.find(&back, back_home) {
            self.end_flow(stale);
        }
        let (tick, born) = (now.tick(), snapshot.generation);
        let idle = match holder.protocol {
            Transport::Tcp => outbound_ticks(TcpState::NEW, mapping.idle_ticks),
            Transport::Udp | Transport::Icmp => mapping.idle_ticks,
        };
        let first = Entry::new(forth, holder.address.0, port, TcpState::NEW, tick, born);
        let second = Entry::new(back, holder.member.0, near, TcpState::NEW, tick, born);
        let (first, second) = ((first, home), (second, back_home));
        if self.flows.insert_pair(first, second, tick.silent_for(idle)).is_err() {
            return false;
        }
        self.counters.count(Counter::FlowsCreated, 1);
        self.members.flow_created(holder.member.index());
        true
    }
}

/// Ports that one flow may try while the flow table has no room for their records.
const PORTS_TRIED: usize = 4;

const ALL_FLAGS: u8 = tcp::SYN | tcp::ACK | tcp::FIN | tcp::RST;

/// Whether a segment opens a connection.
const fn is_opening(parsed: &Parsed) -> bool {
    parsed.tcp_flags & ALL_FLAGS == tcp::SYN
}

/// The slot of a member's ports for one protocol among the outbound counters.
pub(super) const fn outbound_slot(holder: &Holder) -> usize {
    let protocol = match holder.protocol {
        Transport::Tcp => 0,
        Transport::Udp | Transport::Icmp => 1,
    };
    holder.member.index() * 2 + protocol
}

/// Whether a client's source address may be one.
#[inline]
fn check_source(snapshot: &Snapshot, parsed: &Parsed, ingress: PortId) -> Result<(), DropReason> {
    if !is_valid_source(parsed.source) {
        return Err(DropReason::SourceInvalid);
    }
    let host = snapshot.hosts.get(parsed.source);
    if host.is_own() || host.is_answered_for() {
        return Err(DropReason::SourceIsFrontend);
    }
    match host.as_member() {
        Some(member) if !comes_by_its_port(snapshot, member, ingress) => {
            Err(DropReason::ReversePath)
        }
        _ => Ok(()),
    }
}

/// The hash that chooses the member, over the fields that the rule names (behaviour.md §2).
#[inline]
pub(super) fn selection_hash(
    distribution: LoadDistribution,
    client: (Address, u16),
    frontend: (Address, u16),
    protocol: u8,
) -> u64 {
    let ports = u64::from(client.1) << 16 | u64::from(frontend.1);
    let protocol = u64::from(protocol) << 32;
    let last = match distribution {
        LoadDistribution::Default => protocol | ports,
        LoadDistribution::SourceIp => 0,
        LoadDistribution::SourceIpProtocol => protocol,
    };
    // IPv6 folds to one word each; IPv4 is one word as it is.
    let source = client.0.high.rotate_left(17) ^ client.0.low;
    let destination = frontend.0.high.rotate_left(31) ^ frontend.0.low;
    let key: Key = [source, destination, last];
    SELECTION.hash(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_hashes_the_fields_of_azures_table_and_no_others() {
        let address = Address::from_v4_bits;
        let base = ((address(1), 3), (address(2), 4), 6);
        let variations = [
            ((address(9), 3), (address(2), 4), 6),
            ((address(1), 3), (address(9), 4), 6),
            ((address(1), 9), (address(2), 4), 6),
            ((address(1), 3), (address(2), 9), 6),
            ((address(1), 3), (address(2), 4), 17),
        ];
        for (distribution, expected) in [
            (LoadDistribution::Default, [true, true, true, true, true]),
            (LoadDistribution::SourceIp, [true, true, false, false, false]),
            (LoadDistribution::SourceIpProtocol, [true, true, false, false, true]),
        ] {
            let hash = |(client, frontend, protocol)| {
                selection_hash(distribution, client, frontend, protocol)
            };
            let moves = variations.map(|varied| hash(varied) != hash(base));
            assert_eq!(moves, expected, "{distribution:?}");
        }
    }
}
