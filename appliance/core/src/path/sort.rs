//! Which packets may go straight through?
//!
//! Nearly all frames are plain, and nearly all of them go to a frontend's endpoint or come from a
//! member's: one look-up tells which, and whose flow it is. Those are sorted by direction here,
//! and the lines of their records are asked for. Which of the two directions a packet has is
//! nobody's to foresee, so that it is reckoned with, not branched on.
//!
//! Whatever is not as usual is left alone, for `parse` and `steer` to ask row by row.

use super::batch::{Batch, Frames, Tag};
use super::places::Places;
use super::steer::hand_over;
use super::worker::Worker;
use crate::flow::key;
use crate::limits::BATCH;
use crate::policy::{Snapshot, StandingWord};
use crate::wire::{PlainIpv4, ProtocolNumber, tcp};

/// A segment with one of these flags opens or ends something.
const TURNING: u8 = tcp::SYN | tcp::FIN | tcp::RST;

impl Worker {
    /// Sorts out the plain TCP segments of flows behind frontends; asks for their records.
    #[inline(never)]
    pub(super) fn sort<F: Frames>(&self, snapshot: &Snapshot, frames: &F, batch: &mut Batch) {
        let is_shared = snapshot.owner.workers() > 1;
        let (mut sorted, mut inwards) = (Places::default(), Places::default());
        for place in batch.all() {
            let ingress = frames.ingress(place);
            batch.ingress[place] = ingress;
            let Some(port) = snapshot.ports.get(ingress.index()) else { continue };
            let frame = PlainIpv4::of(frames.head(place));
            if !frame.is_for(port.station) || !frame.is_plain_tcp(frames.length(place)) {
                continue;
            }
            if frame.tcp_flags() & TURNING != 0 {
                continue;
            }
            let Some((inward, standing)) = near_end(snapshot, frame, ProtocolNumber::TCP) else {
                continue;
            };
            let (far, far_port) = frame.end(inward ^ 1);
            let (far, far_port) = (far.get(), far_port.get());
            if is_shared {
                let tag = frames.tag(place);
                if !self.is_mine(snapshot, standing, (far, far_port), tag, batch, place) {
                    continue;
                }
            }
            let key = key::inbound_v4(far, far_port, standing.rule());
            let slot = self.flows.home_v4(key);
            self.flows.prefetch(slot);
            batch.standings[place] = standing;
            batch.short_keys[place] = key;
            batch.slots[place] = slot;
            sorted.add(place);
            inwards.add_if(place, inward);
        }
        (batch.sets.inwards, batch.sets.outwards) = (inwards, sorted - inwards);
    }

    /// Whether a segment of a client's flow is for this worker to sort; if it is another's, that is
    /// noted.
    #[inline(never)]
    fn is_mine(
        &self,
        snapshot: &Snapshot,
        standing: StandingWord,
        client: (u32, u16),
        tag: Tag,
        batch: &mut Batch,
        place: usize,
    ) -> bool {
        let Some(rule) = snapshot.rules.get(standing.rule().index()) else { return false };
        if tag.inbound_missed {
            return false;
        }
        let owner = snapshot.owner.of_client_v4(client.0, client.1, rule.owner_share);
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

/// What stands at our end of a plain frame, and which end that is: 1 if it is where the frame goes,
/// to a frontend, 0 if it is where it comes from, a member.
#[inline(always)]
pub(super) fn near_end(
    snapshot: &Snapshot,
    frame: &PlainIpv4,
    protocol: u8,
) -> Option<(u32, StandingWord)> {
    let inward = snapshot.hosts.may_be_ours_v4(frame.end(1).0);
    let (near, near_port) = frame.end(inward);
    let standing = snapshot.endpoints.get_v4(near, near_port, protocol, inward)?;
    (!standing.is_ambiguous()).then_some((inward, standing))
}
