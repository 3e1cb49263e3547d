//! What can be done about a packet that was dropped?
//!
//! One sentence for each reason. Not here: what the reason means (`telemetry::catalogue`), more
//! words (`docs/counters.md`).

use crate::telemetry::DropReason;

/// What to do about packets that are dropped for `reason`.
#[must_use]
pub const fn remedy(reason: DropReason) -> &'static str {
    use DropReason as Drop;
    match reason {
        Drop::EthernetTruncated => "Look for a broken sender or cable, by a mirror port.",
        Drop::VlanTooDeep => "Take the VLAN tags off before Weir.",
        Drop::Ipv4Header
        | Drop::Ipv4Length
        | Drop::Ipv6Header
        | Drop::Ipv6Length
        | Drop::TcpHeader
        | Drop::UdpHeader => "Look for the sender of malformed packets; often it is a scan.",
        Drop::Ipv6Extensions => "Find the sender: nobody needs so many extension headers.",
        Drop::Segmented => {
            "Raise the port's mtu, or lower the sender's, and turn off large receive offload."
        }
        Drop::NotForUs => {
            "Nothing, if it is broadcast or multicast; else look for a mirror port or a wrong \
             static neighbour."
        }
        Drop::SourceMacOwn => {
            "Look for a loop in the network, or a second appliance with this MAC."
        }
        Drop::EtherTypeUnknown => "Find the sender: only IPv4, IPv6 and ARP are known here.",
        Drop::ChecksumPartial => "Run `ethtool -K IFACE tx off` on the peer.",
        Drop::SourceInvalid => "Filter such sources upstream: they are spoofed.",
        Drop::DestinationInvalid => "Find the sender: such a destination is never forwarded.",
        Drop::SourceIsFrontend => {
            "Look for spoofing, a loop, or a member that has a frontend address on its loopback."
        }
        Drop::ReversePath => {
            "Check the sender's default route: it must send by the port whose routes lead back to \
             it."
        }
        Drop::TtlExpired => "Look for a routing loop; a traceroute has a gap here by design.",
        Drop::MtuExceeded => "Set the same MTU on all ports, or a smaller MSS at the servers.",
        Drop::FragmentNotTranslated => "Lower the sender's packet size.",
        Drop::IcmpToFrontend => "Test frontends with TCP: they do not answer ping, by design.",
        Drop::IcmpErrorNotTranslated => {
            "Keep one MTU on both sides: path MTU discovery does not work through Weir."
        }
        Drop::ProtocolNotTranslated => "Use TCP or UDP: nothing else is translated.",
        Drop::FloatingIpReply => {
            "Take the frontend's address off the member: floating IP is not served."
        }
        Drop::AmbiguousEndpoint => {
            "Give each rule a backendPort of its own on this member: `weir check` says which \
             collide."
        }
        Drop::MemberMismatch => "Look for two members with one address, or traffic that is copied.",
        Drop::NoRule => {
            "Add a load-balancing rule for this frontend, protocol and port, or correct the \
             client's."
        }
        Drop::NoHealthyMember => {
            "See `weirctl health` for why each member is down; after a start, wait for the first \
             probes."
        }
        Drop::OwnAddressClosed => "Name the service in appliance.ownAddresses.allow.",
        Drop::ArpNotAnswered | Drop::NeighbourNotAnswered => {
            "Nothing: hosts ask for each other on every segment."
        }
        Drop::SnatPortsExhausted => {
            "Raise allocatedOutboundPorts of the outbound rule, reuse connections, or spread \
             destinations."
        }
        Drop::SnatDestinationsFull | Drop::FlowTableFull => {
            "Raise appliance.limits.flowsPerWorker, and restart."
        }
        Drop::SnatFlowUnknown => {
            "Nothing, if it is a scan or a late packet; to be reached from outside, a member needs \
             a load-balancing rule."
        }
        Drop::OutboundMidStream => {
            "Connect anew, and set keep-alives below the outbound rule's idleTimeoutInMinutes."
        }
        Drop::NoOutbound => {
            "Add an outbound rule for this protocol to the member's pool, or the destination's \
             prefix to appliance.routedPrefixes."
        }
        Drop::NoRoute => "Add a route to appliance.routes, or look at the routing daemon.",
        Drop::RouteNotPermitted => {
            "Add the prefix to a virtual network or to appliance.routedPrefixes, if it should be \
             routed."
        }
        Drop::NeighbourUnresolved => {
            "Try again, since the address has been asked for; if it stays, look at `ip -n weir \
             neigh` and at the host itself."
        }
        Drop::HandoffFull => {
            "Look at busyPercent of the workers in `weirctl status`; use a NIC with receive-side \
             scaling."
        }
        Drop::HandoffLoop => "Report it as a defect, unless it is a handful during a change.",
        Drop::RelayFull => "Use a device with as many queues as there are workers.",
        Drop::TransmitQueueFull => {
            "Look at the link, which is saturated; raise transmitDescriptors."
        }
        Drop::PuntFull => {
            "Look for a flood in the punt classes: the control side does not keep up."
        }
        Drop::PuntPoliced => "Look for a flood at an own address or in ARP.",
        Drop::AnnouncementFailed => "Raise appliance.limits.mbufs, and restart.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_sentence_that_says_what_to_do() {
        for reason in DropReason::ALL {
            let text = remedy(*reason);
            assert!(text.ends_with('.') && !text.contains(". "), "{}: {text}", reason.name());
            assert!(text.starts_with(|it: char| it.is_ascii_uppercase()), "{text}");
            assert!(text.len() < 120, "{}: {text}", reason.name());
        }
    }
}
