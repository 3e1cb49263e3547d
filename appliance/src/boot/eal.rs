//! With which arguments does DPDK's environment start, and where does packet memory come from?

use std::fs;

use dpdk::{Affinity, Eal, Mempool, PoolConfig};
use weir_core::config::{Appliance, Hugepages, Port};

use super::{BootError, DESCRIPTORS};
use crate::worker::rings;

/// Packet buffers beside those that stand in descriptors, at least: what is on rings and under
/// way.
const MBUFS_UNDER_WAY: u32 = 8_192;
/// Packet buffers at least, where the configuration names no number.
const MBUFS_MIN: u32 = 16_383;
/// Bytes in front of a frame: DPDK's headroom.
const HEADROOM: u16 = 128;
/// Bytes of an Ethernet header with two tags, and the frame check sequence.
const ETHERNET: u16 = 14 + 8 + 4;
/// The smallest buffer that drivers take without splitting frames.
const DATA_ROOM_MIN: u16 = 2048 + HEADROOM;
/// How threads share a pool. In DPDK's usual ring whoever comes later waits for whoever was
/// interrupted in the middle, each in its turn: with more workers than processors, for seconds.
/// In this one the last to finish speaks for all ("relaxed tail synchronisation").
const POOL_RING: &str = "ring_mt_rts";
/// Megabytes for rings, queues and DPDK itself where there are no hugepages.
const MEGABYTES_BESIDE_BUFFERS: u64 = 128;

/// Starts the environment. Arguments that the operator gave are passed on; those they make
/// needless are not added.
pub(super) fn start(appliance: &Appliance, given: &[String]) -> Result<Eal, BootError> {
    let arguments = arguments(appliance, given)?;
    tracing::info!("EAL arguments: {}", arguments[1..].join(" "));
    Ok(Eal::init_with(&arguments, Affinity::Kept)?)
}

fn arguments(appliance: &Appliance, given: &[String]) -> Result<Vec<String>, BootError> {
    let has = |names: &[&str]| {
        given.iter().any(|argument| {
            let name = argument.split('=').next().unwrap_or_default();
            names.contains(&name)
                || names.iter().any(|it| it.len() == 2 && argument.starts_with(it))
        })
    };
    let mut arguments = vec!["weir".to_owned()];
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    if !has(&["-l", "-c", "--lcores"]) {
        let control = appliance.lcores.as_ref().map_or(0, |lcores| lcores.control);
        add(&["-l", &control.to_string()]);
    }
    if !has(&["--file-prefix"]) {
        add(&["--file-prefix", &format!("weir-{}", appliance.name)]);
    }
    if !has(&["--no-telemetry", "--telemetry"]) {
        add(&["--no-telemetry"]);
    }
    if !has(&["--mbuf-pool-ops-name"]) {
        add(&["--mbuf-pool-ops-name", POOL_RING]);
    }
    if !has(&["--no-pci", "-a", "--allow"]) {
        let devices = pci_devices(appliance);
        if devices.is_empty() {
            add(&["--no-pci"]);
        }
        devices.iter().for_each(|device| add(&["-a", device]));
    }
    if !has(&["--no-huge", "--in-memory", "--huge-dir"]) {
        if use_hugepages(appliance)? {
            add(&["--in-memory"]);
        } else {
            let megabytes = megabytes(appliance).to_string();
            add(&["--no-huge"]);
            if !has(&["-m", "--socket-mem"]) {
                add(&["-m", &megabytes]);
            }
            // By physical address a buffer may not cross an ordinary page, and each takes one.
            if !has(&["--iova-mode"]) {
                add(&["--iova-mode", "va"]);
            }
        }
    }
    arguments.extend_from_slice(given);
    Ok(arguments)
}

/// The devices that are PCI addresses: only those may be taken from the kernel.
fn pci_devices(appliance: &Appliance) -> Vec<&str> {
    appliance.ports.iter().map(|port| port.device.as_str()).filter(|it| is_pci(it)).collect()
}

/// Whether a device is named by its PCI address, such as `0000:01:00.0`.
pub(super) fn is_pci(device: &str) -> bool {
    let address = device.split(',').next().unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_hexdigit());
    let parts: Vec<&str> = address.split([':', '.']).collect();
    address.contains('.') && matches!(parts.len(), 3 | 4) && parts.into_iter().all(digits)
}

/// Whether there are hugepages and they are wanted; says what it costs if not.
fn use_hugepages(appliance: &Appliance) -> Result<bool, BootError> {
    let free = free_hugepages() > 0;
    match appliance.limits.hugepages {
        Hugepages::Never => Ok(false),
        Hugepages::Require if !free => Err(BootError::NoHugepages),
        Hugepages::Require => Ok(true),
        Hugepages::Auto => {
            if !free {
                tracing::warn!(
                    "no free hugepages: running on ordinary pages, which costs throughput with \
                     many flows and keeps real NICs from working; allocate some, for example \
                     `echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`"
                );
            }
            Ok(free)
        }
    }
}

fn free_hugepages() -> u64 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return 0 };
    let free = |size: fs::DirEntry| {
        let text = fs::read_to_string(size.path().join("free_hugepages")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    sizes.flatten().filter_map(free).sum()
}

/// The one pool that all packets live in.
pub(super) fn pool(eal: &Eal, appliance: &Appliance) -> Result<Mempool, BootError> {
    let pool = PoolConfig {
        name: "packets".to_owned(),
        count: mbufs(appliance),
        cache: 256,
        data_room: data_room(appliance),
        socket: None,
    };
    Ok(Mempool::new(eal, &pool)?)
}

fn mbufs(appliance: &Appliance) -> u32 {
    appliance.limits.mbufs.unwrap_or_else(|| {
        let workers = u32::try_from(appliance.workers).unwrap_or(u32::MAX);
        let standing: u32 = appliance.ports.iter().map(|port| descriptors(port, workers)).sum();
        // DPDK's pools are the least wasteful at a power of two less one.
        let under_way = rings::buffers_held(workers).max(MBUFS_UNDER_WAY);
        ((standing + under_way).next_power_of_two() - 1).max(MBUFS_MIN)
    })
}

/// Descriptors of all queues that a port may get.
fn descriptors(port: &Port, workers: u32) -> u32 {
    let receive = port.receive_descriptors.unwrap_or(DESCRIPTORS);
    let transmit = port.transmit_descriptors.unwrap_or(DESCRIPTORS);
    port.queues.map_or(workers, u32::from) * (u32::from(receive) + u32::from(transmit))
}

fn data_room(appliance: &Appliance) -> u16 {
    let longest = appliance.ports.iter().map(|port| port.mtu).max().unwrap_or(1500);
    (longest + ETHERNET + HEADROOM).max(DATA_ROOM_MIN)
}

fn megabytes(appliance: &Appliance) -> u64 {
    // A buffer's own header and the pool's are some 256 bytes.
    let bytes = u64::from(mbufs(appliance)) * (u64::from(data_room(appliance)) + 256);
    (bytes >> 20) + MEGABYTES_BESIDE_BUFFERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pci_addresses_are_pci_addresses() {
        for (device, expected) in [
            ("0000:01:00.0", true),
            ("01:00.1", true),
            ("0000:01:00.0,some=argument", true),
            ("net_tap0,iface=front", false),
            ("virtio_user0,path=/run/a.sock", false),
            ("net_memif0", false),
        ] {
            assert_eq!(is_pci(device), expected, "{device}");
        }
    }
}
