//! How fast are packets of connections to a frontend that live?

#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers of members and of templates are small"
)]

use anyhow::Context;
use dpdk::{Source, SourceStep};
use weir_core::flow::key;
use weir_core::path::Worker;
use weir_core::policy::Snapshot;
use weir_core::units::RuleId;

use super::{Bench, short};
use crate::accounts::Account;
use crate::kind::{ACK, Family, Kind, LONG_FRAME, SYN};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, IMIX_MEAN, Load, Order, client, of_length};
use crate::world::{self, DNS, MEMBERS, WEB};

/// Requests and replies of TCP connections to a frontend, in turn.
///
/// # Errors
/// DPDK's, or when packets were lost.
pub fn dnat(bench: &mut Bench<'_>, load: Load) -> anyhow::Result<Row> {
    let kinds = inbound_kinds(load.family, Some(ACK), WEB);
    let zipf = if load.order == Order::Zipf { "-zipf" } else { "" };
    let name = format!("dnat{}{zipf}-{}", infix(load.family), short(load.flows));
    let source = |members: &[u8]| {
        let steps = both_ways(&all(load.flows), members, &load.draw());
        traffic::source(&kinds, steps)
    };
    let mut row = measure(bench, load, name, source)?;
    say_frames(&mut row, kinds[0]);
    Ok(row)
}

/// As [`dnat`], with frames as long as the simple IMIX has them.
///
/// # Errors
/// As [`dnat`].
pub fn dnat_imix(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let load = Load::of(flows);
    let source = |members: &[u8]| {
        let (flows, order) = (all(flows), load.draw());
        let lengths = traffic::draw_lengths(order.len());
        let packets = packets_both_ways(&flows, members, &order).zip(lengths);
        let steps = packets.map(|((kind, flow), length)| step(of_length(kind, length), flow));
        traffic::source_of_imix(&inbound_kinds(load.family, Some(ACK), WEB), steps.collect())
    };
    let name = format!("dnat-imix-{}", short(flows));
    let mut row = measure(bench, load, name, source)?;
    row.packet_bytes = IMIX_MEAN;
    row.note("frames 7 × 64, 4 × 590, 1 × 1514 B; floor and rivals have 64 B");
    Ok(row)
}

fn measure(
    bench: &mut Bench<'_>,
    load: Load,
    name: String,
    source: impl Fn(&[u8]) -> anyhow::Result<Source>,
) -> anyhow::Result<Row> {
    let slots = slots_for(load.flows);
    let mut rig = Rig::of(load.family, bench.eal, bench.pool, "dnat", slots)?;
    let members = open_inbound(&mut rig, &all(load.flows))?;
    rig.receive(source(&members)?, u64::MAX)?;
    let before = rig.totals();
    let contest = bench.contest(&mut rig, slots, load)?;
    Account::between(&before, &rig.totals()).none_fell_back()?;
    let mut row = contest.row(name, load.flows);
    row.random_lines = Some(lines(&mut rig, load.flows)?);
    Ok(row)
}

/// Datagrams to and from a frontend, which leave no record.
///
/// # Errors
/// As [`dnat`].
pub fn dnat_udp(bench: &mut Bench<'_>, load: Load) -> anyhow::Result<Row> {
    let (flows, slots) = (load.flows, slots_for(load.flows));
    let mut rig = Rig::of(load.family, bench.eal, bench.pool, "udp", slots)?;
    let members: Vec<u8> = (0..flows).map(|flow| (flow % MEMBERS as usize) as u8).collect();
    let kinds = inbound_kinds(load.family, None, DNS);
    let steps = both_ways(&all(flows), &members, &load.draw());
    rig.receive(traffic::source(&kinds, steps)?, u64::MAX)?;
    let contest = bench.contest(&mut rig, 1, load)?;
    anyhow::ensure!(rig.lane.worker.flows().is_empty(), "untracked datagrams left records");
    let mut row = contest.row(format!("dnat{}-udp-{}", infix(load.family), short(flows)), flows);
    say_frames(&mut row, kinds[0]);
    row.random_lines = Some(0.0);
    row.note("untracked: the floor has one record");
    Ok(row)
}

/// What a family adds to the name of a row.
pub(super) const fn infix(family: Family) -> &'static str {
    match family {
        Family::V4 => "",
        Family::V6 => "-v6",
    }
}

/// Says how long frames are, where that is not what the head of the table says of all.
pub(super) fn say_frames(row: &mut Row, kind: Kind) {
    row.packet_bytes = kind.shortest().into();
    match (kind.family, kind.shortest()) {
        (Family::V4, _) => {}
        (Family::V6, LONG_FRAME) => row.note(format!("frames of {LONG_FRAME} B")),
        (Family::V6, bytes) => {
            row.note(format!("frames of {bytes} B; floor and rivals have {LONG_FRAME} B"));
        }
    }
}

/// Flows 0 to `flows`.
pub(super) fn all(flows: usize) -> Vec<usize> {
    (0..flows).collect()
}

/// Opens these flows by whole handshakes through the loop; returns each one's member.
pub(super) fn open_inbound(rig: &mut Rig, flows: &[usize]) -> anyhow::Result<Vec<u8>> {
    let family = rig.family;
    let requests = |flags| {
        let steps = flows.iter().map(|flow| step(REQUEST, *flow)).collect();
        traffic::source(&[Kind::request(Some(flags), WEB.0).over(family)], steps)
    };
    let packets = flows.len() as u64;
    rig.run_through(requests(SYN)?, packets)?;
    let members = members_of(family, &rig.lane.worker, rig.lane.reader.enter(), flows)?;
    let replies = flows.iter().zip(&members).map(|(flow, member)| step(reply_of(*member), *flow));
    let kinds = inbound_kinds(family, Some(SYN | ACK), WEB);
    rig.run_through(traffic::source(&kinds, replies.collect())?, packets)?;
    rig.run_through(requests(ACK)?, packets)?;
    Ok(members)
}

/// The step of a packet of a flow's, by one of [`inbound_kinds`].
pub(super) fn step(kind: u16, flow: usize) -> SourceStep {
    let (address, port) = client(flow);
    SourceStep::new(kind, address, port)
}

/// Which of [`inbound_kinds`] a client's packets are.
pub(super) const REQUEST: u16 = 0;

/// Which of [`inbound_kinds`] a member's packets are.
pub(super) const fn reply_of(member: u8) -> u16 {
    1 + member as u16
}

/// Requests, and the replies of each member.
pub(super) fn inbound_kinds(family: Family, flags: Option<u8>, ports: (u16, u16)) -> Vec<Kind> {
    let replies = (0..MEMBERS).map(|member| Kind::reply(flags, member, ports.1));
    let kinds = [Kind::request(flags, ports.0)].into_iter().chain(replies);
    kinds.map(|kind| kind.over(family)).collect()
}

/// Requests and replies in turn; `order` names positions in `flows` and `members`.
pub(super) fn both_ways(flows: &[usize], members: &[u8], order: &[usize]) -> Vec<SourceStep> {
    packets_both_ways(flows, members, order).map(|(kind, flow)| step(kind, flow)).collect()
}

/// The same as kinds and flows.
fn packets_both_ways<'a>(
    flows: &'a [usize],
    members: &'a [u8],
    order: &'a [usize],
) -> impl Iterator<Item = (u16, usize)> + 'a {
    order.iter().enumerate().map(|(number, position)| {
        let kind = if number % 2 == 0 { REQUEST } else { reply_of(members[*position]) };
        (kind, flows[*position])
    })
}

/// The member that serves each of these flows, which are open.
///
/// # Errors
/// When one is not.
pub fn members_of(
    family: Family,
    worker: &Worker,
    snapshot: &Snapshot,
    flows: &[usize],
) -> anyhow::Result<Vec<u8>> {
    let rule = web_rule(family, snapshot)?;
    let table = worker.flows();
    let members: Vec<_> = (0..MEMBERS).map(|it| family.address(world::member(it))).collect();
    let member = |flow: &usize| {
        let (address, port) = client(*flow);
        let key = key::inbound(family.address(address), port, rule);
        let slot = table.find(&key, table.home(&key)).context("the flow was opened")?;
        let member = snapshot.members.get(table.at(slot).target as usize).context("a member")?;
        let number = members.iter().position(|it| *it == member.address);
        Ok(number.context("one of the pool")? as u8)
    };
    flows.iter().map(member).collect()
}

/// The rule of the frontend's TCP port.
pub(super) fn web_rule(family: Family, snapshot: &Snapshot) -> anyhow::Result<RuleId> {
    let frontend = family.address(world::FRONTEND);
    snapshot.endpoints.frontend(frontend, WEB.0, 6).context("the rule exists")
}

/// Lines of the table that looking a flow up reads: its home, and its own if it stands elsewhere.
/// Lines of neighbours in between are not counted.
fn lines(rig: &mut Rig, flows: usize) -> anyhow::Result<f64> {
    let family = rig.family;
    let rule = web_rule(family, rig.snapshot())?;
    let table = rig.lane.worker.flows();
    let elsewhere = (0..flows).filter(|flow| {
        let (address, port) = client(*flow);
        let key = key::inbound(family.address(address), port, rule);
        let home = table.home(&key);
        table.find(&key, home) != Some(home)
    });
    Ok(1.0 + elsewhere.count() as f64 / flows as f64)
}

/// The smallest table that holds so many records below its pressure mark, five eighths.
pub(super) const fn slots_for(records: usize) -> usize {
    (records / 5 * 8 + 8).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_flows_fit_one_gibibyte() {
        assert_eq!(slots_for(10_000_000) * 64, 1 << 30);
    }
}
