//! How do records of outbound sessions leave a worker?
//!
//! ```text
//!   Worker::sessions ─► SessionRing ─► the writer's thread
//!    (a turn's)          (bounded)
//! ```
//!
//! The ring is made when a log is wanted for the first time, and stays. While none is wanted, a
//! turn costs one look at a line that only the control side writes. What finds no room is lost and
//! counted: a worker waits for nobody.
//!
//! Not here: what is noted (`weir_core::path`), what becomes of it (`session_log`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use weir_core::limits::SESSION_RECORDS_WAITING_MAX;
use weir_core::path::{Now, SessionRecord, Worker};
use weir_core::telemetry::Counter;

use super::shared::has_room;

/// Where records of one worker wait for the writer of the session log.
#[derive(Debug)]
pub struct SessionRing {
    wanted: AtomicBool,
    room: usize,
    records: OnceLock<ArrayQueue<SessionRecord>>,
}

impl Default for SessionRing {
    fn default() -> Self {
        Self::with_room(SESSION_RECORDS_WAITING_MAX)
    }
}

impl SessionRing {
    /// A ring with room for so many records, at least one.
    #[must_use]
    pub const fn with_room(room: usize) -> Self {
        Self { wanted: AtomicBool::new(false), room, records: OnceLock::new() }
    }

    /// Says whether records are wanted; their memory is taken here.
    pub fn want(&self, wanted: bool) {
        if wanted {
            // One place stays free (`has_room`).
            self.records.get_or_init(|| ArrayQueue::new(self.room + 1));
        }
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Whether records are wanted.
    #[must_use]
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Passes on what a worker noted in the turn that began `now`.
    #[inline]
    pub fn pass(&self, worker: &mut Worker, now: Now) {
        if !worker.sessions.is_empty() {
            self.pass_noted(worker, now);
        }
    }

    fn pass_noted(&self, worker: &mut Worker, now: Now) {
        let (mut passed, mut lost) = (0, 0);
        for record in worker.sessions.drain(now) {
            let records = self.records.get().filter(|records| has_room(records));
            match records.map(|records| records.push(record)) {
                Some(Ok(())) => passed += 1,
                Some(Err(_)) | None => lost += 1,
            }
        }
        worker.counters.count(Counter::SessionRecords, passed);
        worker.counters.count(Counter::SessionRecordsLost, lost);
    }

    /// The oldest record that waits.
    #[must_use]
    pub fn pop(&self) -> Option<SessionRecord> {
        self.records.get()?.pop()
    }
}

#[cfg(test)]
mod tests {
    use golden::document::Document;
    use golden::simulation::{Options, Simulation};
    use weir_core::path::SessionEvent;
    use weir_core::units::PortId;

    use super::*;

    const BACK: PortId = PortId(1);

    fn simulation() -> Simulation {
        Simulation::new(&Document::read("base.json"), Options::with_workers(1))
    }

    /// A member opens so many sessions.
    fn open(simulation: &mut Simulation, sessions: u16) {
        for port in 50_000..50_000 + sessions {
            let line = format!("udp 10.0.0.11:{port} -> 192.0.2.80:443");
            let frame = simulation.frame(BACK, &line);
            simulation.receive([frame]);
        }
    }

    #[test]
    fn records_leave_in_order_and_what_finds_no_room_is_counted() {
        let ring = SessionRing::with_room(4);
        ring.want(true);
        let mut simulation = simulation();
        simulation.workers[0].sessions.want(ring.is_wanted());
        open(&mut simulation, 7);
        let now = simulation.now();
        ring.pass(&mut simulation.workers[0], now);
        let counters = &simulation.workers[0].counters;
        assert_eq!(counters.get(Counter::SessionRecords), 4);
        assert_eq!(counters.get(Counter::SessionRecordsLost), 3);
        let ports: Vec<_> = std::iter::from_fn(|| ring.pop()).map(|it| it.source_port).collect();
        assert_eq!(ports, [50_000, 50_001, 50_002, 50_003]);
        assert!(simulation.workers[0].sessions.is_empty());
    }

    #[test]
    fn while_nobody_wants_a_log_nothing_is_noted_and_no_memory_is_taken() {
        let ring = SessionRing::default();
        let mut simulation = simulation();
        simulation.workers[0].sessions.want(ring.is_wanted());
        open(&mut simulation, 3);
        assert!(simulation.workers[0].sessions.is_empty());
        let now = simulation.now();
        ring.pass(&mut simulation.workers[0], now);
        assert!(ring.records.get().is_none());
        ring.want(true);
        simulation.workers[0].sessions.want(ring.is_wanted());
        open(&mut simulation, 5);
        let now = simulation.now();
        ring.pass(&mut simulation.workers[0], now);
        let noted: Vec<_> = std::iter::from_fn(|| ring.pop()).collect();
        assert_eq!(noted.len(), 2, "three sessions were there before");
        assert!(noted.iter().all(|it| it.event == SessionEvent::Created));
    }
}
