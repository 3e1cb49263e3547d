//! How fast do members' flows to the outside begin, each of which takes a port?
//!
//! ```text
//!   a block towards one destination │ first ├──────────────── … ──┤ last │ refused
//!                                     measured: tenth, or port      measured
//! ```
//!
//! Not here: packets of such flows that live (`outbound`).

use std::ops::Range;

use dpdk::SourceStep;
use weir_core::telemetry::DropReason;
use weir_core::units::Transport;

use super::flows::slots_for;
use super::life::{self, LATE_MILLISECONDS, UNANSWERED_MILLISECONDS, forget_all};
use super::outbound::{Outbound, member_of, opening, openings};
use super::{Bench, Contest};
use crate::accounts::Account;
use crate::lane::Rig;
use crate::meter::Sample;
use crate::report::Row;
use crate::world::{MEMBERS, world_with_ports};

/// Flows that live at the same time while flows begin and expire.
const LIVE: usize = 600_000;

/// All ports of all members taken, from the first to the last, towards so many destinations.
pub struct Filling {
    name: &'static str,
    /// Ports of each member's block.
    ports: usize,
    /// Flows until every port is taken towards every destination.
    flows: usize,
    /// As many of them, first and last, are measured.
    part: usize,
    /// How often all is filled within one round, so that a round measures long enough.
    times: usize,
    opening: fn(usize) -> SourceStep,
}

/// Towards one destination, all members in turn: the first tenth and the last tenth of each block.
pub const ONE: Filling = Filling {
    name: "one",
    ports: 4_000,
    flows: 64_000,
    part: 6_400,
    times: 8,
    opening: |flow| opening(member_of(flow), 0, flow / MEMBERS as usize),
};

/// Towards 60,000 destinations, each called by one of the members: the first and the last port of
/// each block.
pub const MANY: Filling = Filling {
    name: "60k",
    ports: 16,
    flows: 16 * DESTINATIONS,
    part: DESTINATIONS,
    times: 1,
    opening: |flow| {
        let destination = flow % DESTINATIONS;
        opening(member_of(destination), destination, flow / DESTINATIONS)
    },
};

const DESTINATIONS: usize = 60_000;

/// Nanoseconds for each of the first new flows, and for each of the last: two rows.
///
/// # Errors
/// DPDK's, or when a flow found no port that it should have found, or one beyond the last.
pub fn first_and_last(bench: &mut Bench<'_>, filling: &Filling) -> anyhow::Result<[Row; 2]> {
    let world = world_with_ports(u32::try_from(filling.ports)?)?;
    let slots = slots_for(2 * filling.flows);
    let mut rig = Rig::within(world, bench.eal, bench.pool, "ports", slots)?;
    let (mut first, mut last) = (Contest::default(), Contest::default());
    for round in 0..=bench.effort.rounds {
        let mut samples = [Sample::default(); 2];
        for time in 0..filling.times {
            let measured = filling.fill(bench, &mut rig)?;
            for (sample, part) in samples.iter_mut().zip(measured) {
                if time == 0 { *sample = part } else { *sample += part }
            }
            rig.lane.clock = rig.lane.clock.ahead(UNANSWERED_MILLISECONDS + LATE_MILLISECONDS);
            forget_all(&mut rig, filling.flows as u64)?;
        }
        if round > 0 {
            first.ours.push(samples[0]);
            last.ours.push(samples[1]);
        }
    }
    let row = |what, contest: Contest| {
        let mut row = contest.row(format!("snat-{what}-{}", filling.name), filling.flows);
        // Not watched: sources are made in between.
        row.allocations = None;
        row
    };
    let mut rows = [row("first", first), row("last", last)];
    rows[0].note(format!("per new flow; {MEMBERS} members with {} ports each", filling.ports));
    if let [Some(first), Some(last)] = [rows[0].nanoseconds, rows[1].nanoseconds] {
        rows[1].note(format!("per new flow; ×{:.2} of the first", last.median / first.median));
    }
    Ok(rows)
}

impl Filling {
    /// Takes every port; what the first and the last of them cost.
    fn fill(&self, bench: &mut Bench<'_>, rig: &mut Rig) -> anyhow::Result<[Sample; 2]> {
        let last = self.flows - self.part;
        let first = self.open(bench, rig, 0..self.part)?;
        self.open(bench, rig, self.part..last)?;
        let last = self.open(bench, rig, last..self.flows)?;
        anyhow::ensure!(rig.lane.worker.flows().len() == 2 * self.flows, "two records a flow");
        let beyond = openings(Transport::Tcp, vec![(self.opening)(self.flows)])?;
        let refused = rig.run_account(beyond, 1)?.dropped(DropReason::SnatPortsExhausted);
        anyhow::ensure!(refused == 1, "there was a port beyond the last");
        Ok([first, last])
    }

    fn open(
        &self,
        bench: &mut Bench<'_>,
        rig: &mut Rig,
        flows: Range<usize>,
    ) -> anyhow::Result<Sample> {
        let packets = flows.len() as u64;
        let source = openings(Transport::Tcp, flows.map(self.opening).collect())?;
        let before = rig.totals();
        rig.receive(source, packets)?;
        let sample = bench.meter.measure(|| {
            while rig.packets() < packets {
                rig.turn();
            }
            Ok(packets)
        })?;
        Account::between(&before, &rig.totals()).all_sent()?;
        Ok(sample)
    }
}

/// First packets of members' flows without end, so many of them to the same destination one after
/// the other, while as many flows expire. Nanoseconds per flow that begins and that ends.
///
/// # Errors
/// As [`life::syn_and_expiry`].
pub fn begin_and_expire(
    bench: &mut Bench<'_>,
    name: &str,
    protocol: Transport,
    per_destination: usize,
) -> anyhow::Result<Row> {
    let slots = slots_for(2 * (LIVE + LIVE / 4));
    let rig = Rig::new(bench.eal, bench.pool, "ports", slots)?;
    let outbound = Outbound { flows: 0, per_destination };
    let source = |flows| outbound.openings(protocol, flows);
    let mut row = life::while_expiring(bench, rig, name, LIVE, source)?;
    row.flows /= 2;
    row.note(match per_destination {
        1 => "each to a destination of its own".to_owned(),
        _ => format!("{per_destination} to each destination"),
    });
    row.note(format!("{MEMBERS} members, silent for {} s", UNANSWERED_MILLISECONDS / 1000));
    Ok(row)
}
