//! How does `plan` answer?
//!
//! ```text
//!   plan ─► in line ─► lane idle: the compiler, for the time of a copy ─┐
//!                      configuration, health, world, counters in force ─┴─► a thread aside:
//!                                          check, compile, compare ─► the reply
//! ```
//!
//! Nothing is put in force, and no health or configuration waits for more than the copy. Not here:
//! what is compared and how (`weir_core::plan`).

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use weir_core::api::{Error, ErrorCode, Plan, PlanFor, Reply, Success};
use weir_core::compile::{Changes, Compiler, Inputs, PortFacts, probe_targets};
use weir_core::config::Checked;
use weir_core::config::edit::{self, IfMatch};
use weir_core::health::HealthTable;
use weir_core::limits::CONTROL_CLIENTS_MAX;
use weir_core::neighbour::World;
use weir_core::plan::{self, Before, Gauges, Planned};
use weir_core::policy::Snapshot;
use weir_core::telemetry::{ObjectCounters, ObjectTotals, PortUse};

use super::Running;
use super::answers::send;
use super::judge::check_against;
use super::outcome::told;

/// Plans that wait for their turn, in the order in which they came.
pub(super) struct Plans {
    waiting: VecDeque<Waiting>,
    /// The turn to make a plan: one at a time.
    aside: Arc<Semaphore>,
    /// The turn to explain a packet, which plans need not wait for: one at a time.
    pub(super) explaining: Arc<Semaphore>,
}

impl Default for Plans {
    fn default() -> Self {
        let turn = || Arc::new(Semaphore::new(1));
        Self { waiting: VecDeque::new(), aside: turn(), explaining: turn() }
    }
}

struct Waiting {
    plan: PlanFor,
    reply: oneshot::Sender<Reply>,
}

/// Everything that a plan is made from.
struct Making {
    plan: PlanFor,
    checked: Arc<Checked>,
    snapshot: Arc<Snapshot>,
    health: Arc<HealthTable>,
    world: Arc<World>,
    facts: Arc<[PortFacts]>,
    port_use: Arc<[Arc<PortUse>]>,
    counters: Vec<[Arc<ObjectCounters>; 2]>,
    now_milliseconds: u64,
    /// The turn of what takes a thread aside, which ends with this.
    _turn: OwnedSemaphorePermit,
}

impl Running {
    /// Puts a plan in line.
    pub(super) fn plan(&mut self, plan: PlanFor, reply: oneshot::Sender<Reply>) {
        // Each client waits for one reply at a time, so that this bounds clients that hang up.
        if self.plans.waiting.len() >= CONTROL_CLIENTS_MAX {
            let text = "too many plans wait for their turn: try again";
            return send(reply, Err(Error::new(ErrorCode::Busy, text)));
        }
        self.plans.waiting.push_back(Waiting { plan, reply });
        self.next_plan();
    }

    /// Makes the next plan if its turn has come: what is in force and what the compiler made last
    /// are the same then.
    pub(super) fn next_plan(&mut self) {
        let has_begun = self.generation() > 0;
        if self.plans.waiting.is_empty() || !has_begun || !self.lane.is_idle() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.plans.aside).try_acquire_owned() else { return };
        let Some((compiler, back)) = self.lane.lend() else { return };
        let Some(Waiting { plan, reply }) = self.plans.waiting.pop_front() else {
            let _kept = back.send(compiler);
            return;
        };
        let counters = self.workers.iter();
        let making = Making {
            plan,
            checked: Arc::clone(&self.checked),
            snapshot: Arc::clone(self.lane.published()),
            health: Arc::clone(&self.health),
            world: Arc::clone(&self.world),
            facts: self.lane.facts(),
            port_use: self.lane.port_use(),
            counters: counters.map(|it| [&it.rules, &it.members].map(Arc::clone)).collect(),
            now_milliseconds: self.clock.now().milliseconds,
            _turn: turn,
        };
        tokio::task::spawn_local(async move {
            let made = tokio::task::spawn_blocking(move || {
                let copy = compiler.clone();
                // The lane is there as long as the process.
                let _back = back.send(compiler);
                making.make(copy)
            });
            let stopping = |_| Err(Error::new(ErrorCode::Internal, "weir is stopping"));
            send(reply, made.await.unwrap_or_else(stopping));
        });
    }
}

impl Making {
    fn make(mut self, compiler: Compiler) -> Reply {
        let etag = self.checked.etag().to_owned();
        IfMatch::of(self.plan.if_match.as_deref()).holds(edit::WHOLE, || etag.clone())?;
        let document = Value::Object(std::mem::take(&mut self.plan.configuration));
        let planned = check_against(document, &self.checked)?;
        let mut health = HealthTable::clone(&self.health);
        health.set_targets(&probe_targets(&planned.configuration));
        let next = self.compiled(compiler, &planned, &health);
        let before =
            Before { configuration: &self.checked.configuration, snapshot: &self.snapshot };
        let wanted =
            Planned { configuration: &planned.configuration, snapshot: &next, health: &health };
        let found = plan::changes(&self.checked.echo, &planned.echo);
        let effects = plan::effects(before, wanted, &self.gauges(), &found.changes);
        Ok(Success::Plan(Box::new(Plan {
            generation: self.snapshot.generation.0,
            etag,
            changed: planned.configuration != self.checked.configuration,
            changes: found.changes,
            omitted: found.omitted,
            flows: effects.flows,
            effects: effects.effects,
            effects_omitted: effects.omitted,
            warnings: planned.warnings.iter().map(|it| told(&it.problem)).collect(),
        })))
    }

    fn compiled(
        &self,
        mut compiler: Compiler,
        planned: &Checked,
        health: &HealthTable,
    ) -> Snapshot {
        let inputs = Inputs {
            configuration: &planned.configuration,
            health,
            world: &self.world,
            facts: &self.facts,
            now_milliseconds: self.now_milliseconds,
            port_use: &self.port_use,
            wanting: &[],
        };
        let changes = Changes { configuration: true, ..Changes::default() };
        compiler.compile(inputs, changes)
    }

    /// Live flows of every rule and member in force.
    fn gauges(&self) -> Gauges {
        let live = |which: usize, id: usize| {
            let mut totals = ObjectTotals::default();
            self.counters.iter().for_each(|worker| worker[which].add_to(id, &mut totals));
            totals.flows
        };
        Gauges::of(&self.snapshot, |rule| live(0, rule.index()), |member| live(1, member.index()))
    }
}
