//! Which worker gets which queue, ring and memory?

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use dpdk::{Eal, Mempool};
use weir_core::compile::Compiler;
use weir_core::config::Appliance;
use weir_core::path::Worker;
use weir_core::policy::RSS_KEY_BYTES;
use weir_core::rcu;
use weir_core::telemetry::{Counters, ObjectCounters};
use weir_core::units::{PortId, WorkerId};

use super::processors::Seats;
use super::{BootError, OpenPort, memory, spread};
use crate::control::{Kit, WorkerView};
use crate::session_log;
use crate::worker::inquiries::Desk;
use crate::worker::{Clock, Idle, Lane, Outlets, PortLane, SharedState, WorkerLane, rings};

/// Everything that was made for the workers and for the control side.
pub(super) struct Assembly {
    /// Each worker's lane and the processor it is pinned to.
    pub lanes: Vec<(WorkerLane, Option<usize>)>,
    /// What the control side gets.
    pub control: Kit,
    /// What the session log is made from.
    pub session_sources: Vec<session_log::Source>,
}

/// Makes lanes for all workers.
pub(super) fn assemble(
    eal: &Eal,
    appliance: &Appliance,
    seats: &Seats,
    ports: &mut [OpenPort],
    pool: &Mempool,
    key: &[u8; RSS_KEY_BYTES],
) -> Result<Assembly, BootError> {
    let workers = appliance.workers;
    let owner = spread::agree(ports, key, workers);
    let compiler = Compiler::new(owner, u64::from_ne_bytes(random_bytes()?));
    let (publisher, readers) = rcu::publication(Box::new(compiler.last().clone()), workers);
    let fabric = rings::fabric(eal, workers)?;
    let clock = Clock::start(eal);
    let numbers = port_numbers(ports);
    // After ports, pool and rings: DPDK has its pages.
    let sizes = memory::sizes(appliance);
    let mut lanes = Vec::with_capacity(workers);
    let mut views = Vec::with_capacity(workers);
    let mut session_sources = Vec::with_capacity(workers);
    let parts = readers.into_iter().zip(fabric.inlets).zip(fabric.sends);
    for (number, ((reader, inlets), sends)) in (0u8..).zip(parts) {
        let processor = seats.processors.get(usize::from(number)).copied().flatten();
        let seed = u64::from_ne_bytes(random_bytes()?);
        let worker = memory::worker(WorkerId(number), sizes, seed, clock.now(), processor)?;
        memory::report(&worker, sizes);
        let shared = Arc::new(SharedState::default());
        views.push(view(&worker, &shared));
        let counters = Arc::clone(&worker.counters);
        session_sources.push(session_log::Source { shared: Arc::clone(&shared), counters });
        lanes.push((
            WorkerLane {
                worker,
                reader,
                queues: ports.iter_mut().filter_map(|port| take(&mut port.rx)).collect(),
                inlets,
                outlets: Outlets::new(eal, port_lanes(eal, ports, number), sends),
                ports: Arc::clone(&numbers),
                pool: pool.clone(),
                shared,
                desk: Desk::default(),
                idle: Idle::new(seats.adaptive),
                clock,
            },
            processor,
        ));
    }
    let punts = fabric.punts;
    let control = Kit {
        compiler,
        publisher,
        workers: views,
        punts,
        kernel: fabric.kernel,
        pool: pool.clone(),
        outgoing: dpdk::Burst::new(eal),
        incoming: dpdk::Burst::new(eal),
        clock,
    };
    Ok(Assembly { lanes, control, session_sources })
}

fn view(worker: &Worker, shared: &Arc<SharedState>) -> WorkerView {
    WorkerView {
        id: worker.id,
        flows_max: worker.flows().bound() as u64,
        flow_pages: worker.flows().pages().name(),
        counters: Arc::<Counters>::clone(&worker.counters),
        rules: Arc::<ObjectCounters>::clone(&worker.rules),
        members: Arc::clone(&worker.members),
        outbound: Arc::clone(&worker.outbound),
        port_use: Arc::clone(&worker.port_use),
        shared: Arc::clone(shared),
    }
}

/// The lane to every port: a queue of the worker's own, or the worker that holds one.
fn port_lanes(eal: &Eal, ports: &mut [OpenPort], worker: u8) -> Vec<PortLane> {
    let lane = |port: &mut OpenPort| {
        let queues = port.port.taken().tx_queues.max(1);
        match take(&mut port.tx) {
            Some(queue) => PortLane::new(eal, Lane::Queue(queue)),
            #[allow(clippy::cast_possible_truncation, reason = "a remainder below 16")]
            None => PortLane::new(eal, Lane::Relay(WorkerId((u16::from(worker) % queues) as u8))),
        }
    };
    ports.iter_mut().map(lane).collect()
}

/// The next queue, which is the one with the worker's number: workers take them in turn.
fn take<Q>(queues: &mut Vec<Q>) -> Option<Q> {
    if queues.is_empty() { None } else { Some(queues.remove(0)) }
}

/// From DPDK's port numbers to ours.
fn port_numbers(ports: &[OpenPort]) -> Arc<[PortId]> {
    let bound = ports.iter().map(|port| usize::from(port.port.id()) + 1).max().unwrap_or(0);
    let mut numbers = vec![PortId(u8::MAX); bound];
    for (number, port) in (0u8..).zip(ports) {
        numbers[usize::from(port.port.id())] = PortId(number);
    }
    numbers.into()
}

/// Bytes that nobody can predict, for hash secrets.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], BootError> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(BootError::Random)?;
    Ok(bytes)
}
