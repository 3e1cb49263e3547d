//! What can go wrong with a port, and what helps?

use crate::errno::Errno;

/// Why something about a port did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No port has this name.
    #[error("no port is named {name:?}; add the device with --vdev or -a, or attach it")]
    NotFound {
        /// As asked for.
        name: String,
    },
    /// The device could not be added.
    #[error(
        "device {devargs:?} was not attached ({errno}); check its name and arguments, that its \
         driver is in DPDK's plugin folder, and that no device has its name"
    )]
    NotAttached {
        /// As asked for.
        devargs: String,
        /// As DPDK said it.
        errno: Errno,
    },
    /// The port does not exist any more.
    #[error("port {port} is gone: it was closed or its device removed; list the ports again")]
    Gone {
        /// DPDK's number.
        port: u16,
    },
    /// Its queues are in use.
    #[error("port {port} is in use; drop its StartedPort and all its queues first")]
    InUse {
        /// DPDK's number.
        port: u16,
    },
    /// Zero or too many queues.
    #[error(
        "port {port} cannot have {rx} receive and {tx} transmit queues; ask for 1 to {rx_max} \
         and 1 to {tx_max}"
    )]
    BadQueueCount {
        /// DPDK's number.
        port: u16,
        /// As asked for.
        rx: u16,
        /// As asked for.
        tx: u16,
        /// The most the device has.
        rx_max: u16,
        /// The most the device has.
        tx_max: u16,
    },
    /// Neither one pool for all receive queues nor one for each.
    #[error("{pools} pools for {rx} receive queues; give one for all, or one for each")]
    BadPoolCount {
        /// As given.
        pools: usize,
        /// As asked for.
        rx: u16,
    },
    /// Outside of what the device can.
    #[error("port {port} cannot have an MTU of {mtu} bytes; ask for {smallest} to {largest}")]
    BadMtu {
        /// DPDK's number.
        port: u16,
        /// As asked for, in bytes.
        mtu: u16,
        /// In bytes.
        smallest: u16,
        /// In bytes.
        largest: u16,
    },
    /// The key of the hash has another length than the device's.
    #[error("port {port} has an RSS key of {wanted} bytes, not {given}; give that many, or none")]
    BadRssKey {
        /// DPDK's number.
        port: u16,
        /// In bytes.
        given: usize,
        /// In bytes.
        wanted: u8,
    },
    /// The redirection table has another size, or names a queue that does not exist.
    #[error(
        "the redirection table of port {port} has {size} entries below {queues}; give exactly \
         that"
    )]
    BadReta {
        /// DPDK's number.
        port: u16,
        /// Entries of the device's table.
        size: u16,
        /// Receive queues of the port.
        queues: u16,
    },
    /// The driver or ethdev refused.
    #[error("port {port}: {step} was refused ({errno}); {}", step.remedy())]
    Refused {
        /// DPDK's number.
        port: u16,
        /// What was asked for.
        step: Step,
        /// As DPDK said it.
        errno: Errno,
    },
}

/// What was asked of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Step {
    /// `rte_eth_dev_info_get` and the like.
    #[error("a description")]
    Info,
    /// `rte_eth_dev_configure`.
    #[error("the configuration")]
    Configure,
    /// `rte_eth_rx_queue_setup`.
    #[error("receive queue {0}")]
    RxQueue(u16),
    /// `rte_eth_tx_queue_setup`.
    #[error("transmit queue {0}")]
    TxQueue(u16),
    /// `rte_eth_dev_set_mtu`.
    #[error("the MTU")]
    Mtu,
    /// `rte_eth_promiscuous_enable` or `_disable`.
    #[error("promiscuous mode")]
    Promiscuous,
    /// `rte_eth_dev_start`.
    #[error("the start")]
    Start,
    /// `rte_eth_macaddr_get`, `rte_eth_dev_default_mac_addr_set`.
    #[error("the MAC address")]
    Mac,
    /// `rte_eth_link_get_nowait`.
    #[error("the state of the link")]
    Link,
    /// `rte_eth_stats_get`.
    #[error("the statistics")]
    Stats,
    /// `rte_eth_dev_rss_reta_query`, `rte_eth_dev_rss_reta_update`.
    #[error("the redirection table")]
    Reta,
}

impl Step {
    fn remedy(self) -> &'static str {
        match self {
            Self::Info | Self::Link | Self::Stats => "the driver does not report it",
            Self::Configure => "ask for fewer queues, no RSS, or another MTU",
            Self::RxQueue(_) => "try fewer descriptors, a larger data room or a larger pool",
            Self::TxQueue(_) => "try fewer descriptors",
            Self::Mtu => "keep the device's own MTU",
            Self::Promiscuous => "set the device's MAC address instead",
            Self::Start => "enlarge the pool; DPDK's log may say more",
            Self::Mac => "keep the device's own address",
            Self::Reta => "use the driver's own table",
        }
    }
}
