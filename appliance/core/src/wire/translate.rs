//! Which bytes of a packet change when one of its ends is replaced?
//!
//! An address, a port, the time to live, and two checksums by what changed (RFC 1624), which are
//! never computed anew. Two ways that write the same: [`plain`] for the frame that nearly all are,
//! [`any`] for whatever the parser accepts.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, transmute_mut};

use super::ipv4::Ipv4Header;
use super::plain::{PlainIpv4, PlainTcp, PlainUdp};
use super::tcp::TcpHeader;
use super::udp::UdpHeader;
use super::{Change, Delta, Parsed, ProtocolNumber};
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

impl Translation {
    /// The translation of a packet that `parsed` describes.
    #[must_use]
    pub const fn of(parsed: &Parsed, end: End, address: Address, port: u16) -> Self {
        let old = match end {
            End::Source => (parsed.source, parsed.source_port),
            End::Destination => (parsed.destination, parsed.destination_port),
        };
        Self { end, address, port, change: Change::of(old, (address, port)) }
    }
}

/// What replaces an end of a plain segment.
#[derive(Clone, Copy, Debug)]
pub struct PlainTranslation<'a> {
    /// Its new address.
    pub address: U32,
    /// Its new port.
    pub port: U16,
    /// What that changes in the checksums, one hop further: the frontend's share and the member's,
    /// which are read where they stand, each when its turn comes.
    pub shares: [&'a Change; 2],
}

/// Replaces the source or the destination of a plain UDP datagram and takes one hop away.
#[inline]
pub fn plain_datagram(frame: &mut PlainIpv4, end: End, to: PlainTranslation<'_>) {
    plain_end(frame, end, to);
    let udp: &mut PlainUdp = transmute_mut!(&mut frame.transport);
    let [frontend, member] = to.shares;
    frontend.transport.and(member.transport).apply_to_udp(&mut udp.checksum);
}

#[inline(always)]
fn plain_end(frame: &mut PlainIpv4, end: End, to: PlainTranslation<'_>) {
    frame.take_hop();
    for share in to.shares {
        share.network.apply(&mut frame.checksum);
    }
    frame.addresses[end as usize] = to.address;
    frame.ports[end as usize] = to.port;
}

/// Replaces the source or the destination of a plain segment and takes one hop away.
#[inline(always)]
pub fn plain(frame: &mut PlainIpv4, end: End, to: PlainTranslation<'_>) {
    plain_end(frame, end, to);
    let tcp: &mut PlainTcp = transmute_mut!(&mut frame.transport);
    for share in to.shares {
        share.transport.apply(&mut tcp.checksum);
    }
}

/// Takes one hop away from an IPv4 datagram that `parsed` describes, and replaces an end of it.
pub fn any(frame: &mut [u8], parsed: &Parsed, to: Option<&Translation>) {
    let network = usize::from(parsed.network_offset);
    let (head, segment) = frame.split_at_mut(usize::from(parsed.transport_offset));
    let Ok((header, _)) = Ipv4Header::mut_from_prefix(&mut head[network..]) else { return };
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
    if parsed.protocol == ProtocolNumber::TCP {
        let Ok((header, _)) = TcpHeader::mut_from_prefix(segment) else { return };
        put_tcp_port(header, to);
    } else if parsed.protocol == ProtocolNumber::UDP {
        let Ok((header, _)) = UdpHeader::mut_from_prefix(segment) else { return };
        put_udp_port(header, to);
    }
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
    use proptest::array::uniform32;
    use proptest::num::u8::ANY as BYTE;
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};

    use super::*;
    use crate::wire::plain::HEAD;
    use crate::wire::{Content, parse};

    proptest! {
        #[test]
        fn the_quick_way_writes_what_the_general_one_writes(
            mut head in uniform32(BYTE).prop_map(|half| {
                let mut head = [0; HEAD];
                head[..32].copy_from_slice(&half);
                head[32..].copy_from_slice(&half);
                head
            }),
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
            let to = Translation::of(&parsed, end, Address::from_v4_bits(address), port);
            let mut general = head;
            let (address, port) = (to.address.v4_bits().into(), to.port.into());
            let quick = PlainTranslation { address, port, shares: [&to.change, &Change::default()] };
            let write = if udp { plain_datagram } else { plain };
            write(PlainIpv4::of_mut(&mut head), end, quick);
            any(&mut general, &parsed, Some(&to));
            prop_assert_eq!(head, general);
        }
    }
}
