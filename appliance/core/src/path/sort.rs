//! Which packets may go straight through?
//!
//! Nearly all frames are plain, and nearly all of them go to a frontend's endpoint or come from a
//! member's: one look-up tells which, and whose flow it is. Those are sorted by direction here,
//! and the lines of their records are asked for. Which of the two directions a packet has is
//! nobody's to foresee, so that it is reckoned with, not branched on.
//!
//! Whatever is not as usual is left alone, for `parse` and `steer` to ask row by row.

use super::batch::{Batch, Frames, Tag};
use super::family::Family;
use super::places::Places;
use super::steer::hand_over;
use super::worker::Worker;
use crate::limits::BATCH;
use crate::policy::{Snapshot, StandingWord};
use crate::units::PortId;
use crate::wire::{PlainFrame, ProtocolNumber, plain, tcp};

/// A segment with one of these flags opens or ends something.
const TURNING: u8 = tcp::SYN | tcp::FIN | tcp::RST;

impl Worker {
    /// Sorts out a family's plain TCP segments of flows behind frontends; asks for their records.
    #[inline(never)]
    pub(super) fn sort<V: Family, F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &F,
        batch: &mut Batch,
    ) {
        let left = batch.all() - batch.sorted();
        if left.is_empty() {
            return;
        }
        let (segments, inwards) = read::<V, F>(snapshot, frames, batch, left);
        let sorted = self.ask_for::<V, F>(snapshot, frames, batch, segments);
        let family = V::sorted(batch);
        (family.inwards, family.outwards) = (sorted & inwards, sorted - inwards);
    }

    /// Which of these segments are of flows behind frontends that this worker owns.
    #[inline(never)]
    fn ask_for<V: Family, F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &F,
        batch: &mut Batch,
        segments: Places,
    ) -> Places {
        let is_shared = snapshot.owner.workers() > 1;
        let endpoints = &*snapshot.endpoints;
        let mut sorted = Places::default();
        for place in segments {
            // Where several rules lead there is no flow either: `find` says why.
            let near = V::sorted(batch).nears[place];
            let Some(standing) = V::standing(endpoints, near) else { continue };
            if is_shared {
                let tag = frames.tag(place);
                if !self.is_mine::<V>(snapshot, standing, tag, batch, place) {
                    continue;
                }
            }
            let key = V::behind(V::sorted(batch).keys[place], standing.rule());
            let slot = V::home(&self.flows, key);
            self.flows.prefetch(slot);
            batch.standings[place] = standing;
            V::sorted(batch).keys[place] = key;
            batch.slots[place] = slot;
            sorted.add(place);
        }
        sorted
    }

    /// Whether a segment of a client's flow is for this worker to sort; if it is another's, that is
    /// noted.
    #[inline(never)]
    fn is_mine<V: Family>(
        &self,
        snapshot: &Snapshot,
        standing: StandingWord,
        tag: Tag,
        batch: &mut Batch,
        place: usize,
    ) -> bool {
        let Some(rule) = snapshot.rules.get(standing.rule().index()) else { return false };
        if tag.inbound_missed {
            return false;
        }
        let client = V::sorted(batch).keys[place % BATCH];
        let owner = V::owner(&snapshot.owner, client, rule.owner_share);
        if owner != self.id {
            batch.owners[place % BATCH] = owner;
            batch.sets.foreign.add(place);
        }
        owner == self.id
    }

    /// Passes the segments of other workers' flows to them.
    #[inline(never)]
    pub(super) fn hand_over_sorted<F: Frames>(frames: &mut F, batch: &mut Batch) {
        for place in batch.sets.foreign {
            hand_over(batch.owners[place], frames.tag(place), frames, batch, place);
        }
    }
}

/// Reads a family's plain TCP segments of open connections that may be forwarded: the end that may
/// be ours, and what the other end adds to the flow's key. Returns them, and which of them come
/// from clients.
#[inline(never)]
fn read<V: Family, F: Frames>(
    snapshot: &Snapshot,
    frames: &F,
    batch: &mut Batch,
    places: Places,
) -> (Places, Places) {
    let (mut segments, mut inwards) = (Places::default(), Places::default());
    // Mostly the same for all of a burst.
    let mut ingress = frames.ingress(0);
    let mut station = station_of(snapshot, ingress);
    for place in places {
        let from = frames.ingress(place);
        batch.ingress[place] = from;
        if from != ingress {
            (ingress, station) = (from, station_of(snapshot, from));
        }
        let frame = V::Frame::of(frames.head(place));
        if !frame.is_for(station)
            || !frame.is_plain_tcp(frames.length(place))
            || frame.tcp_flags() & TURNING != 0
            || !frame.may_hop()
        {
            continue;
        }
        let (inward, near) = near_end::<V>(snapshot, frame, ProtocolNumber::TCP);
        let (far, far_port) = frame.end(inward ^ 1);
        let Some(client) = V::client(far, far_port) else { continue };
        let family = V::sorted(batch);
        family.nears[place] = near;
        family.keys[place] = client;
        segments.add(place);
        inwards.add_if(place, inward);
    }
    (segments, inwards)
}

/// Whose frames a port takes.
fn station_of(snapshot: &Snapshot, ingress: PortId) -> u64 {
    snapshot.ports.get(ingress.index()).map_or(plain::NOBODY, |port| port.station)
}

/// The end of a plain frame that may be ours, and which end that is: 1 if it is where the frame
/// goes, to a frontend, 0 if it is where it comes from, a member.
#[inline(always)]
pub(super) fn near_end<V: Family>(
    snapshot: &Snapshot,
    frame: &V::Frame,
    protocol: u8,
) -> (u32, V::Near) {
    let inward = V::may_be_ours(&snapshot.hosts, frame.end(1).0);
    let (near, near_port) = frame.end(inward);
    (inward, V::near(near, near_port, protocol, inward))
}
