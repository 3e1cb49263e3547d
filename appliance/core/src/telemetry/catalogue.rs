//! The one list of counters, drop reasons and punt classes, with their names and meanings.

/// Defines an enum whose variants are counter slots with a name and a help text.
macro_rules! catalogue {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident $name:literal $help:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $enum {
            $(#[doc = $help] $variant,)*
        }

        impl $enum {
            /// All of them, in the order of their slots.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name, the same in code, metrics, CLI and docs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }

            /// The slot among its kind.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

catalogue! {
    /// What a worker counts besides drops and punts.
    Counter {
        RxPackets "rx_packets" "Packets received from the wire.",
        RxBytes "rx_bytes" "Bytes of packets received from the wire.",
        RxKernelPackets "rx_kernel_packets" "Packets of the kernel twin that a worker took to transmit.",
        OriginatedPackets "originated_packets" "Packets that Weir made itself: announcements, resets and ICMP errors.",
        TxPackets "tx_packets" "Packets transmitted, answers not included.",
        TxBytes "tx_bytes" "Bytes of packets transmitted, answers not included.",
        AnsweredPackets "answered_packets" "Packets turned into an answer and transmitted.",
        PuntedPackets "punted_packets" "Packets given to the kernel twin.",
        DroppedPackets "dropped_packets" "Packets dropped, for any reason.",
        HandoffOutPackets "handoff_out_packets" "Packets handed to the worker that owns their flow.",
        HandoffInPackets "handoff_in_packets" "Packets taken over from another worker.",
        RelayOutPackets "relay_out_packets" "Packets passed to the worker that holds the transmit queue.",
        RelayInPackets "relay_in_packets" "Packets taken from workers without a transmit queue.",
        FlowsCreated "flows_created" "Flow records created.",
        FlowsExpired "flows_expired" "Flow records ended by their timer.",
        FlowsEnded "flows_ended" "Flow records ended by a change of configuration or a reused tuple.",
        FlowsUntracked "flows_untracked" "Opening packets translated without a record, since the table was full or under pressure.",
        FallbackPackets "fallback_packets" "TCP packets in mid-stream translated by the hash alone, without a record.",
        StatelessPackets "stateless_packets" "UDP packets translated from the snapshot alone, as Azure does.",
        IcmpErrorsTranslated "icmp_errors_translated" "ICMP errors about translated flows, carried to the flow's other end.",
        RoutedPackets "routed_packets" "Packets routed without translation.",
        ResolveRequests "resolve_requests" "Requests to resolve a next hop, passed to the control side.",
        ResetsSent "resets_sent" "TCP resets sent because a flow was idle, or refused for want of a port.",
        IcmpErrorsSent "icmp_errors_sent" "ICMP errors sent because a flow was refused for want of a port.",
        SnatStubsCreated "snat_stubs_created" "Outbound flows that found their port at another of their member's workers.",
        SessionRecords "session_records" "Records of outbound sessions, passed to the session log.",
        SessionRecordsLost "session_records_lost" "Records of outbound sessions that found no room on the way to the session log.",
        WorkerAllocations "worker_allocations" "Heap allocations on a worker after start; always 0.",
    }
}

catalogue! {
    /// Why a packet was dropped. The counter's name is `drop_NAME_packets`.
    DropReason {
        EthernetTruncated "ethernet_truncated" "The frame ends inside its Ethernet header or VLAN tags.",
        VlanTooDeep "vlan_too_deep" "The frame has more than two VLAN tags.",
        Ipv4Header "ipv4_header" "The IPv4 header is cut off or contradicts itself.",
        Ipv4Length "ipv4_length" "The IPv4 length exceeds the frame or is shorter than the header.",
        Ipv6Header "ipv6_header" "The IPv6 header or one of its extension headers is cut off or contradicts itself.",
        Ipv6Length "ipv6_length" "The IPv6 length exceeds the frame, or the packet claims to be a jumbogram.",
        Ipv6Extensions "ipv6_extensions" "The packet has more than eight extension headers, or they reach too far into the frame.",
        TcpHeader "tcp_header" "The TCP header is cut off or contradicts itself.",
        UdpHeader "udp_header" "The UDP header is cut off or contradicts itself.",
        Segmented "segmented" "The frame did not fit one buffer: raise the port's MTU.",
        NotForUs "not_for_us" "The frame is addressed to another station, or to all and is neither ARP nor neighbour discovery.",
        SourceMacOwn "source_mac_own" "The frame claims to come from this port itself: a loop.",
        EtherTypeUnknown "ether_type_unknown" "Neither IPv4, IPv6 nor ARP.",
        ChecksumPartial "checksum_partial" "The sender left the checksum to a NIC that did not exist: turn its transmit offload off.",
        SourceInvalid "source_invalid" "The source address cannot be one: unspecified, loopback, multicast, broadcast, link-local IPv6 or IPv4 inside IPv6.",
        DestinationInvalid "destination_invalid" "The destination is unspecified, loopback, multicast, broadcast, link-local IPv6 or IPv4 inside IPv6.",
        SourceIsFrontend "source_is_frontend" "The source is a frontend, a public or an own address: spoofed or looping.",
        ReversePath "reverse_path" "A member's address arrived on a port that does not lead to it.",
        TtlExpired "ttl_expired" "No hop remains.",
        MtuExceeded "mtu_exceeded" "The packet is longer than the MTU of the port it should leave by.",
        FragmentNotTranslated "fragment_not_translated" "Fragments of translated flows are not forwarded, as in Azure.",
        IcmpToFrontend "icmp_to_frontend" "Rules carry no ICMP.",
        IcmpErrorNotTranslated "icmp_error_not_translated" "An ICMP error that quotes no packet of a translated flow, or too little of it.",
        ProtocolNotTranslated "protocol_not_translated" "Only TCP, UDP and, where the outbound rule says enableIcmpEcho, pings to the outside are translated.",
        FloatingIpReply "floating_ip_reply" "A member answered from a frontend address, and floating IP is not served by this version.",
        AmbiguousEndpoint "ambiguous_endpoint" "The source is an endpoint of several rules, and such rules are not served by this version.",
        MemberMismatch "member_mismatch" "A member answered for a flow that another one serves.",
        NoRule "no_rule" "The frontend has no rule for this protocol and port.",
        NoHealthyMember "no_healthy_member" "No member of the rule's pool is eligible.",
        OwnAddressClosed "own_address_closed" "Own addresses take only probe replies, ARP and what ownAddresses.allow names.",
        ArpNotAnswered "arp_not_answered" "ARP that concerns neither a frontend nor an own address, and announces no host on the link.",
        NeighbourNotAnswered "neighbour_not_answered" "Neighbour discovery that concerns neither a frontend nor an own address, and announces no host on the link, or is of routers.",
        SnatPortsExhausted "snat_ports_exhausted" "The member has no port left towards this destination.",
        SnatDestinationsFull "snat_destinations_full" "A table of outbound ports in use is full.",
        SnatShareExceeded "snat_share_exceeded" "The flow table is under pressure, and the member has more than its share of it.",
        SnatFlowUnknown "snat_flow_unknown" "An outbound address was sent a packet that belongs to no flow.",
        OutboundMidStream "outbound_mid_stream" "A member sent TCP that opens no connection and belongs to no flow.",
        NoOutbound "no_outbound" "Nothing lets the member's flows of this protocol leave, and the destination is not routed; IPv6 has none in this version.",
        InstanceInboundClosed "instance_inbound_closed" "A connection was opened from outside to a member's public address that takes none.",
        InstanceHairpin "instance_hairpin" "A host inside sent to a member's public address: hosts inside reach each other by their own addresses.",
        InstancePortBalanced "instance_port_balanced" "A datagram to a member's public address and a port that a load-balancing rule leads to.",
        FlowTableFull "flow_table_full" "A flow that must be tracked found no room.",
        NoRoute "no_route" "No route leads to the destination.",
        RouteNotPermitted "route_not_permitted" "Plain routing joins virtual networks and routedPrefixes only.",
        NeighbourUnresolved "neighbour_unresolved" "The next hop has not told its link-layer address.",
        HandoffFull "handoff_full" "The ring to the worker that owns the flow is full.",
        HandoffLoop "handoff_loop" "The packet was handed over more often than allowed.",
        RelayFull "relay_full" "The ring to the worker that holds the transmit queue is full.",
        TransmitQueueFull "transmit_queue_full" "The port's transmit queue is full.",
        PuntFull "punt_full" "The ring to the kernel twin is full.",
        PuntPoliced "punt_policed" "The punt class has used up its rate.",
        AnnouncementFailed "announcement_failed" "No buffer was free for a packet of our own.",
    }
}

catalogue! {
    /// Why a packet goes to the kernel twin. The counter's name is `punt_NAME_packets`.
    PuntClass {
        Arp "arp" "ARP and neighbour discovery that concern an own address, or announce a host on the link.",
        Probe "probe" "TCP from a member to an own address: replies to probes.",
        Routing "routing" "BGP and BFD, where ownAddresses.allow names them.",
        Rest "rest" "Everything else that ownAddresses.allow names: ICMP and ssh.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_stands_for_one_thing() {
        let names: BTreeSet<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.len(), Counter::COUNT);
        let names: BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), DropReason::COUNT);
    }

    #[test]
    fn every_help_is_a_sentence() {
        let help = Counter::ALL.iter().map(|counter| counter.help());
        let help = help.chain(DropReason::ALL.iter().map(|reason| reason.help()));
        assert!(help.into_iter().all(|text| text.ends_with('.')));
    }
}
