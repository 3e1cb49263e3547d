//! Who had which address and port when, as a log that outlives the flows?
//!
//! ```text
//!   worker ─► SessionRing ─┐                        ┌─► Lines: a file, a JSON object per line
//!   worker ─► SessionRing ─┼─► Writer, its thread ──┤
//!   control ─► orders ─────┘     ids ─► addresses   └─► Collector: IPFIX datagrams
//!              (ports dealt, settings, address book)
//! ```
//!
//! Workers note sessions by ids and wait for nobody; the control side tells what ids mean before
//! workers see them, and which blocks of ports members get and lose. The writer alone meets the
//! disk and the collector. While those do not take anything, records wait on the rings, and what
//! finds no room there is counted.
//!
//! Not here: which sessions there are (`weir_core::path`), the configuration of the log
//! (`weir_core::config`).

mod blocks;
mod collector;
mod event;
mod ipfix;
mod lines;
mod orders;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use weir_core::config;
use weir_core::policy::{OutboundAddress, Snapshot};
use weir_core::telemetry::Counters;
use weir_core::units::{MemberId, Transport};

use crate::worker::{Clock, SharedState};

use blocks::each_change;
use event::Book;
use orders::{Order, Shared};
use writer::Writer;

/// How long a stop waits for what is still to be written.
const FINISH_WITHIN: Duration = Duration::from_secs(2);
/// How long it is no news that a member has no port left.
const AGAIN_MS: u64 = 60_000;

/// What a log has of one worker.
pub struct Source {
    /// Where its records wait.
    pub shared: Arc<SharedState>,
    /// Its counters: what found no room.
    pub counters: Arc<Counters>,
}

/// The control side's end of the session log. Nothing here waits for the writer.
pub struct SessionLog {
    shared: Arc<Shared>,
    clock: Clock,
    settings: Option<config::SessionLog>,
    /// What ids meant so far.
    book: Arc<Book>,
    /// The holders of ports that the log knows of.
    told: Arc<[OutboundAddress]>,
    /// When the log was told that a member has no port left, in milliseconds since the start.
    short: BTreeMap<(MemberId, Transport), u64>,
}

/// The one who waits for the writer at the end.
pub struct Finish {
    shared: Arc<Shared>,
    finished: Receiver<()>,
}

/// What became of records so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records in the file, or in datagrams that were sent.
    pub written: u64,
    /// Records that could not be written or sent.
    pub failed: u64,
}

/// Starts the writer's thread, which rests until a log is wanted. It is a thread of the network
/// namespace and with the rights of the caller's, less every capability: collectors are reached by
/// the machine's own kernel.
///
/// # Errors
/// When the system has no thread for it.
pub fn start(sources: Vec<Source>, clock: Clock) -> io::Result<(SessionLog, Finish)> {
    let (done, finished) = mpsc::channel::<()>();
    let (log, mut writer) = ends(sources, clock);
    let shared = Arc::clone(&log.shared);
    thread::Builder::new().name("weir-sessions".to_owned()).spawn(move || {
        crate::boot::drop_all();
        writer.run();
        // Whoever waits sees that this end is gone.
        drop(done);
    })?;
    Ok((log, Finish { shared, finished }))
}

/// Both ends of a log that nobody wants yet.
fn ends(sources: Vec<Source>, clock: Clock) -> (SessionLog, Writer) {
    let shared = Arc::new(Shared::default());
    let writer = Writer::new(Arc::clone(&shared), sources, clock);
    let (book, told, short) = (Arc::default(), Arc::default(), BTreeMap::new());
    (SessionLog { shared, clock, settings: None, book, told, short }, writer)
}

impl SessionLog {
    /// Has the log kept as a configuration says, and its file opened anew: whoever has moved it
    /// away gets it complete.
    pub fn set(&mut self, settings: Option<&config::SessionLog>, snapshot: &Snapshot) {
        let changed = self.settings.as_ref() != settings;
        if changed {
            self.settings = settings.cloned();
            // A log that begins says what is dealt already.
            self.told = Arc::default();
            self.short.clear();
        }
        if changed || settings.is_some() {
            self.shared.order(Order::Settings(self.settings.clone()));
        }
        self.announce(snapshot);
    }

    /// Tells the writer what workers will speak of, before they have this snapshot.
    pub fn announce(&mut self, snapshot: &Snapshot) {
        let Some(settings) = &self.settings else { return };
        // The writer has this book open, so a change is a copy.
        if self.book.is_behind(snapshot) {
            Arc::make_mut(&mut self.book).learn(snapshot);
            self.shared.learn(Arc::clone(&self.book));
        }
        if !settings.records.port_blocks || Arc::ptr_eq(&self.told, &snapshot.outbound_addresses) {
            return;
        }
        let milliseconds = self.clock.now().milliseconds;
        each_change(&self.told, &snapshot.outbound_addresses, |change| {
            self.shared.order(Order::Block(milliseconds, change));
        });
        self.told = Arc::clone(&snapshot.outbound_addresses);
    }

    /// Tells that a flow of a member found none of its ports free; at most once a minute.
    pub fn exhausted(&mut self, snapshot: &Snapshot, member: MemberId, protocol: Transport) {
        if !self.settings.as_ref().is_some_and(|settings| settings.records.port_blocks) {
            return;
        }
        let now = self.clock.now().milliseconds;
        let last = self.short.get(&(member, protocol));
        if last.is_some_and(|last| now.saturating_sub(*last) < AGAIN_MS) {
            return;
        }
        let Some(mapping) = snapshot.mapping(member, protocol) else { return };
        self.short.insert((member, protocol), now);
        self.shared.order(Order::Shortage(now, member, protocol, mapping.ports()));
    }

    /// What became of records so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Why nothing can be written at present.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.shared.problem()
    }
}

impl Finish {
    /// Has what is left written. To be called when workers have ended; a disk that does not answer
    /// is not waited for.
    pub fn finish(self) {
        self.shared.finish();
        if self.finished.recv_timeout(FINISH_WITHIN) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!(
                "the session log's destination does not answer: its end is not written"
            );
        }
    }
}
