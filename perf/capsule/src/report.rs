//! How are windows made into figures, and figures shown?
//!
//! In the words and units of `perf/`: nanoseconds of processor time per packet, medians over
//! rounds in which every contestant has one window.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::meter::{Meter, Sample, Spread};
use crate::{Contestant, Rig};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds that count; one before them does not.
    pub rounds: usize,
    /// How long a window is.
    pub window: Duration,
}

/// One measured loop.
#[derive(Debug)]
pub struct Row {
    /// What was measured.
    pub scenario: &'static str,
    /// Bytes of a frame without its check sequence.
    pub packet_bytes: usize,
    figures: Vec<Figure>,
}

/// What one contestant cost.
#[derive(Clone, Copy, Debug)]
struct Figure {
    contestant: Contestant,
    /// Per packet.
    nanoseconds: Spread,
    /// Per packet, where the machine counts them.
    instructions: Option<f64>,
    /// How often memory was taken or given back, in all windows.
    allocations: u64,
    packets: u64,
}

impl Row {
    /// Every contestant for a window, and again, in each round from another beginning.
    ///
    /// # Errors
    /// The rig's, or the kernel's.
    pub fn measure(
        scenario: &'static str,
        packet_bytes: usize,
        rig: &mut impl Rig,
        effort: Effort,
    ) -> Result<Self> {
        let contestants = rig.contestants();
        let mut meter = Meter::default();
        let mut samples = vec![Vec::with_capacity(effort.rounds); contestants.len()];
        let mut allocations = vec![0; contestants.len()];
        for round in 0..=effort.rounds {
            for place in 0..contestants.len() {
                let place = (round + place) % contestants.len();
                let mut heap = 0;
                let sample = meter.measure(|| {
                    dpdk::heap::watch_this_thread();
                    let packets = window(rig, contestants[place], effort.window);
                    heap = dpdk::heap::take_count();
                    packets
                })?;
                // The first round warms up.
                if round > 0 {
                    allocations[place] += heap;
                    samples[place].push(sample);
                }
            }
        }
        let figures = (0..contestants.len()).map(|place| {
            let figure = Figure::of(contestants[place], &samples[place], allocations[place]);
            figure.context("no window was measured")
        });
        Ok(Self { scenario, packet_bytes, figures: figures.collect::<Result<_>>()? })
    }

    /// The row in the form of those of `perf/`: capsule's figures, the others as its rivals.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let capsule = self.figure(Contestant::Capsule);
        let spread = |it: Spread| json!({"median": it.median, "min": it.min, "max": it.max});
        let mut rivals = Map::new();
        for figure in self.figures.iter().filter(|it| it.contestant != Contestant::Capsule) {
            rivals.insert(figure.contestant.name().to_owned(), figure.nanoseconds.median.into());
        }
        json!({
            "scenario": self.scenario,
            "flows": crate::frames::CLIENTS,
            "packet_bytes": self.packet_bytes,
            "workers": 1,
            "ns_per_packet": capsule.map(|it| spread(it.nanoseconds)),
            "mpps": capsule.map(|it| 1000.0 / it.nanoseconds.median),
            "floor_ns_per_packet": Value::Null,
            "rivals": rivals,
            "instructions_per_packet": capsule.and_then(|it| it.instructions),
            "random_lines_per_packet": Value::Null,
            "allocations": capsule.map(|it| it.allocations),
        })
    }

    /// A line of the table for each contestant.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let hand = self.figure(Contestant::Hand).map_or(f64::NAN, |it| it.nanoseconds.median);
        self.figures.iter().map(|figure| self.line(figure, hand)).collect()
    }

    fn figure(&self, contestant: Contestant) -> Option<Figure> {
        self.figures.iter().copied().find(|figure| figure.contestant == contestant)
    }

    fn line(&self, figure: &Figure, hand: f64) -> String {
        let Spread { median, min, max } = figure.nanoseconds;
        let spread = format!("{median:.1} ({min:.1}–{max:.1})");
        let instructions = figure.instructions;
        let instructions = instructions.map_or_else(|| "–".to_owned(), |it| format!("{it:.0}"));
        format!(
            "{:<16} {:>6}  {:<13} {spread:>22} {:>6.2} {instructions:>6} {:>10.1}",
            self.scenario,
            self.packet_bytes,
            figure.contestant.name(),
            median / hand,
            figure.allocations_per_burst(),
        )
    }
}

impl Figure {
    fn of(contestant: Contestant, samples: &[Sample], allocations: u64) -> Option<Self> {
        let instructions = |sample: &Sample| {
            Some(sample.events?.instructions as f64 / sample.packets.max(1) as f64)
        };
        Some(Self {
            contestant,
            nanoseconds: Spread::of(samples.iter().map(Sample::per_packet))?,
            instructions: Spread::of(samples.iter().filter_map(instructions)).map(|it| it.median),
            allocations,
            packets: samples.iter().map(|sample| sample.packets).sum(),
        })
    }

    fn allocations_per_burst(&self) -> f64 {
        self.allocations as f64 * dpdk::BURST as f64 / self.packets.max(1) as f64
    }
}

impl Contestant {
    /// As it stands in table and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Hand => "by_hand",
            Self::BareCapsule => "bare_capsule",
            Self::Capsule => "capsule",
        }
    }
}

/// The head of the table.
#[must_use]
pub fn head() -> String {
    format!(
        "{:<16} {:>6}  {:<13} {:>22} {:>6} {:>6} {:>10}",
        "scenario", "bytes", "contestant", "ns/packet (min–max)", "×hand", "instr", "heap/burst"
    )
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

/// Turns between two looks at the clock: a look costs as much as a few packets.
const TURNS: u64 = 64;
