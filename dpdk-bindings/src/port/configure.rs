//! What is asked of a port, and which of it does the port take?
//!
//! A wish that the device does not report as possible is not asked for; what became of it is told
//! by [`StartedPort::taken`](super::StartedPort::taken). What cannot be done at all is an error
//! before the device has been touched.

use std::sync::Arc;

use super::claim::{Claim, Device};
use super::{Port, PortError, Step};
use crate::errno::Errno;
use crate::mempool::Mempool;
use crate::raw;

/// What a port shall be.
///
/// Never asked for: several segments a packet, in either direction, so that a frame is one slice;
/// and MBUF_FAST_FREE, because a transmit queue sends packets of several pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// At least 1.
    pub rx_queues: u16,
    /// At least 1.
    pub tx_queues: u16,
    /// Per receive queue; brought into the device's bounds.
    pub rx_descriptors: u16,
    /// Per transmit queue; brought into the device's bounds.
    pub tx_descriptors: u16,
    /// The longest IP packet, in bytes.
    pub mtu: u16,
    /// How packets are spread over the receive queues; `None` for all on queue 0.
    pub rss: Option<Rss>,
    /// Whether frames for other addresses are received too.
    pub promiscuous: bool,
    /// Whether the device shall look at checksums, see
    /// [`Burst::checksum_flags`](crate::Burst::checksum_flags).
    pub rx_checksum: bool,
}

/// How packets shall be spread over the receive queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rss {
    /// The Toeplitz key, as long as the device's; empty for the driver's own.
    pub key: Vec<u8>,
    /// By the addresses of IPv4 and IPv6.
    pub ip: bool,
    /// By addresses and ports of TCP.
    pub tcp: bool,
    /// By addresses and ports of UDP.
    pub udp: bool,
}

/// A port that is ready to start. Dropped without that, it is closed.
#[derive(Debug)]
pub struct ConfiguredPort {
    pub(super) device: Arc<Device>,
    pub(super) configured: Configured,
}

/// What has been asked of the device and was not refused.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    pub(super) rx_offloads: u64,
    pub(super) rss_functions: u64,
    pub(super) rss_key_size: u8,
    /// Empty for the driver's own.
    pub(super) rss_key: Vec<u8>,
}

impl Port {
    /// Configures the port and its queues (`rte_eth_dev_configure`, `rte_eth_rx_queue_setup`,
    /// `rte_eth_tx_queue_setup`, `rte_eth_dev_set_mtu`, `rte_eth_promiscuous_enable`).
    ///
    /// `pools` is where received packets are put: one for all receive queues, or one for each.
    ///
    /// # Errors
    /// [`PortError::InUse`], an error that names the value out of range, or the driver's reason.
    pub fn configure(
        &self,
        config: &PortConfig,
        pools: &[Mempool],
    ) -> Result<ConfiguredPort, PortError> {
        let mut claim = Claim::take(self)?;
        let configured = {
            let _control = self.runtime.control();
            let info = self.raw_info()?;
            self.check_wishes(config, pools, &info)?;
            let configured = self.configure_device(config, &info)?;
            self.set_up_queues(&configured, pools, &info)?;
            self.set_mtu(config.mtu)?;
            // Devices without addresses (rings, files) always receive everything and cannot be
            // told otherwise; `taken` says so.
            match self.set_promiscuous_locked(config.promiscuous) {
                Err(PortError::Refused { errno: Errno::NotSupported, .. }) => {}
                other => other?,
            }
            configured
        };
        claim.close_on_drop();
        let device = Arc::new(Device { claim, pools: pools.to_vec() });
        Ok(ConfiguredPort { device, configured })
    }

    fn check_wishes(
        &self,
        config: &PortConfig,
        pools: &[Mempool],
        info: &raw::weir_port_info,
    ) -> Result<(), PortError> {
        let port = self.id;
        let (rx, tx) = (config.rx_queues, config.tx_queues);
        let (rx_max, tx_max) = (info.max_rx_queues, info.max_tx_queues);
        if !(1..=rx_max).contains(&rx) || !(1..=tx_max).contains(&tx) {
            return Err(PortError::BadQueueCount { port, rx, tx, rx_max, tx_max });
        }
        if pools.len() != 1 && pools.len() != usize::from(rx) {
            return Err(PortError::BadPoolCount { pools: pools.len(), rx });
        }
        let (smallest, largest) = (info.min_mtu, info.max_mtu);
        if !(smallest..=largest).contains(&config.mtu) {
            return Err(PortError::BadMtu { port, mtu: config.mtu, smallest, largest });
        }
        let given = config.rss.as_ref().map_or(0, |rss| rss.key.len());
        let wanted = rss_key_size(info);
        if given != 0 && given != usize::from(wanted) && info.rss_functions != 0 {
            return Err(PortError::BadRssKey { port, given, wanted });
        }
        Ok(())
    }

    fn configure_device(
        &self,
        config: &PortConfig,
        info: &raw::weir_port_info,
    ) -> Result<Configured, PortError> {
        let rss_functions = config.rss.as_ref().map_or(0, Rss::functions) & info.rss_functions;
        let mut key = config.rss.as_ref().map(|rss| rss.key.clone()).unwrap_or_default();
        let key_size = u8::try_from(key.len()).unwrap_or(0);
        let rx_offloads = if config.rx_checksum { CHECKSUM_OFFLOADS & info.rx_offloads } else { 0 };
        let request = raw::weir_port_request {
            rx_offloads,
            rss_functions,
            rss_key: if key_size == 0 { std::ptr::null_mut() } else { key.as_mut_ptr() },
            rss_key_size: key_size,
            rx_queues: config.rx_queues,
            tx_queues: config.tx_queues,
            mtu: config.mtu,
        };
        // SAFETY: the request and its key live for the call, which copies them; the claim and
        // the control lock keep everybody else away from the port.
        let result = unsafe { raw::weir_port_configure(self.id, &request) };
        self.check(Step::Configure, result)?;
        let (mut rx, mut tx) = (config.rx_descriptors, config.tx_descriptors);
        // SAFETY: DPDK reads and writes the two numbers.
        let result = unsafe { raw::rte_eth_dev_adjust_nb_rx_tx_desc(self.id, &mut rx, &mut tx) };
        self.check(Step::Configure, result)?;
        Ok(Configured {
            rx_queues: config.rx_queues,
            tx_queues: config.tx_queues,
            rx_descriptors: rx,
            tx_descriptors: tx,
            rx_offloads,
            rss_functions,
            rss_key_size: rss_key_size(info),
            rss_key: key.iter().copied().take(usize::from(key_size)).collect(),
        })
    }

    fn set_up_queues(
        &self,
        configured: &Configured,
        pools: &[Mempool],
        info: &raw::weir_port_info,
    ) -> Result<(), PortError> {
        // SOCKET_ID_ANY is -1 here and as unsigned there.
        let socket = u32::try_from(info.socket).unwrap_or(u32::MAX);
        let descriptors = configured.rx_descriptors;
        for (queue, pool) in (0..configured.rx_queues).zip(pools.iter().cycle()) {
            let pool = pool.as_ptr();
            // SAFETY: the pool outlives the port's use of it: `Device` holds a handle, and if
            // this fails nothing ever receives into it.
            let result =
                unsafe { raw::weir_port_rx_queue(self.id, queue, descriptors, socket, pool) };
            self.check(Step::RxQueue(queue), result)?;
        }
        let descriptors = configured.tx_descriptors;
        for queue in 0..configured.tx_queues {
            // SAFETY: numbers only; the claim keeps everybody else away from the port.
            let result = unsafe { raw::weir_port_tx_queue(self.id, queue, descriptors, socket) };
            self.check(Step::TxQueue(queue), result)?;
        }
        Ok(())
    }

    /// The configuration told ethdev the MTU, which suffices for most drivers; net_tap changes
    /// its kernel interface only when told so.
    fn set_mtu(&self, mtu: u16) -> Result<(), PortError> {
        // SAFETY: numbers only; DPDK checks the port.
        let result = unsafe { raw::rte_eth_dev_set_mtu(self.id, mtu) };
        match self.check(Step::Mtu, result) {
            Err(_) if self.raw_mtu() == Ok(mtu) => Ok(()),
            other => other,
        }
    }

    /// The caller holds the control lock.
    pub(super) fn set_promiscuous_locked(&self, on: bool) -> Result<(), PortError> {
        // SAFETY: a number only; DPDK checks the port.
        let now = unsafe { raw::rte_eth_promiscuous_get(self.id) };
        if now == i32::from(on) {
            return Ok(());
        }
        let result = if on {
            // SAFETY: as above.
            unsafe { raw::rte_eth_promiscuous_enable(self.id) }
        } else {
            // SAFETY: as above.
            unsafe { raw::rte_eth_promiscuous_disable(self.id) }
        };
        self.check(Step::Promiscuous, result)
    }
}

impl Rss {
    fn functions(&self) -> u64 {
        let wish = |wanted: bool, functions: u64| if wanted { functions } else { 0 };
        wish(self.ip, raw::WEIR_RSS_IP)
            | wish(self.tcp, raw::WEIR_RSS_TCP)
            | wish(self.udp, raw::WEIR_RSS_UDP)
    }
}

/// Drivers that do not say have a key of 40 bytes, the length that rte_eth_rss_conf promises.
fn rss_key_size(info: &raw::weir_port_info) -> u8 {
    if info.rss_key_size == 0 { 40 } else { info.rss_key_size }
}

const CHECKSUM_OFFLOADS: u64 = raw::WEIR_RX_OFFLOAD_IPV4_CHECKSUM
    | raw::WEIR_RX_OFFLOAD_TCP_CHECKSUM
    | raw::WEIR_RX_OFFLOAD_UDP_CHECKSUM;

/// The length of a key is 8 bits wide in DPDK.
pub(super) const RSS_KEY_MAX: usize = 255;
