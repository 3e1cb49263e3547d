//! Which bytes of a packet change when one of its ends is replaced?
//!
//! An address, a port, the time to live, and two checksums by what changed (RFC 1624), which are
//! never computed anew. A UDP datagram over IPv6 without a checksum, which only tunnels may send
//! (RFC 6935), goes on without one: RFC 6936 §5 asks that of whatever is in the middle.
//!
//! Two ways that write the same: [`PlainFrame`](super::PlainFrame) for the frame that nearly all
//! are, [`any`] for whatever the parser accepts.

use zerocopy::FromBytes;
use zerocopy::big_endian::U16;

use super::ipv4::Ipv4Header;
use super::ipv6::Ipv6Header;
use super::tcp::TcpHeader;
use super::udp::UdpHeader;
use super::{Change, Delta, Parsed, ProtocolNumber, icmp, tcp, udp};
use crate::units::Address;

/// Which end of a packet is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where it comes from.
    Source = 0,
    /// Where it goes.
    Destination = 1,
}

/// A new end for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Which end.
    pub end: End,
    /// Its new address.
    pub address: Address,
    /// Its new port.
    pub port: u16,
    /// What that changes in the checksums, one hop further.
    pub change: Change,
}

/// What replaces an end of a plain segment, its address as it stands on the wire.
#[derive(Clone, Copy, Debug)]
pub struct PlainTranslation<'a, A> {
    /// Its new address.
    pub address: A,
    /// Its new port.
    pub port: U16,
    /// What that changes in the checksums, one hop further: the frontend's share and the member's,
    /// which are read where they stand, each when its turn comes.
    pub shares: [&'a Change; 2],
}

/// Takes one hop away from an IP datagram that `parsed` describes, and replaces an end of it by one
/// of the same family.
pub fn any(frame: &mut [u8], parsed: &Parsed, to: Option<&Translation>) {
    let network = usize::from(parsed.network_offset);
    let (head, segment) = frame.split_at_mut(usize::from(parsed.transport_offset));
    let header = &mut head[network..];
    if header.first().is_some_and(|first| first >> 4 == 6) {
        put_ipv6(header, to);
    } else {
        put_ipv4(header, to);
    }
    let Some(to) = to else { return };
    if parsed.protocol == ProtocolNumber::TCP {
        let Ok((header, _)) = TcpHeader::mut_from_prefix(segment) else { return };
        put_tcp_port(header, to);
    } else if parsed.protocol == ProtocolNumber::UDP {
        let Ok((header, _)) = UdpHeader::mut_from_prefix(segment) else { return };
        put_udp_port(header, to);
    } else {
        put_other_checksum(segment, parsed, to);
    }
}

/// The same for a fragment of an IPv4 datagram, which keeps its ports: only the first one has a
/// transport header, and of that the checksum changes.
pub fn fragment(frame: &mut [u8], parsed: &Parsed, to: &Translation) {
    let network = usize::from(parsed.network_offset);
    let (head, segment) = frame.split_at_mut(usize::from(parsed.transport_offset));
    let header = &mut head[network..];
    let Ok((view, _)) = Ipv4Header::ref_from_prefix(&*header) else { return };
    let is_first = view.fragment_offset() == 0;
    put_ipv4(header, Some(to));
    if !is_first {
        return;
    }
    let offset = match parsed.protocol {
        ProtocolNumber::TCP => tcp::CHECKSUM_OFFSET,
        ProtocolNumber::UDP => udp::CHECKSUM_OFFSET,
        _ => return put_other_checksum(segment, parsed, to),
    };
    let field = segment.get_mut(offset..).and_then(|rest| U16::mut_from_prefix(rest).ok());
    let Some((checksum, _)) = field else { return };
    if parsed.protocol == ProtocolNumber::UDP {
        to.change.transport.apply_to_udp(checksum);
    } else {
        to.change.transport.apply(checksum);
    }
}

/// The checksums of DCCP (RFC 4340 §9.1) and of UDP-Lite (RFC 3828 §3.1), which cover the addresses
/// and stand at the same place. Others, such as SCTP's and that of ICMP, do not.
fn put_other_checksum(segment: &mut [u8], parsed: &Parsed, to: &Translation) {
    if !matches!(parsed.protocol, ProtocolNumber::DCCP | ProtocolNumber::UDP_LITE) {
        return;
    }
    let field = segment.get_mut(6..).and_then(|rest| U16::mut_from_prefix(rest).ok());
    if let Some((checksum, _)) = field {
        to.change.transport.apply(checksum);
    }
}

/// Replaces the identifier of an ICMP query or reply, whose checksum covers the message alone
/// (RFC 792).
pub fn identifier(frame: &mut [u8], parsed: &Parsed, identifier: u16) {
    let message = frame.get_mut(usize::from(parsed.transport_offset)..);
    let Some(header) = message.and_then(|it| it.first_chunk_mut::<{ icmp::HEADER_LENGTH }>())
    else {
        return;
    };
    let [_, _, sum_high, sum_low, high, low, _, _] = header;
    let mut checksum = U16::from_bytes([*sum_high, *sum_low]);
    Delta::of_u16(u16::from_be_bytes([*high, *low]), identifier).apply(&mut checksum);
    [*sum_high, *sum_low] = checksum.to_bytes();
    [*high, *low] = identifier.to_be_bytes();
}

fn put_ipv4(header: &mut [u8], to: Option<&Translation>) {
    let Ok((header, _)) = Ipv4Header::mut_from_prefix(header) else { return };
    header.time_to_live = header.time_to_live.wrapping_sub(1);
    let Some(to) = to else {
        Delta::HOP.apply(&mut header.checksum);
        return;
    };
    to.change.network.apply(&mut header.checksum);
    let address = match to.end {
        End::Source => &mut header.source,
        End::Destination => &mut header.destination,
    };
    *address = to.address.v4_bits().into();
}

/// IPv6 has no checksum of its own (RFC 8200 §3).
fn put_ipv6(header: &mut [u8], to: Option<&Translation>) {
    let Ok((header, _)) = Ipv6Header::mut_from_prefix(header) else { return };
    header.hop_limit = header.hop_limit.wrapping_sub(1);
    let Some(to) = to else { return };
    let address = match to.end {
        End::Source => &mut header.source,
        End::Destination => &mut header.destination,
    };
    *address = to.address.into();
}

#[inline]
fn put_tcp_port(header: &mut TcpHeader, to: &Translation) {
    match to.end {
        End::Source => header.source_port = to.port.into(),
        End::Destination => header.destination_port = to.port.into(),
    }
    to.change.transport.apply(&mut header.checksum);
}

#[inline]
fn put_udp_port(header: &mut UdpHeader, to: &Translation) {
    match to.end {
        End::Source => header.source_port = to.port.into(),
        End::Destination => header.destination_port = to.port.into(),
    }
    to.change.transport.apply_to_udp(&mut header.checksum);
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use proptest::array::{uniform3, uniform16, uniform32};
    use proptest::num::u8::ANY as BYTE;
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};

    use super::*;
    use crate::wire::plain::HEAD;
    use crate::wire::{Content, Head, PlainFrame, PlainIpv4, PlainIpv6, checksum, parse};

    const HEADERS: usize = 14 + 40;

    /// A plain segment or datagram over IPv6 between these ends, its checksum right.
    fn frame_v6(udp: bool, ends: [Ipv6Addr; 2], ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
        let protocol = if udp { ProtocolNumber::UDP } else { ProtocolNumber::TCP };
        let mut segment: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        if udp {
            let length = u16::try_from(8 + payload.len()).expect("short");
            segment.extend(length.to_be_bytes());
            segment.extend([0; 2]);
        } else {
            segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        }
        segment.extend(payload);
        let at = if udp { 6 } else { 16 };
        let checksum = checksum_anew(protocol, ends, &segment);
        segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(u16::try_from(segment.len()).expect("short").to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend(ends.iter().flat_map(Ipv6Addr::octets));
        frame.extend(segment);
        frame
    }

    /// Over the pseudo-header of RFC 8200 §8.1, word by word as it stands there.
    fn checksum_anew(protocol: u8, ends: [Ipv6Addr; 2], segment: &[u8]) -> u16 {
        let mut bytes: Vec<u8> = ends.iter().flat_map(Ipv6Addr::octets).collect();
        bytes.extend(u32::try_from(segment.len()).expect("short").to_be_bytes());
        bytes.extend([0, 0, 0, protocol]);
        bytes.extend(segment);
        let checksum = !checksum::sum(&bytes);
        if protocol == ProtocolNumber::UDP && checksum == 0 { 0xffff } else { checksum }
    }

    /// A head of which the test puts what it needs.
    fn noise() -> impl Strategy<Value = Head> {
        (uniform32(BYTE), uniform32(BYTE), uniform16(BYTE)).prop_map(|(first, second, third)| {
            let mut head = [0; HEAD];
            head[..32].copy_from_slice(&first);
            head[32..64].copy_from_slice(&second);
            head[64..].copy_from_slice(&third);
            head
        })
    }

    /// A new end for the packet that `parsed` describes.
    fn translation(parsed: &Parsed, end: End, address: Address, port: u16) -> Translation {
        let old = match end {
            End::Source => (parsed.source, parsed.source_port),
            End::Destination => (parsed.destination, parsed.destination_port),
        };
        Translation { end, address, port, change: Change::of(old, (address, port)) }
    }

    /// What the quick way makes of a head, and what the general one makes of it.
    fn both_ways<V: PlainFrame>(
        head: Head,
        parsed: &Parsed,
        to: &Translation,
        address: V::OnWire,
    ) -> [Head; 2] {
        let (mut quick, mut general) = (head, head);
        let shares = [&to.change, &Change::default()];
        let plain = PlainTranslation { address, port: to.port.into(), shares };
        let frame = V::of_mut(&mut quick);
        if parsed.protocol == ProtocolNumber::UDP {
            frame.translate_datagram(to.end, plain);
        } else {
            frame.translate_segment(to.end, plain);
        }
        any(&mut general, parsed, Some(to));
        [quick, general]
    }

    proptest! {
        #[test]
        fn over_ipv6_the_quick_way_writes_what_the_general_one_writes(
            mut head in noise(),
            udp in proptest::bool::ANY,
            source in proptest::bool::ANY,
            address in proptest::num::u128::ANY,
            port in proptest::num::u16::ANY,
        ) {
            head[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
            head[18..20].copy_from_slice(&[0, 20]);
            head[20] = if udp { ProtocolNumber::UDP } else { ProtocolNumber::TCP };
            if udp {
                head[58..60].copy_from_slice(&[0, 20]);
            } else {
                head[66] = 0x50;
            }
            let mut parsed = Parsed::default();
            prop_assert_eq!(parse(&head, &mut parsed), Ok(Content::Ipv6));
            let end = if source { End::Source } else { End::Destination };
            let address = Address::from(IpAddr::from(Ipv6Addr::from_bits(address)));
            let to = translation(&parsed, end, address, port);
            let [quick, general] = both_ways::<PlainIpv6>(head, &parsed, &to, address.into());
            prop_assert_eq!(quick, general);
        }

        #[test]
        fn a_translated_ipv6_datagram_has_the_checksum_computed_anew(
            udp in proptest::bool::ANY,
            source in proptest::bool::ANY,
            ends in uniform3(proptest::num::u128::ANY),
            ports in uniform3(proptest::num::u16::ANY),
            payload in proptest::collection::vec(BYTE, 0..40),
        ) {
            let [from, to, new] = ends.map(|bits| Ipv6Addr::from_bits(bits | 1 << 127));
            let mut frame = frame_v6(udp, [from, to], [ports[0], ports[1]], &payload);
            let mut parsed = Parsed::default();
            prop_assert_eq!(parse(&frame, &mut parsed), Ok(Content::Ipv6));
            let end = if source { End::Source } else { End::Destination };
            let address = Address::from(IpAddr::from(new));
            any(&mut frame, &parsed, Some(&translation(&parsed, end, address, ports[2])));
            let expected = if source {
                frame_v6(udp, [new, to], [ports[2], ports[1]], &payload)
            } else {
                frame_v6(udp, [from, new], [ports[0], ports[2]], &payload)
            };
            prop_assert_eq!(frame[21], 63, "one hop less");
            frame[21] = 64;
            prop_assert_eq!(frame, expected);
        }
    }

    proptest! {
        #[test]
        fn a_translated_ping_has_the_checksum_computed_anew(
            identifiers in [proptest::num::u16::ANY, proptest::num::u16::ANY],
            sequence in proptest::num::u16::ANY,
            is_reply in proptest::bool::ANY,
            payload in proptest::collection::vec(BYTE, 0..40),
        ) {
            let ping = |identifier: u16| {
                let mut message = vec![if is_reply { 0 } else { 8 }, 0, 0, 0];
                message.extend([identifier.to_be_bytes(), sequence.to_be_bytes()].concat());
                message.extend(&payload);
                let sum = !checksum::sum(&message);
                message[2..4].copy_from_slice(&sum.to_be_bytes());
                message
            };
            let parsed = Parsed::default();
            let mut message = ping(identifiers[0]);
            identifier(&mut message, &parsed, identifiers[1]);
            let expected = ping(identifiers[1]);
            // Both forms of zero stand for a sum of nothing but zeroes.
            let is_nothing = expected[2..4] == [0xff; 2];
            assert!(message == expected || is_nothing && message[2..4] == [0, 0]);
        }
    }

    #[test]
    fn a_datagram_over_ipv6_without_checksum_stays_without() {
        let [from, to] = [1, 2].map(Ipv6Addr::from_bits);
        let mut frame = frame_v6(true, [from, to], [1, 2], &[7]);
        frame[HEADERS + 6..HEADERS + 8].fill(0);
        let mut parsed = Parsed::default();
        assert_eq!(parse(&frame, &mut parsed), Ok(Content::Ipv6));
        let to = translation(&parsed, End::Destination, IpAddr::from(from).into(), 9);
        any(&mut frame, &parsed, Some(&to));
        assert_eq!(frame[HEADERS + 6..HEADERS + 8], [0, 0]);
    }

    proptest! {
        #[test]
        fn the_quick_way_writes_what_the_general_one_writes(
            mut head in noise(),
            udp in proptest::bool::ANY,
            source in proptest::bool::ANY,
            address in proptest::num::u32::ANY,
            port in proptest::num::u16::ANY,
        ) {
            head[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
            head[16..18].copy_from_slice(&[0, 40]);
            head[20..22].copy_from_slice(&[0x40, 0]);
            head[23] = if udp { ProtocolNumber::UDP } else { ProtocolNumber::TCP };
            if udp {
                head[38..40].copy_from_slice(&[0, 20]);
            } else {
                head[46] = 0x50;
            }
            let mut parsed = Parsed::default();
            prop_assert_eq!(parse(&head, &mut parsed), Ok(Content::Ipv4));
            let end = if source { End::Source } else { End::Destination };
            let to = translation(&parsed, end, Address::from_v4_bits(address), port);
            let [quick, general] = both_ways::<PlainIpv4>(head, &parsed, &to, address.into());
            prop_assert_eq!(quick, general);
        }
    }
}
