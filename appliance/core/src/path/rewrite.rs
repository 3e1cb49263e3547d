//! Which bytes change, and by which port does the packet leave?
//!
//! The only stage that writes packets on their way. Ids become addresses here, from the small
//! dense tables of the snapshot: a rule, a member and a next hop are a cache line each, with their
//! share of the change in checksums.

use super::batch::{Action, Batch, Frames};
use super::worker::Worker;
use crate::policy::{Adjacency, Backend, NextHop, Snapshot};
use crate::tables::mix;
use crate::telemetry::{Counter, DropReason};
use crate::units::AdjacencyId;
use crate::wire::{End, Parsed, Translation, translate};

impl Worker {
    /// Rewrites every packet that is to leave.
    #[inline(never)]
    pub(super) fn rewrite<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for place in batch.to_member {
            let backend = batch.backends[place];
            let Some((to, hop)) = to_member(snapshot, backend) else {
                batch.drop(place, DropReason::NoRule);
                continue;
            };
            if self.send(snapshot, Some(&to), hop, frames, batch, place) {
                self.count(backend, &batch.parsed[place]);
            }
        }
        for place in batch.from_frontend {
            let backend = batch.backends[place];
            let Some(to) = from_frontend(snapshot, backend) else {
                batch.drop(place, DropReason::NoRule);
                continue;
            };
            let hop = match self.route(snapshot, &batch.parsed[place]) {
                Ok(hop) => hop,
                Err(reason) => {
                    batch.drop(place, reason);
                    continue;
                }
            };
            if self.send(snapshot, Some(&to), hop, frames, batch, place) {
                self.count(backend, &batch.parsed[place]);
            }
        }
        for place in batch.elsewhere {
            self.rewrite_elsewhere(snapshot, frames, batch, place);
        }
    }

    /// Rewrites a packet that has to do with no frontend.
    fn rewrite_elsewhere<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let (action, parsed) = (batch.actions[place], batch.parsed[place]);
        match self.resolve(snapshot, action, &parsed) {
            Err(reason) => batch.drop(place, reason),
            Ok((to, hop)) => {
                if self.send(snapshot, to.as_ref(), hop, frames, batch, place) {
                    self.count_elsewhere(action, &parsed);
                }
            }
        }
    }

    /// Writes the packet, unless it may not leave. Returns whether it leaves.
    #[inline(always)]
    fn send<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        to: Option<&Translation>,
        hop: AdjacencyId,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> bool {
        let parsed = &batch.parsed[place];
        let Some(hop) = snapshot.adjacencies.get(hop.index()) else {
            batch.drop(place, DropReason::NoRoute);
            return false;
        };
        if parsed.network_length > hop.mtu || parsed.time_to_live <= 1 {
            let reason = self.why_not(snapshot, parsed, hop);
            batch.drop(place, reason);
            return false;
        }
        let head = frames.head_mut(place);
        head[..hop.link.len()].copy_from_slice(&hop.link);
        match to {
            Some(to) if batch.plain.contains(place) => translate::plain(head, parsed.protocol, to),
            Some(_) | None => rewrite_any(frames.frame_mut(place), parsed, to),
        }
        batch.transmit(place, hop.port);
        true
    }

    /// Why a packet may not leave by this next hop.
    #[cold]
    fn why_not(&mut self, snapshot: &Snapshot, parsed: &Parsed, hop: &Adjacency) -> DropReason {
        if parsed.time_to_live <= 1 {
            DropReason::TtlExpired
        } else if snapshot.ports.get(hop.port.index()).is_none() {
            // A member that no route leads to has an adjacency without a port.
            DropReason::NoRoute
        } else if hop.mac.is_none() {
            self.request(hop.port, hop.address);
            DropReason::NeighbourUnresolved
        } else {
            DropReason::MtuExceeded
        }
    }

    /// The packet's new end, if it gets one, and its next hop.
    fn resolve(
        &mut self,
        snapshot: &Snapshot,
        action: Action,
        parsed: &Parsed,
    ) -> Result<(Option<Translation>, AdjacencyId), DropReason> {
        match action {
            Action::ToMember(rule, member) => {
                let found = to_member(snapshot, Backend { rule, member });
                found.map(|(to, hop)| (Some(to), hop)).ok_or(DropReason::NoRule)
            }
            Action::FromFrontend(rule, member) => {
                let to = from_frontend(snapshot, Backend { rule, member });
                Ok((Some(to.ok_or(DropReason::NoRule)?), self.route(snapshot, parsed)?))
            }
            Action::ToOutside(_, outbound, port) => {
                let outbound = snapshot.outbound_address(outbound);
                let address = outbound.ok_or(DropReason::NoOutbound)?.address;
                let to = Translation::of(parsed, End::Source, address, port);
                Ok((Some(to), self.route(snapshot, parsed)?))
            }
            Action::FromOutside(member, port) => {
                let member = snapshot.member(member).ok_or(DropReason::SnatFlowUnknown)?;
                let to = Translation::of(parsed, End::Destination, member.address, port);
                Ok((Some(to), member.adjacency))
            }
            Action::Route => Ok((None, self.route(snapshot, parsed)?)),
        }
    }

    /// The next hop towards the packet's destination.
    #[inline]
    fn route(&mut self, snapshot: &Snapshot, parsed: &Parsed) -> Result<AdjacencyId, DropReason> {
        let hash = || {
            let ports = u64::from(parsed.source_port) << 16 | u64::from(parsed.destination_port);
            mix(parsed.source.low ^ ports, parsed.destination.low | 1)
        };
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
    fn count(&self, backend: Backend, parsed: &Parsed) {
        let bytes = u64::from(parsed.network_length);
        self.rules.packet(backend.rule.index(), bytes);
        self.members.packet(backend.member.index(), bytes);
    }

    fn count_elsewhere(&self, action: Action, parsed: &Parsed) {
        match action {
            Action::ToMember(rule, member) | Action::FromFrontend(rule, member) => {
                self.count(Backend { rule, member }, parsed);
            }
            Action::ToOutside(member, ..) | Action::FromOutside(member, _) => {
                self.members.packet(member.index(), parsed.network_length.into());
            }
            Action::Route => self.counters.count(Counter::RoutedPackets, 1),
        }
    }
}

/// A client's packet becomes the member's. That the rule and the member are there has been
/// checked with the flow's record, or just now.
#[inline]
fn to_member(snapshot: &Snapshot, backend: Backend) -> Option<(Translation, AdjacencyId)> {
    let rule = snapshot.rules.get(backend.rule.index())?;
    let member = snapshot.members.get(backend.member.index())?;
    let to = Translation {
        end: End::Destination,
        address: member.address,
        port: rule.backend_port,
        address_delta: rule.address_deltas.inwards.and(member.address_deltas.inwards),
        port_delta: rule.port_deltas.inwards,
    };
    Some((to, member.adjacency))
}

/// A member's reply becomes the frontend's.
#[inline]
fn from_frontend(snapshot: &Snapshot, backend: Backend) -> Option<Translation> {
    let rule = snapshot.rules.get(backend.rule.index())?;
    let member = snapshot.members.get(backend.member.index())?;
    Some(Translation {
        end: End::Source,
        address: rule.frontend,
        port: rule.frontend_port,
        address_delta: rule.address_deltas.outwards.and(member.address_deltas.outwards),
        port_delta: rule.port_deltas.outwards,
    })
}

#[inline(never)]
fn rewrite_any(frame: &mut [u8], parsed: &Parsed, to: Option<&Translation>) {
    translate::any(frame, parsed, to);
}
