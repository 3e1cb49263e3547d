//! How much memory does a live flow take?
//!
//! All of a worker's memory is taken at its start, so what the process holds more after it and
//! after its flows were opened, divided by the flows, is all-in: table, wheel, ports. The table's
//! size is a power of two; flows fill it to just below its pressure mark or less.

use std::fs;

use anyhow::Context;

use super::Bench;
use super::flows::{all, open_inbound, slots_for};
use super::outbound::Outbound;
use super::short;
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, Kind};
use crate::world::WEB;

/// Flows to one destination: somewhat less than there are ports.
const PER_DESTINATION: usize = 60_000;

/// Bytes per connection to a frontend.
///
/// # Errors
/// As [`super::flows::dnat`].
pub fn inbound(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let open = |rig: &mut Rig| open_inbound(rig, &all(flows)).map(drop);
    measure(bench, format!("memory-in-{}", short(flows)), flows, slots_for(flows), open)
}

/// Bytes per connection of a member to the outside.
///
/// # Errors
/// As [`super::flows::dnat`].
pub fn outbound(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let outbound = Outbound { flows, per_destination: PER_DESTINATION };
    let open = |rig: &mut Rig| outbound.open(rig).map(drop);
    measure(bench, format!("memory-out-{}", short(flows)), flows, slots_for(2 * flows), open)
}

fn measure(
    bench: &mut Bench<'_>,
    name: String,
    flows: usize,
    slots: usize,
    open: impl Fn(&mut Rig) -> anyhow::Result<()>,
) -> anyhow::Result<Row> {
    let before = held_bytes()?;
    let mut rig = Rig::new(bench.eal, bench.pool, "memory", slots)?;
    let started = held_bytes()?;
    open(&mut rig)?;
    // The sequence that opened them is no memory of theirs.
    let nothing = traffic::source(&[Kind::request(None, WEB.0)], vec![super::flows::step(0, 0)])?;
    rig.receive(nothing, 0)?;
    let taken = held_bytes()?.saturating_sub(before);
    let at_start = started.saturating_sub(before);
    let each = |bytes: u64| bytes as f64 / flows as f64;
    let mut row = Row { scenario: name, flows, workers: 1, ..Row::default() };
    row.note(format!(
        "{:.1} B a flow all-in, {:.1} B of them at start; table of {:.0} MiB, {:.0} % full",
        each(taken),
        each(at_start),
        slots as f64 * 64.0 / f64::from(1 << 20),
        rig.lane.worker.flows().len() as f64 / slots as f64 * 100.0,
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
