//! How does neighbour discovery look, IPv6's way to ask for Ethernet addresses (RFC 4861 §4)?

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ipv6::Ipv6Bytes;
use super::{ProtocolNumber, checksum};
use crate::units::{Address, MacAddress};

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

/// The option of a solicitation with the asker's Ethernet address, and that of an advertisement
/// with the target's (RFC 4861 §4.6.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LinkLayerAddress {
    /// [`SOURCE_OPTION`] or [`TARGET_OPTION`].
    pub kind: u8,
    /// 1: eight bytes.
    pub length: u8,
    /// The address.
    pub mac: [u8; 6],
}

/// The kind of the asker's address.
pub const SOURCE_OPTION: u8 = 1;
/// The kind of the target's address.
pub const TARGET_OPTION: u8 = 2;
/// Bytes of a message with one address: every answer has so many.
pub const ANSWER_LENGTH: usize = size_of::<NeighbourMessage>() + size_of::<LinkLayerAddress>();

/// Turns a solicitation from `asker` into the answer that `mac` holds the target (RFC 4861 §7.2.4),
/// in its first [`ANSWER_LENGTH`] bytes. Returns the Ethernet address that it goes to.
///
/// `None`, with nothing written, for one that does not begin with the asker's own Ethernet address,
/// or whose checksum is wrong. So is a host's question whether it may take the address for its own
/// (RFC 4862 §5.4): that has no asker to be answered.
#[must_use]
pub fn answer(
    message: &mut [u8],
    asker: Address,
    asked: Address,
    mac: MacAddress,
) -> Option<[u8; 6]> {
    if sum(message, asker, asked) != 0xffff {
        return None;
    }
    let message = message.get_mut(..ANSWER_LENGTH)?;
    let (header, rest) = NeighbourMessage::mut_from_prefix(message).ok()?;
    let (option, _) = LinkLayerAddress::mut_from_prefix(rest).ok()?;
    let to = option.mac;
    let is_one_station = to[0] & 1 == 0;
    if option.kind != SOURCE_OPTION || option.length != 1 || !is_one_station {
        return None;
    }
    *option = LinkLayerAddress { kind: TARGET_OPTION, length: 1, mac: mac.0 };
    let target = header.target;
    *header = NeighbourMessage {
        kind: ADVERTISEMENT,
        code: 0,
        checksum: 0.into(),
        flags: SOLICITED_AND_OVERRIDE.into(),
        target,
    };
    let checksum = !sum(message, target.into(), asker);
    let (header, _) = NeighbourMessage::mut_from_prefix(message).ok()?;
    header.checksum = checksum.into();
    Some(to)
}

/// The sum over pseudo-header and message.
fn sum(message: &[u8], source: Address, destination: Address) -> u16 {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let pseudo = checksum::pseudo_header_v6(source, destination, ProtocolNumber::ICMPV6, length);
    checksum::add(checksum::sum(message), pseudo)
}

const SOLICITED_AND_OVERRIDE: u32 = 0x6000_0000;
