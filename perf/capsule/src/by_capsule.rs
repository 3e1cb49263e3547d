//! What does the rewrite cost when it is written with capsule?
//!
//! As capsule's own documentation has it: parse layer by layer, set fields, reconcile all. Written
//! in its favour where there is a choice: addresses are set on the IPv4 layer, because setting
//! them on the TCP layer updates a checksum that reconciling computes anew.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use capsule::Mbuf;
use capsule::packets::ip::v4::Ipv4;
use capsule::packets::{Ethernet, Packet, Tcp4};

use crate::balancer::{
    Balancer, FRONTEND, FRONTEND_PORT, GATEWAY_MAC, MEMBER_PORT, Member, OWN_MAC,
};

/// Sends a client's segment on to its member, and a member's back to the client.
///
/// # Errors
/// When capsule does not find a TCP segment in IPv4, or no hop remains.
#[inline]
pub fn rewrite(packet: Mbuf, balancer: &Balancer) -> Result<Tcp4> {
    let mut segment = packet.parse::<Ethernet>()?.parse::<Ipv4>()?.parse::<Tcp4>()?;
    let hops = segment.envelope().ttl();
    ensure!(hops > 1, "no hop remains");
    segment.envelope_mut().set_ttl(hops - 1);
    let source = u32::from(segment.envelope().src());
    if u32::from(segment.envelope().dst()) == FRONTEND {
        let member = balancer.member_of(source, segment.src_port());
        to_member(&mut segment, member);
    } else {
        from_frontend(&mut segment);
    }
    segment.reconcile_all();
    Ok(segment)
}

#[inline]
fn to_member(segment: &mut Tcp4, member: Member) {
    segment.set_dst_port(MEMBER_PORT);
    segment.envelope_mut().set_dst(Ipv4Addr::from(member.address));
    readdress(segment, member.mac);
}

#[inline]
fn from_frontend(segment: &mut Tcp4) {
    segment.set_src_port(FRONTEND_PORT);
    segment.envelope_mut().set_src(Ipv4Addr::from(FRONTEND));
    readdress(segment, GATEWAY_MAC);
}

#[inline]
fn readdress(segment: &mut Tcp4, destination: [u8; 6]) {
    let ethernet = segment.envelope_mut().envelope_mut();
    ethernet.set_src(OWN_MAC.into());
    ethernet.set_dst(destination.into());
}
