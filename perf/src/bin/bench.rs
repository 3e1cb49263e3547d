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
use weir_perf::lane;
use weir_perf::meter::Meter;
use weir_perf::plain::Plain;
use weir_perf::report::{self, Row};
use weir_perf::rival::{RIVALS, Rival};
use weir_perf::scenario::{Bench, Effort, flows, life, publish};
use weir_perf::traffic::{self, Order};

#[global_allocator]
static ALLOCATOR: dpdk::heap::CountingAllocator = dpdk::heap::CountingAllocator;

/// Measures the data path beside its floor and DPDK's own forwarders.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only scenarios whose names begin so.
    #[arg(long, default_value = "")]
    scenario: String,
    /// Fewer and shorter windows, and nothing above a million flows: less than two minutes.
    #[arg(long)]
    quick: bool,
    /// Leaves DPDK's forwarders out.
    #[arg(long)]
    no_rivals: bool,
    /// Rounds; each contestant has one window in each.
    #[arg(long)]
    rounds: Option<usize>,
}

/// A name to choose by, and what measures it.
type Scenario = (&'static str, fn(&mut Bench<'_>) -> anyhow::Result<Vec<Row>>);

const SCENARIOS: [Scenario; 11] = [
    ("dnat-1k", |bench| one(flows::dnat(bench, 1_000, Order::Uniform))),
    ("dnat-65k", |bench| one(flows::dnat(bench, 65_536, Order::Uniform))),
    ("dnat-1m", |bench| one(flows::dnat(bench, 1_000_000, Order::Uniform))),
    ("dnat-10m", |bench| one(flows::dnat(bench, 10_000_000, Order::Uniform))),
    ("dnat-zipf-1m", |bench| one(flows::dnat(bench, 1_000_000, Order::Zipf))),
    ("dnat-udp-65k", |bench| one(flows::dnat_udp(bench, 65_536))),
    ("snat-one-32k", |bench| one(flows::snat(bench, 32_000, true))),
    ("snat-each-60k", |bench| one(flows::snat(bench, 60_000, false))),
    ("syn", |bench| Ok(life::syn_and_expiry(bench, 600_000)?.into())),
    ("expiry", |bench| Ok(life::syn_and_expiry(bench, 600_000)?.into())),
    ("publish", |bench| one(publish::publish(bench, 65_536, CONTROL))),
];

/// The processor of everything but the measured loop.
const CONTROL: usize = 0;

fn one(row: anyhow::Result<Row>) -> anyhow::Result<Vec<Row>> {
    Ok(vec![row?])
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = processors - 1;
    let hugepages = free_hugepages() >= 4 * 64;
    let eal = start(processor, hugepages)?;
    let pool = lane::pool(&eal)?;
    let mut bench = Bench {
        eal: &eal,
        pool: &pool,
        effort: effort(&arguments),
        rivals: if arguments.no_rivals { Vec::new() } else { rivals(processor, hugepages)? },
        bare: Plain::new(&eal, &pool, "bare", traffic::requests(65_536, Order::Uniform)?, 0)?,
        meter: Meter::default(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", machine(processors, hugepages, bench.effort))?;
    writeln!(out, "{}", report::head())?;
    let mut rows: Vec<Row> = Vec::new();
    for (name, run) in SCENARIOS {
        let measured = rows.iter().any(|row| row.scenario == name);
        let wanted = name.starts_with(&arguments.scenario) && !measured;
        if !wanted || arguments.quick && name == "dnat-10m" {
            continue;
        }
        for row in run(&mut bench).with_context(|| format!("scenario {name}"))? {
            writeln!(out, "{}", report::line(&row))?;
            out.flush()?;
            rows.push(row);
        }
    }
    if let Some(path) = &arguments.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        fs::write(path, format!("{:#}\n", serde_json::Value::from(rows)))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn effort(arguments: &Arguments) -> Effort {
    let (rounds, window) = if arguments.quick { (5, 40) } else { (9, 150) };
    let rounds = arguments.rounds.unwrap_or(rounds).max(1);
    Effort { rounds, window: Duration::from_millis(window) }
}

fn start(processor: usize, hugepages: bool) -> anyhow::Result<Eal> {
    dpdk::log::set_level(dpdk::log::Level::Error)?;
    let processor = processor.to_string();
    let mut words = vec!["-l", &processor, "--no-pci", "--no-telemetry"];
    if hugepages {
        words.extend(["--in-memory", "-m", "64"]);
    } else {
        words.extend(["--no-huge", "-m", "128", "--no-shconf", "--file-prefix=weir-perf"]);
    }
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    Ok(Eal::init_with(&words, Affinity::Pinned)?)
}

fn rivals(processor: usize, hugepages: bool) -> anyhow::Result<Vec<Rival>> {
    let source = traffic::requests(65_536, Order::Uniform)?;
    RIVALS.into_iter().map(|name| Rival::start(name, &source, processor, hugepages)).collect()
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
        traffic::FRAME,
        effort.rounds,
        effort.window.as_millis(),
    )
}
