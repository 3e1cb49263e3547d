//! Where does a packet leave, and with which link-layer addresses?
//!
//! The mirrored routes of the kernel as one look-up: a host on the link that has told its MAC
//! is a /32 of its own, a gateway is an adjacency, several gateways are a group of which the
//! flow's hash picks one.

use std::sync::Arc;

use crate::tables::Lpm;
use crate::units::{Address, AdjacencyId, MacAddress, PortId};

/// A next hop. Flows refer to it by id, so a learned MAC touches no flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// The port to leave by.
    pub port: PortId,
    /// The next hop's IP address.
    pub address: Address,
    /// The next hop's Ethernet address; `None` while it is unknown.
    pub mac: Option<MacAddress>,
}

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// One next hop.
    Adjacency(AdjacencyId),
    /// A host on this port's link, whose address is not resolved.
    OnLink(PortId),
    /// Several next hops, one of which the flow's hash picks; never empty.
    Group(Box<[AdjacencyId]>),
}

/// What a look-up says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// Through this adjacency.
    Through(AdjacencyId),
    /// Directly, once the host on this port's link has been resolved.
    Unresolved(PortId),
    /// Nowhere.
    None,
}

/// The routes of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Address to position in `hops`.
    pub table: Arc<Lpm>,
    /// What the table's values mean.
    pub hops: Arc<[Hop]>,
    /// Prefixes that plain routing joins: virtual networks and `routedPrefixes`. Members' flows
    /// into them are routed, not translated.
    pub routed: Arc<Lpm>,
}

impl Routes {
    /// The next hop towards `destination`; `hash` picks among several.
    #[must_use]
    #[inline]
    pub fn towards(&self, destination: Address, hash: u64) -> NextHop {
        let Some(hop) = self.table.get(destination.v4_bits()) else { return NextHop::None };
        match self.hops.get(hop as usize) {
            Some(Hop::Adjacency(adjacency)) => NextHop::Through(*adjacency),
            Some(Hop::OnLink(port)) => NextHop::Unresolved(*port),
            Some(Hop::Group(members)) => {
                #[allow(clippy::cast_possible_truncation, reason = "a remainder")]
                let position = (hash % members.len().max(1) as u64) as usize;
                members.get(position).map_or(NextHop::None, |id| NextHop::Through(*id))
            }
            None => NextHop::None,
        }
    }

    /// Whether a route towards `address` leaves by `port`: the reverse path of a packet that came
    /// in there.
    #[must_use]
    pub fn leads_by(&self, address: Address, port: PortId, adjacencies: &[Adjacency]) -> bool {
        let by = |id: &AdjacencyId| adjacencies.get(id.index()).is_some_and(|it| it.port == port);
        let hop = self.table.get(address.v4_bits()).and_then(|hop| self.hops.get(hop as usize));
        match hop {
            Some(Hop::Adjacency(id)) => by(id),
            Some(Hop::OnLink(on)) => *on == port,
            Some(Hop::Group(members)) => members.iter().any(by),
            None => false,
        }
    }

    /// Whether `address` lies in a virtual network or in `routedPrefixes`.
    #[must_use]
    #[inline]
    pub fn is_routed(&self, address: Address) -> bool {
        self.routed.get(address.v4_bits()).is_some()
    }
}
