//! Is this a frame for us, and what does it carry?

use zerocopy::FromBytes;

use super::batch::{Batch, Frames};
use super::worker::Worker;
use crate::policy::{Port, Snapshot};
use crate::telemetry::DropReason;
use crate::units::Address;
use crate::wire::ethernet::EthernetHeader;
use crate::wire::{Content, Malformed, Parsed, ProtocolNumber, checksum, parse, tcp, udp};

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
        if let Err(reason) = admit(frame, port, content) {
            return batch.drop(place, reason);
        }
        match content {
            Content::Ipv4 => {
                if port.partial_checksums && is_partial(frame, &batch.parsed[place]) {
                    batch.drop(place, DropReason::ChecksumPartial);
                } else {
                    batch.sets.whole.add(place);
                }
            }
            Content::Ipv4Fragment => batch.sets.fragments.add(place),
            Content::Arp => self.receive_arp(snapshot, frames, batch, place),
            Content::Ipv6 => batch.drop(place, DropReason::Ipv6NotSupported),
            Content::OtherEtherType => batch.drop(place, DropReason::EtherTypeUnknown),
        }
    }
}

/// Whether the frame's Ethernet addresses are those of a frame for this port. Of frames for
/// everybody only ARP counts: a datagram in one must not be forwarded (RFC 1812 §5.3.4).
#[inline]
fn admit(frame: &[u8], port: &Port, content: Content) -> Result<(), DropReason> {
    let Ok((header, _)) = EthernetHeader::ref_from_prefix(frame) else {
        return Err(DropReason::EthernetTruncated);
    };
    if header.source == port.mac.0 {
        return Err(DropReason::SourceMacOwn);
    }
    let is_for_all = header.is_group_addressed() && content == Content::Arp;
    if header.destination != port.mac.0 && !is_for_all {
        return Err(DropReason::NotForUs);
    }
    Ok(())
}

/// Whether the transport checksum holds only the pseudo-header's sum: what a sender leaves for
/// its NIC to complete. One correct packet in 65,536 looks the same, so this is asked only on
/// devices that are known to deliver such frames.
fn is_partial(frame: &[u8], parsed: &Parsed) -> bool {
    let transport = usize::from(parsed.transport_offset);
    let offset = match parsed.protocol {
        ProtocolNumber::TCP => tcp::CHECKSUM_OFFSET,
        ProtocolNumber::UDP => udp::CHECKSUM_OFFSET,
        _ => return false,
    };
    let header_length = u16::from(parsed.transport_offset - parsed.network_offset);
    let pseudo = checksum::pseudo_header_v4(
        parsed.source.v4_bits(),
        parsed.destination.v4_bits(),
        parsed.protocol,
        parsed.network_length - header_length,
    );
    let found = frame.get(transport + offset..transport + offset + 2);
    found.is_some_and(|found| u16::from_be_bytes([found[0], found[1]]) == pseudo)
}

/// Whether an address may stand as the source of a forwarded packet (RFC 1812 §5.3.7).
#[inline]
pub(super) const fn is_valid_source(address: Address) -> bool {
    let bits = address.v4_bits();
    !matches!(bits >> 24, 0 | 127 | 224..=255)
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
}
