//! By which frontend ports of inbound NAT is a member reached (behaviour.md §1.9, §6)?
//!
//! What Azure's `queryInboundNatRulePortMapping` answers, of a checked configuration. Not here: how
//! a rule deals its ports (`load_balancer::inbound_nat`).

use std::net::IpAddr;

use thiserror::Error;

use super::edit::ResourceId;
use super::resources::Kind;
use super::{Configuration, InboundNatRulePortMapping, LoadBalancer};

/// Which member of the pool is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMappingQuery {
    /// The one with this address.
    IpAddress(IpAddr),
    /// The one that is this address of an interface.
    IpConfiguration(ResourceId),
}

/// Why nobody's ports can be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortMappingError {
    /// There is no such pool, interface or member.
    #[error("there is no {0}; `list` shows what there is")]
    NotFound(String),
    /// The id is another resource's.
    #[error("{id} is no {what}; give the id of one")]
    AnotherResource {
        /// What was named.
        id: String,
        /// What is meant here.
        what: &'static str,
    },
}

/// The frontend ports that lead to one member of a pool, in the order of the rules.
///
/// # Errors
/// [`PortMappingError`].
pub fn port_mappings(
    configuration: &Configuration,
    pool: &ResourceId,
    query: &PortMappingQuery,
) -> Result<Vec<InboundNatRulePortMapping>, PortMappingError> {
    let (load_balancer, pool_position) = find_pool(configuration, pool)?;
    let address = match query {
        PortMappingQuery::IpAddress(address) => *address,
        PortMappingQuery::IpConfiguration(id) => address_of(configuration, id)?,
    };
    let mut members = load_balancer.pools.get(pool_position).into_iter().flat_map(|it| &it.members);
    let position = members.position(|member| member.address == address);
    let position = position
        .ok_or_else(|| PortMappingError::NotFound(format!("member {address} in {pool}")))?;
    let rules = load_balancer.inbound_nat_rules.iter();
    Ok(rules.filter_map(|rule| rule.port_mapping(pool_position, position, address)).collect())
}

fn find_pool<'c>(
    configuration: &'c Configuration,
    id: &ResourceId,
) -> Result<(&'c LoadBalancer, usize), PortMappingError> {
    let mut children = id.children();
    let (Some(("backendAddressPools", name)), None) = (children.next(), children.next()) else {
        return Err(another(id, "backend address pool"));
    };
    let mut balancers = configuration.load_balancers.iter();
    let balancer = balancers.find(|it| it.name.eq_ignore_ascii_case(id.name()));
    let found = balancer.and_then(|balancer| {
        let mut pools = balancer.pools.iter();
        Some((balancer, pools.position(|pool| pool.name.eq_ignore_ascii_case(name))?))
    });
    found.ok_or_else(|| PortMappingError::NotFound(id.to_string()))
}

/// The address of an interface's IP configuration.
fn address_of(configuration: &Configuration, id: &ResourceId) -> Result<IpAddr, PortMappingError> {
    let name = id.children().next().filter(|_| id.kind() == Kind::NetworkInterface);
    let Some((_, name)) = name else { return Err(another(id, "IP configuration")) };
    let mut interfaces = configuration.network_interfaces.iter();
    let interface = interfaces.find(|it| it.name.eq_ignore_ascii_case(id.name()));
    let mut configurations = interface.into_iter().flat_map(|it| &it.ip_configurations);
    let found = configurations.find(|it| it.name.eq_ignore_ascii_case(name));
    let found = found.ok_or_else(|| PortMappingError::NotFound(id.to_string()))?;
    Ok(found.address)
}

fn another(id: &ResourceId, what: &'static str) -> PortMappingError {
    PortMappingError::AnotherResource { id: id.to_string(), what }
}
