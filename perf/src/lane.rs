//! How is the daemon's own worker put on a device without a wire?
//!
//! ```text
//!   one worker     source ─► net_null ─► WorkerLane::turn ─► net_null
//!   a team         each worker on a device of its own, all joined by the daemon's own rings
//! ```
//!
//! Not here: threads. Whoever measures says which thread turns which worker
//! (`scenario::team`, and the main thread everywhere else).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use dpdk::{
    Burst, Eal, Mempool, PoolConfig, Port, PortConfig, RingConsumer, RingProducer, RxQueue, Source,
    StartedPort, TxQueue,
};
use golden::simulation::World;
use weir::worker::inquiries::Desk;
use weir::worker::{Clock, Idle, Lane, Outlets, PortLane, SharedState, WorkerLane, rings};
use weir_core::path::{Batch, Sizes, Worker};
use weir_core::policy::Snapshot;
use weir_core::rcu::{self, Publisher, Reader};
use weir_core::telemetry::{Counter, Totals};
use weir_core::units::{PortId, WorkerId};

use crate::accounts::Account;
use crate::kind::Family;
use crate::world;

/// Keys the hash of the flow table.
const SEED: u64 = 0x5eed;
/// Packet buffers: enough for one loop, few enough to stay in the second level, as testpmd's.
const BUFFERS: u32 = 4095;

/// Device numbers that DPDK may give: far fewer.
const DEVICES_MAX: usize = 256;

/// A worker with all that its turns need.
pub struct Rig {
    /// The daemon's own lane.
    pub lane: WorkerLane,
    /// The family of the packets that its world is made for.
    pub family: Family,
    /// How it is told of changes; taken by whoever publishes. The first of a team has it.
    pub publisher: Option<Publisher<Snapshot>>,
    burst: Burst,
    batch: Batch,
    held: Vec<RxQueue>,
    _punts: RingConsumer,
    _port: StartedPort,
}

/// How a worker is joined to others and to the control side.
struct Joints {
    inlets: rings::Inlets,
    sends: rings::Sends,
    punts: RingConsumer,
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
        Self::of(Family::V4, eal, pool, name, flow_slots)
    }

    /// The same for packets of a family.
    ///
    /// # Errors
    /// As [`Rig::new`].
    pub fn of(
        family: Family,
        eal: &Eal,
        pool: &Mempool,
        name: &str,
        flow_slots: usize,
    ) -> anyhow::Result<Self> {
        let world = world::world_of(family, 1)?;
        Ok(Self { family, ..Self::within(world, eal, pool, name, flow_slots)? })
    }

    /// The same in a world of its own, for packets of IPv4.
    ///
    /// # Errors
    /// DPDK's.
    pub fn within(
        mut world: World,
        eal: &Eal,
        pool: &Mempool,
        name: &str,
        flow_slots: usize,
    ) -> anyhow::Result<Self> {
        let (punt, punts) = ring(eal, name)?;
        let inlets = rings::Inlets { handoff: Vec::new(), relay: Vec::new(), kernel: None };
        let sends = rings::Sends { handoff: Vec::new(), relay: Vec::new(), punt };
        let (publisher, readers) = rcu::publication(Box::new(world.compile(0)), 1);
        let reader = readers.into_iter().next().context("a reader")?;
        let joints = Joints { inlets, sends, punts };
        let mut rig = Self::assemble(eal, pool, WorkerId(0), flow_slots, reader, joints, name)?;
        rig.publisher = Some(publisher);
        Ok(rig)
    }

    /// `workers` workers of one appliance, joined by its rings; each with `flow_slots` slots. One
    /// team can exist at a time.
    ///
    /// # Errors
    /// As [`Rig::new`].
    pub fn team(
        eal: &Eal,
        pool: &Mempool,
        workers: u8,
        flow_slots: usize,
    ) -> anyhow::Result<Vec<Self>> {
        let fabric = rings::fabric(eal, workers.into())?;
        let snapshot = Box::new(world::world(workers)?.compile(0));
        let (publisher, readers) = rcu::publication(snapshot, workers.into());
        let joints = fabric.inlets.into_iter().zip(fabric.sends).zip(fabric.punts);
        let joints = joints.map(|((inlets, sends), punts)| Joints { inlets, sends, punts });
        let mut team = Vec::new();
        for ((joints, reader), number) in joints.zip(readers).zip(0..workers) {
            let id = WorkerId(number);
            team.push(Self::assemble(eal, pool, id, flow_slots, reader, joints, "team")?);
        }
        team.first_mut().context("a team has workers")?.publisher = Some(publisher);
        Ok(team)
    }

    fn assemble(
        eal: &Eal,
        pool: &Mempool,
        id: WorkerId,
        flow_slots: usize,
        reader: Reader<Snapshot>,
        joints: Joints,
        name: &str,
    ) -> anyhow::Result<Self> {
        let (port, rx, tx) = attach(eal, pool, name)?;
        let clock = Clock::start(eal);
        let sizes = Sizes::of_flow_slots(flow_slots);
        // Every device of a measurement is the configuration's only port, and a packet handed over
        // came in by another worker's.
        let numbers = vec![PortId(0); DEVICES_MAX];
        let lane = WorkerLane {
            worker: Worker::new(id, sizes, SEED, clock.now()),
            reader,
            queues: vec![rx],
            inlets: joints.inlets,
            outlets: Outlets::new(eal, vec![PortLane::new(eal, Lane::Queue(tx))], joints.sends),
            ports: numbers.into(),
            pool: pool.clone(),
            shared: Arc::new(SharedState::default()),
            desk: Desk::default(),
            idle: Idle::new(false),
            clock,
        };
        Ok(Self {
            lane,
            family: Family::V4,
            publisher: None,
            burst: Burst::new(eal),
            batch: Batch::default(),
            held: Vec::new(),
            _punts: joints.punts,
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
        self.run_account(source, packets)?.all_sent()
    }

    /// Turns until `packets` of `source` were received; returns what became of them.
    ///
    /// # Errors
    /// When DPDK has no memory for the source.
    pub fn run_account(&mut self, source: Source, packets: u64) -> anyhow::Result<Account> {
        let before = self.totals();
        self.receive(source, packets)?;
        while self.packets() < packets {
            self.turn();
        }
        Ok(Account::between(&before, &self.totals()))
    }

    /// One turn of the daemon's loop.
    pub fn turn(&mut self) {
        self.lane.turn(&mut self.burst, &mut self.batch);
    }

    /// Receives nothing from the wire any more, until [`Self::resume`].
    pub fn hold(&mut self) {
        if self.held.is_empty() {
            std::mem::swap(&mut self.lane.queues, &mut self.held);
        }
    }

    /// Receives from the wire again.
    pub fn resume(&mut self) {
        if self.lane.queues.is_empty() {
            std::mem::swap(&mut self.lane.queues, &mut self.held);
        }
    }

    /// Packets received from the source.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.lane.queues.iter().chain(&self.held).next().map_or(0, RxQueue::generated)
    }

    /// One of the worker's counters.
    #[must_use]
    pub fn count(&self, counter: Counter) -> u64 {
        self.lane.worker.counters.get(counter)
    }

    /// All of the worker's counters.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::of([self.lane.worker.counters.as_ref()])
    }

    /// The snapshot that the worker reads.
    pub fn snapshot(&mut self) -> &Snapshot {
        self.lane.reader.enter()
    }

    /// Puts the worker's clock forward to `milliseconds`, if it has not come so far by itself.
    pub fn not_before(&mut self, milliseconds: u64) {
        let ahead = milliseconds.saturating_sub(self.lane.clock.now().milliseconds);
        self.lane.clock = self.lane.clock.ahead(ahead);
    }
}
