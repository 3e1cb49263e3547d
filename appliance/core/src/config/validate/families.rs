//! Do frontends and members of a rule speak the same IP, in the same virtual network?
//!
//! Not here: whether this version forwards IPv6 (`supported`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{members_of, readable};
use crate::config::address::IpVersion;
use crate::config::arm::Object;
use crate::config::load_balancer::{Draft, InboundNatTarget};

/// Checks all rules. `compile` relies on it.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        for (written, rule) in readable(draft) {
            let place = &written.resource.properties;
            refuse_translation_between(draft, &[rule.frontend], rule.pool, place);
        }
        for written in &draft.outbound_rules {
            let Some(rule) = &written.meaning else { continue };
            let place = &written.resource.properties;
            let frontends = &rule.frontends;
            refuse_translation_between(draft, frontends, rule.pool, place);
        }
        for written in &draft.inbound_nat_rules {
            let Some(nat) = &written.meaning else { continue };
            let (place, frontend) = (&written.resource.properties, nat.rule.frontend);
            match nat.rule.target {
                InboundNatTarget::Pool { pool, .. } => {
                    refuse_translation_between(draft, &[frontend], pool, place);
                }
                InboundNatTarget::Member { address, .. } => {
                    refuse_translation_to(draft, frontend, address, place);
                }
            }
        }
        refuse_several_networks(draft);
    }
}

/// Nothing translates between IPv4 and IPv6 (behaviour.md §10).
fn refuse_translation_between(
    draft: &Draft<'_>,
    frontends: &[usize],
    pool: usize,
    properties: &Object<'_>,
) {
    let mut versions = frontends.iter().filter_map(|frontend| version_of(draft, *frontend));
    let other = versions.find_map(|version| {
        let mut members = members_of(draft, pool);
        let member = members.find(|member| IpVersion::of(member.address) != version)?;
        Some((version, member))
    });
    if let Some((version, member)) = other {
        properties.error_at(
            "backendAddressPool",
            "DifferentAddressFamilies",
            format!(
                "The frontend is {version} and member `{}` has {}. Write a pool and a rule for \
                 each version.",
                member.name, member.address
            ),
        );
    }
}

/// The same of the one address that an inbound NAT rule leads to, if it leads to any.
fn refuse_translation_to(
    draft: &Draft<'_>,
    frontend: usize,
    address: Option<IpAddr>,
    properties: &Object<'_>,
) {
    let (Some(version), Some(address)) = (version_of(draft, frontend), address) else { return };
    if IpVersion::of(address) != version {
        properties.error_at(
            "frontendIPConfiguration",
            "DifferentAddressFamilies",
            format!(
                "The frontend is {version} and the interface behind this rule has {address}. \
                 Name a frontend of the same version."
            ),
        );
    }
}

fn version_of(draft: &Draft<'_>, frontend: usize) -> Option<IpVersion> {
    Some(draft.frontends.get(frontend)?.meaning.as_ref()?.version)
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
