//! How fast do flows begin and end?

use std::time::Instant;

use dpdk::SourceStep;

use super::flows::slots_for;
use super::{Bench, Contest};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, Kind, SYN, client};
use crate::world::WEB;

/// A handshake that nobody answers is forgotten after 32 s, and at most one tick later.
const FORGOTTEN_MILLISECONDS: u64 = 34_000;

/// Opening segments of `flows` new flows, and then the end of all of them by silence. Two rows:
/// nanoseconds per new flow, and per flow that expires.
///
/// # Errors
/// DPDK's, or when packets were lost or flows left.
pub fn syn_and_expiry(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<[Row; 2]> {
    let slots = slots_for(flows);
    let mut rig = Rig::new(bench.eal, bench.pool, "syn", slots)?;
    let (mut opened, mut expired) = (Contest::default(), Contest::default());
    let mut timers_ms = 0.0f64;
    for round in 0..=bench.effort.rounds {
        let step = |flow| {
            let (address, port) = client(flow);
            SourceStep::new(0, address, port)
        };
        let steps = (0..flows).map(step).collect();
        let source = traffic::source(&[Kind::request(Some(SYN), WEB.0)], steps)?;
        let opening = bench.meter.measure(|| {
            rig.run_through(source, flows as u64)?;
            Ok(flows as u64)
        })?;
        anyhow::ensure!(rig.lane.worker.flows().len() == flows, "not every SYN made a record");
        rig.lane.clock = rig.lane.clock.ahead(FORGOTTEN_MILLISECONDS);
        let began = Instant::now();
        let ending = bench.meter.measure(|| forget_all(&mut rig, flows as u64))?;
        timers_ms = timers_ms.max(began.elapsed().as_secs_f64() * 1000.0);
        if round > 0 {
            opened.ours.push(opening);
            expired.ours.push(ending);
        }
    }
    let mut rows = [opened.row("syn".to_owned(), flows), expired.row("expiry".to_owned(), flows)];
    rows[0].allocations = None;
    rows[1].allocations = None;
    rows[0].note = "per new flow".to_owned();
    rows[1].note = format!("per flow; all at once took at most {timers_ms:.0} ms");
    Ok(rows)
}

/// Turns without packets until no flow is left.
fn forget_all(rig: &mut Rig, flows: u64) -> anyhow::Result<u64> {
    let queues = std::mem::take(&mut rig.lane.queues);
    for _ in 0..flows {
        rig.turn();
        if rig.lane.worker.flows().is_empty() {
            rig.lane.queues = queues;
            return Ok(flows);
        }
    }
    anyhow::bail!("{} flows are left", rig.lane.worker.flows().len())
}
