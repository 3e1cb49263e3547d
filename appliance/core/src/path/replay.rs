//! What do open connections' packets become?
//!
//! The straight line: a record is found where it is expected, the packet is noted in it, and the
//! frame is written from three cache lines of the snapshot: rule, member, next hop. A packet that
//! is not as usual in any way is left for `find`, with nothing noted and nothing written.

use super::batch::{Batch, Frames};
use super::places::Places;
use super::worker::{Now, Worker};
use crate::flow::{Entry, Side};
use crate::policy::{Adjacency, Backend, NextHop, Snapshot};
use crate::tables::mix;
use crate::telemetry::PacketCounters;
use crate::units::{Address, AdjacencyId, MemberId, Tick};
use crate::wire::{End, PlainIpv4, PlainTranslation, translate};

impl Worker {
    /// Takes what was sorted to its end; what is not as usual waits for `find`.
    #[inline(never)]
    pub(super) fn replay<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        // The home lines are there by now; a record that stands elsewhere would be waited for.
        for place in batch.sets.inwards | batch.sets.outwards {
            let (key, home) = (batch.short_keys[place], batch.slots[place]);
            batch.slots[place] = self.flows.look_ahead_v4(key, home);
        }
        let left =
            self.walk(snapshot, now, frames, batch, batch.sets.inwards | batch.sets.outwards);
        // A few records stand further away than expected.
        let mut again = Places::default();
        for place in left {
            let found = self.flows.find_v4(batch.short_keys[place]);
            if let Some(slot) = found.filter(|slot| *slot != batch.slots[place]) {
                batch.slots[place] = slot;
                again.add(place);
            }
        }
        batch.sets.turning = (left - again) | self.walk(snapshot, now, frames, batch, again);
    }

    /// Replays these packets where their records are expected. Returns those that are not as usual.
    #[inline(never)]
    fn walk<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
        places: Places,
    ) -> Places {
        let mut left = Places::default();
        let mut replay = Replay {
            entries: self.flows.slots_mut(),
            rules: self.rules.packets(),
            members: self.members.packets(),
            snapshot,
            now: now.tick(),
        };
        for place in batch.sets.inwards & places {
            if replay.one(Side::Opener, frames, batch, place).is_none() {
                left.add(place);
            }
        }
        for place in batch.sets.outwards & places {
            if replay.one(Side::Responder, frames, batch, place).is_none() {
                left.add(place);
            }
        }
        left
    }
}

/// What every packet needs.
struct Replay<'a> {
    entries: &'a mut [Entry],
    rules: PacketCounters<'a>,
    members: PacketCounters<'a>,
    snapshot: &'a Snapshot,
    now: Tick,
}

impl Replay<'_> {
    /// One packet, of the side that is known where this is called from.
    #[inline(always)]
    fn one<F: Frames>(
        &mut self,
        side: Side,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> Option<()> {
        let (snapshot, rules, members) = (self.snapshot, self.rules, self.members);
        let (rule, member) = (batch.standings[place].rule(), batch.standings[place].member());
        let entry = self.entries.get_mut(batch.slots[place] as usize)?;
        let frame = PlainIpv4::of_mut(frames.head_mut(place));
        let as_usual = entry.is(batch.short_keys[place])
            && entry.generation >= snapshot.flows_valid_since
            && entry.tcp.is_established()
            && (side == Side::Opener || entry.target == member.0);
        if !as_usual {
            return None;
        }
        let backend = Backend { rule, member: MemberId(entry.target) };
        let (end, to, hop) = match side {
            Side::Opener => to_member(snapshot, backend)?,
            Side::Responder => {
                let (end, to) = from_frontend(snapshot, backend, batch, place)?;
                (end, to, route(snapshot, frame)?)
            }
        };
        let (hop, bytes) = may_leave(snapshot, hop, frame)?;
        entry.last_seen = self.now;
        match side {
            Side::Opener => entry.opener_expects = frame.acknowledgement(),
            Side::Responder => entry.responder_expects = frame.acknowledgement(),
        }
        frame.link = hop.link;
        translate::plain(frame, end, to);
        batch.transmit(place, hop.port);
        rules.count(backend.rule.index(), bytes);
        members.count(backend.member.index(), bytes);
        Some(())
    }
}

/// A client's packet becomes the member's.
#[inline(always)]
pub(super) fn to_member(
    snapshot: &Snapshot,
    backend: Backend,
) -> Option<(End, PlainTranslation, AdjacencyId)> {
    let rule = snapshot.rules.get(backend.rule.index())?;
    let member = snapshot.members.get(backend.member.index())?;
    let change = rule.share.inwards.and(member.share.inwards);
    let to = PlainTranslation { address: member.on_wire, port: rule.on_wire.2, change };
    Some((End::Destination, to, member.adjacency))
}

/// A member's reply becomes the frontend's, if it came by the member's port.
#[inline(always)]
pub(super) fn from_frontend(
    snapshot: &Snapshot,
    backend: Backend,
    batch: &Batch,
    place: usize,
) -> Option<(End, PlainTranslation)> {
    let rule = snapshot.rules.get(backend.rule.index())?;
    let member = snapshot.members.get(backend.member.index())?;
    if member.port != Some(batch.ingress[place]) {
        return None;
    }
    let change = rule.share.outwards.and(member.share.outwards);
    Some((End::Source, PlainTranslation { address: rule.on_wire.0, port: rule.on_wire.1, change }))
}

/// The next hop towards the packet's destination, if it is resolved.
#[inline(always)]
pub(super) fn route(snapshot: &Snapshot, frame: &PlainIpv4) -> Option<AdjacencyId> {
    let end = |end| {
        let (address, port) = frame.end(end);
        (Address::from_v4_bits(address.get()), port.get())
    };
    match snapshot.routes.towards(end(1).0, || hop_hash(end(0), end(1))) {
        NextHop::Through(hop) => Some(hop),
        NextHop::Unresolved(_) | NextHop::None => None,
    }
}

/// The next hop and how many bytes it gets, if the packet may go there.
#[inline(always)]
pub(super) fn may_leave<'a>(
    snapshot: &'a Snapshot,
    hop: AdjacencyId,
    frame: &PlainIpv4,
) -> Option<(&'a Adjacency, u64)> {
    let hop = snapshot.adjacencies.get(hop.index())?;
    let bytes = frame.network_length.get();
    (bytes <= hop.mtu && frame.time_to_live() > 1).then_some((hop, bytes.into()))
}

/// What picks among several next hops: the same for all packets of a flow.
pub(super) fn hop_hash(source: (Address, u16), destination: (Address, u16)) -> u64 {
    let ports = u64::from(source.1) << 16 | u64::from(destination.1);
    mix(source.0.low ^ ports, destination.0.low | 1)
}
