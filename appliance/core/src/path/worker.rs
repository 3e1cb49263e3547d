//! What does one worker own?

use std::ops::Deref;
use std::sync::Arc;

use super::exhaustion::{EXHAUSTIONS_PER_TURN, Exhaustion};
use super::police::Police;
use super::sessions::Sessions;
use crate::flow::{FlowTable, OutboundPorts};
use crate::limits;
use crate::tables::PageRequest;
use crate::telemetry::{Counters, ObjectCounters, OutboundCounters, PortUse};
use crate::units::{Address, PortId, Tick, WorkerId};

/// Requests to resolve a next hop that one burst may leave; further ones are made again by the
/// next packet.
const REQUESTS_PER_BURST: usize = 32;
/// Records of granules at least: one for each protocol of as many members as there may be.
const GRANULES_MIN: usize = 1 << 15;
/// Packets that one turn of the timers may originate; further flows wait for the next turn.
pub(super) const ORIGINATED_PER_TURN: usize = 32;

/// The time, told by the caller: once per burst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the process started.
    pub milliseconds: u64,
}

impl Now {
    /// The tick that this time lies in.
    #[must_use]
    pub const fn tick(self) -> Tick {
        Tick::from_milliseconds(self.milliseconds)
    }
}

/// A host on a port's link whose address somebody needs resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveRequest {
    /// The port whose link it is on.
    pub port: PortId,
    /// Its IP address.
    pub address: Address,
}

/// A packet that Weir makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Originated {
    /// The port to leave by.
    pub port: PortId,
    /// Ethernet, IPv4 or IPv6, and TCP without options.
    pub frame: OriginatedFrame,
}

/// The bytes of a packet that Weir makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginatedFrame {
    bytes: [u8; 74],
    length: u8,
}

impl OriginatedFrame {
    /// These headers, one after the other. What does not fit is left out: headers of a segment
    /// without options and payload do.
    #[must_use]
    pub fn of(headers: [&[u8]; 3]) -> Self {
        let mut frame = Self { bytes: [0; 74], length: 0 };
        let bytes = headers.into_iter().flatten();
        for (to, from) in frame.bytes.iter_mut().zip(bytes) {
            *to = *from;
            frame.length += 1;
        }
        frame
    }
}

impl Deref for OriginatedFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// How much a worker may hold, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Slots of the flow table.
    pub flow_slots: usize,
    /// Occupancy records for outbound destinations.
    pub destinations: usize,
    /// Records of granules of outbound ports in use.
    pub granules: usize,
    /// What the tables should stand on.
    pub pages: PageRequest,
}

impl Sizes {
    /// The sizes that go with so many slots of the flow table, on ordinary memory. A destination
    /// has an occupancy record from the ninth flow on, so a sixteenth is enough for a flow table
    /// that is full of them (`flow::ports`).
    #[must_use]
    pub const fn of_flow_slots(flow_slots: usize) -> Self {
        Self {
            flow_slots,
            destinations: flow_slots / 16,
            granules: GRANULES_MIN + flow_slots / 32,
            pages: PageRequest::Transparent,
        }
    }

    /// How many bytes the tables of one worker take.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        FlowTable::bytes(self.flow_slots) + OutboundPorts::bytes((self.destinations, self.granules))
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::of_flow_slots(limits::FLOWS_PER_WORKER_DEFAULT)
    }
}

/// One worker's memory and its way to account for itself.
#[derive(Debug)]
pub struct Worker {
    /// Who this is.
    pub id: WorkerId,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// What it counts per rule.
    pub rules: Arc<ObjectCounters>,
    /// What it counts per member.
    pub members: Arc<ObjectCounters>,
    /// What it counts of members' flows to the outside.
    pub outbound: Arc<OutboundCounters>,
    /// Which outbound ports are in use.
    pub port_use: Arc<PortUse>,
    /// Next hops that packets of the last burst were waiting for. The shell takes them.
    pub requests: Vec<ResolveRequest>,
    /// Packets that the last turn of the timers made. The shell takes them.
    pub originated: Vec<Originated>,
    /// Outbound sessions that began or ended, where somebody wants to know. The shell takes them.
    pub sessions: Sessions,
    /// Whose outbound ports have run out, or nearly so, since the last turn. The shell takes them.
    pub exhaustions: Vec<Exhaustion>,
    pub(super) flows: FlowTable,
    pub(super) ports: OutboundPorts,
    pub(super) police: Police,
}

impl Worker {
    /// A worker whose hash functions are keyed by `seed`. All its memory is taken here, on the
    /// memory node of the processor that this runs on.
    #[must_use]
    pub fn new(id: WorkerId, sizes: Sizes, seed: u64, now: Now) -> Self {
        let port_use = Arc::<PortUse>::default();
        Self {
            id,
            counters: Arc::default(),
            rules: Arc::new(ObjectCounters::new(limits::RULES_MAX)),
            members: Arc::new(ObjectCounters::new(limits::MEMBERS_MAX)),
            outbound: Arc::new(OutboundCounters::new(limits::MEMBERS_MAX)),
            port_use: Arc::clone(&port_use),
            requests: Vec::with_capacity(REQUESTS_PER_BURST),
            originated: Vec::with_capacity(ORIGINATED_PER_TURN),
            sessions: Sessions::new(),
            exhaustions: Vec::with_capacity(EXHAUSTIONS_PER_TURN),
            flows: FlowTable::new(sizes.flow_slots, seed, now.tick(), sizes.pages),
            ports: OutboundPorts::new(
                (sizes.destinations, sizes.granules),
                seed.rotate_left(32),
                sizes.pages,
                port_use,
            ),
            police: Police::new(now),
        }
    }

    /// The worker's flows.
    #[must_use]
    pub const fn flows(&self) -> &FlowTable {
        &self.flows
    }

    /// Notes that a packet is waiting for a host to be resolved.
    pub(super) fn request(&mut self, port: PortId, address: Address) {
        let request = ResolveRequest { port, address };
        if self.requests.len() < REQUESTS_PER_BURST && !self.requests.contains(&request) {
            self.requests.push(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest number of slots of which three quarters are so many.
    fn slots_for(records: usize) -> usize {
        (records * 4).div_ceil(3)
    }

    #[test]
    fn ten_million_inbound_flows_fit_in_a_gibibyte_with_all_that_comes_with_them() {
        let flows = 10_000_000;
        let sizes = Sizes::of_flow_slots(slots_for(flows));
        assert!(sizes.bytes() <= 1 << 30, "{} bytes", sizes.bytes());
        assert!(sizes.bytes() <= 96 * flows, "{} bytes", sizes.bytes());
    }

    #[test]
    fn an_outbound_flow_takes_at_most_192_bytes_and_finds_its_destination_written_down() {
        for flows in [1_000_000, 5_000_000] {
            let sizes = Sizes::of_flow_slots(slots_for(flows * 2));
            assert!(sizes.bytes() <= 192 * flows, "{} bytes", sizes.bytes());
            // Nine flows to a destination are the most that need a record each.
            assert!(sizes.destinations * 3 / 4 >= flows / 9);
        }
    }

    #[test]
    fn a_worker_that_nobody_sized_takes_less_than_32_mebibytes_of_tables() {
        assert!(Sizes::default().bytes() < 32 << 20, "{} bytes", Sizes::default().bytes());
    }
}
