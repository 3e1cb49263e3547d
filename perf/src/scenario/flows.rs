//! How fast are packets of flows that live?

#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers of members and of templates are small"
)]

use anyhow::Context;
use dpdk::SourceStep;
use weir_core::flow::key;
use weir_core::path::Worker;
use weir_core::policy::Snapshot;
use weir_core::units::{Address, OutboundAddressId, RuleId, Transport};

use super::Bench;
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, ACK, Kind, Order, SYN, Side, client, draw};
use crate::world::{self, DNS, MEMBERS, WEB};

/// Requests and replies of TCP connections to a frontend, in turn.
///
/// # Errors
/// DPDK's, or when packets were lost.
pub fn dnat(bench: &mut Bench<'_>, flows: usize, order: Order) -> anyhow::Result<Row> {
    let slots = slots_for(flows);
    let before = resident_bytes()?;
    let mut rig = Rig::new(bench.eal, bench.pool, "dnat", slots)?;
    let memory = resident_bytes()?.saturating_sub(before);
    let members = open_inbound(&mut rig, flows)?;
    let kinds = inbound_kinds(Some(ACK), WEB);
    rig.receive(traffic::source(&kinds, both_ways(&members, &draw(flows, order)))?, u64::MAX)?;
    let contest = bench.contest(&mut rig, slots, flows, order)?;
    let zipf = if order == Order::Zipf { "-zipf" } else { "" };
    let mut row = contest.row(format!("dnat{zipf}-{}", short(flows)), flows);
    row.random_lines = Some(lines(&mut rig, flows)?);
    row.note = format!("{:.1} B a flow", memory as f64 / flows as f64);
    Ok(row)
}

/// Datagrams to and from a frontend, which leave no record.
///
/// # Errors
/// As [`dnat`].
pub fn dnat_udp(bench: &mut Bench<'_>, flows: usize) -> anyhow::Result<Row> {
    let slots = slots_for(flows);
    let mut rig = Rig::new(bench.eal, bench.pool, "udp", slots)?;
    let members: Vec<u8> = (0..flows).map(|flow| (flow % MEMBERS as usize) as u8).collect();
    let kinds = inbound_kinds(None, DNS);
    let steps = both_ways(&members, &draw(flows, Order::Uniform));
    rig.receive(traffic::source(&kinds, steps)?, u64::MAX)?;
    let contest = bench.contest(&mut rig, 1, flows, Order::Uniform)?;
    let mut row = contest.row(format!("dnat-udp-{}", short(flows)), flows);
    row.note = "untracked: the floor has one record".to_owned();
    Ok(row)
}

/// Connections of members to the outside, both ways in turn: to one destination, or each to one
/// of its own.
///
/// # Errors
/// As [`dnat`].
pub fn snat(bench: &mut Bench<'_>, flows: usize, one_destination: bool) -> anyhow::Result<Row> {
    let slots = slots_for(2 * flows);
    let mut rig = Rig::new(bench.eal, bench.pool, "snat", slots)?;
    let far = |flow: usize| {
        let (address, _) = client(flow * 4);
        (if one_destination { 0x1400_0001 } else { address }, 443)
    };
    let near = |flow: usize| 30_000 + (flow / MEMBERS as usize) as u16;
    let member = |flow: usize| flow as u32 % MEMBERS;
    let kinds = outbound_kinds();
    // Members first, each to open and to send; then the outside.
    let opening = |flow| SourceStep::new(member(flow) as u16, far(flow).0, near(flow));
    let steps: Vec<_> = (0..flows).map(opening).collect();
    rig.run_through(traffic::source(&kinds, steps)?, flows as u64)?;
    let ports: Vec<u16> = (0..flows)
        .map(|flow| taken_port(&mut rig, member(flow), near(flow), far(flow)))
        .collect::<anyhow::Result<_>>()?;
    let steps = draw(flows, Order::Uniform).into_iter().enumerate().map(|(number, flow)| {
        if number % 2 == 0 {
            SourceStep::new((MEMBERS + member(flow)) as u16, far(flow).0, near(flow))
        } else {
            SourceStep::new(2 * MEMBERS as u16, far(flow).0, ports[flow])
        }
    });
    rig.receive(traffic::source(&kinds, steps.collect())?, u64::MAX)?;
    let contest = bench.contest(&mut rig, slots, flows, Order::Uniform)?;
    let destinations = if one_destination { "one" } else { "each" };
    let mut row = contest.row(format!("snat-{destinations}-{}", short(flows)), flows);
    row.note = "two records a flow".to_owned();
    Ok(row)
}

/// Opens flows 0 to `flows` by whole handshakes through the loop; returns each one's member.
pub(super) fn open_inbound(rig: &mut Rig, flows: usize) -> anyhow::Result<Vec<u8>> {
    let every: Vec<usize> = (0..flows).collect();
    let request = |flow: &usize| {
        let (address, port) = client(*flow);
        SourceStep::new(0, address, port)
    };
    let requests = |flags| {
        let steps = every.iter().map(request).collect();
        traffic::source(&[Kind::request(Some(flags), WEB.0)], steps)
    };
    rig.run_through(requests(SYN)?, flows as u64)?;
    let members = members_of(&rig.lane.worker, rig.lane.reader.enter(), flows)?;
    let kinds = inbound_kinds(Some(SYN | ACK), WEB);
    let reply = |flow: &usize| {
        let (address, port) = client(*flow);
        SourceStep::new(1 + u16::from(members[*flow]), address, port)
    };
    let replies = every.iter().map(reply).collect();
    rig.run_through(traffic::source(&kinds, replies)?, flows as u64)?;
    rig.run_through(requests(ACK)?, flows as u64)?;
    Ok(members)
}

/// Requests, and the replies of each member.
pub(super) fn inbound_kinds(flags: Option<u8>, ports: (u16, u16)) -> Vec<Kind> {
    let replies = (0..MEMBERS).map(|member| Kind::reply(flags, member, ports.1));
    [Kind::request(flags, ports.0)].into_iter().chain(replies).collect()
}

/// Requests and replies in turn.
pub(super) fn both_ways(members: &[u8], order: &[usize]) -> Vec<SourceStep> {
    let step = |(number, flow): (usize, &usize)| {
        let (address, port) = client(*flow);
        let kind = if number % 2 == 0 { 0 } else { 1 + u16::from(members[*flow]) };
        SourceStep::new(kind, address, port)
    };
    order.iter().enumerate().map(step).collect()
}

/// What members send to open, what they send then, and what the outside answers.
fn outbound_kinds() -> Vec<Kind> {
    let from_member = |flags, member| Kind {
        flags: Some(flags),
        from: (world::member(member), 0),
        to: (0, 443),
        address: Side::Destination,
        port: Side::Source,
    };
    let back = Kind {
        flags: Some(ACK),
        from: (0, 443),
        to: (world::OUTBOUND, 0),
        address: Side::Source,
        port: Side::Destination,
    };
    let opening = (0..MEMBERS).map(|member| from_member(SYN, member));
    let warm = (0..MEMBERS).map(|member| from_member(ACK, member));
    opening.chain(warm).chain([back]).collect()
}

/// The member that serves each of the open flows 0 to `flows`.
///
/// # Errors
/// When one is not open.
pub fn members_of(worker: &Worker, snapshot: &Snapshot, flows: usize) -> anyhow::Result<Vec<u8>> {
    let rule = web_rule(snapshot)?;
    let table = worker.flows();
    let member = |flow| {
        let (address, port) = client(flow);
        let key = key::inbound(Address::from_v4_bits(address), port, rule);
        let slot = table.find(&key, table.home(&key)).context("the flow was opened")?;
        let member = snapshot.members.get(table.at(slot).target as usize).context("a member")?;
        Ok(u8::try_from(member.address.v4_bits() - world::member(0))?)
    };
    (0..flows).map(member).collect()
}

fn web_rule(snapshot: &Snapshot) -> anyhow::Result<RuleId> {
    let frontend = Address::from_v4_bits(world::FRONTEND);
    snapshot.endpoints.frontend(frontend, WEB.0, 6).context("the rule exists")
}

fn taken_port(rig: &mut Rig, member: u32, near: u16, far: (u32, u16)) -> anyhow::Result<u16> {
    let host = rig.snapshot().hosts.get(Address::from_v4_bits(world::member(member)));
    let member = host.as_member().context("a member")?;
    let remote = Address::from_v4_bits(far.0);
    let key = key::outbound(Transport::Tcp, member, near, remote, far.1);
    let table = rig.lane.worker.flows();
    let slot = table.find(&key, table.home(&key)).context("the flow was opened")?;
    debug_assert_eq!(table.at(slot).target, OutboundAddressId(0).0);
    Ok(table.at(slot).target_port)
}

/// Lines of the table that looking a flow up reads: its home, and its own if it stands elsewhere.
/// Lines of neighbours in between are not counted.
fn lines(rig: &mut Rig, flows: usize) -> anyhow::Result<f64> {
    let rule = web_rule(rig.snapshot())?;
    let table = rig.lane.worker.flows();
    let elsewhere = (0..flows).filter(|flow| {
        let (address, port) = client(*flow);
        let key = key::inbound(Address::from_v4_bits(address), port, rule);
        let home = table.home(&key);
        table.find(&key, home) != Some(home)
    });
    Ok(1.0 + elsewhere.count() as f64 / flows as f64)
}

/// The smallest table that holds so many records below its pressure mark, five eighths.
pub(super) const fn slots_for(records: usize) -> usize {
    (records / 5 * 8 + 8).next_power_of_two()
}

/// A number as a person writes it.
fn short(flows: usize) -> String {
    match flows {
        1_000_000.. => format!("{}m", flows / 1_000_000),
        1_000.. => format!("{}k", flows / 1_000),
        _ => flows.to_string(),
    }
}

/// Bytes of this process in memory (proc(5), statm).
fn resident_bytes() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).context("a second field in statm")?.parse()?;
    Ok(pages * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_flows_fit_one_gibibyte() {
        assert_eq!(slots_for(10_000_000) * 64, 1 << 30);
    }
}
