//! How does an IPv6 header look (RFC 8200 §3), and what stands behind it before TCP or UDP (§4)?

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::units::Address;

/// Bytes of the header.
pub const HEADER_LENGTH: usize = 40;

/// Extension headers that are walked through at most. Whoever builds packets has no need for more
/// (RFC 8504 §5.3), and a chain without end must not hold up a worker.
pub const EXTENSION_HEADERS_MAX: usize = 8;

/// Options for every hop (RFC 8200 §4.3); right behind the header or nowhere.
pub const HOP_BY_HOP: u8 = 0;
/// The routing header (RFC 8200 §4.4).
pub const ROUTING: u8 = 43;
/// The fragment header (RFC 8200 §4.5).
pub const FRAGMENT: u8 = 44;
/// Options for the destination (RFC 8200 §4.6).
pub const DESTINATION_OPTIONS: u8 = 60;

/// An IPv6 header, 40 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Ipv6Header {
    /// version:4 │ traffic class:8 │ flow label:20.
    pub version_class_and_label: U32,
    /// Bytes behind this header, extension headers included.
    pub payload_length: U16,
    /// What follows: an extension header, or 6 TCP, 17 UDP, 58 ICMPv6.
    pub next_header: u8,
    /// Hops that remain.
    pub hop_limit: u8,
    /// Where the datagram comes from.
    pub source: Ipv6Bytes,
    /// Where the datagram goes.
    pub destination: Ipv6Bytes,
}

impl Ipv6Header {
    /// 6, if this is what it claims to be.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version_class_and_label.to_bytes()[0] >> 4
    }
}

/// An IPv6 address as it stands on the wire.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Ipv6Bytes(pub [u8; 16]);

impl From<Ipv6Bytes> for Address {
    #[inline]
    fn from(bytes: Ipv6Bytes) -> Self {
        let (halves, _) = bytes.0.as_chunks::<8>();
        Self { high: u64::from_be_bytes(halves[0]), low: u64::from_be_bytes(halves[1]) }
    }
}

impl From<Address> for Ipv6Bytes {
    #[inline]
    fn from(address: Address) -> Self {
        let bits = u128::from(address.high) << 64 | u128::from(address.low);
        Self(bits.to_be_bytes())
    }
}

/// The extension headers of one datagram, walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// What stands behind them; a kind that nobody here looks behind, as it is.
    pub protocol: u8,
    /// How many bytes they take.
    pub length: usize,
    /// Whether this is one of several fragments; an atomic one (RFC 6946) is a whole datagram.
    pub is_fragment: bool,
}

/// What is wrong with a chain of extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadExtensions {
    /// It is cut off, or has options for every hop where none may be.
    Malformed,
    /// It has more than [`EXTENSION_HEADERS_MAX`] headers.
    TooMany,
}

/// Walks through the extension headers in `payload`, the first of kind `next_header`. Stops behind
/// the header of a fragment, and at whatever it does not know: authentication and encryption
/// headers are protocols of their own here. So is a routing header with segments left: the
/// checksums behind it are over another destination than the header's (RFC 8200 §8.1).
///
/// # Errors
/// [`BadExtensions`] for a chain that contradicts itself or is too long.
pub fn extensions(next_header: u8, payload: &[u8]) -> Result<Extensions, BadExtensions> {
    let mut at = Extensions { protocol: next_header, length: 0, is_fragment: false };
    for walked in 0..=EXTENSION_HEADERS_MAX {
        let rest = payload.get(at.length..).unwrap_or_default();
        let length = match at.protocol {
            HOP_BY_HOP if walked > 0 => return Err(BadExtensions::Malformed),
            FRAGMENT => 8,
            ROUTING if rest.get(3).is_some_and(|segments_left| *segments_left > 0) => {
                return Ok(at);
            }
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                // In units of eight bytes, the first of which are not counted.
                8 + usize::from(rest.get(1).copied().ok_or(BadExtensions::Malformed)?) * 8
            }
            _ => return Ok(at),
        };
        let header = rest.get(..length).ok_or(BadExtensions::Malformed)?;
        if at.protocol == FRAGMENT {
            // offset:13 │ reserved:2 │ more fragments:1
            at.is_fragment = u16::from_be_bytes([header[2], header[3]]) & 0xfff9 != 0;
        }
        at.protocol = header[0];
        at.length += length;
        if at.is_fragment {
            return Ok(at);
        }
    }
    Err(BadExtensions::TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: u8 = 6;

    fn options(next: u8, units: u8) -> Vec<u8> {
        let mut header = vec![next, units, 1, 4];
        header.resize(8 + usize::from(units) * 8, 0);
        header
    }

    fn walked(protocol: u8, length: usize, is_fragment: bool) -> Result<Extensions, BadExtensions> {
        Ok(Extensions { protocol, length, is_fragment })
    }

    #[test]
    fn options_and_spent_routing_headers_are_passed() {
        let chain = [
            options(DESTINATION_OPTIONS, 0),
            options(ROUTING, 2),
            vec![DESTINATION_OPTIONS, 0, 4, 0, 0, 0, 0, 0],
            options(TCP, 0),
        ];
        let chain = [chain.concat(), vec![0; 20]].concat();
        assert_eq!(extensions(HOP_BY_HOP, &chain), walked(TCP, 48, false));
        for cut in 0..48 {
            let found = extensions(HOP_BY_HOP, &chain[..cut]);
            assert_eq!(found, Err(BadExtensions::Malformed), "cut at {cut}");
        }
    }

    #[test]
    fn a_routing_header_with_segments_left_is_not_looked_behind() {
        let chain = [TCP, 0, 4, 1, 0, 0, 0, 0];
        assert_eq!(extensions(ROUTING, &chain), walked(ROUTING, 0, false));
    }

    #[test]
    fn fragments_end_the_walk_and_atomic_ones_do_not() {
        for (middle, is_fragment) in [([0, 1], true), ([0, 8], true), ([0, 6], false)] {
            let chain = [DESTINATION_OPTIONS, 0, middle[0], middle[1], 0, 0, 0, 7];
            let chain = [chain.to_vec(), options(TCP, 0)].concat();
            let expected =
                if is_fragment { (DESTINATION_OPTIONS, 8, true) } else { (TCP, 16, false) };
            let expected = walked(expected.0, expected.1, expected.2);
            assert_eq!(extensions(FRAGMENT, &chain), expected, "{middle:?}");
        }
    }

    #[test]
    fn what_nobody_knows_is_a_protocol_as_it_stands() {
        for protocol in [50, 51, 59, 135, 139, 253] {
            assert_eq!(extensions(protocol, &[]), walked(protocol, 0, false));
        }
    }

    #[test]
    fn options_for_every_hop_come_first_or_not_at_all() {
        let chain = [options(HOP_BY_HOP, 0), options(TCP, 0)].concat();
        assert_eq!(extensions(DESTINATION_OPTIONS, &chain), Err(BadExtensions::Malformed));
    }

    #[test]
    fn eight_headers_are_walked_through_and_nine_are_not() {
        let chain = |headers: usize| {
            let mut chain = options(DESTINATION_OPTIONS, 0).repeat(headers - 1);
            chain.extend(options(TCP, 0));
            extensions(DESTINATION_OPTIONS, &chain)
        };
        assert_eq!(chain(EXTENSION_HEADERS_MAX), walked(TCP, 64, false));
        assert_eq!(chain(EXTENSION_HEADERS_MAX + 1), Err(BadExtensions::TooMany));
    }
}
