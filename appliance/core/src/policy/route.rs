//! Where does a packet leave, and with which link-layer addresses?
//!
//! The mirrored routes of the kernel as one look-up: a host on the link that has told its MAC
//! is a /32 of its own, a gateway is an adjacency, several gateways are a group of which the
//! flow's hash picks one.

use super::Port;
use crate::tables::Lpm;
use crate::units::{Address, AdjacencyId, MacAddress, PortId, Prefix};

/// A next hop, in one cache line. Flows refer to it by id, so a learned MAC touches no flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Adjacency {
    /// The port to leave by.
    pub port: PortId,
    /// The next hop's IP address.
    pub address: Address,
    /// The next hop's Ethernet address; `None` while it is unknown.
    pub mac: Option<MacAddress>,
    /// Destination and source of every frame that goes there.
    pub link: [u8; 12],
    /// Bytes of the longest IP datagram that may go there; 0 while none may, for want of a port
    /// or of the next hop's address.
    pub mtu: u16,
}

impl Adjacency {
    /// The next hop `address` on the link of `id`, which is `port` if there is such a one.
    #[must_use]
    pub fn new(id: PortId, port: Option<&Port>, address: Address, mac: Option<MacAddress>) -> Self {
        let mut adjacency = Self { port: id, address, mac, link: [0; 12], mtu: 0 };
        if let (Some(port), Some(mac)) = (port, mac) {
            adjacency.link[..6].copy_from_slice(&mac.0);
            adjacency.link[6..].copy_from_slice(&port.mac.0);
            adjacency.mtu = port.mtu;
        }
        adjacency
    }
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
    /// Address to hop: of which kind in the bits above [`ID_BITS`], which one below.
    table: Lpm,
    groups: Vec<Box<[AdjacencyId]>>,
    /// Prefixes that plain routing joins: virtual networks and `routedPrefixes`. Members' flows
    /// into them are routed, not translated.
    routed: Lpm,
}

const ID_BITS: u32 = 24;
const ON_LINK: u32 = 1;
const GROUP: u32 = 2;

impl Routes {
    /// The routes of these prefixes, of which those of IPv4 count; `routed` are the prefixes that
    /// plain routing joins.
    #[must_use]
    pub fn new(
        entries: impl IntoIterator<Item = (Prefix, Hop)>,
        routed: impl IntoIterator<Item = Prefix>,
    ) -> Self {
        let mut groups = Vec::new();
        let mut words = Vec::new();
        for (prefix, hop) in entries {
            if !prefix.address.is_v4() {
                continue;
            }
            let word = match hop {
                Hop::Adjacency(id) => id.0,
                Hop::OnLink(port) => ON_LINK << ID_BITS | u32::from(port.0),
                Hop::Group(ids) => {
                    groups.push(ids);
                    // A table has fewer routes than that by far: `limits`.
                    GROUP << ID_BITS | u32::try_from(groups.len() - 1).unwrap_or(0)
                }
            };
            words.push((prefix.address.v4_bits(), prefix.length, word));
        }
        let routed = routed.into_iter().filter(|prefix| prefix.address.is_v4());
        let routed = routed.map(|prefix| (prefix.address.v4_bits(), prefix.length, 0));
        Self { table: Lpm::build(words), groups, routed: Lpm::build(routed) }
    }

    /// The next hop towards `destination`; `hash` picks among several.
    #[must_use]
    #[inline(always)]
    pub fn towards(&self, destination: Address, hash: impl FnOnce() -> u64) -> NextHop {
        let Some(word) = self.table.get(destination.v4_bits()) else { return NextHop::None };
        match word >> ID_BITS {
            0 => NextHop::Through(AdjacencyId(word)),
            ON_LINK => NextHop::Unresolved(on_link(word)),
            _ => self.pick(word, hash()),
        }
    }

    #[inline(never)]
    fn pick(&self, word: u32, hash: u64) -> NextHop {
        let group = self.group(word);
        #[allow(clippy::cast_possible_truncation, reason = "a remainder")]
        let position = (hash % group.len().max(1) as u64) as usize;
        group.get(position).map_or(NextHop::None, |id| NextHop::Through(*id))
    }

    fn group(&self, word: u32) -> &[AdjacencyId] {
        self.groups.get(id_of(word)).map(AsRef::as_ref).unwrap_or_default()
    }

    /// Whether a route towards `address` leaves by `port`: the reverse path of a packet that came
    /// in there.
    #[must_use]
    pub fn leads_by(&self, address: Address, port: PortId, adjacencies: &[Adjacency]) -> bool {
        let by = |id: &AdjacencyId| adjacencies.get(id.index()).is_some_and(|it| it.port == port);
        let Some(word) = self.table.get(address.v4_bits()) else { return false };
        match word >> ID_BITS {
            0 => by(&AdjacencyId(word)),
            ON_LINK => on_link(word) == port,
            _ => self.group(word).iter().any(by),
        }
    }

    /// The groups of next hops, for whoever wants to know who is in them.
    #[must_use]
    pub fn groups(&self) -> &[Box<[AdjacencyId]>] {
        &self.groups
    }

    /// Whether `address` lies in a virtual network or in `routedPrefixes`.
    #[must_use]
    #[inline]
    pub fn is_routed(&self, address: Address) -> bool {
        self.routed.get(address.v4_bits()).is_some()
    }
}

const fn id_of(word: u32) -> usize {
    (word & ((1 << ID_BITS) - 1)) as usize
}

#[allow(clippy::cast_possible_truncation, reason = "eight bits were put in")]
const fn on_link(word: u32) -> PortId {
    PortId(id_of(word) as u8)
}
