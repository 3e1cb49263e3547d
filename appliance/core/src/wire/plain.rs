//! What does the frame look like that nearly all are?
//!
//! ```text
//!   0          14             34            54      64
//!   │ Ethernet │ IPv4         │ TCP or UDP  │  ···  │     the head
//! ```
//!
//! No tags, no IP options, no fragment: every field stands at a fixed place, so that the head is
//! read and written without a check per field. Whatever else there may be is `parse`'s.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_ref};

use super::ethernet::{self, EthernetHeader};
use super::ipv4::{self, Ipv4Header};
use super::tcp::{self, TcpHeader};
use super::udp::{self, UdpHeader};
use super::{Parsed, ProtocolNumber};
use crate::units::{Address, MacAddress};

/// Bytes of a frame that are always in memory, whether or not the frame is that long.
pub const HEAD: usize = 64;

/// The first bytes of a frame; those behind its end mean nothing.
pub type Head = [u8; HEAD];

const TRANSPORT: usize = ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH;

/// The head as headers.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PlainIpv4 {
    pub(super) ethernet: EthernetHeader,
    pub(super) ip: Ipv4Header,
    pub(super) transport: [u8; tcp::HEADER_LENGTH],
    rest: [u8; HEAD - TRANSPORT - tcp::HEADER_LENGTH],
}

/// The first bytes of the transport header as UDP's.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PlainUdp {
    pub(super) header: UdpHeader,
    rest: [u8; tcp::HEADER_LENGTH - udp::HEADER_LENGTH],
}

/// An endpoint of IPv4 in one word: address:32 │ 0:8 │ protocol:8 │ port:16. Never 0, since no
/// protocol that has ports is (IANA protocol-numbers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointV4(pub u64);

impl EndpointV4 {
    /// The endpoint of these parts; of an IPv6 address the lower 32 bits count.
    #[must_use]
    #[inline]
    pub const fn new(address: Address, port: u16, protocol: u8) -> Self {
        Self((address.v4_bits() as u64) << 32 | (protocol as u64) << 16 | port as u64)
    }

    /// Its address.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half")]
    pub const fn address(self) -> Address {
        Address::from_v4_bits((self.0 >> 32) as u32)
    }

    /// Its port.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lowest 16 bits")]
    pub const fn port(self) -> u16 {
        self.0 as u16
    }

    /// Its protocol.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "eight bits are cut out")]
    pub const fn protocol(self) -> u8 {
        (self.0 >> 16) as u8
    }
}

/// What a plain frame says, in three words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Where it comes from.
    pub source: EndpointV4,
    /// Where it goes.
    pub destination: EndpointV4,
    /// What a TCP segment acknowledges; nothing in particular for UDP.
    pub acknowledgement: u32,
    /// Bytes of the IP datagram.
    pub network_length: u16,
    /// Hops that remain.
    pub time_to_live: u8,
    /// The TCP flags; 0 for UDP.
    pub tcp_flags: u8,
}

impl Tuple {
    /// Whether it is TCP; else it is UDP.
    #[must_use]
    #[inline]
    pub const fn is_tcp(&self) -> bool {
        self.source.protocol() == ProtocolNumber::TCP
    }

    /// Whether this is TCP with SYN and without ACK, whatever other flags it has.
    #[must_use]
    #[inline]
    pub const fn asks_to_open(&self) -> bool {
        self.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    }

    /// The same in the form that any frame has.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "two header lengths")]
    pub const fn parsed(&self) -> Parsed {
        Parsed {
            source: self.source.address(),
            destination: self.destination.address(),
            source_port: self.source.port(),
            destination_port: self.destination.port(),
            acknowledgement: self.acknowledgement,
            network_length: self.network_length,
            network_offset: ethernet::HEADER_LENGTH as u8,
            transport_offset: TRANSPORT as u8,
            protocol: self.source.protocol(),
            tcp_flags: self.tcp_flags,
            time_to_live: self.time_to_live,
        }
    }
}

/// Reads a plain frame for the station `own` whose first buffer holds `length` bytes. `false` for
/// any other frame, of which `tuple` then says nothing.
#[inline]
pub fn read(head: &Head, length: usize, own: MacAddress, tuple: &mut Tuple) -> bool {
    let frame: &PlainIpv4 = transmute_ref!(head);
    let (ethernet, ip) = (&frame.ethernet, &frame.ip);
    let total = usize::from(ip.total_length.get());
    let is_plain = ethernet.ether_type.get() == ethernet::ETHERTYPE_IPV4
        && ip.version_and_length == 0x45
        && !ip.is_fragment()
        && total + ethernet::HEADER_LENGTH <= length
        && ethernet.destination == own.0
        && ethernet.source != own.0;
    if !is_plain {
        return false;
    }
    let tcp: &TcpHeader = transmute_ref!(&frame.transport);
    if ip.protocol == ProtocolNumber::TCP {
        let header = tcp.header_length();
        if header < tcp::HEADER_LENGTH || ipv4::HEADER_LENGTH + header > total {
            return false;
        }
        tuple.tcp_flags = tcp.flags;
        tuple.acknowledgement = tcp.acknowledgement.get();
    } else if ip.protocol == ProtocolNumber::UDP {
        let udp: &PlainUdp = transmute_ref!(&frame.transport);
        let datagram = usize::from(udp.header.length.get());
        if datagram < udp::HEADER_LENGTH || ipv4::HEADER_LENGTH + datagram > total {
            return false;
        }
        tuple.tcp_flags = 0;
        tuple.acknowledgement = 0;
    } else {
        return false;
    }
    let protocol = ip.protocol;
    let source = Address::from_v4_bits(ip.source.get());
    let destination = Address::from_v4_bits(ip.destination.get());
    tuple.source = EndpointV4::new(source, tcp.source_port.get(), protocol);
    tuple.destination = EndpointV4::new(destination, tcp.destination_port.get(), protocol);
    tuple.network_length = ip.total_length.get();
    tuple.time_to_live = ip.time_to_live;
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Content, parse};

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    fn segment(protocol: u8) -> Head {
        let mut head = [0; HEAD];
        head[..6].copy_from_slice(&OWN.0);
        head[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        head[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        head[17] = 40;
        head[22..24].copy_from_slice(&[64, protocol]);
        head[26..38].copy_from_slice(&[192, 0, 2, 1, 203, 0, 113, 10, 0x9c, 0x40, 0, 80]);
        if protocol == ProtocolNumber::TCP {
            head[42..48].copy_from_slice(&[1, 2, 3, 4, 0x50, tcp::ACK]);
        } else {
            head[39] = 20;
        }
        head
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_parser_reads(
            udp in any::<bool>(),
            changes in prop::collection::vec((0usize..54, any::<u8>()), 0..4),
            length in 0usize..=64,
        ) {
            let mut head = segment(if udp { ProtocolNumber::UDP } else { ProtocolNumber::TCP });
            for (at, value) in changes {
                head[at] = value;
            }
            let (mut tuple, mut general) = (Tuple::default(), Parsed::default());
            if read(&head, length, OWN, &mut tuple) {
                prop_assert_eq!(parse(&head[..length], &mut general), Ok(Content::Ipv4));
                prop_assert_eq!(tuple.parsed(), general);
            }
        }
    }

    #[test]
    fn ordinary_segments_are_plain_and_cut_ones_are_not() {
        for protocol in [ProtocolNumber::TCP, ProtocolNumber::UDP] {
            let head = segment(protocol);
            assert!(read(&head, 54, OWN, &mut Tuple::default()));
            assert!(read(&head, 64, OWN, &mut Tuple::default()), "padding");
            assert!(!read(&head, 53, OWN, &mut Tuple::default()));
        }
    }
}
