//! Which members' outbound flows leave from which frontend (behaviour.md §1.8, §4.3)?
//!
//! Not here: whether the ports suffice (`validate::outbound`).

use super::child_of;
use super::rule::Siblings;
use crate::config::arm::{Field, Object};
use crate::config::reference::{self, Reference};
use crate::config::resource::{Resource, names};
use crate::limits::{IDLE_TIMEOUT_MINUTES_MAX, SNAT_GRANULE, SNAT_PORTS};
use crate::units::Transport;

/// One outbound rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRule {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Position in the load balancer's frontends; a public one.
    pub frontend: usize,
    /// Position in the load balancer's pools.
    pub pool: usize,
    /// Whose flows are translated.
    pub protocol: OutboundProtocol,
    /// Ports of each member and protocol: a multiple of 8, never 0; Azure's default table is
    /// already applied.
    pub allocated_outbound_ports: u32,
    /// When a silent flow ends: 4 to 120.
    pub idle_timeout_minutes: u32,
    /// Whether both ends of a TCP flow that idles out get a RST.
    pub enable_tcp_reset: bool,
}

/// The protocols of an outbound rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboundProtocol {
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
    /// TCP and UDP, each with its own ports.
    All,
}

impl OutboundProtocol {
    /// The transport protocols that are translated.
    #[must_use]
    pub fn transports(self) -> &'static [Transport] {
        match self {
            Self::Tcp => &[Transport::Tcp],
            Self::Udp => &[Transport::Udp],
            Self::All => &[Transport::Tcp, Transport::Udp],
        }
    }
}

/// Azure's default allocation (behaviour.md §4.3): pools of up to so many members get so many
/// ports for each.
const DEFAULT_PORTS: [(usize, u32); 6] =
    [(50, 1024), (100, 512), (200, 256), (400, 128), (800, 64), (1000, 32)];

/// Reads one outbound rule.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
) -> Option<OutboundRule> {
    let properties = &resource.properties;
    let frontend = read_frontend(properties, siblings);
    let pool = reference::required(
        properties,
        "backendAddressPool",
        &child_of(siblings.name, "backendAddressPools"),
        names(siblings.pools),
    );
    let protocol = properties.required("protocol").and_then(|field| {
        field.choice(&[
            ("Tcp", OutboundProtocol::Tcp),
            ("Udp", OutboundProtocol::Udp),
            ("All", OutboundProtocol::All),
        ])
    });
    let written_ports = properties.or("allocatedOutboundPorts", 0, read_ports);
    let ports = pool.and_then(|pool| {
        let members = siblings.pools.get(pool)?.meaning.as_ref()?.members.len();
        resolve_ports(properties, written_ports?, members)
    });
    let idle_timeout_minutes = properties
        .or("idleTimeoutInMinutes", 4, |field| field.integer(4..=IDLE_TIMEOUT_MINUTES_MAX));
    let enable_tcp_reset = properties.or("enableTcpReset", false, Field::boolean);
    Some(OutboundRule {
        name: resource.name.clone(),
        frontend: frontend?,
        pool: pool?,
        protocol: protocol?,
        allocated_outbound_ports: ports?,
        idle_timeout_minutes: idle_timeout_minutes?,
        enable_tcp_reset: enable_tcp_reset?,
    })
}

fn read_frontend(properties: &Object<'_>, siblings: &Siblings<'_, '_>) -> Option<usize> {
    const LIST: &str = "frontendIPConfigurations";
    let listed = properties.required(LIST)?.list()?;
    let target = child_of(siblings.name, LIST);
    let resolve =
        |field: &Field<'_>| Reference::read(field)?.resolve(&target, names(siblings.frontends));
    let frontends: Vec<_> = listed.iter().map(resolve).collect();
    match frontends.as_slice() {
        [] => properties.error_at(LIST, "MissingProperty", "Name the frontend to leave from."),
        [frontend] => {
            let frontend = (*frontend)?;
            let meaning = siblings.frontends.get(frontend)?.meaning.as_ref();
            if meaning.is_some_and(|meaning| !meaning.frontend.public) {
                properties.error_at(
                    LIST,
                    "OutboundRuleRequiresPublicFrontend",
                    "Outbound rules leave from public frontends. Name one that refers to a \
                     publicIPAddress.",
                );
            }
            return Some(frontend);
        }
        _ => properties.error_at(
            LIST,
            "NotYetSupportedByWeir",
            "Outbound rules with several frontends are not in this version. Keep one.",
        ),
    }
    None
}

fn read_ports(field: &Field<'_>) -> Option<u32> {
    let ports = field.integer(0..=SNAT_PORTS)?;
    let granule = u32::from(SNAT_GRANULE);
    if !ports.is_multiple_of(granule) {
        field.error(
            "AllocatedOutboundPortsNotMultipleOfEight",
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

/// The written number of ports, or that of the default table for 0.
fn resolve_ports(properties: &Object<'_>, written: u32, members: usize) -> Option<u32> {
    if written > 0 {
        return Some(written);
    }
    let default = DEFAULT_PORTS.iter().find(|(members_max, _)| members <= *members_max);
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
    default.map(|(_, ports)| *ports)
}
