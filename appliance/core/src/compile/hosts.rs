//! What is each address to this appliance?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inputs;
use crate::policy::{Host, HostMap, Snapshot};
use crate::units::{Address, InstanceAddressId, MemberId, OutboundAddressId};

/// What addresses are, as the last map has it.
pub(super) type Known = BTreeMap<Address, Host>;

/// Writes the map of addresses, unless it says the same as the last one. That own addresses,
/// frontends and members differ has been checked with the configuration; a kernel that was given a
/// frontend as its own address by hand does not get its packets all the same.
pub(super) fn write(inputs: Inputs<'_>, last: &mut Known, next: &mut Snapshot) {
    let mut hosts = Known::new();
    let mut note = |address: Address, host: Host| {
        let known = hosts.entry(address).or_default();
        *known = known.and(host);
    };
    for load_balancer in &inputs.configuration.load_balancers {
        for frontend in &load_balancer.frontends {
            note(frontend.address.into(), Host::FRONTEND);
        }
    }
    for (id, address) in (0u32..).zip(next.outbound_addresses.iter()) {
        if address.live {
            note(address.address, Host::outbound(OutboundAddressId(id)));
        }
    }
    for (id, instance) in (0u32..).zip(next.instance_addresses.iter()) {
        note(instance.public, Host::instance(InstanceAddressId(id)));
    }
    for (id, member) in (0u32..).zip(next.members.iter()) {
        if member.live {
            note(member.address, Host::member(MemberId(id)));
        }
    }
    for address in own_addresses(inputs) {
        hosts.entry(address).or_insert(Host::OWN);
    }
    if hosts != *last {
        next.hosts =
            Arc::new(HostMap::build(hosts.iter().map(|(address, host)| (*address, *host))));
        *last = hosts;
    }
}

/// The ports' addresses, and those that the kernel has on their links besides. It gives every link
/// an IPv6 address of its own accord: an appliance that nobody gave one is not reached by it.
fn own_addresses(inputs: Inputs<'_>) -> impl Iterator<Item = Address> {
    let ports = inputs.configuration.appliance.ports.iter().flat_map(|port| &port.addresses);
    let configured = ports.map(|address| Address::from(address.address));
    let speaks_ipv6 = configured.clone().any(|address| !address.is_v4());
    let links = inputs.world.links().values().flat_map(|link| &link.addresses);
    let links = links.map(|(address, _)| *address);
    configured.chain(links.filter(move |address| address.is_v4() || speaks_ipv6))
}
