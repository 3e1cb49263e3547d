//! Where do the workers' tables come from, and on which memory node?
//!
//! Ordinary memory with advice to use huge pages, unless the configuration requires hugepages: then
//! whoever wrote it has set pages aside for Weir, and the tables may have what packets leave.
//! DPDK goes first: by the time that workers are made, it has its buffers, rings and queues, and
//! some pages are left alone for what it may still want. With `Auto`, pages that happen to be free
//! may be meant for another process, and advice gets nearly as much.
//!
//! A page belongs to the node of the processor that first writes to it, so each worker's tables
//! are made on the worker's own processor.

use std::fs;
use std::thread;

use weir_core::config::{Appliance, Hugepages};
use weir_core::path::{Now, Sizes, Worker};
use weir_core::tables::PageRequest;
use weir_core::units::WorkerId;

use super::{BootError, privileges};

/// Bytes of reserved pages that tables leave to DPDK, which maps more as devices ask for it.
const LEFT_TO_DPDK: u64 = 64 << 20;
/// Bytes that a worker's regions may be rounded up by: its three, to 2 MiB pages.
const ROUNDED_UP: usize = 3 << 21;

/// How big each worker's tables are and what they should stand on.
pub(super) fn sizes(appliance: &Appliance) -> Sizes {
    let sizes = Sizes::of_flow_slots(appliance.limits.flows_per_worker);
    if appliance.limits.hugepages != Hugepages::Require {
        return sizes;
    }
    let wanted = appliance.workers as u64 * (sizes.bytes() + ROUNDED_UP) as u64 + LEFT_TO_DPDK;
    let free = free_reserved();
    if wanted <= free {
        return Sizes { pages: PageRequest::Reserved, ..sizes };
    }
    tracing::info!(
        "flow tables take ordinary memory: they and DPDK would want {} MiB of hugepages beside \
         packet buffers, and {} MiB are free",
        wanted >> 20,
        free >> 20
    );
    sizes
}

/// Makes a worker on its own processor, if it has one, so that its memory is near it.
pub(super) fn worker(
    id: WorkerId,
    sizes: Sizes,
    seed: u64,
    now: Now,
    processor: Option<usize>,
) -> Result<Worker, BootError> {
    let make = || {
        privileges::pin(processor);
        Worker::new(id, sizes, seed, now)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(format!("weir-memory-{id}"));
        let made = thread.spawn_scoped(scope, make).map_err(BootError::Thread)?;
        made.join().map_err(|_| BootError::Panicked)
    })
}

/// Says what the tables of a worker stand on, and how much the kernel made huge by advice.
pub(super) fn report(worker: &Worker, sizes: Sizes) {
    tracing::info!(
        worker = worker.id.0,
        slots = sizes.flow_slots,
        pages = worker.flows().pages().name(),
        transparent_mebibytes = transparent_kibibytes().map(|kibibytes| kibibytes >> 10),
        "flow table ready"
    );
}

/// Bytes of all reserved pages that nobody has.
fn free_reserved() -> u64 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return 0 };
    let free = |size: fs::DirEntry| {
        let name = size.file_name();
        let kibibytes = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?;
        let pages = fs::read_to_string(size.path().join("free_hugepages")).ok()?;
        Some(kibibytes.parse::<u64>().ok()? * 1024 * pages.trim().parse::<u64>().ok()?)
    };
    sizes.flatten().filter_map(free).sum()
}

/// How much of the process the kernel has put on transparent huge pages, where it tells.
fn transparent_kibibytes() -> Option<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    anonymous_huge_kibibytes(&rollup)
}

fn anonymous_huge_kibibytes(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("AnonHugePages:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_account_of_huge_pages_is_read() {
        let rollup = "Anonymous:  9 kB\nAnonHugePages:     57344 kB\nFilePmdMapped: 0 kB\n";
        assert_eq!(anonymous_huge_kibibytes(rollup), Some(57_344));
        assert_eq!(anonymous_huge_kibibytes("Rss: 1 kB\n"), None);
    }

    #[test]
    fn a_worker_is_made_on_a_thread_of_its_own_with_the_sizes_asked_for() {
        let sizes = Sizes::of_flow_slots(1000);
        let worker = worker(WorkerId(3), sizes, 1, Now::default(), None).expect("a thread");
        assert_eq!((worker.id, worker.flows().bound()), (WorkerId(3), 750));
    }
}
