//! What does a batch carry from stage to stage?
//!
//! Columns, one value per packet, and sets of places that say whose turn it is. A stage walks
//! through its own packets only, and moves each on to the set of the next stage:
//!
//! ```text
//!   plain ─► inwards, outwards ─────────────────────────────► verdicts
//!                    └─ turning ─┐                               ▲
//!   others ─► whole, fragments ──┴► tracked ─► missed ─► decided ┘
//! ```

use super::places::Places;
use crate::limits::BATCH;
use crate::policy::{Backend, NearKey, StandingWord};
use crate::tables::{Key, ShortKey};
use crate::telemetry::{DropReason, PuntClass};
use crate::units::{MemberId, OutboundAddressId, PortId, RuleId, WorkerId};
use crate::wire::{Head, Parsed};

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
    /// How many workers of the member have found no port for its flow; at most 7.
    pub dry: u8,
}

impl Tag {
    /// The same for a packet that this worker of the member has no port for.
    #[must_use]
    pub const fn passed_on(self) -> Self {
        Self { dry: self.dry + 1, ..self }
    }
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
    Outbound(MemberId, u32),
    /// From outside to a port of an outbound address that this worker holds.
    OutboundReply(OutboundAddressId, WorkerId),
    /// To be routed as it is.
    Routed,
}

/// What is to be done to a packet's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Destination becomes the member behind the rule.
    ToMember(RuleId, MemberId),
    /// Source becomes the rule's frontend.
    FromFrontend(RuleId, MemberId),
    /// Source becomes a port of an outbound address.
    ToOutside(MemberId, OutboundAddressId, u16),
    /// Destination becomes the member's port.
    FromOutside(MemberId, u16),
    /// Source becomes the member's own public address.
    FromInstance(MemberId),
    /// Destination becomes the member whose public address it is.
    ToInstance(MemberId),
    /// Addresses stay.
    Route,
}

/// One batch's columns and sets. Made once, used for every burst.
#[derive(Debug)]
pub struct Batch {
    /// Where it came in.
    pub(super) ingress: [PortId; BATCH],
    /// Of plain segments, by family.
    pub(super) v4: Sorted<NearKey, ShortKey>,
    pub(super) v6: Sorted<Key, Key>,
    /// Of sorted packets: what stands at their endpoint.
    pub(super) standings: [StandingWord; BATCH],
    /// Of foreign packets: whose they are.
    pub(super) owners: [WorkerId; BATCH],
    /// Of sorted packets: the slot of the flow's record, home at first.
    pub(super) slots: [u32; BATCH],
    /// Of all others, and of those that turned out to be unusual: tuple and headers,
    pub(super) parsed: [Parsed; BATCH],
    /// class,
    pub(super) classes: [Class; BATCH],
    /// the flow's key with its home slot,
    pub(super) keys: [Key; BATCH],
    pub(super) homes: [u32; BATCH],
    /// and what is to be done.
    pub(super) actions: [Action; BATCH],
    /// Of packets that leave: by which port.
    egress: [PortId; BATCH],
    /// Of all others.
    verdicts: [Verdict; BATCH],
    length: usize,
    pub(super) sets: Sets,
}

/// What is noted of one family's plain segments.
#[derive(Debug)]
pub(super) struct Sorted<Near, Key> {
    /// The endpoint that may be ours.
    pub(super) nears: [Near; BATCH],
    /// What the client adds to the flow's key; once the packet is sorted, the key.
    pub(super) keys: [Key; BATCH],
    /// Sorted packets from clients to frontends.
    pub(super) inwards: Places,
    /// Sorted packets from members' endpoints.
    pub(super) outwards: Places,
}

impl<Near, Key> Sorted<Near, Key> {
    /// All sorted packets.
    #[inline]
    pub(super) fn all(&self) -> Places {
        self.inwards | self.outwards
    }
}

/// Whose turn it is: sets of places, empty at the beginning of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sets {
    /// Plain segments of flows that other workers own.
    pub(super) foreign: Places,
    /// Sorted packets that are not as usual.
    pub(super) turning: Places,
    /// Plain datagrams that were sent on at once.
    pub(super) datagrams: Places,
    /// Whole datagrams that wait for their class.
    pub(super) whole: Places,
    /// Fragments that do.
    pub(super) fragments: Places,
    /// Packets that may have a record under `keys`.
    pub(super) tracked: Places,
    /// Packets whose flow was not found, or that have none: policy must be asked.
    pub(super) missed: Places,
    /// ICMP errors about translated flows: `parsed` has the tuple of the flow's packet that would
    /// come from where the error comes from.
    pub(super) errors: Places,
    /// Packets that one of `actions` is to be done to.
    pub(super) decided: Places,
    /// Packets for the kernel twin.
    pub(super) punted: Places,
    /// Packets that leave, rewritten.
    sent: Places,
}

/// What a packet gets that no stage ended: it cannot happen, and is visible if it does.
const UNDECIDED: Verdict = Verdict::Drop(DropReason::EtherTypeUnknown);

impl Default for Batch {
    fn default() -> Self {
        Self {
            ingress: [PortId(0); BATCH],
            v4: Sorted {
                nears: [NearKey::default(); BATCH],
                keys: [[0; 2]; BATCH],
                inwards: Places::default(),
                outwards: Places::default(),
            },
            v6: Sorted {
                nears: [[0; 3]; BATCH],
                keys: [[0; 3]; BATCH],
                inwards: Places::default(),
                outwards: Places::default(),
            },
            standings: [StandingWord::default(); BATCH],
            owners: [WorkerId(0); BATCH],
            slots: [0; BATCH],
            parsed: [Parsed::default(); BATCH],
            classes: [Class::Routed; BATCH],
            keys: [[0; 3]; BATCH],
            homes: [0; BATCH],
            actions: [Action::Route; BATCH],
            egress: [PortId(0); BATCH],
            verdicts: [UNDECIDED; BATCH],
            length: 0,
            sets: Sets::default(),
        }
    }
}

impl Batch {
    /// Starts over with `length` frames.
    #[inline]
    pub(super) fn begin(&mut self, length: usize) {
        self.length = length.min(BATCH);
        self.verdicts = [UNDECIDED; BATCH];
        self.sets = Sets::default();
        (self.v4.inwards, self.v4.outwards) = (Places::default(), Places::default());
        (self.v6.inwards, self.v6.outwards) = (Places::default(), Places::default());
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

    /// The packets that leave, rewritten, in the order of arrival: each with its port.
    #[inline]
    pub fn transmitted(&self) -> impl Iterator<Item = (usize, PortId)> {
        self.sets.sent.map(|place| (place, self.egress[place]))
    }

    /// The port that a full batch leaves by, if every packet of it leaves by the same: what a
    /// worker under load mostly has, and what can be sent as it came.
    #[must_use]
    pub fn common_way(&self) -> Option<PortId> {
        let first = self.egress[0];
        // All of them, without a branch each.
        let differ = self.egress.iter().fold(0, |differ, port| differ | (port.0 ^ first.0));
        (self.sets.sent == Places::first(BATCH) && differ == 0).then_some(first)
    }

    /// The verdicts of all other packets.
    #[inline]
    pub fn others(&self) -> impl Iterator<Item = (usize, Verdict)> {
        (self.all() - self.sets.sent).map(|place| (place, self.verdicts[place]))
    }

    /// How a packet's way ended.
    #[must_use]
    pub fn verdict(&self, place: usize) -> Verdict {
        if self.sets.sent.contains(place) {
            return Verdict::Transmit(self.egress[place % BATCH]);
        }
        self.verdicts[place % BATCH]
    }

    /// What was to be done to the packet at `place`, even if it could not leave in the end; `None`
    /// for one that ended before that was asked, or that went straight through.
    #[must_use]
    pub fn action(&self, place: usize) -> Option<Action> {
        self.sets.decided.contains(place).then(|| self.actions[place % BATCH])
    }

    /// The port that the packet at `place` came in by.
    #[must_use]
    pub const fn ingress(&self, place: usize) -> PortId {
        self.ingress[place % BATCH]
    }

    /// The packets that `sort` knows what to do with.
    #[inline]
    pub(super) fn sorted(&self) -> Places {
        self.v4.all() | self.v6.all() | self.sets.foreign
    }

    /// All places.
    #[inline]
    pub(super) const fn all(&self) -> Places {
        Places::first(self.length)
    }

    /// The reasons of all drops.
    pub(super) fn drops(&self) -> impl Iterator<Item = DropReason> {
        self.others().filter_map(|(_, verdict)| match verdict {
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

    /// Notes what is to be done to a packet.
    #[inline]
    pub(super) fn act(&mut self, place: usize, action: Action) {
        self.actions[place] = action;
        self.sets.decided.add(place);
    }

    /// Notes what was decided about a packet. To be called where that is decided: what is handed up
    /// in memory, written in parts and read as a whole, is waited for until it is in the cache.
    #[inline(always)]
    pub(super) fn conclude(&mut self, place: usize, decision: Result<Action, DropReason>) {
        match decision {
            Ok(action) => self.act(place, action),
            Err(reason) => self.drop(place, reason),
        }
    }

    /// The packet leaves by `port`.
    #[inline]
    pub(super) fn transmit(&mut self, place: usize, port: PortId) {
        self.egress[place] = port;
        self.sets.sent.add(place);
    }

    /// Notes the port that a packet leaves by, once [`Self::transmit_all`] says that it does.
    #[inline]
    pub(super) const fn leave_by(&mut self, place: usize, port: PortId) {
        self.egress[place % BATCH] = port;
    }

    /// These packets leave by the ports that were noted.
    #[inline]
    pub(super) fn transmit_all(&mut self, places: Places) {
        self.sets.sent = self.sets.sent | places;
    }

    /// Ends a packet.
    #[inline]
    pub(super) fn end(&mut self, place: usize, verdict: Verdict) {
        self.verdicts[place] = verdict;
        if let Verdict::Punt(_) = verdict {
            self.sets.punted.add(place);
        }
    }

    /// Drops a packet.
    #[inline]
    pub(super) fn drop(&mut self, place: usize, reason: DropReason) {
        self.verdicts[place] = Verdict::Drop(reason);
    }
}
