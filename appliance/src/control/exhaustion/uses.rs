//! How do the outbound ports of all members stand?
//!
//! The snapshot deals the ports, and their owners count those in use and the flows that find none.

use std::rc::Rc;

use weir_core::config::{Configuration, OutboundMethod, outbound_methods};
use weir_core::policy::{PortBlock, Share, Snapshot};
use weir_core::telemetry::OutboundTotals;
use weir_core::units::{Address, MemberId, Transport, WorkerId};

use super::{MemberPorts, Source};
use crate::control::{Running, WorkerView};

impl Running {
    /// The ports of every member that has some.
    pub(in crate::control) fn member_ports(&self) -> Vec<MemberPorts> {
        member_ports(&self.checked.configuration, self.lane.published(), &self.workers)
    }
}

/// The ports of every member that has some, for each protocol, in the order of the configuration,
/// which `snapshot` was compiled from.
pub(in crate::control) fn member_ports(
    configuration: &Configuration,
    snapshot: &Snapshot,
    workers: &[WorkerView],
) -> Vec<MemberPorts> {
    let mut all = Vec::new();
    for (position, method) in (0u32..).zip(outbound_methods(configuration)) {
        let source = Rc::new(source(&method));
        let by = By { position, source: &source, snapshot, workers };
        let pool = &configuration.load_balancers[method.load_balancer].pools[method.pool];
        for member in &pool.members {
            let of = |protocol: &Transport| by.ports_of(member.address.into(), *protocol);
            all.extend(method.protocols.iter().filter_map(of));
        }
    }
    all
}

/// What one method gives.
struct By<'a> {
    position: u32,
    source: &'a Rc<Source>,
    snapshot: &'a Snapshot,
    workers: &'a [WorkerView],
}

impl By<'_> {
    /// The ports that it gives to a member, if it does.
    fn ports_of(&self, member: Address, protocol: Transport) -> Option<MemberPorts> {
        let id = self.snapshot.hosts.get(member).as_member()?;
        let shares = self.shares(id, protocol)?;
        let mut totals = OutboundTotals::default();
        let counters = self.workers.iter().map(|worker| &worker.outbound);
        counters.for_each(|it| it.add_to(id, protocol, &mut totals));
        let in_use = |share: &Share| -> u32 {
            let of = |block| used(self.workers, share.worker, protocol, block);
            share.blocks.iter().map(of).sum()
        };
        let dealt = |share: &Share| -> u32 {
            share.blocks.iter().map(|block| u32::from(block.ports)).sum()
        };
        Some(MemberPorts {
            id,
            member,
            protocol,
            source: Rc::clone(self.source),
            // Most members are idle, and their blocks need not be looked at.
            used: if totals.flows == 0 { 0 } else { shares.iter().map(in_use).sum() },
            allocated: shares.iter().map(dealt).sum(),
            refused: totals.refused,
        })
    }

    fn shares(&self, member: MemberId, protocol: Transport) -> Option<&[Share]> {
        let mapping = self.snapshot.mapping(member, protocol)?;
        (mapping.method == self.position).then_some(&mapping.shares)
    }
}

/// Ports in use of a block that a worker holds; what others may hold in it is none.
pub(in crate::control) fn used(
    workers: &[WorkerView],
    worker: WorkerId,
    protocol: Transport,
    block: &PortBlock,
) -> u32 {
    let of = |it: &WorkerView| {
        it.port_use.of_block(block.address, protocol, block.first_port, block.ports)
    };
    workers.get(worker.index()).map_or(0, of)
}

fn source(method: &OutboundMethod) -> Source {
    Source {
        rule: method.id.clone(),
        addresses: method.addresses.clone(),
        is_outbound_rule: method.is_outbound_rule,
        grows: method.extensions.enable_on_demand_ports,
    }
}
