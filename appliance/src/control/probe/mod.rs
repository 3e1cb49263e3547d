//! When is which member probed, and which answers can be believed?
//!
//! ```text
//!   target ──► one task: wait for its turn ──► attempt ──► on time? ──► ProbeResult
//!                        ▲                                  └─► late: discard, count
//!                        └── interval, phase by hash ◄──────┘
//! ```
//!
//! Each target has its own phase within the interval, the same after every restart, so that a
//! thousand members are not probed in one instant; only a new target's first attempt comes soon,
//! whatever its phase. The prober runs on the control lcore; when
//! that was busy, a timeout says more about Weir than about the member. Such a verdict is
//! discarded and counted, and the member's state stays as it was.
//!
//! Not here: one attempt (`attempt`), what verdicts mean (`weir_core::health`).

mod attempt;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use weir_core::health::{ProbeTarget, Verdict};
use weir_core::limits::PROBES_IN_FLIGHT_MAX;

use attempt::Attempt;

/// What one attempt found, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// What was probed.
    pub target: ProbeTarget,
    /// What it said.
    pub verdict: Verdict,
    /// When the attempt began.
    pub started: Instant,
    /// When the verdict was there.
    pub ended: Instant,
}

/// The addresses that probes come from; the kernel chooses where none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceAddresses {
    /// For members with IPv4 addresses.
    pub v4: Option<Ipv4Addr>,
    /// For members with IPv6 addresses.
    pub v6: Option<Ipv6Addr>,
}

/// Probes a changing set of targets. Lives inside a `LocalSet` of a current-thread runtime; its
/// tasks end with it.
#[derive(Debug)]
pub struct Prober {
    tasks: BTreeMap<ProbeTarget, AbortHandle>,
    shared: Rc<Shared>,
}

/// What all tasks share.
#[derive(Debug)]
struct Shared {
    results: mpsc::Sender<ProbeResult>,
    source: SourceAddresses,
    places: Arc<Semaphore>,
    late: Cell<u64>,
}

impl Prober {
    /// A prober without targets, which sends what it finds to `results`. While that channel is
    /// full, probing waits; when its receiver is gone, it ends.
    #[must_use]
    pub fn new(results: mpsc::Sender<ProbeResult>, source: SourceAddresses) -> Self {
        let places = Arc::new(Semaphore::new(PROBES_IN_FLIGHT_MAX));
        let shared = Shared { results, source, places, late: Cell::new(0) };
        Self { tasks: BTreeMap::new(), shared: Rc::new(shared) }
    }

    /// Starts probing what is new in `targets` and stops probing what is not in it; the rest keeps
    /// its rhythm. Call it inside the `LocalSet`.
    pub fn set_targets(&mut self, targets: &BTreeSet<ProbeTarget>) {
        self.tasks.retain(|target, task| {
            let stays = targets.contains(target);
            if !stays {
                task.abort();
            }
            stays
        });
        let now = Instant::now();
        for target in targets.difference(&self.tasks.keys().cloned().collect()) {
            let rhythm = now + phase(target);
            let probing = probe_forever(target.clone(), now, rhythm, self.shared.clone());
            let task = tokio::task::spawn_local(probing).abort_handle();
            self.tasks.insert(target.clone(), task);
        }
    }

    /// How many targets are probed.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.tasks.len()
    }

    /// How many verdicts were discarded because the prober itself was late.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.shared.late.get()
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

/// Probes a target: once soon after `start`, since until then its member takes no flows, and from
/// `rhythm` on in every interval.
async fn probe_forever(target: ProbeTarget, start: Instant, rhythm: Instant, shared: Rc<Shared>) {
    let soon = FIRST_ATTEMPT_WITHIN_MAX.mul_f64(share(&target));
    let mut due = start + (rhythm - start).min(soon);
    loop {
        sleep_until(due).await;
        let Ok(place) = shared.places.acquire().await else {
            return;
        };
        let started = Instant::now();
        let Attempt { verdict, farewell } = attempt::attempt(&target, shared.source).await;
        let ended = Instant::now();
        if prober_was_late(&target, due, started, ended) {
            shared.late.set(shared.late.get() + 1);
            let behind_ms = ended.duration_since(due).as_millis();
            tracing::debug!(%target, %verdict, %behind_ms, "discarded the verdict of a late probe");
        } else {
            let result = ProbeResult { target: target.clone(), verdict, started, ended };
            if shared.results.send(result).await.is_err() {
                return;
            }
        }
        farewell.say().await;
        drop(place);
        let now = Instant::now();
        due = if due < rhythm && now <= rhythm { rhythm } else { next_turn(&target, due, now) };
    }
}

/// Whether this attempt measured the prober rather than the member: it began too long after it
/// was due, or its end was noticed too long after its timeout had passed.
fn prober_was_late(target: &ProbeTarget, due: Instant, started: Instant, ended: Instant) -> bool {
    let allowance = (interval(target) / 2).max(LATENESS_MIN);
    let deadline = started + attempt::timeout_of(target);
    started.saturating_duration_since(due) > allowance
        || ended.saturating_duration_since(deadline) > allowance
}

/// The next turn of a target in its own rhythm that is not in the past: turns that were missed are
/// not made up for.
fn next_turn(target: &ProbeTarget, due: Instant, now: Instant) -> Instant {
    let interval = interval(target);
    let behind = now.saturating_duration_since(due).as_millis();
    let missed = u32::try_from(behind / interval.as_millis()).unwrap_or(u32::MAX);
    let next = due + interval.saturating_mul(missed);
    if missed > 0 && next >= now { next } else { next + interval }
}

/// How far into the interval a target's turn is.
fn phase(target: &ProbeTarget) -> Duration {
    interval(target).mul_f64(share(target))
}

/// A target's own place between 0 and 1. The hasher has fixed keys, so it is the same in every
/// process of one release.
#[allow(clippy::cast_precision_loss, reason = "a place in a second need not be exact")]
fn share(target: &ProbeTarget) -> f64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

/// The interval, at least a millisecond so that no target can spin.
fn interval(target: &ProbeTarget) -> Duration {
    Duration::from_millis(target.interval_milliseconds.max(1).into())
}

/// A new target's first attempt comes within this time, whatever its interval: until then its
/// member takes no flows. Long enough that ten thousand targets do not begin in one instant.
const FIRST_ATTEMPT_WITHIN_MAX: Duration = Duration::from_secs(1);

/// Below a quarter of a second a control lcore that compiles a large configuration is merely
/// busy: half of Azure's shortest interval is ten times that.
const LATENESS_MIN: Duration = Duration::from_millis(250);
