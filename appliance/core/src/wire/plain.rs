//! What does the frame look like that nearly all are?
//!
//! ```text
//!   0          14             34            54      80
//!   │ Ethernet │ IPv4         │ TCP or UDP  │  ···  │     the head
//! ```
//!
//! No tags, no IP options, no fragment: every field stands at a fixed place, so that the head is
//! read and written without a check per field. Whatever else there may be is `parse`'s.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_mut, transmute_ref,
};

use super::{ProtocolNumber, ethernet, ipv4, tcp, udp};
use crate::units::MacAddress;

/// Bytes of a frame that are always in memory, whether or not the frame is that long: the headers
/// of TCP over IPv6, 74, and a little more for round steps.
pub const HEAD: usize = 80;

/// The first bytes of a frame; those behind its end mean nothing.
pub type Head = [u8; HEAD];

const TRANSPORT: usize = ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH;

/// The head as headers, with what both ends of a packet have side by side: the source first.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PlainIpv4 {
    /// Destination and source of the frame.
    pub link: [u8; 12],
    ether_type: U16,
    version_and_length: u8,
    traffic_class: u8,
    /// Bytes of the IP datagram.
    pub network_length: U16,
    identification: U16,
    /// Flags and offset:16 │ time to live:8 │ protocol:8.
    fragment_and_protocol: U32,
    pub(super) checksum: U16,
    pub(super) addresses: [U32; 2],
    pub(super) ports: [U16; 2],
    pub(super) transport: [u8; tcp::HEADER_LENGTH - 4],
    rest: [u8; HEAD - TRANSPORT - tcp::HEADER_LENGTH],
}

/// TCP behind the ports.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PlainTcp {
    sequence: U32,
    pub(super) acknowledgement: U32,
    pub(super) data_offset: u8,
    pub(super) flags: u8,
    window: U16,
    pub(super) checksum: U16,
    urgent: U16,
}

/// UDP behind the ports.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PlainUdp {
    pub(super) length: U16,
    pub(super) checksum: U16,
    rest: [u8; 12],
}

/// Whether a frame with these addresses is to `station` and not from it.
#[inline(always)]
pub(super) fn is_for(link: &[u8; 12], station: u64) -> bool {
    let (Some(to), Some(from)) = (link.first_chunk(), link.last_chunk()) else {
        return false;
    };
    // Two bytes of the other address come along, and are shifted out or differ only there.
    let (to, from) = (u64::from_le_bytes(*to), u64::from_le_bytes(*from));
    to << 16 == station && from ^ station > 0xffff
}

/// A station that no frame is for.
pub const NOBODY: u64 = u64::MAX;

/// Whose packets a port takes for its own, as [`PlainIpv4::is_for`] compares it: the six bytes of
/// its address above two of nothing.
#[must_use]
pub const fn station(mac: MacAddress) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_le_bytes([0, 0, a, b, c, d, e, f])
}

impl PlainIpv4 {
    /// The head of a frame, whatever it is.
    #[must_use]
    #[inline]
    pub const fn of(head: &Head) -> &Self {
        transmute_ref!(head)
    }

    /// Takes one hop away, of which there is one.
    #[inline]
    pub(super) const fn take_hop(&mut self) {
        let [flags, offset, hops, protocol] = self.fragment_and_protocol.to_bytes();
        let bytes = [flags, offset, hops.wrapping_sub(1), protocol];
        self.fragment_and_protocol = U32::from_bytes(bytes);
    }

    /// The same, to be written.
    #[must_use]
    #[inline]
    pub fn of_mut(head: &mut Head) -> &mut Self {
        transmute_mut!(head)
    }

    /// Whether the frame is to `station` and not from it.
    #[must_use]
    #[inline]
    pub fn is_for(&self, station: u64) -> bool {
        is_for(&self.link, station)
    }

    /// Whether this is a plain TCP segment of which `length` bytes are in its first buffer:
    /// untagged, IPv4 without options, whole, with lengths that agree.
    #[must_use]
    #[inline]
    pub const fn is_plain_tcp(&self, length: usize) -> bool {
        let header = (self.tcp().data_offset >> 4) as usize * 4;
        self.is_plain(ProtocolNumber::TCP, length)
            && header >= tcp::HEADER_LENGTH
            && ipv4::HEADER_LENGTH + header <= self.network_length.get() as usize
    }

    /// Whether this is a plain UDP datagram, likewise.
    #[must_use]
    #[inline]
    pub const fn is_plain_udp(&self, length: usize) -> bool {
        let udp: &PlainUdp = transmute_ref!(&self.transport);
        let datagram = udp.length.get() as usize;
        self.is_plain(ProtocolNumber::UDP, length)
            && datagram >= udp::HEADER_LENGTH
            && ipv4::HEADER_LENGTH + datagram <= self.network_length.get() as usize
    }

    #[inline(always)]
    const fn is_plain(&self, protocol: u8, length: usize) -> bool {
        self.ether_type.get() == ethernet::ETHERTYPE_IPV4
            && self.version_and_length == 0x45
            // Fragments and other protocols in one comparison, whatever hops remain.
            && self.fragment_and_protocol.get() & 0x3fff_00ff == protocol as u32
            && self.network_length.get() as usize + ethernet::HEADER_LENGTH <= length
    }

    /// Hops that remain.
    #[must_use]
    #[inline]
    pub const fn time_to_live(&self) -> u8 {
        self.fragment_and_protocol.to_bytes()[2]
    }

    /// Whether the packet may take one hop more (RFC 1812 §5.3.1).
    #[must_use]
    #[inline]
    pub const fn may_hop(&self) -> bool {
        self.time_to_live() > 1
    }

    #[inline]
    const fn tcp(&self) -> &PlainTcp {
        transmute_ref!(&self.transport)
    }

    /// Where it goes (1) or comes from (0). An index, since nobody could foresee
    /// which of the two is asked for.
    #[must_use]
    #[inline]
    pub const fn end(&self, end: u32) -> (U32, U16) {
        (self.addresses[end as usize & 1], self.ports[end as usize & 1])
    }

    /// The TCP flags.
    #[must_use]
    #[inline]
    pub const fn tcp_flags(&self) -> u8 {
        self.tcp().flags
    }

    /// What the segment acknowledges.
    #[must_use]
    #[inline]
    pub const fn acknowledgement(&self) -> U32 {
        self.tcp().acknowledgement
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Content, Parsed, parse};

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
                prop_assert_eq!(plain.network_length.get(), parsed.network_length);
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
