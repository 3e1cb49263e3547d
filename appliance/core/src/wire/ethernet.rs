//! How does an Ethernet header look (IEEE 802.3, 802.1Q)?

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::units::MacAddress;

/// The EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// The EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// The EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// The EtherType of an 802.1Q tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// The EtherType of an 802.1ad service tag.
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

/// Bytes of an untagged Ethernet header.
pub const HEADER_LENGTH: usize = 14;
/// Bytes of one VLAN tag.
pub const VLAN_LENGTH: usize = 4;

/// An Ethernet header without tags, 14 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EthernetHeader {
    /// The station that the frame is for.
    pub destination: [u8; 6],
    /// The station that sent the frame.
    pub source: [u8; 6],
    /// What follows; the tag protocol for tagged frames.
    pub ether_type: U16,
}

impl EthernetHeader {
    /// Whether the frame is for every station or a group of them.
    #[must_use]
    pub const fn is_group_addressed(&self) -> bool {
        self.destination[0] & 1 == 1
    }

    /// Puts both addresses, leaving type and tags as they are.
    pub const fn readdress(&mut self, source: MacAddress, destination: MacAddress) {
        self.destination = destination.0;
        self.source = source.0;
    }
}
