//! Where does a packet leave, and with which link-layer addresses?
//!
//! The mirrored routes of the kernel as one look-up: a host on the link that has told its MAC
//! is a prefix of its own (/32, /128), a gateway is an adjacency, several gateways are a group of
//! which the flow's hash picks one.

use super::Port;
use crate::tables::{Lpm, LpmV6, Wide};
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
    table_v6: LpmV6,
    groups: Vec<Box<[AdjacencyId]>>,
    /// Prefixes that plain routing joins: virtual networks and `routedPrefixes`. Members' flows
    /// into them are routed, not translated.
    routed: Lpm,
    routed_v6: LpmV6,
}

const ID_BITS: u32 = 24;
const ON_LINK: u32 = 1;
const GROUP: u32 = 2;

impl Routes {
    /// The routes of these prefixes; `routed` are the prefixes that plain routing joins. Hosts
    /// choose their own addresses of IPv6, so that the tables are keyed by `seed`.
    #[must_use]
    pub fn new(
        seed: u64,
        entries: impl IntoIterator<Item = (Prefix, Hop)>,
        routed: impl IntoIterator<Item = Prefix>,
    ) -> Self {
        let mut groups = Vec::new();
        let (mut words, mut words_v6) = (Vec::new(), Vec::new());
        for (prefix, hop) in entries {
            let word = match hop {
                Hop::Adjacency(id) => id.0,
                Hop::OnLink(port) => ON_LINK << ID_BITS | u32::from(port.0),
                Hop::Group(ids) => {
                    groups.push(ids);
                    // A table has fewer routes than that by far: `limits`.
                    GROUP << ID_BITS | u32::try_from(groups.len() - 1).unwrap_or(0)
                }
            };
            if prefix.address.is_v4() {
                words.push((prefix.address.v4_bits(), prefix.length, word));
            } else {
                words_v6.push((wide(prefix.address), prefix.length, word));
            }
        }
        let (routed, routed_v6): (Vec<_>, Vec<_>) =
            routed.into_iter().partition(|prefix| prefix.address.is_v4());
        let routed = routed.iter().map(|it| (it.address.v4_bits(), it.length, 0));
        let routed_v6 = routed_v6.iter().map(|it| (wide(it.address), it.length, 0));
        Self {
            table: Lpm::build(words),
            table_v6: LpmV6::build(seed, words_v6),
            groups,
            routed: Lpm::build(routed),
            routed_v6: LpmV6::build(seed, routed_v6),
        }
    }

    /// The next hop towards `destination`; `hash` picks among several.
    #[must_use]
    #[inline(always)]
    pub fn towards(&self, destination: Address, hash: impl FnOnce() -> u64) -> NextHop {
        if destination.is_v4() {
            return self.towards_v4(destination.v4_bits(), hash);
        }
        self.through(self.word_v6(destination), hash)
    }

    /// The same for an IPv4 address, which needs not be asked for its family.
    #[must_use]
    #[inline(always)]
    pub fn towards_v4(&self, destination: u32, hash: impl FnOnce() -> u64) -> NextHop {
        self.through(self.table.get(destination), hash)
    }

    #[inline(always)]
    fn through(&self, word: Option<u32>, hash: impl FnOnce() -> u64) -> NextHop {
        let Some(word) = word else { return NextHop::None };
        match word >> ID_BITS {
            0 => NextHop::Through(AdjacencyId(word)),
            ON_LINK => NextHop::Unresolved(on_link(word)),
            _ => self.pick(word, hash()),
        }
    }

    #[inline(never)]
    fn word_v6(&self, address: Address) -> Option<u32> {
        self.table_v6.get(wide(address))
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
        let word =
            if address.is_v4() { self.table.get(address.v4_bits()) } else { self.word_v6(address) };
        let Some(word) = word else { return false };
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
        if address.is_v4() {
            self.routed.get(address.v4_bits()).is_some()
        } else {
            self.routed_v6.get(wide(address)).is_some()
        }
    }
}

const fn wide(address: Address) -> Wide {
    [address.high, address.low]
}

const fn id_of(word: u32) -> usize {
    (word & ((1 << ID_BITS) - 1)) as usize
}

#[allow(clippy::cast_possible_truncation, reason = "eight bits were put in")]
const fn on_link(word: u32) -> PortId {
    PortId(id_of(word) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    fn address(text: &str) -> Address {
        text.parse::<std::net::IpAddr>().expect("an address").into()
    }

    #[test]
    fn both_families_are_routed_and_neither_by_the_other() {
        let gateways = [AdjacencyId(7), AdjacencyId(8)];
        let entries = [
            (prefix("0.0.0.0/0"), Hop::Adjacency(AdjacencyId(1))),
            (prefix("2001:db8::/32"), Hop::Group(Box::new(gateways))),
            (prefix("2001:db8:1::/64"), Hop::OnLink(PortId(3))),
            (prefix("2001:db8:1::9/128"), Hop::Adjacency(AdjacencyId(2))),
        ];
        let routes = Routes::new(1, entries, [prefix("10.0.0.0/8"), prefix("fd00::/8")]);
        for (destination, expected) in [
            ("192.0.2.1", NextHop::Through(AdjacencyId(1))),
            ("2001:db8:2::1", NextHop::Through(AdjacencyId(8))),
            ("2001:db8:1::1", NextHop::Unresolved(PortId(3))),
            ("2001:db8:1::9", NextHop::Through(AdjacencyId(2))),
            ("2001:db9::1", NextHop::None),
        ] {
            assert_eq!(routes.towards(address(destination), || 5), expected, "{destination}");
        }
        assert!(routes.leads_by(address("2001:db8:1::1"), PortId(3), &[]));
        assert!(!routes.leads_by(address("2001:db8:1::1"), PortId(1), &[]));
        for (host, expected) in [("10.1.1.1", true), ("fd12::1", true), ("fc00::1", false)] {
            assert_eq!(routes.is_routed(address(host)), expected, "{host}");
        }
    }
}
