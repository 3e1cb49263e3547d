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

/// Reads a plain frame for the station `own` whose first buffer holds `length` bytes. `false` for
/// any other frame, of which `parsed` then says nothing.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "two header lengths")]
pub fn read(head: &Head, length: usize, own: MacAddress, parsed: &mut Parsed) -> bool {
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
    let payload = total.wrapping_sub(ipv4::HEADER_LENGTH);
    if ip.protocol == ProtocolNumber::TCP {
        let header = tcp.header_length();
        if header < tcp::HEADER_LENGTH || ipv4::HEADER_LENGTH + header > total {
            return false;
        }
        parsed.tcp_flags = tcp.flags;
        parsed.acknowledgement = tcp.acknowledgement.get();
    } else if ip.protocol == ProtocolNumber::UDP {
        let udp: &PlainUdp = transmute_ref!(&frame.transport);
        let datagram = usize::from(udp.header.length.get());
        if total < ipv4::HEADER_LENGTH || datagram < udp::HEADER_LENGTH || datagram > payload {
            return false;
        }
        parsed.tcp_flags = 0;
    } else {
        return false;
    }
    parsed.source = Address::from_v4_bits(ip.source.get());
    parsed.destination = Address::from_v4_bits(ip.destination.get());
    parsed.source_port = tcp.source_port.get();
    parsed.destination_port = tcp.destination_port.get();
    parsed.network_length = ip.total_length.get();
    parsed.network_offset = ethernet::HEADER_LENGTH as u8;
    parsed.transport_offset = TRANSPORT as u8;
    parsed.protocol = ip.protocol;
    parsed.time_to_live = ip.time_to_live;
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
            let (mut plain, mut general) = (Parsed::default(), Parsed::default());
            if read(&head, length, OWN, &mut plain) {
                prop_assert_eq!(parse(&head[..length], &mut general), Ok(Content::Ipv4));
                prop_assert_eq!(plain, general);
            }
        }
    }

    #[test]
    fn ordinary_segments_are_plain_and_cut_ones_are_not() {
        for protocol in [ProtocolNumber::TCP, ProtocolNumber::UDP] {
            let head = segment(protocol);
            assert!(read(&head, 54, OWN, &mut Parsed::default()));
            assert!(read(&head, 64, OWN, &mut Parsed::default()), "padding");
            assert!(!read(&head, 53, OWN, &mut Parsed::default()));
        }
    }
}
