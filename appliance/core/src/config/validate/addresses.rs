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
            let Some(meaning) = &written.meaning else { continue };
            let frontend = &meaning.frontend;
            let place = if frontend.public { "publicIPAddress" } else { "privateIPAddress" };
            let error = |code, message| {
                written.resource.properties.error_at(place, code, message);
            };
            let address = frontend.address;
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
            if *first_is_public.get_or_insert(frontend.public) != frontend.public {
                error(
                    "MixedPublicAndInternalFrontends",
                    "A load balancer is public or internal. Write two of them.".to_owned(),
                );
            }
        }
    }
    known
}

/// Checks the members of a pool and adds their addresses to those known.
fn check_members(
    pool: &Written<'_, PoolDraft<'_>>,
    frontends: &HashMap<IpAddr, &str>,
    own: &HashSet<IpAddr>,
    members: &mut HashSet<IpAddr>,
) {
    let mut in_pool: HashMap<IpAddr, &str> = HashMap::new();
    for written in pool.meaning.iter().flat_map(|pool| &pool.members) {
        let Some(member) = &written.meaning else { continue };
        let address = member.address;
        let error = |code, message| {
            written.resource.properties.error_at("ipAddress", code, message);
        };
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
