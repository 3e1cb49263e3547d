//! What do publications cost a worker?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use weir_core::units::{Address, MacAddress, PortId};

use super::flows::{both_ways, inbound_kinds, open_inbound, slots_for};
use super::{Bench, Contest};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, ACK, Order, draw};
use crate::world::{self, WEB};

const INTERVAL: Duration = Duration::from_millis(1);

/// What the publishing thread is told, and tells.
#[derive(Debug, Default)]
struct Publishing {
    active: AtomicBool,
    ends: AtomicBool,
    published: AtomicU64,
}

/// Requests and replies of `flows` connections while 1,000 snapshots a second are compiled and
/// published, each with a member's new Ethernet address; `quiet` is the same without.
///
/// # Errors
/// DPDK's, or when packets were lost.
pub fn publish(bench: &mut Bench<'_>, flows: usize, processor: usize) -> anyhow::Result<Row> {
    let mut rig = Rig::new(bench.eal, bench.pool, "publish", slots_for(flows))?;
    let members = open_inbound(&mut rig, flows)?;
    let steps = both_ways(&members, &draw(flows, Order::Uniform));
    rig.receive(traffic::source(&inbound_kinds(Some(ACK), WEB), steps)?, u64::MAX)?;
    let publishing = Arc::new(Publishing::default());
    let thread = spawn(&mut rig, &publishing, processor)?;
    let mut contest = Contest::default();
    let mut rates = Vec::new();
    for round in 0..=bench.effort.rounds {
        let (quiet, _) = bench.run_worker(&mut rig)?;
        publishing.active.store(true, Ordering::Relaxed);
        let (before, began) = (publishing.published.load(Ordering::Relaxed), Instant::now());
        let (busy, allocations) = bench.run_worker(&mut rig)?;
        let published = publishing.published.load(Ordering::Relaxed) - before;
        let rate = published as f64 / began.elapsed().as_secs_f64();
        publishing.active.store(false, Ordering::Relaxed);
        if round > 0 {
            contest.ours.push(busy);
            contest.allocations += allocations;
            contest.rivals.entry("quiet").or_default().push(quiet);
            rates.push(rate);
        }
    }
    publishing.ends.store(true, Ordering::Relaxed);
    thread.join().map_err(|_| anyhow::anyhow!("the publishing thread panicked"))?;
    let mut row = contest.row("publish".to_owned(), flows);
    let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    row.note = format!("{rate:.0} publications/s");
    Ok(row)
}

fn spawn(
    rig: &mut Rig,
    publishing: &Arc<Publishing>,
    processor: usize,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let mut publisher = rig.publisher.take().context("nobody else publishes")?;
    let mut world = world::world()?;
    // The same snapshot as the worker's, so that ids agree.
    drop(world.compile(0));
    let publishing = Arc::clone(publishing);
    let publish_until_told = move || {
        pin(processor);
        let mut next = Instant::now();
        for number in (0u8..=255).cycle() {
            if publishing.ends.load(Ordering::Relaxed) {
                return;
            }
            if !publishing.active.load(Ordering::Relaxed) {
                thread::sleep(INTERVAL);
                next = Instant::now();
                continue;
            }
            let mac = MacAddress([2, 0, 0, 1, 1, number]);
            let member = Address::from_v4_bits(world::member(0));
            world.set_neighbour(PortId(0), member, Some(mac));
            if publisher.publish(Box::new(world.compile(0))).is_ok() {
                publishing.published.fetch_add(1, Ordering::Relaxed);
            }
            next += INTERVAL;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    };
    Ok(thread::spawn(publish_until_told))
}

/// Keeps this thread off the worker's processor. Without the right to, it shares it.
fn pin(processor: usize) {
    let mut set = nix::sched::CpuSet::new();
    if set.set(processor).is_ok() {
        let _pinned = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
    }
}
