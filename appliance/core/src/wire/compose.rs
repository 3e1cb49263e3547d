//! How do the headers of a packet look that Weir makes itself?
//!
//! TCP without options and payload, UDP without payload, ICMP errors, over IP without options or
//! extension headers; checksums included. Not here: translated packets, whose checksums are updated
//! (`translate`).

use zerocopy::IntoBytes;

use super::ipv4::{self, Ipv4Header};
use super::ipv6::Ipv6Header;
use super::tcp::{self, TcpHeader};
use super::udp::{self, UdpHeader};
use super::{ProtocolNumber, checksum, icmp};
use crate::units::Address;

/// Hops that a packet of our own may take.
const HOPS: u8 = 64;

/// The header of an IPv4 datagram with `payload` bytes behind it.
#[must_use]
pub fn ipv4(source: Address, destination: Address, protocol: u8, payload: u16) -> Ipv4Header {
    #[allow(clippy::cast_possible_truncation, reason = "20")]
    const HEADER: u16 = ipv4::HEADER_LENGTH as u16;
    let mut header = Ipv4Header {
        version_and_length: 0x45,
        traffic_class: 0,
        total_length: (HEADER + payload).into(),
        identification: 0.into(),
        flags_and_offset: 0x4000.into(),
        time_to_live: HOPS,
        protocol,
        checksum: 0.into(),
        source: source.v4_bits().into(),
        destination: destination.v4_bits().into(),
    };
    header.checksum = (!checksum::sum(header.as_bytes())).into();
    header
}

/// The header of an IPv6 datagram with `payload` bytes behind it.
#[must_use]
pub fn ipv6(source: Address, destination: Address, protocol: u8, payload: u16) -> Ipv6Header {
    Ipv6Header {
        version_class_and_label: (6 << 28).into(),
        payload_length: payload.into(),
        next_header: protocol,
        hop_limit: HOPS,
        source: source.into(),
        destination: destination.into(),
    }
}

/// A TCP segment with these flags, without options and payload.
#[must_use]
pub fn segment(
    source: (Address, u16),
    destination: (Address, u16),
    flags: u8,
    (sequence, acknowledgement): (u32, u32),
) -> TcpHeader {
    #[allow(clippy::cast_possible_truncation, reason = "20")]
    const LENGTH: u16 = tcp::HEADER_LENGTH as u16;
    let mut segment = TcpHeader {
        source_port: source.1.into(),
        destination_port: destination.1.into(),
        sequence: sequence.into(),
        acknowledgement: acknowledgement.into(),
        data_offset: 0x50,
        flags,
        window: 0.into(),
        checksum: 0.into(),
        urgent: 0.into(),
    };
    let pseudo = pseudo_header(source.0, destination.0, ProtocolNumber::TCP, LENGTH);
    segment.checksum = (!checksum::add(checksum::sum(segment.as_bytes()), pseudo)).into();
    segment
}

/// The ICMP message that a packet was refused by policy (RFC 1812 §5.2.7.1: type 3 code 13), with
/// the packet's IP header without options and the eight bytes behind it.
#[must_use]
pub fn prohibited(header: [u8; 20], payload: [u8; 8]) -> [u8; 36] {
    let mut message = [0; 36];
    (message[0], message[1]) = (3, 13);
    message[icmp::HEADER_LENGTH..28].copy_from_slice(&header);
    message[28..].copy_from_slice(&payload);
    let sum = !checksum::sum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// A UDP datagram without payload.
#[must_use]
pub fn datagram(source: (Address, u16), destination: (Address, u16)) -> UdpHeader {
    #[allow(clippy::cast_possible_truncation, reason = "8")]
    const LENGTH: u16 = udp::HEADER_LENGTH as u16;
    let mut datagram = UdpHeader {
        source_port: source.1.into(),
        destination_port: destination.1.into(),
        length: LENGTH.into(),
        checksum: 0.into(),
    };
    let pseudo = pseudo_header(source.0, destination.0, ProtocolNumber::UDP, LENGTH);
    let sum = !checksum::add(checksum::sum(datagram.as_bytes()), pseudo);
    // Zero says that there is none (RFC 768); both are the same in ones' complement.
    datagram.checksum = if sum == 0 { u16::MAX } else { sum }.into();
    datagram
}

fn pseudo_header(source: Address, destination: Address, protocol: u8, length: u16) -> u16 {
    if source.is_v4() {
        let (source, destination) = (source.v4_bits(), destination.v4_bits());
        checksum::pseudo_header_v4(source, destination, protocol, length)
    } else {
        checksum::pseudo_header_v6(source, destination, protocol, length)
    }
}
