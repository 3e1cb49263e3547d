//! Do workers that all flood each other come to an end, with every packet accounted for?
//!
//! ```text
//!   generator ─► lane 0 ─┐            ┌─► lane 0 ─► transmit queue, relay or sink
//!   generator ─► lane 1 ─┼─ hand-off ─┼─► lane 1 ─► …
//!   generator ─► lane n ─┘   rings    └─► lane n ─► …
//! ```
//!
//! The daemon's own lanes and rings, each lane on a thread of its own; what each receives belongs
//! to others, all of it. More threads than processors, so that every worker stands still for
//! milliseconds while others go on. A flow is a client's port; its packets are numbered in the
//! TCP sequence number.
//!
//! Not here: the same for every kind of traffic, without threads (`tests/golden`).
#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dpdk::{
    Affinity, Burst, Eal, Mempool, PoolConfig, Port, PortConfig, RingConsumer, RxQueue, Source,
    SourceStep, StartedPort, TEMPLATE, Template, TxQueue,
};
use golden::document::Document;
use golden::packet::{Direction, encode};
use golden::simulation::World;
use weir::control::inquiries::Inquirer;
use weir::worker::inquiries::Desk;
use weir::worker::{Clock, Idle, Lane, Outlets, PortLane, SharedState, WorkerLane, rings};
use weir_core::flow::key;
use weir_core::path::{FlowQuery, FlowSlice, Sizes, Through, Worker};
use weir_core::policy::{OwnerFunction, Snapshot};
use weir_core::rcu::{self, Publisher};
use weir_core::telemetry::{Counter, Counters, Totals};
use weir_core::units::{PortId, WorkerId};

const FRONT: PortId = PortId(0);
const CLIENT: &str = "192.0.2.7";
const FRONTEND: (&str, u16) = ("203.0.113.10", 80);
/// Fewer than one worker has records for.
const FLOWS: u16 = 768;
const FIRST_PORT: u16 = 20_000;
/// Packets of a whole run: enough to fill every ring to a worker of sixteen who stands still.
const PACKETS: u64 = 400_000;
/// Buffers of all runs, by the daemon's own rule.
const BUFFERS: u32 = rings::buffers_held(16);
/// Slots of the ring by which the test sees what a worker sends.
const SINK_RING: u32 = 4096;
/// When a run hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a client's port and the sequence number stand in a frame.
const PORT_AT: usize = 34;
const SEQUENCE_AT: usize = 38;

#[test]
fn workers_that_flood_each_other_lose_nothing_uncounted_and_never_lock_up() {
    let _alone = alone();
    for workers in [2, 4, 16] {
        let (mut fleet, _) = Fleet::new(workers, Exit::Queues(workers));
        fleet.start(0..workers);
        fleet.wait("every packet has left", Fleet::is_done);
        fleet.finish();
    }
}

#[test]
fn a_worker_that_stands_still_costs_others_nothing_but_counted_drops() {
    let _alone = alone();
    for workers in [2, 4, 16] {
        // All transmit by the one who stands still.
        let (mut fleet, _) = Fleet::new(workers, Exit::Queues(1));
        fleet.start(1..workers);
        let share = PACKETS / workers as u64 * (workers as u64 - 1);
        fleet.wait("the others go on", |fleet| fleet.totals().get("rx_packets") == share);
        let totals = fleet.totals();
        assert!(totals.get("drop_handoff_full_packets") > 0, "{:#?}", totals.values());
        let relayed = totals.get("drop_relay_full_packets") > 0;
        assert!(relayed || workers == 2, "{:#?}", totals.values());
        fleet.start(0..1);
        fleet.wait("every packet has left", Fleet::is_done);
        fleet.finish();
    }
}

#[test]
fn a_flow_is_finished_by_its_owner_alone_and_in_order_between_threads() {
    let _alone = alone();
    for workers in [2, 4, 16] {
        let (mut fleet, sinks) = Fleet::new(workers, Exit::Sink);
        let mut sinks = Sinks::new(sinks, fleet.flows.clone());
        fleet.start(0..workers);
        fleet.wait("every packet has been seen or dropped", |fleet| {
            let totals = fleet.totals();
            sinks.look();
            totals.get("rx_packets") == PACKETS
                && sinks.seen + totals.get("dropped_packets") == PACKETS
        });
        let out = fleet.totals().get("relay_out_packets");
        assert_eq!(sinks.seen, out, "seen once");
        assert!(sinks.seen >= u64::from(FLOWS), "{} packets", sinks.seen);
        fleet.finish();
    }
}

#[test]
fn owners_tell_of_their_flows_and_of_no_others_while_they_flood_each_other_and_after() {
    let _alone = alone();
    for workers in [2, 4, 16] {
        let (mut fleet, _) = Fleet::new(workers, Exit::Queues(workers));
        fleet.start(0..workers);
        // A record that makes room for another may be met twice, or not at all.
        let flooded: BTreeSet<_> = fleet.listed().into_iter().collect();
        fleet.wait("every packet has left", Fleet::is_done);
        let listed = fleet.listed();
        let records: u64 = fleet.shared.iter().map(|shared| shared.read().flows).sum();
        assert_eq!(listed.len() as u64, records);
        let told: BTreeSet<_> = listed.iter().copied().collect();
        assert_eq!(told.len(), listed.len(), "each is told once");
        assert!(flooded.is_subset(&told), "flows that went on");
        for (owner, port) in told {
            assert_eq!(owner, fleet.flows[usize::from(port - FIRST_PORT)].owner, "port {port}");
        }
        assert_eq!(fleet.totals().get("worker_allocations"), 0);
        fleet.finish();
    }
}

/// How packets leave.
#[derive(Clone, Copy)]
enum Exit {
    /// So many workers have a transmit queue, and the others relay to them.
    Queues(usize),
    /// All relay to the test.
    Sink,
}

/// Workers that receive what others own.
struct Fleet {
    lanes: Vec<Option<WorkerLane>>,
    running: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    counters: Vec<Arc<Counters>>,
    shared: Vec<Arc<SharedState>>,
    flows: Vec<Flow>,
    _publisher: Publisher<Snapshot>,
    _ports: [StartedPort; 2],
    _punts: Vec<RingConsumer>,
}

impl Fleet {
    fn new(workers: usize, exit: Exit) -> (Self, Vec<RingConsumer>) {
        let count = u8::try_from(workers).expect("at most sixteen");
        let mut world = World::new(Document::read("base.json").check(), count);
        let snapshot = world.compile(0);
        let flows = flows(&snapshot.owner);
        let (publisher, readers) = rcu::publication(Box::new(snapshot), workers);
        let queues = if let Exit::Queues(queues) = exit { queues } else { 1 };
        let (front, rx, _) = attach(workers, 1);
        let (back, _, tx) = attach(1, queues);
        let mut numbers = vec![PortId(u8::MAX); usize::from(front.id().max(back.id())) + 1];
        numbers[usize::from(front.id())] = FRONT;
        let numbers: Arc<[PortId]> = numbers.into();
        let fabric = rings::fabric(eal(), workers).expect("rings");
        let clock = Clock::start(eal());
        let (mut lanes, mut sinks, mut tx) = (Vec::new(), Vec::new(), tx.into_iter());
        let parts = readers.into_iter().zip(fabric.inlets).zip(fabric.sends).zip(rx);
        for (number, (((reader, inlets), mut sends), mut rx)) in (0u8..).zip(parts) {
            let (source, packets) = source(usize::from(number), workers, &flows, &world);
            rx.generate(source, packets).expect("a source");
            let lane = match exit {
                Exit::Queues(queues) => tx.next().map_or_else(
                    || Lane::Relay(WorkerId(number % u8::try_from(queues).expect("few"))),
                    Lane::Queue,
                ),
                Exit::Sink => {
                    let name = format!("sink-{number}");
                    let (producer, consumer) =
                        dpdk::ring(eal(), &name, SINK_RING, None).expect("a ring");
                    sends.relay.push(Some(producer));
                    sinks.push(consumer);
                    Lane::Relay(WorkerId(count))
                }
            };
            // Nothing leaves by the port that it came by; if it did, it would be a drop.
            let nowhere = Lane::Relay(WorkerId(number));
            let ports = [nowhere, lane].map(|lane| PortLane::new(eal(), lane));
            lanes.push(WorkerLane {
                worker: Worker::new(WorkerId(number), Sizes::of_flow_slots(1024), 1, clock.now()),
                reader,
                queues: vec![rx],
                inlets,
                outlets: Outlets::new(eal(), ports.into(), sends),
                ports: Arc::clone(&numbers),
                pool: pool().clone(),
                shared: Arc::default(),
                desk: Desk::default(),
                idle: Idle::new(true),
                clock,
            });
        }
        let fleet = Self {
            counters: lanes.iter().map(|lane| Arc::clone(&lane.worker.counters)).collect(),
            shared: lanes.iter().map(|lane| Arc::clone(&lane.shared)).collect(),
            lanes: lanes.into_iter().map(Some).collect(),
            running: Vec::new(),
            stop: Arc::default(),
            flows,
            _publisher: publisher,
            _ports: [front, back],
            _punts: fabric.punts,
        };
        (fleet, sinks)
    }

    /// Starts these workers' threads.
    fn start(&mut self, workers: std::ops::Range<usize>) {
        for worker in workers {
            let lane = self.lanes[worker].take().expect("not started yet");
            let stop = Arc::clone(&self.stop);
            let run = move || lane.run(eal(), &stop, || ()).expect("an lcore");
            let thread = thread::Builder::new().name(format!("worker-{worker}"));
            self.running.push(thread.spawn(run).expect("a thread"));
        }
    }

    fn totals(&self) -> Totals {
        Totals::of(self.counters.iter().map(|counters| &**counters))
    }

    fn is_done(&self) -> bool {
        let totals = self.totals();
        totals.get("rx_packets") == PACKETS && totals.in_flight() == 0
    }

    /// Waits until something has come true, or says who hangs.
    fn wait(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}\n{}", self.suspects());
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Who tells of which flows, by the client's port; each is looked up as well.
    fn listed(&self) -> Vec<(usize, u16)> {
        let inquirer = Inquirer::new(self.shared.iter().map(Arc::clone));
        let collected = inquirer.clone();
        let listing = async {
            let mut told = Vec::new();
            for worker in (0u8..).take(self.shared.len()).map(WorkerId) {
                let mut slice = FlowSlice::new(FlowQuery::default(), 0, 50);
                while slice.next().is_some() {
                    slice = inquirer.list(worker, slice.again()).await.expect("an answer");
                    for view in slice.views() {
                        let (source, port) = view.source;
                        told.push((worker.index(), port));
                        let Through::Rule(rule) = view.through else { panic!("{view:?}") };
                        let key = key::inbound(source, port, rule);
                        let found = inquirer.find(worker, key).await.expect("an answer");
                        assert_eq!(found.map(|it| it.member), Some(view.member));
                    }
                }
            }
            told
        };
        let collecting = async move {
            loop {
                collected.collect();
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime").block_on(async {
            tokio::select! {
                told = listing => told,
                () = collecting => panic!("it never ends"),
            }
        })
    }

    /// What each worker has done, and who does nothing any more.
    fn suspects(&self) -> String {
        let before: Vec<_> = self.shared.iter().map(|shared| shared.read().turns).collect();
        thread::sleep(Duration::from_millis(500));
        let line = |worker: usize| {
            let turns = self.shared[worker].read().turns;
            let word = match (self.lanes[worker].is_some(), turns == before[worker]) {
                (true, _) => "was not started",
                (false, true) => "HANGS",
                (false, false) => "turns",
            };
            let count = |counter| self.counters[worker].get(counter);
            format!(
                "worker {worker} {word} (turn {turns}): {} received, {} taken over, {} sent\n",
                count(Counter::RxPackets),
                count(Counter::HandoffInPackets),
                count(Counter::TxPackets) + count(Counter::RelayOutPackets)
            )
        };
        (0..before.len()).map(line).collect()
    }

    /// Stops all workers and holds their counters against each other.
    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.running {
            thread.join().expect("it ends in peace");
        }
        let totals = Totals::of(self.counters.iter().map(|counters| &**counters));
        let get = |name| totals.get(name);
        let (full, relay_full) = (get("drop_handoff_full_packets"), get("drop_relay_full_packets"));
        assert_eq!(get("dropped_packets"), full + relay_full, "{:#?}", totals.values());
        assert_eq!(get("answered_packets") + get("punted_packets"), 0, "{:#?}", totals.values());
        assert_eq!(get("rx_packets"), get("handoff_out_packets") + full, "all belong to others");
        assert_eq!(get("handoff_out_packets"), get("handoff_in_packets"));
        for (worker, shared) in self.shared.iter().enumerate() {
            let owned = self.flows.iter().filter(|flow| flow.owner == worker).count();
            assert!(shared.read().flows <= owned as u64, "records of worker {worker}");
        }
        assert_eq!(pool().in_use(), 0, "buffers that are still out");
    }
}

/// The test's ends of the rings by which workers send.
struct Sinks {
    rings: Vec<RingConsumer>,
    flows: Vec<Flow>,
    /// The sequence number that each flow has come to.
    last: Vec<Option<u32>>,
    burst: Burst,
    seen: u64,
}

impl Sinks {
    fn new(rings: Vec<RingConsumer>, flows: Vec<Flow>) -> Self {
        let burst = Burst::new(eal());
        Self { rings, flows, last: vec![None; usize::from(FLOWS)], burst, seen: 0 }
    }

    /// Looks at what has been sent so far.
    fn look(&mut self) {
        for (worker, ring) in self.rings.iter_mut().enumerate() {
            while ring.receive(&mut self.burst) > 0 {
                for (_, frame) in self.burst.frames() {
                    let port = frame[PORT_AT..].first_chunk().expect("a port");
                    let sequence = frame[SEQUENCE_AT..].first_chunk().expect("a number");
                    let flow = usize::from(u16::from_be_bytes(*port) - FIRST_PORT);
                    let sequence = u32::from_be_bytes(*sequence);
                    assert_eq!(worker, self.flows[flow].owner, "flow {flow} is another's");
                    let before = self.last[flow].replace(sequence);
                    assert!(before < Some(sequence), "{before:?} before {sequence} of flow {flow}");
                    self.seen += 1;
                }
                self.burst.clear();
            }
        }
    }
}

/// Where one flow belongs, and where its packets arrive.
#[derive(Clone, Copy)]
struct Flow {
    owner: usize,
    arrival: usize,
}

/// All flows. Those of one owner arrive at each other worker in turn.
fn flows(owner: &OwnerFunction) -> Vec<Flow> {
    let workers = usize::from(owner.workers());
    let address = |text: &str| text.parse::<IpAddr>().expect("an address").into();
    let mut owned = vec![0; workers];
    let flow = |flow| {
        let (frontend, port) = FRONTEND;
        let client = (address(CLIENT), FIRST_PORT + flow);
        let owner = owner.of_flow(client.0, client.1, address(frontend), port).index();
        let before = owned[owner];
        owned[owner] += 1;
        Flow { owner, arrival: (owner + 1 + before % (workers - 1)) % workers }
    };
    (0..FLOWS).map(flow).collect()
}

/// What a worker of so many receives, and how much of it.
fn source(worker: usize, workers: usize, all: &[Flow], world: &World) -> (Source, u64) {
    let flows: Vec<_> = (0..FLOWS).filter(|it| all[usize::from(*it)].arrival == worker).collect();
    let packets = PACKETS / workers as u64;
    let numbers = (0u32..).flat_map(|number| flows.iter().map(move |flow| (number, *flow)));
    let step = |(number, flow)| SourceStep::new(u16::from(number > 0), number, FIRST_PORT + flow);
    let steps = numbers.take(usize::try_from(packets).expect("few")).map(step).collect();
    let template = |flags| {
        let ((frontend, port), link) = (FRONTEND, world.links().at(FRONT));
        let line = format!("tcp {CLIENT}:1 -> {frontend}:{port} {flags} padding 10");
        let frame = encode(&line, link, Direction::Arriving).expect("a packet");
        let bytes: [u8; TEMPLATE] = frame.try_into().expect("a template's length");
        let place = |at: usize| u16::try_from(at).expect("within the frame");
        Template::new(bytes, place(TEMPLATE), place(SEQUENCE_AT), place(PORT_AT))
    };
    (Source::new(vec![template("SYN"), template("ACK")], steps).expect("a source"), packets)
}

/// A device without a wire.
fn attach(rx_queues: usize, tx_queues: usize) -> (StartedPort, Vec<RxQueue>, Vec<TxQueue>) {
    // A closed port leaves its device behind, and with it the name.
    static DEVICES: Mutex<u32> = Mutex::new(0);
    let mut devices = DEVICES.lock().expect("nobody failed here");
    *devices += 1;
    let port = Port::attach(eal(), &format!("net_null_workers{devices},size=64")).expect("a port");
    let queues = |count: usize| u16::try_from(count).expect("at most sixteen");
    let config = PortConfig {
        rx_queues: queues(rx_queues),
        tx_queues: queues(tx_queues),
        rx_descriptors: 512,
        tx_descriptors: 512,
        mtu: 256,
        rss: None,
        promiscuous: false,
        rx_checksum: false,
    };
    let port = port.configure(&config, std::slice::from_ref(pool())).expect("configured");
    port.start().expect("started")
}

/// One run at a time: rings have names, and processors are few.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The environment of this process, without anything of this machine.
fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        let fixed = ["--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "256"];
        // The pool's ring is the daemon's: with the usual one a run sometimes takes half a minute.
        let named = ["--file-prefix=weir-test-workers", "--mbuf-pool-ops-name=ring_mt_rts"];
        let arguments: Vec<_> = fixed.into_iter().chain(named).map(str::to_owned).collect();
        dpdk::log::set_level(dpdk::log::Level::Error).expect("log level");
        Eal::init_with(&arguments, Affinity::Kept).expect("EAL starts without hugepages")
    })
}

/// The buffers of all runs.
fn pool() -> &'static Mempool {
    static POOL: OnceLock<Mempool> = OnceLock::new();
    POOL.get_or_init(|| {
        let name = "workers".to_owned();
        let config = PoolConfig { name, count: BUFFERS, cache: 256, data_room: 512, socket: None };
        Mempool::new(eal(), &config).expect("a pool")
    })
}
