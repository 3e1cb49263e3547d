//! What does a worker do, turn after turn?
//!
//! ```text
//!   receive ─► process ─► carry out verdicts ─► take over ─► timers ─► inquiries ─► flush
//!      ▲                        │                   ▲
//!   own queues            tx · rings · free    hand-off, relay, kernel rings
//! ```
//!
//! Nothing in a turn locks, allocates, logs, blocks or makes a system call; a worker that may
//! sleep does so between turns, offline. Not here: what becomes of a packet
//! (`weir_core::path`), who made the rings ([`rings`]).

mod clock;
mod frames;
mod idle;
pub mod inquiries;
mod outlets;
pub mod rings;
mod sessions;
mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dpdk::{Burst, Eal, LcoreGuard, Mempool, RegisterError, RxQueue};
use weir_core::path::{Batch, Now, Verdict, Worker};
use weir_core::policy::Snapshot;
use weir_core::rcu::Reader;
use weir_core::telemetry::Counter;
use weir_core::units::PortId;

pub use clock::Clock;
use frames::{PacketFrames, port_number};
pub use idle::Idle;
pub use outlets::{Lane, Outlets, PortLane};
pub use sessions::SessionRing;
use shared::has_room;
pub use shared::{SharedState, WorkerState};

use inquiries::Desk;
use rings::Inlets;

/// Flow records that the timers meet per turn: so many that expiry keeps pace with two million
/// new flows a second at 50,000 turns, and so few that a turn stays within 10 µs.
const TIMERS_PER_TURN: usize = 64;
/// Bursts that one turn takes from each ring, so that no neighbour starves the wire.
const RING_BURSTS_PER_TURN: usize = 4;

/// Everything that a worker's thread needs, made before it starts.
pub struct WorkerLane {
    /// The core's worker: flows, ports, counters.
    pub worker: Worker,
    /// How it reads snapshots.
    pub reader: Reader<Snapshot>,
    /// The queues it polls.
    pub queues: Vec<RxQueue>,
    /// Where other threads' packets come in.
    pub inlets: Inlets,
    /// Where packets go.
    pub outlets: Outlets,
    /// From DPDK's port numbers to ours.
    pub ports: Arc<[PortId]>,
    /// Where packets of its own come from.
    pub pool: Mempool,
    /// What it tells the control side about itself.
    pub shared: Arc<SharedState>,
    /// Where it answers the control side's questions.
    pub desk: Desk,
    /// Whether and how it rests.
    pub idle: Idle,
    /// The time.
    pub clock: Clock,
}

impl WorkerLane {
    /// Turns until `stop` is set. To be called on the worker's own thread; `ready` is called once
    /// the thread is an lcore.
    ///
    /// # Errors
    /// When DPDK has no lcore left for this thread; `ready` is then dropped.
    pub fn run(
        mut self,
        eal: &Eal,
        stop: &AtomicBool,
        ready: impl FnOnce(),
    ) -> Result<(), RegisterError> {
        let lcore: LcoreGuard = eal.register_thread()?;
        self.shared.is_lcore(lcore.lcore());
        ready();
        let mut burst = Burst::new(eal);
        let mut batch = Batch::default();
        dpdk::heap::watch_this_thread();
        while !stop.load(Ordering::Relaxed) {
            let worked = self.turn(&mut burst, &mut batch);
            let allocations = dpdk::heap::take_count();
            if allocations > 0 {
                self.worker.counters.count(Counter::WorkerAllocations, allocations);
            }
            self.idle.rest(worked, &mut self.reader, &self.shared);
        }
        self.reader.offline();
        Ok(())
    }

    /// One turn. Returns whether there was anything to do. The thread must be an lcore, or packet
    /// memory comes without a cache.
    pub fn turn(&mut self, burst: &mut Burst, batch: &mut Batch) -> bool {
        let now = self.clock.now();
        self.shared.heartbeat(now.milliseconds, self.worker.flows().len());
        let snapshot = self.reader.enter();
        self.worker.sessions.want(self.shared.sessions.is_wanted());
        let mut turn = Turn {
            worker: &mut self.worker,
            outlets: &mut self.outlets,
            ports: &self.ports,
            snapshot,
            now,
            burst,
            batch,
        };
        let mut worked = turn.receive_from_wire(&mut self.queues);
        worked |= turn.take_over(&mut self.inlets);
        worked |= turn.run_timers(&self.pool);
        worked |= self.desk.turn(&self.shared.inquiries, &self.worker, snapshot, now, worked);
        self.outlets.flush(&self.worker.counters);
        self.shared.sessions.pass(&mut self.worker, now);
        for request in self.worker.requests.drain(..) {
            if has_room(&self.shared.requests) && self.shared.requests.push(request).is_ok() {
                self.worker.counters.count(Counter::ResolveRequests, 1);
            }
        }
        for exhaustion in self.worker.exhaustions.drain(..) {
            // It is told again while it lasts.
            if has_room(&self.shared.exhaustions) {
                let _put = self.shared.exhaustions.push(exhaustion);
            }
        }
        worked
    }
}

/// One turn's view of the lane.
struct Turn<'a> {
    worker: &'a mut Worker,
    outlets: &'a mut Outlets,
    ports: &'a [PortId],
    snapshot: &'a Snapshot,
    now: Now,
    burst: &'a mut Burst,
    batch: &'a mut Batch,
}

impl Turn<'_> {
    /// One burst of each queue.
    fn receive_from_wire(&mut self, queues: &mut [RxQueue]) -> bool {
        let mut worked = false;
        for queue in queues {
            let received = queue.receive(self.burst);
            if received > 0 {
                worked = true;
                let bytes = self.process(Some(port_number(self.ports, queue.port())));
                self.worker.counters.count(Counter::RxPackets, received as u64);
                self.worker.counters.count(Counter::RxBytes, bytes as u64);
            }
        }
        worked
    }

    /// What other workers and the control side have for this one.
    fn take_over(&mut self, inlets: &mut Inlets) -> bool {
        let mut worked = false;
        for ring in &mut inlets.handoff {
            for _ in 0..RING_BURSTS_PER_TURN {
                let received = ring.receive(self.burst);
                if received == 0 {
                    break;
                }
                worked = true;
                self.worker.counters.count(Counter::HandoffInPackets, received as u64);
                self.process(None);
            }
        }
        for ring in &mut inlets.relay {
            worked |= self.transmit_for_others(ring, Counter::RelayInPackets);
        }
        if let Some(ring) = &mut inlets.kernel {
            worked |= self.transmit_for_others(ring, Counter::RxKernelPackets);
        }
        worked
    }

    /// Takes one burst of the worker's own frames to their verdicts, and carries those out.
    /// They all came in by `ingress`, or each says where it did. Returns how many bytes it had.
    fn process(&mut self, ingress: Option<PortId>) -> usize {
        let look = self.burst.look();
        let bytes = look.bytes();
        let mut frames = PacketFrames::new(look, self.ports, ingress);
        self.worker.process(self.snapshot, self.now, &mut frames, self.batch);
        let counters = &self.worker.counters;
        if let Some(port) = self.batch.common_way()
            && self.outlets.transmit_all(port, self.burst, bytes as u64, counters)
        {
            return bytes;
        }
        for (place, port) in self.batch.transmitted() {
            self.outlets.transmit(port, self.burst, place, counters);
        }
        for (place, verdict) in self.batch.others() {
            match verdict {
                Verdict::Answer(port) => self.outlets.answer(port, self.burst, place, counters),
                Verdict::Punt(class) => {
                    let ingress = self.batch.ingress(place);
                    self.outlets.punt(class, ingress, self.burst, place, counters);
                }
                Verdict::HandOff(worker) => {
                    self.outlets.hand_off(worker, self.burst, place, counters);
                }
                // Dropped packets are freed in bulk with whatever is left of the burst.
                Verdict::Transmit(_) | Verdict::Drop(_) => {}
            }
        }
        self.burst.clear();
        bytes
    }

    /// Transmits packets that others have finished.
    fn transmit_for_others(&mut self, ring: &mut dpdk::RingConsumer, counter: Counter) -> bool {
        let received = ring.receive(self.burst);
        if received == 0 {
            return false;
        }
        let counters = &self.worker.counters;
        for index in 0..received {
            let note = rings::Note::from_meta(self.burst.meta(index));
            // What the control side itself made comes by the kernel's ring, under its own name.
            counters.count(if note.originated { Counter::OriginatedPackets } else { counter }, 1);
            if note.answer {
                self.outlets.answer(note.port, self.burst, index, counters);
            } else {
                self.outlets.transmit(note.port, self.burst, index, counters);
            }
        }
        self.burst.clear();
        true
    }

    /// Flows whose time has come, and the resets they owe.
    fn run_timers(&mut self, pool: &Mempool) -> bool {
        let met = self.worker.expire(self.snapshot, self.now, TIMERS_PER_TURN);
        let counters = &self.worker.counters;
        for originated in self.worker.originated.drain(..) {
            counters.count(Counter::OriginatedPackets, 1);
            self.outlets.originate(originated.port, pool, &originated.frame, self.burst, counters);
        }
        met > 0
    }
}
