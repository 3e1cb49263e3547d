//! How do members' flows leave, as far as the configuration says (behaviour.md §4.1 to §4.3)?
//!
//! Two kinds of rules say it: outbound rules, and load-balancing rules at public frontends that do
//! not disable it. Not here: who gets which ports (`compile::outbound`), whether they suffice
//! (`validate::outbound`).

use std::collections::BTreeMap;

use super::{
    Configuration, Frontend, LoadBalancer, LoadBalancingRule, OutboundExtensions, OutboundRule, Sku,
};
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_PORTS};
use crate::units::{Address, Transport};

/// One way for the flows of a pool's members to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMethod {
    /// The id of the rule that says so: an outbound rule, or the first of the load-balancing rules.
    pub id: String,
    /// Whether it is an outbound rule: these win over load-balancing rules.
    pub is_outbound_rule: bool,
    /// Position in the configuration's load balancers.
    pub load_balancer: usize,
    /// Position in the load balancer's pools.
    pub pool: usize,
    /// The addresses that flows get, in the order in which they are used up; at least one.
    pub addresses: Vec<Address>,
    /// The protocols whose flows leave.
    pub protocols: Vec<Transport>,
    /// Ports of each member and protocol over all addresses, a multiple of 8.
    pub ports_per_member: u32,
    /// When a silent flow ends.
    pub idle_timeout_minutes: u32,
    /// Whether both ends of a TCP flow that idles out get a RST.
    pub enable_tcp_reset: bool,
    /// What Azure's rules cannot say.
    pub extensions: OutboundExtensions,
}

/// Azure's default allocation (behaviour.md §4.3): pools of up to so many members get so many
/// ports for each.
const DEFAULT_PORTS: [(usize, u32); 6] =
    [(50, 1024), (100, 512), (200, 256), (400, 128), (800, 64), (1000, 32)];
/// The most that the default allocation gives over all addresses.
const DEFAULT_PORTS_MAX: u32 = DEFAULT_PORTS[0].1;
/// The idle timeout of flows that leave by a load-balancing rule (behaviour.md §5).
const IDLE_TIMEOUT_MINUTES: u32 = 4;

/// Ports of each of so many members by the default allocation, over so many addresses; `None` where
/// Azure's table ends.
#[must_use]
pub(super) fn default_ports(members: usize, addresses: u64) -> Option<u32> {
    let row = DEFAULT_PORTS.iter().find(|(members_max, _)| members <= *members_max)?;
    Some(of_all_addresses(row.1, addresses))
}

/// The same for load-balancing rules, which have no word for a number of their own: where Azure's
/// table ends, 16 ports for each fit up to 2,000 members and 8 up to the largest pool.
#[must_use]
pub(super) fn implicit_ports(members: usize, addresses: u64) -> u32 {
    let beyond_the_table = if members <= 2_000 { 16 } else { 8 };
    let by_table = default_ports(members, addresses);
    by_table.unwrap_or_else(|| of_all_addresses(beyond_the_table, addresses))
}

/// As many ports for each address, up to the most that one gives (behaviour.md §4.3).
fn of_all_addresses(ports: u32, addresses: u64) -> u32 {
    let addresses = u32::try_from(addresses).unwrap_or(u32::MAX);
    ports.saturating_mul(addresses).min(DEFAULT_PORTS_MAX)
}

/// All methods, in the order of the configuration.
#[must_use]
pub fn outbound_methods(configuration: &Configuration) -> Vec<OutboundMethod> {
    let mut methods = Vec::new();
    for (position, load_balancer) in configuration.load_balancers.iter().enumerate() {
        methods.extend(
            load_balancer
                .outbound_rules
                .iter()
                .map(|rule| of_outbound_rule(position, load_balancer, rule)),
        );
        add_load_balancing_rules(position, load_balancer, &mut methods);
    }
    methods
}

fn of_outbound_rule(
    position: usize,
    load_balancer: &LoadBalancer,
    rule: &OutboundRule,
) -> OutboundMethod {
    let frontends = rule.frontends.iter().map(|frontend| &load_balancer.frontends[*frontend]);
    OutboundMethod {
        id: format!("loadBalancers/{}/outboundRules/{}", load_balancer.name, rule.name),
        is_outbound_rule: true,
        load_balancer: position,
        pool: rule.pool,
        addresses: frontends.flat_map(Frontend::addresses).collect(),
        protocols: rule.transports().collect(),
        ports_per_member: rule.allocated_outbound_ports,
        idle_timeout_minutes: rule.idle_timeout_minutes,
        enable_tcp_reset: rule.enable_tcp_reset,
        extensions: rule.extensions.clone(),
    }
}

/// One method for each pool and protocol, over the frontends of all rules that have both.
fn add_load_balancing_rules(
    position: usize,
    load_balancer: &LoadBalancer,
    methods: &mut Vec<OutboundMethod>,
) {
    let mut known: BTreeMap<(usize, Transport), usize> = BTreeMap::new();
    for rule in &load_balancer.rules {
        let frontend = &load_balancer.frontends[rule.frontend];
        if rule.disable_outbound_snat || !frontend.public || !frontend.address.is_ipv4() {
            continue;
        }
        for protocol in programmed(load_balancer.sku, rule) {
            let method = *known.entry((rule.pool, *protocol)).or_insert(methods.len());
            if method == methods.len() {
                methods.push(of_load_balancing_rule(position, load_balancer, rule, *protocol));
            }
            let addresses = &mut methods[method].addresses;
            let further: Vec<_> =
                frontend.addresses().filter(|it| !addresses.contains(it)).collect();
            addresses.extend(further);
        }
    }
    for method in known.into_values() {
        let method = &mut methods[method];
        let members = load_balancer.pools[method.pool].members.len();
        method.ports_per_member = implicit_ports(members, method.addresses.len() as u64);
    }
}

/// The protocols that a load-balancing rule lets leave: its own, and with Basic both
/// (behaviour.md §4.2).
fn programmed(sku: Sku, rule: &LoadBalancingRule) -> &'static [Transport] {
    match (sku, rule.protocol) {
        (Sku::Basic, _) => &[Transport::Tcp, Transport::Udp],
        (_, Transport::Udp) => &[Transport::Udp],
        (_, Transport::Tcp | Transport::Icmp) => &[Transport::Tcp],
    }
}

fn of_load_balancing_rule(
    position: usize,
    load_balancer: &LoadBalancer,
    rule: &LoadBalancingRule,
    protocol: Transport,
) -> OutboundMethod {
    OutboundMethod {
        id: format!("loadBalancers/{}/loadBalancingRules/{}", load_balancer.name, rule.name),
        is_outbound_rule: false,
        load_balancer: position,
        pool: rule.pool,
        addresses: Vec::new(),
        protocols: vec![protocol],
        ports_per_member: 0,
        idle_timeout_minutes: IDLE_TIMEOUT_MINUTES,
        enable_tcp_reset: rule.enable_tcp_reset,
        extensions: OutboundExtensions::default(),
    }
}

/// The granules of `address` that are no member's, since ports that rules listen on are in them
/// (behaviour.md §4.3), in no order and perhaps twice.
pub fn burned_granules(
    configuration: &Configuration,
    address: Address,
    protocol: Transport,
) -> impl Iterator<Item = usize> {
    let rules = configuration.load_balancers.iter().flat_map(|load_balancer| {
        load_balancer.rules.iter().map(|rule| (&load_balancer.frontends[rule.frontend], rule))
    });
    let here = rules.filter(move |(frontend, rule)| {
        Address::from(frontend.address) == address && rule.protocol == protocol
    });
    here.filter_map(|(_, rule)| {
        let offset = rule.frontend_port.checked_sub(SNAT_FIRST_PORT)?;
        (u32::from(offset) < SNAT_PORTS).then_some(usize::from(offset / SNAT_GRANULE))
    })
}

impl Frontend {
    /// The IPv4 addresses that outbound flows can get here.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + use<> {
        let first = Address::from(self.address);
        let length = self.prefix.map_or(32, |prefix| prefix.length);
        let count = 1_u32.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
        (0..count).map(move |offset| Address::from_v4_bits(first.v4_bits().wrapping_add(offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_allocation_is_azures_table_with_at_most_1024_over_all_addresses() {
        for (members, addresses, ports) in [
            (1, 1, Some(1024)),
            (50, 2, Some(1024)),
            (51, 1, Some(512)),
            (100, 1, Some(512)),
            (100, 2, Some(1024)),
            (100, 3, Some(1024)),
            (200, 1, Some(256)),
            (400, 1, Some(128)),
            (800, 1, Some(64)),
            (1000, 1, Some(32)),
            (1000, 4, Some(128)),
            (1001, 1, None),
        ] {
            assert_eq!(default_ports(members, addresses), ports, "{members} over {addresses}");
        }
        assert_eq!(
            [50, 1001, 2000, 2001].map(|members| implicit_ports(members, 1)),
            [1024, 16, 16, 8]
        );
    }
}
