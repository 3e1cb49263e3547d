//! How much does capsule cost beside a rewrite by hand, on this machine, today?
//!
//! See the README for how to run it, and for what it says. Not here: what is measured (`warm`,
//! `device`).

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};
use weir_perf_capsule::device::{Device, FRAME, Hand};
use weir_perf_capsule::meter::{Meter, Sample, Spread};
use weir_perf_capsule::stage::Stage;
use weir_perf_capsule::warm::Warm;
use weir_perf_capsule::{Contestant, Rig};

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

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
    window: Duration,
}

/// One measured loop.
#[derive(Debug)]
struct Row {
    scenario: &'static str,
    packet_bytes: usize,
    figures: Vec<Figure>,
}

/// What one contestant cost per packet.
#[derive(Clone, Copy, Debug)]
struct Figure {
    contestant: Contestant,
    nanoseconds: Spread,
    instructions: Option<f64>,
}

/// The longest frame that a port with an MTU of 1,500 receives, less two VLAN tags.
const LONG: usize = 1514;

/// Turns between two looks at the clock.
const TURNS: u64 = 64;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (rounds, window) = if arguments.quick { (5, 20) } else { (9, 100) };
    let rounds = arguments.rounds.unwrap_or(rounds).max(1);
    let effort = Effort { rounds, window: Duration::from_millis(window) };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let hugepages = free_hugepages() >= 64;
    let mut stage = Stage::start(processors - 1, hugepages)?;
    let mut rows = vec![
        row("capsule-rewrite", FRAME, &mut Warm::new(FRAME)?, effort)?,
        row("capsule-rewrite", LONG, &mut Warm::new(LONG)?, effort)?,
    ];
    let hand = Hand::new(&stage.eal)?;
    rows.push(stage.with_queue(move |queue| {
        row("capsule-loop", FRAME, &mut Device::new(hand, &queue), effort)
    })?);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", machine(processors, hugepages, effort))?;
    writeln!(out, "{}", table(&rows))?;
    if let Some(path) = &arguments.json {
        let rows: Value = rows.iter().map(Row::to_json).collect();
        fs::write(path, format!("{rows:#}\n"))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Every contestant for a window, and again, in each round from another beginning.
fn row(
    scenario: &'static str,
    packet_bytes: usize,
    rig: &mut impl Rig,
    effort: Effort,
) -> Result<Row> {
    let contestants = rig.contestants();
    let mut meter = Meter::default();
    let mut samples = vec![Vec::with_capacity(effort.rounds); contestants.len()];
    for round in 0..=effort.rounds {
        for place in 0..contestants.len() {
            let place = (round + place) % contestants.len();
            let sample = meter.measure(|| window(rig, contestants[place], effort.window))?;
            // The first round warms up.
            if round > 0 {
                samples[place].push(sample);
            }
        }
    }
    let figures = contestants
        .iter()
        .zip(&samples)
        .map(|(contestant, samples)| Figure::of(*contestant, samples).context("a measured window"));
    Ok(Row { scenario, packet_bytes, figures: figures.collect::<Result<_>>()? })
}

fn window(rig: &mut impl Rig, contestant: Contestant, length: Duration) -> Result<u64> {
    let began = Instant::now();
    let mut packets = 0;
    while began.elapsed() < length {
        for _ in 0..TURNS {
            packets += rig.turn(contestant)?;
        }
    }
    Ok(packets)
}

impl Figure {
    fn of(contestant: Contestant, samples: &[Sample]) -> Option<Self> {
        let instructions = |sample: &Sample| {
            Some(sample.events?.instructions as f64 / sample.packets.max(1) as f64)
        };
        Some(Self {
            contestant,
            nanoseconds: Spread::of(samples.iter().map(Sample::per_packet))?,
            instructions: Spread::of(samples.iter().filter_map(instructions)).map(|it| it.median),
        })
    }
}

impl Row {
    fn figure(&self, contestant: Contestant) -> Option<Figure> {
        self.figures.iter().copied().find(|figure| figure.contestant == contestant)
    }

    fn median(&self, contestant: Contestant) -> Option<f64> {
        Some(self.figure(contestant)?.nanoseconds.median)
    }

    /// In the form of the rows of `perf/`.
    fn to_json(&self) -> Value {
        let capsule = self.figure(Contestant::Capsule);
        let spread = |it: Spread| json!({"median": it.median, "min": it.min, "max": it.max});
        let mut rivals = serde_json::Map::new();
        for figure in self.figures.iter().filter(|it| it.contestant != Contestant::Capsule) {
            rivals.insert(name(figure.contestant).to_owned(), figure.nanoseconds.median.into());
        }
        json!({
            "scenario": self.scenario,
            "flows": 128,
            "packet_bytes": self.packet_bytes,
            "workers": 1,
            "ns_per_packet": capsule.map(|it| spread(it.nanoseconds)),
            "mpps": capsule.map(|it| 1000.0 / it.nanoseconds.median),
            "floor_ns_per_packet": Value::Null,
            "rivals": rivals,
            "instructions_per_packet": capsule.and_then(|it| it.instructions),
            "random_lines_per_packet": Value::Null,
            "allocations": Value::Null,
        })
    }
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![format!(
        "{:<16} {:>6}  {:<13} {:>22} {:>6} {:>6}",
        "scenario", "bytes", "contestant", "ns/packet (min–max)", "×hand", "instr"
    )];
    for row in rows {
        let hand = row.median(Contestant::Hand).unwrap_or(f64::NAN);
        for figure in &row.figures {
            let Spread { median, min, max } = figure.nanoseconds;
            let spread = format!("{median:.1} ({min:.1}–{max:.1})");
            let instructions =
                figure.instructions.map_or_else(|| "–".to_owned(), |it| format!("{it:.0}"));
            lines.push(format!(
                "{:<16} {:>6}  {:<13} {spread:>22} {:>6.2} {instructions:>6}",
                row.scenario,
                row.packet_bytes,
                name(figure.contestant),
                median / hand,
            ));
        }
    }
    lines.join("\n")
}

const fn name(contestant: Contestant) -> &'static str {
    match contestant {
        Contestant::Bare => "bare",
        Contestant::Hand => "by hand",
        Contestant::BareCapsule => "bare capsule",
        Contestant::Capsule => "capsule",
    }
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
    format!(
        "{}, {processors} processors, {}; packet memory on {pages}\n\
         one thread on processor {}; {} rounds of {} ms each; processor time, medians",
        model.unwrap_or("unknown processor"),
        dpdk::version(),
        processors - 1,
        effort.rounds,
        effort.window.as_millis(),
    )
}
