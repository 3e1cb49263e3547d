//! How fast do flows begin and end?

use std::ops::Range;
use std::time::Instant;

use dpdk::Source;
use weir_core::telemetry::Counter;

use super::churn::Churn;
use super::flows::{
    REQUEST, inbound_kinds, infix, members_of, reply_of, say_frames, slots_for, step,
};
use super::{Bench, Contest};
use crate::kind::{ACK, FIN, Family, Kind, PUSH, SYN};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, Load};
use crate::world::WEB;

/// A handshake that nobody answers is forgotten after so long.
pub(super) const UNANSWERED_MILLISECONDS: u64 = 32_000;
/// What has been closed from both sides is forgotten after so long.
const CLOSED_MILLISECONDS: u64 = 10_000;
/// The clock's steps: nothing is later than this, and a little for the way there.
pub(super) const LATE_MILLISECONDS: u64 = 1_000;

/// Opening segments of `flows` new flows, and then the end of all of them by silence. Two rows:
/// nanoseconds per new flow, and per flow that expires.
///
/// # Errors
/// DPDK's, or when packets were lost or flows left.
pub fn syn_and_expiry(bench: &mut Bench<'_>, load: Load) -> anyhow::Result<[Row; 2]> {
    let Load { family, flows, .. } = load;
    let mut rig = Rig::of(family, bench.eal, bench.pool, "syn", slots_for(flows))?;
    let (mut opened, mut expired) = (Contest::default(), Contest::default());
    let mut timers_ms = 0.0f64;
    for round in 0..=bench.effort.rounds {
        let source = opening(family, 0..flows)?;
        let opening = bench.meter.measure(|| {
            rig.run_through(source, flows as u64)?;
            Ok(flows as u64)
        })?;
        anyhow::ensure!(rig.lane.worker.flows().len() == flows, "not every SYN made a record");
        let forgotten = UNANSWERED_MILLISECONDS + LATE_MILLISECONDS;
        rig.lane.clock = rig.lane.clock.ahead(forgotten);
        let began = Instant::now();
        let ending = bench.meter.measure(|| forget_all(&mut rig, flows as u64))?;
        timers_ms = timers_ms.max(began.elapsed().as_secs_f64() * 1000.0);
        if round > 0 {
            opened.ours.push(opening);
            expired.ours.push(ending);
        }
    }
    let name = |what: &str| format!("{what}{}", infix(family));
    let mut rows = [opened.row(name("syn"), flows), expired.row(name("expiry"), flows)];
    for row in &mut rows {
        // Not watched: sources are made in between.
        row.allocations = None;
        say_frames(row, Kind::request(Some(SYN), WEB.0).over(family));
    }
    rows[0].note("per new flow, no expiry");
    rows[1].note(format!("per flow, nothing else; all at once took at most {timers_ms:.0} ms"));
    Ok(rows)
}

/// Opening segments without end, while as many flows expire: `live` of them are there at a time.
/// Nanoseconds per flow that begins and that ends.
///
/// # Errors
/// As [`syn_and_expiry`].
pub fn syn_while_expiring(bench: &mut Bench<'_>, live: usize) -> anyhow::Result<Row> {
    let rig = Rig::new(bench.eal, bench.pool, "churn", slots_for(live + live / 4))?;
    let family = rig.family;
    while_expiring(bench, rig, "expiry-syn", live, |clients| opening(family, clients))
}

/// First packets of flows without end, which `source` makes of the flows' numbers: each flow is
/// never heard of again, and expires after the silence that an unanswered handshake may last.
///
/// # Errors
/// As [`syn_and_expiry`].
pub(super) fn while_expiring(
    bench: &mut Bench<'_>,
    rig: Rig,
    name: &str,
    live: usize,
    source: impl Fn(Range<usize>) -> anyhow::Result<Source>,
) -> anyhow::Result<Row> {
    let chunk = live / 2;
    let rate = live as u64 * 1000 / UNANSWERED_MILLISECONDS;
    let mut churn = Churn::new(rig, UNANSWERED_MILLISECONDS, rate);
    let mut contest = Contest::default();
    // Three chunks until flows expire, and one more to be sure.
    for round in 0..4 + bench.effort.rounds {
        // Five chunks of flows, so that none comes again before it has expired.
        let first = round % 5 * chunk;
        let source = source(first..first + chunk)?;
        let stretch = churn.run(bench, source, chunk as u64, |packets| packets)?;
        anyhow::ensure!(stretch.account.get("flows_created") == chunk as u64, "a flow left none");
        anyhow::ensure!(stretch.account.get("flows_ended") == 0, "a flow came again too early");
        if round >= 4 {
            contest.ours.push(stretch.sample);
            contest.allocations += stretch.allocations;
        }
    }
    let mut row = contest.row(name.to_owned(), churn.rig.lane.worker.flows().len());
    row.note("per flow that begins and that expires");
    row.note(in_time(&churn));
    Ok(row)
}

/// How many lives there are, at which rate their closed records linger.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Lives in one measured window: a multiple of [`Lives::OVERLAP`].
    pub window: usize,
    /// Lives in a second, as far as the clock is concerned.
    pub per_second: u64,
}

impl Lives {
    /// Lives that are under way at the same time: those of a tenth of a second at the target.
    pub const OVERLAP: usize = 1 << 15;
    /// Packets of a life.
    const PACKETS: usize = LIFE.len();

    /// How many different clients it takes, so that none comes again before its record expired.
    fn clients(&self) -> usize {
        let lingering = self.per_second * (CLOSED_MILLISECONDS + LATE_MILLISECONDS) / 1000;
        let lingering = usize::try_from(lingering).unwrap_or(usize::MAX);
        (lingering / self.window + 2) * self.window
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Client,
    Member,
}

/// A whole life: both handshakes, and a segment of data with its acknowledgement between.
const LIFE: [(From, u8); 8] = [
    (From::Client, SYN),
    (From::Member, SYN | ACK),
    (From::Client, ACK),
    (From::Client, PUSH | ACK),
    (From::Member, ACK),
    (From::Client, FIN | ACK),
    (From::Member, FIN | ACK),
    (From::Client, ACK),
];

/// Whole TCP lives, from SYN to the last acknowledgement, while as many closed ones expire.
///
/// # Errors
/// As [`syn_and_expiry`], and when a life left no record or came upon an old one.
pub fn lives(bench: &mut Bench<'_>, family: Family, lives: Lives) -> anyhow::Result<Row> {
    let clients = lives.clients();
    let mut rig = Rig::of(family, bench.eal, bench.pool, "lives", slots_for(clients))?;
    // Which member serves whom: replies must come from it.
    rig.run_through(opening(family, 0..clients)?, clients as u64)?;
    let every: Vec<usize> = (0..clients).collect();
    let members = members_of(rig.family, &rig.lane.worker, rig.lane.reader.enter(), &every)?;
    rig.lane.clock = rig.lane.clock.ahead(UNANSWERED_MILLISECONDS + LATE_MILLISECONDS);
    forget_all(&mut rig, clients as u64)?;
    let mut churn = Churn::new(rig, CLOSED_MILLISECONDS, lives.per_second);
    let windows = clients / lives.window;
    let packets = (lives.window * Lives::PACKETS) as u64;
    let mut contest = Contest::default();
    for round in 0..windows + bench.effort.rounds {
        let first = round % windows * lives.window;
        let source = whole_lives(family, first..first + lives.window, &members)?;
        let stretch = churn.run(bench, source, packets, lives_ended)?;
        let made = stretch.account.get("flows_created");
        anyhow::ensure!(made == lives.window as u64, "{made} records of {} lives", lives.window);
        anyhow::ensure!(stretch.account.get("flows_ended") == 0, "a client came too early");
        if round >= windows {
            contest.ours.push(stretch.sample);
            contest.allocations += stretch.allocations;
        }
    }
    let name = format!("lives{}", infix(family));
    let mut row = contest.row(name, churn.rig.lane.worker.flows().len());
    say_frames(&mut row, Kind::request(Some(ACK), WEB.0).over(family));
    if let Some(spread) = row.nanoseconds {
        let life = spread.median * Lives::PACKETS as f64;
        row.note(format!("{life:.0} ns a life of 8 packets, {:.0} k lives/s", 1e6 / life));
    }
    row.note(format!("closed flows linger 10 s, at {} k lives/s", lives.per_second / 1000));
    row.note(in_time(&churn));
    Ok(row)
}

/// How many lives have had their last packet after so many: those under way at a time send the
/// same packet of a life one after the other.
fn lives_ended(packets: u64) -> u64 {
    let overlap = Lives::OVERLAP as u64;
    let block = overlap * Lives::PACKETS as u64;
    let last_packets = (packets % block).saturating_sub(block - overlap);
    packets / block * overlap + last_packets
}

/// The lives of these clients.
fn whole_lives(family: Family, clients: Range<usize>, members: &[u8]) -> anyhow::Result<Source> {
    let kinds_of_stage = inbound_kinds(family, None, WEB).len();
    let kinds = LIFE.iter().flat_map(|(_, flags)| inbound_kinds(family, Some(*flags), WEB));
    let mut steps = Vec::with_capacity(clients.len() * Lives::PACKETS);
    for first in clients.step_by(Lives::OVERLAP) {
        for (stage, (from, _)) in LIFE.iter().enumerate() {
            let first_kind = u16::try_from(stage * kinds_of_stage)?;
            steps.extend((first..first + Lives::OVERLAP).map(|client| {
                let kind = match from {
                    From::Client => REQUEST,
                    From::Member => reply_of(members[client]),
                };
                step(first_kind + kind, client)
            }));
        }
    }
    traffic::source(&kinds.collect::<Vec<_>>(), steps)
}

fn opening(family: Family, clients: Range<usize>) -> anyhow::Result<Source> {
    let steps = clients.map(|client| step(REQUEST, client)).collect();
    traffic::source(&[Kind::request(Some(SYN), WEB.0).over(family)], steps)
}

/// Turns without packets until no flow is left.
pub(super) fn forget_all(rig: &mut Rig, flows: u64) -> anyhow::Result<u64> {
    rig.hold();
    for _ in 0..flows {
        rig.turn();
        if rig.lane.worker.flows().is_empty() {
            rig.resume();
            return Ok(flows);
        }
    }
    anyhow::bail!("{} flows are left", rig.lane.worker.flows().len())
}

/// What is to be said of the ends of flows.
fn in_time(churn: &Churn) -> String {
    let expired = churn.rig.count(Counter::FlowsExpired);
    let punctuality = churn.punctuality();
    let (earliest, latest) = (punctuality.earliest, punctuality.latest);
    format!("{expired} expired, {earliest:+} to {latest:+} ms beyond their silence")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_ended_with_its_last_packet() {
        let overlap = Lives::OVERLAP as u64;
        assert_eq!(lives_ended(0), 0);
        assert_eq!(lives_ended(7 * overlap), 0);
        assert_eq!(lives_ended(7 * overlap + 1), 1);
        assert_eq!(lives_ended(8 * overlap), overlap);
        assert_eq!(lives_ended(15 * overlap + 5), overlap + 5);
    }

    #[test]
    fn no_client_comes_again_before_its_record_expired() {
        let lives = Lives { window: 1 << 19, per_second: 500_000 };
        let clients = lives.clients();
        assert_eq!(clients % lives.window, 0);
        let seconds = (clients - lives.window) as f64 / 500_000.0;
        assert!(seconds > 11.0, "{seconds}");
    }
}
