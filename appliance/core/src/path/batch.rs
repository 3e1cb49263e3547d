//! What does a batch carry from stage to stage?

use crate::limits::BATCH;
use crate::policy::Backend;
use crate::tables::Key;
use crate::telemetry::{DropReason, PuntClass};
use crate::units::{MemberId, OutboundAddressId, PortId, RuleId, WorkerId};
use crate::wire::Parsed;

/// The frames of a batch, wherever their bytes live.
pub trait Frames {
    /// How many frames there are, at most `limits::BATCH`.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes of frame `index`.
    fn frame(&self, index: usize) -> &[u8];
    /// The bytes of frame `index`, to rewrite in place.
    fn frame_mut(&mut self, index: usize) -> &mut [u8];
    /// Whether only the first part of the frame is in [`Self::frame`].
    fn is_segmented(&self, index: usize) -> bool;
    /// The port that frame `index` arrived on.
    fn ingress(&self, index: usize) -> PortId;
    /// What workers have noted about frame `index`; nothing for one fresh from the wire.
    fn tag(&self, index: usize) -> Tag;
    /// Notes something about frame `index` for the worker that it is handed to.
    fn set_tag(&mut self, index: usize, tag: Tag);
    /// Asks for the cache line of frame `index`.
    fn prefetch(&self, index: usize);
}

/// What workers tell each other about a packet that they hand over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// How often the packet was handed over.
    pub handoffs: u8,
    /// Whether the inbound owner knows no flow of it, so that it may be an outbound one.
    pub inbound_missed: bool,
}

/// How a packet's way through the path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leaves by this port, rewritten.
    Transmit(PortId),
    /// Was turned into an answer, and leaves by the port it came from.
    Answer(PortId),
    /// Goes to the kernel twin of the port it came from.
    Punt(PuntClass),
    /// Goes to the worker that owns its flow.
    HandOff(WorkerId),
    /// Ends here.
    Drop(DropReason),
}

/// What a packet is, as far as the snapshot's maps tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// From a client to a frontend endpoint.
    Inbound(RuleId),
    /// From a member's endpoint, which one rule leads to.
    Reply(Backend),
    /// From a member to the outside, by its mapping at this position; from an endpoint, if the
    /// inbound owner knew no flow of it.
    Outbound(MemberId, u32, Option<Backend>),
    /// From outside to a taken port of an outbound address.
    OutboundReply(OutboundAddressId),
    /// To be routed as it is.
    Routed,
}

/// What is to be done to a packet's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Destination becomes the member behind the rule.
    ToMember(RuleId, MemberId),
    /// Source becomes the rule's frontend.
    FromFrontend(RuleId, MemberId),
    /// Source becomes a port of an outbound address.
    ToOutside(MemberId, OutboundAddressId, u16),
    /// Destination becomes the member's port.
    FromOutside(MemberId, u16),
    /// Addresses stay.
    Route,
}

/// How far a packet has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An IPv4 datagram or fragment, its tuple parsed.
    Parsed { fragment: bool },
    /// Classified; its flow, if it can have one, is asked for under the key.
    Steered(Class),
    /// No flow was found: policy must be asked.
    Missed(Class),
    /// Known what to do.
    Decided(Action),
    /// Done.
    Ended(Verdict),
}

/// One batch's columns. Made once, used for every burst.
#[derive(Debug)]
pub struct Batch {
    pub(super) parsed: [Parsed; BATCH],
    pub(super) stages: [Stage; BATCH],
    pub(super) keys: [Key; BATCH],
    pub(super) homes: [u32; BATCH],
    verdicts: [Verdict; BATCH],
    length: usize,
}

/// What a packet gets that no stage ended: it cannot happen, and is visible if it does.
const UNDECIDED: Verdict = Verdict::Drop(DropReason::EtherTypeUnknown);

impl Default for Batch {
    fn default() -> Self {
        Self {
            parsed: [Parsed::default(); BATCH],
            stages: [Stage::Ended(UNDECIDED); BATCH],
            keys: [[0; 3]; BATCH],
            homes: [0; BATCH],
            verdicts: [UNDECIDED; BATCH],
            length: 0,
        }
    }
}

impl Batch {
    /// Starts over with `frames`, asking for all their first cache lines.
    pub(super) fn begin<F: Frames>(&mut self, frames: &F) {
        self.length = frames.len().min(BATCH);
        for index in 0..self.length {
            frames.prefetch(index);
        }
    }

    /// How many packets there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The verdicts, one per frame.
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts[..self.length]
    }

    /// The punt class of packet `index`, if it goes to the kernel twin.
    pub(super) fn punt_of(&self, index: usize) -> Option<PuntClass> {
        match self.stages[index] {
            Stage::Ended(Verdict::Punt(class)) => Some(class),
            Stage::Ended(_)
            | Stage::Parsed { .. }
            | Stage::Steered(_)
            | Stage::Missed(_)
            | Stage::Decided(_) => None,
        }
    }

    /// Ends packet `index`.
    #[inline]
    pub(super) fn end(&mut self, index: usize, verdict: Verdict) {
        self.stages[index] = Stage::Ended(verdict);
        self.verdicts[index] = verdict;
    }

    /// Drops packet `index`.
    #[inline]
    pub(super) fn drop(&mut self, index: usize, reason: DropReason) {
        self.end(index, Verdict::Drop(reason));
    }
}
