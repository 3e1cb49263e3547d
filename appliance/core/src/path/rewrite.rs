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
use crate::units::{Address, AdjacencyId};
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
        let (rules, members) = (self.rules.packets(), self.members.packets());
        let mut stuck = (batch.to_member | batch.from_frontend) - batch.plain;
        for place in batch.to_member & batch.plain {
            let backend = batch.backends[place];
            let sent = to_member(snapshot, backend)
                .and_then(|(to, hop)| send(snapshot, &to, hop, frames, batch, place));
            let Some(bytes) = sent else {
                stuck.add(place);
                continue;
            };
            rules.count(backend.rule.index(), bytes);
            members.count(backend.member.index(), bytes);
        }
        for place in batch.from_frontend & batch.plain {
            let backend = batch.backends[place];
            let client = batch.tuples[place].destination.address();
            let NextHop::Through(hop) = snapshot.routes.towards(client, || hash_of(batch, place))
            else {
                stuck.add(place);
                continue;
            };
            let sent = from_frontend(snapshot, backend)
                .and_then(|to| send(snapshot, &to, hop, frames, batch, place));
            let Some(bytes) = sent else {
                stuck.add(place);
                continue;
            };
            rules.count(backend.rule.index(), bytes);
            members.count(backend.member.index(), bytes);
        }
        for place in stuck | batch.elsewhere {
            self.rewrite_any(snapshot, frames, batch, place);
        }
    }

    /// Rewrites a packet that may be anything, or drops it.
    #[inline(never)]
    fn rewrite_any<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        batch.describe(place);
        let (action, parsed) = (batch.action(place), batch.parsed[place]);
        match self.resolve(snapshot, action, &parsed) {
            Err(reason) => batch.drop(place, reason),
            Ok((to, hop)) => {
                let frame = frames.frame_mut(place);
                if let Some(head) = frame.get_mut(..hop.link.len()) {
                    head.copy_from_slice(&hop.link);
                }
                translate::any(frame, &parsed, to.as_ref());
                batch.transmit(place, hop.port);
                self.count(action, &parsed);
            }
        }
    }

    /// Why a packet may not leave by this next hop.
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

    /// The packet's new end, if it gets one, and its next hop, which it may take.
    fn resolve<'a>(
        &mut self,
        snapshot: &'a Snapshot,
        action: Action,
        parsed: &Parsed,
    ) -> Result<(Option<Translation>, &'a Adjacency), DropReason> {
        if parsed.time_to_live <= 1 {
            return Err(DropReason::TtlExpired);
        }
        let (to, hop) = self.translation(snapshot, action, parsed)?;
        let hop = snapshot.adjacencies.get(hop.index()).ok_or(DropReason::NoRoute)?;
        if parsed.network_length > hop.mtu {
            return Err(self.why_not(snapshot, hop));
        }
        Ok((to, hop))
    }

    fn translation(
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
        let ports = (parsed.source_port, parsed.destination_port);
        let hash = || hash(parsed.source, parsed.destination, ports);
        match snapshot.routes.towards(parsed.destination, hash) {
            NextHop::Through(adjacency) => Ok(adjacency),
            NextHop::Unresolved(port) => {
                self.request(port, parsed.destination);
                Err(DropReason::NeighbourUnresolved)
            }
            NextHop::None => Err(DropReason::NoRoute),
        }
    }

    fn count(&self, action: Action, parsed: &Parsed) {
        let bytes = u64::from(parsed.network_length);
        match action {
            Action::ToMember(rule, member) | Action::FromFrontend(rule, member) => {
                self.rules.packets().count(rule.index(), bytes);
                self.members.packets().count(member.index(), bytes);
            }
            Action::ToOutside(member, ..) | Action::FromOutside(member, _) => {
                self.members.packets().count(member.index(), bytes);
            }
            Action::Route => self.counters.count(Counter::RoutedPackets, 1),
        }
    }
}

/// Writes a plain packet, unless it may not leave. Returns how many bytes leave.
#[inline(always)]
fn send<F: Frames>(
    snapshot: &Snapshot,
    to: &Translation,
    hop: AdjacencyId,
    frames: &mut F,
    batch: &mut Batch,
    place: usize,
) -> Option<u64> {
    let tuple = &batch.tuples[place];
    let hop = snapshot.adjacencies.get(hop.index())?;
    if tuple.network_length > hop.mtu || tuple.time_to_live <= 1 {
        return None;
    }
    let head = frames.head_mut(place);
    head[..hop.link.len()].copy_from_slice(&hop.link);
    translate::plain(head, tuple.source.protocol(), to);
    let bytes = tuple.network_length.into();
    batch.transmit(place, hop.port);
    Some(bytes)
}

/// What picks among several next hops: the same for all packets of a flow.
fn hash(source: Address, destination: Address, ports: (u16, u16)) -> u64 {
    let ports = u64::from(ports.0) << 16 | u64::from(ports.1);
    mix(source.low ^ ports, destination.low | 1)
}

fn hash_of(batch: &Batch, place: usize) -> u64 {
    let (from, to) = (batch.tuples[place].source, batch.tuples[place].destination);
    hash(from.address(), to.address(), (from.port(), to.port()))
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
        change: rule.share.inwards.and(member.share.inwards),
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
        change: rule.share.outwards.and(member.share.outwards),
    })
}
