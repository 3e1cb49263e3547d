//! Which frontend port leads to which pool (behaviour.md §1.5)?
//!
//! Not here: whether rules collide (`validate::rules`).

use super::{FrontendDraft, PoolDraft, Probe, Sku, child_of, require_standard};
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
    /// Whether the rule leaves outbound flows alone. This version acts as if it were true.
    pub disable_outbound_snat: bool,
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

/// What rules of a load balancer refer to.
pub(super) struct Siblings<'s, 'a> {
    pub(super) name: &'s str,
    pub(super) sku: Sku,
    pub(super) frontends: &'s [Written<'a, FrontendDraft>],
    pub(super) pools: &'s [Written<'a, PoolDraft<'a>>],
}

const HA_PORTS: &str = "HA ports (protocol All, port 0) are not in this version. Write one rule \
                        per protocol and port.";

/// Reads one rule.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    siblings: &Siblings<'_, 'a>,
    probes: &[Written<'a, Probe>],
) -> Option<LoadBalancingRule> {
    let properties = &resource.properties;
    let frontend = reference::required(
        properties,
        "frontendIPConfiguration",
        &child_of(siblings.name, "frontendIPConfigurations"),
        names(siblings.frontends),
    );
    let pool = read_pool(properties, siblings);
    let probe = properties.maybe("probe", |field| {
        Reference::read(field)?.resolve(&child_of(siblings.name, "probes"), names(probes))
    });
    let protocol = properties.required("protocol").and_then(|field| read_protocol(&field));
    let frontend_port = read_port(properties, "frontendPort", u16::MAX - 1);
    let backend_port = read_port(properties, "backendPort", u16::MAX);
    let load_distribution = read_distribution(properties);
    let enable_tcp_reset = read_tcp_reset(properties, siblings.sku);
    let disable_outbound_snat = properties.or("disableOutboundSnat", false, Field::boolean);
    let idle_timeout_minutes = properties.or("idleTimeoutInMinutes", 4, |field| {
        field.integer(4..=LOAD_BALANCING_IDLE_TIMEOUT_MINUTES_MAX)
    });
    refuse_the_unsupported(properties);
    let rule = LoadBalancingRule {
        name: resource.name.clone(),
        frontend: frontend?,
        pool: pool?,
        probe: probe?,
        protocol: protocol?,
        frontend_port: frontend_port?,
        backend_port: backend_port?,
        idle_timeout_minutes: idle_timeout_minutes?,
        enable_tcp_reset: enable_tcp_reset?,
        load_distribution: load_distribution?,
        disable_outbound_snat: disable_outbound_snat?,
    };
    let frontend = siblings.frontends.get(rule.frontend);
    let Some(frontend) = frontend.and_then(|frontend| frontend.meaning.as_ref()) else {
        return Some(rule);
    };
    warn_of_missing_snat(properties, &rule, frontend);
    Some(with_timeout_of_public_address(properties, rule, frontend))
}

fn refuse_the_unsupported(properties: &Object<'_>) {
    properties.not_yet_supported(
        "enableFloatingIP",
        "Floating IP is not in this version. Set it to false.",
    );
    properties.not_yet_supported(
        "enableConnectionTracking",
        "Tracking of UDP connections is not in this version. Set it to false.",
    );
}

/// The pool, which Azure lets one write as `backendAddressPool`, as a list, or (when it answers)
/// as both.
fn read_pool(properties: &Object<'_>, siblings: &Siblings<'_, '_>) -> Option<usize> {
    let target = child_of(siblings.name, "backendAddressPools");
    let listed = properties.list("backendAddressPools");
    let single = if listed.is_empty() {
        Some(properties.required("backendAddressPool")?)
    } else {
        properties.optional("backendAddressPool")
    };
    let resolve =
        |field: &Field<'_>| Reference::read(field)?.resolve(&target, names(siblings.pools));
    let pools: Vec<_> = single.iter().chain(&listed).map(resolve).collect();
    let pools: Option<Vec<usize>> = pools.into_iter().collect();
    let pools = pools?;
    let first = *pools.first()?;
    if pools.iter().any(|pool| *pool != first) {
        properties.error_at(
            "backendAddressPools",
            "NotYetSupportedByWeir",
            "Rules with several pools are not in this version. Keep one pool.",
        );
        return None;
    }
    Some(first)
}

fn read_protocol(field: &Field<'_>) -> Option<Transport> {
    field.choice_or_not_yet(
        &[("Tcp", Transport::Tcp), ("Udp", Transport::Udp)],
        &[("All", HA_PORTS), ("Quic", "The protocol Quic is not in this version. Use Udp.")],
    )
}

fn read_port(properties: &Object<'_>, name: &'static str, last: u16) -> Option<u16> {
    let field = properties.required(name)?;
    if field.number() == Some(0) {
        field.not_yet_supported(HA_PORTS);
        return None;
    }
    field.integer(1..=last)
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

fn read_tcp_reset(properties: &Object<'_>, sku: Sku) -> Option<bool> {
    let enabled = properties.or("enableTcpReset", false, Field::boolean)?;
    if enabled {
        require_standard(sku, properties, "enableTcpReset", "TCP reset");
    }
    Some(enabled)
}

fn warn_of_missing_snat(
    properties: &Object<'_>,
    rule: &LoadBalancingRule,
    frontend: &FrontendDraft,
) {
    if !rule.disable_outbound_snat && frontend.frontend.public {
        properties.warning_at(
            "disableOutboundSnat",
            "ImplicitOutboundSnatNotProgrammed",
            "In Azure this rule would also translate the pool's outbound flows; this version does \
             that for outbound rules only. Set `disableOutboundSnat` to true, and write an \
             outbound rule if the pool needs one.",
        );
    }
}

/// For inbound flows the idle timeout of the public IP address wins over the rule's
/// (behaviour.md §5).
fn with_timeout_of_public_address(
    properties: &Object<'_>,
    rule: LoadBalancingRule,
    frontend: &FrontendDraft,
) -> LoadBalancingRule {
    let written = frontend.idle_timeout_minutes;
    let Some(minutes) = written.filter(|minutes| *minutes != rule.idle_timeout_minutes) else {
        return rule;
    };
    properties.warning_at(
        "idleTimeoutInMinutes",
        "PublicIPAddressIdleTimeoutWins",
        format!(
            "The public IP address of the frontend says {minutes} minutes, which wins over the \
             rule's {}. Write the same in both.",
            rule.idle_timeout_minutes
        ),
    );
    LoadBalancingRule { idle_timeout_minutes: minutes, ..rule }
}
