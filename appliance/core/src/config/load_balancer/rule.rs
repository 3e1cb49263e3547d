//! Which frontend port leads to which pool (behaviour.md §1.5)?
//!
//! A rule for all ports and protocols (HA ports) is written as a load-balancing rule and means
//! something of its own.
//!
//! Not here: whether rules collide (`validate`).

use super::{FrontendDraft, PoolDraft, ProbeDraft, Siblings, Sku, child_of, require_standard};
use crate::config::arm::{Field, Object};
use crate::config::reference::{self, Reference};
use crate::config::resource::{Resource, Written, names};
use crate::limits::LOAD_BALANCING_IDLE_TIMEOUT_MINUTES_MAX;
use crate::units::Transport;

/// One load-balancing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancingRule {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Position in the load balancer's frontends.
    pub frontend: usize,
    /// Position in the load balancer's pools.
    pub pool: usize,
    /// Position in the load balancer's probes. Without one, every member is eligible.
    pub probe: Option<usize>,
    /// TCP or UDP.
    pub protocol: Transport,
    /// The port that clients use: 1 to 65534.
    pub frontend_port: u16,
    /// The port that members serve: 1 to 65535.
    pub backend_port: u16,
    /// When a silent TCP flow ends: 4 to 100. No effect on UDP (behaviour.md §5).
    pub idle_timeout_minutes: u32,
    /// Whether both ends of a flow that idles out get a RST.
    pub enable_tcp_reset: bool,
    /// What the choice of a member depends on.
    pub load_distribution: LoadDistribution,
    /// Whether the rule leaves outbound flows alone. If not, and its frontend is public, flows of
    /// the pool's members leave from that frontend (behaviour.md §4.2).
    pub disable_outbound_snat: bool,
    /// Whether members get packets with the frontend's address (behaviour.md §7.2).
    pub enable_floating_ip: bool,
    /// Whether a UDP flow keeps its member for its lifetime.
    pub enable_connection_tracking: bool,
}

/// A rule for all ports of TCP and UDP (behaviour.md §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaPortsRule {
    /// Its name, unique among the load-balancing rules.
    pub name: String,
    /// Position in the load balancer's frontends; an internal one.
    pub frontend: usize,
    /// Position in the load balancer's pools.
    pub pool: usize,
    /// Position in the load balancer's probes.
    pub probe: Option<usize>,
    /// When a silent TCP flow ends: 4 to 100.
    pub idle_timeout_minutes: u32,
    /// Whether both ends of a flow that idles out get a RST.
    pub enable_tcp_reset: bool,
    /// What the choice of a member depends on.
    pub load_distribution: LoadDistribution,
    /// Whether members get packets with the frontend's address.
    pub enable_floating_ip: bool,
}

/// What is hashed to choose a member (behaviour.md §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadDistribution {
    /// Both addresses, both ports and the protocol.
    #[default]
    Default,
    /// Both addresses.
    SourceIp,
    /// Both addresses and the protocol.
    SourceIpProtocol,
}

/// A rule while it is checked.
pub(in crate::config) struct RuleDraft {
    pub(in crate::config) name: String,
    pub(in crate::config) frontend: usize,
    pub(in crate::config) pool: usize,
    pub(in crate::config) probe: Option<usize>,
    pub(in crate::config) protocol: RuleProtocol,
    pub(in crate::config) frontend_port: u16,
    pub(in crate::config) backend_port: u16,
    pub(in crate::config) idle_timeout_minutes: u32,
    pub(in crate::config) enable_tcp_reset: bool,
    pub(in crate::config) load_distribution: LoadDistribution,
    pub(in crate::config) disable_outbound_snat: bool,
    pub(in crate::config) enable_floating_ip: bool,
    pub(in crate::config) enable_connection_tracking: bool,
}

/// Azure's words for the protocol of a load-balancing rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum RuleProtocol {
    Tcp,
    Udp,
    /// With port 0 on both sides: HA ports.
    All,
    /// What it means is not documented (behaviour.md §1.5).
    Quic,
}

impl RuleProtocol {
    /// The transport protocols whose packets such a rule takes.
    pub(in crate::config) fn transports(self) -> &'static [Transport] {
        match self {
            Self::Tcp => &[Transport::Tcp],
            Self::Udp | Self::Quic => &[Transport::Udp],
            Self::All => &[Transport::Tcp, Transport::Udp],
        }
    }
}

impl RuleDraft {
    /// Whether the rule is for all ports and protocols.
    pub(in crate::config) fn is_for_ha_ports(&self) -> bool {
        self.protocol == RuleProtocol::All
    }

    /// What it means as a rule for one port, if it is one.
    pub(super) fn meaning(&self) -> Option<LoadBalancingRule> {
        let protocol = match self.protocol {
            RuleProtocol::Tcp => Transport::Tcp,
            RuleProtocol::Udp => Transport::Udp,
            RuleProtocol::All | RuleProtocol::Quic => return None,
        };
        Some(LoadBalancingRule {
            name: self.name.clone(),
            frontend: self.frontend,
            pool: self.pool,
            probe: self.probe,
            protocol,
            frontend_port: self.frontend_port,
            backend_port: self.backend_port,
            idle_timeout_minutes: self.idle_timeout_minutes,
            enable_tcp_reset: self.enable_tcp_reset,
            load_distribution: self.load_distribution,
            disable_outbound_snat: self.disable_outbound_snat,
            enable_floating_ip: self.enable_floating_ip,
            enable_connection_tracking: self.enable_connection_tracking,
        })
    }

    /// What it means as a rule for all ports, if it is one.
    pub(super) fn ha_ports(&self) -> Option<HaPortsRule> {
        self.is_for_ha_ports().then(|| HaPortsRule {
            name: self.name.clone(),
            frontend: self.frontend,
            pool: self.pool,
            probe: self.probe,
            idle_timeout_minutes: self.idle_timeout_minutes,
            enable_tcp_reset: self.enable_tcp_reset,
            load_distribution: self.load_distribution,
            enable_floating_ip: self.enable_floating_ip,
        })
    }
}

/// Reads one rule.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
    probes: &[Written<'a, ProbeDraft>],
) -> Option<RuleDraft> {
    let properties = &resource.properties;
    let frontend = siblings.frontend(properties);
    let pool = read_pool(properties, siblings);
    let probe = properties.maybe("probe", |field| {
        Reference::read(field)?.resolve(&child_of(siblings.name, "probes"), names(probes))
    });
    let ports = read_ports(properties);
    let load_distribution = read_distribution(properties);
    let enable_tcp_reset = read_tcp_reset(properties, siblings.sku);
    let disable_outbound_snat = properties.or("disableOutboundSnat", false, Field::boolean);
    let idle_timeout_minutes = read_idle_timeout(properties);
    let enable_floating_ip = properties.or("enableFloatingIP", false, Field::boolean);
    let tracking = properties.or("enableConnectionTracking", false, Field::boolean);
    let (protocol, frontend_port, backend_port) = ports?;
    let rule = RuleDraft {
        name: resource.name.clone(),
        frontend: frontend?,
        pool: pool?,
        probe: probe?,
        protocol,
        frontend_port,
        backend_port,
        idle_timeout_minutes: idle_timeout_minutes?,
        enable_tcp_reset: enable_tcp_reset?,
        load_distribution: load_distribution?,
        disable_outbound_snat: disable_outbound_snat?,
        enable_floating_ip: enable_floating_ip?,
        enable_connection_tracking: tracking?,
    };
    let frontend = siblings.frontends.get(rule.frontend);
    let Some(frontend) = frontend.and_then(|frontend| frontend.meaning.as_ref()) else {
        return Some(rule);
    };
    Some(with_words_of_frontend(properties, rule, frontend))
}

/// The idle timeout of an inbound rule.
pub(super) fn read_idle_timeout(properties: &Object<'_>) -> Option<u32> {
    properties.or("idleTimeoutInMinutes", 4, |field| {
        field.integer(4..=LOAD_BALANCING_IDLE_TIMEOUT_MINUTES_MAX)
    })
}

/// Whether silent flows are reset, which Basic cannot.
pub(super) fn read_tcp_reset(properties: &Object<'_>, sku: Sku) -> Option<bool> {
    let enabled = properties.or("enableTcpReset", false, Field::boolean)?;
    if enabled {
        require_standard(sku, properties, "enableTcpReset", "TCP reset");
    }
    Some(enabled)
}

/// The pool, which Azure lets one write as `backendAddressPool`, as a list, or (when it answers)
/// as both.
fn read_pool(properties: &Object<'_>, siblings: &Siblings<'_, '_>) -> Option<usize> {
    let listed = properties.list("backendAddressPools");
    let single = if listed.is_empty() {
        Some(properties.required("backendAddressPool")?)
    } else {
        properties.optional("backendAddressPool")
    };
    let pools: Vec<_> =
        single.iter().chain(&listed).map(|field| siblings.resolve_pool(field)).collect();
    let pools: Option<Vec<usize>> = pools.into_iter().collect();
    let pools = pools?;
    let first = *pools.first()?;
    if siblings.sku != Sku::Gateway && pools.iter().any(|pool| *pool != first) {
        properties.error_at(
            "backendAddressPools",
            "SeveralPoolsRequireGatewaySku",
            "Only rules of gateway load balancers have several pools. Keep one pool.",
        );
        return None;
    }
    Some(first)
}

/// Protocol and ports; rule V5 when one of them is that of HA ports.
fn read_ports(properties: &Object<'_>) -> Option<(RuleProtocol, u16, u16)> {
    let protocol = properties.required("protocol").and_then(|field| {
        field.choice(&[
            ("Tcp", RuleProtocol::Tcp),
            ("Udp", RuleProtocol::Udp),
            ("All", RuleProtocol::All),
            ("Quic", RuleProtocol::Quic),
        ])
    });
    let frontend =
        properties.required("frontendPort").and_then(|field| field.integer(0..=u16::MAX - 1));
    let backend = properties.required("backendPort").and_then(|field| field.integer(0..=u16::MAX));
    let (protocol, frontend, backend) = (protocol?, frontend?, backend?);
    let parts = [
        ("protocol", protocol == RuleProtocol::All),
        ("frontendPort", frontend == 0),
        ("backendPort", backend == 0),
    ];
    let of_ha_ports = parts.iter().filter(|(_, is)| *is).count();
    if let (1 | 2, Some((name, _))) = (of_ha_ports, parts.iter().find(|(_, is)| !*is)) {
        properties.error_at(
            name,
            "InvalidHaPortsRule",
            "HA ports are protocol All with `frontendPort` 0 and `backendPort` 0. Write all three, \
             or one rule per protocol and port.",
        );
        return None;
    }
    Some((protocol, frontend, backend))
}

fn read_distribution(properties: &Object<'_>) -> Option<LoadDistribution> {
    properties.or("loadDistribution", LoadDistribution::Default, |field| {
        field.choice(&[
            ("Default", LoadDistribution::Default),
            ("SourceIP", LoadDistribution::SourceIp),
            ("SourceIPProtocol", LoadDistribution::SourceIpProtocol),
        ])
    })
}

/// For inbound flows the idle timeout of the public IP address wins over the rule's
/// (behaviour.md §5), and the frontend's tracking of UDP over the rule's (§1.3).
fn with_words_of_frontend(
    properties: &Object<'_>,
    mut rule: RuleDraft,
    frontend: &FrontendDraft,
) -> RuleDraft {
    if let Some(tracking) = frontend.enable_connection_tracking {
        rule.enable_connection_tracking = tracking;
    }
    let written = frontend.idle_timeout_minutes;
    if let Some(minutes) = written.filter(|minutes| *minutes != rule.idle_timeout_minutes) {
        properties.warning_at(
            "idleTimeoutInMinutes",
            "PublicIPAddressIdleTimeoutWins",
            format!(
                "The public IP address of the frontend says {minutes} minutes, which wins over \
                 the rule's {}. Write the same in both.",
                rule.idle_timeout_minutes
            ),
        );
        rule.idle_timeout_minutes = minutes;
    }
    rule
}

impl<'a> Siblings<'_, 'a> {
    /// The frontend that a rule names.
    pub(super) fn frontend(&self, properties: &Object<'a>) -> Option<usize> {
        reference::required(
            properties,
            "frontendIPConfiguration",
            &child_of(self.name, "frontendIPConfigurations"),
            names(self.frontends),
        )
    }

    /// The pool that a reference names.
    pub(super) fn resolve_pool(&self, field: &Field<'_>) -> Option<usize> {
        let target = child_of(self.name, "backendAddressPools");
        Reference::read(field)?.resolve(&target, names(self.pools))
    }

    /// The pool at a position, if it could be read.
    pub(super) fn pool(&self, position: usize) -> Option<&PoolDraft<'a>> {
        self.pools.get(position)?.meaning.as_ref()
    }
}
