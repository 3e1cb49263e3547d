//! Does every address belong to one owner: a frontend, a member or the appliance?
//!
//! Not here: whether an address is one at all (`config::address`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::config::appliance::{Port, own_addresses};
use crate::config::load_balancer::{Draft, PoolDraft};
use crate::config::resource::Written;
use crate::limits::MEMBERS_MAX;

/// Checks all addresses.
pub(super) fn validate(load_balancers: &[Draft<'_>], ports: &[Port]) {
    let own: HashSet<IpAddr> = own_addresses(ports).collect();
    let frontends = check_frontends(load_balancers, &own);
    let mut members = HashSet::new();
    for draft in load_balancers {
        let fitted = members.len() <= MEMBERS_MAX;
        for pool in &draft.pools {
            check_members(pool, &frontends, &own, &mut members);
        }
        if fitted && members.len() > MEMBERS_MAX {
            draft.resource.properties.error_at(
                "backendAddressPools",
                "LimitExceeded",
                format!("At most {MEMBERS_MAX} different members fit. Remove some."),
            );
        }
    }
}

/// Checks frontends and returns their addresses with their names.
fn check_frontends<'d>(
    load_balancers: &'d [Draft<'_>],
    own: &HashSet<IpAddr>,
) -> HashMap<IpAddr, &'d str> {
    let mut known: HashMap<IpAddr, &str> = HashMap::new();
    for draft in load_balancers {
        let mut first_is_public = None;
        for written in &draft.frontends {
            let Some(frontend) = &written.meaning else { continue };
            let properties = &written.resource.properties;
            let error = |code, message| properties.error_at(frontend.property(), code, message);
            if *first_is_public.get_or_insert(frontend.public()) != frontend.public() {
                error(
                    "MixedPublicAndInternalFrontends",
                    "A load balancer is public or internal. Write two of them.".to_owned(),
                );
            }
            let Some(address) = frontend.address else { continue };
            if own.contains(&address) {
                error(
                    "FrontendIsOwnAddress",
                    format!("{address} is the appliance's own address. Choose another one."),
                );
            }
            if let Some(first) = known.get(&address) {
                error(
                    "DuplicateFrontendAddress",
                    format!("{address} is the address of frontend `{first}`. Let rules share it."),
                );
            } else {
                known.insert(address, &written.resource.name);
            }
        }
    }
    refuse_addresses_of_prefixes(load_balancers, &known);
    known
}

/// A frontend that owns a prefix owns every address of it (behaviour.md §1.3).
fn refuse_addresses_of_prefixes(load_balancers: &[Draft<'_>], known: &HashMap<IpAddr, &str>) {
    for written in load_balancers.iter().flat_map(|draft| &draft.frontends) {
        let Some(prefix) = written.meaning.as_ref().and_then(|frontend| frontend.prefix) else {
            continue;
        };
        let mut inside: Vec<_> =
            known.iter().filter(|(address, _)| prefix.contains((**address).into())).collect();
        inside.sort_unstable();
        if let Some((address, name)) = inside.first() {
            written.resource.properties.error_at(
                "publicIPPrefix",
                "DuplicateFrontendAddress",
                format!("{address} of {prefix} is the address of frontend `{name}`. Keep one."),
            );
        }
    }
}

/// Checks the members of a pool and adds their addresses to those known.
fn check_members(
    pool: &Written<'_, PoolDraft<'_>>,
    frontends: &HashMap<IpAddr, &str>,
    own: &HashSet<IpAddr>,
    members: &mut HashSet<IpAddr>,
) {
    let mut in_pool: HashMap<IpAddr, &str> = HashMap::new();
    for draft in pool.meaning.iter().flat_map(|pool| &pool.members) {
        let Some(member) = &draft.meaning else { continue };
        let address = member.address;
        let error = |code, message| draft.place.error(code, message);
        if let Some(frontend) = frontends.get(&address) {
            error(
                "MemberIsFrontend",
                format!("{address} is the address of frontend `{frontend}`. Give a server's."),
            );
        }
        if own.contains(&address) {
            error(
                "MemberIsOwnAddress",
                format!("{address} is the appliance's own address. Give a server's."),
            );
        }
        if let Some(first) = in_pool.get(&address) {
            error(
                "DuplicateMemberAddress",
                format!(
                    "{address} is in this pool as `{first}` already. Raise its weight instead."
                ),
            );
        } else {
            in_pool.insert(address, &member.name);
        }
        members.insert(address);
    }
}
