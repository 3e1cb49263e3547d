//! What does the writer do, turn after turn?
//!
//! ```text
//!   rings ─► orders, address book ─► events ─► file or datagrams ─► rest, until there is more
//!                                                  │
//!                                                  └─ not taken: the same again, a second later
//! ```
//!
//! Rings are emptied before the book is fetched: what a worker speaks of stands in it by then.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use weir_core::config::{self, SessionLogDestination};
use weir_core::limits::SESSION_RECORDS_WAITING_MAX;
use weir_core::path::SessionRecord;
use weir_core::telemetry::Counter;

use super::Source;
use super::collector::{Collector, Outcome};
use super::event::{Book, Event, What};
use super::lines::Lines;
use super::orders::{Order, Shared, Taken};
use crate::worker::Clock;

/// Records that one turn takes from each ring.
const RECORDS_PER_TURN: usize = 512;
/// How long the writer rests when rings are empty; a ring is full after 16 ms of two million new
/// and as many ended sessions a second.
const REST: Duration = Duration::from_millis(10);
/// How often what was not taken is tried again, the file looked after, and losses told.
const CARE_MS: u64 = 1_000;

/// The thread that alone meets the disk and the collector.
pub(super) struct Writer {
    shared: Arc<Shared>,
    sources: Vec<Source>,
    clock: Clock,
    settings: Option<config::SessionLog>,
    sink: Option<Sink>,
    book: Arc<Book>,
    drained: Vec<SessionRecord>,
    /// When rings, file and losses were last looked after, in milliseconds since the start.
    cared_ms: u64,
    /// Losses that the log has told of.
    lost_told: u64,
    /// Whether the destination takes nothing at present.
    blocked: bool,
}

/// Where records go.
enum Sink {
    Lines(Lines),
    Collector(Collector),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sources: Vec<Source>, clock: Clock) -> Self {
        Self {
            shared,
            sources,
            clock,
            settings: None,
            sink: None,
            book: Arc::default(),
            drained: Vec::with_capacity(RECORDS_PER_TURN),
            cared_ms: 0,
            lost_told: 0,
            blocked: false,
        }
    }

    /// Writes until it is told to finish.
    pub(super) fn run(&mut self) {
        loop {
            if self.blocked {
                self.shared.wait(Some(Duration::from_millis(CARE_MS)), true);
                self.flush();
                if self.blocked && !self.shared.is_urgent() {
                    continue;
                }
            }
            let more = self.turn();
            match more {
                More::Now => {}
                More::Later => self.shared.wait(self.sink.is_some().then_some(REST), false),
                More::Never => return self.give_up(),
            }
        }
    }

    pub(super) fn turn(&mut self) -> More {
        // What waits for a disk or a collector stays where there is a bound.
        let is_full = !self.blocked && self.drain();
        let Taken { orders, book, finish } = self.shared.take();
        if let Some(book) = book {
            self.book = book;
        }
        for order in orders {
            match order {
                Order::Block(milliseconds, change) => {
                    let what = self.book.block(&change);
                    self.push(milliseconds, what);
                }
                Order::Shortage(milliseconds, member, protocol, ports) => {
                    let what = self.book.shortage(member, protocol, ports);
                    self.push(milliseconds, what);
                }
                Order::Settings(settings) => {
                    self.push_drained();
                    self.empty_rings();
                    self.set(settings);
                }
            }
        }
        self.push_drained();
        self.care();
        self.flush();
        match (is_full && !self.blocked, finish) {
            (true, _) => More::Now,
            (false, true) => More::Never,
            (false, false) => More::Later,
        }
    }

    /// Takes records from the rings; returns whether there may be more.
    fn drain(&mut self) -> bool {
        let mut is_full = false;
        for source in &self.sources {
            let records = std::iter::from_fn(|| source.shared.sessions.pop());
            let before = self.drained.len();
            self.drained.extend(records.take(RECORDS_PER_TURN));
            is_full |= self.drained.len() - before == RECORDS_PER_TURN;
        }
        is_full
    }

    /// Takes everything from the rings, for the destination that it was noted for.
    fn empty_rings(&mut self) {
        for _ in 0..SESSION_RECORDS_WAITING_MAX / RECORDS_PER_TURN {
            let is_full = !self.blocked && self.drain();
            self.push_drained();
            if !is_full {
                return;
            }
            self.flush();
        }
    }

    fn push_drained(&mut self) {
        let settings = self.settings.as_ref().filter(|settings| settings.records.sessions);
        let Some(destinations) = settings.map(|settings| settings.destinations) else {
            // Noted before the worker heard that nobody wants to know any more.
            self.shared.failed(self.drained.len() as u64);
            return self.drained.clear();
        };
        let mut drained = std::mem::take(&mut self.drained);
        for record in drained.drain(..) {
            let what = self.book.session(&record, destinations);
            self.push(record.milliseconds, what);
        }
        self.drained = drained;
    }

    /// Tells of something that was so many milliseconds after the start. The wall clock may be set
    /// at any time, so it is asked each time.
    fn push(&mut self, milliseconds: u64, what: What) {
        let wall_ms = wall_milliseconds();
        let ago = self.clock.now().milliseconds.saturating_sub(milliseconds);
        let event = Event { time: wall_ms.saturating_sub(ago), what };
        match &mut self.sink {
            Some(Sink::Lines(lines)) => lines.push(&event),
            Some(Sink::Collector(collector)) => collector.push(&event, wall_ms),
            None => {}
        }
    }

    /// Keeps the log as is said from here on.
    fn set(&mut self, settings: Option<config::SessionLog>) {
        self.flush();
        let destination = |settings: &Option<config::SessionLog>| {
            settings.as_ref().map(|settings| settings.destination.clone())
        };
        let wanted = settings.as_ref().is_some_and(|settings| settings.records.sessions);
        for source in &self.sources {
            source.shared.sessions.want(wanted);
        }
        if destination(&settings) == destination(&self.settings) {
            if let Some(Sink::Lines(lines)) = &mut self.sink {
                lines.reopen();
            }
        } else {
            self.give_up();
            self.sink = settings.as_ref().map(|settings| Sink::of(&settings.destination));
            self.blocked = false;
            self.shared.note_problem(None);
        }
        self.settings = settings;
    }

    /// What is done once a second: a file that was moved away is opened anew, and losses are told.
    fn care(&mut self) {
        let now_ms = self.clock.now().milliseconds;
        if now_ms.saturating_sub(self.cared_ms) < CARE_MS {
            return;
        }
        self.cared_ms = now_ms;
        if let Some(Sink::Lines(lines)) = &mut self.sink
            && lines.has_moved()
        {
            self.flush();
            if let Some(Sink::Lines(lines)) = &mut self.sink {
                lines.reopen();
            }
        }
        let on_the_way = |source: &Source| source.counters.get(Counter::SessionRecordsLost);
        let total = self.sources.iter().map(on_the_way).sum::<u64>() + self.shared.counts().failed;
        if total > self.lost_told && self.sink.is_some() {
            self.push(now_ms, What::Lost { records: total - self.lost_told, total });
            self.lost_told = total;
        }
    }

    /// Writes or sends what is pending, and notes what became of it.
    pub(super) fn flush(&mut self) {
        let outcome = match &mut self.sink {
            Some(Sink::Lines(lines)) => {
                let (written, result) = lines.flush();
                self.blocked = result.is_err();
                Outcome { written, failed: 0, error: result.err() }
            }
            Some(Sink::Collector(collector)) => collector.flush(wall_milliseconds()),
            None => return,
        };
        self.shared.written(outcome.written);
        self.shared.failed(outcome.failed);
        match outcome.error {
            Some(error) => self.complain(&error),
            None if outcome.written > 0 && self.shared.note_problem(None) => {
                tracing::info!("the session log is written again");
            }
            None => {}
        }
    }

    /// Says once that the destination takes nothing.
    fn complain(&self, error: &io::Error) {
        let destination = self.settings.as_ref().map(|it| &it.destination);
        let (place, cure) = match destination {
            Some(SessionLogDestination::JsonLines { path }) => (
                path.display().to_string(),
                "make room, or let the user that weir runs as write there",
            ),
            Some(SessionLogDestination::Ipfix { collector, .. }) => {
                (collector.to_string(), "start a collector there, or name another one")
            }
            None => return,
        };
        let problem = format!("appliance.sessionLog: {place} takes no records: {error}; {cure}");
        if self.shared.note_problem(Some(&problem)) {
            tracing::error!("{problem}");
        }
    }

    /// Takes leave of the destination: what it did not take has failed.
    pub(super) fn give_up(&mut self) {
        match &mut self.sink {
            Some(Sink::Lines(lines)) => self.shared.failed(lines.waiting()),
            Some(Sink::Collector(collector)) => {
                let outcome = collector.finish(wall_milliseconds());
                self.shared.written(outcome.written);
                self.shared.failed(outcome.failed);
            }
            None => {}
        }
    }
}

/// When the next turn is due.
pub(super) enum More {
    Now,
    Later,
    Never,
}

impl Sink {
    fn of(destination: &SessionLogDestination) -> Self {
        match destination {
            SessionLogDestination::JsonLines { path } => Self::Lines(Lines::new(path.clone())),
            SessionLogDestination::Ipfix {
                collector,
                observation_domain_id,
                template_refresh_seconds,
            } => Self::Collector(Collector::new(
                *collector,
                *observation_domain_id,
                *template_refresh_seconds,
            )),
        }
    }
}

fn wall_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
