//! Which packet does an ICMP error quote, and which bytes change when an end of that packet's flow
//! is replaced?
//!
//! ```text
//!   IP: source, destination │ ICMP │ IP: source, destination │ ports, and what else is quoted
//!       └ one end of these               └ the opposite end of these   (RFC 5508 §4.2, §4.3)
//! ```
//!
//! A router quotes at least the IP header and eight bytes (RFC 792), often more. All checksums that
//! stand in the message are updated by what changed (RFC 1624), none is computed anew: an error
//! that was corrupt stays so.
//!
//! Not here: whose flow it is (`path::errors`).

use zerocopy::FromBytes;
use zerocopy::big_endian::U16;

use super::icmp::{self, Echo};
use super::ipv4::{self, Ipv4Header};
use super::ipv6::{self, Ipv6Bytes, Ipv6Header};
use super::translate::{self, End, Translation};
use super::{Change, Delta, Parsed, ProtocolNumber, checksum, tcp, udp};
use crate::units::Address;

/// Bytes behind the IP header that every error quotes (RFC 792): ports at least.
const QUOTED_AT_LEAST: usize = 8;

/// A packet as an ICMP error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The IP source.
    pub source: Address,
    /// The IP destination, of the same family.
    pub destination: Address,
    /// The TCP or UDP source port, or the identifier of an echo request over IPv4; 0 for others.
    pub source_port: u16,
    /// The TCP or UDP destination port, or the identifier of an echo reply; 0 for others.
    pub destination_port: u16,
    /// Which echo message over IPv4 it is, if it is one.
    pub echo: Option<Echo>,
    /// The IP protocol number; of IPv6 that behind the extension headers.
    pub protocol: u8,
    /// Where its IP header begins in the frame,
    network: usize,
    /// its transport header,
    transport: usize,
    /// and where what is quoted of it ends.
    end: usize,
}

/// The packet that the ICMP error in `frame` quotes; `parsed` describes the error itself.
///
/// [`None`] for what cannot be an end-to-end error about a flow that is told by its ports: other
/// messages, less than the IP header and eight bytes quoted, fragments but for the first,
/// fragments of IPv6, headers that contradict themselves, and errors about errors, which nobody may
/// send (RFC 1122 §3.2.2, RFC 4443 §2.4).
#[must_use]
pub fn read(frame: &[u8], parsed: &Parsed) -> Option<Quoted> {
    let message = usize::from(parsed.transport_offset);
    let network = message + icmp::HEADER_LENGTH;
    let kind = *frame.get(..parsed.end_offset())?.get(message)?;
    let quote = frame.get(..parsed.end_offset())?.get(network..)?;
    let quoted = match (parsed.source.is_v4(), parsed.protocol) {
        (true, ProtocolNumber::ICMP) if icmp::is_end_to_end(kind) => read_v4(quote, network),
        (false, ProtocolNumber::ICMPV6) if icmp::is_end_to_end_v6(kind) => read_v6(quote, network),
        _ => None,
    }?;
    let segment = frame.get(quoted.transport..quoted.end)?;
    let (first, _) = segment.split_first_chunk::<QUOTED_AT_LEAST>()?;
    match quoted.protocol {
        ProtocolNumber::TCP | ProtocolNumber::UDP => Some(Quoted {
            source_port: u16::from_be_bytes([first[0], first[1]]),
            destination_port: u16::from_be_bytes([first[2], first[3]]),
            ..quoted
        }),
        ProtocolNumber::ICMP if icmp::is_error(first[0]) => None,
        ProtocolNumber::ICMP if parsed.source.is_v4() => Some(match icmp::echo(first) {
            Some((Echo::Request, identifier)) => {
                Quoted { echo: Some(Echo::Request), source_port: identifier, ..quoted }
            }
            Some((Echo::Reply, identifier)) => {
                Quoted { echo: Some(Echo::Reply), destination_port: identifier, ..quoted }
            }
            None => quoted,
        }),
        ProtocolNumber::ICMPV6 if icmp::is_error_v6(first[0]) => None,
        _ => Some(quoted),
    }
}

fn read_v4(quote: &[u8], network: usize) -> Option<Quoted> {
    /// The offset in a fragment's flags.
    const OFFSET: u16 = 0x1fff;
    let (header, _) = Ipv4Header::ref_from_prefix(quote).ok()?;
    let header_length = header.header_length();
    let is_sound = header.version_and_length >> 4 == 4 && header_length >= ipv4::HEADER_LENGTH;
    if !is_sound || header.flags_and_offset.get() & OFFSET != 0 {
        return None;
    }
    Some(Quoted {
        source: header.source.into(),
        destination: header.destination.into(),
        source_port: 0,
        destination_port: 0,
        echo: None,
        protocol: header.protocol,
        network,
        transport: network + header_length,
        end: network + quote.len().min(header.total_length.get().into()),
    })
}

fn read_v6(quote: &[u8], network: usize) -> Option<Quoted> {
    let (header, payload) = Ipv6Header::ref_from_prefix(quote).ok()?;
    let payload = &payload[..payload.len().min(header.payload_length.get().into())];
    let extensions = ipv6::extensions(header.next_header, payload).ok()?;
    let (source, destination) = (Address::from(header.source), Address::from(header.destination));
    // Addresses of IPv4 are held in a form that is never on the wire, and must not be taken for it.
    let is_sound = header.version() == 6 && !source.is_v4() && !destination.is_v4();
    if !is_sound || extensions.is_fragment {
        return None;
    }
    Some(Quoted {
        source,
        destination,
        source_port: 0,
        destination_port: 0,
        echo: None,
        protocol: extensions.protocol,
        network,
        transport: network + ipv6::HEADER_LENGTH + extensions.length,
        end: network + ipv6::HEADER_LENGTH + payload.len(),
    })
}

/// Takes one hop away from the ICMP error that `parsed` describes, replaces an end of it, and the
/// opposite end of the packet that it quotes, which is `quoted`. `to.change` is not asked: the end
/// of the error may be any router's.
pub fn translate(frame: &mut [u8], parsed: &Parsed, quoted: &Quoted, to: &Translation) {
    let outside = replace_outer(frame, parsed, to);
    let Some(quote) = frame.get_mut(quoted.network..quoted.end) else { return };
    let mut changed = replace_in_quote(quote, quoted, to);
    if !to.address.is_v4() {
        // Unlike ICMP, ICMPv6 has a pseudo-header (RFC 4443 §2.3).
        changed = changed.and(outside);
    }
    update(frame, usize::from(parsed.transport_offset) + icmp::CHECKSUM_OFFSET, changed, false);
}

/// Replaces an end of the error itself; says what that adds to sums over its addresses.
fn replace_outer(frame: &mut [u8], parsed: &Parsed, to: &Translation) -> Delta {
    let at = usize::from(parsed.network_offset) + place_of_address(to.address, to.end);
    let Some(old) = address_at(frame, at, to.address.is_v4()) else { return Delta::default() };
    let addresses = Delta::without(old).and(Delta::with(to.address));
    let change = Change { network: addresses.and(Delta::HOP), transport: Delta::default() };
    translate::any(frame, parsed, Some(&Translation { change, ..*to }));
    addresses
}

/// Replaces an end of the quoted packet; says what that adds to sums over the whole quote.
fn replace_in_quote(quote: &mut [u8], quoted: &Quoted, to: &Translation) -> Delta {
    let end = match to.end {
        End::Source => End::Destination,
        End::Destination => End::Source,
    };
    let at = place_of_address(to.address, end);
    let is_v4 = to.address.is_v4();
    let address = if is_v4 {
        put(quote, at, &to.address.v4_bits().to_be_bytes())
    } else {
        put(quote, at, &Ipv6Bytes::from(to.address).0)
    };
    let mut changed = address;
    if is_v4 {
        changed = changed.and(update(quote, ipv4::CHECKSUM_OFFSET, address, false));
    }
    let transport = quoted.transport - quoted.network;
    let is_udp = quoted.protocol == ProtocolNumber::UDP;
    let (place, checksum) = match quoted.protocol {
        ProtocolNumber::TCP => (2 * end as usize, tcp::CHECKSUM_OFFSET),
        ProtocolNumber::UDP => (2 * end as usize, udp::CHECKSUM_OFFSET),
        _ if quoted.echo.is_some() => (icmp::IDENTIFIER_OFFSET, icmp::CHECKSUM_OFFSET),
        _ => return changed,
    };
    let port = put(quote, transport + place, &to.port.to_be_bytes());
    // Over IPv4, ICMP has no pseudo-header.
    let summed = if quoted.echo.is_some() { port } else { address.and(port) };
    changed.and(port).and(update(quote, transport + checksum, summed, is_udp))
}

/// Where an address of this family stands in an IP header.
const fn place_of_address(family: Address, end: End) -> usize {
    if family.is_v4() { 12 + 4 * end as usize } else { 8 + 16 * end as usize }
}

fn address_at(frame: &[u8], at: usize, is_v4: bool) -> Option<Address> {
    let bytes = frame.get(at..)?;
    if is_v4 {
        return Some(Address::from_v4_bits(u32::from_be_bytes(*bytes.first_chunk()?)));
    }
    Some(Ipv6Bytes(*bytes.first_chunk()?).into())
}

/// Writes whole words, which stand at an even place of what is summed, and says what that adds to
/// the sum. What would lie past the end is left out.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Delta {
    let Some(field) = bytes.get_mut(at..at + new.len()) else { return Delta::default() };
    let delta = Delta::of_u16(checksum::sum(field), checksum::sum(new));
    field.copy_from_slice(new);
    delta
}

/// Brings a checksum up to date, if it lies inside, and says what that adds to sums over it.
fn update(bytes: &mut [u8], at: usize, change: Delta, is_udp: bool) -> Delta {
    let field = bytes.get_mut(at..).and_then(|rest| U16::mut_from_prefix(rest).ok());
    let Some((checksum, _)) = field else { return Delta::default() };
    let old = checksum.get();
    if is_udp {
        change.apply_to_udp(checksum);
    } else {
        change.apply(checksum);
    }
    Delta::of_u16(old, checksum.get())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Content, parse};

    /// One end of a packet.
    type Socket = (IpAddr, u16);

    /// An ICMP error and the packet that it quotes.
    #[derive(Clone, Debug)]
    struct Told {
        kind: u8,
        /// The fourth to seventh byte of the message, where an MTU stands.
        rest: u32,
        hops: u8,
        from: IpAddr,
        to: IpAddr,
        quoted: [Socket; 2],
        protocol: u8,
        has_checksum: bool,
        /// Words of options in both headers, or eight bytes of options behind those of IPv6.
        options: usize,
        payload: Vec<u8>,
        /// Bytes quoted behind the IP header.
        quoted_length: usize,
    }

    impl Told {
        /// The frame, its checksums computed.
        fn frame(&self) -> Vec<u8> {
            let mut quote = self.datagram();
            let header = quote.len() - self.segment().len();
            quote.truncate(header + self.quoted_length);
            let mut message = vec![self.kind, 3, 0, 0];
            message.extend(self.rest.to_be_bytes());
            message.extend(quote);
            let pseudo = match (self.from, self.to) {
                (IpAddr::V4(_), _) => 0,
                (from, to) => pseudo_header(from, to, ProtocolNumber::ICMPV6, message.len()),
            };
            let sum = !checksum::add(checksum::sum(&message), pseudo);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let protocol = if self.from.is_ipv4() { 1 } else { 58 };
            let ether_type: u16 = if self.from.is_ipv4() { 0x0800 } else { 0x86dd };
            let mut frame = vec![2; 12];
            frame.extend(ether_type.to_be_bytes());
            frame.extend(header_of(
                self.from,
                self.to,
                protocol,
                self.options,
                self.hops,
                &message,
            ));
            frame.extend(message);
            frame
        }

        fn datagram(&self) -> Vec<u8> {
            let [(from, _), (to, _)] = self.quoted;
            let segment = self.segment();
            let header = header_of(from, to, self.protocol, self.options, 9, &segment);
            [header, segment].concat()
        }

        fn segment(&self) -> Vec<u8> {
            let [(from, from_port), (to, to_port)] = self.quoted;
            let mut segment = [from_port.to_be_bytes(), to_port.to_be_bytes()].concat();
            if self.protocol == ProtocolNumber::ICMP {
                return self.ping();
            }
            let at = if self.protocol == ProtocolNumber::UDP {
                let length = u16::try_from(8 + self.payload.len()).expect("short");
                segment.extend(length.to_be_bytes());
                segment.extend([0, 0]);
                6
            } else {
                segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
                16
            };
            segment.extend(&self.payload);
            if self.has_checksum {
                let pseudo = pseudo_header(from, to, self.protocol, segment.len());
                let sum = !checksum::add(checksum::sum(&segment), pseudo);
                let is_all_ones = self.protocol == ProtocolNumber::UDP && sum == 0;
                let sum = if is_all_ones { 0xffff } else { sum };
                segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
            }
            segment
        }
    }

    impl Told {
        /// An echo request with the source port as identifier, or else a reply with the destination
        /// port.
        fn ping(&self) -> Vec<u8> {
            let (kind, identifier) = match self.quoted.map(|(_, port)| port) {
                [0, port] => (0, port),
                [port, _] => (8, port),
            };
            let [high, low] = identifier.to_be_bytes();
            let mut message = vec![kind, 0, 0, 0, high, low, 0, 9];
            message.extend(&self.payload);
            let sum = !checksum::sum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            message
        }
    }

    fn octets(address: IpAddr) -> Vec<u8> {
        match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }
    }

    fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> u16 {
        let mut bytes = [octets(from), octets(to)].concat();
        bytes.extend(u32::try_from(length).expect("short").to_be_bytes());
        bytes.extend([0, 0, 0, protocol]);
        checksum::sum(&bytes)
    }

    fn header_of(
        from: IpAddr,
        to: IpAddr,
        protocol: u8,
        options: usize,
        hops: u8,
        segment: &[u8],
    ) -> Vec<u8> {
        if from.is_ipv6() {
            let extension = if options > 0 { vec![protocol, 0, 1, 4, 0, 0, 0, 0] } else { vec![] };
            let length = u16::try_from(extension.len() + segment.len()).expect("short");
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length.to_be_bytes());
            header.extend([if options > 0 { ipv6::DESTINATION_OPTIONS } else { protocol }, hops]);
            return [header, octets(from), octets(to), extension].concat();
        }
        let length = u16::try_from(20 + 4 * options + segment.len()).expect("short");
        let mut header = vec![0x45 + u8::try_from(options).expect("few"), 0];
        header.extend(length.to_be_bytes());
        header.extend([0, 7, 0x40, 0, hops, protocol, 0, 0]);
        let mut header = [header, octets(from), octets(to), vec![1; 4 * options]].concat();
        let sum = !checksum::sum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn address(is_v4: bool) -> BoxedStrategy<IpAddr> {
        if is_v4 {
            return any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()).boxed();
        }
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits | 1 << 127).into()).boxed()
    }

    fn told() -> impl Strategy<Value = Told> {
        any::<bool>().prop_flat_map(|is_v4| {
            let socket = || (address(is_v4), any::<u16>());
            let kinds: &[u8] = if is_v4 { &[3, 11, 12] } else { &[1, 2, 3, 4] };
            let packet = (
                [socket(), socket()],
                prop::sample::select(&[ProtocolNumber::TCP, ProtocolNumber::UDP][..]),
                any::<bool>(),
                prop::collection::vec(any::<u8>(), 0..40),
            );
            let error =
                (prop::sample::select(kinds), any::<u32>(), address(is_v4), 0usize..=3, 8usize..40);
            (packet, error).prop_map(|(packet, error)| {
                let (quoted, protocol, has_checksum, payload) = packet;
                let (kind, rest, from, options, quoted_length) = error;
                let to = quoted[0].0;
                let has_checksum = has_checksum || protocol == ProtocolNumber::TCP;
                // Half a checksum cannot be brought up to date.
                let is_halved = protocol == ProtocolNumber::TCP && quoted_length == 17;
                let quoted_length = if is_halved { 16 } else { quoted_length };
                Told {
                    kind,
                    rest,
                    hops: 64,
                    from,
                    to,
                    quoted,
                    protocol,
                    has_checksum,
                    options,
                    payload,
                    quoted_length,
                }
            })
        })
    }

    fn parsed(frame: &[u8]) -> Parsed {
        let mut parsed = Parsed::default();
        let content = parse(frame, &mut parsed).expect("a sound frame");
        assert!(matches!(content, Content::Ipv4 | Content::Ipv6));
        parsed
    }

    /// A new end for an error.
    fn towards(end: End, (address, port): Socket) -> Translation {
        Translation { end, address: address.into(), port, change: Change::default() }
    }

    proptest! {
        #[test]
        fn an_error_says_what_packet_it_is_about(told in told()) {
            let frame = told.frame();
            let quoted = read(&frame, &parsed(&frame)).expect("a quoted packet");
            let [(from, from_port), (to, to_port)] = told.quoted;
            prop_assert_eq!((quoted.source, quoted.source_port), (from.into(), from_port));
            prop_assert_eq!((quoted.destination, quoted.destination_port), (to.into(), to_port));
            prop_assert_eq!(quoted.protocol, told.protocol);
        }

        #[test]
        fn a_translated_error_is_what_it_would_be_if_it_were_made_anew(
            told in told(),
            is_source in any::<bool>(),
            v4 in any::<u32>(),
            v6 in any::<u128>(),
            port in any::<u16>(),
        ) {
            let new: IpAddr = if told.from.is_ipv4() {
                Ipv4Addr::from_bits(v4).into()
            } else {
                Ipv6Addr::from_bits(v6 | 1 << 127).into()
            };
            let mut frame = told.frame();
            let parsed = parsed(&frame);
            let quoted = read(&frame, &parsed).expect("a quoted packet");
            let mut expected = Told { hops: 63, ..told };
            let end = if is_source {
                (expected.from, expected.quoted[1]) = (new, (new, port));
                End::Source
            } else {
                (expected.to, expected.quoted[0]) = (new, (new, port));
                End::Destination
            };
            translate(&mut frame, &parsed, &quoted, &towards(end, (new, port)));
            prop_assert_eq!(frame, expected.frame());
        }

        #[test]
        fn a_quoted_ping_gets_the_identifier_that_its_sender_knows(
            rest in any::<u32>(),
            is_reply in any::<bool>(),
            identifiers in [1..=u16::MAX, 1..=u16::MAX],
            new in any::<u32>(),
            options in 0usize..=3,
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let protocol = ProtocolNumber::ICMP;
            let mut told = Told { rest, protocol, options, payload, ..example(true) };
            let place = usize::from(is_reply);
            told.quoted[place].1 = identifiers[0];
            told.quoted[1 - place].1 = 0;
            let mut frame = told.frame();
            let parsed = parsed(&frame);
            let quoted = read(&frame, &parsed).expect("a quoted packet");
            prop_assert_eq!(quoted.source_port, told.quoted[0].1);
            prop_assert_eq!(quoted.destination_port, told.quoted[1].1);
            let new = (Ipv4Addr::from_bits(new).into(), identifiers[1]);
            let end = if is_reply { End::Source } else { End::Destination };
            translate(&mut frame, &parsed, &quoted, &towards(end, new));
            let mut expected = Told { hops: 63, ..told };
            expected.quoted[place] = new;
            if is_reply {
                expected.from = new.0;
            } else {
                expected.to = new.0;
            }
            prop_assert_eq!(frame, expected.frame());
        }

        #[test]
        fn whatever_is_quoted_has_an_outcome_and_none_panics(
            told in told(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            length in 0usize..48,
        ) {
            let mut frame = Told { quoted_length: length, ..told.clone() }.frame();
            let outside = parsed(&frame);
            // Beside the error's own headers, which the parser has read.
            let message = usize::from(outside.transport_offset);
            let place = message + at.index(frame.len() - message);
            let ports = frame.len() - length.min(told.segment().len());
            frame[place] = byte;
            if let Some(quoted) = read(&frame, &outside) {
                let before = frame.len();
                translate(&mut frame, &outside, &quoted, &towards(End::Source, told.quoted[0]));
                prop_assert_eq!(frame.len(), before);
            } else {
                prop_assert!(length < 8 || place < ports, "byte {place}, ports from {ports} on");
            }
        }
    }

    /// An error about a datagram, of which this much is quoted.
    fn example(is_v4: bool) -> Told {
        let address = |last: u8| -> IpAddr {
            if is_v4 {
                Ipv4Addr::new(192, 0, 2, last).into()
            } else {
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into()
            }
        };
        Told {
            kind: if is_v4 { 3 } else { 1 },
            rest: 0,
            hops: 64,
            from: address(1),
            to: address(2),
            quoted: [(address(2), 1024), (address(3), 53)],
            protocol: ProtocolNumber::UDP,
            has_checksum: true,
            options: 0,
            payload: vec![7; 30],
            quoted_length: 38,
        }
    }

    #[test]
    fn every_truncation_is_read_or_refused() {
        for is_v4 in [true, false] {
            let told = example(is_v4);
            let whole = told.frame();
            let headers = whole.len() - told.quoted_length;
            for length in 0..=told.quoted_length {
                let frame = Told { quoted_length: length, ..told.clone() }.frame();
                assert_eq!(read(&frame, &parsed(&frame)).is_some(), length >= 8, "{length} quoted");
            }
            let outside = parsed(&whole);
            for length in 0..whole.len() {
                // The parser refuses such frames; whoever asks nevertheless is told nothing.
                assert_eq!(read(&whole[..length], &outside), None, "{length} of {headers}");
            }
        }
    }

    #[test]
    fn errors_about_errors_and_messages_that_are_no_errors_quote_nothing() {
        for (is_v4, protocol, inner) in [(true, 1, [3, 11, 12, 5]), (false, 58, [1, 2, 3, 4])] {
            for kind in inner {
                let told = Told { protocol, ..example(is_v4) };
                let mut frame = told.frame();
                let at = frame.len() - told.quoted_length;
                frame[at] = kind;
                assert_eq!(read(&frame, &parsed(&frame)), None, "{kind} quoted");
                frame[at] = if is_v4 { 8 } else { 128 };
                assert!(read(&frame, &parsed(&frame)).is_some(), "a quoted query");
            }
        }
        for (is_v4, kinds) in [(true, [0, 4, 5, 8]), (false, [5, 127, 128, 133])] {
            for kind in kinds {
                let frame = Told { kind, ..example(is_v4) }.frame();
                assert_eq!(read(&frame, &parsed(&frame)), None, "type {kind}");
            }
        }
    }
}
