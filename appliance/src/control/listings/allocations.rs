//! Which outbound ports may which member use, and how many of them does it?
//!
//! The snapshot deals the ports, and their owners count those in use.

use weir_core::api::{PortsUsed, SnatAllocation};
use weir_core::config::{Configuration, OutboundMethod, outbound_methods};
use weir_core::policy::{PortBlock, Snapshot};
use weir_core::units::{MemberId, Transport, WorkerId};

use crate::control::WorkerView;

/// All allocations, or those of one method or one member, in the order of the configuration.
pub(super) fn allocations(
    configuration: &Configuration,
    snapshot: &Snapshot,
    workers: &[WorkerView],
    (rule, member): (Option<&str>, Option<MemberId>),
) -> Vec<SnatAllocation> {
    let methods = outbound_methods(configuration);
    let mut all = Vec::new();
    for (position, method) in (0u32..).zip(&methods) {
        if rule.is_some_and(|wanted| wanted != method.id) {
            continue;
        }
        let pool = &configuration.load_balancers[method.load_balancer].pools[method.pool];
        for address in pool.members.iter().map(|member| member.address) {
            let known = snapshot.hosts.get(address.into()).as_member();
            let Some(id) = known.filter(|id| member.is_none_or(|it| it == *id)) else { continue };
            let asked = Asked { snapshot, workers, method, position, member: id };
            asked.add_to(&mut all);
        }
    }
    all
}

/// One member's ports by one method.
struct Asked<'a> {
    snapshot: &'a Snapshot,
    workers: &'a [WorkerView],
    method: &'a OutboundMethod,
    position: u32,
    member: MemberId,
}

impl Asked<'_> {
    fn add_to(&self, all: &mut Vec<SnatAllocation>) {
        let tcp = self.blocks(Transport::Tcp);
        let udp = self.blocks(Transport::Udp);
        let icmp = self.blocks(Transport::Icmp);
        if tcp == udp {
            all.extend(tcp.iter().map(|it| self.allocation("All", it)));
        } else {
            all.extend(tcp.iter().map(|it| self.allocation("Tcp", it)));
            all.extend(udp.iter().map(|it| self.allocation("Udp", it)));
        }
        all.extend(icmp.iter().map(|it| self.allocation("Icmp", it)));
    }

    fn blocks(&self, protocol: Transport) -> Vec<(WorkerId, PortBlock)> {
        let position = self.snapshot.member(self.member).and_then(|it| it.mapping(protocol));
        let mapping = position.and_then(|it| self.snapshot.mappings.get(it as usize));
        let its = mapping.filter(|it| it.method == self.position);
        let shares = its.into_iter().flat_map(|it| &it.shares);
        shares.flat_map(|it| it.blocks.iter().map(|block| (it.worker, *block))).collect()
    }

    fn allocation(
        &self,
        protocol: &str,
        (worker, block): &(WorkerId, PortBlock),
    ) -> SnatAllocation {
        let used = |is: Transport| {
            let counts = protocol == is.to_string() || protocol == "All";
            let of = |worker: &WorkerView| {
                worker.port_use.of_block(block.address, is, block.first_port, block.ports)
            };
            if counts { self.workers.iter().map(of).sum() } else { 0 }
        };
        let address = self.snapshot.outbound_address(block.address);
        let member = self.snapshot.member(self.member);
        SnatAllocation {
            rule: self.method.id.clone(),
            address: address.map(|it| it.address.to_string()).unwrap_or_default(),
            member: member.map(|it| it.address.to_string()).unwrap_or_default(),
            protocol: protocol.to_owned(),
            worker: worker.0,
            first_port: block.first_port,
            ports: block.ports,
            ports_used: PortsUsed { tcp: used(Transport::Tcp), udp: used(Transport::Udp) },
        }
    }
}
