//! What can a port do, and how is it doing?

use std::ffi::{CStr, c_char};

use super::{Port, PortError, Step};
use crate::raw;

/// The six bytes of an Ethernet address, as on the wire.
pub type MacAddress = [u8; 6];

/// What a device can do (`rte_eth_dev_info_get`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// For example `net_tap`.
    pub driver: String,
    /// Receive queues at most.
    pub max_rx_queues: u16,
    /// Transmit queues at most.
    pub max_tx_queues: u16,
    /// Hash functions for RSS by name: `ipv4-tcp`; `bit-40` if this crate has no name.
    pub rss_functions: Vec<String>,
    /// Entries of the redirection table; 0 without one.
    pub reta_size: u16,
    /// Bytes of the RSS key; 0 if the driver does not say: then 40 are expected.
    pub rss_key_size: u8,
    /// The smallest MTU, in bytes.
    pub min_mtu: u16,
    /// The largest MTU, in bytes.
    pub max_mtu: u16,
    /// Receive offloads as DPDK names them: `IPV4_CKSUM`.
    pub rx_offloads: Vec<String>,
    /// Transmit offloads as DPDK names them.
    pub tx_offloads: Vec<String>,
    /// The NUMA node of the device, or `None` if it has none.
    pub socket: Option<u32>,
}

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether it carries traffic.
    pub up: bool,
    /// Its speed; `None` if the driver does not know it.
    pub speed_mbps: Option<u32>,
    /// Whether both ends may talk at once.
    pub full_duplex: bool,
}

/// Counters of the device since it started, as the driver keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// `ipackets`.
    pub rx_packets: u64,
    /// `opackets`.
    pub tx_packets: u64,
    /// `ibytes`.
    pub rx_bytes: u64,
    /// `obytes`.
    pub tx_bytes: u64,
    /// `imissed`: dropped by the device because its receive queues were full.
    pub rx_missed: u64,
    /// `ierrors`: received with an error.
    pub rx_errors: u64,
    /// `oerrors`: not sent.
    pub tx_errors: u64,
    /// `rx_nombuf`: the pool was empty.
    pub rx_no_buffer: u64,
}

impl Port {
    /// What the device can do (`rte_eth_dev_info_get`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn info(&self) -> Result<PortInfo, PortError> {
        let _control = self.runtime.control();
        let raw = self.raw_info()?;
        Ok(PortInfo {
            driver: text(raw.driver).unwrap_or_default(),
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            rss_functions: rss_names(raw.rss_functions),
            reta_size: raw.reta_size,
            rss_key_size: raw.rss_key_size,
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            rx_offloads: rx_offload_names(raw.rx_offloads),
            tx_offloads: names(raw.tx_offloads, |bit| {
                // SAFETY: returns a constant string for any number.
                unsafe { raw::rte_eth_dev_tx_offload_name(bit) }
            }),
            socket: u32::try_from(raw.socket).ok(),
        })
    }

    /// The port's Ethernet address (`rte_eth_macaddr_get`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn mac(&self) -> Result<MacAddress, PortError> {
        let _control = self.runtime.control();
        let mut address = raw::rte_ether_addr::default();
        // SAFETY: DPDK writes six bytes, and checks the port.
        let result = unsafe { raw::rte_eth_macaddr_get(self.id, &mut address) };
        self.check(Step::Mac, result)?;
        Ok(address.addr_bytes)
    }

    /// The MTU in bytes: the longest IP packet (`rte_eth_dev_get_mtu`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn mtu(&self) -> Result<u16, PortError> {
        let _control = self.runtime.control();
        self.raw_mtu()
    }

    /// The state of the link, without waiting (`rte_eth_link_get_nowait`). On some devices it
    /// comes up seconds after the start.
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn link(&self) -> Result<Link, PortError> {
        let _control = self.runtime.control();
        let mut raw = raw::weir_port_link::default();
        // SAFETY: the shim writes the structure, and DPDK checks the port.
        let result = unsafe { raw::weir_port_link(self.id, &mut raw) };
        self.check(Step::Link, result)?;
        Ok(Link {
            up: raw.up != 0,
            speed_mbps: (raw.speed_mbps != SPEED_UNKNOWN).then_some(raw.speed_mbps),
            full_duplex: raw.full_duplex != 0,
        })
    }

    /// The device's counters (`rte_eth_stats_get`).
    ///
    /// # Errors
    /// [`PortError::Gone`], or the driver's reason.
    pub fn stats(&self) -> Result<PortStats, PortError> {
        let _control = self.runtime.control();
        let mut raw = raw::weir_port_stats::default();
        // SAFETY: the shim writes the structure, and DPDK checks the port.
        let result = unsafe { raw::weir_port_stats(self.id, &mut raw) };
        self.check(Step::Stats, result)?;
        Ok(PortStats {
            rx_packets: raw.rx_packets,
            tx_packets: raw.tx_packets,
            rx_bytes: raw.rx_bytes,
            tx_bytes: raw.tx_bytes,
            rx_missed: raw.rx_missed,
            rx_errors: raw.rx_errors,
            tx_errors: raw.tx_errors,
            rx_no_buffer: raw.rx_no_buffer,
        })
    }

    /// The caller holds the control lock.
    pub(super) fn raw_info(&self) -> Result<raw::weir_port_info, PortError> {
        let mut info = raw::weir_port_info::default();
        // SAFETY: the shim writes the structure, and DPDK checks the port.
        let result = unsafe { raw::weir_port_info(self.id, &mut info) };
        self.check(Step::Info, result)?;
        Ok(info)
    }

    /// The caller holds the control lock.
    pub(super) fn raw_mtu(&self) -> Result<u16, PortError> {
        let mut mtu = 0;
        // SAFETY: DPDK writes one number, and checks the port.
        let result = unsafe { raw::rte_eth_dev_get_mtu(self.id, &mut mtu) };
        self.check(Step::Mtu, result)?;
        Ok(mtu)
    }
}

pub(super) fn rx_offload_names(mask: u64) -> Vec<String> {
    names(mask, |bit| {
        // SAFETY: returns a constant string for any number.
        unsafe { raw::rte_eth_dev_rx_offload_name(bit) }
    })
}

pub(super) fn rss_names(mask: u64) -> Vec<String> {
    names(mask, |bit| {
        // SAFETY: returns a constant string, or null, for any number.
        unsafe { raw::weir_rss_name(bit) }
    })
}

fn names(mask: u64, name: impl Fn(u64) -> *const c_char) -> Vec<String> {
    let bits = (0..u64::BITS).filter(|bit| mask & (1 << bit) != 0);
    bits.map(|bit| text(name(1 << bit)).unwrap_or_else(|| format!("bit-{bit}"))).collect()
}

/// A string that DPDK keeps for the life of the process, if it is not null.
fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: every caller passes a constant of DPDK, of a driver that is not unloaded, or of the
    // shim.
    let text = unsafe { CStr::from_ptr(pointer) };
    Some(text.to_string_lossy().into_owned())
}

/// RTE_ETH_SPEED_NUM_UNKNOWN.
const SPEED_UNKNOWN: u32 = u32::MAX;
