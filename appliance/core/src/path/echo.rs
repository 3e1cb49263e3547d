//! Which flow does a ping belong to?
//!
//! Where an outbound rule says `enableIcmpEcho`, a member may ask hosts outside whether they are
//! there: each identifier that it uses towards a host becomes an identifier of its own ports on the
//! outbound address, as a source port of UDP would (RFC 5508 §3). Nothing else of ICMP has flows,
//! and frontends answer no ping.
//!
//! An identifier stands where a port does: the source port of a request, the destination port of a
//! reply. The other port is 0.

use super::batch::{Batch, Class, Frames, Tag};
use super::classify::{Sighting, classify};
use super::errors::is_error;
use super::worker::Worker;
use crate::policy::Snapshot;
use crate::telemetry::DropReason;
use crate::units::Transport;
use crate::wire::Parsed;
use crate::wire::icmp::{self, Echo};

impl Worker {
    /// Classifies a whole ICMP message. One that belongs to a translated flow gets the tuple that
    /// tells the flow.
    #[inline(never)]
    pub(super) fn steer_icmp<F: Frames>(
        &self,
        snapshot: &Snapshot,
        frames: &F,
        batch: &mut Batch,
        place: usize,
    ) -> Sighting {
        let (frame, tag) = (frames.frame(place), frames.tag(place));
        let parsed = batch.parsed[place];
        if is_error(&parsed, frame) {
            return self.steer_error(snapshot, frames, batch, place);
        }
        let message = frame.get(usize::from(parsed.transport_offset)..parsed.end_offset());
        let Some((echo, identifier)) =
            message.and_then(icmp::echo).filter(|_| parsed.source.is_v4())
        else {
            return classify(snapshot, &parsed, frame, tag);
        };
        let parsed = identified(&parsed, echo, identifier);
        let sighting = classify_echo(snapshot, &parsed, echo, frame, tag);
        if let Sighting::Class(Class::Outbound(..) | Class::OutboundReply(..)) = sighting {
            batch.parsed[place] = parsed;
        }
        sighting
    }
}

/// An echo message with its identifier where others have a port.
const fn identified(parsed: &Parsed, echo: Echo, identifier: u16) -> Parsed {
    let (source_port, destination_port) = match echo {
        Echo::Request => (identifier, 0),
        Echo::Reply => (0, identifier),
    };
    Parsed { source_port, destination_port, ..*parsed }
}

/// What an echo message is: of a member's flow to the outside, or like any ICMP.
pub(super) fn classify_echo(
    snapshot: &Snapshot,
    parsed: &Parsed,
    echo: Echo,
    frame: &[u8],
    tag: Tag,
) -> Sighting {
    let sighting = classify(snapshot, parsed, frame, tag);
    let class = match (&sighting, echo) {
        (Sighting::Drop(DropReason::ProtocolNotTranslated), Echo::Request) => {
            asked(snapshot, parsed)
        }
        (Sighting::Drop(DropReason::IcmpToFrontend), Echo::Reply) => answered(snapshot, parsed),
        _ => None,
    };
    class.map_or(sighting, Sighting::Class)
}

/// A member's request to the outside, if it has ports for it.
fn asked(snapshot: &Snapshot, parsed: &Parsed) -> Option<Class> {
    let member = snapshot.hosts.get(parsed.source).as_member()?;
    let mapping = snapshot.member(member)?.mapping(Transport::Icmp)?;
    Some(Class::Outbound(member, mapping))
}

/// A reply to an identifier that is a member's.
fn answered(snapshot: &Snapshot, parsed: &Parsed) -> Option<Class> {
    let address = snapshot.hosts.get(parsed.destination).as_outbound()?;
    let outbound = snapshot.outbound_address(address)?;
    let holder = outbound.holder(Transport::Icmp, parsed.destination_port)?;
    Some(Class::OutboundReply(address, holder.worker))
}
