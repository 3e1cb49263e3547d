//! Which members' outbound flows leave from which frontend (behaviour.md §1.8, §4.3)?
//!
//! Not here: whether the ports suffice (`validate::outbound`).

use super::outbound_extensions::{self, OutboundExtensions};
use super::transport::TransportProtocol;
use super::{FrontendDraft, Siblings, child_of};
use crate::config::arm::{Field, Object};
use crate::config::outbound_method::default_ports;
use crate::config::reference::Reference;
use crate::config::resource::{Resource, names};
use crate::limits::{IDLE_TIMEOUT_MINUTES_MAX, SNAT_GRANULE, SNAT_PORTS};
use crate::units::Transport;

/// One outbound rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRule {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Positions in the load balancer's frontends, at least one, public ones: each is used when the
    /// ports of those before are used up.
    pub frontends: Vec<usize>,
    /// Position in the load balancer's pools.
    pub pool: usize,
    /// Whose flows are translated; each protocol has its own ports.
    pub protocol: TransportProtocol,
    /// Ports of each member and protocol: a multiple of 8, never 0; Azure's default table is
    /// already applied.
    pub allocated_outbound_ports: u32,
    /// When a silent flow ends: 4 to 120.
    pub idle_timeout_minutes: u32,
    /// Whether both ends of a TCP flow that idles out get a RST.
    pub enable_tcp_reset: bool,
    /// What Azure's rules cannot say.
    pub extensions: OutboundExtensions,
}

impl OutboundRule {
    /// The protocols whose flows the rule translates: those of `protocol`, and ICMP where echo
    /// requests are translated too. Each has its own ports.
    pub fn transports(&self) -> impl Iterator<Item = Transport> + use<> {
        let icmp = self.extensions.enable_icmp_echo.then_some(Transport::Icmp);
        self.protocol.transports().iter().copied().chain(icmp)
    }
}

/// Reads one outbound rule.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
) -> Option<OutboundRule> {
    let properties = &resource.properties;
    let frontends = read_frontends(properties, siblings);
    let pool =
        properties.required("backendAddressPool").and_then(|field| siblings.resolve_pool(&field));
    let protocol =
        properties.required("protocol").and_then(|field| TransportProtocol::read(&field));
    let written_ports = properties.or("allocatedOutboundPorts", 0, |field| {
        read_ports(field, 0, "AllocatedOutboundPortsNotMultipleOfEight")
    });
    let ports = pool.and_then(|pool| {
        let members = siblings.pool(pool)?.members.len();
        let frontends = frontends.as_ref()?.iter();
        let addresses = frontends.filter_map(|position| {
            siblings.frontends.get(*position)?.meaning.as_ref().map(FrontendDraft::addresses)
        });
        resolve_ports(properties, written_ports?, members, addresses.sum())
    });
    let idle_timeout_minutes = properties
        .or("idleTimeoutInMinutes", 4, |field| field.integer(4..=IDLE_TIMEOUT_MINUTES_MAX));
    let enable_tcp_reset = properties.or("enableTcpReset", false, Field::boolean);
    let extensions = outbound_extensions::read(&resource.extensions(), ports);
    Some(OutboundRule {
        name: resource.name.clone(),
        frontends: frontends?,
        pool: pool?,
        protocol: protocol?,
        allocated_outbound_ports: ports?,
        idle_timeout_minutes: idle_timeout_minutes?,
        enable_tcp_reset: enable_tcp_reset?,
        extensions: extensions?,
    })
}

/// The frontends to leave from, each once: public ones.
fn read_frontends(properties: &Object<'_>, siblings: &Siblings<'_, '_>) -> Option<Vec<usize>> {
    const LIST: &str = "frontendIPConfigurations";
    let listed = properties.required(LIST)?.list()?;
    if listed.is_empty() {
        properties.error_at(LIST, "MissingProperty", "Name the frontend to leave from.");
        return None;
    }
    let target = child_of(siblings.name, LIST);
    let mut frontends = Vec::new();
    for field in &listed {
        let found = Reference::read(field)?.resolve(&target, names(siblings.frontends))?;
        let meaning = siblings.frontends.get(found)?.meaning.as_ref();
        if meaning.is_some_and(|meaning| !meaning.public()) {
            properties.error_at(
                LIST,
                "OutboundRuleRequiresPublicFrontend",
                "Outbound rules leave from public frontends. Name one that refers to a \
                 publicIPAddress.",
            );
        }
        if frontends.contains(&found) {
            field.error("DuplicateFrontend", "This frontend is named twice. Remove one of them.");
        } else {
            frontends.push(found);
        }
    }
    Some(frontends)
}

/// A number of ports of one member, in whole granules.
pub(super) fn read_ports(field: &Field<'_>, least: u32, code: &'static str) -> Option<u32> {
    let ports = field.integer(least..=SNAT_PORTS)?;
    let granule = u32::from(SNAT_GRANULE);
    if !ports.is_multiple_of(granule) {
        field.error(
            code,
            format!(
                "Ports are dealt in blocks of {granule}. Write {} or {}.",
                ports / granule * granule,
                ports.next_multiple_of(granule)
            ),
        );
        return None;
    }
    Some(ports)
}

/// The written number of ports, or that of the default table for 0: as many for each of the
/// frontends' addresses, up to the most that one gives.
fn resolve_ports(
    properties: &Object<'_>,
    written: u32,
    members: usize,
    addresses: u64,
) -> Option<u32> {
    if written > 0 {
        return Some(written);
    }
    let default = default_ports(members, addresses);
    if default.is_none() {
        properties.error_at(
            "allocatedOutboundPorts",
            "AllocatedOutboundPortsRequired",
            format!(
                "The default allocation ends at 1000 members and this pool has {members}. Write \
                 how many ports each gets: at most {}.",
                SNAT_PORTS / u32::try_from(members).unwrap_or(SNAT_PORTS) / 8 * 8
            ),
        );
    }
    default
}
