//! What can somebody with ill intent do to the connections of others?
//!
//! Established connections in both directions, beside which a share of all packets is the attack:
//! a quarter, or one in sixteen (rows that end in `-16th`). It is compared with `quiet`, the same
//! worker receiving as many packets, where those of that share belong to ordinary connections too.
//! So the difference is what the attack gains by its kind and not by its number: what it takes by
//! being a share of all packets is in both. Throughput of established connections falls by as much
//! as a packet, the attack's included, takes longer.
//!
//! Two shares of one attack say how its cost grows with it. It grows less than in proportion:
//! already with one in sixteen every burst of 32 has attacking packets in it, takes the long way
//! for them and is not sent as it came. The elephant is no share of the packets but their order,
//! and has one row.

#![allow(clippy::cast_possible_truncation, reason = "numbers of templates and clients are small")]

use std::iter;

use dpdk::SourceStep;
use weir_core::flow::key;
use weir_core::telemetry::DropReason;
use weir_core::units::{Address, RuleId};

use super::flows::{all, both_ways, inbound_kinds, open_inbound, slots_for, step, web_rule};
use super::{Bench, Contest};
use crate::kind::{ACK, Family, Kind, SYN, Side};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, Order, Random, client, draw};
use crate::world::{self, WEB};

/// Established connections.
const FLOWS: usize = 65_536;
/// The first client of an attack: nobody that has a connection.
const ATTACKERS: usize = 1 << 22;
/// Where a scan comes from.
const SCANNER: (u32, u16) = (0x2d00_0001, 4_444);
/// Packets of an attack that are told apart.
const ATTACK: usize = 1 << 20;

/// How much of all packets is the attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// One in four.
    Quarter,
    /// One in sixteen.
    Sixteenth,
}

/// What the attacked worker receives.
struct Sequence {
    kinds: Vec<Kind>,
    steps: Vec<SourceStep>,
    /// How attacking packets may end besides being transmitted.
    dropped: &'static [DropReason],
    note: &'static str,
}

/// What an attacker knows: the worker's table, and what is received without an attack.
struct Scene<'a> {
    rig: &'a mut Rig,
    members: &'a [u8],
    quiet: &'a [SourceStep],
    share: Share,
}

/// One client asks for every port of a frontend from one port of its own.
///
/// # Errors
/// DPDK's, or when a packet of a connection was lost.
pub fn scan(bench: &mut Bench<'_>, share: Share) -> anyhow::Result<Row> {
    measure(bench, "flood-scan", share, |scene| {
        let kind = Kind {
            family: Family::V4,
            flags: Some(SYN),
            from: SCANNER,
            to: (0, 0),
            address: Side::Destination,
            port: Side::Destination,
        };
        let closed = (1..=u16::MAX).filter(|port| *port != WEB.0);
        let attack = closed.map(|port| SourceStep::new(scene.template(), world::FRONTEND, port));
        let note = "one client scans all ports of the frontend: dropped";
        Ok(Sequence { dropped: &[DropReason::NoRule], ..scene.beside(kind, attack, note) })
    })
}

/// Clients that differ in their addresses alone open connections from one port.
///
/// # Errors
/// As [`scan`].
pub fn one_port(bench: &mut Bench<'_>, share: Share) -> anyhow::Result<Row> {
    measure(bench, "flood-one-port", share, |scene| {
        let address = |number: usize| SCANNER.0 + number as u32;
        let attack =
            (0..ATTACK).map(|number| SourceStep::new(scene.template(), address(number), SCANNER.1));
        let kind = Kind::request(Some(SYN), WEB.0);
        Ok(scene.beside(kind, attack, "SYNs of one source port and neighbouring addresses"))
    })
}

/// Clients whose keys have one home in the flow table.
///
/// # Errors
/// As [`scan`].
pub fn one_home(bench: &mut Bench<'_>, share: Share) -> anyhow::Result<Row> {
    let note = "SYNs of 256 keys with one home, crafted with knowledge of the seed";
    measure(bench, "flood-one-home", share, |scene| scene.crafted(256, 1, note))
}

/// Clients whose keys have their homes side by side in the flow table, so that a whole stretch of
/// it fills.
///
/// # Errors
/// As [`scan`].
pub fn one_stretch(bench: &mut Bench<'_>, share: Share) -> anyhow::Result<Row> {
    let note = "SYNs of 4,096 keys with 512 homes in a row, crafted with knowledge of the seed";
    measure(bench, "flood-crafted", share, |scene| scene.crafted(4_096, 512, note))
}

/// Every attacking packet opens another connection.
///
/// # Errors
/// As [`scan`].
pub fn syn(bench: &mut Bench<'_>, share: Share) -> anyhow::Result<Row> {
    measure(bench, "flood-syn", share, |scene| {
        let attack = (0..ATTACK).map(|number| step(scene.template(), ATTACKERS + number));
        let kind = Kind::request(Some(SYN), WEB.0);
        Ok(scene.beside(kind, attack, "SYNs of a million clients, one each"))
    })
}

/// The table is full to its bound, and every attacking packet asks for a record.
///
/// # Errors
/// As [`scan`], and when the table does not fill.
pub fn bound(bench: &mut Bench<'_>, share: Share) -> anyhow::Result<Row> {
    measure(bench, "flood-bound", share, |scene| {
        fill(scene.rig)?;
        let attack = (0..ATTACK).map(|number| step(scene.template(), ATTACKERS + number));
        let kind = Kind::request(Some(ACK), WEB.0);
        Ok(scene.beside(kind, attack, "table at its bound; ACKs of clients without a record"))
    })
}

/// Nine of ten packets belong to one connection.
///
/// # Errors
/// As [`scan`].
pub fn elephant(bench: &mut Bench<'_>) -> anyhow::Result<Row> {
    measure(bench, "flood-elephant", Share::Quarter, |scene| {
        let mut random = Random::new(10);
        let order = draw(FLOWS, Order::Uniform);
        let order: Vec<_> =
            order.iter().map(|it| if random.below(10) < 9 { 0 } else { *it }).collect();
        let steps = both_ways(&all(FLOWS), scene.members, &order);
        let kinds = inbound_kinds(Family::V4, Some(ACK), WEB);
        Ok(Sequence { kinds, steps, dropped: &[], note: "90 % of packets in one connection" })
    })
}

fn measure(
    bench: &mut Bench<'_>,
    name: &str,
    share: Share,
    attack: impl FnOnce(&mut Scene<'_>) -> anyhow::Result<Sequence>,
) -> anyhow::Result<Row> {
    let slots = slots_for(FLOWS);
    let mut quiet = Rig::new(bench.eal, bench.pool, "quiet", slots)?;
    let members = open_inbound(&mut quiet, &all(FLOWS))?;
    let quiet_steps = both_ways(&all(FLOWS), &members, &draw(FLOWS, Order::Uniform));
    let mut rig = Rig::new(bench.eal, bench.pool, "flood", slots)?;
    open_inbound(&mut rig, &all(FLOWS))?;
    let mut scene = Scene { rig: &mut rig, members: &members, quiet: &quiet_steps, share };
    let sequence = attack(&mut scene)?;
    rig.receive(traffic::source(&sequence.kinds, sequence.steps)?, u64::MAX)?;
    quiet.receive(
        traffic::source(&inbound_kinds(Family::V4, Some(ACK), WEB), quiet_steps)?,
        u64::MAX,
    )?;
    let mut contest = Contest::default();
    for round in 0..=bench.effort.rounds {
        let (undisturbed, _) = bench.run_worker(&mut quiet)?;
        let (attacked, allocations, account) = bench.run_window(&mut rig)?;
        account.all_sent_or(sequence.dropped)?;
        account.none_fell_back()?;
        if round > 0 {
            contest.ours.push(attacked);
            contest.allocations += allocations;
            contest.rivals.entry("quiet").or_default().push(undisturbed);
        }
    }
    let mut row = contest.row(format!("{name}{}", share.suffix()), FLOWS);
    if let (Some(ours), Some(quiet)) = (row.nanoseconds, row.rivals.get("quiet")) {
        row.note(format!("established {:+.1} %", rise_percent(*quiet, ours.median)));
    }
    row.note(sequence.note);
    Ok(row)
}

/// By how much throughput rises when a packet takes `after` instead of `before`.
fn rise_percent(before: f64, after: f64) -> f64 {
    (before / after - 1.0) * 100.0
}

impl Scene<'_> {
    /// The template of attacking packets: the one after those of connections.
    fn template(&self) -> u16 {
        inbound_kinds(Family::V4, Some(ACK), WEB).len() as u16
    }

    /// The quiet sequence with a share of the packets replaced by the next of an attack.
    fn beside(
        &self,
        kind: Kind,
        attack: impl Iterator<Item = SourceStep>,
        note: &'static str,
    ) -> Sequence {
        let attack: Vec<SourceStep> = attack.collect();
        let mut attack = attack.iter().cycle();
        let next = |(number, step): (usize, &SourceStep)| {
            if self.share.holds(number) { attack.next().copied().unwrap_or(*step) } else { *step }
        };
        let steps = self.quiet.iter().enumerate().map(next).collect();
        let kinds =
            inbound_kinds(Family::V4, Some(ACK), WEB).into_iter().chain(iter::once(kind)).collect();
        Sequence { kinds, steps, dropped: &[], note }
    }

    /// Opening segments of `count` keys whose homes are among `width` slots in a row, found by
    /// trying.
    fn crafted(
        &mut self,
        count: usize,
        width: u32,
        note: &'static str,
    ) -> anyhow::Result<Sequence> {
        let rule = web_rule(self.rig.family, self.rig.snapshot())?;
        let table = self.rig.lane.worker.flows();
        let is_home = |client: &usize| (0..width).contains(&home(table, *client, rule));
        let attack: Vec<usize> = (ATTACKERS..1 << 28).filter(is_home).take(count).collect();
        anyhow::ensure!(attack.len() == count, "only {} such keys were found", attack.len());
        let attack = attack.into_iter().map(|client| step(self.template(), client));
        Ok(self.beside(Kind::request(Some(SYN), WEB.0), attack, note))
    }
}

impl Share {
    /// Whether the packet of this number is the attack's, which takes the place of requests as
    /// often as of replies.
    const fn holds(self, number: usize) -> bool {
        match self {
            Self::Quarter => matches!(number % 8, 3 | 6),
            Self::Sixteenth => matches!(number % 32, 3 | 18),
        }
    }

    /// What it adds to the name of a row.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Quarter => "",
            Self::Sixteenth => "-16th",
        }
    }
}

fn home(table: &weir_core::flow::FlowTable, flow: usize, rule: RuleId) -> u32 {
    let (address, port) = client(flow);
    table.home(&key::inbound(Address::from_v4_bits(address), port, rule))
}

/// Fills the table: opening segments up to its pressure mark, and beyond it what a client sends
/// that has proved to be there.
fn fill(rig: &mut Rig) -> anyhow::Result<()> {
    let bound = rig.lane.worker.flows().bound();
    for (flags, first) in [(SYN, 2 * ATTACKERS), (ACK, 3 * ATTACKERS)] {
        let steps = (0..bound).map(|number| step(0, first + number)).collect();
        let source = traffic::source(&[Kind::request(Some(flags), WEB.0)], steps)?;
        rig.run_through(source, bound as u64)?;
    }
    let flows = rig.lane.worker.flows().len();
    anyhow::ensure!(flows >= bound / 50 * 49, "{flows} records do not fill a table of {bound}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attack_takes_its_share_of_requests_and_of_replies() {
        for (share, expected) in [(Share::Quarter, 400), (Share::Sixteenth, 100)] {
            let attacks: Vec<usize> = (0..1_600).filter(|number| share.holds(*number)).collect();
            let requests = attacks.iter().filter(|number| **number % 2 == 0).count();
            assert_eq!((attacks.len(), requests), (expected, expected / 2), "{share:?}");
        }
    }

    #[test]
    fn packets_that_take_a_quarter_longer_lower_the_rate_by_a_fifth() {
        assert!((rise_percent(40.0, 50.0) + 20.0).abs() < 1e-9);
    }
}
