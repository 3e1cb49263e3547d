//! What does a small shell around the core do with frames and time?
//!
//! ```text
//!   receive ─► worker 0 ─► verdicts ─► outputs
//!                 └─ hand-off ─► queue of worker n ─► verdicts ─► outputs …
//! ```
//!
//! Usually one receive queue, so that worker 0 gets everything; frames may also [arrive] at any
//! worker, whose turns are then the caller's. Nothing is lost here: queues have no bound, every
//! port transmits. Not here: the world around the workers ([`World`]), their queues (`queues`).
//!
//! [arrive]: Simulation::arrive

mod frames;
mod queues;
mod world;

use std::sync::Arc;

use weir_core::limits::{BATCH, IDLE_TIMEOUT_MINUTES_MAX};
use weir_core::path::{Batch, Exhaustion, Now, Sizes, Verdict, Worker};
use weir_core::policy::Snapshot;
use weir_core::telemetry::{Counter, Counters, ObjectCounters, ObjectTotals, Totals};
use weir_core::units::{Address, MemberId, PortId, Tick, WorkerId};

pub use frames::{Burst, Frame};
use queues::Queues;
pub use world::{OWNER_KEY, World};

use crate::document::Document;
use crate::packet::{Direction, encode};

/// What leaves the appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A frame on the wire.
    Wire(PortId, Vec<u8>),
    /// A frame for the kernel twin of a port.
    Kernel(PortId, Vec<u8>),
    /// A request to resolve a neighbour.
    Resolve(PortId, Address),
}

/// By whom an output left, and how it had come there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The worker that finished it.
    pub worker: usize,
    /// How often it had been handed over.
    pub handoffs: u8,
}

/// What a simulation is built with besides its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many workers there are.
    pub workers: u8,
    /// Occupancy records for outbound destinations, if not as many as go with the flow records.
    pub destinations: Option<usize>,
    /// Keys the hash functions of the tables.
    pub seed: u64,
    /// Frames that are received together at most, 1 to `limits::BATCH`.
    pub burst: usize,
}

impl Options {
    /// The usual simulation with this many workers.
    #[must_use]
    pub const fn with_workers(workers: u8) -> Self {
        Self { workers, destinations: None, seed: 0x5eed_5eed_5eed_5eed, burst: BATCH }
    }
}

/// The workers and what is around them.
#[derive(Debug)]
pub struct Simulation {
    /// What the control side knows.
    pub world: World,
    /// The workers by their ids.
    pub workers: Vec<Worker>,
    snapshot: Snapshot,
    now: Now,
    batch: Batch,
    burst: usize,
    queues: Queues,
    outputs: Vec<(Passage, Output)>,
    /// Bytes that were seen on the wire, in and out, to hold the counters against.
    bytes: (u64, u64),
    exhaustions: Vec<Exhaustion>,
}

impl Simulation {
    /// Workers at time 0 under `document`, with every link up, every known neighbour resolved
    /// and every probe target healthy.
    #[must_use]
    pub fn new(document: &Document, options: Options) -> Self {
        let mut world = World::new(document.check(), options.workers);
        let flow_slots = world.configuration().appliance.limits.flows_per_worker;
        let usual = Sizes::of_flow_slots(flow_slots);
        let destinations = options.destinations.unwrap_or(usual.destinations);
        let sizes = Sizes { destinations, ..usual };
        let now = Now::default();
        let workers: Vec<_> = (0..options.workers)
            .map(|id| Worker::new(WorkerId(id), sizes, options.seed.wrapping_add(id.into()), now))
            .collect();
        world.watch(workers.iter().map(|worker| Arc::clone(&worker.port_use)).collect());
        Self {
            workers,
            snapshot: world.compile(0),
            world,
            now,
            batch: Batch::default(),
            burst: options.burst,
            queues: Queues::new(options.workers.into()),
            outputs: Vec::new(),
            bytes: (0, 0),
            exhaustions: Vec::new(),
        }
    }

    /// The snapshot that the workers read.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Now {
        self.now
    }

    /// The frame that a packet's line stands for, arriving on `port`.
    ///
    /// # Panics
    /// When the line cannot be read.
    #[must_use]
    pub fn frame(&self, port: PortId, line: &str) -> Frame {
        let bytes = encode(line, self.world.links().at(port), Direction::Arriving).expect(line);
        Frame::new(port, bytes)
    }

    /// Publishes what the world has become.
    pub fn publish(&mut self) {
        self.world.return_ports(self.now.milliseconds);
        self.snapshot = self.world.compile(self.now.milliseconds);
    }

    /// Receives frames on worker 0, in bursts, and goes on until every queue is empty.
    pub fn receive(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let mut frames = frames.into_iter();
        loop {
            let burst: Vec<_> = frames.by_ref().take(self.burst).collect();
            if burst.is_empty() {
                break;
            }
            self.receive_burst(0, burst);
            self.drain_queues();
        }
    }

    /// Lets time pass up to `milliseconds`, turning the timers at every tick.
    pub fn advance_to(&mut self, milliseconds: u64) {
        while self.now.milliseconds < milliseconds {
            let next = (self.now.milliseconds / Tick::MILLISECONDS + 1) * Tick::MILLISECONDS;
            self.now.milliseconds = next.min(milliseconds);
            self.turn_timers();
        }
    }

    /// Lets time pass in one leap, as after a long sleep.
    pub fn leap_to(&mut self, milliseconds: u64) {
        self.now.milliseconds = self.now.milliseconds.max(milliseconds);
        self.turn_timers();
    }

    /// What has left since this was asked last.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        self.take_passages().into_iter().map(|(_, output)| output).collect()
    }

    /// The same, each with its way.
    pub fn take_passages(&mut self) -> Vec<(Passage, Output)> {
        std::mem::take(&mut self.outputs)
    }

    /// All counters, added up over workers.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::of(self.workers.iter().map(|worker| &*worker.counters as &Counters))
    }

    /// Flow records of all workers.
    #[must_use]
    pub fn records(&self) -> Vec<usize> {
        self.workers.iter().map(|worker| worker.flows().len()).collect()
    }

    /// Holds the counters against each other and against what was seen on the wire.
    ///
    /// # Panics
    /// When they disagree.
    pub fn check_accounts(&self) {
        let totals = self.totals();
        assert_eq!(totals.in_flight(), 0, "packets in flight at rest: {:#?}", totals.values());
        let (out, back) = (totals.get("handoff_out_packets"), totals.get("handoff_in_packets"));
        assert_eq!(out, back, "packets handed out and taken in");
        assert_eq!(totals.get("rx_bytes"), self.bytes.0, "bytes received");
        assert_eq!(totals.get("tx_bytes"), self.bytes.1, "bytes sent");
        let drops = totals.values().iter().filter(|(name, _)| name.starts_with("drop_"));
        let drops: u64 = drops.map(|(_, amount)| amount).sum();
        assert_eq!(totals.get("dropped_packets"), drops, "drops by their reasons");
    }

    /// Waits until the longest idle time has passed twice, and sees that nothing is left: no
    /// record, no outbound port, no live flow in any count.
    ///
    /// # Panics
    /// When something is left.
    pub fn check_that_silence_ends_everything(&mut self) {
        self.check_that_silence_ends_every_record();
        for id in 0..OBJECTS_CHECKED {
            let member = MemberId(u32::try_from(id).expect("few"));
            let live = |of: fn(&Worker) -> &ObjectCounters| {
                let mut totals = ObjectTotals::default();
                self.workers.iter().for_each(|worker| of(worker).add_to(id, &mut totals));
                totals.flows
            };
            assert_eq!(live(|worker| &worker.members), 0, "live flows of member {id}");
            assert_eq!(live(|worker| &worker.rules), 0, "live flows of rule {id}");
            let outbound: u64 = self.workers.iter().map(|it| it.outbound.flows(member)).sum();
            assert_eq!(outbound, 0, "live flows to the outside of member {id}");
        }
    }

    /// Waits likewise, and sees that no record is left and that each flow which began has ended.
    ///
    /// # Panics
    /// When something is left.
    pub fn check_that_silence_ends_every_record(&mut self) {
        for _ in 0..2 {
            self.leap_to(self.now.milliseconds + LONGEST_SILENCE_MILLISECONDS);
        }
        self.take_outputs();
        self.check_accounts();
        assert!(self.records().iter().all(|records| *records == 0), "{:?}", self.records());
        let totals = self.totals();
        let ended = totals.get("flows_expired") + totals.get("flows_ended");
        assert_eq!(totals.get("flows_created"), ended, "flows that began and that ended");
    }

    fn process(&mut self, worker: usize, frames: Vec<Frame>) {
        let mut burst = Burst::new(frames);
        let batch = &mut self.batch;
        self.workers[worker].process(&self.snapshot, self.now, &mut burst, batch);
        let frames = burst.into_frames();
        assert_eq!(batch.len(), frames.len(), "every frame has a verdict");
        let verdicts: Vec<_> = (0..frames.len()).map(|it| self.batch.verdict(it)).collect();
        for (frame, verdict) in frames.into_iter().zip(verdicts) {
            self.carry_out(worker, frame, verdict);
        }
        self.take_requests(worker);
        self.take_exhaustions(worker);
        self.take_originated(worker);
    }

    fn carry_out(&mut self, worker: usize, frame: Frame, verdict: Verdict) {
        let counters = Arc::clone(&self.workers[worker].counters);
        let passage = Passage { worker, handoffs: frame.tag.handoffs };
        match verdict {
            Verdict::Transmit(port) => self.transmit(passage, port, frame.bytes),
            Verdict::Answer(port) => {
                counters.count(Counter::AnsweredPackets, 1);
                self.outputs.push((passage, Output::Wire(port, frame.bytes)));
            }
            Verdict::Punt(class) => {
                counters.punt(class, 1);
                self.outputs.push((passage, Output::Kernel(frame.ingress, frame.bytes)));
            }
            Verdict::HandOff(owner) => {
                assert_ne!(owner.index(), worker, "handed to itself");
                counters.count(Counter::HandoffOutPackets, 1);
                self.queues.hand_off(worker, owner.index(), frame);
            }
            Verdict::Drop(_) => {}
        }
    }

    fn transmit(&mut self, passage: Passage, port: PortId, bytes: Vec<u8>) {
        let counters = &self.workers[passage.worker].counters;
        counters.count(Counter::TxPackets, 1);
        counters.count(Counter::TxBytes, bytes.len() as u64);
        self.bytes.1 += bytes.len() as u64;
        self.outputs.push((passage, Output::Wire(port, bytes)));
    }

    fn take_requests(&mut self, worker: usize) {
        let passage = Passage { worker, handoffs: 0 };
        let worker = &mut self.workers[worker];
        worker.counters.count(Counter::ResolveRequests, worker.requests.len() as u64);
        let requests = worker.requests.drain(..);
        let requests = requests.map(|it| Output::Resolve(it.port, it.address));
        self.outputs.extend(requests.map(|request| (passage, request)));
    }

    /// Tells the control side whose outbound ports run out, where it would give them more.
    fn take_exhaustions(&mut self, worker: usize) {
        let exhaustions: Vec<_> = self.workers[worker].exhaustions.drain(..).collect();
        for exhaustion in &exhaustions {
            let mapping = self.snapshot.mapping(exhaustion.member, exhaustion.protocol);
            if mapping.is_some_and(|it| it.on_demand_max.is_some()) {
                self.world.want(exhaustion.member, exhaustion.protocol);
            }
        }
        self.exhaustions.extend(exhaustions);
    }

    /// What workers have told of outbound ports that run out, since this was asked last.
    pub fn take_all_exhaustions(&mut self) -> Vec<Exhaustion> {
        std::mem::take(&mut self.exhaustions)
    }

    fn turn_timers(&mut self) {
        for worker in 0..self.workers.len() {
            loop {
                let met = self.workers[worker].expire(&self.snapshot, self.now, BATCH);
                let originated = self.take_originated(worker);
                if met == 0 && originated == 0 {
                    break;
                }
            }
        }
    }

    /// Sends what a worker has made itself; returns how many packets it was.
    fn take_originated(&mut self, worker: usize) -> usize {
        let originated = std::mem::take(&mut self.workers[worker].originated);
        let counters = &self.workers[worker].counters;
        counters.count(Counter::OriginatedPackets, originated.len() as u64);
        let count = originated.len();
        for packet in originated {
            let passage = Passage { worker, handoffs: 0 };
            self.transmit(passage, packet.port, packet.frame.to_vec());
        }
        count
    }
}

/// Ids of rules, members and port counters that are looked at: more than any case has.
const OBJECTS_CHECKED: usize = 64;
/// A minute more than the longest idle timeout.
const LONGEST_SILENCE_MILLISECONDS: u64 = (IDLE_TIMEOUT_MINUTES_MAX as u64 + 1) * 60_000;
