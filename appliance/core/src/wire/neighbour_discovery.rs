//! How does neighbour discovery look, IPv6's way to ask for Ethernet addresses (RFC 4861 §4)?

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ipv6::Ipv6Bytes;

/// Asks for a neighbour's Ethernet address.
pub const SOLICITATION: u8 = 135;
/// Says one, whether it was asked for or not.
pub const ADVERTISEMENT: u8 = 136;

/// What a message that no router has passed on is received with (RFC 4861 §7.1).
pub const HOP_LIMIT: u8 = 255;

/// Whether an ICMPv6 message of this type speaks to the link: of routers, neighbours, redirects.
#[must_use]
pub const fn speaks_to_the_link(kind: u8) -> bool {
    matches!(kind, 133..=137)
}

/// A neighbour's solicitation or advertisement without its options, 24 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NeighbourMessage {
    /// [`SOLICITATION`] or [`ADVERTISEMENT`].
    pub kind: u8,
    /// 0.
    pub code: u8,
    /// Internet checksum over pseudo-header and message.
    pub checksum: U16,
    /// Of an advertisement: from a router, solicited, to override; then nothing.
    pub flags: U32,
    /// The address that is asked for, or spoken of.
    pub target: Ipv6Bytes,
}
