//! What is measured, and beside what?
//!
//! Every scenario that forwards is a [`Contest`]: in each round the worker, the floor with as many
//! records as the worker's table has slots, the bare loop, and the rivals have one window each.
//! What asks how much something disturbs is a duel: the worker with it and without. Whoever runs
//! beside the worker receives packets of the same family. Not here: which scenarios there are
//! (`catalogue`), the traffic of each (its own file).

pub mod catalogue;
mod churn;
pub mod flood;
pub mod flows;
pub mod life;
pub mod memory;
pub mod outbound;
pub mod ports;
pub mod publish;
pub mod team;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use dpdk::{Eal, Mempool};

use crate::accounts::Account;
use crate::kind::{FRAME, Family};
use crate::lane::Rig;
use crate::meter::{Meter, Sample, Spread};
use crate::plain::Plain;
use crate::report::Row;
use crate::rival::{Rival, forwarders};
use crate::traffic::{self, Load};

/// Turns between two looks at the clock: some 10 µs each, so that looking costs nothing.
const TURNS: u32 = 64;

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, in each of which everybody has one window.
    pub rounds: usize,
    /// How long a window is.
    pub window: Duration,
    /// Whether fewer flows will do.
    pub quick: bool,
}

/// Which processors there are to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors {
    /// Where the measured loop runs.
    pub worker: usize,
    /// Where a second worker or a publisher runs; the same one where there is no other.
    pub other: usize,
}

/// What every scenario is measured with.
pub struct Bench<'a> {
    /// The environment.
    pub eal: &'a Eal,
    /// Where packets live.
    pub pool: &'a Mempool,
    /// How long and how often.
    pub effort: Effort,
    /// Where.
    pub processors: Processors,
    /// Who runs beside the worker over IPv4.
    pub v4: Others,
    /// Who does over IPv6; nobody where no scenario asks for it.
    pub v6: Option<Others>,
    /// The meter of this thread.
    pub meter: Meter,
}

/// Who runs beside the worker, whatever the scenario, with packets of one family.
pub struct Others {
    /// DPDK's forwarders; none where they are not wanted.
    pub rivals: Vec<Rival>,
    /// The bare loop.
    pub bare: Plain,
}

/// Where DPDK's forwarders run.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// The processor.
    pub processor: usize,
    /// Whether there are hugepages.
    pub hugepages: bool,
}

impl Others {
    /// All of a family, the forwarders standing still; none of them where they have no ground.
    ///
    /// # Errors
    /// DPDK's, or when a forwarder does not start.
    pub fn start(
        eal: &Eal,
        pool: &Mempool,
        family: Family,
        ground: Option<Ground>,
    ) -> anyhow::Result<Self> {
        let requests = || traffic::requests(Load { family, ..Load::of(65_536) });
        let mut rivals = Vec::new();
        if let Some(Ground { processor, hugepages }) = ground {
            for name in forwarders(family) {
                rivals.push(Rival::start(name, &requests()?, processor, hugepages)?);
            }
        }
        let name = match family {
            Family::V4 => "bare",
            Family::V6 => "bare-v6",
        };
        Ok(Self { rivals, bare: Plain::new(eal, pool, name, requests()?, family, 0)? })
    }
}

/// Everybody's samples over all rounds.
#[derive(Debug, Default)]
pub struct Contest {
    /// The worker's.
    pub ours: Vec<Sample>,
    /// The floor's.
    pub floor: Vec<Sample>,
    /// The others', by name; the bare loop among them.
    pub rivals: BTreeMap<&'static str, Vec<Sample>>,
    /// Allocations of the worker's turns.
    pub allocations: u64,
}

impl Bench<'_> {
    /// Lets `rig`, a floor of `records` records and all rivals run in turn.
    ///
    /// # Errors
    /// When packets were lost, or a rival is gone.
    pub fn contest(
        &mut self,
        rig: &mut Rig,
        records: usize,
        load: Load,
    ) -> anyhow::Result<Contest> {
        let requests = traffic::requests(load)?;
        let family = load.family;
        let mut floor = Plain::new(self.eal, self.pool, "floor", requests, family, records)?;
        let window = self.effort.window;
        let mut contest = Contest::default();
        for round in 0..=self.effort.rounds {
            let (ours, allocations) = self.run_worker(rig)?;
            let floor = run_plain(&mut self.meter, &mut floor, window)?;
            let others = match family {
                Family::V4 => &mut self.v4,
                Family::V6 => self.v6.as_mut().context("nobody was started for IPv6")?,
            };
            let bare = run_plain(&mut self.meter, &mut others.bare, window)?;
            // The first round only warms everything up.
            if round == 0 {
                continue;
            }
            contest.ours.push(ours);
            contest.allocations += allocations;
            contest.floor.push(floor);
            contest.rivals.entry("bare").or_default().push(bare);
            for rival in &mut others.rivals {
                let sample = rival.run(window)?;
                contest.rivals.entry(rival.name).or_default().push(sample);
            }
        }
        Ok(contest)
    }

    /// One window of the worker's loop, and how often it allocated.
    ///
    /// # Errors
    /// When a packet was not sent.
    pub fn run_worker(&mut self, rig: &mut Rig) -> anyhow::Result<(Sample, u64)> {
        let (sample, allocations, account) = self.run_window(rig)?;
        account.all_sent()?;
        Ok((sample, allocations))
    }

    /// One window of the worker's loop, how often it allocated, and what became of the packets.
    ///
    /// # Errors
    /// The kernel's.
    pub fn run_window(&mut self, rig: &mut Rig) -> anyhow::Result<(Sample, u64, Account)> {
        let window = self.effort.window;
        let (packets, before) = (rig.packets(), rig.totals());
        dpdk::heap::watch_this_thread();
        let mut allocations = 0;
        let sample = self.meter.measure(|| {
            let began = Instant::now();
            // What measuring itself allocates is not the loop's.
            let _measuring = dpdk::heap::take_count();
            while began.elapsed() < window {
                for _ in 0..TURNS {
                    rig.turn();
                }
            }
            allocations = dpdk::heap::take_count();
            Ok(rig.packets() - packets)
        })?;
        let account = Account::between(&before, &rig.totals());
        anyhow::ensure!(sample.packets == account.get("rx_packets"), "packets were not received");
        Ok((sample, allocations, account))
    }
}

/// One window of a loop without decisions.
fn run_plain(meter: &mut Meter, plain: &mut Plain, window: Duration) -> anyhow::Result<Sample> {
    let packets = plain.packets();
    meter.measure(|| {
        let began = Instant::now();
        while began.elapsed() < window {
            for _ in 0..TURNS {
                plain.turn();
            }
        }
        Ok(plain.packets() - packets)
    })
}

impl Contest {
    /// The contest as a row of the table.
    #[must_use]
    pub fn row(&self, scenario: String, flows: usize) -> Row {
        let spread = |samples: &[Sample]| Spread::of(samples.iter().map(Sample::per_packet));
        let median = |samples: &[Sample]| spread(samples).map(|it| it.median);
        let event = |samples: &[Sample], value: fn(&Sample) -> Option<f64>| {
            Spread::of(samples.iter().filter_map(value)).map(|it| it.median)
        };
        let rivals = self.rivals.iter();
        let rivals = rivals.filter_map(|(name, samples)| Some((*name, median(samples)?))).collect();
        let misses = |samples: &[Sample]| event(samples, misses_per_packet);
        Row {
            scenario,
            flows,
            packet_bytes: FRAME.into(),
            workers: 1,
            nanoseconds: spread(&self.ours),
            is_difference: false,
            floor: median(&self.floor),
            rivals,
            instructions: event(&self.ours, instructions_per_packet),
            cycles: event(&self.ours, cycles_per_packet),
            misses: misses(&self.ours),
            floor_misses: misses(&self.floor),
            random_lines: None,
            allocations: Some(self.allocations),
            notes: Vec::new(),
        }
    }
}

fn instructions_per_packet(sample: &Sample) -> Option<f64> {
    Some(sample.events?.instructions as f64 / sample.packets as f64)
}

fn cycles_per_packet(sample: &Sample) -> Option<f64> {
    Some(sample.events?.cycles as f64 / sample.packets as f64)
}

fn misses_per_packet(sample: &Sample) -> Option<f64> {
    Some(sample.events?.misses as f64 / sample.packets as f64)
}

/// A number as a person writes it.
fn short(flows: usize) -> String {
    match flows {
        1_000_000.. => format!("{}m", flows / 1_000_000),
        1_000.. => format!("{}k", flows / 1_000),
        _ => flows.to_string(),
    }
}
