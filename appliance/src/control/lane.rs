//! How does a change reach the workers?
//!
//! ```text
//!   changes ─► pending ─► compile, on a thread of its own ─► publish ─► every worker
//!   apply ───► candidate ──────┘
//!              (one at a time)
//! ```
//!
//! One lane for configuration, health, neighbours and routes. What comes while a snapshot is
//! compiled is coalesced into the next one. Nothing here waits for a worker: a snapshot that
//! cannot be published yet, because three older ones are still being read, is tried again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_core::api;
use weir_core::compile::{Changes, Compiler, Inputs, PortFacts, probe_targets};
use weir_core::config::{self, Checked};
use weir_core::health::HealthTable;
use weir_core::neighbour::World;
use weir_core::path::{Exhaustion, ExhaustionKind};
use weir_core::policy::{OutboundMapping, Snapshot};
use weir_core::rcu::Publisher;
use weir_core::telemetry::PortUse;
use weir_core::units::{MemberId, Transport};

use super::WorkerView;
use super::store::{Kept, Sha256};
use crate::session_log::SessionLog;

/// How often outbound ports are dealt on demand at most.
const DEALING_MILLISECONDS: u64 = 100;

/// A configuration that somebody wants in force.
pub(super) struct Candidate {
    pub(super) checked: Arc<Checked>,
    /// Where it came from, and its text.
    pub(super) origin: Origin,
    /// Who is to be told.
    pub(super) author: Waiting,
}

/// Where a configuration came from, and its text.
pub(super) struct Origin {
    /// The document, JSON.
    pub(super) configuration: String,
    /// Who wants it in force.
    pub(super) applied_by: api::Author,
    /// The stored configuration that it is.
    pub(super) restores: Option<u64>,
    /// Of the file or directory of `--config`, when it was read there.
    pub(super) file_sha256: Option<Sha256>,
}

impl Origin {
    /// Of what a process starts with.
    pub(super) const fn of_start(
        configuration: String,
        applied_by: api::Author,
        restores: Option<u64>,
    ) -> Self {
        Self { configuration, applied_by, restores, file_sha256: None }
    }
}

/// Where a candidate's author waits to be told.
pub(super) type Waiting = oneshot::Sender<Outcome>;

/// What became of a candidate.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) generation: u32,
    /// When the workers got it.
    pub(super) published: Instant,
    /// Tells when it is stored.
    pub(super) kept: oneshot::Receiver<Kept>,
}

/// What the compiling thread gives back.
pub(super) struct Compiled {
    compiler: Compiler,
    snapshot: Snapshot,
    candidate: Option<Candidate>,
}

/// The one lane.
pub(super) struct PublishLane {
    publisher: Publisher<Snapshot>,
    facts: Arc<[PortFacts]>,
    /// Outbound ports in use, by worker.
    port_use: Arc<[Arc<PortUse>]>,
    /// Whose outbound ports are nearly used up, since the last snapshot.
    wanting: BTreeSet<(MemberId, Transport)>,
    /// When they may get some.
    deals_at: u64,
    /// Here when nothing is being compiled, and nobody copies it.
    compiler: Option<Compiler>,
    /// Where it comes back from who copies it.
    lent: Option<oneshot::Receiver<Compiler>>,
    running: Option<JoinHandle<Compiled>>,
    pending: Changes,
    candidate: Option<Candidate>,
    /// Whether what is being compiled is one.
    compiles_candidate: bool,
    /// Compiled, and waiting for a place among the retired.
    ready: Option<(Box<Snapshot>, Option<Candidate>)>,
    published: Arc<Snapshot>,
    session_log: SessionLog,
}

/// What was put in force.
pub(super) struct Published {
    /// The configuration, if it is a new one.
    pub(super) candidate: Option<Candidate>,
}

impl PublishLane {
    pub(super) fn new(
        (compiler, publisher): (Compiler, Publisher<Snapshot>),
        facts: Arc<[PortFacts]>,
        workers: &[WorkerView],
        session_log: SessionLog,
    ) -> Self {
        let published = Arc::new(compiler.last().clone());
        Self {
            publisher,
            facts,
            port_use: workers.iter().map(|it| Arc::clone(&it.port_use)).collect(),
            wanting: BTreeSet::new(),
            deals_at: 0,
            compiler: Some(compiler),
            lent: None,
            running: None,
            pending: Changes::default(),
            candidate: None,
            compiles_candidate: false,
            ready: None,
            published,
            session_log,
        }
    }

    /// The snapshot in force.
    pub(super) fn published(&self) -> &Arc<Snapshot> {
        &self.published
    }

    /// The log of outbound sessions.
    pub(super) const fn session_log(&self) -> &SessionLog {
        &self.session_log
    }

    /// Has outbound sessions logged as a configuration says.
    pub(super) fn log_sessions(&mut self, settings: Option<&config::SessionLog>) {
        self.session_log.set(settings, &self.published);
    }

    /// Whether nothing waits, is compiled or is about to be published.
    pub(super) fn is_idle(&self) -> bool {
        self.candidate.is_none() && self.running.is_none() && self.ready.is_none()
    }

    /// Whether a configuration is on its way to the workers.
    pub(super) fn has_candidate(&self) -> bool {
        let is_ready = self.ready.as_ref().is_some_and(|(_, candidate)| candidate.is_some());
        self.candidate.is_some() || self.compiles_candidate || is_ready
    }

    /// What the devices are.
    pub(super) fn facts(&self) -> Arc<[PortFacts]> {
        Arc::clone(&self.facts)
    }

    /// The compiler, for as long as a copy of it takes, and where it is to be sent back to; `None`
    /// while it is not here. Nothing is compiled until it is back.
    pub(super) fn lend(&mut self) -> Option<(Compiler, oneshot::Sender<Compiler>)> {
        let compiler = self.compiler.take()?;
        let (back, lent) = oneshot::channel();
        self.lent = Some(lent);
        Some((compiler, back))
    }

    /// Takes the compiler back when the copy is made.
    fn take_back(&mut self) {
        if let Some(compiler) = self.lent.as_mut().and_then(|lent| lent.try_recv().ok()) {
            (self.compiler, self.lent) = (Some(compiler), None);
        }
    }

    /// Notes a change of what snapshots are made from.
    pub(super) fn change(&mut self, changes: Changes) {
        self.pending = self.pending.and(changes);
    }

    /// Outbound ports in use, by worker.
    pub(super) fn port_use(&self) -> Arc<[Arc<PortUse>]> {
        Arc::clone(&self.port_use)
    }

    /// Has the session log tell of a flow that found no port.
    pub(super) fn log_exhaustion(&mut self, exhaustion: &Exhaustion) {
        if exhaustion.kind == ExhaustionKind::Exhausted {
            let Exhaustion { member, protocol, .. } = *exhaustion;
            self.session_log.exhausted(&self.published, member, protocol);
        }
    }

    /// Notes that a member's ports are nearly used up, if it may get more.
    pub(super) fn want_ports(&mut self, member: MemberId, protocol: Transport) {
        let mapping = self.published.mapping(member, protocol);
        let may_grow = |it: &OutboundMapping| it.on_demand_max.is_some_and(|max| it.ports() < max);
        if mapping.is_some_and(may_grow) {
            self.wanting.insert((member, protocol));
        }
    }

    /// Has ports dealt to those who want some. Where there are none left, members go on to ask:
    /// not more often than this.
    fn deal_ports(&mut self, now_milliseconds: u64) {
        if !self.wanting.is_empty() && now_milliseconds >= self.deals_at {
            self.deals_at = now_milliseconds + DEALING_MILLISECONDS;
            self.pending.ports = true;
        }
    }

    /// Has ports dealt anew that were taken from members and have no flows any more, or that
    /// somebody got on demand and does not need.
    pub(super) fn return_ports(&mut self, now_milliseconds: u64) {
        let compiler = self.compiler.as_ref();
        let has = |it: &Compiler| it.has_ports_to_return(&self.port_use, now_milliseconds);
        self.pending.ports |= compiler.is_some_and(has);
    }

    /// Takes a configuration on its way; none other may be.
    pub(super) fn apply(&mut self, candidate: Candidate) {
        debug_assert!(!self.has_candidate(), "one at a time");
        self.candidate = Some(candidate);
    }

    /// Starts to compile if there is something to compile and nothing under way.
    pub(super) fn turn(
        &mut self,
        checked: &Arc<Checked>,
        health: &Arc<HealthTable>,
        world: &Arc<World>,
        now_milliseconds: u64,
    ) {
        self.publisher.reclaim();
        self.take_back();
        self.deal_ports(now_milliseconds);
        if self.ready.is_some() || self.candidate.is_none() && !self.pending.any() {
            return;
        }
        let Some(mut compiler) = self.compiler.take() else { return };
        let candidate = self.candidate.take();
        self.compiles_candidate = candidate.is_some();
        let mut changes = std::mem::take(&mut self.pending);
        changes.configuration |= candidate.is_some();
        let checked = Arc::clone(candidate.as_ref().map_or(checked, |it| &it.checked));
        let health = match &candidate {
            Some(candidate) => {
                let mut retargeted = HealthTable::clone(health);
                retargeted.set_targets(&probe_targets(&candidate.checked.configuration));
                Arc::new(retargeted)
            }
            None => Arc::clone(health),
        };
        let (world, facts) = (Arc::clone(world), Arc::clone(&self.facts));
        let port_use = Arc::clone(&self.port_use);
        let wanting =
            if changes.ports { std::mem::take(&mut self.wanting) } else { BTreeSet::new() };
        let wanting: Vec<_> = wanting.into_iter().collect();
        self.running = Some(tokio::task::spawn_blocking(move || {
            let inputs = Inputs {
                configuration: &checked.configuration,
                health: &health,
                world: &world,
                facts: &facts,
                now_milliseconds,
                port_use: &port_use,
                wanting: &wanting,
            };
            let snapshot = compiler.compile(inputs, changes);
            Compiled { compiler, snapshot, candidate }
        }));
    }

    /// Waits for the compiling thread; for ever when nothing is under way.
    pub(super) async fn compiled(&mut self) -> Option<Compiled> {
        match &mut self.running {
            Some(running) => {
                let compiled = running.await.ok();
                self.running = None;
                compiled
            }
            None => std::future::pending().await,
        }
    }

    /// Takes the compiling thread's result in; what can be published is.
    pub(super) fn finish(&mut self, compiled: Compiled) -> Option<Published> {
        self.compiler = Some(compiled.compiler);
        self.compiles_candidate = false;
        self.ready = Some((Box::new(compiled.snapshot), compiled.candidate));
        self.publish()
    }

    /// Publishes what is ready, unless three older snapshots are still being read.
    pub(super) fn publish(&mut self) -> Option<Published> {
        let (snapshot, candidate) = self.ready.take()?;
        let published = Arc::new(Snapshot::clone(&snapshot));
        self.session_log.announce(&published);
        if let Err(snapshot) = self.publisher.publish(snapshot) {
            self.ready = Some((snapshot, candidate));
            return None;
        }
        self.published = published;
        Some(Published { candidate })
    }
}
