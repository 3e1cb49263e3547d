//! Which outbound ports may which member use, and how many of them does it?
//!
//! The snapshot deals the ports, and their owners count those in use.

use weir_core::api::{PortsUsed, SnatAllocation};
use weir_core::config::{Configuration, LoadBalancer, OutboundRule};
use weir_core::policy::{OutboundMapping, Snapshot};
use weir_core::telemetry::ObjectTotals;
use weir_core::units::{Address, MemberId, Transport};

use crate::control::WorkerView;

/// An outbound rule, and what became of it.
#[derive(Clone, Copy)]
pub(super) struct Dealt<'a> {
    load_balancer: &'a LoadBalancer,
    rule: &'a OutboundRule,
    snapshot: &'a Snapshot,
    workers: &'a [WorkerView],
}

impl<'a> Dealt<'a> {
    /// All outbound rules, in the order of the configuration.
    pub(super) fn of(
        configuration: &'a Configuration,
        snapshot: &'a Snapshot,
        workers: &'a [WorkerView],
    ) -> impl Iterator<Item = Self> {
        configuration.load_balancers.iter().flat_map(move |load_balancer| {
            let rules = load_balancer.outbound_rules.iter();
            rules.map(move |rule| Self { load_balancer, rule, snapshot, workers })
        })
    }

    /// The rule's id.
    pub(super) fn id(self) -> String {
        format!("loadBalancers/{}/outboundRules/{}", self.load_balancer.name, self.rule.name)
    }

    /// The allocations of its members, or of one of them: one each, or two where the ports of the
    /// protocols differ.
    pub(super) fn allocations(
        self,
        wanted: Option<MemberId>,
    ) -> impl Iterator<Item = SnatAllocation> + use<'a> {
        let members = self.load_balancer.pools[self.rule.pool].members.iter();
        let known = members
            .filter_map(move |member| self.snapshot.hosts.get(member.address.into()).as_member());
        let wanted = known.filter(move |member| wanted.is_none_or(|wanted| wanted == *member));
        wanted.flat_map(move |member| {
            let dealt = |protocol: &Transport| Some((*protocol, self.mapping(member, *protocol)?));
            let dealt: Vec<_> = self.rule.protocol.transports().iter().filter_map(dealt).collect();
            let shown = match dealt[..] {
                [(_, tcp), (_, udp)] if tcp == udp => vec![self.allocation(member, "All", tcp)],
                _ => dealt
                    .iter()
                    .map(|(it, mapping)| self.allocation(member, &it.to_string(), mapping))
                    .collect(),
            };
            shown.into_iter()
        })
    }

    /// What this rule gives to a member for one protocol.
    fn mapping(self, member: MemberId, protocol: Transport) -> Option<&'a OutboundMapping> {
        let position = self.snapshot.member(member)?.mapping(protocol)?;
        let mapping = self.snapshot.mappings.get(position as usize)?;
        let address = self.load_balancer.frontends[self.rule.frontends[0]].address.into();
        let is_its = self.snapshot.hosts.get(address).as_outbound() == Some(mapping.address);
        is_its.then_some(mapping)
    }

    fn allocation(
        self,
        member: MemberId,
        protocol: &str,
        mapping: &OutboundMapping,
    ) -> SnatAllocation {
        let address = |address: Address| address.to_string();
        let used = |name, slot| {
            let counts = protocol == "All" || protocol == name;
            if counts { self.ports_used(member, slot) } else { 0 }
        };
        SnatAllocation {
            rule: self.id(),
            address: self.load_balancer.frontends[self.rule.frontends[0]].address.to_string(),
            member: self.snapshot.member(member).map_or_else(String::new, |it| address(it.address)),
            protocol: protocol.to_owned(),
            worker: mapping.worker.0,
            first_port: mapping.first_port,
            ports: mapping.ports,
            ports_used: PortsUsed { tcp: used("Tcp", 0), udp: used("Udp", 1) },
        }
    }

    /// As the workers have counted them: TCP in slot 0, UDP in slot 1 of a member.
    fn ports_used(self, member: MemberId, slot: usize) -> u32 {
        let mut totals = ObjectTotals::default();
        let counters = self.workers.iter().map(|worker| &worker.outbound);
        counters.for_each(|it| it.add_to(member.index() * 2 + slot, &mut totals));
        u32::try_from(totals.flows).unwrap_or(u32::MAX)
    }
}
