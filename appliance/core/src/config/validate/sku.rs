//! Does a load balancer use only what its SKU has (behaviour.md §1.11)?
//!
//! Not here: single properties that Basic lacks (their files), sizes (`limits`).

use crate::config::load_balancer::{Draft, require_standard};

/// Checks all load balancers.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        let properties = &draft.resource.properties;
        if !draft.outbound_rules.is_empty() {
            require_standard(draft.sku, properties, "outboundRules", "An outbound rule");
        }
        refuse_members_by_address(draft);
        refuse_children_without_frontend(draft);
    }
}

/// Basic knows members by network interface only.
fn refuse_members_by_address(draft: &Draft<'_>) {
    for pool in &draft.pools {
        let members = pool.meaning.iter().flat_map(|pool| &pool.members);
        let mut known = members.filter_map(|member| member.meaning.as_ref());
        if known.any(|member| !member.by_interface) {
            let properties = &pool.resource.properties;
            let what = "A pool of addresses";
            require_standard(draft.sku, properties, "loadBalancerBackendAddresses", what);
        }
    }
}

/// Rule V15.
fn refuse_children_without_frontend(draft: &Draft<'_>) {
    let children = draft.pools.len()
        + draft.probes.len()
        + draft.rules.len()
        + draft.inbound_nat_rules.len()
        + draft.inbound_nat_pools.len()
        + draft.outbound_rules.len();
    if draft.frontends.is_empty() && children > 0 {
        draft.resource.properties.error_at(
            "frontendIPConfigurations",
            "LoadBalancerWithoutFrontendIPCantHaveChildResources",
            "A load balancer without frontend has no pools, probes or rules. Add a frontend.",
        );
    }
}
