//! Which flows does this worker have, as an operator asks?
//!
//! ```text
//!   FlowSlice: query · position ─► list, a few slots a turn ─► views, position further on
//!   Key ────────────────────────► look_up ──────────────────► view
//! ```
//!
//! Flows are told by their owner, between two bursts: nobody else ever reads its table. A slice
//! brings the room for its answer along, so that nothing is allocated here, and a turn looks at a
//! bounded number of slots. What is told are ids and addresses; names are the control side's.
//!
//! A listing is no picture of one moment. A flow that lives from its beginning to its end is told
//! once, unless its record has to make room for another and moves past the position, one way or the
//! other. A record that the next packet would end, since its rule, its member or its port is gone,
//! is no flow any more and is not told.
//!
//! Not here: how slices travel (`worker::inquiries` of the daemon), and how they become one listing
//! (`control::listings`).

use super::worker::{Now, Worker};
use crate::flow::{FlowKey, Kind, TcpState};
use crate::policy::Snapshot;
use crate::tables::Key;
use crate::units::{
    Address, Generation, MemberId, OutboundAddressId, Prefix, RuleId, Tick, Transport,
};

/// Of so many slots that a turn looks at, one may hold a record that it looks at closely, because
/// that is what is wanted: the other direction's record of an outbound flow stands anywhere, and
/// one that is older than the last change is held against its whole pool.
const SLOTS_PER_WANTED: u32 = 8;
/// Slots after which a slice goes back, whatever was found: some 10 ms of a worker's turns. Whoever
/// asked decides then whether to go on.
pub const SLOTS_PER_SLICE: u32 = 1 << 20;

/// What a flow goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// A client's flow to the frontend endpoint of this rule.
    Rule(RuleId),
    /// A member's flow to the outside from this address.
    OutboundAddress(OutboundAddressId),
}

/// Which flows are wanted: those that fit everything that is given. Source and destination are
/// those of the first packet as it comes in: client and frontend, or member and remote host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowQuery {
    /// The protocol.
    pub protocol: Option<Transport>,
    /// Where the source lies.
    pub source: Option<Prefix>,
    /// The source's port.
    pub source_port: Option<u16>,
    /// Where the destination lies.
    pub destination: Option<Prefix>,
    /// The destination's port.
    pub destination_port: Option<u16>,
    /// The member that serves the flow, or opened it.
    pub member: Option<MemberId>,
    /// What it goes through.
    pub through: Option<Through>,
    /// Members' flows to the outside only.
    pub outbound_only: bool,
}

/// A flow, as its owner tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowView {
    /// What it goes through.
    pub through: Through,
    /// The protocol.
    pub protocol: Transport,
    /// The client, or the member that opened it.
    pub source: (Address, u16),
    /// The frontend, or the remote host.
    pub destination: (Address, u16),
    /// What stands in translated packets: the member instead of the frontend, or the outbound
    /// address and port instead of the member.
    pub translated: (Address, u16),
    /// The member.
    pub member: MemberId,
    /// How far a TCP connection has come.
    pub tcp: TcpState,
    /// Ticks since its last packet.
    pub idle_ticks: u32,
    /// Ticks until silence ends it; 0 when it is due.
    pub expires_in_ticks: u32,
    /// The generation that it began or was last checked in.
    pub generation: Generation,
}

/// A part of a listing, on its way from who asks to the owner and back.
#[derive(Debug)]
pub struct FlowSlice {
    query: FlowQuery,
    position: u32,
    views: Vec<FlowView>,
    views_max: usize,
    scanned: u32,
    reached_end: bool,
}

impl FlowSlice {
    /// A slice from the slot `position` on, with room for so many flows, at least one. Its memory
    /// is taken here.
    #[must_use]
    pub fn new(query: FlowQuery, position: u32, views_max: usize) -> Self {
        let views_max = views_max.max(1);
        let views = Vec::with_capacity(views_max);
        Self { query, position, views, views_max, scanned: 0, reached_end: false }
    }

    /// Whether the owner has done with it: its room or the table is at its end, or it has looked at
    /// [`SLOTS_PER_SLICE`] slots.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.reached_end || self.views.len() >= self.views_max || self.scanned >= SLOTS_PER_SLICE
    }

    /// The flows that were found.
    #[must_use]
    pub fn views(&self) -> &[FlowView] {
        &self.views
    }

    /// The slot where the next slice begins; `None` at the end of the table.
    #[must_use]
    pub const fn next(&self) -> Option<u32> {
        if self.reached_end { None } else { Some(self.position) }
    }

    /// How many slots were looked at.
    #[must_use]
    pub const fn scanned(&self) -> u32 {
        self.scanned
    }

    /// The same slice, empty, from where it ended: for the next part, in the same memory.
    #[must_use]
    pub fn again(mut self) -> Self {
        self.views.clear();
        self.scanned = 0;
        self
    }
}

impl FlowQuery {
    /// Whether a flow is wanted.
    #[must_use]
    pub fn wants(&self, view: &FlowView) -> bool {
        fn fits<T: PartialEq>(wanted: Option<T>, is: T) -> bool {
            wanted.is_none_or(|wanted| wanted == is)
        }
        let lies = |prefix: Option<Prefix>, address| prefix.is_none_or(|it| it.contains(address));
        let is_outbound = matches!(view.through, Through::OutboundAddress(_));
        fits(self.source_port, view.source.1)
            && fits(self.destination_port, view.destination.1)
            && fits(self.protocol, view.protocol)
            && fits(self.member, view.member)
            && fits(self.through, view.through)
            && (is_outbound || !self.outbound_only)
            && lies(self.source, view.source.0)
            && lies(self.destination, view.destination.0)
    }
}

impl Worker {
    /// Goes on with a slice, for one turn that looks at no more than `budget` slots. 256 are 16 KiB
    /// that are read in order: where five eighths of them hold flows and none is wanted this takes
    /// 2.5 µs, and less where all are (`tests/golden/tests/listing.rs` measures it).
    pub fn list(&self, snapshot: &Snapshot, now: Now, slice: &mut FlowSlice, budget: u32) {
        let slots = self.flows.slots();
        let mut wanted_left = (budget / SLOTS_PER_WANTED).max(1);
        for _ in 0..budget {
            slice.reached_end = slice.position >= slots;
            if slice.is_answered() || wanted_left == 0 {
                return;
            }
            let slot = slice.position;
            slice.position += 1;
            slice.scanned += 1;
            let Some(view) = self.view(snapshot, slot) else { continue };
            if slice.query.wants(&view) {
                wanted_left -= 1;
                slice.views.extend(self.in_full(snapshot, now, slot, view));
            }
        }
        slice.reached_end = slice.position >= slots;
    }

    /// The flow with this key, of either direction, if a packet with it would find one here.
    #[must_use]
    pub fn look_up(&self, snapshot: &Snapshot, now: Now, key: &Key) -> Option<FlowView> {
        let found = self.flows.find(key, self.flows.home(key))?;
        // The records of an outbound flow tell of it by the one that carries its timer.
        let slot = self.flows.timed(found);
        self.in_full(snapshot, now, slot, self.view(snapshot, slot)?)
    }

    /// What a record says by itself; none where there is no record, where the other direction's
    /// tells of the flow, or where what it names is gone.
    #[inline]
    fn view(&self, snapshot: &Snapshot, slot: u32) -> Option<FlowView> {
        let entry = self.flows.at(slot);
        let key = FlowKey::unpack(&entry.key)?;
        let far = (key.far, key.far_port);
        let view = |through, protocol, ends: [(Address, u16); 3], member| FlowView {
            through,
            protocol,
            source: ends[0],
            destination: ends[1],
            translated: ends[2],
            member,
            tcp: entry.tcp,
            idle_ticks: 0,
            expires_in_ticks: 0,
            generation: entry.generation,
        };
        match key.kind {
            Kind::Inbound => {
                let (id, member) = (RuleId(key.id), MemberId(entry.target));
                let rule = snapshot.rule(id)?;
                let near = (snapshot.member(member)?.address, rule.backend_port);
                let ends = [far, (rule.frontend, rule.frontend_port), near];
                Some(view(Through::Rule(id), rule.protocol, ends, member))
            }
            Kind::Outbound(protocol) if !entry.is_stub() => {
                let (id, member) = (OutboundAddressId(entry.target), MemberId(key.id));
                let near = (snapshot.member(member)?.address, key.near_port);
                let outside = (snapshot.outbound_address(id)?.address, entry.target_port);
                let far_port = match protocol {
                    Transport::Udp => entry.remote_ports()[0],
                    Transport::Tcp | Transport::Icmp => far.1,
                };
                let (through, far) = (Through::OutboundAddress(id), (far.0, far_port));
                Some(view(through, protocol, [near, far, outside], member))
            }
            Kind::Outbound(_) | Kind::OutboundReply(_) | Kind::Reservation(_) => None,
        }
    }

    /// The same with what both records know together; none for a flow that the next packet ends.
    fn in_full(
        &self,
        snapshot: &Snapshot,
        now: Now,
        slot: u32,
        view: FlowView,
    ) -> Option<FlowView> {
        let is_checked = view.generation >= snapshot.flows_valid_since;
        if !is_checked && !self.still_stands(snapshot, slot) {
            return None;
        }
        let partner = self.flows.partner(slot).map(|partner| self.flows.at(partner));
        let last_seen = self.flows.at(slot).last_seen;
        let last_seen = last_seen.max(partner.map_or(last_seen, |partner| partner.last_seen));
        let deadline = self.deadline(snapshot, slot)?;
        let ticks = |from: Tick, to: Tick| to.0.saturating_sub(from.0);
        Some(FlowView {
            tcp: partner.map_or(view.tcp, |partner| view.tcp.and(partner.tcp)),
            idle_ticks: ticks(last_seen, now.tick()),
            expires_in_ticks: ticks(now.tick(), deadline),
            ..view
        })
    }
}
