//! What does a configuration mean that serves IPv6 beside IPv4?
//!
//! The check of documents refuses IPv6, so that it is added behind it: whatever has an IPv4 address
//! gets its twin, which is that address behind 2001:db8::/96. Frontends, pools, rules, ports,
//! routes and prefixes are then there twice; there is no outbound rule for IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_core::config::{Configuration, InterfaceAddress, LoadBalancer, StaticRoute};
use weir_core::units::Prefix;

/// The IPv6 address of the host that has this IPv4 address.
#[must_use]
pub fn twin(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(PREFIX | u128::from(address.to_bits()))
}

/// The IPv4 address of the host that has this IPv6 address, if it has one.
#[must_use]
pub fn twin_of(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    (bits >> 32 == PREFIX >> 32).then(|| Ipv4Addr::from_bits(bits as u32))
}

/// Gives everything its twin.
pub fn add_ipv6(configuration: &mut Configuration) {
    let appliance = &mut configuration.appliance;
    for port in &mut appliance.ports {
        let twins = port
            .addresses
            .clone()
            .into_iter()
            .map(|own| InterfaceAddress { address: twin_ip(own.address), length: own.length + 96 });
        port.addresses.extend(twins);
    }
    let routes = appliance.routes.clone().into_iter().map(|route| StaticRoute {
        destination: twin_prefix(route.destination),
        next_hop: twin_ip(route.next_hop),
    });
    appliance.routes.extend(routes);
    add_prefixes(&mut appliance.routed_prefixes);
    for network in &mut configuration.virtual_networks {
        add_prefixes(&mut network.prefixes);
    }
    configuration.load_balancers.iter_mut().for_each(add_to_load_balancer);
}

fn add_to_load_balancer(load_balancer: &mut LoadBalancer) {
    let (frontends, pools) = (load_balancer.frontends.len(), load_balancer.pools.len());
    for mut frontend in load_balancer.frontends.clone() {
        frontend.name += SUFFIX;
        frontend.address = twin_ip(frontend.address);
        load_balancer.frontends.push(frontend);
    }
    for mut pool in load_balancer.pools.clone() {
        pool.name += SUFFIX;
        for member in &mut pool.members {
            member.address = twin_ip(member.address);
        }
        load_balancer.pools.push(pool);
    }
    for mut rule in load_balancer.rules.clone() {
        rule.name += SUFFIX;
        rule.frontend += frontends;
        rule.pool += pools;
        load_balancer.rules.push(rule);
    }
}

fn add_prefixes(prefixes: &mut Vec<Prefix>) {
    let twins: Vec<_> = prefixes.iter().map(|prefix| twin_prefix(*prefix)).collect();
    prefixes.extend(twins);
}

fn twin_prefix(prefix: Prefix) -> Prefix {
    let everything = Prefix::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    let twin = match prefix.length {
        0 => everything,
        length => Prefix::new(twin_ip(prefix.address.to_ip()), length + 96),
    };
    twin.expect("a length of the family")
}

fn twin_ip(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => twin(address).into(),
        IpAddr::V6(address) => panic!("{address} is of a document that was to be IPv4"),
    }
}

const PREFIX: u128 = 0x2001_0db8 << 96;
const SUFFIX: &str = "-ipv6";
