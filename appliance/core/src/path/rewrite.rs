//! Which bytes change, and by which port does the packet leave?
//!
//! The only stage that writes packets on their way. Ids become addresses here, from the small
//! dense tables of the snapshot, and checksums are updated by what changed (RFC 1624), never
//! computed anew.

use zerocopy::FromBytes;

use super::batch::{Action, Batch, Frames, Stage, Verdict};
use super::worker::Worker;
use crate::policy::{NextHop, Snapshot};
use crate::tables::mix;
use crate::telemetry::{Counter, DropReason};
use crate::units::{Address, AdjacencyId};
use crate::wire::ethernet::EthernetHeader;
use crate::wire::ipv4::Ipv4Header;
use crate::wire::tcp::TcpHeader;
use crate::wire::udp::UdpHeader;
use crate::wire::{Delta, Parsed, ProtocolNumber};

/// A new address and port for one end of a packet.
#[derive(Clone, Copy, Debug)]
struct Replacement {
    end: End,
    address: Address,
    port: u16,
}

/// Which end of the packet is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

impl Worker {
    /// Rewrites every packet that is to leave.
    #[inline(never)]
    pub(super) fn rewrite<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        for index in 0..batch.len() {
            let Stage::Decided(action) = batch.stages[index] else { continue };
            let frame = frames.frame_mut(index);
            match self.rewrite_one(snapshot, action, &batch.parsed[index], frame) {
                Ok(verdict) => batch.end(index, verdict),
                Err(reason) => batch.drop(index, reason),
            }
        }
    }

    #[inline]
    fn rewrite_one(
        &mut self,
        snapshot: &Snapshot,
        action: Action,
        parsed: &Parsed,
        frame: &mut [u8],
    ) -> Result<Verdict, DropReason> {
        if parsed.time_to_live <= 1 {
            return Err(DropReason::TtlExpired);
        }
        let (replacement, adjacency) = self.resolve(snapshot, action, parsed)?;
        let adjacency = &snapshot.adjacencies[adjacency.index()];
        // A member that no route leads to has an adjacency without a port.
        let port = snapshot.ports.get(adjacency.port.index()).ok_or(DropReason::NoRoute)?;
        let Some(mac) = adjacency.mac else {
            self.request(adjacency.port, adjacency.address);
            return Err(DropReason::NeighbourUnresolved);
        };
        if parsed.network_length > port.mtu {
            return Err(DropReason::MtuExceeded);
        }
        let Ok((ethernet, _)) = EthernetHeader::mut_from_prefix(frame) else {
            return Err(DropReason::EthernetTruncated);
        };
        ethernet.readdress(port.mac, mac);
        replace(frame, parsed, replacement);
        self.count(action, parsed);
        Ok(Verdict::Transmit(adjacency.port))
    }

    /// The packet's new end, and its next hop.
    #[inline]
    fn resolve(
        &mut self,
        snapshot: &Snapshot,
        action: Action,
        parsed: &Parsed,
    ) -> Result<(Option<Replacement>, AdjacencyId), DropReason> {
        match action {
            Action::ToMember(rule, member) => {
                let rule = snapshot.rule(rule).ok_or(DropReason::NoRule)?;
                let member = snapshot.member(member).ok_or(DropReason::NoHealthyMember)?;
                let port = rule.backend_port;
                let address = member.address;
                let end = End::Destination;
                Ok((Some(Replacement { end, address, port }), member.adjacency))
            }
            Action::FromFrontend(rule, _) => {
                let rule = snapshot.rule(rule).ok_or(DropReason::NoRule)?;
                let (address, port) = (rule.frontend, rule.frontend_port);
                let next_hop = self.route(snapshot, parsed)?;
                Ok((Some(Replacement { end: End::Source, address, port }), next_hop))
            }
            Action::ToOutside(_, outbound, port) => {
                let outbound = snapshot.outbound_address(outbound);
                let address = outbound.ok_or(DropReason::NoOutbound)?.address;
                let next_hop = self.route(snapshot, parsed)?;
                Ok((Some(Replacement { end: End::Source, address, port }), next_hop))
            }
            Action::FromOutside(member, port) => {
                let member = snapshot.member(member).ok_or(DropReason::SnatFlowUnknown)?;
                let address = member.address;
                let end = End::Destination;
                Ok((Some(Replacement { end, address, port }), member.adjacency))
            }
            Action::Route => Ok((None, self.route(snapshot, parsed)?)),
        }
    }

    /// The next hop towards the packet's destination.
    #[inline]
    fn route(&mut self, snapshot: &Snapshot, parsed: &Parsed) -> Result<AdjacencyId, DropReason> {
        let ports = u64::from(parsed.source_port) << 16 | u64::from(parsed.destination_port);
        let hash = mix(parsed.source.low ^ ports, parsed.destination.low | 1);
        match snapshot.routes.towards(parsed.destination, hash) {
            NextHop::Through(adjacency) => Ok(adjacency),
            NextHop::Unresolved(port) => {
                self.request(port, parsed.destination);
                Err(DropReason::NeighbourUnresolved)
            }
            NextHop::None => Err(DropReason::NoRoute),
        }
    }

    #[inline]
    fn count(&self, action: Action, parsed: &Parsed) {
        let bytes = u64::from(parsed.network_length);
        match action {
            Action::ToMember(rule, member) | Action::FromFrontend(rule, member) => {
                self.rules.packet(rule.index(), bytes);
                self.members.packet(member.index(), bytes);
            }
            Action::ToOutside(member, ..) | Action::FromOutside(member, _) => {
                self.members.packet(member.index(), bytes);
            }
            Action::Route => self.counters.count(Counter::RoutedPackets, 1),
        }
    }
}

/// Puts the new end and takes one hop away. `parsed` is what the frame says, so that the changes
/// are known without reading it again.
#[inline]
fn replace(frame: &mut [u8], parsed: &Parsed, replacement: Option<Replacement>) {
    let network = usize::from(parsed.network_offset);
    let transport = usize::from(parsed.transport_offset);
    let (head, segment) = frame.split_at_mut(transport);
    let Ok((header, _)) = Ipv4Header::mut_from_prefix(&mut head[network..]) else { return };
    let hop = Delta::of_u16(
        u16::from_be_bytes([header.time_to_live, header.protocol]),
        u16::from_be_bytes([header.time_to_live - 1, header.protocol]),
    );
    header.time_to_live -= 1;
    let Some(replacement) = replacement else {
        header.checksum = hop.apply(header.checksum.get()).into();
        return;
    };
    let new = replacement.address.v4_bits();
    let (address, old_port) = match replacement.end {
        End::Source => (&mut header.source, parsed.source_port),
        End::Destination => (&mut header.destination, parsed.destination_port),
    };
    let addresses = Delta::of_u32(address.get(), new);
    *address = new.into();
    header.checksum = addresses.and(hop).apply(header.checksum.get()).into();
    let delta = addresses.and(Delta::of_u16(old_port, replacement.port));
    replace_port(segment, parsed.protocol, replacement, delta);
}

#[inline]
fn replace_port(segment: &mut [u8], protocol: u8, replacement: Replacement, delta: Delta) {
    match protocol {
        ProtocolNumber::TCP => {
            let Ok((header, _)) = TcpHeader::mut_from_prefix(segment) else { return };
            match replacement.end {
                End::Source => header.source_port = replacement.port.into(),
                End::Destination => header.destination_port = replacement.port.into(),
            }
            header.checksum = delta.apply(header.checksum.get()).into();
        }
        ProtocolNumber::UDP => {
            let Ok((header, _)) = UdpHeader::mut_from_prefix(segment) else { return };
            match replacement.end {
                End::Source => header.source_port = replacement.port.into(),
                End::Destination => header.destination_port = replacement.port.into(),
            }
            header.checksum = delta.apply_to_udp(header.checksum.get()).into();
        }
        _ => {}
    }
}
