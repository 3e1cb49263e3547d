//! What does a `Microsoft.Network/loadBalancers` resource mean (behaviour.md §1.2)?
//!
//! Not here: rules that span several objects (`validate`).

mod frontend;
mod outbound_rule;
mod pool;
mod probe;
mod rule;

pub use frontend::Frontend;
pub(super) use frontend::FrontendDraft;
pub use outbound_rule::{OutboundProtocol, OutboundRule};
pub(super) use pool::PoolDraft;
pub use pool::{AdminState, Member, Pool};
pub use probe::{NoHealthyBackends, Probe, ProbeProtocol};
pub use rule::{LoadBalancingRule, LoadDistribution};

use super::arm::{Field, Object};
use super::public_address::PublicAddress;
use super::reference::Target;
use super::resource::{Resource, Written, children};
use super::virtual_network::VirtualNetwork;
use crate::limits::PROBES_MAX;

/// The generation of Azure's service that a load balancer behaves as (behaviour.md §1.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sku {
    /// TCP flows survive when all members are down; outbound rules and TCP reset exist.
    Standard,
    /// TCP flows end when all members are down; no outbound rules, no TCP reset.
    Basic,
}

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
    /// Inbound rules.
    pub rules: Vec<LoadBalancingRule>,
    /// Outbound rules.
    pub outbound_rules: Vec<OutboundRule>,
}

/// A load balancer while it is checked: every object with the place it was written at.
pub(super) struct Draft<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) sku: Sku,
    pub(super) frontends: Vec<Written<'a, FrontendDraft>>,
    pub(super) pools: Vec<Written<'a, PoolDraft<'a>>>,
    pub(super) probes: Vec<Written<'a, Probe>>,
    pub(super) rules: Vec<Written<'a, LoadBalancingRule>>,
    pub(super) outbound_rules: Vec<Written<'a, OutboundRule>>,
}

/// The other resources of the document that a load balancer may refer to.
pub(super) struct Neighbourhood<'s, 'a> {
    pub(super) public_addresses: &'s [Written<'a, PublicAddress>],
    pub(super) virtual_networks: &'s [Written<'a, VirtualNetwork>],
}

impl<'a> Draft<'a> {
    /// Reads a load balancer.
    pub(super) fn read(resource: Resource<'a>, around: &Neighbourhood<'_, 'a>) -> Self {
        let sku = read_sku(&resource.object);
        let properties = &resource.properties;
        refuse_nat(properties);
        let name = resource.name.as_str();
        let frontends = children(properties, "frontendIPConfigurations", |child| {
            frontend::read(child, sku, around)
        });
        let pools = children(properties, "backendAddressPools", |child| pool::read(child, around));
        let probes = children(properties, "probes", probe::read);
        let siblings = rule::Siblings { name, sku, frontends: &frontends, pools: &pools };
        let rules = children(properties, "loadBalancingRules", |child| {
            rule::read(child, &siblings, &probes)
        });
        let outbound_rules =
            children(properties, "outboundRules", |child| outbound_rule::read(child, &siblings));
        if !outbound_rules.is_empty() {
            require_standard(sku, properties, "outboundRules", "An outbound rule");
        }
        if probes.len() > PROBES_MAX {
            let message = format!("More than {PROBES_MAX} probes. Let rules share probes.");
            properties.error_at("probes", "LimitExceeded", message);
        }
        resource.finish();
        Self { resource, sku, frontends, pools, probes, rules, outbound_rules }
    }

    /// The meaning of a draft in which no problem was found.
    pub(super) fn into_meaning(self) -> LoadBalancer {
        fn meanings<T>(written: Vec<Written<'_, T>>) -> Vec<T> {
            written.into_iter().filter_map(|child| child.meaning).collect()
        }
        let pools = self.pools.into_iter().filter_map(|pool| {
            let members = meanings(pool.meaning?.members);
            Some(Pool { name: pool.resource.name, members })
        });
        let frontends = meanings(self.frontends).into_iter();
        LoadBalancer {
            name: self.resource.name,
            sku: self.sku,
            frontends: frontends.map(|draft| draft.frontend).collect(),
            pools: pools.collect(),
            probes: meanings(self.probes),
            rules: meanings(self.rules),
            outbound_rules: meanings(self.outbound_rules),
        }
    }
}

/// A child collection of the load balancer `owner`.
fn child_of<'t>(owner: &'t str, kind: &'static str) -> Target<'t> {
    Target { kind, parent: Some(("loadBalancers", owner)) }
}

/// Azure's SKU; Basic when none is named (behaviour.md §1.2). After a problem Standard is assumed,
/// which refuses less.
fn read_sku(object: &Object<'_>) -> Sku {
    let sku = object.object("sku");
    let name = sku.or("name", Sku::Basic, |field| {
        field.choice_or_not_yet(
            &[("Standard", Sku::Standard), ("Basic", Sku::Basic)],
            &[("Gateway", "Gateway load balancers are not in this version. Use Standard.")],
        )
    });
    read_tier(&sku);
    sku.finish();
    name.unwrap_or(Sku::Standard)
}

/// The tier of a SKU, of which this version knows one.
pub(super) fn read_tier(sku: &Object<'_>) {
    sku.maybe("tier", |field: &Field<'_>| {
        field.choice_or_not_yet(
            &[("Regional", ())],
            &[("Global", "The Global tier is not in this version. Use Regional.")],
        )
    });
}

fn refuse_nat(properties: &Object<'_>) {
    for name in ["inboundNatRules", "inboundNatPools"] {
        properties.not_yet_supported(
            name,
            "Inbound NAT is not in this version. Remove it, or write one load-balancing rule and \
             one pool per member.",
        );
    }
}

/// Refuses what only Standard has.
fn require_standard(sku: Sku, object: &Object<'_>, name: &'static str, what: &str) {
    if sku == Sku::Basic {
        object.error_at(
            name,
            "StandardSkuRequired",
            format!("{what} needs SKU Standard. Write \"sku\": {{\"name\": \"Standard\"}}."),
        );
    }
}
