//! How does a test get an environment, a pool, a port?
//!
//! One EAL per process, without hugepages and without the machine's own network cards. Tests of a
//! file may share the process (cargo test) or not (nextest), so each makes its own pools and
//! devices, under its own names.

#![allow(dead_code, reason = "each test binary uses some of these")]
#![allow(clippy::expect_used, reason = "clippy sees no test in a helper")]

use std::sync::OnceLock;

use dpdk::{
    Affinity, Burst, Eal, Mempool, PoolConfig, Port, PortConfig, RxQueue, StartedPort, TxQueue,
};

/// Arguments that touch nothing of this machine. With `--no-shconf` no file is shared, so that
/// one prefix does for all and one empty folder is all that stays behind.
pub(crate) fn arguments() -> Vec<String> {
    let fixed = ["--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "128"];
    let prefix = "--file-prefix=weir-test";
    fixed.into_iter().chain([prefix]).map(str::to_owned).collect()
}

/// The environment of this process.
pub(crate) fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        dpdk::log::set_level(dpdk::log::Level::Error).expect("log level");
        Eal::init_with(&arguments(), Affinity::Kept).expect("EAL starts without hugepages")
    })
}

/// A pool of `count` packets without caches in the way of exhausting it.
pub(crate) fn pool_of(name: &str, count: u32) -> Mempool {
    let name = name.to_owned();
    let config = PoolConfig { name, count, cache: 0, data_room: 2048, socket: None };
    Mempool::new(eal(), &config).expect("pool")
}

/// A pool with a cache per lcore.
pub(crate) fn cached_pool(name: &str, count: u32) -> Mempool {
    let name = name.to_owned();
    let config = PoolConfig { name, count, cache: 64, data_room: 2048, socket: None };
    Mempool::new(eal(), &config).expect("pool")
}

/// One queue each way and no wishes.
pub(crate) fn plain() -> PortConfig {
    PortConfig {
        rx_queues: 1,
        tx_queues: 1,
        rx_descriptors: 256,
        tx_descriptors: 256,
        mtu: 1500,
        rss: None,
        promiscuous: false,
        rx_checksum: false,
    }
}

/// A new device with one queue each way, running.
pub(crate) fn started(devargs: &str, pool: &Mempool) -> (StartedPort, RxQueue, TxQueue) {
    let port = Port::attach(eal(), devargs).expect("device");
    let configured = port.configure(&plain(), std::slice::from_ref(pool)).expect("configured");
    let (port, mut rx, mut tx) = configured.start().expect("started");
    (port, rx.remove(0), tx.remove(0))
}

/// A burst with one packet per byte string.
pub(crate) fn burst_of(pool: &Mempool, frames: &[&[u8]]) -> Burst {
    let mut burst = Burst::new(eal());
    for frame in frames {
        burst.push_copy(pool, frame).expect("room");
    }
    burst
}

/// A full burst; packet `i` has one byte, `i`, and meta 1000 + `i`.
pub(crate) fn numbered(pool: &Mempool) -> Burst {
    let mut burst = Burst::new(eal());
    for i in 0..32 {
        burst.push_copy(pool, &[i]).expect("room");
        burst.set_meta(usize::from(i), 1000 + u64::from(i));
    }
    burst
}

/// The first byte of each packet.
pub(crate) fn first_bytes(burst: &Burst) -> Vec<u8> {
    burst.frames().map(|(_, frame)| frame[0]).collect()
}
