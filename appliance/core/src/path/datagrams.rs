//! What becomes of plain datagrams to and from frontends?
//!
//! UDP is not tracked: the snapshot alone says what `decide` would say of every packet, and says it
//! here without the long way. A datagram that is not as usual in any way is left to that, with
//! nothing written. Whichever worker has a datagram sends it on.

use super::batch::{Batch, Frames};
use super::decide::selection_hash;
use super::family::{Family, V4, V6};
use super::parse::{is_valid_destination, is_valid_source};
use super::replay::{from_frontend, may_leave, to_member};
use super::sort::near_end;
use super::worker::Worker;
use crate::policy::{Backend, Host, NextHop, Snapshot, StandingWord};
use crate::telemetry::Counter;
use crate::units::AdjacencyId;
use crate::wire::{End, PlainFrame, PlainTranslation, ProtocolNumber};

impl Worker {
    /// Sends on the plain datagrams among what was not sorted.
    #[inline(never)]
    pub(super) fn forward_datagrams<F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        let mut forwarded = 0;
        for place in batch.all() - batch.sorted() {
            let done = self.forward_datagram::<V4, F>(snapshot, frames, batch, place);
            if done
                .or_else(|| self.forward_datagram::<V6, F>(snapshot, frames, batch, place))
                .is_some()
            {
                batch.sets.datagrams.add(place);
                forwarded += 1;
            }
        }
        if forwarded > 0 {
            self.counters.count(Counter::StatelessPackets, forwarded);
        }
    }

    #[inline]
    fn forward_datagram<V: Family, F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) -> Option<()> {
        let port = snapshot.ports.get(batch.ingress[place].index())?;
        let length = frames.length(place);
        let frame = V::Frame::of_mut(frames.head_mut(place));
        if !frame.is_for(port.station) || !frame.is_plain_udp(length) || !frame.may_hop() {
            return None;
        }
        let (inward, near) = near_end::<V>(snapshot, frame, ProtocolNumber::UDP);
        let standing = V::standing(&snapshot.endpoints, near).filter(|it| !it.is_ambiguous())?;
        let (backend, end, to, hop) = if inward == 1 {
            towards_member::<V>(snapshot, standing, frame)?
        } else {
            towards_client::<V>(snapshot, standing, frame, batch, place)?
        };
        let (hop, bytes) = may_leave::<V>(snapshot, hop, frame)?;
        frame.readdress(hop.link);
        frame.translate_datagram(end, to);
        batch.transmit(place, hop.port);
        self.rules.packets().count(backend.rule.index(), bytes);
        self.members.packets().count(backend.member.index(), bytes);
        Some(())
    }
}

/// A client's datagram: from a host that nobody knows here, and that a reply can reach.
#[inline]
fn towards_member<'a, V: Family>(
    snapshot: &'a Snapshot,
    standing: StandingWord,
    frame: &V::Frame,
) -> Option<(Backend, End, PlainTranslation<'a, V::OnWire>, AdjacencyId)> {
    let ((source, source_port), (to, to_port)) = (frame.end(0), frame.end(1));
    let source = V::address(source)?;
    if !is_valid_source(source) || snapshot.hosts.get(source) != Host::default() {
        return None;
    }
    let rule = snapshot.rules.get(standing.rule().index())?;
    let pool = snapshot.pools.get(rule.pool as usize)?;
    let client = (source, source_port.get());
    let frontend = (V::address(to)?, to_port.get());
    let hash = selection_hash(rule.distribution, client, frontend, ProtocolNumber::UDP);
    if let NextHop::Unresolved(_) = snapshot.routes.towards(source, || hash) {
        return None;
    }
    let backend = Backend { rule: standing.rule(), member: pool.pick(hash).ok()? };
    let (end, to, hop) = to_member::<V>(snapshot, backend)?;
    Some((backend, end, to, hop))
}

/// A member's datagram to a client.
#[inline]
fn towards_client<'a, V: Family>(
    snapshot: &'a Snapshot,
    standing: StandingWord,
    frame: &V::Frame,
    batch: &Batch,
    place: usize,
) -> Option<(Backend, End, PlainTranslation<'a, V::OnWire>, AdjacencyId)> {
    if !is_valid_destination(V::address(frame.end(1).0)?) {
        return None;
    }
    let backend = Backend { rule: standing.rule(), member: standing.member() };
    if snapshot.members.get(backend.member.index())?.port != Some(batch.ingress[place]) {
        return None;
    }
    let (end, to, hop) = from_frontend::<V>(snapshot, backend, frame)?;
    Some((backend, end, to, hop))
}
