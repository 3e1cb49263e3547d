//! Where do the fields of a plain IPv6 frame stand?
//!
//! ```text
//!   0          14                              54            74   80
//!   │ Ethernet │ IPv6                          │ TCP or UDP  │  · │     the head
//! ```
//!
//! The flags and the checksum of TCP stand in the second cache line of the frame. Not here: what
//! is asked of them (`plain`).

use zerocopy::big_endian::{U16, U32};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_mut, transmute_ref,
};

use super::ipv6::{self, Ipv6Bytes};
use super::plain::{BehindPorts, HEAD, Head, PlainFrame};
use super::translate::{End, PlainTranslation};
use super::{ethernet, tcp};

const TRANSPORT: usize = ethernet::HEADER_LENGTH + ipv6::HEADER_LENGTH;

/// The head as headers, with what both ends of a packet have side by side: the source first.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PlainIpv6 {
    /// Destination and source of the frame.
    link: [u8; 12],
    ether_type: U16,
    version_class_and_label: U32,
    payload_length: U16,
    /// next header:8 │ hop limit:8.
    protocol_and_hops: [u8; 2],
    addresses: [Ipv6Bytes; 2],
    ports: [U16; 2],
    behind_ports: BehindPorts,
    rest: [u8; HEAD - TRANSPORT - tcp::HEADER_LENGTH],
}

impl PlainFrame for PlainIpv6 {
    type OnWire = Ipv6Bytes;

    #[inline(always)]
    fn of(head: &Head) -> &Self {
        transmute_ref!(head)
    }

    #[inline(always)]
    fn of_mut(head: &mut Head) -> &mut Self {
        transmute_mut!(head)
    }

    #[inline(always)]
    fn link(&self) -> &[u8; 12] {
        &self.link
    }

    #[inline(always)]
    fn readdress(&mut self, link: [u8; 12]) {
        self.link = link;
    }

    #[inline(always)]
    fn is_plain(&self, protocol: u8, length: usize) -> bool {
        let payload = usize::from(self.payload_length.get());
        self.ether_type.get() == ethernet::ETHERTYPE_IPV6
            && self.version_class_and_label.to_bytes()[0] >> 4 == 6
            && self.protocol_and_hops[0] == protocol
            && TRANSPORT + payload <= length
            // A datagram that no buffer holds has no length in 16 bits either.
            && payload <= usize::from(u16::MAX) - ipv6::HEADER_LENGTH
    }

    #[inline(always)]
    fn holds(&self, length: usize) -> bool {
        length <= usize::from(self.payload_length.get())
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "40")]
    fn network_length(&self) -> u16 {
        self.payload_length.get().wrapping_add(ipv6::HEADER_LENGTH as u16)
    }

    #[inline(always)]
    fn time_to_live(&self) -> u8 {
        self.protocol_and_hops[1]
    }

    #[inline(always)]
    fn end(&self, end: u32) -> (Ipv6Bytes, U16) {
        (self.addresses[end as usize & 1], self.ports[end as usize & 1])
    }

    #[inline(always)]
    fn behind_ports(&self) -> &BehindPorts {
        &self.behind_ports
    }

    #[inline(always)]
    fn behind_ports_mut(&mut self) -> &mut BehindPorts {
        &mut self.behind_ports
    }

    #[inline(always)]
    fn translate_end(&mut self, end: End, to: PlainTranslation<'_, Ipv6Bytes>) {
        self.protocol_and_hops[1] = self.protocol_and_hops[1].wrapping_sub(1);
        self.addresses[end as usize] = to.address;
        self.ports[end as usize] = to.port;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::MacAddress;
    use crate::wire::plain::station;
    use crate::wire::{Content, Parsed, ProtocolNumber, parse};

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    fn segment() -> Head {
        let mut head = [0; HEAD];
        head[..6].copy_from_slice(&OWN.0);
        head[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        head[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
        head[18..22].copy_from_slice(&[0, 20, ProtocolNumber::TCP, 64]);
        head[22..26].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        head[37..42].copy_from_slice(&[7, 0x20, 0x01, 0x0d, 0xb8]);
        head[53..58].copy_from_slice(&[9, 0x9c, 0x40, 0, 80]);
        head[62..68].copy_from_slice(&[1, 2, 3, 4, 0x50, tcp::ACK]);
        head
    }

    fn datagram() -> Head {
        let mut head = segment();
        head[20] = ProtocolNumber::UDP;
        head[58..60].copy_from_slice(&[0, 20]);
        head
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_parser_reads(
            udp in any::<bool>(),
            changes in prop::collection::vec((0usize..74, any::<u8>()), 0..4),
            length in 0usize..=HEAD,
        ) {
            let mut head = if udp { datagram() } else { segment() };
            for (at, value) in changes {
                head[at] = value;
            }
            let (plain, mut parsed) = (PlainIpv6::of(&head), Parsed::default());
            let (tcp, udp) = (plain.is_plain_tcp(length), plain.is_plain_udp(length));
            if tcp || udp {
                prop_assert_eq!(parse(&head[..length], &mut parsed), Ok(Content::Ipv6));
                let expected = if tcp { ProtocolNumber::TCP } else { ProtocolNumber::UDP };
                prop_assert_eq!(parsed.protocol, expected);
                let (source, destination) = (parsed.source, parsed.destination);
                let ends = [(source, parsed.source_port), (destination, parsed.destination_port)];
                for (end, (address, port)) in (0..).zip(ends) {
                    prop_assert_eq!(plain.end(end), (address.into(), port.into()));
                }
                prop_assert_eq!(plain.network_length(), parsed.network_length);
                prop_assert_eq!(plain.time_to_live(), parsed.time_to_live);
            }
            if tcp {
                prop_assert_eq!(plain.tcp_flags(), parsed.tcp_flags);
                prop_assert_eq!(plain.acknowledgement().get(), parsed.acknowledgement);
            }
        }

        #[test]
        fn what_the_parser_reads_without_extension_headers_is_plain(
            udp in any::<bool>(),
            changes in prop::collection::vec((14usize..74, any::<u8>()), 0..4),
        ) {
            let mut head = if udp { datagram() } else { segment() };
            for (at, value) in changes {
                head[at] = value;
            }
            let mut parsed = Parsed::default();
            let content = parse(&head, &mut parsed);
            let protocol = if content == Ok(Content::Ipv6) && parsed.transport_offset == 54 {
                parsed.protocol
            } else {
                0
            };
            let plain = PlainIpv6::of(&head);
            prop_assert_eq!(plain.is_plain_tcp(HEAD), protocol == ProtocolNumber::TCP);
            prop_assert_eq!(plain.is_plain_udp(HEAD), protocol == ProtocolNumber::UDP);
        }
    }

    #[test]
    fn ordinary_segments_are_plain_and_cut_ones_are_not() {
        let (segment, datagram) = (segment(), datagram());
        let (tcp, udp) = (PlainIpv6::of(&segment), PlainIpv6::of(&datagram));
        assert!(tcp.is_plain_tcp(74) && udp.is_plain_udp(74));
        assert!(tcp.is_plain_tcp(80) && udp.is_plain_udp(80), "padding");
        assert!(!tcp.is_plain_tcp(73) && !udp.is_plain_udp(73));
        assert!(!tcp.is_plain_udp(74) && !udp.is_plain_tcp(74));
    }

    #[test]
    fn a_frame_is_for_the_station_that_it_names_and_that_has_not_sent_it() {
        let own = station(OWN);
        let mut head = segment();
        assert!(PlainIpv6::of(&head).is_for(own));
        head.copy_within(..6, 6);
        assert!(!PlainIpv6::of(&head).is_for(own), "sent by ourselves");
    }
}
