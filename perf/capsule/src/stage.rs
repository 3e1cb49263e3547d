//! How do capsule's runtime and Weir's bindings share one process?
//!
//! The bindings start EAL. Capsule's runtime believes that it did, and makes its own pool and its
//! own port on a device that the bindings attached. Not here: what is measured (`warm`, `device`).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll};

use anyhow::Result;
use capsule::batch::Pipeline;
use capsule::config::RuntimeConfig;
use capsule::{PortQueue, Runtime};
use dpdk::{Affinity, Eal, Port};
use serde_json::json;

/// Packet buffers of a pool, as the loops of `perf/` have.
pub const BUFFERS: u32 = 4095;
/// Of them in the cache of an lcore.
pub const CACHE: u32 = 256;

/// A running EAL, and capsule's runtime on it.
pub struct Stage {
    /// First, so that its port and pool are gone when EAL ends.
    runtime: Runtime,
    /// The bindings' own.
    pub eal: Eal,
}

impl Stage {
    /// Starts both, on this processor. The calling thread is capsule's only thread, and the only
    /// one that can make its packets.
    ///
    /// # Errors
    /// DPDK's, in the words of whoever asked.
    pub fn start(processor: usize, hugepages: bool) -> Result<Self> {
        let eal = start_eal(processor, hugepages)?;
        Port::attach(&eal, &format!("{DEVICE},size=64"))?;
        let port = json!({
            "name": PORT, "device": DEVICE, "cores": [processor], "rxd": 512, "txd": 512,
        });
        let configuration: RuntimeConfig = serde_json::from_value(json!({
            "app_name": "weir-perf-capsule",
            "master_core": processor,
            "mempool": { "capacity": BUFFERS, "cache_size": CACHE },
            "ports": [port],
            "duration": 1,
        }))?;
        Ok(Self { runtime: Runtime::build(configuration)?, eal })
    }

    /// Does `work` as a pipeline of capsule's runtime would, with its port's queues while the port
    /// is started. Takes a second at least, which is the shortest that the runtime runs.
    ///
    /// # Errors
    /// Capsule's, or those of `work`.
    pub fn with_queue<R, W>(&mut self, work: W) -> Result<R>
    where
        R: Send + 'static,
        W: FnOnce(PortQueue) -> Result<R> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel();
        let work = Mutex::new(Some((work, sender)));
        self.runtime.add_pipeline_to_port(PORT, move |queue| {
            let work = work.lock().ok().and_then(|mut work| work.take());
            if let Some((work, sender)) = work {
                // Nobody listens when the runtime itself has failed, and then that is the error.
                let _unheard = sender.send(work(queue));
            }
            Done
        })?;
        self.runtime.execute()?;
        receiver.recv()?
    }
}

/// A pipeline that has nothing left to do.
struct Done;

impl Future for Done {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Pipeline for Done {
    fn name(&self) -> &'static str {
        PORT
    }

    fn run_once(&mut self) {}
}

fn start_eal(processor: usize, hugepages: bool) -> Result<Eal> {
    dpdk::log::set_level(dpdk::log::Level::Error)?;
    let processor = processor.to_string();
    let mut words = vec!["-l", &processor, "--no-pci", "--no-telemetry"];
    if hugepages {
        words.extend(["--in-memory", "-m", "64"]);
    } else {
        words.extend(["--no-huge", "-m", "128", "--no-shconf", "--file-prefix=weir-capsule"]);
    }
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    Ok(Eal::init_with(&words, Affinity::Pinned)?)
}

const PORT: &str = "capsule";
const DEVICE: &str = "net_null_capsule";
