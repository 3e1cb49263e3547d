//! What do two workers cost each other, and what do they do together?
//!
//! ```text
//!   kept     device A ─► worker A ─► device A      device B ─► worker B ─► device B
//!   handed   device A ─► worker A ─ring─► worker B ─► device B      and the other way round
//! ```
//!
//! Each worker turns on a thread and a processor of its own; the main thread sleeps, as the
//! control lcore would. In both ways the same packets are processed to the same end, so the
//! difference is what handing over costs, receiving and recognising a packet twice included.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use dpdk::{Eal, SourceStep};
use weir_core::telemetry::{Counter, Counters, Totals};
use weir_core::units::Address;

use super::flows::{all, both_ways, inbound_kinds, open_inbound, slots_for};
use super::{Bench, Contest, Processors};
use crate::accounts::Account;
use crate::gate::{BUSY_MAX, Gate, ROUND_TRIP_MAX, pin, round_trip, taken_by_others};
use crate::kind::{ACK, Family};
use crate::lane::Rig;
use crate::meter::{Events, Meter, Sample, Spread};
use crate::report::Row;
use crate::traffic::{self, Order, client, draw};
use crate::world::{self, WEB};

/// Turns between two looks at the other worker, and looks between two at the clock.
const TURNS: u32 = 8;
const LOOKS: u32 = 8;
/// Packets on the way to the other worker beyond which nothing more is received: with those of
/// [`TURNS`] turns they fit the ring, so that a worker which loses its processor for a while loses
/// no packets.
const ON_THE_WAY_MAX: u64 = 512;
/// Turns within which what is on the way arrives.
const DRAIN_TURNS: usize = 10_000;

/// Packets of `flows` connections that arrive at the worker which does not own them: what each
/// costs more than one that arrives where it belongs.
///
/// # Errors
/// DPDK's, or when packets were lost.
pub fn handoff(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let mut row = Row { scenario: "handoff".to_owned(), flows, workers: 2, ..Row::default() };
    let Some(processors) = pair(bench.processors) else { return Ok(needs_two(row)) };
    let mut team = Team::new(bench, flows)?;
    let busy_before = taken_by_others(&processors)?;
    let before = round_trip(processors[0], processors[1]);
    let mut contest = Contest::default();
    let mut differences = Vec::new();
    for round in 0..=bench.effort.rounds {
        let kept = team.run(bench, processors, false)?;
        let handed = team.run(bench, processors, true)?;
        if round > 0 {
            differences.push(handed.both().per_packet() - kept.both().per_packet());
            contest.ours.push(handed.both());
            contest.allocations += handed.allocations + kept.allocations;
            contest.rivals.entry("kept").or_default().push(kept.both());
        }
    }
    let after = round_trip(processors[0], processors[1]);
    let busy_after = taken_by_others(&processors)?;
    let handed = contest.row(row.scenario.clone(), flows);
    row = Row { workers: 2, nanoseconds: Spread::of(differences), is_difference: true, ..handed };
    if let Some(whole) = Spread::of(contest.ours.iter().map(Sample::per_packet)) {
        row.rivals.insert("handed", whole.median);
    }
    row.note("what handing over adds to a packet");
    row.note(Gate { before, after, most: ROUND_TRIP_MAX }.of_round_trip());
    // A worker that has lost its processor keeps the other one waiting, and both count that.
    row.note(Gate { before: busy_before, after: busy_after, most: BUSY_MAX }.of_idleness());
    Ok(row)
}

/// Packets of `flows` connections, half of them each worker's own, against one worker that has all
/// of them.
///
/// # Errors
/// As [`handoff`].
pub fn scaling(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let row = Row { scenario: "scaling".to_owned(), flows, workers: 2, ..Row::default() };
    let Some(processors) = pair(bench.processors) else { return Ok(needs_two(row)) };
    let mut team = Team::new(bench, flows)?;
    let mut alone = Rig::new(bench.eal, bench.pool, "alone", slots_for(flows))?;
    let members = open_inbound(&mut alone, &all(flows))?;
    let steps = both_ways(&all(flows), &members, &draw(flows, Order::Uniform));
    alone.receive(traffic::source(&inbound_kinds(Family::V4, Some(ACK), WEB), steps)?, u64::MAX)?;
    let before = taken_by_others(&processors)?;
    let mut contest = Contest::default();
    for round in 0..=bench.effort.rounds {
        let one =
            run(bench.eal, std::slice::from_mut(&mut alone), &processors, bench.effort.window)?;
        let two = team.run(bench, processors, false)?;
        if round > 0 {
            contest.ours.push(two.together());
            contest.allocations += two.allocations + one.allocations;
            contest.rivals.entry("one").or_default().push(one.together());
        }
    }
    let after = taken_by_others(&processors)?;
    let mut row = Row { workers: 2, ..contest.row(row.scenario, flows) };
    if let (Some(two), Some(one)) = (row.nanoseconds, row.rivals.get("one")) {
        row.note(format!("two workers ×{:.2} of one", one / two.median));
    }
    row.note(Gate { before, after, most: BUSY_MAX }.of_idleness());
    Ok(row)
}

/// Both processors, if there are two.
fn pair(processors: Processors) -> Option<[usize; 2]> {
    (processors.worker != processors.other).then_some([processors.worker, processors.other])
}

fn needs_two(mut row: Row) -> Row {
    row.note("not measured: it takes two processors");
    row
}

/// Two workers of one appliance with their connections.
struct Team {
    rigs: Vec<Rig>,
    /// For each, the packets of its own connections.
    steps: Vec<Vec<SourceStep>>,
}

impl Team {
    fn new(bench: &Bench<'_>, flows: usize) -> anyhow::Result<Self> {
        let mut rigs = Rig::team(bench.eal, bench.pool, 2, slots_for(flows))?;
        let mut owned = vec![Vec::new(); rigs.len()];
        let owner = Arc::clone(&rigs[0].snapshot().owner);
        let frontend = Address::from_v4_bits(world::FRONTEND);
        for flow in 0..flows {
            let (address, port) = client(flow);
            let worker = owner.of_flow(Address::from_v4_bits(address), port, frontend, WEB.0);
            owned[worker.index()].push(flow);
        }
        let mut steps = Vec::new();
        for (rig, owned) in rigs.iter_mut().zip(&owned) {
            let members = open_inbound(rig, owned)?;
            anyhow::ensure!(rig.count(Counter::HandoffOutPackets) == 0, "a flow is another's");
            steps.push(both_ways(owned, &members, &draw(owned.len(), Order::Uniform)));
        }
        Ok(Self { rigs, steps })
    }

    /// One window in which each worker receives its own connections' packets, or the other's.
    fn run(
        &mut self,
        bench: &Bench<'_>,
        processors: [usize; 2],
        handed: bool,
    ) -> anyhow::Result<Window> {
        let kinds = inbound_kinds(Family::V4, Some(ACK), WEB);
        for (number, rig) in self.rigs.iter_mut().enumerate() {
            let steps = &self.steps[if handed { 1 - number } else { number }];
            rig.receive(traffic::source(&kinds, steps.clone())?, u64::MAX)?;
        }
        let window = run(bench.eal, &mut self.rigs, &processors, bench.effort.window)?;
        let expected = if handed { window.account.get("rx_packets") } else { 0 };
        let moved = window.account.get("handoff_out_packets");
        anyhow::ensure!(moved == expected, "{moved} packets handed over instead of {expected}");
        Ok(window)
    }
}

/// What the workers of one window did.
struct Window {
    samples: Vec<Sample>,
    allocations: u64,
    account: Account,
}

impl Window {
    /// What a packet costs, whoever works on it.
    fn both(&self) -> Sample {
        self.samples.iter().fold(Sample::default(), |sum, one| Sample {
            packets: sum.packets + one.packets,
            nanoseconds: sum.nanoseconds + one.nanoseconds,
            events: added(sum.events.or(Some(Events::default())), one.events),
        })
    }

    /// The same packets in the time in which all workers together do them.
    fn together(&self) -> Sample {
        let rate: f64 = self.samples.iter().map(|it| 1.0 / it.per_packet()).sum();
        let both = self.both();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration")]
        let nanoseconds = (both.packets as f64 / rate) as u64;
        Sample { nanoseconds, ..both }
    }
}

fn added(one: Option<Events>, other: Option<Events>) -> Option<Events> {
    let (one, other) = (one?, other?);
    Some(Events {
        instructions: one.instructions + other.instructions,
        cycles: one.cycles + other.cycles,
        misses: one.misses + other.misses,
    })
}

/// One window of workers, each on its own processor, until all packets have left.
fn run(
    eal: &Eal,
    rigs: &mut [Rig],
    processors: &[usize],
    window: Duration,
) -> anyhow::Result<Window> {
    let before = totals(rigs);
    let counters: Vec<_> = rigs.iter().map(|rig| Arc::clone(&rig.lane.worker.counters)).collect();
    let barrier = Barrier::new(rigs.len());
    let measured: Vec<(Sample, u64)> = thread::scope(|scope| {
        let threads: Vec<_> = rigs
            .iter_mut()
            .zip(processors)
            .enumerate()
            .map(|(number, (rig, processor))| {
                // The next worker, which is the only other one, or nobody.
                let other = Arc::clone(&counters[(number + 1) % counters.len()]);
                let barrier = &barrier;
                scope.spawn(move || {
                    pin(*processor);
                    // No early return before the barrier, or the other worker waits for ever.
                    let lcore = eal.register_thread();
                    let mut meter = Meter::default();
                    barrier.wait();
                    let _lcore = lcore?;
                    turn_for(rig, &other, window, &mut meter)
                })
            })
            .collect();
        let panicked = |_| anyhow::anyhow!("a worker's thread panicked");
        threads.into_iter().map(|it| it.join().map_err(panicked)?).collect::<anyhow::Result<_>>()
    })?;
    drain(rigs)?;
    let account = Account::between(&before, &totals(rigs));
    account.all_sent()?;
    account.none_fell_back()?;
    let allocations = measured.iter().map(|(_, allocations)| allocations).sum();
    let samples = measured.into_iter().map(|(sample, _)| sample).collect();
    Ok(Window { samples, allocations, account })
}

/// One worker's window.
fn turn_for(
    rig: &mut Rig,
    other: &Counters,
    window: Duration,
    meter: &mut Meter,
) -> anyhow::Result<(Sample, u64)> {
    let packets = rig.packets();
    dpdk::heap::watch_this_thread();
    let mut allocations = 0;
    let sample = meter.measure(|| {
        let began = Instant::now();
        let _measuring = dpdk::heap::take_count();
        while began.elapsed() < window {
            for _ in 0..LOOKS {
                let out = rig.count(Counter::HandoffOutPackets);
                let on_the_way = out.saturating_sub(other.get(Counter::HandoffInPackets));
                if on_the_way > ON_THE_WAY_MAX {
                    rig.hold()
                } else {
                    rig.resume()
                }
                for _ in 0..TURNS {
                    rig.turn();
                }
            }
        }
        allocations = dpdk::heap::take_count();
        Ok(rig.packets() - packets)
    })?;
    Ok((sample, allocations))
}

/// Turns without receiving until nothing is on the way.
fn drain(rigs: &mut [Rig]) -> anyhow::Result<()> {
    rigs.iter_mut().for_each(Rig::hold);
    for _ in 0..DRAIN_TURNS {
        rigs.iter_mut().for_each(Rig::turn);
        if totals(rigs).in_flight() == 0 {
            rigs.iter_mut().for_each(Rig::resume);
            return Ok(());
        }
    }
    anyhow::bail!("{} packets are on the way for ever", totals(rigs).in_flight())
}

fn totals(rigs: &[Rig]) -> Totals {
    Totals::of(rigs.iter().map(|rig| rig.lane.worker.counters.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(samples: &[(u64, u64)]) -> Window {
        let sample = |(packets, nanoseconds): &(u64, u64)| Sample {
            packets: *packets,
            nanoseconds: *nanoseconds,
            events: None,
        };
        let samples = samples.iter().map(sample).collect();
        Window { samples, allocations: 0, account: Account::default() }
    }

    #[test]
    fn two_equal_workers_take_half_the_time_together() {
        let window = window(&[(1_000, 50_000), (1_000, 50_000)]);
        assert!((window.both().per_packet() - 50.0).abs() < 1e-9);
        assert!((window.together().per_packet() - 25.0).abs() < 1e-9);
    }

    #[test]
    fn a_slow_worker_adds_what_it_does_and_no_more() {
        let window = window(&[(1_000, 50_000), (500, 50_000)]);
        assert!((window.together().per_packet() - 1000.0 / 30.0).abs() < 0.1);
    }
}
