//! What does the kernel know about the way to the next hop, and what should it be asked?
//!
//! ```text
//!   netlink ─► Event ─► World::apply ─► "recompile" or "nothing to do"
//!                           │
//!          members ─► wanted_neighbours ─► entries that the kernel keeps fresh
//! ```
//!
//! Not here: sockets (`appliance/src/control/twin`), adjacency tables (`compile`, `policy`).

mod wanted;
mod world;

pub use wanted::wanted_neighbours;
pub use world::World;

use crate::units::{Address, MacAddress, PortId, Prefix};

/// One port's kernel twin as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The twin's Ethernet address, the same as the port's.
    pub mac: MacAddress,
    /// The kernel's own addresses on the twin with their prefix lengths, in the order of their
    /// arrival. At most `limits::ADDRESSES_PER_PORT_MAX`.
    pub addresses: Vec<(Address, u8)>,
    /// Whether the twin is administratively up and has its carrier.
    pub up: bool,
}

/// One way out of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The port that the packet leaves by.
    pub port: PortId,
    /// The router it is handed to, of either family (RFC 8950); `None` when the destination is
    /// on the link.
    pub gateway: Option<Address>,
    /// The share of the traffic among the route's next hops, 1 to 256.
    pub weight: u16,
}

impl NextHop {
    /// The address to resolve for a packet to `destination`.
    #[must_use]
    pub fn address_for(&self, destination: Address) -> Address {
        self.gateway.unwrap_or(destination)
    }
}

/// One route of the kernel's main table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The ways out. Empty when the kernel refuses the destination (blackhole, unreachable,
    /// prohibit) or reaches it by an interface that is no twin: no data port leads there.
    pub next_hops: Vec<NextHop>,
    /// The kernel's priority; of several routes for a prefix the lowest is used.
    pub metric: u32,
}

/// How sure the kernel is of a neighbour (Linux `NUD_*`, RFC 4861 §7.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeighbourState {
    /// Nothing is known and nothing was asked.
    #[default]
    Unknown,
    /// Asked, not yet answered.
    Incomplete,
    /// Confirmed lately.
    Reachable,
    /// Confirmed some time ago.
    Stale,
    /// About to be asked again.
    Delay,
    /// Being asked again.
    Probe,
    /// Asked several times without an answer.
    Failed,
    /// Set by hand, or needs no resolution.
    Permanent,
}

/// One entry of the kernel's neighbour table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// The Ethernet address, if the kernel has one.
    pub mac: Option<MacAddress>,
    /// How sure the kernel is of it.
    pub state: NeighbourState,
}

impl Neighbour {
    /// The address to send to: the MAC, unless the kernel itself would not use it.
    #[must_use]
    pub fn usable_mac(&self) -> Option<MacAddress> {
        match self.state {
            NeighbourState::Unknown | NeighbourState::Incomplete | NeighbourState::Failed => None,
            NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent => self.mac,
        }
    }
}

/// Something that changed in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A twin's Ethernet address or state.
    LinkChanged {
        /// The twin's port.
        port: PortId,
        /// Its Ethernet address now.
        mac: MacAddress,
        /// Whether it is up and has its carrier.
        up: bool,
    },
    /// A twin has an address (or has it again, with another length).
    AddressAdded {
        /// The twin's port.
        port: PortId,
        /// The address.
        address: Address,
        /// The length of its prefix in bits.
        length: u8,
    },
    /// A twin lost an address.
    AddressRemoved {
        /// The twin's port.
        port: PortId,
        /// The address.
        address: Address,
    },
    /// A route is there, in place of the one with the same prefix and metric.
    RouteAdded {
        /// Its destination.
        prefix: Prefix,
        /// The route.
        route: Route,
    },
    /// The route with this prefix and metric is gone.
    RouteRemoved {
        /// Its destination.
        prefix: Prefix,
        /// Its metric.
        metric: u32,
    },
    /// A neighbour is there or changed.
    NeighbourChanged {
        /// The twin's port.
        port: PortId,
        /// The neighbour's IP address.
        address: Address,
        /// What is known of it.
        neighbour: Neighbour,
    },
    /// The kernel forgot a neighbour.
    NeighbourRemoved {
        /// The twin's port.
        port: PortId,
        /// The neighbour's IP address.
        address: Address,
    },
    /// Everything was read anew, since changes may have been missed.
    Resynchronised(Box<World>),
}

/// What the bounds kept out of a [`World`]. Not zero means: the mirror is incomplete until
/// the next `Resynchronised` that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Routes beyond `limits::ROUTES_MAX`.
    pub routes: u64,
    /// Next hops beyond `limits::NEXT_HOPS_PER_ROUTE_MAX` of their route.
    pub next_hops: u64,
    /// Neighbours beyond `limits::ADJACENCIES_MAX`.
    pub neighbours: u64,
    /// Addresses beyond `limits::ADDRESSES_PER_PORT_MAX` of their port, or ports beyond
    /// `limits::PORTS_MAX`.
    pub addresses: u64,
}

#[cfg(test)]
mod tests;
