//! What does Weir answer or pass to the kernel twin?
//!
//! ARP and neighbour discovery (RFC 4861) for frontends are answered here, since the kernel must
//! not know them as its own. Those for own addresses go to the kernel, as do replies to probes;
//! everything else addressed to an own address only where `ownAddresses.allow` names it.

use zerocopy::FromBytes;

use super::batch::{Batch, Frames, Verdict};
use super::classify::is_icmp;
use super::parse::is_valid_source;
use super::steer::comes_by_its_port;
use super::worker::{Now, Worker};
use crate::policy::{Host, OwnAddresses, Snapshot};
use crate::telemetry::{DropReason, PuntClass};
use crate::units::{Address, MacAddress, PortId};
use crate::wire::arp::{self, ArpPacket};
use crate::wire::ethernet::EthernetHeader;
use crate::wire::ipv6::{self, Ipv6Header};
use crate::wire::neighbour_discovery::{self, NeighbourMessage};
use crate::wire::{Parsed, ProtocolNumber, tcp};

const SSH: u16 = 22;
const BGP: u16 = 179;
const BFD: u16 = 3784;
const BFD_MULTIHOP: u16 = 4784;

impl Worker {
    /// Answers ARP requests for frontends on this link, passes what concerns own addresses, and
    /// announcements of hosts on the link, to the kernel twin, drops the rest.
    pub(super) fn receive_arp<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let port = frames.ingress(place);
        let offset = usize::from(batch.parsed[place].network_offset);
        let Some(packet) = arp_packet(frames.frame(place), offset) else {
            return batch.drop(place, DropReason::ArpNotAnswered);
        };
        let target = Address::from(packet.target_ip);
        let host = snapshot.hosts.get(target);
        if host.is_own() {
            return batch.end(place, Verdict::Punt(PuntClass::Arp));
        }
        let is_request = packet.operation.get() == arp::REQUEST;
        let on_link = snapshot.ports[port.index()].subnets.iter().any(|net| net.contains(target));
        if host.is_answered_for() && on_link && is_request {
            answer_arp(snapshot, frames, place, offset);
            return batch.end(place, Verdict::Answer(port));
        }
        // A host that announces itself (RFC 5227 §3): the twin hears where a neighbour has moved.
        if packet.sender_ip == packet.target_ip && on_link && !host.is_answered_for() {
            return batch.end(place, Verdict::Punt(PuntClass::Arp));
        }
        batch.drop(place, DropReason::ArpNotAnswered);
    }

    /// Answers solicitations of frontends on this link; passes neighbour discovery that concerns
    /// own addresses, and announcements of hosts on the link, to the kernel twin; drops the rest.
    /// Routers are configured or learned by routing protocols: their advertisements are not
    /// listened to.
    pub(super) fn receive_neighbour<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
        place: usize,
    ) {
        let (parsed, ingress) = (&batch.parsed[place], batch.ingress[place]);
        let Some(message) = neighbour_message(frames.frame(place), parsed) else {
            return batch.drop(place, DropReason::NeighbourNotAnswered);
        };
        let target = Address::from(message.target);
        if target.is_v4() {
            // An IPv4 host's address inside IPv6, which nobody has on this link.
            return batch.drop(place, DropReason::NeighbourNotAnswered);
        }
        let host = snapshot.hosts.get(target);
        // An own address is asked for, or is told what it has asked.
        let is_for_kernel = host.is_own() || snapshot.hosts.get(parsed.destination).is_own();
        let subnets = &snapshot.ports[ingress.index()].subnets;
        let on_link = target.is_link_local() || subnets.iter().any(|net| net.contains(target));
        let is_advertised = message.kind == neighbour_discovery::ADVERTISEMENT;
        if is_for_kernel || is_advertised && on_link && !host.is_answered_for() {
            return batch.end(place, Verdict::Punt(PuntClass::Arp));
        }
        let is_asked = !is_advertised && on_link && host.is_answered_for();
        if is_asked && answer_neighbour(snapshot, frames, parsed, place).is_some() {
            return batch.end(place, Verdict::Answer(ingress));
        }
        batch.drop(place, DropReason::NeighbourNotAnswered);
    }

    /// Ends a packet to an own address.
    pub(super) fn receive_own(
        &mut self,
        snapshot: &Snapshot,
        source: Host,
        batch: &mut Batch,
        place: usize,
    ) {
        let (parsed, ingress) = (&batch.parsed[place], batch.ingress[place]);
        let is_probe_reply = is_answer(parsed) && comes_from_member(snapshot, source, ingress);
        let class = if is_probe_reply {
            Some(PuntClass::Probe)
        } else {
            allowed_class(snapshot.own_addresses, parsed)
        };
        match class {
            Some(class) => batch.end(place, Verdict::Punt(class)),
            None => batch.drop(place, DropReason::OwnAddressClosed),
        }
    }

    /// Drops what goes beyond the rate of its punt class.
    pub(super) fn police(&mut self, now: Now, batch: &mut Batch) {
        for place in batch.sets.punted {
            if let Some(class) = batch.punt_of(place)
                && !self.police.admits(batch.ingress[place], class, now)
            {
                batch.drop(place, DropReason::PuntPoliced);
            }
        }
    }
}

fn arp_packet(frame: &[u8], offset: usize) -> Option<&ArpPacket> {
    let (packet, _) = ArpPacket::ref_from_prefix(frame.get(offset..)?).ok()?;
    packet.is_ipv4_over_ethernet().then_some(packet)
}

/// The neighbour's message that a frame carries, if it is one and comes from the link.
fn neighbour_message<'a>(frame: &'a [u8], parsed: &Parsed) -> Option<&'a NeighbourMessage> {
    let message = frame.get(usize::from(parsed.transport_offset)..parsed.end_offset())?;
    let (message, _) = NeighbourMessage::ref_from_prefix(message).ok()?;
    let is_neighbours = matches!(
        message.kind,
        neighbour_discovery::SOLICITATION | neighbour_discovery::ADVERTISEMENT
    );
    let is_from_link = parsed.time_to_live == neighbour_discovery::HOP_LIMIT && message.code == 0;
    (is_neighbours && is_from_link).then_some(message)
}

/// Turns the request into its answer, in place.
fn answer_arp<F: Frames>(snapshot: &Snapshot, frames: &mut F, place: usize, offset: usize) {
    let mac = snapshot.ports[frames.ingress(place).index()].mac;
    let frame = frames.frame_mut(place);
    let (head, rest) = frame.split_at_mut(offset);
    if let (Ok((header, _)), Ok((packet, _))) =
        (EthernetHeader::mut_from_prefix(head), ArpPacket::mut_from_prefix(rest))
    {
        header.destination = packet.sender_mac;
        header.source = mac.0;
        packet.answer(mac);
    }
}

/// Turns the solicitation into its answer, in place: what lies behind that is padding from then on.
fn answer_neighbour<F: Frames>(
    snapshot: &Snapshot,
    frames: &mut F,
    parsed: &Parsed,
    place: usize,
) -> Option<()> {
    let asker = parsed.source;
    let is_plain = parsed.header_length() == ipv6::HEADER_LENGTH;
    if !(is_valid_source(asker) || asker.is_link_local()) || !is_plain {
        return None;
    }
    let mac = snapshot.ports[frames.ingress(place).index()].mac;
    let frame = frames.frame_mut(place).get_mut(..parsed.end_offset())?;
    let (head, message) = frame.split_at_mut_checked(parsed.transport_offset.into())?;
    let to = neighbour_discovery::answer(message, asker, parsed.destination, mac)?;
    let (message, _) = NeighbourMessage::ref_from_prefix(message).ok()?;
    let (link, network) = head.split_at_mut_checked(parsed.network_offset.into())?;
    let (header, _) = Ipv6Header::mut_from_prefix(network).ok()?;
    #[allow(clippy::cast_possible_truncation, reason = "32")]
    let length = neighbour_discovery::ANSWER_LENGTH as u16;
    header.payload_length = length.into();
    header.source = message.target;
    header.destination = asker.into();
    let (link, _) = EthernetHeader::mut_from_prefix(link).ok()?;
    link.readdress(mac, MacAddress(to));
    Some(())
}

/// Whether this is TCP that opens nothing.
fn is_answer(parsed: &Parsed) -> bool {
    parsed.protocol == ProtocolNumber::TCP
        && !parsed.asks_to_open()
        && parsed.tcp_flags & (tcp::ACK | tcp::RST) != 0
}

fn comes_from_member(snapshot: &Snapshot, source: Host, ingress: PortId) -> bool {
    source.as_member().is_some_and(|member| comes_by_its_port(snapshot, member, ingress))
}

fn allowed_class(allowed: OwnAddresses, parsed: &Parsed) -> Option<PuntClass> {
    // The peer's end of a BGP session that the kernel opened; a SYN from there opens another port.
    let is_bgp = parsed.destination_port == BGP || parsed.source_port == BGP && is_answer(parsed);
    if is_icmp(parsed) {
        return allowed.icmp.then_some(PuntClass::Rest);
    }
    match parsed.protocol {
        ProtocolNumber::TCP if allowed.bgp && is_bgp => Some(PuntClass::Routing),
        ProtocolNumber::UDP
            if allowed.bfd && matches!(parsed.destination_port, BFD | BFD_MULTIHOP) =>
        {
            Some(PuntClass::Routing)
        }
        ProtocolNumber::TCP if allowed.ssh && parsed.destination_port == SSH => {
            Some(PuntClass::Rest)
        }
        _ => None,
    }
}
