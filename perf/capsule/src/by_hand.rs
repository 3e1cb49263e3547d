//! What does the rewrite cost when it is written on Weir's own wire views?
//!
//! Checksums change by what changed (RFC 1624), as in Weir's own path. What is not a whole TCP
//! segment in IPv4 is left alone; options are stepped over.

use weir_core::units::MacAddress;
use weir_core::wire::ethernet::{ETHERTYPE_IPV4, EthernetHeader};
use weir_core::wire::ipv4::Ipv4Header;
use weir_core::wire::tcp::TcpHeader;
use weir_core::wire::{Delta, ProtocolNumber};
use zerocopy::FromBytes;

use crate::balancer::{
    Balancer, FRONTEND, FRONTEND_PORT, GATEWAY_MAC, MEMBER_PORT, Member, OWN_MAC,
};

/// Sends a client's segment on to its member, and a member's back to the client. `None` leaves
/// the frame as it was: it is not ours to send on.
#[inline]
pub fn rewrite(frame: &mut [u8], balancer: &Balancer) -> Option<()> {
    let (ethernet, packet) = EthernetHeader::mut_from_prefix(frame).ok()?;
    if ethernet.ether_type.get() != ETHERTYPE_IPV4 {
        return None;
    }
    let header_length = Ipv4Header::ref_from_prefix(packet).ok()?.0.header_length();
    let (head, segment) = packet.split_at_mut_checked(header_length)?;
    let (network, _) = Ipv4Header::mut_from_prefix(head).ok()?;
    let whole = network.protocol == ProtocolNumber::TCP && !network.is_fragment();
    let (transport, _) = TcpHeader::mut_from_prefix(segment).ok()?;
    if !whole || network.time_to_live <= 1 {
        return None;
    }
    let (source, port) = (network.source.get(), transport.source_port.get());
    if network.destination.get() == FRONTEND {
        let member = balancer.member_of(source, port);
        ethernet.readdress(MacAddress(OWN_MAC), MacAddress(member.mac));
        to_member(network, transport, member);
    } else {
        ethernet.readdress(MacAddress(OWN_MAC), MacAddress(GATEWAY_MAC));
        from_frontend(network, transport);
    }
    Some(())
}

#[inline]
fn to_member(network: &mut Ipv4Header, transport: &mut TcpHeader, member: Member) {
    let addresses = Delta::of_u32(network.destination.get(), member.address);
    let ports = Delta::of_u16(transport.destination_port.get(), MEMBER_PORT);
    network.destination = member.address.into();
    transport.destination_port = MEMBER_PORT.into();
    settle(network, transport, addresses, ports);
}

#[inline]
fn from_frontend(network: &mut Ipv4Header, transport: &mut TcpHeader) {
    let addresses = Delta::of_u32(network.source.get(), FRONTEND);
    let ports = Delta::of_u16(transport.source_port.get(), FRONTEND_PORT);
    network.source = FRONTEND.into();
    transport.source_port = FRONTEND_PORT.into();
    settle(network, transport, addresses, ports);
}

/// Takes one hop away, and makes the checksums right.
#[inline]
fn settle(network: &mut Ipv4Header, transport: &mut TcpHeader, addresses: Delta, ports: Delta) {
    let before = u16::from_be_bytes([network.time_to_live, network.protocol]);
    network.time_to_live -= 1;
    let after = u16::from_be_bytes([network.time_to_live, network.protocol]);
    let hop = Delta::of_u16(before, after);
    network.checksum = addresses.and(hop).apply(network.checksum.get()).into();
    transport.checksum = addresses.and(ports).apply(transport.checksum.get()).into();
}
