//! What can be done about a packet that was dropped?
//!
//! One sentence for each reason. Not here: what the reason means (`telemetry::catalogue`), more
//! words (`docs/counters.md`).

use crate::telemetry::DropReason;

/// What to do about packets that are dropped for `reason`.
#[must_use]
pub const fn remedy(reason: DropReason) -> &'static str {
    REMEDIES[reason.index()].1
}

/// Each reason with what to do, in the order of the catalogue.
const REMEDIES: [(DropReason, &str); DropReason::COUNT] = [
    (DropReason::EthernetTruncated, "Look for a broken sender or cable, by a mirror port."),
    (DropReason::VlanTooDeep, "Take the VLAN tags off before Weir."),
    (DropReason::Ipv4Header, "Look for the sender of malformed packets; often it is a scan."),
    (DropReason::Ipv4Length, "Look for the sender of malformed packets; often it is a scan."),
    (DropReason::Ipv6Header, "Look for the sender of malformed packets; often it is a scan."),
    (DropReason::Ipv6Length, "Look for the sender of malformed packets; often it is a scan."),
    (DropReason::Ipv6Extensions, "Find the sender: nobody needs so many extension headers."),
    (DropReason::TcpHeader, "Look for the sender of malformed packets; often it is a scan."),
    (DropReason::UdpHeader, "Look for the sender of malformed packets; often it is a scan."),
    (
        DropReason::Segmented,
        "Raise the port's mtu, or lower the sender's, and turn off large receive offload.",
    ),
    (
        DropReason::NotForUs,
        "Nothing, if it is broadcast or multicast; else look for a mirror port or a wrong static \
         neighbour.",
    ),
    (
        DropReason::SourceMacOwn,
        "Look for a loop in the network, or a second appliance with this MAC.",
    ),
    (DropReason::EtherTypeUnknown, "Find the sender: only IPv4, IPv6 and ARP are known here."),
    (DropReason::ChecksumPartial, "Run `ethtool -K IFACE tx off` on the peer."),
    (DropReason::SourceInvalid, "Filter such sources upstream: they are spoofed."),
    (DropReason::DestinationInvalid, "Find the sender: such a destination is never forwarded."),
    (
        DropReason::SourceIsFrontend,
        "Look for spoofing, a loop, or a member that has a frontend address on its loopback.",
    ),
    (
        DropReason::ReversePath,
        "Check the sender's default route: it must send by the port whose routes lead back to it.",
    ),
    (DropReason::TtlExpired, "Look for a routing loop; a traceroute has a gap here by design."),
    (DropReason::MtuExceeded, "Set the same MTU on all ports, or a smaller MSS at the servers."),
    (DropReason::FragmentNotTranslated, "Lower the sender's packet size."),
    (DropReason::IcmpToFrontend, "Test frontends with TCP: they do not answer ping, by design."),
    (
        DropReason::IcmpErrorNotTranslated,
        "Nothing, if they are few: the flow has ended, or the error is spoofed.",
    ),
    (
        DropReason::ProtocolNotTranslated,
        "Use TCP or UDP, or for pings to the outside set enableIcmpEcho on the outbound rule.",
    ),
    (
        DropReason::FloatingIpReply,
        "Take the frontend's address off the member: floating IP is not served.",
    ),
    (
        DropReason::AmbiguousEndpoint,
        "Give each rule a backendPort of its own on this member: `weir check` says which collide.",
    ),
    (
        DropReason::MemberMismatch,
        "Look for two members with one address, or traffic that is copied.",
    ),
    (
        DropReason::NoRule,
        "Add a load-balancing rule for this frontend, protocol and port, or correct the client's.",
    ),
    (
        DropReason::NoHealthyMember,
        "See `weirctl health` for why each member is down; after a start, wait for the first \
         probes.",
    ),
    (DropReason::OwnAddressClosed, "Name the service in appliance.ownAddresses.allow."),
    (DropReason::ArpNotAnswered, "Nothing: hosts ask for each other on every segment."),
    (DropReason::NeighbourNotAnswered, "Nothing: hosts ask for each other on every segment."),
    (
        DropReason::SnatPortsExhausted,
        "Have the member reuse connections, raise allocatedOutboundPorts of its outbound rule, or \
         set enableOnDemandPorts.",
    ),
    (DropReason::SnatDestinationsFull, "Raise appliance.limits.flowsPerWorker, and restart."),
    (
        DropReason::SnatShareExceeded,
        "Find out why the member opens so many connections, or raise \
         appliance.limits.flowsPerWorker and restart.",
    ),
    (
        DropReason::SnatFlowUnknown,
        "Nothing, if it is a scan or a late packet; to be reached from outside, a member needs a \
         load-balancing rule.",
    ),
    (
        DropReason::OutboundMidStream,
        "Connect anew, and set keep-alives below the outbound rule's idleTimeoutInMinutes.",
    ),
    (
        DropReason::NoOutbound,
        "Add an outbound rule for this protocol to the member's pool, or the destination's prefix \
         to appliance.routedPrefixes.",
    ),
    (
        DropReason::InstanceInboundClosed,
        "Set extensions.enableInbound of the IP configuration, if hosts outside may connect.",
    ),
    (DropReason::InstanceHairpin, "Send to the member's own address, which is routed."),
    (
        DropReason::InstancePortBalanced,
        "Send to the rule's frontend, or give the rule another backendPort.",
    ),
    (DropReason::FlowTableFull, "Raise appliance.limits.flowsPerWorker, and restart."),
    (DropReason::NoRoute, "Add a route to appliance.routes, or look at the routing daemon."),
    (
        DropReason::RouteNotPermitted,
        "Add the prefix to a virtual network or to appliance.routedPrefixes, if it should be \
         routed.",
    ),
    (
        DropReason::NeighbourUnresolved,
        "Try again, since the address has been asked for; if it stays, look at `ip -n weir neigh` \
         and at the host itself.",
    ),
    (
        DropReason::HandoffFull,
        "Look at busyPercent of the workers in `weirctl status`; use a NIC with receive-side \
         scaling.",
    ),
    (DropReason::HandoffLoop, "Report it as a defect, unless it is a handful during a change."),
    (DropReason::RelayFull, "Use a device with as many queues as there are workers."),
    (
        DropReason::TransmitQueueFull,
        "Look at the link, which is saturated; raise transmitDescriptors.",
    ),
    (
        DropReason::PuntFull,
        "Look for a flood in the punt classes: the control side does not keep up.",
    ),
    (DropReason::PuntPoliced, "Look for a flood at an own address or in ARP."),
    (DropReason::AnnouncementFailed, "Raise appliance.limits.mbufs, and restart."),
];

/// Every reason stands in its place.
const _: () = {
    let mut place = 0;
    while place < REMEDIES.len() {
        assert!(REMEDIES[place].0.index() == place);
        place += 1;
    }
};

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
