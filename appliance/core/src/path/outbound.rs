//! Which port does a member's flow to the outside get?
//!
//! ```text
//!   a packet without a flow ─► share of this worker ─► reservation or lowest free port
//!                                     │ none                   │
//!                    next share, and a stub here      two records that know each other
//!                                     │ no further one
//!                             refused: counted, noted, answered if the rule asks for it
//! ```
//!
//! Not here: which ports there are (`policy::outbound`), which of them are free (`flow::ports`).

use super::batch::{Action, Batch, Class, Frames, Tag};
use super::classify::transport;
use super::decide::{Newcomer, is_opening};
use super::exhaustion::Shortage;
use super::sessions::SessionEvent;
use super::steer::{first_share, flow_key, hand_over};
use super::worker::{Now, Worker};
use crate::flow::{Block, Entry, Holder, TakeError, TcpState, Towards, key};
use crate::policy::{NextHop, OutboundMapping, OutboundTimers, Share, Snapshot};
use crate::telemetry::{Counter, DropReason};
use crate::units::{Address, MemberId, OutboundAddressId, Transport, WorkerId};
use crate::wire::Parsed;

/// Ports that one flow may try while the flow table has no room for their records.
const PORTS_TRIED: usize = 4;

/// A flow that is about to begin.
struct Opening<'a> {
    member: MemberId,
    protocol: Transport,
    mapping: &'a OutboundMapping,
    share: &'a Share,
    newcomer: Newcomer<'a>,
}

/// Why a flow does not begin here.
enum Unopened {
    /// It may begin at this worker, which holds the next share of the member's ports.
    Elsewhere(WorkerId),
    /// It does not begin.
    Refused(DropReason),
}

impl From<DropReason> for Unopened {
    fn from(reason: DropReason) -> Self {
        Self::Refused(reason)
    }
}

/// A port that was taken for a flow.
#[derive(Clone, Copy)]
struct Claim {
    holder: Holder,
    port: u16,
    is_reserved: bool,
}

impl Worker {
    /// Looks for the flow of a member's endpoint among the member's outbound flows, on whichever
    /// worker has them.
    pub(super) fn ask_outbound_owner<F: Frames>(
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
        let class = Class::Outbound(member, position);
        let tag = frames.tag(place);
        let share = first_share(mapping, &batch.parsed[place], tag.dry);
        let Some(key) = flow_key(class, &batch.parsed[place]) else {
            return batch.drop(place, DropReason::ProtocolNotTranslated);
        };
        match share {
            Some(share) if share.worker == self.id => {}
            Some(share) => {
                let tag = Tag { inbound_missed: true, ..tag };
                return hand_over(share.worker, tag, frames, batch, place);
            }
            None => return batch.drop(place, DropReason::NoOutbound),
        }
        batch.classes[place] = class;
        (batch.keys[place], batch.homes[place]) = (key, self.flows.home(&key));
        if !self.recall(snapshot, now, frames, batch, place) {
            self.decide_outbound(snapshot, now, (member, position), frames, batch, place);
        }
    }

    /// Asks for where a member's ports are looked up, if its flow begins.
    #[inline(never)]
    pub(super) fn foresee_outbound(&self, snapshot: &Snapshot, foreseen: (MemberId, u32, &Parsed)) {
        if let Some((block, towards)) = self.foreseen(snapshot, foreseen) {
            self.ports.prefetch(&block.holder, towards, block.first_port);
        }
    }

    /// Asks for where the reply's record will stand. To be called once what
    /// [`Self::foresee_outbound`] asks for is there.
    #[inline(never)]
    pub(super) fn foresee_reply(&self, snapshot: &Snapshot, foreseen: (MemberId, u32, &Parsed)) {
        let Some((block, towards)) = self.foreseen(snapshot, foreseen) else { return };
        let (_, _, parsed) = foreseen;
        let Holder { address, protocol, .. } = block.holder;
        let (remote, remote_port) = (parsed.destination, parsed.destination_port);
        let port = self.ports.likely(&block, towards);
        let back = key::outbound_reply(protocol, address, port, remote, remote_port);
        self.flows.prefetch(self.flows.home(&back));
    }

    /// Among which ports a flow is likely to find its own, and where that must be free.
    fn foreseen(
        &self,
        snapshot: &Snapshot,
        (member, position, parsed): (MemberId, u32, &Parsed),
    ) -> Option<(Block, Towards)> {
        let mapping = snapshot.mappings.get(position as usize)?;
        let block = mapping.share_of(self.id)?.blocks.first()?;
        let protocol = transport(parsed)?;
        let holder = Holder { member, address: block.address, protocol };
        let far_port = key::far_port(protocol, parsed.destination_port);
        let (first_port, ports) = (block.first_port, block.ports);
        let block = Block { holder, first_port, ports, is_all: true };
        Some((block, Towards::One(parsed.destination, far_port)))
    }

    /// A member's packet to the outside that belongs to no known flow.
    pub(super) fn decide_outbound<F: Frames>(
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
        let tag = frames.tag(place);
        let newcomer = Newcomer::at(batch, place);
        match self.open_outbound(snapshot, now, (member, mapping), tag, newcomer) {
            Ok(action) => batch.act(place, action),
            Err(Unopened::Elsewhere(worker)) => {
                hand_over(worker, tag.passed_on(), frames, batch, place);
            }
            Err(Unopened::Refused(reason)) => {
                if reason == DropReason::SnatPortsExhausted {
                    let parsed = &batch.parsed[place];
                    let shortage = Shortage { member, mapping, parsed, frame: frames.frame(place) };
                    self.refuse(snapshot, &shortage);
                }
                batch.drop(place, reason);
            }
        }
    }

    fn open_outbound(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        (member, mapping): (MemberId, &OutboundMapping),
        tag: Tag,
        newcomer: Newcomer<'_>,
    ) -> Result<Action, Unopened> {
        let parsed = newcomer.parsed;
        let protocol = transport(parsed).ok_or(DropReason::ProtocolNotTranslated)?;
        let next = self.next_share(mapping, parsed, tag.passed_on());
        if protocol == Transport::Tcp && !is_opening(parsed) {
            return match next {
                Some(next) => Err(Unopened::Elsewhere(next.worker)),
                None => self.go_on_without(snapshot, parsed).map_err(Unopened::Refused),
            };
        }
        self.check_fairness(snapshot, member)?;
        let share = mapping.share_of(self.id).ok_or(DropReason::NoOutbound)?;
        let opening = Opening { member, protocol, mapping, share, newcomer };
        match (self.open_here(snapshot, now, &opening), next) {
            (Ok(claim), _) => {
                if let NextHop::Unresolved(hop) = snapshot.routes.towards(parsed.destination, || 0)
                {
                    self.request(hop, parsed.destination);
                }
                Ok(Action::ToOutside(member, claim.holder.address, claim.port))
            }
            (Err(DropReason::SnatPortsExhausted), Some(next)) => {
                self.leave_stub(snapshot, now, &opening);
                Err(Unopened::Elsewhere(next.worker))
            }
            (Err(reason), _) => Err(reason.into()),
        }
    }

    /// A segment in mid-stream from a member. From an endpoint it is the reply to a client that no
    /// worker has a record of.
    fn go_on_without(&self, snapshot: &Snapshot, parsed: &Parsed) -> Result<Action, DropReason> {
        let (near, port) = (parsed.source, parsed.source_port);
        let endpoint = snapshot.endpoints.member(near, port, parsed.protocol).flatten();
        let backend = endpoint.ok_or(DropReason::OutboundMidStream)?;
        self.counters.count(Counter::FallbackPackets, 1);
        Ok(Action::FromFrontend(backend.rule, backend.member))
    }

    /// Under pressure a member may not have more flows than its share of the table, so that one
    /// that opens as fast as it can leaves room for the others.
    fn check_fairness(&self, snapshot: &Snapshot, member: MemberId) -> Result<(), DropReason> {
        if !self.flows.is_under_pressure() {
            return Ok(());
        }
        let members = snapshot.outbound_members.get(self.id.index()).copied().unwrap_or(1);
        // Two records each.
        let share = self.flows.bound() as u64 / 2 / u64::from(members.max(1));
        if self.outbound.flows(member) < share {
            Ok(())
        } else {
            Err(DropReason::SnatShareExceeded)
        }
    }

    /// Takes a port and makes both records of the flow. Where the records that stand around a
    /// port's home leave no room for its own, the next port is tried: or that port would be in the
    /// way of every flow to this destination for as long as it is the lowest.
    fn open_here(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        opening: &Opening<'_>,
    ) -> Result<Claim, DropReason> {
        let mut without_room = [None; PORTS_TRIED];
        let mut opened = Err(DropReason::FlowTableFull);
        for place in 0..PORTS_TRIED {
            let claim = match self.claim(snapshot, now, opening, &without_room) {
                Ok(claim) => claim,
                Err(_) if place > 0 => break,
                Err(reason) => {
                    opened = Err(reason);
                    break;
                }
            };
            if self.track_outbound(snapshot, now, opening, claim) {
                opened = Ok(claim);
                break;
            }
            without_room[place] = Some(claim);
        }
        for claim in without_room.iter().flatten() {
            let parsed = opening.newcomer.parsed;
            let far = (parsed.destination, parsed.destination_port);
            self.release(&claim.holder, claim.port, claim.is_reserved, parsed.source_port, far);
        }
        opened
    }

    /// The port for a flow, but for those `without_room`.
    fn claim(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        opening: &Opening<'_>,
        without_room: &[Option<Claim>],
    ) -> Result<Claim, DropReason> {
        if opening.mapping.endpoint_independent {
            if without_room[0].is_some() {
                return Err(DropReason::FlowTableFull);
            }
            return self.claim_reserved(snapshot, now, opening);
        }
        let parsed = opening.newcomer.parsed;
        let (remote, remote_port) = (parsed.destination, parsed.destination_port);
        let far_port = key::far_port(opening.protocol, remote_port);
        let is_passed = |holder: &Holder, port| {
            let passed = without_room.iter().flatten();
            passed.into_iter().any(|claim| claim.holder == *holder && claim.port == port)
        };
        self.lowest(opening, Towards::One(remote, far_port), is_passed)
    }

    /// The port that the member's port has towards everybody, or one that nobody uses.
    fn claim_reserved(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        opening: &Opening<'_>,
    ) -> Result<Claim, DropReason> {
        let (member, protocol) = (opening.member, opening.protocol);
        let key = key::reservation(protocol, member, opening.newcomer.parsed.source_port);
        let reserved = self.flows.find(&key, self.flows.home(&key));
        if let Some(slot) = reserved {
            let entry = self.flows.at(slot);
            let address = OutboundAddressId(entry.target);
            let claim = Claim {
                holder: Holder { member, address, protocol },
                port: entry.target_port,
                is_reserved: true,
            };
            if self.may_share(snapshot, opening, &claim) {
                self.ports.share(&claim.holder, claim.port).map_err(|error| reason_of(&error))?;
                let entry = self.flows.at_mut(slot);
                entry.set_flows(entry.flows() + 1);
                return Ok(claim);
            }
        }
        self.reserve(snapshot, now, opening, reserved)
    }

    /// Whether a reserved port may have a further flow: it is still the member's, though it may
    /// drain, no rule listens on it, and no flow of a time without reservations has it towards the
    /// same destination.
    fn may_share(&self, snapshot: &Snapshot, opening: &Opening<'_>, claim: &Claim) -> bool {
        let (parsed, Holder { member, address, protocol }) =
            (opening.newcomer.parsed, claim.holder);
        let (remote, remote_port) = (parsed.destination, parsed.destination_port);
        let Some(outbound) = snapshot.outbound_address(address) else { return false };
        let rule = snapshot.endpoints.frontend(outbound.address, claim.port, parsed.protocol);
        rule.is_none()
            && self.holds(snapshot, member, protocol, address, claim.port)
            && !self.flows.has_port(&claim.holder, claim.port, remote, remote_port)
    }

    /// Reserves a port, in the place of an earlier reservation if there is one: its flows go on
    /// without it.
    fn reserve(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        opening: &Opening<'_>,
        earlier: Option<u32>,
    ) -> Result<Claim, DropReason> {
        let near = opening.newcomer.parsed.source_port;
        let key = key::reservation(opening.protocol, opening.member, near);
        let claim = self.lowest(opening, Towards::Everybody, |_, _| false)?;
        let (target, port) = (claim.holder.address.0, claim.port);
        let (tick, born) = (now.tick(), snapshot.generation);
        let mut entry = Entry::new(key, target, port, TcpState::NEW, tick, born);
        entry.set_flows(1);
        if let Some(slot) = earlier {
            self.flows.unreserve(slot);
        }
        let home = self.flows.home(&key);
        if self.flows.reserve(entry, home).is_err() {
            self.ports.give_back(&claim.holder, Towards::Everybody, port);
            return Err(DropReason::FlowTableFull);
        }
        Ok(Claim { is_reserved: true, ..claim })
    }

    /// The lowest free port of the first block that has one.
    fn lowest(
        &mut self,
        opening: &Opening<'_>,
        towards: Towards,
        is_passed: impl Fn(&Holder, u16) -> bool,
    ) -> Result<Claim, DropReason> {
        let (member, protocol) = (opening.member, opening.protocol);
        let mut before = 0;
        for block in &opening.share.blocks {
            let holder = Holder { member, address: block.address, protocol };
            let flows = &self.flows;
            let is_taken = |port| {
                let has_flow = match towards {
                    Towards::One(remote, far_port) => {
                        flows.has_port(&holder, port, remote, far_port)
                    }
                    Towards::Everybody => false,
                };
                has_flow || is_passed(&holder, port)
            };
            let (first_port, ports) = (block.first_port, block.ports);
            let is_all = opening.share.blocks.len() == 1;
            let wanted = Block { holder, first_port, ports, is_all };
            match self.ports.take(&wanted, towards, is_taken) {
                Ok(port) => {
                    self.note_if_low(opening, before + u32::from(port - block.first_port));
                    return Ok(Claim { holder, port, is_reserved: false });
                }
                Err(TakeError::Exhausted) => before += u32::from(block.ports),
                Err(error) => return Err(reason_of(&error)),
            }
        }
        Err(DropReason::SnatPortsExhausted)
    }

    /// Notes that the port taken, of that rank among the member's ports, lies in their last
    /// quarter: all below are taken towards the destination.
    fn note_if_low(&mut self, opening: &Opening<'_>, rank: u32) {
        let ports: u32 = opening.share.blocks.iter().map(|block| u32::from(block.ports)).sum();
        if rank >= ports / 4 * 3 {
            self.note_low(opening.member, opening.protocol, opening.newcomer.parsed);
        }
    }

    /// Makes both records of a flow; returns whether there was room.
    fn track_outbound(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        opening: &Opening<'_>,
        Claim { holder, port, is_reserved }: Claim,
    ) -> bool {
        let &Newcomer { parsed, home, .. } = &opening.newcomer;
        let (near, far) = (parsed.source_port, parsed.destination_port);
        let (protocol, remote) = (holder.protocol, parsed.destination);
        let forth = key::outbound(protocol, holder.member, near, remote, far);
        let back = key::outbound_reply(protocol, holder.address, port, remote, far);
        let back_home = self.flows.home(&back);
        // A block that changed hands may have left a flow behind whose time has not come.
        if let Some(stale) = self.flows.find(&back, back_home) {
            self.end_flow(stale);
        }
        let (tick, born) = (now.tick(), snapshot.generation);
        let idle = outbound_ticks(protocol, TcpState::NEW, &opening.mapping.timers);
        let record = |key, target, target_port| {
            let mut entry = Entry::new(key, target, target_port, TcpState::NEW, tick, born);
            if protocol == Transport::Udp {
                entry.admit(far);
            }
            if is_reserved { entry.with_reservation() } else { entry }
        };
        let first = (record(forth, holder.address.0, port), home);
        let second = (record(back, holder.member.0, near), back_home);
        if self.flows.insert_pair(first, second, tick.silent_for(idle)).is_err() {
            return false;
        }
        self.counters.count(Counter::FlowsCreated, 1);
        self.members.flow_created(holder.member.index());
        self.outbound.flow_created(holder.member, protocol);
        let towards = (remote, key::far_port(protocol, far));
        self.note_session(SessionEvent::Created, &holder, (near, port), towards);
        true
    }

    /// Leaves word that the flow is to be looked for at the next share. Without room for that,
    /// every packet of it asks again.
    fn leave_stub(&mut self, snapshot: &Snapshot, now: Now, opening: &Opening<'_>) {
        if self.flows.is_under_pressure() {
            return;
        }
        let &Newcomer { parsed, home, .. } = &opening.newcomer;
        let (near, far) = (parsed.source_port, parsed.destination_port);
        let (protocol, remote) = (opening.protocol, parsed.destination);
        let key = key::outbound(protocol, opening.member, near, remote, far);
        let stub = Entry::new(key, 0, 0, TcpState::NEW, now.tick(), snapshot.generation);
        // Until there is more than a request to open: the next share may have none, either.
        let ticks = outbound_ticks(protocol, TcpState::NEW, &opening.mapping.timers);
        let deadline = now.tick().silent_for(ticks);
        if self.flows.insert(stub.into_stub(), home, deadline).is_ok() {
            self.counters.count(Counter::FlowsCreated, 1);
            self.counters.count(Counter::SnatStubsCreated, 1);
        }
    }

    /// Gives a flow's port back.
    pub(super) fn release(
        &mut self,
        holder: &Holder,
        port: u16,
        is_reserved: bool,
        near_port: u16,
        (remote, remote_port): (Address, u16),
    ) {
        if !is_reserved {
            let far_port = key::far_port(holder.protocol, remote_port);
            return self.ports.give_back(holder, Towards::One(remote, far_port), port);
        }
        let key = key::reservation(holder.protocol, holder.member, near_port);
        let found = self.flows.find(&key, self.flows.home(&key));
        let is_its = |slot: &u32| {
            let entry = self.flows.at(*slot);
            (entry.target, entry.target_port) == (holder.address.0, port)
        };
        // A flow whose reservation has been replaced gives back what is its own.
        match found.filter(is_its).map(|slot| (slot, self.flows.at(slot).flows())) {
            Some((slot, flows)) if flows > 1 => {
                self.flows.at_mut(slot).set_flows(flows - 1);
                self.ports.unshare(holder, port);
            }
            Some((slot, _)) => {
                self.flows.unreserve(slot);
                self.ports.give_back(holder, Towards::Everybody, port);
            }
            None => self.ports.unshare(holder, port),
        }
    }
}

/// Ticks of silence that end a flow to the outside.
#[must_use]
pub(super) fn outbound_ticks(protocol: Transport, state: TcpState, timers: &OutboundTimers) -> u32 {
    match protocol {
        Transport::Udp | Transport::Icmp => timers.idle,
        Transport::Tcp if state.is_reset() => timers.reset.min(timers.idle),
        Transport::Tcp if state.is_closing() => timers.fin.min(timers.idle),
        Transport::Tcp if state.is_opening() => timers.opening.min(timers.idle),
        Transport::Tcp => timers.idle,
    }
}

const fn reason_of(error: &TakeError) -> DropReason {
    match error {
        TakeError::Exhausted => DropReason::SnatPortsExhausted,
        TakeError::Full => DropReason::SnatDestinationsFull,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Side;
    use crate::units::ticks_of_seconds;
    use crate::wire::tcp::{ACK, FIN, RST, SYN};

    #[test]
    fn silence_is_borne_as_long_as_the_table_of_azure_says() {
        let [idle, opening, fin, reset] = [240 * 60, 32, 240, 15].map(ticks_of_seconds);
        let timers = OutboundTimers { idle, opening, fin, reset };
        let open = TcpState::ESTABLISHED;
        let half = open.after(Side::Opener, FIN | ACK);
        let closed = half.after(Side::Responder, FIN | ACK);
        for (state, ticks) in [
            (TcpState::NEW.after(Side::Opener, SYN), opening),
            (open, idle),
            (half, fin),
            (closed, fin),
            (open.after(Side::Responder, RST), reset),
        ] {
            assert_eq!(outbound_ticks(Transport::Tcp, state, &timers), ticks, "{state:?}");
        }
        let short = OutboundTimers { idle: 8, ..timers };
        assert_eq!(outbound_ticks(Transport::Tcp, closed, &short), 8, "a shorter idle time counts");
        assert_eq!(outbound_ticks(Transport::Udp, TcpState::NEW, &timers), idle);
    }
}
