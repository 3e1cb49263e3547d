//! Do network interfaces and load balancers agree (behaviour.md §1.4; §1.10, V16, V18, V27)?
//!
//! Not here: outbound rules of interfaces (`outbound`), members by address (`addresses`), public
//! addresses of interfaces (`instances`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{is_public, member_drafts, readable};
use crate::config::arm::Place;
use crate::config::load_balancer::{Draft, InboundNatTarget};
use crate::config::network_interface::{Attached, Directory};
use crate::config::reference::Index;
use crate::config::resources::Resources;
use crate::limits::RULES_PER_INTERFACE_MAX;

/// Checks all interfaces.
pub(super) fn validate(resources: &Resources<'_>) {
    let directory = Directory::new(&resources.interfaces);
    refuse_memberships_of_nothing(resources);
    for draft in &resources.load_balancers {
        refuse_mixed_pools(draft);
        refuse_floating_ip_on_others(draft, &directory);
    }
    refuse_several_of_one_type(&resources.load_balancers, &directory);
    refuse_too_many_rules(&resources.load_balancers, &directory);
}

/// What an interface joins is there.
fn refuse_memberships_of_nothing(resources: &Resources<'_>) {
    let load_balancers = &resources.load_balancers;
    let pools = load_balancers.iter().flat_map(|draft| {
        let pools = draft.pools.iter().map(|pool| pool.resource.name.as_str());
        pools.map(|pool| (draft.resource.name.as_str(), pool))
    });
    let pools = Index::new("loadBalancers", "backendAddressPools", pools);
    let rules = load_balancers.iter().flat_map(|draft| {
        let rules = draft.inbound_nat_rules.iter().map(|rule| rule.resource.name.as_str());
        rules.map(|rule| (draft.resource.name.as_str(), rule))
    });
    let rules = Index::new("loadBalancers", "inboundNatRules", rules);
    let interfaces = resources.interfaces.iter().filter_map(|it| it.meaning.as_ref());
    let configurations = interfaces.flat_map(|interface| &interface.configurations);
    for configuration in configurations.filter_map(|written| written.meaning.as_ref()) {
        for membership in &configuration.pools {
            pools.resolve(&membership.reference);
        }
        for membership in &configuration.nat_rules {
            rules.resolve(&membership.reference);
        }
    }
}

/// The members of a pool are addresses or interfaces, not both.
fn refuse_mixed_pools(draft: &Draft<'_>) {
    for pool in &draft.pools {
        let members = pool.meaning.iter().flat_map(|pool| &pool.members);
        let kinds: BTreeSet<bool> =
            members.filter_map(|it| it.meaning.as_ref()).map(|it| it.by_interface).collect();
        if kinds.len() > 1 {
            pool.resource.properties.error_at(
                "loadBalancerBackendAddresses",
                "PoolMixesAddressesAndInterfaces",
                "The members of a pool are addresses or network interfaces. Write two pools.",
            );
        }
    }
}

/// Rule V27: on internal load balancers only an interface's first address, and IPv4, can float.
fn refuse_floating_ip_on_others(draft: &Draft<'_>, directory: &Directory<'_, '_>) {
    if is_public(draft) != Some(false) {
        return;
    }
    for (written, rule) in readable(draft).filter(|(_, rule)| rule.enable_floating_ip) {
        let properties = &written.resource.properties;
        let members = || member_drafts(draft, rule.pool);
        let attached = members().filter_map(|member| directory.all.get(member.attached?));
        let second = attached.into_iter().find(|one| !one.primary);
        if let Some(second) = second {
            properties.error_at(
                "enableFloatingIP",
                "FloatingIPRequiresPrimaryIPConfiguration",
                format!(
                    "`{}` of interface `{}` is not its first address, and only that can be reached \
                     by floating IP of an internal load balancer. Set it to false.",
                    second.configuration.resource.name, second.interface.resource.name
                ),
            );
        }
        let is_v6 = |address: std::net::IpAddr| address.is_ipv6();
        if members().any(|member| member.meaning.as_ref().is_some_and(|it| is_v6(it.address))) {
            properties.error_at(
                "enableFloatingIP",
                "FloatingIPNotAllowedForInternalIPv6",
                "Internal load balancers have no floating IP for IPv6. Set it to false.",
            );
        }
    }
}

/// The interfaces behind each load balancer, with the position of each in the directory.
fn attached_to<'s, 'a>(draft: &Draft<'_>, directory: &Directory<'s, 'a>) -> Vec<Attached<'s, 'a>> {
    let pools = draft.pools.iter().filter_map(|pool| pool.meaning.as_ref());
    let members = pools.flat_map(|pool| &pool.members).filter_map(|member| member.attached);
    let targets = draft.inbound_nat_rules.iter().filter_map(|it| it.meaning.as_ref()?.attached);
    members.chain(targets).filter_map(|position| directory.all.get(position).copied()).collect()
}

/// Rule V18, for each interface: one public and one internal load balancer.
fn refuse_several_of_one_type(load_balancers: &[Draft<'_>], directory: &Directory<'_, '_>) {
    let mut known: HashMap<(usize, bool), (usize, &str)> = HashMap::new();
    for (position, draft) in load_balancers.iter().enumerate() {
        let Some(public) = is_public(draft) else { continue };
        for one in attached_to(draft, directory) {
            let name = &one.interface.resource.name;
            let own = (position, draft.resource.name.as_str());
            let (first, first_name) = *known.entry((one.number, public)).or_insert(own);
            if first == position {
                continue;
            }
            let (code, kind) = if public {
                ("AnotherPublicLoadBalancerExists", "public")
            } else {
                ("AnotherInternalLoadBalancerExists", "internal")
            };
            one.configuration.resource.properties.error_at(
                "loadBalancerBackendAddressPools",
                code,
                format!(
                    "Interface `{name}` is behind {kind} load balancer `{first_name}` and behind \
                     `{}`. Keep one of each type.",
                    draft.resource.name
                ),
            );
        }
    }
}

/// Rule V16.
fn refuse_too_many_rules(load_balancers: &[Draft<'_>], directory: &Directory<'_, '_>) {
    let mut counts: BTreeMap<usize, (usize, Place<'_>)> = BTreeMap::new();
    for draft in load_balancers {
        let pools = readable(draft).map(|(_, rule)| rule.pool);
        let outbound = draft.outbound_rules.iter().filter_map(|it| Some(it.meaning.as_ref()?.pool));
        let nat = draft.inbound_nat_rules.iter().filter_map(|it| it.meaning.as_ref());
        let nat_pools = nat.clone().filter_map(|nat| match nat.rule.target {
            InboundNatTarget::Pool { pool, .. } => Some(pool),
            InboundNatTarget::Member { .. } => None,
        });
        let of_pools = pools.chain(outbound).chain(nat_pools).flat_map(|pool| {
            let attached = member_drafts(draft, pool).filter_map(|member| member.attached);
            attached.collect::<BTreeSet<usize>>()
        });
        let single = nat.filter_map(|nat| nat.attached);
        for one in of_pools.chain(single).filter_map(|position| directory.all.get(position)) {
            let place = || (0, one.interface.resource.object.place_of("name"));
            counts.entry(one.number).or_insert_with(place).0 += 1;
        }
    }
    for (count, place) in counts.into_values() {
        if count <= RULES_PER_INTERFACE_MAX {
            continue;
        }
        place.error(
            "LoadBalancerRuleCountLimitReachedForNic",
            format!(
                "{count} rules lead to this interface; at most {RULES_PER_INTERFACE_MAX} may. \
                 Spread the rules over several pools."
            ),
        );
    }
}
