//! Who is to have how many ports, and where?

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::Inputs;
use super::super::balance::Balance;
use super::{Held, Holding};
use crate::config::{OutboundMethod, outbound_methods};
use crate::limits::SNAT_GRANULE;
use crate::policy::{OutboundMapping, OutboundTimers, Share};
use crate::units::{Address, MemberId, OutboundAddressId, Transport, ticks_of_seconds};

/// What one member is to have for one protocol.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) member: MemberId,
    pub(super) protocol: Transport,
    /// Ports that it is allotted over all addresses, a multiple of 8.
    pub(super) ports: u32,
    /// Further ones that it has on demand, likewise.
    pub(super) on_demand: u32,
    pub(super) addresses: Vec<Address>,
    /// Their ids, once they have some.
    pub(super) ids: Vec<OutboundAddressId>,
    /// The most ports that it may get on demand, if it may.
    pub(super) on_demand_max: Option<u32>,
    mapping: OutboundMapping,
}

impl Want {
    pub(super) const fn holding(&self) -> Holding {
        (self.member, self.protocol)
    }

    /// Granules that it is allotted over all addresses.
    pub(super) const fn granules(&self) -> usize {
        self.ports as usize / SNAT_GRANULE as usize
    }

    /// The same with those that it has on demand.
    pub(super) const fn all_granules(&self) -> usize {
        (self.ports + self.on_demand) as usize / SNAT_GRANULE as usize
    }

    /// What the member has on these addresses, in the order of their use.
    pub(super) fn in_order<'h>(&'h self, held: &'h [Held]) -> impl Iterator<Item = Held> + 'h {
        let on = |id: OutboundAddressId| held.iter().copied().filter(move |it| it.address == id);
        let elsewhere = held.iter().copied().filter(|held| !self.ids.contains(&held.address));
        self.ids.iter().flat_map(move |id| on(*id)).chain(elsewhere)
    }

    /// The mapping with these shares.
    pub(super) fn mapping(&self, shares: Box<[Share]>) -> OutboundMapping {
        OutboundMapping { shares, ..self.mapping.clone() }
    }
}

/// What all members are to have: each by the method that comes first, and by outbound rules before
/// load-balancing rules (behaviour.md §4.1). One with a public address of its own needs no ports.
pub(super) fn wants(inputs: Inputs<'_>, balance: &mut Balance) -> Vec<Want> {
    let methods = outbound_methods(inputs.configuration);
    let instances: BTreeSet<IpAddr> =
        inputs.configuration.instances().map(|(instance, _)| instance.address).collect();
    let mut known: BTreeSet<Holding> = BTreeSet::new();
    let mut wants = Vec::new();
    for is_outbound_rule in [true, false] {
        for (position, method) in (0u32..).zip(&methods) {
            if method.is_outbound_rule != is_outbound_rule {
                continue;
            }
            let load_balancer = &inputs.configuration.load_balancers[method.load_balancer];
            for member in &load_balancer.pools[method.pool].members {
                if !member.address.is_ipv4() || instances.contains(&member.address) {
                    continue;
                }
                let id = balance.member(member.address, inputs.now_milliseconds);
                for protocol in &method.protocols {
                    if known.insert((id, *protocol)) {
                        wants.push(want(id, *protocol, position, method));
                    }
                }
            }
        }
    }
    wants
}

fn want(member: MemberId, protocol: Transport, position: u32, method: &OutboundMethod) -> Want {
    let extensions = &method.extensions;
    let on_demand_max =
        extensions.enable_on_demand_ports.then_some(extensions.maximum_outbound_ports);
    Want {
        member,
        protocol,
        ports: method.ports_per_member,
        on_demand: 0,
        addresses: method.addresses.clone(),
        ids: Vec::new(),
        on_demand_max,
        mapping: OutboundMapping {
            method: position,
            shares: Box::default(),
            timers: timers(protocol, method),
            tcp_reset: method.enable_tcp_reset,
            endpoint_independent: extensions.enable_endpoint_independent_mapping,
            on_demand_max,
            rejects: extensions.reject_when_exhausted,
        },
    }
}

fn timers(protocol: Transport, method: &OutboundMethod) -> OutboundTimers {
    let extensions = &method.extensions;
    let rules = method.idle_timeout_minutes * 60;
    let idle = match protocol {
        Transport::Tcp => rules,
        Transport::Udp => extensions.udp_idle_timeout_seconds.unwrap_or(rules),
        Transport::Icmp => extensions.icmp_query_timeout_seconds,
    };
    OutboundTimers {
        idle: ticks_of_seconds(idle),
        opening: ticks_of_seconds(extensions.tcp_opening_timeout_seconds),
        fin: ticks_of_seconds(extensions.tcp_fin_timeout_seconds),
        reset: ticks_of_seconds(extensions.tcp_reset_timeout_seconds),
    }
}
