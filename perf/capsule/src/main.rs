//! How much does capsule cost beside a rewrite by hand, on this machine, today?
//!
//! `scripts/bench --capsule` builds and runs this. Not here: what is measured (`warm`, `device`),
//! what it says (`README.md`).

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::Value;
use weir_perf_capsule::device::{Device, FRAME, Hand};
use weir_perf_capsule::report::{Effort, Row, head};
use weir_perf_capsule::stage::Stage;
use weir_perf_capsule::warm::Warm;

#[global_allocator]
static ALLOCATOR: dpdk::heap::CountingAllocator = dpdk::heap::CountingAllocator;

/// Measures a rewrite written with capsule beside the same by hand.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Fewer and shorter windows.
    #[arg(long)]
    quick: bool,
    /// Rounds; each contestant has one window in each.
    #[arg(long)]
    rounds: Option<usize>,
}

/// The longest untagged frame under an MTU of 1,500.
const LONG: usize = 1514;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let effort = effort(&arguments);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let hugepages = free_hugepages() >= 64;
    let mut stage = Stage::start(processors - 1, hugepages)?;
    let mut rows = vec![
        Row::measure("capsule-rewrite", FRAME, &mut Warm::new(FRAME)?, effort)?,
        Row::measure("capsule-rewrite", LONG, &mut Warm::new(LONG)?, effort)?,
    ];
    let hand = Hand::new(&stage.eal)?;
    rows.push(stage.with_queue(move |queue| {
        Row::measure("capsule-loop", FRAME, &mut Device::new(hand, &queue), effort)
    })?);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}", machine(processors, hugepages, effort), head())?;
    for line in rows.iter().flat_map(Row::lines) {
        writeln!(out, "{line}")?;
    }
    if let Some(path) = &arguments.json {
        let rows: Value = rows.iter().map(Row::to_json).collect();
        fs::write(path, format!("{rows:#}\n"))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn effort(arguments: &Arguments) -> Effort {
    let (rounds, window) = if arguments.quick { (5, 20) } else { (9, 150) };
    let rounds = arguments.rounds.unwrap_or(rounds).max(1);
    Effort { rounds, window: Duration::from_millis(window) }
}

/// Free hugepages of 2 MiB.
fn free_hugepages() -> u64 {
    let path = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn machine(processors: usize, hugepages: bool, effort: Effort) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let pages = if hugepages { "2 MiB pages" } else { "ordinary pages (--no-huge)" };
    let metrics = if cfg!(feature = "metrics") { "with" } else { "without" };
    format!(
        "{}, {processors} processors, {}; packet memory on {pages}\n\
         one thread on processor {}; capsule {metrics} its metrics; {} rounds of {} ms each; \
         processor time, medians",
        model.unwrap_or("unknown processor"),
        dpdk::version(),
        processors - 1,
        effort.rounds,
        effort.window.as_millis(),
    )
}
