//! How does a change reach the workers?
//!
//! ```text
//!   changes ─► pending ─► compile, on a thread of its own ─► publish ─► every worker
//!   apply ───► candidate ──────┘        │
//!              (one at a time)          └─ refused: the candidate's author is told
//! ```
//!
//! One lane for configuration, health, neighbours and routes. What comes while a snapshot is
//! compiled is coalesced into the next one. Nothing here waits for a worker: a snapshot that
//! cannot be published yet, because three older ones are still being read, is tried again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_core::api;
use weir_core::compile::{Changes, Compiler, Inputs, PortFacts, PortsFragmented, probe_targets};
use weir_core::config::Checked;
use weir_core::health::HealthTable;
use weir_core::neighbour::World;
use weir_core::policy::Snapshot;
use weir_core::rcu::Publisher;

use super::store::{Kept, Sha256};

/// Configurations that may wait to be applied. A further one is refused.
const CANDIDATES_WAITING: usize = 64;

/// A configuration that somebody wants in force.
pub(super) struct Candidate {
    pub(super) checked: Checked,
    /// Where it came from, and its text.
    pub(super) origin: Origin,
    /// Who is to be told; nobody when a signal asked.
    pub(super) author: Option<Waiting>,
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

/// Where a candidate's author waits to be told.
pub(super) type Waiting = oneshot::Sender<Result<Outcome, PortsFragmented>>;

/// As many configurations wait to be applied as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyWait;

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
    result: Result<Snapshot, PortsFragmented>,
    /// What had changed besides the candidate.
    owed: Changes,
    candidate: Option<Candidate>,
}

/// The one lane.
pub(super) struct PublishLane {
    publisher: Publisher<Snapshot>,
    facts: Arc<[PortFacts]>,
    /// Here when nothing is being compiled, and nobody copies it.
    compiler: Option<Compiler>,
    /// Where it comes back from who copies it.
    lent: Option<oneshot::Receiver<Compiler>>,
    running: Option<JoinHandle<Compiled>>,
    pending: Changes,
    candidates: VecDeque<Candidate>,
    /// Compiled, and waiting for a place among the retired.
    ready: Option<(Box<Snapshot>, Option<Candidate>)>,
    published: Arc<Snapshot>,
}

/// What was put in force.
pub(super) struct Published {
    /// The configuration, if it is a new one.
    pub(super) candidate: Option<Candidate>,
}

impl PublishLane {
    pub(super) fn new(
        compiler: Compiler,
        publisher: Publisher<Snapshot>,
        facts: Arc<[PortFacts]>,
    ) -> Self {
        let published = Arc::new(compiler.last().clone());
        Self {
            publisher,
            facts,
            compiler: Some(compiler),
            lent: None,
            running: None,
            pending: Changes::default(),
            candidates: VecDeque::new(),
            ready: None,
            published,
        }
    }

    /// The snapshot in force.
    pub(super) fn published(&self) -> &Arc<Snapshot> {
        &self.published
    }

    /// Whether no configuration waits, is compiled or is about to be published.
    pub(super) fn is_idle(&self) -> bool {
        self.candidates.is_empty() && self.running.is_none() && self.ready.is_none()
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

    /// Puts a configuration in line.
    ///
    /// # Errors
    /// [`TooManyWait`] when it had to be left out.
    pub(super) fn apply(&mut self, candidate: Candidate) -> Result<(), TooManyWait> {
        if self.candidates.len() >= CANDIDATES_WAITING {
            return Err(TooManyWait);
        }
        self.candidates.push_back(candidate);
        Ok(())
    }

    /// Starts to compile if there is something to compile and nothing under way.
    pub(super) fn turn(
        &mut self,
        checked: &Checked,
        health: &Arc<HealthTable>,
        world: &Arc<World>,
        now_milliseconds: u64,
    ) {
        self.publisher.reclaim();
        self.take_back();
        if self.ready.is_some() || self.candidates.is_empty() && !self.pending.any() {
            return;
        }
        let Some(mut compiler) = self.compiler.take() else { return };
        let candidate = self.candidates.pop_front();
        let mut changes = std::mem::take(&mut self.pending);
        let owed = changes;
        changes.configuration |= candidate.is_some();
        let source = candidate.as_ref().map_or(checked, |candidate| &candidate.checked);
        let configuration = source.configuration.clone();
        let health = match &candidate {
            Some(candidate) => {
                let mut retargeted = HealthTable::clone(health);
                retargeted.set_targets(&probe_targets(&candidate.checked.configuration));
                Arc::new(retargeted)
            }
            None => Arc::clone(health),
        };
        let (world, facts) = (Arc::clone(world), Arc::clone(&self.facts));
        self.running = Some(tokio::task::spawn_blocking(move || {
            let inputs = Inputs {
                configuration: &configuration,
                health: &health,
                world: &world,
                facts: &facts,
                now_milliseconds,
            };
            let result = compiler.compile(inputs, changes);
            Compiled { compiler, result, owed, candidate }
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
        match compiled.result {
            Ok(snapshot) => {
                self.ready = Some((Box::new(snapshot), compiled.candidate));
                self.publish()
            }
            Err(refused) => {
                // The old configuration stands, and what else had changed is compiled again. A
                // refusal without a candidate would only repeat itself until something changes.
                if compiled.candidate.is_some() {
                    self.pending = self.pending.and(compiled.owed);
                }
                tracing::error!("{refused}");
                if let Some(author) = compiled.candidate.and_then(|candidate| candidate.author) {
                    // A client that has gone does not want to know.
                    let _gone = author.send(Err(refused));
                }
                None
            }
        }
    }

    /// Publishes what is ready, unless three older snapshots are still being read.
    pub(super) fn publish(&mut self) -> Option<Published> {
        let (snapshot, candidate) = self.ready.take()?;
        let published = Arc::new(Snapshot::clone(&snapshot));
        if let Err(snapshot) = self.publisher.publish(snapshot) {
            self.ready = Some((snapshot, candidate));
            return None;
        }
        self.published = published;
        Some(Published { candidate })
    }
}
