//! How does Weir speak to DPDK?
//!
//! This is the only code of the project that speaks C. Everything else sees owners:
//!
//! | room | what it gives | what its drop does |
//! |---|---|---|
//! | [`Eal`] | the environment, once a process; [`LcoreGuard`] for threads | ends DPDK, last |
//! | [`Mempool`] | memory for packets, by a [`PoolConfig`] | frees it when all are back |
//! | [`Burst`] | up to [`BURST`] packets: frames, meta, ingress port | gives them back |
//! | [`Port`] | what there is and can do: [`PortInfo`], [`Link`], [`PortStats`] | – |
//! | [`StartedPort`] | a running port, what it took, what may change | closes it, after queues |
//! | [`RxQueue`], [`TxQueue`] | packets in and out, one thread each | as above |
//! | [`ring`] | [`RingProducer`], [`RingConsumer`] between threads | gives packets back |
//! | [`Source`] | what a device without a wire receives | – |
//! | [`toeplitz`] | the hash that NICs spread flows by, as DPDK computes it | – |
//! | [`clock`] | cycles | – |
//! | [`heap`] | what a thread allocates that should not | – |
//! | [`log`] | what DPDK says, and to whom | – |
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dpdk::{Burst, Eal, Mempool, PoolConfig, Port, PortConfig};
//!
//! let eal = Eal::init(&["--no-huge".into(), "--no-pci".into(), "--vdev=net_null0".into()])?;
//! let pool = Mempool::new(
//!     &eal,
//!     &PoolConfig { name: "rx".into(), count: 4095, cache: 256, data_room: 2048, socket: None },
//! )?;
//! let config = PortConfig {
//!     rx_queues: 1,
//!     tx_queues: 1,
//!     rx_descriptors: 512,
//!     tx_descriptors: 512,
//!     mtu: 1500,
//!     rss: None,
//!     promiscuous: false,
//!     rx_checksum: false,
//! };
//! let (_port, mut rx, mut tx) =
//!     Port::by_name(&eal, "net_null0")?.configure(&config, &[pool])?.start()?;
//! let mut burst = Burst::new(&eal);
//! rx[0].receive(&mut burst);
//! tx[0].send(&mut burst);
//! burst.clear(); // What the device did not take.
//! # Ok(()) }
//! ```
//!
//! A thread that touches packets should be an lcore ([`Eal::register_thread`]), or it works
//! without the pools' caches. [`Eal::init`] pins the calling thread; see [`Affinity`].
//!
//! Drivers are not linked: EAL loads all that are in DPDK's plugin folder. In tests pass
//! `--no-pci`, or EAL takes hold of the machine's own network card.

#![allow(unsafe_code, reason = "the one crate that speaks C; each block says what it rests on")]

pub mod clock;
pub mod heap;
pub mod log;

mod burst;
mod eal;
mod errno;
mod generator;
mod look;
mod mbuf;
mod mempool;
mod port;
mod raw;
mod ring;
mod runtime;
mod softrss;

pub use burst::{BURST, Burst, Checksum, ChecksumFlags, Exhausted, FrameError, Full, HEAD};
pub use eal::{Affinity, Eal, EalError, LcoreGuard, RegisterError, version};
pub use errno::Errno;
pub use generator::{
    LONG_TEMPLATE, MADE_AT, Source, SourceError, Step as SourceStep, TEMPLATE, Template,
};
pub use look::Look;
pub use mempool::{Mempool, PoolConfig, PoolError};
pub use port::{
    ConfiguredPort, Link, MacAddress, Port, PortConfig, PortError, PortInfo, PortStats, PortTaken,
    Rss, RssTaken, RxQueue, StartedPort, Step, TxQueue,
};
pub use ring::{RING_NAME_LENGTH_MAX, RingConsumer, RingError, RingProducer, ring};
pub use softrss::toeplitz;
