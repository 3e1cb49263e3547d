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

/// Where records of one worker wait for the writer of the session log.
#[derive(Debug, Default)]
pub struct SessionRing {
    wanted: AtomicBool,
    records: OnceLock<ArrayQueue<SessionRecord>>,
}

impl SessionRing {
    /// Says whether records are wanted; their memory is taken here.
    pub fn want(&self, wanted: bool) {
        if wanted {
            self.records.get_or_init(|| ArrayQueue::new(SESSION_RECORDS_WAITING_MAX));
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
            match self.records.get().map(|records| records.push(record)) {
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
