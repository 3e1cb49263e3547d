//! Which bytes change, and by which port does the packet leave?
//!
//! For packets that did not go straight through: ids become addresses here, from the small dense
//! tables of the snapshot, and checksums are updated by what changed.

use super::batch::{Action, Batch, Frames};
use super::replay::hop_hash;
use super::worker::Worker;
use crate::policy::{Adjacency, NextHop, Snapshot};
use crate::telemetry::{Counter, DropReason};
use crate::units::AdjacencyId;
use crate::wire::{End, Parsed, ProtocolNumber, Share, Translation, translate};

impl Worker {
    /// Rewrites every packet that is to leave.
    #[inline(never)]
    pub(super) fn rewrite<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for place in batch.sets.decided {
            if let Err(reason) = self.rewrite_one(snapshot, frames, batch, place) {
                batch.drop(place, reason);
            }
        }
    }

    /// Replaces an end of the packet, as what is to be done says, and sends it to its next hop.
    #[inline]
    fn rewrite_one<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> Result<(), DropReason> {
        let parsed = &batch.parsed[place];
        if parsed.time_to_live <= 1 {
            return Err(DropReason::TtlExpired);
        }
        match batch.actions[place] {
            Action::ToMember(rule, member) => {
                let rule = snapshot.rule(rule).ok_or(DropReason::NoRule)?;
                let member = snapshot.member(member).ok_or(DropReason::NoHealthyMember)?;
                let change = rule.share.inwards.and(member.share.inwards);
                let (address, port) = (member.address, rule.backend_port);
                let to = Translation { end: End::Destination, address, port, change };
                self.leave(snapshot, member.adjacency, Some(&to), frames, batch, place)
            }
            Action::FromFrontend(rule, member) => {
                let rule = snapshot.rule(rule).ok_or(DropReason::NoRule)?;
                let member = snapshot.member(member).ok_or(DropReason::NoHealthyMember)?;
                let change = rule.share.outwards.and(member.share.outwards);
                let (address, port) = (rule.frontend, rule.frontend_port);
                let to = Translation { end: End::Source, address, port, change };
                let hop = self.route(snapshot, parsed)?;
                self.leave(snapshot, hop, Some(&to), frames, batch, place)
            }
            Action::ToOutside(member, outbound, port) => {
                let outbound = snapshot.outbound_address(outbound).ok_or(DropReason::NoOutbound)?;
                let member = snapshot.member(member).ok_or(DropReason::NoOutbound)?;
                let address = outbound.address;
                let share = Share::of_frontend(address, port, parsed.source_port);
                let change = share.outwards.and(member.share.outwards);
                let to = Translation { end: End::Source, address, port, change };
                let hop = self.route(snapshot, parsed)?;
                self.leave(snapshot, hop, Some(&to), frames, batch, place)
            }
            Action::FromOutside(member, port) => {
                let member = snapshot.member(member).ok_or(DropReason::SnatFlowUnknown)?;
                let outside = (parsed.destination, parsed.destination_port);
                let share = Share::of_frontend(outside.0, outside.1, port);
                let (address, change) = (member.address, share.inwards.and(member.share.inwards));
                let to = Translation { end: End::Destination, address, port, change };
                self.leave(snapshot, member.adjacency, Some(&to), frames, batch, place)
            }
            Action::FromInstance(member) => {
                let instance = snapshot.instance(member).ok_or(DropReason::NoOutbound)?;
                let member = snapshot.member(member).ok_or(DropReason::NoOutbound)?;
                let change = instance.share.outwards.and(member.share.outwards);
                let (address, port) = (instance.public, kept_port(parsed, End::Source));
                let to = Translation { end: End::Source, address, port, change };
                let hop = self.route(snapshot, parsed)?;
                self.leave(snapshot, hop, Some(&to), frames, batch, place)
            }
            Action::ToInstance(member) => {
                let instance = snapshot.instance(member).ok_or(DropReason::NoRoute)?;
                let member = snapshot.member(member).ok_or(DropReason::NoRoute)?;
                let change = instance.share.inwards.and(member.share.inwards);
                let (address, port) = (member.address, kept_port(parsed, End::Destination));
                let to = Translation { end: End::Destination, address, port, change };
                self.leave(snapshot, member.adjacency, Some(&to), frames, batch, place)
            }
            Action::Route => {
                let hop = self.route(snapshot, parsed)?;
                self.leave(snapshot, hop, None, frames, batch, place)
            }
        }
    }

    /// Writes the packet with its new end, if it gets one, for its next hop, if it may go there.
    #[inline(never)]
    fn leave<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        hop: AdjacencyId,
        to: Option<&Translation>,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> Result<(), DropReason> {
        let parsed = &batch.parsed[place];
        let hop = snapshot.adjacencies.get(hop.index()).ok_or(DropReason::NoRoute)?;
        if parsed.network_length > hop.mtu {
            return Err(self.why_not(snapshot, hop));
        }
        let frame = frames.frame_mut(place);
        if let Some(head) = frame.get_mut(..hop.link.len()) {
            head.copy_from_slice(&hop.link);
        }
        match to {
            Some(to) if batch.sets.fragments.contains(place) => {
                translate::fragment(frame, parsed, to);
            }
            Some(to) if batch.sets.errors.contains(place) => {
                self.rewrite_error(frame, parsed, to);
            }
            _ => {
                translate::any(frame, parsed, to);
                if let Some(identifier) = new_identifier(&batch.actions[place], parsed) {
                    translate::identifier(frame, parsed, identifier);
                }
            }
        }
        self.count(&batch.actions[place], parsed);
        batch.transmit(place, hop.port);
        Ok(())
    }

    /// Why a packet may not leave by this next hop.
    #[cold]
    fn why_not(&mut self, snapshot: &Snapshot, hop: &Adjacency) -> DropReason {
        if snapshot.ports.get(hop.port.index()).is_none() {
            // A member that no route leads to has an adjacency without a port.
            DropReason::NoRoute
        } else if hop.mac.is_none() {
            self.request(hop.port, hop.address);
            DropReason::NeighbourUnresolved
        } else {
            DropReason::MtuExceeded
        }
    }

    /// The next hop towards the packet's destination.
    #[inline]
    fn route(&mut self, snapshot: &Snapshot, parsed: &Parsed) -> Result<AdjacencyId, DropReason> {
        let source = (parsed.source, parsed.source_port);
        let hash = || hop_hash(source, (parsed.destination, parsed.destination_port));
        match snapshot.routes.towards(parsed.destination, hash) {
            NextHop::Through(adjacency) => Ok(adjacency),
            NextHop::Unresolved(port) => {
                self.request(port, parsed.destination);
                Err(DropReason::NeighbourUnresolved)
            }
            NextHop::None => Err(DropReason::NoRoute),
        }
    }

    #[inline]
    fn count(&self, action: &Action, parsed: &Parsed) {
        let bytes = u64::from(parsed.network_length);
        match *action {
            Action::ToMember(rule, member) | Action::FromFrontend(rule, member) => {
                self.rules.packets().count(rule.index(), bytes);
                self.members.packets().count(member.index(), bytes);
            }
            Action::ToOutside(member, ..)
            | Action::FromOutside(member, _)
            | Action::FromInstance(member)
            | Action::ToInstance(member) => {
                self.members.packets().count(member.index(), bytes);
            }
            Action::Route => self.counters.count(Counter::RoutedPackets, 1),
        }
    }
}

/// The port, or the identifier of a ping, that an end keeps when its address alone is replaced. A
/// ping has one identifier, whichever end it stands for.
const fn kept_port(parsed: &Parsed, end: End) -> u16 {
    match end {
        _ if parsed.protocol == ProtocolNumber::ICMP => {
            parsed.source_port | parsed.destination_port
        }
        End::Source => parsed.source_port,
        End::Destination => parsed.destination_port,
    }
}

/// What the identifier of a ping between a member and the outside becomes.
#[inline]
const fn new_identifier(action: &Action, parsed: &Parsed) -> Option<u16> {
    if let Action::ToOutside(_, _, port) | Action::FromOutside(_, port) = *action
        && parsed.protocol == ProtocolNumber::ICMP
    {
        return Some(port);
    }
    None
}
