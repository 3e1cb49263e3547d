//! How much memory does a live flow take?
//!
//! All of a worker's memory is taken at its start, so what the process holds more after it and
//! after its flows were opened, divided by the flows, is all-in: table, wheel, ports. The table is
//! as small as it may be: three quarters of it, its bound, are filled. Few flows find no room in
//! so full a table, as their neighbourhood is full; they are counted.

use std::fs;

use anyhow::Context;
use weir_core::telemetry::DropReason;

use super::flows::{REQUEST, step};
use super::outbound::Outbound;
use super::{Bench, short};
use crate::kind::{ACK, Kind, SYN};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic;
use crate::world::WEB;

/// Flows to one destination: somewhat less than there are ports.
const PER_DESTINATION: usize = 60_000;

/// Bytes per connection to a frontend.
///
/// # Errors
/// As [`super::flows::dnat`].
pub fn inbound(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let open = |rig: &mut Rig| {
        // Above its pressure mark the table takes only clients that have proved to be there.
        for flags in [SYN, ACK] {
            let steps = (0..flows).map(|flow| step(REQUEST, flow)).collect();
            let source = traffic::source(&[Kind::request(Some(flags), WEB.0)], steps)?;
            rig.run_through(source, flows as u64)?;
        }
        Ok(rig.lane.worker.flows().len())
    };
    measure(bench, format!("memory-in-{}", short(flows)), flows, slots_of(flows), open)
}

/// Bytes per connection of a member to the outside.
///
/// # Errors
/// As [`super::flows::dnat`].
pub fn outbound(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let outbound = Outbound { flows, per_destination: PER_DESTINATION };
    let open = |rig: &mut Rig| {
        outbound.open(rig)?.all_sent_or(&[DropReason::FlowTableFull])?;
        Ok(rig.lane.worker.flows().len() / 2)
    };
    measure(bench, format!("memory-out-{}", short(flows)), flows, slots_of(2 * flows), open)
}

/// The smallest table of which so many records are the bound.
const fn slots_of(records: usize) -> usize {
    records.div_ceil(6) * 8
}

fn measure(
    bench: &mut Bench<'_>,
    name: String,
    flows: usize,
    slots: usize,
    open: impl Fn(&mut Rig) -> anyhow::Result<usize>,
) -> anyhow::Result<Row> {
    let before = held_bytes()?;
    let mut rig = Rig::new(bench.eal, bench.pool, "memory", slots)?;
    let started = held_bytes()?;
    let opened = open(&mut rig)?;
    anyhow::ensure!(opened >= flows / 10 * 9, "only {opened} of {flows} flows found room");
    // The sequence that opened them is no memory of theirs.
    let nothing = traffic::source(&[Kind::request(None, WEB.0)], vec![step(REQUEST, 0)])?;
    rig.receive(nothing, 0)?;
    let taken = held_bytes()?.saturating_sub(before);
    let at_start = started.saturating_sub(before);
    let each = |bytes: u64| bytes as f64 / opened as f64;
    let mut row = Row { scenario: name, flows, workers: 1, ..Row::default() };
    row.note(format!(
        "{:.1} B a flow all-in, {:.1} B of them at start; table of {:.0} MiB; {} found no room",
        each(taken),
        each(at_start),
        slots as f64 * 64.0 / f64::from(1 << 20),
        flows - opened,
    ));
    Ok(row)
}

/// Bytes of this process in memory: ordinary pages and huge ones (proc(5), status).
fn held_bytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    Ok(kibibytes(&status, "VmRSS:").context("a line VmRSS")? * 1024
        + kibibytes(&status, "HugetlbPages:").unwrap_or(0) * 1024)
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_huge_pages_are_found() {
        let status = "Name:\tbench\nVmRSS:\t    1234 kB\nHugetlbPages:\t  2048 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1234));
        assert_eq!(kibibytes(status, "HugetlbPages:"), Some(2048));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }
}
