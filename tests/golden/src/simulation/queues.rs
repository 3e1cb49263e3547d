//! Where do frames wait for a worker, and what does one turn of it take?
//!
//! ```text
//!   wire ──► receive queue of worker n ──┐
//!   worker m ──► hand-off queue m, n ────┴─► turn: one burst of each, the wire's first
//! ```
//!
//! Queues are per ordered pair as the shell's rings are, so that any order of turns shows what
//! threads may show. None has a bound. Not here: what becomes of a burst ([`Simulation`]).

use std::collections::VecDeque;

use weir_core::limits::BATCH;
use weir_core::telemetry::Counter;

use super::{Frame, Simulation};

/// All frames that wait.
#[derive(Debug)]
pub(super) struct Queues {
    /// From the wire, by worker.
    wire: Vec<VecDeque<Frame>>,
    /// By the worker that takes, then by the one that gives.
    handoff: Vec<Vec<VecDeque<Frame>>>,
}

impl Queues {
    /// Empty queues for so many workers.
    pub(super) fn new(workers: usize) -> Self {
        let row = || (0..workers).map(|_| VecDeque::new()).collect();
        Self { wire: row(), handoff: (0..workers).map(|_| row()).collect() }
    }

    /// Passes a frame from one worker to another.
    pub(super) fn hand_off(&mut self, from: usize, to: usize, frame: Frame) {
        self.handoff[to][from].push_back(frame);
    }

    /// A worker for whom something was handed over.
    fn taker(&self) -> Option<usize> {
        self.handoff.iter().position(|queues| queues.iter().any(|queue| !queue.is_empty()))
    }

    /// Who have given something to this worker.
    fn givers(&self, to: usize) -> Vec<usize> {
        let queues = &self.handoff[to];
        (0..queues.len()).filter(|from| !queues[*from].is_empty()).collect()
    }
}

impl Simulation {
    /// Lets a frame wait in the receive queue of a worker.
    pub fn arrive(&mut self, worker: usize, frame: Frame) {
        self.queues.wire[worker].push_back(frame);
    }

    /// One turn of a worker: a burst from the wire, then one from each neighbour.
    pub fn turn(&mut self, worker: usize) {
        let wire = &mut self.queues.wire[worker];
        let burst: Vec<_> = wire.drain(..wire.len().min(self.burst)).collect();
        if !burst.is_empty() {
            self.receive_burst(worker, burst);
        }
        self.take_over(worker);
    }

    /// Turns of all workers until nothing waits.
    pub fn settle(&mut self) {
        let workers = self.workers.len();
        while self.queues.wire.iter().any(|queue| !queue.is_empty()) {
            (0..workers).for_each(|worker| self.turn(worker));
        }
        self.drain_queues();
    }

    /// Takes over until nothing is handed to anybody any more.
    pub(super) fn drain_queues(&mut self) {
        while let Some(worker) = self.queues.taker() {
            self.take_over(worker);
        }
    }

    pub(super) fn receive_burst(&mut self, worker: usize, burst: Vec<Frame>) {
        let bytes = burst.iter().map(|frame| frame.bytes.len() as u64).sum();
        self.bytes.0 += bytes;
        let counters = &self.workers[worker].counters;
        counters.count(Counter::RxPackets, burst.len() as u64);
        counters.count(Counter::RxBytes, bytes);
        self.process(worker, burst);
    }

    fn take_over(&mut self, worker: usize) {
        for giver in self.queues.givers(worker) {
            let queue = &mut self.queues.handoff[worker][giver];
            let burst: Vec<_> = queue.drain(..queue.len().min(BATCH)).collect();
            let counters = &self.workers[worker].counters;
            counters.count(Counter::HandoffInPackets, burst.len() as u64);
            self.process(worker, burst);
        }
    }
}
