//! What does the control lcore do while the workers forward?
//!
//! ```text
//!   control sockets ┐                       ┌─► compile (a thread of its own) ─► publish
//!   probe results ──┼─► Control: one loop ──┤
//!   netlink events ─┤                       ├─► prober, managed neighbours, announcements
//!   signals, time ──┘                       ├─► kernel twins ◄─► rings
//!                                           └─► store (a thread of its own)
//! ```
//!
//! One thread, one async runtime, in the appliance's own network namespace. It never waits for a
//! worker. Not here: what is decided with what it learns (`weir-core`).

mod announce;
mod answers;
mod changes;
mod diagnosis;
mod error;
mod events;
mod exhaustion;
mod explanations;
pub mod inquiries;
mod judge;
mod kernel;
mod lane;
mod listings;
mod outcome;
mod plans;
pub mod probe;
pub mod socket;
mod status;
pub mod store;
pub mod twin;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dpdk::{Burst, Mempool, RingConsumer, RingProducer};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use weir_core::compile::{Changes, Compiler, PortFacts, probe_targets};
use weir_core::config::{Appliance, Checked};
use weir_core::health::HealthTable;
use weir_core::limits;
use weir_core::neighbour::{Event, LeftOut, Route, World, wanted_neighbours};
use weir_core::policy::Snapshot;
use weir_core::rcu::Publisher;
use weir_core::telemetry::{Counters, ObjectCounters, OutboundCounters, PortUse};
use weir_core::units::{Address, PortId, Prefix, WorkerId};

use crate::boot::{LogHandle, OpenPort};
use crate::session_log::SessionLog;
use crate::worker::{Clock, SharedState};

use announce::Announcer;
use diagnosis::{Growth, Unresolved};
pub use error::ControlError;
use events::Events;
use inquiries::Inquirer;
use kernel::Pump;
use lane::{Origin, PublishLane};
use listings::Listings;
use probe::{ProbeResult, Prober, SourceAddresses};
use socket::{Call, Listener};
use status::PortView;
use store::{Chosen, Keeper, Sha256, Store};
use twin::{Manager, Mirror, NetworkNamespace, Twin};

/// How often rings are looked at and changes are compiled: the longest that a punted packet
/// waits, and the shortest time between two generations.
const PUMP_INTERVAL: Duration = Duration::from_millis(1);
/// Requests to resolve that are taken from a worker in one turn; the rest waits for the next.
const REQUESTS_PER_TURN: usize = 32;
/// How often workers are looked after.
const CARE_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is tried to store what could not be stored.
const STORE_INTERVAL: Duration = Duration::from_secs(10);
/// How long an author waits for the disk after the workers have a configuration, and how long a
/// stop does.
const STORE_WITHIN: Duration = Duration::from_secs(3);
/// Calls, results and events that may wait.
const WAITING: usize = 1024;
/// A worker that has not begun a turn for this long is named in an event.
const HEARTBEAT_MILLISECONDS_MAX: u64 = 2_000;

/// What the control side gets from the one who made the workers.
pub struct Kit {
    /// What makes snapshots.
    pub compiler: Compiler,
    /// How they reach the workers.
    pub publisher: Publisher<Snapshot>,
    /// What can be seen of each worker.
    pub workers: Vec<WorkerView>,
    /// Punted packets of each worker.
    pub punts: Vec<RingConsumer>,
    /// The way to the wire.
    pub kernel: RingProducer,
    /// Where packets come from.
    pub pool: Mempool,
    /// A burst for packets on their way out.
    pub outgoing: Burst,
    /// A burst for packets on their way in.
    pub incoming: Burst,
    /// The workers' clock.
    pub clock: Clock,
}

/// What the control side sees of a worker.
pub struct WorkerView {
    /// Its number.
    pub id: WorkerId,
    /// Flow records there may be.
    pub flows_max: u64,
    /// What its flow table stands on.
    pub flow_pages: &'static str,
    /// Its counters.
    pub counters: Arc<Counters>,
    /// Its counters per rule.
    pub rules: Arc<ObjectCounters>,
    /// Its counters per member.
    pub members: Arc<ObjectCounters>,
    /// Its counters of members' flows to the outside.
    pub outbound: Arc<OutboundCounters>,
    /// Outbound ports in use.
    pub port_use: Arc<PortUse>,
    /// What it tells about itself.
    pub shared: Arc<SharedState>,
}

/// The configuration to start with, and where configurations are stored.
pub struct Starting {
    /// What it says, whose word it is, and its text.
    pub chosen: Chosen,
    /// The file or directory of `--config`.
    pub path: PathBuf,
    /// What tells it from what it was before.
    pub file_sha256: Sha256,
    /// Where configurations are stored.
    pub store: Store,
}

/// The control side, ready to run.
pub struct Control {
    starting: Starting,
    ports: Vec<PortView>,
    facts: Arc<[PortFacts]>,
    kit: Kit,
    session_log: SessionLog,
    log: LogHandle,
}

/// The control side, running.
struct Running {
    checked: Arc<Checked>,
    path: PathBuf,
    /// The file as it was when it was last accepted.
    file_sha256: Sha256,
    keeper: Keeper,
    ports: Vec<PortView>,
    workers: Vec<WorkerView>,
    /// The way to ask them about their flows.
    inquirer: Inquirer,
    listings: Listings,
    log: LogHandle,
    clock: Clock,
    pool: Mempool,
    lane: PublishLane,
    health: Arc<HealthTable>,
    world: Arc<World>,
    manager: Manager,
    prober: Prober,
    pump: Rc<RefCell<Pump>>,
    announcer: Announcer,
    line: changes::Line,
    plans: plans::Plans,
    events: Events,
    growth: Growth,
    unresolved: Unresolved,
    /// What bounds kept out of the mirror, as last told.
    left_out: LeftOut,
    /// Turns and busy turns of each worker, now and a second ago.
    turns: Vec<[(u64, u64); 2]>,
}

/// The async runtime that the control side runs on, by the calling thread alone.
///
/// # Errors
/// When the kernel has no file descriptor left for it.
pub fn runtime() -> Result<Runtime, ControlError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(ControlError::Runtime)
}

impl Control {
    /// Takes over the configuration, the ports' faces and the kit.
    ///
    /// # Errors
    /// When a port cannot be asked what it is.
    pub fn open(
        starting: Starting,
        ports: &[OpenPort],
        kit: Kit,
        session_log: SessionLog,
        log: LogHandle,
    ) -> Result<Self, ControlError> {
        let views = ports.iter().map(PortView::new).collect();
        let facts = ports.iter().map(|port| port.facts).collect();
        Ok(Self { starting, ports: views, facts, kit, session_log, log })
    }

    /// Runs until SIGTERM or SIGINT. Moves the calling thread into the appliance's network
    /// namespace and gives up the privileges that only starting needs.
    ///
    /// # Errors
    /// When the namespace, a twin or the runtime cannot be made.
    pub fn run(self, runtime: Runtime, listeners: Vec<Listener>) -> Result<(), ControlError> {
        let appliance = &self.starting.chosen.checked.configuration.appliance;
        twin::namespace::raise_neighbour_limits(limits::ADJACENCIES_MAX);
        let namespace = NetworkNamespace::open_or_create(&appliance.network_namespace)?;
        namespace.enter()?;
        let outcome = LocalSet::new().block_on(&runtime, self.serve(listeners));
        // What still waits for a client or a member has nobody to answer to.
        runtime.shutdown_background();
        // Namespace and twins stay: a routing daemon may live there, and the next process adopts
        // them with the neighbours that the kernel knows.
        outcome
    }

    async fn serve(self, listeners: Vec<Listener>) -> Result<(), ControlError> {
        let Starting { chosen, path, file_sha256, store } = self.starting;
        let appliance = chosen.checked.configuration.appliance.clone();
        let twins = make_twins(&appliance, &self.ports)?;
        let names = twin_names(&appliance);
        let (events_in, events) = mpsc::channel(limits::NEIGHBOUR_EVENTS_WAITING_MAX);
        let mirror = Mirror::open(names.clone())?;
        tokio::task::spawn_local(async move {
            if let Err(error) = mirror.run(events_in).await {
                tracing::error!("routes and neighbours are no longer followed: {error}");
            }
        });
        let manager = Manager::open(&names).await?;
        let (results_in, results) = mpsc::channel(WAITING);
        let prober = Prober::new(results_in, SourceAddresses::default());
        let (calls_in, calls) = mpsc::channel(WAITING);
        let pump = Rc::new(RefCell::new(Pump::new(
            twins.clone(),
            self.kit.punts,
            self.kit.kernel,
            self.kit.pool.clone(),
            self.kit.outgoing,
            self.kit.incoming,
        )));
        serve_twins(&twins, &pump);
        crate::boot::keep_network();
        let inquirer = Inquirer::new(self.kit.workers.iter().map(|it| Arc::clone(&it.shared)));
        let publication = (self.kit.compiler, self.kit.publisher);
        let workers = &self.kit.workers;
        let running = Running {
            lane: PublishLane::new(publication, self.facts, workers, self.session_log),
            checked: Arc::new(chosen.checked),
            path,
            file_sha256,
            keeper: Keeper::new(store),
            ports: self.ports,
            listings: Listings::new(inquirer.clone()),
            inquirer,
            turns: vec![[(0, 0); 2]; self.kit.workers.len()],
            workers: self.kit.workers,
            log: self.log,
            clock: self.kit.clock,
            pool: self.kit.pool,
            health: Arc::default(),
            world: Arc::default(),
            manager,
            prober,
            pump,
            announcer: Announcer::default(),
            line: changes::Line::default(),
            plans: plans::Plans::default(),
            events: Events::default(),
            growth: Growth::default(),
            unresolved: Unresolved::default(),
            left_out: LeftOut::default(),
        };
        for listener in listeners {
            tokio::task::spawn_local(socket::serve(listener, calls_in.clone()));
        }
        drop(calls_in);
        let origin = Origin::of_start(chosen.configuration, chosen.applied_by, chosen.restores);
        running.run(origin, calls, results, events).await
    }
}

impl Running {
    async fn run(
        mut self,
        origin: Origin,
        mut calls: mpsc::Receiver<Call>,
        mut results: mpsc::Receiver<ProbeResult>,
        mut events: mpsc::Receiver<Event>,
    ) -> Result<(), ControlError> {
        let on = |kind| signal(kind).map_err(ControlError::Runtime);
        let (mut terminate, mut interrupt) =
            (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let mut hangup = on(SignalKind::hangup())?;
        let (mut pump, mut care) = (every(PUMP_INTERVAL), every(CARE_INTERVAL));
        let mut refresh = every(twin::manage::REFRESH_INTERVAL);
        let mut store = every(STORE_INTERVAL);
        self.put_in_force().await;
        self.lane.change(Changes::ALL);
        // Nobody has asked for what a start finds.
        self.keep(origin, oneshot::channel().0);
        tracing::info!("weir {} runs", env!("CARGO_PKG_VERSION"));
        loop {
            tokio::select! {
                Some(call) = calls.recv() => self.answer(call),
                Some(result) = results.recv() => self.learn_verdict(&result),
                Some(event) = events.recv() => self.learn_event(event, &mut events).await,
                verdict = self.line.judged() => self.decide(verdict),
                compiled = self.lane.compiled() => self.finish(compiled).await,
                done = self.keeper.done() => self.kept(done),
                _ = store.tick() => self.keeper.try_again(),
                _ = pump.tick() => self.pump().await,
                _ = care.tick() => self.look_after_workers(),
                _ = refresh.tick() => note(self.manager.refresh().await),
                _ = hangup.recv() => self.reload(),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tracing::info!("stopping");
        if timeout(STORE_WITHIN, self.keeper.drain()).await.is_err() {
            tracing::error!("the disk does not answer: what was applied last may not be stored");
        }
        Ok(())
    }

    /// Tells prober, kernel and log what the configuration in force wants of them.
    async fn put_in_force(&mut self) {
        let configuration = &self.checked.configuration;
        self.log.set(&configuration.appliance.log);
        self.lane.log_sessions(configuration.appliance.session_log.as_ref());
        let targets = probe_targets(configuration);
        Arc::make_mut(&mut self.health).set_targets(&targets);
        self.prober.set_targets(&targets);
        for (port, wanted) in (0u8..).zip(&configuration.appliance.ports) {
            let addresses: Vec<_> =
                wanted.addresses.iter().map(|it| (it.address.into(), it.length)).collect();
            match self.manager.set_addresses(PortId(port), &addresses).await {
                Ok(changes) => note(changes),
                Err(error) => tracing::error!("port '{}': {error}", wanted.name),
            }
        }
        let routes = static_routes(&configuration.appliance);
        match self.manager.set_routes(&routes).await {
            Ok(changes) => note(changes),
            Err(error) => tracing::error!("appliance.routes: {error}"),
        }
        self.want_neighbours().await;
    }

    /// Has the kernel keep every member's and gateway's address fresh.
    async fn want_neighbours(&mut self) {
        let hosts = self.checked.configuration.host_addresses();
        let mut addresses: Vec<Address> = hosts.map(Address::from).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let wanted = wanted_neighbours(&addresses, &self.world);
        note(self.manager.set_wanted(&wanted).await);
        self.unresolved.want(wanted);
    }

    fn learn_verdict(&mut self, result: &ProbeResult) {
        let now = self.clock.now().milliseconds;
        let health = Arc::make_mut(&mut self.health);
        if let Some(transition) = health.record(&result.target, result.verdict, now) {
            tracing::info!("{}: {:?} ({})", result.target, transition.to, transition.reason);
            if let Some(suspicion) = health.suspect(now) {
                tracing::error!("{suspicion}");
            }
            self.lane.change(Changes { health: true, ..Changes::default() });
            self.target_changed(&result.target);
        }
    }

    /// Takes in one event and whatever else waits, then acts once.
    async fn learn_event(&mut self, first: Event, events: &mut mpsc::Receiver<Event>) {
        let world = Arc::make_mut(&mut self.world);
        let (mut changed, mut lost) = (false, false);
        let mut next = Some(first);
        while let Some(event) = next {
            lost |= matches!(event, Event::NeighbourRemoved { .. } | Event::Resynchronised(_));
            self.manager.observe(&event);
            changed |= world.apply(event);
            next = events.try_recv().ok();
        }
        if changed || lost {
            self.want_neighbours().await;
        }
        if changed {
            self.lane.change(Changes { world: true, ..Changes::default() });
        }
    }

    /// What is done every millisecond.
    async fn pump(&mut self) {
        let published = self.lane.publish();
        self.after_publication(published).await;
        self.next_change();
        self.next_plan();
        self.turn_lane();
        self.tell_health();
        self.inquirer.collect();
        for worker in &self.workers {
            for _ in 0..REQUESTS_PER_TURN {
                let Some(request) = worker.shared.requests.pop() else { break };
                if let Err(error) = self.manager.resolve(request.port, request.address).await {
                    tracing::debug!("cannot resolve {}: {error}", request.address);
                }
            }
            for _ in 0..REQUESTS_PER_TURN {
                let Some(exhaustion) = worker.shared.exhaustions.pop() else { break };
                self.lane.want_ports(exhaustion.member, exhaustion.protocol);
                self.lane.log_exhaustion(&exhaustion);
                self.events.scarcity.note(exhaustion);
            }
        }
    }

    /// What is done every second.
    fn look_after_workers(&mut self) {
        let now = self.clock.now().milliseconds;
        for (worker, turns) in self.workers.iter().zip(&mut self.turns) {
            let state = worker.shared.read();
            let silent = now.saturating_sub(state.heartbeat_milliseconds);
            if silent > HEARTBEAT_MILLISECONDS_MAX {
                tracing::error!("worker {} has not turned for {silent} ms", worker.id);
            }
            *turns = [turns[1], (state.turns, state.busy_turns)];
        }
        let left_out = self.world.left_out();
        if left_out != self.left_out {
            tracing::error!(?left_out, "what the kernel knows exceeds Weir's bounds");
            self.left_out = left_out;
        }
        self.look_after_ports();
        self.lane.return_ports(now);
        self.look_after_diagnosis();
        self.announcer.turn(&mut self.pump.borrow_mut());
    }
}

/// Has packets between the kernel and the wire passed on.
fn serve_twins(twins: &[Rc<Twin>], pump: &Rc<RefCell<Pump>>) {
    for (port, twin) in (0u8..).zip(twins) {
        let receive = kernel::receive(PortId(port), Rc::clone(twin), Rc::clone(pump));
        tokio::task::spawn_local(receive);
    }
    tokio::task::spawn_local(kernel::deliver(Rc::clone(pump)));
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Logs what the kernel refused.
fn note(changes: twin::Changes) {
    if let Some(failure) = changes.first_failure {
        tracing::warn!("{} changes were refused by the kernel, first: {failure}", changes.failed);
    }
}

fn make_twins(appliance: &Appliance, ports: &[PortView]) -> Result<Vec<Rc<Twin>>, ControlError> {
    let make = |(wanted, port): (&weir_core::config::Port, &PortView)| {
        Ok(Rc::new(Twin::create(&wanted.name, port.mac, wanted.mtu)?))
    };
    appliance.ports.iter().zip(ports).map(make).collect()
}

fn twin_names(appliance: &Appliance) -> BTreeMap<String, PortId> {
    let names = appliance.ports.iter().map(|port| port.name.clone());
    names.zip((0u8..).map(PortId)).collect()
}

/// Static routes, each by the port whose subnet its next hop lies in.
fn static_routes(appliance: &Appliance) -> BTreeMap<Prefix, Route> {
    let mut routes: BTreeMap<Prefix, Route> = BTreeMap::new();
    for route in &appliance.routes {
        let gateway = Address::from(route.next_hop);
        let on_link = |port: &weir_core::config::Port| {
            port.addresses.iter().filter_map(|it| it.subnet()).any(|it| it.contains(gateway))
        };
        let Some(port) = appliance.ports.iter().position(on_link) else { continue };
        let port = PortId(u8::try_from(port).unwrap_or(u8::MAX));
        let hop = weir_core::neighbour::NextHop { port, gateway: Some(gateway), weight: 1 };
        routes.entry(route.destination).or_default().next_hops.push(hop);
    }
    routes
}
