//! What does an operator look at first? The reply to `status`.
//!
//! Counts are since the process started unless a field says otherwise.
//!
//! Not here: every single counter (`stats`), how the reply looks on a terminal (`weirctl`).

use serde::{Deserialize, Serialize};

/// Defines the parts of the reply: camelCase in JSON, every field optional when read.
macro_rules! reply_types {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(default, rename_all = "camelCase")]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }
        )*
    };
}

reply_types! {
    /// The reply to `status`.
    Status {
        /// The appliance's name from its configuration.
        name: String,
        /// The release of Weir.
        version: String,
        /// Since the process started.
        uptime_seconds: u64,
        /// The configuration generation in force.
        generation: u32,
        /// The worker lcores.
        workers: Vec<WorkerStatus>,
        /// The DPDK ports.
        ports: Vec<PortStatus>,
        /// The frontends with their rules, in the order of the configuration.
        frontends: Vec<FrontendStatus>,
        /// Every member of every pool.
        members: Vec<MemberStatus>,
        /// Outbound ports of every member, for each protocol.
        outbound: Vec<OutboundStatus>,
        /// How packets ended.
        packets: PacketStatus,
        /// Why packets were dropped; reasons that occurred only.
        drops: Vec<DropCount>,
        /// Packet buffers.
        mbufs: MbufStatus,
        /// What an operator should look into, one sentence each.
        warnings: Vec<String>,
    }

    /// One worker.
    WorkerStatus {
        /// Its number.
        worker: u8,
        /// The lcore it runs on.
        lcore: u32,
        /// The age of its latest sign of life.
        heartbeat_milliseconds_ago: u64,
        /// `running`, `asleep` or `stuck`.
        state: String,
        /// Flow records in use.
        flows: u64,
        /// Flow records there are.
        flows_max: u64,
        /// What they stand on: `1 GiB`, `2 MiB`, `transparent` or `ordinary` pages.
        flow_pages: String,
        /// The share of the latest second that it spent on packets, 0 to 100.
        busy_percent: u8,
    }

    /// One DPDK port.
    PortStatus {
        /// Its name in `appliance.ports`.
        name: String,
        /// The device: a PCI address or the name of a virtual device.
        device: String,
        /// The DPDK driver.
        driver: String,
        /// The link-layer address.
        mac: String,
        /// The link.
        link: Link,
        /// In bytes, without the Ethernet header.
        mtu: u32,
        /// Receive queues in use.
        rx_queues: u16,
        /// Transmit queues in use.
        tx_queues: u16,
        /// The appliance's own addresses there, as prefixes.
        addresses: Vec<String>,
        /// Packets received.
        received: u64,
        /// Packets transmitted.
        transmitted: u64,
        /// Packets that the device dropped since no worker fetched them in time.
        missed: u64,
    }

    /// The state of a port's link.
    Link {
        /// Whether it carries.
        up: bool,
        /// Its speed; 0 when the device does not say.
        megabits_per_second: u32,
    }

    /// One frontend.
    FrontendStatus {
        /// The frontend IP configuration's name.
        name: String,
        /// Its address.
        address: String,
        /// The load-balancing rules on it.
        rules: Vec<RuleStatus>,
    }

    /// One load-balancing rule.
    RuleStatus {
        /// The rule's name.
        name: String,
        /// `Tcp`, `Udp` or `All`.
        protocol: String,
        /// The port that clients use; 0 for all ports.
        frontend_port: u16,
        /// The port of the members; 0 for the same port.
        backend_port: u16,
        /// The backend address pool's name.
        pool: String,
        /// Members that receive new flows.
        members_up: u32,
        /// Members of the pool.
        members_total: u32,
        /// Flows alive.
        flows: u64,
        /// Packets, both directions.
        packets: u64,
        /// Bytes of IP packets, both directions.
        bytes: u64,
    }

    /// One member of one pool.
    MemberStatus {
        /// Its address.
        address: String,
        /// Its name; of an interface without an entry in the pool, `interface/ipConfiguration`.
        name: String,
        /// The load balancer's name.
        load_balancer: String,
        /// The backend address pool's name, unique in the load balancer.
        pool: String,
        /// `Up`, `Down`, or `NA` before the first probe result.
        state: String,
        /// Azure's reason code (behaviour.md §3.6); `null` without a probe.
        reason: Option<String>,
        /// The link-layer address of its next hop; `null` while that is not resolved.
        mac: Option<String>,
        /// Flows alive.
        flows: u64,
    }

    /// The outbound ports of one member, at all of its outbound addresses, for one protocol.
    OutboundStatus {
        /// The id of the rule that gives them: an outbound rule, or a load-balancing rule.
        rule: String,
        /// The outbound addresses, in the order in which they are used.
        addresses: Vec<String>,
        /// The member's address.
        member: String,
        /// `Tcp`, `Udp` or `Icmp`.
        protocol: String,
        /// Ports that the member has.
        ports_allocated: u32,
        /// Ports in use.
        ports_used: u32,
        /// Packets that would have begun a flow and found no port, since the member has ports.
        flows_refused: u64,
    }

    /// How packets ended.
    PacketStatus {
        /// Taken from the wire, the kernel and the appliance itself.
        received: u64,
        /// Sent on.
        transmitted: u64,
        /// Answered by the appliance itself (ARP, neighbour discovery, ICMP, RST).
        answered: u64,
        /// Given to the kernel.
        punted: u64,
        /// Dropped, each for one of `drops`.
        dropped: u64,
        /// Handed to another worker.
        handed_off: u64,
    }

    /// How many packets were dropped for one reason.
    DropCount {
        /// The reason's name.
        reason: String,
        /// Packets.
        count: u64,
    }

    /// Packet buffers.
    MbufStatus {
        /// Taken from the pools.
        in_use: u64,
        /// In all pools together.
        capacity: u64,
    }
}
