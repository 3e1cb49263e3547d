//! What do open connections' packets become?
//!
//! The straight line: a record is found where it is expected and the packet is noted in it; then
//! the frame is written from three cache lines of the snapshot: rule, member, next hop. A packet
//! that is not as usual in any way is left for `find`, with nothing written, and with nothing noted
//! that `find` would not note again.

use super::batch::{Batch, Frames};
use super::family::Family;
use super::places::Places;
use super::worker::{Now, Worker};
use crate::flow::{Entry, Side};
use crate::policy::{Adjacency, Backend, NextHop, Snapshot, Standing, StandingWord};
use crate::tables::mix;
use crate::telemetry::PacketCounters;
use crate::units::{Address, AdjacencyId, MemberId, Tick};
use crate::wire::{End, PlainFrame, PlainTranslation};

impl Worker {
    /// Takes what was sorted to its end; what is not as usual waits for `find`.
    #[inline(never)]
    pub(super) fn replay<V: Family, F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        let sorted = V::sorted(batch).all();
        if sorted.is_empty() {
            return;
        }
        // The home lines are there by now; a record that stands elsewhere would be waited for.
        for place in sorted {
            let (key, home) = (V::sorted(batch).keys[place], batch.slots[place]);
            batch.slots[place] = V::look_ahead(&self.flows, key, home);
        }
        let noted = self.note::<V, F>(snapshot, now, frames, batch, sorted);
        // A few records stand further away than expected.
        let mut again = Places::default();
        for place in sorted - noted {
            let found = V::find(&self.flows, V::sorted(batch).keys[place]);
            if let Some(slot) = found.filter(|slot| *slot != batch.slots[place]) {
                batch.slots[place] = slot;
                again.add(place);
            }
        }
        let noted = noted | self.note::<V, F>(snapshot, now, frames, batch, again);
        let sent = self.send::<V, F>(snapshot, frames, batch, noted);
        batch.transmit_all(sent);
        batch.sets.turning = batch.sets.turning | (sorted - sent);
    }

    /// Notes these packets in their records, where those stand as expected. Returns those that are
    /// as usual, now with their members.
    #[inline(never)]
    fn note<V: Family, F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &F,
        batch: &mut Batch,
        places: Places,
    ) -> Places {
        let mut noted = Places::default();
        let mut records = Records { entries: self.flows.slots_mut(), snapshot, now: now.tick() };
        for place in V::sorted(batch).inwards & places {
            if records.note::<V, F>(Side::Opener, frames, batch, place).is_some() {
                noted.add(place);
            }
        }
        for place in V::sorted(batch).outwards & places {
            if records.note::<V, F>(Side::Responder, frames, batch, place).is_some() {
                noted.add(place);
            }
        }
        noted
    }

    /// Writes and counts these packets, whose members are known. Returns those that can be sent.
    #[inline(never)]
    fn send<V: Family, F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        places: Places,
    ) -> Places {
        let (rules, members) = (self.rules.packets(), self.members.packets());
        let replay = Replay { rules, members, snapshot };
        let mut sent = Places::default();
        for place in V::sorted(batch).inwards & places {
            if replay.send::<V, F>(Side::Opener, frames, batch, place).is_some() {
                sent.add(place);
            }
        }
        for place in V::sorted(batch).outwards & places {
            if replay.send::<V, F>(Side::Responder, frames, batch, place).is_some() {
                sent.add(place);
            }
        }
        sent
    }
}

/// What is needed to note a packet.
struct Records<'a> {
    entries: &'a mut [Entry],
    snapshot: &'a Snapshot,
    now: Tick,
}

impl Records<'_> {
    /// One packet, of the side that is known where this is called from.
    #[inline(always)]
    fn note<V: Family, F: Frames>(
        &mut self,
        side: Side,
        frames: &F,
        batch: &mut Batch,
        place: usize,
    ) -> Option<()> {
        let entry = self.entries.get_mut(batch.slots[place] as usize)?;
        let as_usual = V::is(entry, V::sorted(batch).keys[place])
            && entry.generation >= self.snapshot.flows_valid_since
            && entry.tcp.is_established();
        if !as_usual {
            return None;
        }
        let acknowledgement = V::Frame::of(frames.head(place)).acknowledgement();
        let standing = &mut batch.standings[place];
        match side {
            Side::Opener => {
                let backend = Backend { rule: standing.rule(), member: MemberId(entry.target) };
                *standing = StandingWord::new(Standing::Member(backend));
                entry.opener_expects = acknowledgement;
            }
            Side::Responder => {
                let member = standing.member();
                let by = self.snapshot.members.get(member.index())?.port;
                if entry.target != member.0 || by != Some(batch.ingress[place]) {
                    return None;
                }
                entry.responder_expects = acknowledgement;
            }
        }
        entry.last_seen = self.now;
        Some(())
    }
}

/// What is needed to send a packet.
struct Replay<'a> {
    rules: PacketCounters<'a>,
    members: PacketCounters<'a>,
    snapshot: &'a Snapshot,
}

impl Replay<'_> {
    /// One packet, likewise.
    #[inline(always)]
    fn send<V: Family, F: Frames>(
        &self,
        side: Side,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> Option<()> {
        let (snapshot, standing) = (self.snapshot, batch.standings[place]);
        let frame = V::Frame::of_mut(frames.head_mut(place));
        let backend = Backend { rule: standing.rule(), member: standing.member() };
        let (end, to, hop) = match side {
            Side::Opener => to_member::<V>(snapshot, backend)?,
            Side::Responder => from_frontend::<V>(snapshot, backend, frame)?,
        };
        let (hop, bytes) = may_leave::<V>(snapshot, hop, frame)?;
        frame.readdress(hop.link);
        frame.translate_segment(end, to);
        batch.leave_by(place, hop.port);
        self.rules.count(backend.rule.index(), bytes);
        self.members.count(backend.member.index(), bytes);
        Some(())
    }
}

/// A client's packet becomes the member's.
#[inline(always)]
pub(super) fn to_member<V: Family>(
    snapshot: &Snapshot,
    backend: Backend,
) -> Option<(End, PlainTranslation<'_, V::OnWire>, AdjacencyId)> {
    let rule = snapshot.rules.get(backend.rule.index())?;
    let member = snapshot.members.get(backend.member.index())?;
    let shares = [&rule.share.inwards, &member.share.inwards];
    let to = PlainTranslation { address: V::member(member), port: rule.on_wire.2, shares };
    Some((End::Destination, to, member.adjacency))
}

/// A member's reply becomes the frontend's.
#[inline(always)]
pub(super) fn from_frontend<'a, V: Family>(
    snapshot: &'a Snapshot,
    backend: Backend,
    frame: &V::Frame,
) -> Option<(End, PlainTranslation<'a, V::OnWire>, AdjacencyId)> {
    let rule = snapshot.rules.get(backend.rule.index())?;
    let member = snapshot.members.get(backend.member.index())?;
    let shares = [&rule.share.outwards, &member.share.outwards];
    let to = PlainTranslation { address: V::frontend(rule), port: rule.on_wire.1, shares };
    Some((End::Source, to, route::<V>(snapshot, frame)?))
}

/// The next hop towards the packet's destination, if it is resolved.
#[inline(always)]
fn route<V: Family>(snapshot: &Snapshot, frame: &V::Frame) -> Option<AdjacencyId> {
    let end = |end| {
        let (address, port) = frame.end(end);
        (address.into(), port.get())
    };
    match snapshot.routes.towards(end(1).0, || hop_hash(end(0), end(1))) {
        NextHop::Through(hop) => Some(hop),
        NextHop::Unresolved(_) | NextHop::None => None,
    }
}

/// The next hop and how many bytes it gets, if the packet is not too long for it.
#[inline(always)]
pub(super) fn may_leave<'a, V: Family>(
    snapshot: &'a Snapshot,
    hop: AdjacencyId,
    frame: &V::Frame,
) -> Option<(&'a Adjacency, u64)> {
    let hop = snapshot.adjacencies.get(hop.index())?;
    let bytes = frame.network_length();
    (bytes <= hop.mtu).then_some((hop, bytes.into()))
}

/// What picks among several next hops: the same for all packets of a flow.
pub(super) fn hop_hash(source: (Address, u16), destination: (Address, u16)) -> u64 {
    let ports = u64::from(source.1) << 16 | u64::from(destination.1);
    mix(source.0.high ^ source.0.low ^ ports, destination.0.high ^ destination.0.low | 1)
}
