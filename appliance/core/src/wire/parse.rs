//! Where do the headers of this frame stand, and which tuple do they name?
//!
//! ```text
//!   Ethernet ─ up to 2 VLAN tags ─┬─ IPv4 (options skipped) ───────┬─ TCP | UDP | other
//!                                 └─ IPv6 (extensions walked through) ┘
//! ```
//!
//! One pass, no judgement about the tuple. Every length is checked against the frame here, so
//! that later rooms index by offsets that are known to lie inside. Bytes past the IP length are
//! Ethernet padding and belong to nobody.

use zerocopy::FromBytes;

use super::ethernet::{self, EthernetHeader};
use super::ipv4::{self, Ipv4Header};
use super::ipv6::{self, BadExtensions, Ipv6Header};
use super::tcp::{self, TcpHeader};
use super::udp::{self, UdpHeader};
use crate::units::Address;

/// Protocol numbers of the IP header that the parser looks behind (IANA protocol-numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolNumber;

impl ProtocolNumber {
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// DCCP (RFC 4340).
    pub const DCCP: u8 = 33;
    /// UDP-Lite (RFC 3828).
    pub const UDP_LITE: u8 = 136;
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
}

/// What a frame carries, as far as its EtherType tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A whole IPv4 datagram; the tuple is in [`Parsed`].
    Ipv4,
    /// A fragment of an IPv4 datagram, first or later.
    Ipv4Fragment,
    /// ARP; `Parsed::network_offset` says where it begins.
    Arp,
    /// A whole IPv6 datagram; the tuple is in [`Parsed`].
    Ipv6,
    /// A fragment of an IPv6 datagram, first or later.
    Ipv6Fragment,
    /// Anything else.
    OtherEtherType,
}

/// Why a frame cannot be what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Malformed {
    /// The frame ends inside its Ethernet header or VLAN tags.
    EthernetTruncated,
    /// More VLAN tags than two.
    VlanTooDeep,
    /// The frame ends inside the IPv4 header, or the version is not 4, or the header length lies.
    Ipv4Header,
    /// The IPv4 length exceeds the frame or is shorter than the header.
    Ipv4Length,
    /// The frame ends inside the IPv6 header, or the version is not 6, or an extension header is
    /// cut off or out of its place.
    Ipv6Header,
    /// The IPv6 length exceeds the frame, or is left to a jumbogram's option (RFC 2675).
    Ipv6Length,
    /// More extension headers than `ipv6::EXTENSION_HEADERS_MAX`, or they reach further into the
    /// frame than 255 bytes.
    Ipv6Extensions,
    /// The IP payload ends inside the TCP header, or its data offset lies.
    TcpHeader,
    /// The IP payload ends inside the UDP header, or its length lies.
    UdpHeader,
}

/// Where the headers of one frame stand, and its tuple in host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The IP source.
    pub source: Address,
    /// The IP destination.
    pub destination: Address,
    /// The TCP or UDP source port; 0 for others and for fragments.
    pub source_port: u16,
    /// The TCP or UDP destination port; 0 for others and for fragments.
    pub destination_port: u16,
    /// What a TCP segment acknowledges; 0 for others.
    pub acknowledgement: u32,
    /// Bytes of the IP datagram, header included.
    pub network_length: u16,
    /// Where the network header begins: 14, 18 or 22.
    pub network_offset: u8,
    /// Where the transport header begins; of IPv4 at most 22 + 60, of IPv6 at most 255.
    pub transport_offset: u8,
    /// The IP protocol number; of IPv6 that behind the extension headers.
    pub protocol: u8,
    /// The TCP flags; 0 for others.
    pub tcp_flags: u8,
    /// Hops that remain.
    pub time_to_live: u8,
}

impl Parsed {
    /// Bytes of the IP header with its options or extension headers.
    #[must_use]
    #[inline]
    pub const fn header_length(&self) -> usize {
        (self.transport_offset - self.network_offset) as usize
    }

    /// Where the IP datagram ends in the frame.
    #[must_use]
    #[inline]
    pub const fn end_offset(&self) -> usize {
        self.network_offset as usize + self.network_length as usize
    }

    /// Whether this is TCP with SYN and without ACK, whatever other flags it has.
    #[must_use]
    #[inline]
    pub const fn asks_to_open(&self) -> bool {
        self.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN
    }
}

/// Parses one frame into `parsed`; what it leaves untouched means nothing.
///
/// # Errors
/// The first way in which the frame contradicts itself.
pub fn parse(frame: &[u8], parsed: &mut Parsed) -> Result<Content, Malformed> {
    let (header, _) =
        EthernetHeader::ref_from_prefix(frame).map_err(|_| Malformed::EthernetTruncated)?;
    let mut ether_type = header.ether_type.get();
    let mut offset = ethernet::HEADER_LENGTH;
    if matches!(ether_type, ethernet::ETHERTYPE_VLAN | ethernet::ETHERTYPE_SERVICE_VLAN) {
        (ether_type, offset) = skip_vlan_tags(frame)?;
    }
    #[allow(clippy::cast_possible_truncation, reason = "14, 18 or 22")]
    {
        parsed.network_offset = offset as u8;
    }
    match ether_type {
        ethernet::ETHERTYPE_IPV4 => parse_ipv4(&frame[offset..], parsed),
        ethernet::ETHERTYPE_ARP => Ok(Content::Arp),
        ethernet::ETHERTYPE_IPV6 => parse_ipv6(&frame[offset..], parsed),
        _ => Ok(Content::OtherEtherType),
    }
}

#[cold]
fn skip_vlan_tags(frame: &[u8]) -> Result<(u16, usize), Malformed> {
    for tags in 1..=2 {
        let offset = ethernet::HEADER_LENGTH + tags * ethernet::VLAN_LENGTH;
        let inner = frame.get(offset - 2..offset).ok_or(Malformed::EthernetTruncated)?;
        let ether_type = u16::from_be_bytes([inner[0], inner[1]]);
        if !matches!(ether_type, ethernet::ETHERTYPE_VLAN | ethernet::ETHERTYPE_SERVICE_VLAN) {
            return Ok((ether_type, offset));
        }
    }
    Err(Malformed::VlanTooDeep)
}

fn parse_ipv4(packet: &[u8], parsed: &mut Parsed) -> Result<Content, Malformed> {
    let (header, _) = Ipv4Header::ref_from_prefix(packet).map_err(|_| Malformed::Ipv4Header)?;
    let header_length = header.header_length();
    let total_length = header.total_length.get();
    if header.version_and_length >> 4 != 4 || header_length < ipv4::HEADER_LENGTH {
        return Err(Malformed::Ipv4Header);
    }
    if usize::from(total_length) < header_length || usize::from(total_length) > packet.len() {
        return Err(Malformed::Ipv4Length);
    }
    parsed.source = header.source.into();
    parsed.destination = header.destination.into();
    parsed.network_length = total_length;
    #[allow(clippy::cast_possible_truncation, reason = "at most 22 + 60")]
    {
        parsed.transport_offset = parsed.network_offset + header_length as u8;
    }
    parsed.protocol = header.protocol;
    parsed.time_to_live = header.time_to_live;
    parsed.source_port = 0;
    parsed.destination_port = 0;
    parsed.tcp_flags = 0;
    parsed.acknowledgement = 0;
    if header.is_fragment() {
        return Ok(Content::Ipv4Fragment);
    }
    parse_transport(&packet[header_length..usize::from(total_length)], parsed)?;
    Ok(Content::Ipv4)
}

/// Out of line: what parses IPv4 stays as short as it is without this.
#[inline(never)]
fn parse_ipv6(packet: &[u8], parsed: &mut Parsed) -> Result<Content, Malformed> {
    let (header, rest) = Ipv6Header::ref_from_prefix(packet).map_err(|_| Malformed::Ipv6Header)?;
    if header.version() != 6 {
        return Err(Malformed::Ipv6Header);
    }
    let payload_length = header.payload_length.get();
    let payload = rest.get(..usize::from(payload_length)).ok_or(Malformed::Ipv6Length)?;
    if payload.is_empty() && header.next_header == ipv6::HOP_BY_HOP {
        return Err(Malformed::Ipv6Length);
    }
    let extensions = ipv6::extensions(header.next_header, payload).map_err(|bad| match bad {
        BadExtensions::Malformed => Malformed::Ipv6Header,
        BadExtensions::TooMany => Malformed::Ipv6Extensions,
    })?;
    let network = usize::from(parsed.network_offset);
    let transport = network + ipv6::HEADER_LENGTH + extensions.length;
    parsed.transport_offset = u8::try_from(transport).map_err(|_| Malformed::Ipv6Extensions)?;
    #[allow(clippy::cast_possible_truncation, reason = "40")]
    let header_length = ipv6::HEADER_LENGTH as u16;
    let network_length = payload_length.checked_add(header_length);
    parsed.network_length = network_length.ok_or(Malformed::Ipv6Length)?;
    parsed.source = header.source.into();
    parsed.destination = header.destination.into();
    parsed.protocol = extensions.protocol;
    parsed.time_to_live = header.hop_limit;
    parsed.source_port = 0;
    parsed.destination_port = 0;
    parsed.tcp_flags = 0;
    parsed.acknowledgement = 0;
    if extensions.is_fragment {
        return Ok(Content::Ipv6Fragment);
    }
    parse_transport(&payload[extensions.length..], parsed)?;
    Ok(Content::Ipv6)
}

fn parse_transport(segment: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    match parsed.protocol {
        ProtocolNumber::TCP => {
            let (header, _) =
                TcpHeader::ref_from_prefix(segment).map_err(|_| Malformed::TcpHeader)?;
            if header.header_length() < tcp::HEADER_LENGTH || header.header_length() > segment.len()
            {
                return Err(Malformed::TcpHeader);
            }
            parsed.source_port = header.source_port.get();
            parsed.destination_port = header.destination_port.get();
            parsed.tcp_flags = header.flags;
            parsed.acknowledgement = header.acknowledgement.get();
        }
        ProtocolNumber::UDP => {
            let (header, _) =
                UdpHeader::ref_from_prefix(segment).map_err(|_| Malformed::UdpHeader)?;
            let length = usize::from(header.length.get());
            if length < udp::HEADER_LENGTH || length > segment.len() {
                return Err(Malformed::UdpHeader);
            }
            parsed.source_port = header.source_port.get();
            parsed.destination_port = header.destination_port.get();
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet, optional tags, IPv4 with `options` words, then `segment`.
    fn frame(tags: &[u16], options: usize, protocol: u8, segment: &[u8]) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for tag in tags {
            bytes.extend(ethernet::ETHERTYPE_VLAN.to_be_bytes());
            bytes.extend(tag.to_be_bytes());
        }
        bytes.extend(ethernet::ETHERTYPE_IPV4.to_be_bytes());
        let header_length = 20 + options * 4;
        let total = u16::try_from(header_length + segment.len()).expect("short");
        bytes.push(0x40 | u8::try_from(header_length / 4).expect("short"));
        bytes.push(0);
        bytes.extend(total.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 203, 0, 113, 10]);
        bytes.extend(std::iter::repeat_n(1, options * 4));
        bytes.extend(segment);
        bytes
    }

    fn tcp_segment() -> Vec<u8> {
        let mut segment = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, tcp::SYN];
        segment.extend([0xff, 0xff, 0, 0, 0, 0]);
        segment
    }

    fn udp_segment() -> Vec<u8> {
        vec![0x9c, 0x40, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]
    }

    fn parse_fresh(frame: &[u8]) -> (Result<Content, Malformed>, Parsed) {
        let mut parsed = Parsed::default();
        (parse(frame, &mut parsed), parsed)
    }

    #[test]
    fn tags_and_options_only_move_the_offsets() {
        for tags in 0..=2u8 {
            for options in 0..=10u8 {
                let tag_list = vec![7; usize::from(tags)];
                let bytes = frame(&tag_list, options.into(), ProtocolNumber::TCP, &tcp_segment());
                let (content, parsed) = parse_fresh(&bytes);
                assert_eq!(content, Ok(Content::Ipv4));
                assert_eq!(parsed.network_offset, 14 + 4 * tags);
                assert_eq!(parsed.transport_offset, 14 + 4 * tags + 20 + 4 * options);
                assert_eq!((parsed.source_port, parsed.destination_port), (40000, 80));
                assert_eq!(parsed.tcp_flags, tcp::SYN);
            }
        }
    }

    #[test]
    fn three_tags_are_too_many() {
        let bytes = frame(&[1, 2, 3], 0, ProtocolNumber::UDP, &udp_segment());
        assert_eq!(parse_fresh(&bytes).0, Err(Malformed::VlanTooDeep));
    }

    #[test]
    fn padding_is_not_payload() {
        let mut bytes = frame(&[], 0, ProtocolNumber::UDP, &udp_segment());
        bytes.extend([0xee; 18]);
        let (content, parsed) = parse_fresh(&bytes);
        assert_eq!(content, Ok(Content::Ipv4));
        assert_eq!(parsed.network_length, 32);
    }

    #[test]
    fn every_truncation_of_every_kind_is_named_and_none_panics() {
        for (tags, options) in [(0, 0), (1, 3), (2, 10)] {
            for (protocol, segment) in [
                (ProtocolNumber::TCP, tcp_segment()),
                (ProtocolNumber::UDP, udp_segment()),
                (ProtocolNumber::ICMP, vec![8, 0, 0, 0, 0, 1, 0, 1]),
            ] {
                let whole = frame(&vec![7; tags], options, protocol, &segment);
                assert_eq!(parse_fresh(&whole).0, Ok(Content::Ipv4));
                for length in 0..whole.len() {
                    assert!(parse_fresh(&whole[..length]).0.is_err(), "cut at {length}");
                }
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let whole = frame(&[], 0, ProtocolNumber::UDP, &udp_segment());
        for (at, value, expected) in [
            (14, 0x65, Malformed::Ipv4Header),
            (14, 0x44, Malformed::Ipv4Header),
            (14, 0x4f, Malformed::Ipv4Length),
            (17, 19, Malformed::Ipv4Length),
            (17, 33, Malformed::Ipv4Length),
            (39, 7, Malformed::UdpHeader),
            (39, 13, Malformed::UdpHeader),
        ] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert_eq!(parse_fresh(&bytes).0, Err(expected), "byte {at} = {value}");
        }
        let mut bytes = frame(&[], 0, ProtocolNumber::TCP, &tcp_segment());
        bytes[14 + 20 + 12] = 0x40;
        assert_eq!(parse_fresh(&bytes).0, Err(Malformed::TcpHeader));
        bytes[14 + 20 + 12] = 0x60;
        assert_eq!(parse_fresh(&bytes).0, Err(Malformed::TcpHeader));
    }

    #[test]
    fn a_fragment_has_no_ports() {
        let mut bytes = frame(&[], 0, ProtocolNumber::UDP, &udp_segment());
        for flags in [0x20, 0x00] {
            bytes[20] = flags;
            bytes[21] = u8::from(flags == 0);
            let (content, parsed) = parse_fresh(&bytes);
            assert_eq!(content, Ok(Content::Ipv4Fragment));
            assert_eq!((parsed.source_port, parsed.destination_port), (0, 0));
        }
    }

    /// Ethernet, IPv6 with these extension headers, then `segment`.
    fn frame_v6(next_header: u8, extensions: &[u8], segment: &[u8]) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
        let payload = u16::try_from(extensions.len() + segment.len()).expect("short");
        bytes.extend(payload.to_be_bytes());
        bytes.extend([next_header, 64]);
        for last in [1, 2] {
            bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes.extend(extensions);
        bytes.extend(segment);
        bytes
    }

    #[test]
    fn ipv6_is_read_behind_its_extension_headers() {
        let options = [ProtocolNumber::TCP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for extensions in [&options[..0], &options] {
            let protocol = if extensions.is_empty() { ProtocolNumber::TCP } else { 60 };
            let mut bytes = frame_v6(protocol, extensions, &tcp_segment());
            bytes.extend([0xee; 9]);
            let (content, parsed) = parse_fresh(&bytes);
            assert_eq!(content, Ok(Content::Ipv6));
            assert_eq!(usize::from(parsed.transport_offset), 54 + extensions.len());
            assert_eq!(
                usize::from(parsed.network_length),
                40 + extensions.len() + 20,
                "no padding"
            );
            assert_eq!((parsed.protocol, parsed.time_to_live), (ProtocolNumber::TCP, 64));
            assert_eq!((parsed.source_port, parsed.destination_port), (40000, 80));
            assert_eq!(parsed.source, Address { high: 0x2001_0db8 << 32, low: 1 });
            assert_eq!(parsed.destination, Address { high: 0x2001_0db8 << 32, low: 2 });
        }
    }

    #[test]
    fn every_truncation_of_ipv6_is_named_and_none_panics() {
        let options = [ProtocolNumber::UDP, 0, 1, 4, 0, 0, 0, 0];
        for (protocol, segment) in
            [(ProtocolNumber::TCP, tcp_segment()), (ProtocolNumber::UDP, udp_segment())]
        {
            let whole = frame_v6(protocol, &[], &segment);
            let optional = frame_v6(60, &options, &udp_segment());
            for bytes in [whole, optional] {
                assert_eq!(parse_fresh(&bytes).0, Ok(Content::Ipv6));
                for length in 0..bytes.len() {
                    assert!(parse_fresh(&bytes[..length]).0.is_err(), "cut at {length}");
                }
            }
        }
    }

    #[test]
    fn ipv6_lengths_that_lie_are_refused() {
        let whole = frame_v6(ProtocolNumber::UDP, &[], &udp_segment());
        for (at, value, expected) in [
            (14, 0x40, Malformed::Ipv6Header),
            (18, 0x01, Malformed::Ipv6Length),
            (19, 13, Malformed::Ipv6Length),
            (19, 7, Malformed::UdpHeader),
            (20, 60, Malformed::Ipv6Header),
            (59, 7, Malformed::UdpHeader),
            (59, 13, Malformed::UdpHeader),
        ] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert_eq!(parse_fresh(&bytes).0, Err(expected), "byte {at} = {value}");
        }
        let mut jumbogram = frame_v6(0, &[6, 0, 0xc2, 4, 0, 1, 0, 0], &[0; 40]);
        jumbogram[18..20].fill(0);
        assert_eq!(parse_fresh(&jumbogram).0, Err(Malformed::Ipv6Length));
        let far = [vec![ProtocolNumber::UDP, 25], vec![0; 206]].concat();
        assert_eq!(
            parse_fresh(&frame_v6(60, &far, &udp_segment())).0,
            Err(Malformed::Ipv6Extensions)
        );
        let near = [vec![ProtocolNumber::UDP, 24], vec![0; 198]].concat();
        assert_eq!(parse_fresh(&frame_v6(60, &near, &udp_segment())).0, Ok(Content::Ipv6));
    }

    #[test]
    fn a_fragment_of_ipv6_has_no_ports_and_an_atomic_one_is_whole() {
        for (flags, content, port) in
            [(1, Content::Ipv6Fragment, 0), (8, Content::Ipv6Fragment, 0), (0, Content::Ipv6, 53)]
        {
            let header = [ProtocolNumber::UDP, 0, 0, flags, 0, 0, 0, 9];
            let (found, parsed) = parse_fresh(&frame_v6(44, &header, &udp_segment()));
            assert_eq!((found, parsed.destination_port), (Ok(content), port));
            assert_eq!(parsed.protocol, ProtocolNumber::UDP);
        }
    }
}
