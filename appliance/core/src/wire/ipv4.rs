//! How does an IPv4 header look (RFC 791)?

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::units::Address;

/// Bytes of a header without options.
pub const HEADER_LENGTH: usize = 20;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 10;

/// An IPv4 header without its options, 20 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Ipv4Header {
    /// Version in the upper, header length in 32-bit words in the lower four bits.
    pub version_and_length: u8,
    /// Differentiated services and congestion notification (RFC 2474, RFC 3168).
    pub traffic_class: u8,
    /// Bytes of header and payload together.
    pub total_length: U16,
    /// Names the fragments of one datagram.
    pub identification: U16,
    /// Three flags, then the offset in units of 8 bytes.
    pub flags_and_offset: U16,
    /// Hops that remain.
    pub time_to_live: u8,
    /// What follows: 6 TCP, 17 UDP, 1 ICMP.
    pub protocol: u8,
    /// Internet checksum over this header.
    pub checksum: U16,
    /// Where the datagram comes from.
    pub source: U32,
    /// Where the datagram goes.
    pub destination: U32,
}

impl Ipv4Header {
    /// The mask of offset and more-fragments flag: zero in a whole datagram.
    const FRAGMENT_BITS: u16 = 0x3fff;

    /// Bytes of this header with its options, as it claims.
    #[must_use]
    pub const fn header_length(&self) -> usize {
        (self.version_and_length & 0x0f) as usize * 4
    }

    /// Where the payload of this fragment begins in that of the datagram, in units of 8 bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        self.flags_and_offset.get() & 0x1fff
    }

    /// Whether this is one of several fragments.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.flags_and_offset.get() & Self::FRAGMENT_BITS != 0
    }
}

/// An address as it stands on the wire.
impl From<U32> for Address {
    #[inline]
    fn from(bytes: U32) -> Self {
        Self::from_v4_bits(bytes.get())
    }
}
