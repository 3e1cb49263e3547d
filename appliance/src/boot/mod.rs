//! How does the appliance come up and go down?
//!
//! ```text
//!   arguments ─► PATH or stored ─► log ─► EAL ─► ports, pool ─► namespace, twins ─► workers
//!                                                                                       │
//!        ◄─ ports close, mbufs counted ◄─ workers joined ◄─ control until a signal ◄────┘
//! ```
//!
//! Everything that can be refused is refused before the first packet. Exit codes: 0 after a
//! signal, 2 for a configuration that is refused, 1 for anything else. Not here: what runs in
//! between (`worker`, `control`).

mod arguments;
mod check;
mod eal;
mod error;
mod files;
mod lanes;
mod log;
mod memory;
mod ports;
mod privileges;
mod processors;
mod spread;
mod starting;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

pub use arguments::{Arguments, Command};
pub use check::Verdict;
pub use error::BootError;
pub use files::read_configuration;
pub use log::LogHandle;
pub use ports::{DESCRIPTORS, OpenPort};
pub(crate) use privileges::{drop_all, keep_network};

use dpdk::Eal;

use crate::control::{self, Control, ControlError};
use crate::session_log;
use crate::worker::WorkerLane;

/// The exit code for a configuration that is refused.
const REFUSED: u8 = 2;

/// Runs the appliance until a signal ends it, or does what else was asked for.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Some(Command::Check { paths, json }) = &arguments.command {
        return check::run(paths, *json);
    }
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.tell();
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(arguments: &Arguments) -> Result<(), BootError> {
    let starting = starting::choose(arguments)?;
    let appliance = starting.chosen.checked.configuration.appliance.clone();
    let log = log::start(&appliance.log)?;
    starting::tell(&starting);
    let seats = processors::seats(&appliance)?;
    privileges::forbid_new();
    privileges::raise_file_limit();
    let runtime = control::runtime()?;
    // Bound first: a socket in use is another weir, and it may have the devices as well.
    let listeners = {
        let _context = runtime.enter();
        control::socket::open(&appliance)?
    };
    let eal = eal::start(&appliance, &arguments.eal)?;
    let pool = eal::pool(&eal, &appliance)?;
    // One key for NICs and owner function, so that packets arrive where they belong.
    let key = lanes::random_bytes()?;
    let mut ports = ports::open(&eal, &appliance, &pool, &key)?;
    let assembly = lanes::assemble(&eal, &appliance, &seats, &mut ports, &pool, &key)?;
    // Here, in the network namespace of the machine: collectors are there.
    let clock = assembly.control.clock;
    let (session_log, finish) =
        session_log::start(assembly.session_sources, clock).map_err(BootError::Thread)?;
    let control = Control::open(starting, &ports, assembly.control, session_log, log)?;
    let outcome = run_threads(&eal, assembly.lanes, || control.run(runtime, listeners));
    finish.finish();
    drop(ports);
    report_buffers(&pool);
    outcome
}

/// Runs workers on threads of their own and `control` on this one; when `control` ends, so do they.
fn run_threads(
    eal: &Eal,
    lanes: Vec<(WorkerLane, Option<usize>)>,
    control: impl FnOnce() -> Result<(), ControlError>,
) -> Result<(), BootError> {
    let stop = AtomicBool::new(false);
    let (ready, waiting) = mpsc::channel();
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (lane, processor) in lanes {
            let name = format!("weir-worker-{}", lane.worker.id);
            let (stop, ready) = (&stop, ready.clone());
            let run = move || {
                privileges::pin(processor);
                drop_all();
                lane.run(eal, stop, move || {
                    // Nobody waits any more when another worker could not start.
                    let _nobody = ready.send(());
                })
            };
            workers.push(thread::Builder::new().name(name).spawn_scoped(scope, run));
        }
        drop(ready);
        // One that cannot start drops its end unused, and the rest are not begun with.
        let complete = workers.iter().all(|_| waiting.recv().is_ok());
        let outcome = if complete { control() } else { Ok(()) };
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.map_err(BootError::Thread)?.join().map_err(|_| BootError::Panicked)??;
        }
        Ok(outcome?)
    })
}

/// Says how many packet buffers did not come back; none, unless something leaks.
fn report_buffers(pool: &dpdk::Mempool) {
    match pool.in_use() {
        0 => tracing::info!("stopped; mbufs in use: 0"),
        leaked => tracing::error!("stopped; mbufs in use: {leaked}: please report this leak"),
    }
}
