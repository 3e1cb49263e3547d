//! Which outbound ports may which member use, and how many of them does it?
//!
//! A member's ports are shown address by address, with what belongs to none of them (flows that
//! were refused, history) beside the first one.

use std::collections::BTreeMap;

use weir_core::api::{SnatAllocation, SnatBlock};
use weir_core::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use weir_core::policy::{PortBlock, Share, Snapshot};
use weir_core::units::{MemberId, OutboundAddressId, Transport, WorkerId};

use crate::control::WorkerView;
use crate::control::exhaustion::{MemberPorts, used};

/// What rows are made from.
#[derive(Clone, Copy)]
pub(super) struct Dealt<'a> {
    /// Who may use which ports.
    pub(super) snapshot: &'a Snapshot,
    /// Who counts them.
    pub(super) workers: &'a [WorkerView],
    /// Who holds how many.
    pub(super) held: &'a Held,
}

/// Ports that each member holds of each address, those that are to be taken from it too.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<(MemberId, Transport, OutboundAddressId), u32>);

impl Held {
    /// Counted in a snapshot.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut held = BTreeMap::new();
        for (id, address) in (0u32..).map(OutboundAddressId).zip(&*snapshot.outbound_addresses) {
            for protocol in Transport::ALL {
                let ports = (SNAT_FIRST_PORT..).step_by(SNAT_GRANULE.into()).take(SNAT_GRANULES);
                for holder in ports.filter_map(|port| address.holder(protocol, port)) {
                    *held.entry((holder.member, protocol, id)).or_insert(0) +=
                        u32::from(SNAT_GRANULE);
                }
            }
        }
        Self(held)
    }

    /// A member's addresses, with how many ports it holds there.
    fn by(
        &self,
        member: MemberId,
        protocol: Transport,
    ) -> impl Iterator<Item = (OutboundAddressId, u32)> {
        let ends = [OutboundAddressId(0), OutboundAddressId(u32::MAX)];
        let [first, last] = ends.map(|address| (member, protocol, address));
        self.0.range(first..=last).map(|((.., address), ports)| (*address, *ports))
    }
}

impl Dealt<'_> {
    /// The ports of one member and protocol: a row for each address, in the order in which they
    /// are used, and after them those of which the member only has ports that await removal.
    pub(super) fn rows(&self, one: &MemberPorts, flows_refused: u64) -> Vec<SnatAllocation> {
        let blocks = self.blocks(one);
        let mut addresses: Vec<OutboundAddressId> = Vec::new();
        let used_up = self.held.by(one.id, one.protocol).map(|(address, _)| address);
        for address in blocks.iter().map(|(_, block)| block.address).chain(used_up) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut rows: Vec<_> = addresses.iter().map(|it| self.row(one, *it, &blocks)).collect();
        if let Some(first) = rows.first_mut() {
            first.flows_refused = flows_refused;
        }
        rows
    }

    fn row(
        &self,
        one: &MemberPorts,
        address: OutboundAddressId,
        blocks: &[(WorkerId, PortBlock)],
    ) -> SnatAllocation {
        let here = || blocks.iter().filter(|(_, block)| block.address == address);
        let allocated = here().map(|(_, block)| u32::from(block.ports)).sum();
        let held = self.held.by(one.id, one.protocol).find(|(it, _)| *it == address);
        let outside = self.snapshot.outbound_address(address);
        SnatAllocation {
            rule: one.source.rule.clone(),
            member: one.member.to_string(),
            address: outside.map(|it| it.address.to_string()).unwrap_or_default(),
            protocol: one.protocol.to_string(),
            blocks: here().map(shown).collect(),
            ports_allocated: allocated,
            ports_used: here()
                .map(|(worker, block)| used(self.workers, *worker, one.protocol, block))
                .sum(),
            ports_awaiting_removal: held.map_or(0, |(_, held)| held.saturating_sub(allocated)),
            ..SnatAllocation::default()
        }
    }

    /// The blocks of a member, in the order in which each worker uses them.
    fn blocks(&self, one: &MemberPorts) -> Vec<(WorkerId, PortBlock)> {
        let mapping = self.snapshot.mapping(one.id, one.protocol);
        let of = |share: &'_ Share| -> Vec<_> {
            share.blocks.iter().map(|block| (share.worker, *block)).collect()
        };
        mapping.into_iter().flat_map(|mapping| mapping.shares.iter().flat_map(of)).collect()
    }
}

fn shown((worker, block): &(WorkerId, PortBlock)) -> SnatBlock {
    let last_port = block.range().end - 1;
    SnatBlock { first_port: block.first_port, last_port, worker: worker.0 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use golden::document::Document;
    use golden::simulation::{Options, Simulation};
    use weir_core::units::{PortId, WorkerId};

    use super::*;
    use crate::control::exhaustion::member_ports;

    const BACK: PortId = PortId(1);

    fn views(simulation: &Simulation) -> Vec<WorkerView> {
        let view = |(id, worker): (u8, &weir_core::path::Worker)| WorkerView {
            id: WorkerId(id),
            flows_max: 0,
            flow_pages: "",
            counters: Arc::clone(&worker.counters),
            rules: Arc::clone(&worker.rules),
            members: Arc::clone(&worker.members),
            outbound: Arc::clone(&worker.outbound),
            port_use: Arc::clone(&worker.port_use),
            shared: Arc::default(),
        };
        (0u8..).zip(&simulation.workers).map(view).collect()
    }

    /// The rows of all members' ports of TCP: member, blocks, and how many are allocated, in use
    /// and await removal.
    fn rows(simulation: &Simulation) -> Vec<(String, Vec<[u16; 2]>, [u32; 3])> {
        let (snapshot, workers) = (simulation.snapshot(), views(simulation));
        let held = Held::of(snapshot);
        let dealt = Dealt { snapshot, workers: &workers, held: &held };
        let all = member_ports(simulation.world.configuration(), snapshot, &workers);
        let all = all.iter().filter(|it| it.protocol == Transport::Tcp);
        let rows = all.flat_map(|one| dealt.rows(one, 0)).map(|row| {
            let blocks = row.blocks.iter().map(|it| [it.first_port, it.last_port]).collect();
            let ports = [row.ports_allocated, row.ports_used, row.ports_awaiting_removal];
            (format!("{} at {}", row.member, row.address), blocks, ports)
        });
        rows.collect()
    }

    /// Puts the document in force, and waits until what was taken from members and has no flows is
    /// nobody's.
    fn put_in_force(simulation: &mut Simulation, document: &Document) {
        simulation.world.configure(document.check());
        simulation.publish();
        simulation.advance_to(simulation.now().milliseconds + 1_000);
        simulation.publish();
    }

    #[test]
    fn ports_that_were_taken_from_a_member_await_removal_while_they_have_flows() {
        let mut document = Document::read("base.json");
        let mut simulation = Simulation::new(&document, Options::with_workers(2));
        for from in 2000..2020 {
            let line = format!("tcp 10.0.0.12:{from} -> 192.0.2.1:443 SYN");
            simulation.receive([simulation.frame(BACK, &line)]);
        }
        let at = |member: u8| format!("10.0.0.{member} at 203.0.113.20");
        let expected = [
            (at(11), vec![[1024, 1087]], [64, 0, 0]),
            (at(12), vec![[1088, 1151]], [64, 20, 0]),
            (at(13), vec![[1152, 1215]], [64, 0, 0]),
        ];
        assert_eq!(rows(&simulation), expected);
        document.set("outboundRules/internet/allocatedOutboundPorts", "8").expect("a number");
        put_in_force(&mut simulation, &document);
        let expected = [
            (at(11), vec![[1024, 1031]], [8, 0, 0]),
            (at(12), vec![[1088, 1095]], [8, 8, 16]),
            (at(13), vec![[1152, 1159]], [8, 0, 0]),
        ];
        assert_eq!(rows(&simulation), expected);
        let shop = "[{\"id\": \"frontendIPConfigurations/shop\"}]";
        document.set("outboundRules/internet/frontendIPConfigurations", shop).expect("a frontend");
        put_in_force(&mut simulation, &document);
        let told = rows(&simulation);
        let of_member: Vec<_> = told.iter().filter(|it| it.0.starts_with("10.0.0.12 ")).collect();
        let [(new, blocks, ports), (old, none, awaiting)] = &of_member[..] else {
            panic!("two addresses, not {of_member:?}");
        };
        assert_eq!(
            (new.as_str(), blocks.len(), ports),
            ("10.0.0.12 at 203.0.113.11", 1, &[8, 0, 0])
        );
        assert_eq!((old, none.len(), awaiting), (&at(12), 0, &[0, 0, 24]));
    }
}
