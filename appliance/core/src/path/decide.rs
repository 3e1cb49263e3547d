//! What becomes of a packet without a flow?
//!
//! The slow path: asked once per flow, out of line, in this order: load-balancing rule, outbound
//! mapping (`outbound`), and what needs no record at all. What is decided is recorded, so that the
//! next packet is replayed by `find`.

use super::batch::{Action, Batch, Class, Frames};
use super::classify::outbound_mapping;
use super::instance;
use super::parse::{is_valid_destination, is_valid_source};
use super::steer::comes_by_its_port;
use super::worker::{Now, Worker};
use crate::flow::{Entry, TcpState, inbound_ticks, key};
use crate::policy::{Backend, LoadDistribution, NextHop, Rule, Snapshot};
use crate::tables::{Hasher, Key};
use crate::telemetry::{Counter, DropReason};
use crate::units::{Address, MemberId, PortId, RuleId};
use crate::wire::{Parsed, ProtocolNumber, tcp};

/// The selection hash. Its secret is fixed: every appliance with the same configuration picks
/// the same member for the same flow.
const SELECTION: Hasher = Hasher::new(0x5765_6972_2053_656c);

/// A packet whose flow is not known.
#[derive(Clone, Copy)]
pub(super) struct Newcomer<'a> {
    pub(super) parsed: &'a Parsed,
    ingress: PortId,
    /// The home slot of the record that it may get.
    pub(super) home: u32,
}

impl<'a> Newcomer<'a> {
    #[inline]
    pub(super) const fn at(batch: &'a Batch, place: usize) -> Self {
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
        for place in batch.sets.missed {
            if let Class::Outbound(member, mapping) = batch.classes[place] {
                self.foresee_reply(snapshot, (member, mapping, &batch.parsed[place]));
            }
        }
        let made = self.flows.made();
        for place in batch.sets.missed {
            if batch.sets.errors.contains(place) {
                self.follow_error(snapshot, frames, batch, place);
                continue;
            }
            // A packet before this one may have made the record that this one missed, if it is a
            // retransmission, or the next datagram of a burst.
            let may_have_record = self.flows.made() != made && batch.sets.tracked.contains(place);
            if may_have_record && self.recall(snapshot, now, frames, batch, place) {
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
            Class::Outbound(member, position) => {
                self.decide_outbound(snapshot, now, (member, position), frames, batch, place);
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
}

const ALL_FLAGS: u8 = tcp::SYN | tcp::ACK | tcp::FIN | tcp::RST;

/// Whether a segment opens a connection.
pub(super) const fn is_opening(parsed: &Parsed) -> bool {
    parsed.tcp_flags & ALL_FLAGS == tcp::SYN
}

/// Whether a client's source address may be one.
#[inline]
pub(super) fn check_source(
    snapshot: &Snapshot,
    parsed: &Parsed,
    ingress: PortId,
) -> Result<(), DropReason> {
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
