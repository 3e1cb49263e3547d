//! Do frontends and members of a rule speak the same IP, in the same virtual network?
//!
//! Not here: whether this version forwards IPv6 (`supported`).

use std::collections::BTreeSet;

use super::{members_of, readable};
use crate::config::address::IpVersion;
use crate::config::arm::Object;
use crate::config::load_balancer::{Draft, InboundNatTarget};

/// Checks all rules.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        for (written, rule) in readable(draft) {
            let place = &written.resource.properties;
            refuse_translation_between(draft, rule.frontend, rule.pool, place);
        }
        for written in &draft.outbound_rules {
            let Some(rule) = &written.meaning else { continue };
            let place = &written.resource.properties;
            refuse_translation_between(draft, rule.frontend, rule.pool, place);
        }
        for written in &draft.inbound_nat_rules {
            let Some(nat) = &written.meaning else { continue };
            let place = &written.resource.properties;
            if let InboundNatTarget::Pool { pool, .. } = nat.rule.target {
                refuse_translation_between(draft, nat.rule.frontend, pool, place);
            }
        }
        refuse_several_networks(draft);
    }
}

/// Nothing translates between IPv4 and IPv6 (behaviour.md §10).
fn refuse_translation_between(
    draft: &Draft<'_>,
    frontend: usize,
    pool: usize,
    properties: &Object<'_>,
) {
    let frontend = draft.frontends.get(frontend).and_then(|frontend| frontend.meaning.as_ref());
    let Some(frontend) = frontend else { return };
    let mut members = members_of(draft, pool);
    let other = members.find(|member| IpVersion::of(member.address) != frontend.version);
    if let Some(member) = other {
        properties.error_at(
            "backendAddressPool",
            "DifferentAddressFamilies",
            format!(
                "The frontend is {} and member `{}` has {}. Write a pool and a rule for each \
                 version.",
                frontend.version, member.name, member.address
            ),
        );
    }
}

/// All frontends and members of a load balancer are in one virtual network (behaviour.md §1.4).
fn refuse_several_networks(draft: &Draft<'_>) {
    let frontends = draft.frontends.iter().filter_map(|it| it.meaning.as_ref()?.network);
    let pools = draft.pools.iter().filter_map(|pool| pool.meaning.as_ref());
    let members = pools.flat_map(|pool| pool.networks.iter().copied());
    let networks: BTreeSet<usize> = frontends.chain(members).collect();
    if networks.len() > 1 {
        draft.resource.properties.error_at(
            "backendAddressPools",
            "LoadBalancerSpansVirtualNetworks",
            format!(
                "Frontends and members of this load balancer are in {} virtual networks. Keep \
                 them in one.",
                networks.len()
            ),
        );
    }
}
