//! How is the daemon's own worker put on a device without a wire?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use dpdk::{
    Burst, Eal, Mempool, PoolConfig, Port, PortConfig, RingConsumer, RingProducer, RxQueue, Source,
    StartedPort, TxQueue,
};
use golden::simulation::World;
use weir::worker::{Clock, Idle, Lane, Outlets, PortLane, SharedState, WorkerLane, rings};
use weir_core::path::{Batch, Sizes, Worker};
use weir_core::policy::Snapshot;
use weir_core::rcu::{self, Publisher};
use weir_core::telemetry::Counter;
use weir_core::units::{PortId, WorkerId};

use crate::world;

/// Keys the hash of the flow table.
const SEED: u64 = 0x5eed;
/// Packet buffers: enough for one loop, few enough to stay in the second level, as testpmd's.
const BUFFERS: u32 = 4095;

/// A worker with all that its turns need.
pub struct Rig {
    /// The daemon's own lane.
    pub lane: WorkerLane,
    /// What the worker reads.
    pub world: World,
    /// How it is told of changes; taken by whoever publishes.
    pub publisher: Option<Publisher<Snapshot>>,
    burst: Burst,
    batch: Batch,
    _punts: RingConsumer,
    _port: StartedPort,
}

/// The pool that all loops share.
///
/// # Errors
/// DPDK's.
pub fn pool(eal: &Eal) -> anyhow::Result<Mempool> {
    let name = "packets".to_owned();
    let config = PoolConfig { name, count: BUFFERS, cache: 256, data_room: 2176, socket: None };
    Ok(Mempool::new(eal, &config)?)
}

/// A net_null device with one queue each way.
pub(crate) fn attach(
    eal: &Eal,
    pool: &Mempool,
    name: &str,
) -> anyhow::Result<(StartedPort, RxQueue, TxQueue)> {
    // A closed port leaves its device behind, and with it the name.
    static DEVICES: AtomicU32 = AtomicU32::new(0);
    let number = DEVICES.fetch_add(1, Ordering::Relaxed);
    let port = Port::attach(eal, &format!("net_null_{name}{number},size=64"))?;
    let config = PortConfig {
        rx_queues: 1,
        tx_queues: 1,
        rx_descriptors: 512,
        tx_descriptors: 512,
        mtu: 1500,
        rss: None,
        promiscuous: false,
        rx_checksum: false,
    };
    let (port, mut rx, mut tx) = port.configure(&config, std::slice::from_ref(pool))?.start()?;
    let rx = rx.pop().context("a receive queue")?;
    Ok((port, rx, tx.pop().context("a transmit queue")?))
}

pub(crate) fn ring(eal: &Eal, name: &str) -> anyhow::Result<(RingProducer, RingConsumer)> {
    Ok(dpdk::ring(eal, &format!("punt-{name}"), 64, None)?)
}

impl Rig {
    /// A worker whose flow table has `flow_slots` slots.
    ///
    /// # Errors
    /// DPDK's, or the configuration's.
    pub fn new(eal: &Eal, pool: &Mempool, name: &str, flow_slots: usize) -> anyhow::Result<Self> {
        let (port, rx, tx) = attach(eal, pool, name)?;
        let (punt, punts) = ring(eal, name)?;
        let clock = Clock::start(eal);
        let mut world = world::world()?;
        let snapshot = world.compile(0);
        let (publisher, readers) = rcu::publication(Box::new(snapshot), 1);
        let sizes = Sizes::of_flow_slots(flow_slots);
        let mut numbers = vec![PortId(u8::MAX); usize::from(port.id()) + 1];
        numbers[usize::from(port.id())] = PortId(0);
        let sends = rings::Sends { handoff: Vec::new(), relay: Vec::new(), punt };
        let lane = WorkerLane {
            worker: Worker::new(WorkerId(0), sizes, SEED, clock.now()),
            reader: readers.into_iter().next().context("a reader")?,
            queues: vec![rx],
            inlets: rings::Inlets { handoff: Vec::new(), relay: Vec::new(), kernel: None },
            outlets: Outlets::new(eal, vec![PortLane::new(eal, Lane::Queue(tx))], sends),
            ports: numbers.into(),
            pool: pool.clone(),
            shared: Arc::new(SharedState::default()),
            idle: Idle::new(false),
            clock,
        };
        Ok(Self {
            lane,
            world,
            publisher: Some(publisher),
            burst: Burst::new(eal),
            batch: Batch::default(),
            _punts: punts,
            _port: port,
        })
    }

    /// From now on `source` is received, for so many packets.
    ///
    /// # Errors
    /// When DPDK has no memory for it.
    pub fn receive(&mut self, source: Source, packets: u64) -> anyhow::Result<()> {
        let queue = self.lane.queues.first_mut().context("a queue")?;
        queue.generate(source, packets).ok().context("no memory for the generator")
    }

    /// Turns until `packets` of `source` were received.
    ///
    /// # Errors
    /// When any of them was not sent.
    pub fn run_through(&mut self, source: Source, packets: u64) -> anyhow::Result<()> {
        let sent = self.sent();
        self.receive(source, packets)?;
        while self.packets() < packets {
            self.turn();
        }
        let sent = self.sent() - sent;
        anyhow::ensure!(sent == packets, "{} of {packets} packets were dropped", packets - sent);
        Ok(())
    }

    /// One turn of the daemon's loop.
    pub fn turn(&mut self) {
        self.lane.turn(&mut self.burst, &mut self.batch);
    }

    /// Packets received from the source.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.lane.queues.first().map_or(0, RxQueue::generated)
    }

    /// Packets transmitted.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.lane.worker.counters.get(Counter::TxPackets)
    }

    /// The snapshot that the worker reads.
    pub fn snapshot(&mut self) -> &Snapshot {
        self.lane.reader.enter()
    }
}
