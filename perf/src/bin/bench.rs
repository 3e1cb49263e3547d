//! How fast is Weir here, today?
//!
//! `scripts/bench` builds and runs this. Not here: what is measured (`weir_perf::scenario`).

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use dpdk::{Affinity, Eal};
use weir_perf::kind::{FRAME, Family};
use weir_perf::lane;
use weir_perf::meter::Meter;
use weir_perf::report::{self, Row};
use weir_perf::scenario::catalogue::SCENARIOS;
use weir_perf::scenario::{Bench, Effort, Ground, Others, Processors};

#[global_allocator]
static ALLOCATOR: dpdk::heap::CountingAllocator = dpdk::heap::CountingAllocator;

/// Measures the data path beside its floor and DPDK's own forwarders.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only scenarios whose names begin so.
    #[arg(long, default_value = "", value_name = "NAME")]
    scenario: String,
    /// Prints the names of all scenarios and measures nothing.
    #[arg(long)]
    list: bool,
    /// Fewer and shorter windows, and nothing above a million flows: less than two minutes.
    #[arg(long)]
    quick: bool,
    /// Leaves DPDK's forwarders out.
    #[arg(long)]
    no_rivals: bool,
    /// Rounds, at least 1; each contestant has one window in each.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    let wanted: Vec<_> =
        SCENARIOS.iter().filter(|scenario| scenario.is_meant_by(&arguments.scenario)).collect();
    anyhow::ensure!(!wanted.is_empty(), "no scenario's name begins so; --list shows all names");
    if arguments.list {
        let names = wanted.iter().flat_map(|scenario| scenario.names);
        return names.into_iter().try_for_each(|name| Ok(writeln!(out, "{name}")?));
    }
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = Processors { worker: all - 1, other: all.saturating_sub(2) };
    let hugepages = free_hugepages() >= 4 * 64;
    let eal = start(processors.worker, hugepages)?;
    let pool = lane::pool(&eal)?;
    let ground = Ground { processor: processors.worker, hugepages };
    let ground = (!arguments.no_rivals).then_some(ground);
    let others = |family| Others::start(&eal, &pool, family, ground);
    let is_over_ipv6 = wanted.iter().any(|scenario| scenario.is_over_ipv6());
    let mut bench = Bench {
        eal: &eal,
        pool: &pool,
        effort: effort(&arguments),
        processors,
        v4: others(Family::V4)?,
        v6: if is_over_ipv6 { Some(others(Family::V6)?) } else { None },
        meter: Meter::default(),
    };
    writeln!(out, "{}", machine(all, hugepages, bench.effort))?;
    writeln!(out, "{}", report::head())?;
    let mut rows: Vec<Row> = Vec::new();
    let mut failed: Vec<String> = Vec::new();
    for scenario in wanted {
        // Whoever asks for one by its whole name gets it.
        let is_named = scenario.names.contains(&arguments.scenario.as_str());
        if arguments.quick && scenario.is_long && !is_named {
            continue;
        }
        let names = scenario.names.join(", ");
        let measured = match scenario.run(&mut bench) {
            Ok(measured) => measured,
            Err(error) => {
                // What else there is to measure is not worse for it.
                writeln!(out, "{names}: FAILED: {error}")?;
                failed.push(names);
                continue;
            }
        };
        for row in measured.into_iter().filter(|it| it.scenario.starts_with(&arguments.scenario)) {
            writeln!(out, "{}", report::lines(&row))?;
            out.flush()?;
            rows.push(row);
        }
    }
    if let Some(path) = &arguments.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        fs::write(path, format!("{:#}\n", serde_json::Value::from(rows)))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    anyhow::ensure!(failed.is_empty(), "not measured, see above: {}", failed.join("; "));
    Ok(())
}

fn effort(arguments: &Arguments) -> Effort {
    let (rounds, window) = if arguments.quick { (5, 40) } else { (9, 150) };
    let rounds = arguments.rounds.unwrap_or(rounds).max(1);
    Effort { rounds, window: Duration::from_millis(window), quick: arguments.quick }
}

fn start(processor: usize, hugepages: bool) -> anyhow::Result<Eal> {
    dpdk::log::set_level(dpdk::log::Level::Error)?;
    let processor = processor.to_string();
    let mut words =
        vec!["-l", &processor, "--no-pci", "--no-telemetry", "--mbuf-pool-ops-name", "ring_mt_rts"];
    if hugepages {
        words.extend(["--in-memory", "-m", "64"]);
    } else {
        words.extend(["--no-huge", "-m", "128", "--no-shconf", "--file-prefix=weir-perf"]);
    }
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    Ok(Eal::init_with(&words, Affinity::Pinned)?)
}

/// Free hugepages of 2 MiB.
fn free_hugepages() -> u64 {
    let path = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn machine(processors: usize, hugepages: bool, effort: Effort) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processor = processors - 1;
    let pages = if hugepages { "2 MiB pages" } else { "ordinary pages (--no-huge)" };
    format!(
        "{}, {processors} processors, kernel {}, {}; packet memory on {pages}\n\
         one worker on processor {processor}; frames of {} B; {} rounds of {} ms each; \
         processor time, medians",
        model.unwrap_or("unknown processor"),
        kernel.trim(),
        dpdk::version(),
        FRAME,
        effort.rounds,
        effort.window.as_millis(),
    )
}
