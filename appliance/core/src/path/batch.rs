//! What does a batch carry from stage to stage?
//!
//! Columns, one value per packet, and sets of places that say whose turn it is. A stage walks
//! through its own packets only, and moves each on to the set of the next stage:
//!
//! ```text
//!   plain ─┬─► inbound ──┐           ┌─► to_member ─────┐
//!          ├─► replies ──┼─ tracked ─┼─► from_frontend ─┼─► verdicts
//!   others ┴─► outbound ─┘     │     └─► elsewhere ─────┘
//!                              └─► missed: decide is asked, in the order of arrival
//! ```

use super::places::Places;
use crate::limits::BATCH;
use crate::policy::Backend;
use crate::tables::Key;
use crate::telemetry::{DropReason, PuntClass};
use crate::units::{MemberId, OutboundAddressId, PortId, RuleId, WorkerId};
use crate::wire::{Head, Parsed, Tuple};

/// The frames of a batch, wherever their bytes live; their heads have been asked for. Places at or
/// past [`Self::len`] read as empty frames.
pub trait Frames {
    /// How many frames there are, at most `limits::BATCH`.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The first bytes of the frame at `place`; those at or past [`Self::length`] mean nothing.
    fn head(&self, place: usize) -> &Head;
    /// The same, to rewrite in place.
    fn head_mut(&mut self, place: usize) -> &mut Head;
    /// Bytes of the frame at `place` that are in its first buffer.
    fn length(&self, place: usize) -> usize;
    /// These bytes.
    fn frame(&self, place: usize) -> &[u8];
    /// These bytes, to rewrite in place.
    fn frame_mut(&mut self, place: usize) -> &mut [u8];
    /// Whether only the first part of the frame is in [`Self::frame`].
    fn is_segmented(&self, place: usize) -> bool;
    /// The port that the frame at `place` arrived on.
    fn ingress(&self, place: usize) -> PortId;
    /// What workers have noted about the frame at `place`; nothing for one fresh from the wire.
    fn tag(&self, place: usize) -> Tag;
    /// Notes something about the frame at `place` for the worker that it is handed to.
    fn set_tag(&mut self, place: usize, tag: Tag);
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

/// One batch's columns and sets. Made once, used for every burst.
#[derive(Debug)]
pub struct Batch {
    /// What plain frames say.
    pub(super) tuples: [Tuple; BATCH],
    /// What other frames say, and those plain ones that leave the straight line.
    pub(super) parsed: [Parsed; BATCH],
    /// Where it came in.
    pub(super) ingress: [PortId; BATCH],
    /// By rule and member: of packets that are inbound or replies.
    pub(super) backends: [Backend; BATCH],
    /// Of packets elsewhere, and of those that were asked for their class.
    pub(super) classes: [Class; BATCH],
    /// Of foreign packets: whose they are.
    pub(super) owners: [WorkerId; BATCH],
    /// Of tracked packets: the flow's key, its home slot, and the slot where it is expected.
    pub(super) keys: [Key; BATCH],
    pub(super) homes: [u32; BATCH],
    pub(super) slots: [u32; BATCH],
    /// Of packets elsewhere that know what to do.
    pub(super) actions: [Action; BATCH],
    verdicts: [Verdict; BATCH],
    length: usize,

    /// Headers at their fixed places: quick to read and to write.
    pub(super) plain: Places,
    /// Of those, packets to an address that may be ours.
    pub(super) to_us: Places,
    /// IPv4 fragments.
    pub(super) fragments: Places,
    /// Whole datagrams and fragments that wait for their class.
    pub(super) unclassified: Places,
    /// Tracked packets from clients to frontends.
    pub(super) inbound: Places,
    /// Tracked packets from members' endpoints.
    pub(super) replies: Places,
    /// Packets of outbound flows and their replies.
    pub(super) outbound: Places,
    /// Inbound and replies that belong to flows of other workers.
    pub(super) foreign: Places,
    /// Packets whose flow was not found, or that have none: policy must be asked.
    pub(super) missed: Places,
    /// Packets whose destination becomes a member.
    pub(super) to_member: Places,
    /// Packets whose source becomes a frontend.
    pub(super) from_frontend: Places,
    /// Packets that one of `actions` is to be done to.
    pub(super) elsewhere: Places,
    /// Packets for the kernel twin.
    pub(super) punted: Places,
    /// Packets that end here: all, until a stage says something else.
    dropped: Places,
}

/// What a packet gets that no stage ended: it cannot happen, and is visible if it does.
const UNDECIDED: Verdict = Verdict::Drop(DropReason::EtherTypeUnknown);
const NOBODY: Backend = Backend { rule: RuleId(0), member: MemberId(0) };

impl Default for Batch {
    fn default() -> Self {
        Self {
            tuples: [Tuple::default(); BATCH],
            parsed: [Parsed::default(); BATCH],
            ingress: [PortId(0); BATCH],
            backends: [NOBODY; BATCH],
            classes: [Class::Routed; BATCH],
            owners: [WorkerId(0); BATCH],
            keys: [[0; 3]; BATCH],
            homes: [0; BATCH],
            slots: [0; BATCH],
            actions: [Action::Route; BATCH],
            verdicts: [UNDECIDED; BATCH],
            length: 0,
            plain: Places::default(),
            to_us: Places::default(),
            fragments: Places::default(),
            unclassified: Places::default(),
            inbound: Places::default(),
            replies: Places::default(),
            outbound: Places::default(),
            foreign: Places::default(),
            missed: Places::default(),
            to_member: Places::default(),
            from_frontend: Places::default(),
            elsewhere: Places::default(),
            punted: Places::default(),
            dropped: Places::default(),
        }
    }
}

impl Batch {
    /// Starts over with `length` frames.
    #[inline]
    pub(super) fn begin(&mut self, length: usize) {
        self.length = length.min(BATCH);
        self.verdicts = [UNDECIDED; BATCH];
        for set in [
            &mut self.plain,
            &mut self.to_us,
            &mut self.fragments,
            &mut self.unclassified,
            &mut self.inbound,
            &mut self.replies,
            &mut self.outbound,
            &mut self.foreign,
            &mut self.missed,
            &mut self.to_member,
            &mut self.from_frontend,
            &mut self.elsewhere,
            &mut self.punted,
        ] {
            *set = Places::default();
        }
        self.dropped = self.all();
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
        &self.verdicts[..self.length.min(BATCH)]
    }

    /// The port that the packet at `place` came in by.
    #[must_use]
    pub const fn ingress(&self, place: usize) -> PortId {
        self.ingress[place % BATCH]
    }

    /// All places.
    #[inline]
    pub(super) const fn all(&self) -> Places {
        Places::first(self.length)
    }

    /// The reasons of all drops.
    pub(super) fn drops(&self) -> impl Iterator<Item = DropReason> {
        self.dropped.filter_map(|place| match self.verdicts[place] {
            Verdict::Drop(reason) => Some(reason),
            Verdict::Transmit(_) | Verdict::Answer(_) | Verdict::Punt(_) | Verdict::HandOff(_) => {
                None
            }
        })
    }

    /// The punt class of a packet that goes to the kernel twin.
    pub(super) const fn punt_of(&self, place: usize) -> Option<PuntClass> {
        match self.verdicts[place] {
            Verdict::Punt(class) => Some(class),
            Verdict::Transmit(_) | Verdict::Answer(_) | Verdict::Drop(_) | Verdict::HandOff(_) => {
                None
            }
        }
    }

    /// Packets that may have a record.
    #[inline]
    pub(super) fn tracked(&self) -> Places {
        self.inbound | self.replies | self.outbound
    }

    /// Puts what a packet says where the general way looks for it.
    pub(super) fn describe(&mut self, place: usize) {
        if self.plain.contains(place) {
            self.parsed[place] = self.tuples[place].parsed();
        }
    }

    /// Notes what is to be done to a packet.
    #[inline]
    pub(super) fn act(&mut self, place: usize, action: Action) {
        match action {
            Action::ToMember(rule, member) => {
                self.backends[place] = Backend { rule, member };
                self.to_member.add(place);
            }
            Action::FromFrontend(rule, member) => {
                self.backends[place] = Backend { rule, member };
                self.from_frontend.add(place);
            }
            Action::ToOutside(..) | Action::FromOutside(..) | Action::Route => {
                self.actions[place] = action;
                self.elsewhere.add(place);
            }
        }
    }

    /// What is to be done to a packet that knows it.
    pub(super) fn action(&self, place: usize) -> Action {
        let Backend { rule, member } = self.backends[place];
        if self.to_member.contains(place) {
            Action::ToMember(rule, member)
        } else if self.from_frontend.contains(place) {
            Action::FromFrontend(rule, member)
        } else {
            self.actions[place]
        }
    }

    /// The packet leaves by `port`.
    #[inline]
    pub(super) fn transmit(&mut self, place: usize, port: PortId) {
        self.verdicts[place] = Verdict::Transmit(port);
        self.dropped.remove(place);
    }

    /// Ends a packet.
    #[inline]
    pub(super) fn end(&mut self, place: usize, verdict: Verdict) {
        self.verdicts[place] = verdict;
        self.dropped.remove(place);
        if let Verdict::Punt(_) = verdict {
            self.punted.add(place);
        }
    }

    /// Drops a packet.
    #[inline]
    pub(super) fn drop(&mut self, place: usize, reason: DropReason) {
        self.verdicts[place] = Verdict::Drop(reason);
        self.dropped.add(place);
    }
}
