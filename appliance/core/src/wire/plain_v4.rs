//! Where do the fields of a plain IPv4 frame stand?
//!
//! ```text
//!   0          14             34            54      80
//!   │ Ethernet │ IPv4         │ TCP or UDP  │  ···  │     the head
//! ```
//!
//! Not here: what is asked of them (`plain`).

use zerocopy::big_endian::{U16, U32};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_mut, transmute_ref,
};

use super::plain::{BehindPorts, HEAD, Head, PlainFrame};
use super::translate::{End, PlainTranslation};
use super::{ethernet, ipv4, tcp};

const TRANSPORT: usize = ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH;

/// The head as headers, with what both ends of a packet have side by side: the source first.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PlainIpv4 {
    /// Destination and source of the frame.
    link: [u8; 12],
    ether_type: U16,
    version_and_length: u8,
    traffic_class: u8,
    network_length: U16,
    identification: U16,
    /// Flags and offset:16 │ time to live:8 │ protocol:8.
    fragment_and_protocol: U32,
    checksum: U16,
    addresses: [U32; 2],
    ports: [U16; 2],
    behind_ports: BehindPorts,
    rest: [u8; HEAD - TRANSPORT - tcp::HEADER_LENGTH],
}

impl PlainIpv4 {
    #[inline(always)]
    const fn take_hop(&mut self) {
        let [flags, offset, hops, protocol] = self.fragment_and_protocol.to_bytes();
        let bytes = [flags, offset, hops.wrapping_sub(1), protocol];
        self.fragment_and_protocol = U32::from_bytes(bytes);
    }
}

impl PlainFrame for PlainIpv4 {
    type OnWire = U32;

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
        self.ether_type.get() == ethernet::ETHERTYPE_IPV4
            && self.version_and_length == 0x45
            // Fragments and other protocols in one comparison, whatever hops remain.
            && self.fragment_and_protocol.get() & 0x3fff_00ff == u32::from(protocol)
            && usize::from(self.network_length.get()) + ethernet::HEADER_LENGTH <= length
    }

    #[inline(always)]
    fn holds(&self, length: usize) -> bool {
        ipv4::HEADER_LENGTH + length <= usize::from(self.network_length.get())
    }

    #[inline(always)]
    fn network_length(&self) -> u16 {
        self.network_length.get()
    }

    #[inline(always)]
    fn time_to_live(&self) -> u8 {
        self.fragment_and_protocol.to_bytes()[2]
    }

    #[inline(always)]
    fn end(&self, end: u32) -> (U32, U16) {
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
    fn translate_end(&mut self, end: End, to: PlainTranslation<'_, U32>) {
        self.take_hop();
        for share in to.shares {
            share.network.apply(&mut self.checksum);
        }
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

    fn datagram() -> Head {
        let mut head = segment();
        head[23] = ProtocolNumber::UDP;
        head[38..40].copy_from_slice(&[0, 20]);
        head
    }

    fn segment() -> Head {
        let mut head = [0; HEAD];
        head[..6].copy_from_slice(&OWN.0);
        head[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
        head[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        head[17] = 40;
        head[22..24].copy_from_slice(&[64, ProtocolNumber::TCP]);
        head[26..38].copy_from_slice(&[192, 0, 2, 1, 203, 0, 113, 10, 0x9c, 0x40, 0, 80]);
        head[42..48].copy_from_slice(&[1, 2, 3, 4, 0x50, tcp::ACK]);
        head
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_parser_reads(
            udp in any::<bool>(),
            changes in prop::collection::vec((0usize..54, any::<u8>()), 0..4),
            length in 0usize..=64,
        ) {
            let mut head = if udp { datagram() } else { segment() };
            for (at, value) in changes {
                head[at] = value;
            }
            let (plain, mut parsed) = (PlainIpv4::of(&head), Parsed::default());
            let (tcp, udp) = (plain.is_plain_tcp(length), plain.is_plain_udp(length));
            if tcp || udp {
                prop_assert_eq!(parse(&head[..length], &mut parsed), Ok(Content::Ipv4));
                let expected = if tcp { ProtocolNumber::TCP } else { ProtocolNumber::UDP };
                prop_assert_eq!(parsed.protocol, expected);
                let (source, destination) = (parsed.source, parsed.destination);
                let ends = [(source, parsed.source_port), (destination, parsed.destination_port)];
                for (end, (address, port)) in (0..).zip(ends) {
                    prop_assert_eq!(plain.end(end), (address.v4_bits().into(), port.into()));
                }
                prop_assert_eq!(plain.network_length(), parsed.network_length);
                prop_assert_eq!(plain.time_to_live(), parsed.time_to_live);
            }
            if tcp {
                prop_assert_eq!(plain.tcp_flags(), parsed.tcp_flags);
                prop_assert_eq!(plain.acknowledgement().get(), parsed.acknowledgement);
            }
        }
    }

    #[test]
    fn ordinary_segments_are_plain_and_cut_ones_are_not() {
        let (segment, datagram) = (segment(), datagram());
        let (tcp, udp) = (PlainIpv4::of(&segment), PlainIpv4::of(&datagram));
        assert!(tcp.is_plain_tcp(54) && udp.is_plain_udp(54));
        assert!(tcp.is_plain_tcp(64) && udp.is_plain_udp(64), "padding");
        assert!(!tcp.is_plain_tcp(53) && !udp.is_plain_udp(53));
        assert!(!tcp.is_plain_udp(54) && !udp.is_plain_tcp(54));
    }

    #[test]
    fn a_frame_is_for_the_station_that_it_names_and_that_has_not_sent_it() {
        let (own, other) = (station(OWN), station(MacAddress([2, 0, 0, 0, 0, 2])));
        let mut head = segment();
        assert!(PlainIpv4::of(&head).is_for(own));
        assert!(!PlainIpv4::of(&head).is_for(other));
        head.copy_within(..6, 6);
        assert!(!PlainIpv4::of(&head).is_for(own), "sent by ourselves");
    }
}
