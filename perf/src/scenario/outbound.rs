//! How fast are packets of members' own connections to the outside?

#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers of members and of templates are small"
)]

use std::ops::Range;

use anyhow::Context;
use dpdk::{Source, SourceStep};
use weir_core::flow::{FlowTable, key};
use weir_core::units::{Address, MemberId, OutboundAddressId, Transport};

use super::flows::slots_for;
use super::{Bench, short};
use crate::accounts::Account;
use crate::kind::{ACK, End, Family, Kind, SYN, Side};
use crate::lane::Rig;
use crate::report::Row;
use crate::traffic::{self, Load, Order, client, draw};
use crate::world::{self, MEMBERS};

/// Flows of members to the outside: where each begins and where it leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound {
    /// How many there are.
    pub(super) flows: usize,
    /// Flows that lead to the same destination, one after the other; at most the ports of all
    /// members together.
    pub(super) per_destination: usize,
}

/// Connections of members to the outside, both ways in turn: to one destination, or each to one
/// of its own.
///
/// # Errors
/// As [`super::flows::dnat`].
pub fn snat(bench: &mut Bench<'_>, flows: usize, one_destination: bool) -> anyhow::Result<Row> {
    let slots = slots_for(2 * flows);
    let mut rig = Rig::new(bench.eal, bench.pool, "snat", slots)?;
    let outbound = Outbound { flows, per_destination: if one_destination { flows } else { 1 } };
    outbound.open(&mut rig)?.all_sent()?;
    let slots_taken = outbound.slots(&mut rig)?;
    let table = rig.lane.worker.flows();
    let ports: Vec<u16> = slots_taken.iter().map(|slot| table.at(*slot).target_port).collect();
    let random_lines = lines(table, &slots_taken);
    let steps = draw(flows, Order::Uniform).into_iter().enumerate().map(|(number, flow)| {
        if number % 2 == 0 { outbound.request(flow) } else { outbound.answer(flow, ports[flow]) }
    });
    rig.receive(traffic::source(&kinds(Transport::Tcp), steps.collect())?, u64::MAX)?;
    let contest = bench.contest(&mut rig, slots, Load::of(flows))?;
    let destinations = if one_destination { "one" } else { "each" };
    let mut row = contest.row(format!("snat-{destinations}-{}", short(flows)), flows);
    row.random_lines = Some(random_lines);
    row.note("two records a flow");
    Ok(row)
}

impl Outbound {
    /// Opens all flows through the loop; returns what became of the packets.
    pub(super) fn open(&self, rig: &mut Rig) -> anyhow::Result<Account> {
        rig.run_account(self.openings(Transport::Tcp, 0..self.flows)?, self.flows as u64)
    }

    /// The first packets of these flows.
    pub(super) fn openings(
        &self,
        protocol: Transport,
        flows: Range<usize>,
    ) -> anyhow::Result<Source> {
        let step = |flow| {
            let (each, nth) = (flow / self.per_destination, flow % self.per_destination);
            opening(member_of(flow), each, nth / MEMBERS as usize)
        };
        openings(protocol, flows.map(step).collect())
    }

    /// The slot of each flow's first record.
    fn slots(&self, rig: &mut Rig) -> anyhow::Result<Vec<u32>> {
        let member = |member| {
            let host = rig.snapshot().hosts.get(Address::from_v4_bits(world::member(member)));
            host.as_member().context("a member")
        };
        let members: Vec<MemberId> = (0..MEMBERS).map(member).collect::<anyhow::Result<_>>()?;
        let table = rig.lane.worker.flows();
        let slot = |flow| {
            let (address, port) = self.far(flow);
            let (member, remote) =
                (members[member_of(flow) as usize], Address::from_v4_bits(address));
            let key = key::outbound(Transport::Tcp, member, self.near(flow), remote, port);
            let slot = table.find(&key, table.home(&key)).context("the flow was opened")?;
            debug_assert_eq!(table.at(slot).target, OutboundAddressId(0).0);
            Ok(slot)
        };
        (0..self.flows).map(slot).collect()
    }

    const fn far(&self, flow: usize) -> End {
        far(flow / self.per_destination)
    }

    const fn near(&self, flow: usize) -> u16 {
        near(flow % self.per_destination / MEMBERS as usize)
    }

    fn request(&self, flow: usize) -> SourceStep {
        SourceStep::new((MEMBERS + member_of(flow)) as u16, self.far(flow).0, self.near(flow))
    }

    fn answer(&self, flow: usize, port: u16) -> SourceStep {
        SourceStep::new(2 * MEMBERS as u16, self.far(flow).0, port)
    }
}

/// The first packets of flows, in this order.
pub(super) fn openings(protocol: Transport, steps: Vec<SourceStep>) -> anyhow::Result<Source> {
    traffic::source(&kinds(protocol), steps)
}

/// The first packet of a member's flow from its port `near` to destination `remote`, both counted
/// from 0.
pub(super) fn opening(member: u32, remote: usize, near_port: usize) -> SourceStep {
    SourceStep::new(member as u16, far(remote).0, near(near_port))
}

/// The member whose turn it is.
pub(super) const fn member_of(flow: usize) -> u32 {
    flow as u32 % MEMBERS
}

const fn far(destination: usize) -> End {
    // Every fourth client has an address of its own.
    (client(destination * 4).0, 443)
}

const fn near(number: usize) -> u16 {
    30_000 + number as u16
}

/// What members send to open, what they send then, and what the outside answers.
fn kinds(protocol: Transport) -> Vec<Kind> {
    let of_protocol = |flags| (protocol == Transport::Tcp).then_some(flags);
    let from_member = |flags, member| Kind {
        family: Family::V4,
        flags: of_protocol(flags),
        from: (world::member(member), 0),
        to: (0, 443),
        address: Side::Destination,
        port: Side::Source,
    };
    let back = Kind {
        family: Family::V4,
        flags: of_protocol(ACK),
        from: (0, 443),
        to: (world::OUTBOUND, 0),
        address: Side::Source,
        port: Side::Destination,
    };
    let opening = (0..MEMBERS).map(|member| from_member(SYN, member));
    let warm = (0..MEMBERS).map(|member| from_member(ACK, member));
    opening.chain(warm).chain([back]).collect()
}

/// Lines of the table that looking a packet's record up reads, as for inbound flows; a request and
/// a reply have each their own record.
fn lines(table: &FlowTable, slots: &[u32]) -> f64 {
    let stands_elsewhere = |slot: &u32| table.home(&table.at(*slot).key) != *slot;
    let partners = slots.iter().filter_map(|slot| table.partner(*slot));
    let records = slots.iter().copied().chain(partners);
    1.0 + records.filter(stands_elsewhere).count() as f64 / (2 * slots.len()) as f64
}
