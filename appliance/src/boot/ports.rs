//! What does each device offer, and what is taken of it?

use std::fmt::Write;

use dpdk::{Eal, Mempool, Port, PortConfig, PortInfo, Rss, RxQueue, StartedPort, TxQueue};
use weir_core::compile::PortFacts;
use weir_core::config::{self, Appliance};
use weir_core::policy::RSS_KEY_BYTES;
use weir_core::units::MacAddress;

use super::BootError;

/// Descriptors per queue where the configuration names no number, receive and transmit.
pub const DESCRIPTORS: u16 = 512;

/// Drivers whose receive queues share one file descriptor or one flow each, so that a second
/// queue brings no order worth having; a hand-off is cheaper.
const ONE_QUEUE_DRIVERS: &[&str] = &["net_tap", "net_af_packet", "net_pcap"];
/// Drivers that hand over frames whose checksum the sender left to hardware.
const PARTIAL_CHECKSUM_DRIVERS: &[&str] = &["net_af_packet"];

/// A port that runs.
pub struct OpenPort {
    /// Its name in `appliance.ports`.
    pub name: String,
    /// Its device.
    pub device: String,
    /// What the device is.
    pub info: PortInfo,
    /// What the data path must know of it.
    pub facts: PortFacts,
    /// Bytes of the longest IP datagram.
    pub mtu: u16,
    /// The port itself; it closes when this and its queues are dropped.
    pub port: StartedPort,
    /// Its receive queues, until the workers have them.
    pub rx: Vec<RxQueue>,
    /// Its transmit queues, until the workers have them.
    pub tx: Vec<TxQueue>,
}

/// Opens every port, and tells once what each offered and what was taken.
pub(super) fn open(
    eal: &Eal,
    appliance: &Appliance,
    pool: &Mempool,
    key: &[u8; RSS_KEY_BYTES],
) -> Result<Vec<OpenPort>, BootError> {
    let mut ports = Vec::new();
    for port in &appliance.ports {
        let opened = open_one(eal, appliance.workers, port, pool, key).map_err(|source| {
            BootError::Port { port: port.name.clone(), device: port.device.clone(), source }
        })?;
        ports.push(opened);
    }
    tracing::info!("ports:\n{}", table(&ports));
    Ok(ports)
}

fn open_one(
    eal: &Eal,
    workers: usize,
    wanted: &config::Port,
    pool: &Mempool,
    key: &[u8; RSS_KEY_BYTES],
) -> Result<OpenPort, dpdk::PortError> {
    let port = Port::attach(eal, &wanted.device)?;
    let info = port.info()?;
    let queues = queues(workers, wanted, &info);
    let rss = (queues > 1 && !info.rss_functions.is_empty()).then(|| Rss {
        key: key_of_length(key, info.rss_key_size),
        ip: true,
        tcp: true,
        udp: true,
    });
    let configuration = PortConfig {
        rx_queues: queues,
        tx_queues: queues,
        rx_descriptors: wanted.receive_descriptors.unwrap_or(DESCRIPTORS),
        tx_descriptors: wanted.transmit_descriptors.unwrap_or(DESCRIPTORS),
        mtu: wanted.mtu,
        rss,
        promiscuous: false,
        rx_checksum: false,
    };
    let (started, rx, tx) = port.configure(&configuration, std::slice::from_ref(pool))?.start()?;
    let partial_checksums = PARTIAL_CHECKSUM_DRIVERS.contains(&info.driver.as_str());
    Ok(OpenPort {
        name: wanted.name.clone(),
        device: wanted.device.clone(),
        facts: PortFacts { mac: MacAddress(started.mac()?), partial_checksums },
        mtu: wanted.mtu,
        info,
        port: started,
        rx,
        tx,
    })
}

/// The key in the length that the device wants. The hash over two IPv6 addresses and two ports
/// reads 40 bytes, so what a longer key has behind them changes nothing.
fn key_of_length(key: &[u8; RSS_KEY_BYTES], length: u8) -> Vec<u8> {
    let mut key = key.to_vec();
    key.resize(usize::from(length).max(RSS_KEY_BYTES), 0);
    key
}

/// One queue per worker where the device can spread flows over them.
fn queues(workers: usize, wanted: &config::Port, info: &PortInfo) -> u16 {
    let most = info.max_rx_queues.min(info.max_tx_queues).max(1);
    let one = ONE_QUEUE_DRIVERS.contains(&info.driver.as_str()) || info.rss_functions.is_empty();
    let workers = u16::try_from(workers).unwrap_or(u16::MAX);
    let natural = if one { 1 } else { workers };
    wanted.queues.unwrap_or(natural).min(workers).min(most)
}

fn table(ports: &[OpenPort]) -> String {
    let mut text = format!(
        "  {:<13} {:<16} {:<17} {:>5} {:>11} {:>11}  {}\n",
        "port", "driver", "mac", "mtu", "rx queues", "tx queues", "receive-side scaling"
    );
    for open in ports {
        let (info, taken) = (&open.info, open.port.taken());
        let rss = match &taken.rss {
            Some(rss) => rss.functions.join(","),
            None if info.rss_functions.is_empty() => "not offered".to_owned(),
            None => "not taken: one queue".to_owned(),
        };
        // Writing into a string cannot fail.
        let _written = writeln!(
            text,
            "  {:<13} {:<16} {:<17} {:>5} {:>11} {:>11}  {rss}",
            open.name,
            info.driver,
            open.facts.mac.to_string(),
            taken.mtu,
            format!("{} of {}", taken.rx_queues, info.max_rx_queues),
            format!("{} of {}", taken.tx_queues, info.max_tx_queues),
        );
        let _written = writeln!(
            text,
            "  {:<13} offers: rx {}; tx {}; taken: {}",
            "",
            list(&info.rx_offloads),
            list(&info.tx_offloads),
            list(&taken.rx_offloads),
        );
    }
    text.truncate(text.trim_end().len());
    text
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
}
