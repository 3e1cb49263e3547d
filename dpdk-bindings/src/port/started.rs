//! What did a running port take of the wishes, and what may still change?

use std::ops::Deref;
use std::sync::Arc;

use super::claim::Device;
use super::configure::{Configured, RSS_KEY_MAX};
use super::info::{rss_names, rx_offload_names};
use super::{ConfiguredPort, MacAddress, Port, PortError, RxQueue, Step, TxQueue};
use crate::raw;

/// A running port. Everything that can be read of a [`Port`] can be read of it.
///
/// The device stops and closes when this and all its queues have been dropped. A closed port is
/// gone: its number may be given to another. Packets that are in a net_ring at that moment stay
/// there; other drivers give theirs back.
#[derive(Debug)]
pub struct StartedPort {
    device: Arc<Device>,
    taken: PortTaken,
}

/// What a port took of a [`PortConfig`](super::PortConfig).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortTaken {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Per receive queue.
    pub rx_descriptors: u16,
    /// Per transmit queue.
    pub tx_descriptors: u16,
    /// In bytes.
    pub mtu: u16,
    /// `None`: all packets arrive on queue 0, as far as DPDK knows.
    pub rss: Option<RssTaken>,
    /// As DPDK names them: `IPV4_CKSUM`.
    pub rx_offloads: Vec<String>,
    /// Whether frames for other addresses are received.
    pub promiscuous: bool,
}

/// What a port took of an [`Rss`](super::Rss). That is the driver's word, not a proof: drivers
/// are known to accept what they do not honour, so look where packets arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RssTaken {
    /// Addresses are hashed.
    pub ip: bool,
    /// Ports of TCP are hashed.
    pub tcp: bool,
    /// Ports of UDP are hashed.
    pub udp: bool,
    /// All functions by name: `ipv4-tcp`.
    pub functions: Vec<String>,
    /// The key as read back from the device, or `None` if it does not tell. Compare it with the
    /// one asked for: a driver may keep its own.
    pub key: Option<Vec<u8>>,
}

impl ConfiguredPort {
    /// Starts the device (`rte_eth_dev_start`) and hands out its queues, each once.
    ///
    /// # Errors
    /// The driver's reason. The port is closed then.
    pub fn start(self) -> Result<(StartedPort, Vec<RxQueue>, Vec<TxQueue>), PortError> {
        let port = &self.device.claim.port;
        let taken = {
            let _control = port.runtime.control();
            // SAFETY: the port is configured, and the control lock keeps everybody else away.
            let result = unsafe { raw::rte_eth_dev_start(port.id) };
            port.check(Step::Start, result)?;
            port.taken(&self.configured)?
        };
        let rx = (0..taken.rx_queues).map(|queue| RxQueue::new(&self.device, queue)).collect();
        let tx = (0..taken.tx_queues).map(|queue| TxQueue::new(&self.device, queue)).collect();
        Ok((StartedPort { device: self.device, taken }, rx, tx))
    }
}

impl StartedPort {
    /// What the port took of the wishes, as of its start.
    #[must_use]
    pub fn taken(&self) -> &PortTaken {
        &self.taken
    }

    /// Receives frames for other addresses, or does not (`rte_eth_promiscuous_enable`,
    /// `rte_eth_promiscuous_disable`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), PortError> {
        let _control = self.runtime.control();
        self.set_promiscuous_locked(on)
    }

    /// Changes the port's Ethernet address (`rte_eth_dev_default_mac_addr_set`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn set_mac(&self, mac: MacAddress) -> Result<(), PortError> {
        let _control = self.runtime.control();
        let mut address = raw::rte_ether_addr { addr_bytes: mac };
        // SAFETY: the address lives for the call, which copies it.
        let result = unsafe { raw::rte_eth_dev_default_mac_addr_set(self.id, &mut address) };
        self.check(Step::Mac, result)
    }

    /// The redirection table: the receive queue for each value of the hash
    /// (`rte_eth_dev_rss_reta_query`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason; not supported without RSS.
    pub fn reta(&self) -> Result<Vec<u16>, PortError> {
        let _control = self.runtime.control();
        let size = self.raw_info()?.reta_size;
        let mut groups = groups_for(size);
        // SAFETY: there is a group for each 64 entries, the last perhaps not full.
        let result = unsafe { raw::rte_eth_dev_rss_reta_query(self.id, groups.as_mut_ptr(), size) };
        self.check(Step::Reta, result)?;
        Ok(groups.iter().flat_map(|group| group.reta).take(usize::from(size)).collect())
    }

    /// Changes the whole redirection table (`rte_eth_dev_rss_reta_update`).
    ///
    /// # Errors
    /// [`PortError::BadReta`] for another size or a queue that does not exist;
    /// [`PortError::Gone`], or the driver's reason.
    pub fn set_reta(&self, queues: &[u16]) -> Result<(), PortError> {
        let _control = self.runtime.control();
        let size = self.raw_info()?.reta_size;
        let limit = self.taken.rx_queues;
        if queues.len() != usize::from(size) || queues.iter().any(|&queue| queue >= limit) {
            return Err(PortError::BadReta { port: self.id, size, queues: limit });
        }
        let mut groups = groups_for(size);
        for (group, queues) in groups.iter_mut().zip(queues.chunks(GROUP)) {
            for (entry, &queue) in group.reta.iter_mut().zip(queues) {
                *entry = queue;
            }
        }
        // SAFETY: there is a group for each 64 entries, the last perhaps not full.
        let result =
            unsafe { raw::rte_eth_dev_rss_reta_update(self.id, groups.as_mut_ptr(), size) };
        self.check(Step::Reta, result)
    }
}

impl Deref for StartedPort {
    type Target = Port;

    fn deref(&self) -> &Port {
        &self.device.claim.port
    }
}

impl Port {
    /// The caller holds the control lock.
    fn taken(&self, configured: &Configured) -> Result<PortTaken, PortError> {
        // SAFETY: a number only; DPDK checks the port.
        let promiscuous = unsafe { raw::rte_eth_promiscuous_get(self.id) };
        Ok(PortTaken {
            rx_queues: configured.rx_queues,
            tx_queues: configured.tx_queues,
            rx_descriptors: configured.rx_descriptors,
            tx_descriptors: configured.tx_descriptors,
            mtu: self.raw_mtu()?,
            rss: self.rss_taken(configured),
            rx_offloads: rx_offload_names(configured.rx_offloads),
            promiscuous: promiscuous == 1,
        })
    }

    /// Asks the device what it hashes; a driver that cannot tell is believed.
    fn rss_taken(&self, configured: &Configured) -> Option<RssTaken> {
        if configured.rss_functions == 0 {
            return None;
        }
        let mut told = self.rss_told(configured);
        let differs = told.as_ref().is_some_and(|(_, key)| *key != configured.rss_key);
        if differs && !configured.rss_key.is_empty() {
            // net_null takes a key only this way. Whether it helped is read back.
            let mut key = configured.rss_key.clone();
            let (functions, size) = (configured.rss_functions, configured.rss_key_size);
            // SAFETY: the key has as many bytes as `size` says, as was checked before.
            unsafe { raw::weir_port_set_rss(self.id, functions, key.as_mut_ptr(), size) };
            told = self.rss_told(configured);
        }
        let (functions, key) = match told {
            Some((functions, key)) => (functions, Some(key)),
            None => (configured.rss_functions, None),
        };
        (functions != 0).then(|| RssTaken {
            ip: functions & raw::WEIR_RSS_IP != 0,
            tcp: functions & raw::WEIR_RSS_TCP != 0,
            udp: functions & raw::WEIR_RSS_UDP != 0,
            functions: rss_names(functions),
            key,
        })
    }

    fn rss_told(&self, configured: &Configured) -> Option<(u64, Vec<u8>)> {
        let mut functions = 0;
        let mut key = [0; RSS_KEY_MAX];
        let size = configured.rss_key_size;
        // SAFETY: the key has room for 255 bytes, which is the most that `size` can say.
        let result = unsafe { raw::weir_port_rss(self.id, &mut functions, key.as_mut_ptr(), size) };
        let key = key.iter().copied().take(usize::from(size)).collect();
        (result == 0).then_some((functions, key))
    }
}

fn groups_for(size: u16) -> Vec<raw::rte_eth_rss_reta_entry64> {
    let mut left = usize::from(size);
    let mut groups = Vec::new();
    while left > 0 {
        let mask = if left >= GROUP { u64::MAX } else { (1 << left) - 1 };
        groups.push(raw::rte_eth_rss_reta_entry64 { mask, reta: [0; GROUP] });
        left = left.saturating_sub(GROUP);
    }
    groups
}

/// Entries of the redirection table that travel together.
const GROUP: usize = raw::WEIR_RETA_GROUP as usize;
