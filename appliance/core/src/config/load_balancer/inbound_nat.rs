//! Which frontend ports lead to single members (behaviour.md §1.7, §6)?
//!
//! A rule leads one port to one interface's address (its first version), or a range of ports to
//! the members of a pool, one port each (its second). A pool of ports is dealt to the instances of
//! a scale set.
//!
//! Not here: whether ports collide (`validate::frontend_ports`), whose ports are asked for
//! (`config::port_mapping`).

use std::net::IpAddr;

use super::rule::{read_idle_timeout, read_tcp_reset};
use super::transport::TransportProtocol;
use super::{Neighbourhood, Siblings};
use crate::config::arm::{Field, Object};
use crate::config::reference::Reference;
use crate::config::resource::Resource;

/// One inbound NAT rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundNatRule {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Position in the load balancer's frontends.
    pub frontend: usize,
    /// Which packets it takes.
    pub protocol: TransportProtocol,
    /// Whom its ports lead to.
    pub target: InboundNatTarget,
    /// The port that members serve: 1 to 65535.
    pub backend_port: u16,
    /// When a silent TCP flow ends: 4 to 100.
    pub idle_timeout_minutes: u32,
    /// Whether members get packets with the frontend's address.
    pub enable_floating_ip: bool,
    /// Whether both ends of a flow that idles out get a RST.
    pub enable_tcp_reset: bool,
}

/// Whom the ports of an inbound NAT rule lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundNatTarget {
    /// One port, one address.
    Member {
        /// The port that clients use: 1 to 65534.
        frontend_port: u16,
        /// Nobody, as long as no interface names the rule.
        address: Option<IpAddr>,
    },
    /// A range of ports, of which each member of a pool has one.
    Pool {
        /// Position in the load balancer's pools.
        pool: usize,
        /// First and last port, both included.
        frontend_ports: (u16, u16),
    },
}

/// One pool of ports for the instances of a scale set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundNatPool {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Position in the load balancer's frontends.
    pub frontend: usize,
    /// Which packets it takes.
    pub protocol: TransportProtocol,
    /// First and last port, both included.
    pub frontend_ports: (u16, u16),
    /// The port that instances serve: 1 to 65535.
    pub backend_port: u16,
    /// When a silent TCP flow ends: 4 to 100.
    pub idle_timeout_minutes: u32,
    /// Whether instances get packets with the frontend's address.
    pub enable_floating_ip: bool,
    /// Whether both ends of a flow that idles out get a RST.
    pub enable_tcp_reset: bool,
}

/// A frontend port that leads to one port of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundNatRulePortMapping {
    /// The name of the rule that leads there.
    pub rule: String,
    /// Which packets it takes.
    pub protocol: TransportProtocol,
    /// The port that clients use.
    pub frontend_port: u16,
    /// The port that the member serves.
    pub backend_port: u16,
}

impl InboundNatRule {
    /// The rule's port for the member at this position of this pool: the ports of a range are
    /// dealt in the order of members, and the port of a single address is the port of whoever has
    /// that address. `None` if the rule does not lead there.
    #[must_use]
    pub fn port_mapping(
        &self,
        pool: usize,
        position: usize,
        address: IpAddr,
    ) -> Option<InboundNatRulePortMapping> {
        let frontend_port = match self.target {
            InboundNatTarget::Member { frontend_port, address: target } => {
                (target == Some(address)).then_some(frontend_port)?
            }
            InboundNatTarget::Pool { pool: target, frontend_ports: (first, last) } => {
                let port = u16::try_from(position).ok().and_then(|it| first.checked_add(it))?;
                (target == pool && port <= last).then_some(port)?
            }
        };
        Some(InboundNatRulePortMapping {
            rule: self.name.clone(),
            protocol: self.protocol,
            frontend_port,
            backend_port: self.backend_port,
        })
    }
}

/// What rules and pools have in common.
struct Common {
    frontend: usize,
    protocol: TransportProtocol,
    backend_port: u16,
    idle_timeout_minutes: u32,
    enable_floating_ip: bool,
    enable_tcp_reset: bool,
}

/// An inbound NAT rule while it is checked.
pub(in crate::config) struct InboundNatDraft {
    pub(in crate::config) rule: InboundNatRule,
    /// The interface's address that it leads to: its position in the directory.
    pub(in crate::config) attached: Option<usize>,
}

/// Reads one inbound NAT rule.
pub(super) fn read_rule<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
    around: &Neighbourhood<'_, 'a>,
) -> Option<InboundNatDraft> {
    let properties = &resource.properties;
    let common = read_common(properties, siblings);
    let attached = read_attached(resource, siblings, around);
    let target = if properties.switched_on("backendAddressPool").is_some() {
        read_pool_target(properties, siblings)
    } else {
        properties.ignore(&["frontendPortRangeStart", "frontendPortRangeEnd"]);
        let port =
            properties.required("frontendPort").and_then(|field| field.integer(1..=u16::MAX - 1));
        let all = &around.interfaces.all;
        let address = attached
            .and_then(|position| all.get(position)?.configuration.meaning.as_ref()?.address);
        port.map(|frontend_port| InboundNatTarget::Member { frontend_port, address })
    };
    let (common, target) = (common?, target?);
    let rule = InboundNatRule {
        name: resource.name.clone(),
        frontend: common.frontend,
        protocol: common.protocol,
        target,
        backend_port: common.backend_port,
        idle_timeout_minutes: common.idle_timeout_minutes,
        enable_floating_ip: common.enable_floating_ip,
        enable_tcp_reset: common.enable_tcp_reset,
    };
    Some(InboundNatDraft { rule, attached })
}

/// Reads one pool of ports.
pub(super) fn read_pool<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
) -> Option<InboundNatPool> {
    let properties = &resource.properties;
    let common = read_common(properties, siblings);
    let frontend_ports = read_range(properties, u16::MAX);
    let (common, frontend_ports) = (common?, frontend_ports?);
    Some(InboundNatPool {
        name: resource.name.clone(),
        frontend: common.frontend,
        protocol: common.protocol,
        frontend_ports,
        backend_port: common.backend_port,
        idle_timeout_minutes: common.idle_timeout_minutes,
        enable_floating_ip: common.enable_floating_ip,
        enable_tcp_reset: common.enable_tcp_reset,
    })
}

fn read_common<'a>(properties: &Object<'a>, siblings: &Siblings<'_, 'a>) -> Option<Common> {
    let frontend = siblings.frontend(properties);
    let protocol =
        properties.required("protocol").and_then(|field| TransportProtocol::read(&field));
    let backend_port =
        properties.required("backendPort").and_then(|field| field.integer(1..=u16::MAX));
    let idle_timeout_minutes = read_idle_timeout(properties);
    let enable_floating_ip = properties.or("enableFloatingIP", false, Field::boolean);
    let enable_tcp_reset = read_tcp_reset(properties, siblings.sku);
    Some(Common {
        frontend: frontend?,
        protocol: protocol?,
        backend_port: backend_port?,
        idle_timeout_minutes: idle_timeout_minutes?,
        enable_floating_ip: enable_floating_ip?,
        enable_tcp_reset: enable_tcp_reset?,
    })
}

/// The second version: a pool and a range of ports.
fn read_pool_target(
    properties: &Object<'_>,
    siblings: &Siblings<'_, '_>,
) -> Option<InboundNatTarget> {
    let pool = siblings.resolve_pool(&properties.optional("backendAddressPool")?);
    // Azure answers with 0 where a range is meant.
    if let Some(port) = properties.switched_on("frontendPort") {
        port.error(
            "InboundNatRuleHasPortAndPool",
            "A rule to a pool has a range of ports. Write `frontendPortRangeStart` and \
             `frontendPortRangeEnd` in place of `frontendPort`.",
        );
    }
    let frontend_ports = read_range(properties, u16::MAX - 1);
    let (pool, frontend_ports) = (pool?, frontend_ports?);
    let members = siblings.pool(pool).map_or(0, |pool| pool.members.len());
    let ports = usize::from(frontend_ports.1 - frontend_ports.0) + 1;
    if members > ports {
        properties.error_at(
            "frontendPortRangeEnd",
            "InsufficientInboundNatRulePorts",
            format!(
                "The pool has {members} members and the range {ports} ports. Raise \
                 `frontendPortRangeEnd`."
            ),
        );
    }
    Some(InboundNatTarget::Pool { pool, frontend_ports })
}

fn read_range(properties: &Object<'_>, last: u16) -> Option<(u16, u16)> {
    let start = properties
        .required("frontendPortRangeStart")
        .and_then(|field| field.integer(1..=u16::MAX - 1));
    let end = properties.required("frontendPortRangeEnd").and_then(|field| field.integer(1..=last));
    let (start, end) = (start?, end?);
    if start > end {
        properties.error_at(
            "frontendPortRangeEnd",
            "InvalidPortRange",
            format!("The range ends at {end}, before its start at {start}. Exchange them."),
        );
        return None;
    }
    Some((start, end))
}

/// The interface's address that a rule of the first version leads to.
fn read_attached<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
    around: &Neighbourhood<'_, 'a>,
) -> Option<usize> {
    let directory = around.interfaces;
    let named = directory.targets_of(siblings.name, &resource.name);
    let field = resource.properties.optional("backendIPConfiguration");
    let answered = field.and_then(|field| directory.index.resolve(&Reference::read(&field)?));
    let mut targets: Vec<usize> = named.into_iter().chain(answered).collect();
    targets.sort_unstable();
    targets.dedup();
    if targets.len() > 1 {
        resource.object.error_at(
            "name",
            "InboundNatRuleHasSeveralTargets",
            format!(
                "{} addresses of interfaces name this rule, which leads to one. Give each its own \
                 rule.",
                targets.len()
            ),
        );
    }
    targets.first().copied()
}
