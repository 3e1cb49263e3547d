//! Is this a frame for us, and what does it carry?

use zerocopy::FromBytes;

use super::batch::{Batch, Frames};
use super::worker::Worker;
use crate::policy::{Port, Snapshot};
use crate::telemetry::DropReason;
use crate::units::Address;
use crate::wire::ethernet::EthernetHeader;
use crate::wire::{
    Content, Malformed, Parsed, ProtocolNumber, checksum, neighbour_discovery, parse, tcp, udp,
};

impl Worker {
    /// Fills the columns of what was not sorted; ends what is malformed, foreign or ARP.
    #[inline(never)]
    pub(super) fn parse<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for place in batch.all() - (batch.sorted() | batch.sets.datagrams) {
            self.parse_one(snapshot, frames, batch, place);
        }
    }

    fn parse_one<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let frame = frames.frame(place);
        let content = match parse(frame, &mut batch.parsed[place]) {
            Ok(content) => content,
            Err(malformed) => {
                let segmented = frames.is_segmented(place);
                let reason = if segmented { DropReason::Segmented } else { malformed.into() };
                return batch.drop(place, reason);
            }
        };
        let Some(port) = snapshot.ports.get(batch.ingress[place].index()) else {
            return batch.drop(place, DropReason::NotForUs);
        };
        if let Err(reason) = admit(frame, port, content, &batch.parsed[place]) {
            return batch.drop(place, reason);
        }
        match content {
            Content::Ipv4 => batch.sets.whole.add(place),
            Content::Ipv4Fragment | Content::Ipv6Fragment => batch.sets.fragments.add(place),
            Content::Arp => self.receive_arp(snapshot, frames, batch, place),
            Content::Ipv6 if speaks_to_the_link(frame, &batch.parsed[place]) => {
                self.receive_neighbour(snapshot, frames, batch, place);
            }
            Content::Ipv6 => batch.sets.whole.add(place),
            Content::OtherEtherType => batch.drop(place, DropReason::EtherTypeUnknown),
        }
    }
}

/// Whether the frame's Ethernet addresses are those of a frame for this port, and what it carries
/// is what it seems to be. Of frames for everybody only ARP and neighbour discovery count: a
/// datagram in one must not be forwarded (RFC 1812 §5.3.4).
#[inline]
fn admit(frame: &[u8], port: &Port, content: Content, parsed: &Parsed) -> Result<(), DropReason> {
    let Ok((header, _)) = EthernetHeader::ref_from_prefix(frame) else {
        return Err(DropReason::EthernetTruncated);
    };
    if header.source == port.mac.0 {
        return Err(DropReason::SourceMacOwn);
    }
    let is_for_all = header.is_group_addressed()
        && match content {
            Content::Arp => true,
            Content::Ipv6 => speaks_to_the_link(frame, parsed),
            Content::Ipv4
            | Content::Ipv4Fragment
            | Content::Ipv6Fragment
            | Content::OtherEtherType => false,
        };
    if header.destination != port.mac.0 && !is_for_all {
        return Err(DropReason::NotForUs);
    }
    let is_whole = matches!(content, Content::Ipv4 | Content::Ipv6);
    if port.partial_checksums && is_whole && is_partial(frame, content, parsed) {
        return Err(DropReason::ChecksumPartial);
    }
    if matches!(content, Content::Ipv6 | Content::Ipv6Fragment) {
        check_family(parsed)?;
    }
    Ok(())
}

/// Whether both ends of an IPv6 packet are IPv6's. Addresses of IPv4 are held in the form that
/// IPv6 maps them to (RFC 4291 §2.5.5.2), which is never on the wire (RFC 4942 §2.2): such a packet
/// must not be taken for one of the IPv4 host's.
const fn check_family(parsed: &Parsed) -> Result<(), DropReason> {
    if parsed.source.is_v4() {
        return Err(DropReason::SourceInvalid);
    }
    if parsed.destination.is_v4() {
        return Err(DropReason::DestinationInvalid);
    }
    Ok(())
}

/// Whether a whole IPv6 datagram is neighbour discovery, which is never forwarded.
fn speaks_to_the_link(frame: &[u8], parsed: &Parsed) -> bool {
    let kind = frame.get(usize::from(parsed.transport_offset));
    parsed.protocol == ProtocolNumber::ICMPV6
        && parsed.end_offset() > usize::from(parsed.transport_offset)
        && kind.is_some_and(|kind| neighbour_discovery::speaks_to_the_link(*kind))
}

/// Whether the transport checksum holds only the pseudo-header's sum: what a sender leaves for
/// its NIC to complete. One correct packet in 65,536 looks the same, so this is asked only on
/// devices that are known to deliver such frames.
fn is_partial(frame: &[u8], content: Content, parsed: &Parsed) -> bool {
    let transport = usize::from(parsed.transport_offset);
    let offset = match parsed.protocol {
        ProtocolNumber::TCP => tcp::CHECKSUM_OFFSET,
        ProtocolNumber::UDP => udp::CHECKSUM_OFFSET,
        _ => return false,
    };
    let header_length = u16::from(parsed.transport_offset - parsed.network_offset);
    let (source, destination) = (parsed.source, parsed.destination);
    let length = parsed.network_length - header_length;
    let pseudo = if content == Content::Ipv6 {
        checksum::pseudo_header_v6(source, destination, parsed.protocol, length)
    } else {
        let (source, destination) = (source.v4_bits(), destination.v4_bits());
        checksum::pseudo_header_v4(source, destination, parsed.protocol, length)
    };
    let found = frame.get(transport + offset..transport + offset + 2);
    found.is_some_and(|found| u16::from_be_bytes([found[0], found[1]]) == pseudo)
}

/// Whether an address may stand as the source of a forwarded packet (RFC 1812 §5.3.7, RFC 4291
/// §2.5).
#[inline]
pub(super) const fn is_valid_source(address: Address) -> bool {
    if !address.is_v4() {
        return is_valid_v6(address);
    }
    let bits = address.v4_bits();
    !matches!(bits >> 24, 0 | 127 | 224..=255)
}

/// Not multicast, nor link-local, nor unspecified, loopback or one of the IPv4-compatible ones
/// around them, which nobody has any more (RFC 4291 §2.5.5.1).
const fn is_valid_v6(address: Address) -> bool {
    let is_multicast = address.high >> 56 == 0xff;
    let is_compatible = address.high == 0 && address.low >> 32 == 0;
    !is_multicast && !is_compatible && !address.is_link_local()
}

/// Whether an address may stand as the destination of a forwarded packet.
#[inline]
pub(super) const fn is_valid_destination(address: Address) -> bool {
    is_valid_source(address)
}

impl From<Malformed> for DropReason {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::EthernetTruncated => Self::EthernetTruncated,
            Malformed::VlanTooDeep => Self::VlanTooDeep,
            Malformed::Ipv4Header => Self::Ipv4Header,
            Malformed::Ipv4Length => Self::Ipv4Length,
            Malformed::Ipv6Header => Self::Ipv6Header,
            Malformed::Ipv6Length => Self::Ipv6Length,
            Malformed::Ipv6Extensions => Self::Ipv6Extensions,
            Malformed::TcpHeader => Self::TcpHeader,
            Malformed::UdpHeader => Self::UdpHeader,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn martian_addresses_are_known() {
        for (bits, valid) in [
            (0x0000_0001, false),
            (0x7f00_0001, false),
            (0xe000_0001, false),
            (0xffff_ffff, false),
            (0xf000_0001, false),
            (0x0a00_0001, true),
            (0xdfff_ffff, true),
        ] {
            assert_eq!(is_valid_source(Address::from_v4_bits(bits)), valid, "{bits:x}");
        }
    }

    #[test]
    fn martian_addresses_of_ipv6_are_known() {
        for (text, valid) in [
            ("::", false),
            ("::1", false),
            ("::192.0.2.1", false),
            ("ff02::1", false),
            ("ff0e::1", false),
            ("fe80::1", false),
            ("febf:ffff::1", false),
            ("fec0::1", true),
            ("fd00::1", true),
            ("64:ff9b::192.0.2.1", true),
            ("2001:db8::1", true),
        ] {
            let address = text.parse::<std::net::IpAddr>().expect("an address").into();
            assert_eq!(is_valid_source(address), valid, "{text}");
            assert_eq!(is_valid_destination(address), valid, "{text}");
        }
    }
}
