//! What do publications and changes of members cost a worker?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use golden::simulation::World;
use weir_core::units::{Address, MacAddress, PortId};

use super::flows::{REQUEST, all, both_ways, inbound_kinds, members_of, open_inbound};
use super::flows::{slots_for, step};
use super::{Bench, Contest};
use crate::gate::pin;
use crate::kind::{ACK, Family, Kind, SYN};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, Order, draw};
use crate::world::{self, WEB};

/// A thousand publications a second.
const NEIGHBOURS_EVERY: Duration = Duration::from_millis(1);
/// Fifty times a second, a pool's selection table is built anew.
const MEMBERS_EVERY: Duration = Duration::from_millis(20);
/// One packet of so many opens a connection while members change.
const OPENING_EVERY: usize = 16;

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
pub fn publish(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let mut rig = Rig::new(bench.eal, bench.pool, "publish", slots_for(flows))?;
    let members = open_inbound(&mut rig, &all(flows))?;
    let steps = both_ways(&all(flows), &members, &draw(flows, Order::Uniform));
    rig.receive(traffic::source(&inbound_kinds(Family::V4, Some(ACK), WEB), steps)?, u64::MAX)?;
    let change = |world: &mut World, number: u64| {
        let mac = MacAddress([2, 0, 0, 1, 1, number.to_le_bytes()[0]]);
        let member = Address::from_v4_bits(world::member(0));
        world.set_neighbour(PortId(0), member, Some(mac));
    };
    let contest = duel(bench, &mut rig, NEIGHBOURS_EVERY, change)?;
    Ok(contest.row("publish".to_owned(), flows))
}

/// Requests and replies of `flows` connections, and new ones, while a member is added and removed
/// again and again; `quiet` is the same without.
///
/// # Errors
/// As [`publish`], and when a connection lost its member.
pub fn members(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let every = all(flows);
    let others = flows;
    let mut rig = Rig::new(bench.eal, bench.pool, "members", slots_for(flows + others))?;
    let before = open_inbound(&mut rig, &every)?;
    let mut kinds = inbound_kinds(Family::V4, Some(ACK), WEB);
    let opening = u16::try_from(kinds.len())?;
    kinds.push(Kind::request(Some(SYN), WEB.0));
    let mut steps = both_ways(&every, &before, &draw(flows, Order::Uniform));
    for (number, place) in steps.iter_mut().step_by(OPENING_EVERY).enumerate() {
        *place = step(opening, flows + number % others);
    }
    debug_assert_ne!(opening, REQUEST);
    rig.receive(traffic::source(&kinds, steps)?, u64::MAX)?;
    let configurations = world::without_and_with_another_member()?;
    let change = move |world: &mut World, number: u64| {
        world.configure(configurations[usize::from(number.is_multiple_of(2))].clone());
    };
    let totals = rig.totals();
    let contest = duel(bench, &mut rig, MEMBERS_EVERY, change)?;
    let account = crate::accounts::Account::between(&totals, &rig.totals());
    account.none_fell_back()?;
    let after = members_of(rig.family, &rig.lane.worker, rig.lane.reader.enter(), &every)?;
    anyhow::ensure!(before == after, "connections changed their member");
    let mut row = contest.row("members".to_owned(), flows);
    let (made, ended) = (account.get("flows_created"), account.get("flows_ended"));
    row.note(format!("one member comes and goes; {made} flows began, {ended} ended with it"));
    Ok(row)
}

/// Windows without and with publication, in turn.
fn duel(
    bench: &mut Bench<'_>,
    rig: &mut Rig,
    every: Duration,
    change: impl FnMut(&mut World, u64) + Send + 'static,
) -> anyhow::Result<PublishContest> {
    let publishing = Arc::new(Publishing::default());
    let thread = spawn(rig, &publishing, bench.processors.other, every, change)?;
    let mut contest = Contest::default();
    let mut rates = Vec::new();
    for round in 0..=bench.effort.rounds {
        // First with changes, so that new connections meet them.
        publishing.active.store(true, Ordering::Relaxed);
        let (before, began) = (publishing.published.load(Ordering::Relaxed), Instant::now());
        let (busy, allocations) = bench.run_worker(rig)?;
        let published = publishing.published.load(Ordering::Relaxed) - before;
        let rate = published as f64 / began.elapsed().as_secs_f64();
        publishing.active.store(false, Ordering::Relaxed);
        let (quiet, _) = bench.run_worker(rig)?;
        if round > 0 {
            contest.ours.push(busy);
            contest.allocations += allocations;
            contest.rivals.entry("quiet").or_default().push(quiet);
            rates.push(rate);
        }
    }
    publishing.ends.store(true, Ordering::Relaxed);
    thread.join().map_err(|_| anyhow::anyhow!("the publishing thread panicked"))?;
    let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    anyhow::ensure!(rate > 0.0, "nothing was published");
    Ok(PublishContest { contest, rate })
}

/// A contest, and how many publications there were in a second.
struct PublishContest {
    contest: Contest,
    rate: f64,
}

impl PublishContest {
    fn row(&self, name: String, flows: usize) -> Row {
        let mut row = self.contest.row(name, flows);
        row.note(format!("{:.0} publications/s", self.rate));
        if let (Some(ours), Some(quiet)) = (row.nanoseconds, row.rivals.get("quiet")) {
            row.note(format!("{:+.1} % of quiet", (ours.median / quiet - 1.0) * 100.0));
        }
        row
    }
}

fn spawn(
    rig: &mut Rig,
    publishing: &Arc<Publishing>,
    processor: usize,
    every: Duration,
    mut change: impl FnMut(&mut World, u64) + Send + 'static,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let mut publisher = rig.publisher.take().context("nobody else publishes")?;
    let mut world = world::world(1)?;
    // The same snapshot as the worker's, so that ids agree.
    drop(world.compile(0));
    let publishing = Arc::clone(publishing);
    let publish_until_told = move || {
        pin(processor);
        let mut next = Instant::now();
        for number in 0.. {
            // What is resting must be as before for the quiet half: a whole number of changes.
            while u64::is_multiple_of(number, 2) && !publishing.active.load(Ordering::Relaxed) {
                if publishing.ends.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(every);
                next = Instant::now();
            }
            change(&mut world, number);
            if publisher.publish(Box::new(world.compile(0))).is_ok() {
                publishing.published.fetch_add(1, Ordering::Relaxed);
            }
            next += every;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    };
    Ok(thread::spawn(publish_until_told))
}
