//! What does a `Microsoft.Network/loadBalancers` resource mean (behaviour.md §1.2)?
//!
//! Not here: rules that span several objects (`validate`), what cannot be applied (`supported`).

mod frontend;
mod inbound_nat;
mod outbound_extensions;
mod outbound_rule;
mod pool;
mod probe;
mod rule;
mod sku;
mod transport;

pub use frontend::Frontend;
pub(super) use frontend::{FrontendDraft, Source};
pub(super) use inbound_nat::InboundNatDraft;
pub use inbound_nat::{
    InboundNatPool, InboundNatRule, InboundNatRulePortMapping, InboundNatTarget,
};
pub use outbound_extensions::OutboundExtensions;
pub use outbound_rule::OutboundRule;
pub use pool::{AdminState, Member, Pool};
pub(super) use pool::{MemberDraft, PoolDraft};
pub(super) use probe::ProbeDraft;
pub use probe::{NoHealthyBackends, Probe, ProbeProtocol};
pub use rule::{HaPortsRule, LoadBalancingRule, LoadDistribution};
pub(super) use rule::{RuleDraft, RuleProtocol};
pub use sku::Sku;
pub(super) use sku::{Tier, read_public as read_public_sku};
pub use transport::TransportProtocol;

use super::arm::Object;
use super::network_interface::Directory;
use super::public_address::PublicAddress;
use super::public_prefix::PublicPrefix;
use super::reference::{Index, Target};
use super::resource::{Resource, Written, children};
use super::virtual_network::NetworkDraft;

/// One load balancer: frontends, pools, and the rules between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its name, unique without regard to case.
    pub name: String,
    /// Standard or Basic.
    pub sku: Sku,
    /// Addresses that clients talk to, or that members are translated to.
    pub frontends: Vec<Frontend>,
    /// Groups of members.
    pub pools: Vec<Pool>,
    /// Health probes. One without a rule never runs (behaviour.md §3.1).
    pub probes: Vec<Probe>,
    /// Inbound rules for one port.
    pub rules: Vec<LoadBalancingRule>,
    /// Inbound rules for all ports.
    pub ha_ports_rules: Vec<HaPortsRule>,
    /// Ports that lead to single members.
    pub inbound_nat_rules: Vec<InboundNatRule>,
    /// Ports that are dealt to the instances of scale sets.
    pub inbound_nat_pools: Vec<InboundNatPool>,
    /// Outbound rules.
    pub outbound_rules: Vec<OutboundRule>,
}

/// A load balancer while it is checked: every object with the place it was written at.
pub(super) struct Draft<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) sku: Sku,
    pub(super) tier: Tier,
    pub(super) frontends: Vec<Written<'a, FrontendDraft>>,
    pub(super) pools: Vec<Written<'a, PoolDraft<'a>>>,
    pub(super) probes: Vec<Written<'a, ProbeDraft>>,
    pub(super) rules: Vec<Written<'a, RuleDraft>>,
    pub(super) inbound_nat_rules: Vec<Written<'a, InboundNatDraft>>,
    pub(super) inbound_nat_pools: Vec<Written<'a, InboundNatPool>>,
    pub(super) outbound_rules: Vec<Written<'a, OutboundRule>>,
}

/// The other resources of the document that a load balancer may refer to.
pub(super) struct Neighbourhood<'s, 'a> {
    pub(super) public_addresses: &'s [Written<'a, PublicAddress>],
    pub(super) public_prefixes: &'s [Written<'a, PublicPrefix>],
    pub(super) virtual_networks: &'s [Written<'a, NetworkDraft<'a>>],
    pub(super) subnets: &'s Index,
    pub(super) interfaces: &'s Directory<'s, 'a>,
}

/// What rules of a load balancer refer to.
struct Siblings<'s, 'a> {
    name: &'s str,
    sku: Sku,
    frontends: &'s [Written<'a, FrontendDraft>],
    pools: &'s [Written<'a, PoolDraft<'a>>],
}

impl<'a> Draft<'a> {
    /// Reads a load balancer.
    pub(super) fn read(resource: Resource<'a>, around: &Neighbourhood<'_, 'a>) -> Self {
        let (sku, tier) = sku::read(&resource.object);
        let properties = &resource.properties;
        let name = resource.name.as_str();
        let frontends = children(properties, "frontendIPConfigurations", |child| {
            frontend::read(child, sku, around)
        });
        let pools =
            children(properties, "backendAddressPools", |child| pool::read(child, name, around));
        let probes = children(properties, "probes", |child| probe::read(child, sku));
        let siblings = Siblings { name, sku, frontends: &frontends, pools: &pools };
        let rules = children(properties, "loadBalancingRules", |child| {
            rule::read(child, &siblings, &probes)
        });
        let inbound_nat_rules = children(properties, "inboundNatRules", |child| {
            inbound_nat::read_rule(child, &siblings, around)
        });
        let inbound_nat_pools = children(properties, "inboundNatPools", |child| {
            inbound_nat::read_pool(child, &siblings)
        });
        let outbound_rules =
            children(properties, "outboundRules", |child| outbound_rule::read(child, &siblings));
        properties.ignore(&["scope"]);
        resource.finish();
        Self {
            resource,
            sku,
            tier,
            frontends,
            pools,
            probes,
            rules,
            inbound_nat_rules,
            inbound_nat_pools,
            outbound_rules,
        }
    }

    /// The meaning of a draft in which no problem was found.
    pub(super) fn into_meaning(self) -> LoadBalancer {
        let pools = self.pools.into_iter().filter_map(|pool| {
            let draft = pool.meaning?;
            let members = draft.members.into_iter().filter_map(|member| member.meaning).collect();
            let drain_period_seconds = draft.drain_period_seconds;
            Some(Pool { name: pool.resource.name, members, drain_period_seconds })
        });
        let rules = meanings(self.rules);
        LoadBalancer {
            name: self.resource.name,
            sku: self.sku,
            frontends: meanings(self.frontends)
                .into_iter()
                .filter_map(FrontendDraft::into_meaning)
                .collect(),
            pools: pools.collect(),
            probes: meanings(self.probes).into_iter().map(|draft| draft.probe).collect(),
            rules: rules.iter().filter_map(RuleDraft::meaning).collect(),
            ha_ports_rules: rules.iter().filter_map(RuleDraft::ha_ports).collect(),
            inbound_nat_rules: meanings(self.inbound_nat_rules)
                .into_iter()
                .map(|draft| draft.rule)
                .collect(),
            inbound_nat_pools: meanings(self.inbound_nat_pools),
            outbound_rules: meanings(self.outbound_rules),
        }
    }
}

fn meanings<T>(written: Vec<Written<'_, T>>) -> Vec<T> {
    written.into_iter().filter_map(|child| child.meaning).collect()
}

/// A child collection of the load balancer `owner`.
fn child_of<'t>(owner: &'t str, kind: &'static str) -> Target<'t> {
    Target { kind, parent: Some(("loadBalancers", owner)) }
}

/// Refuses what only Standard has.
pub(super) fn require_standard(sku: Sku, object: &Object<'_>, name: &'static str, what: &str) {
    if sku == Sku::Basic {
        object.error_at(
            name,
            "StandardSkuRequired",
            format!("{what} needs SKU Standard. Write \"sku\": {{\"name\": \"Standard\"}}."),
        );
    }
}
