//! Does every address belong to one owner: a frontend, a member or the appliance?
//!
//! Not here: whether an address is one at all (`config::address`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use crate::config::appliance::{Port, own_addresses};
use crate::config::load_balancer::{Draft, FrontendDraft, PoolDraft};
use crate::config::resource::Written;
use crate::limits::MEMBERS_MAX;
use crate::units::Prefix;

/// Checks all addresses of load balancers; returns those of their frontends.
pub(super) fn validate<'d>(load_balancers: &'d [Draft<'_>], ports: &[Port]) -> Owned<'d> {
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
    frontends
}

/// The addresses that frontends own: single ones, and those of prefixes.
#[derive(Default)]
pub(super) struct Owned<'d> {
    /// By their first address. They do not overlap.
    prefixes: BTreeMap<IpAddr, (Prefix, &'d str)>,
}

impl<'d> Owned<'d> {
    /// The frontend that owns an address.
    pub(super) fn by(&self, address: IpAddr) -> Option<&'d str> {
        let (_, (prefix, name)) = self.prefixes.range(..=address).next_back()?;
        prefix.contains(address.into()).then_some(*name)
    }

    /// The first address of a prefix that some frontend owns already, with that frontend.
    fn first_of(&self, prefix: Prefix) -> Option<(IpAddr, &'d str)> {
        let first = prefix.address.to_ip();
        if let Some(name) = self.by(first) {
            return Some((first, name));
        }
        let (address, (_, name)) = self.prefixes.range(first..).next()?;
        prefix.contains((*address).into()).then_some((*address, *name))
    }
}

/// What a frontend owns: an address, or every address of its prefix (behaviour.md §1.3).
fn owned_by(frontend: &FrontendDraft) -> Option<Prefix> {
    let single = |address: IpAddr| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Prefix::new(address, bits)
    };
    frontend.prefix.or_else(|| single(frontend.address?))
}

/// Checks frontends and returns what they own.
fn check_frontends<'d>(load_balancers: &'d [Draft<'_>], own: &HashSet<IpAddr>) -> Owned<'d> {
    let mut owned = Owned::default();
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
            let Some(prefix) = owned_by(frontend) else { continue };
            if let Some(address) = own.iter().filter(|own| prefix.contains((**own).into())).min() {
                error(
                    "FrontendIsOwnAddress",
                    format!("{address} is the appliance's own address. Choose another one."),
                );
            }
            if let Some((address, first)) = owned.first_of(prefix) {
                error(
                    "DuplicateFrontendAddress",
                    format!("{address} is an address of frontend `{first}`. Let rules share it."),
                );
            } else {
                let name = written.resource.name.as_str();
                owned.prefixes.insert(prefix.address.to_ip(), (prefix, name));
            }
        }
    }
    owned
}

/// Checks the members of a pool and adds their addresses to those known.
fn check_members(
    pool: &Written<'_, PoolDraft<'_>>,
    frontends: &Owned<'_>,
    own: &HashSet<IpAddr>,
    members: &mut HashSet<IpAddr>,
) {
    let mut in_pool: HashMap<IpAddr, &str> = HashMap::new();
    for draft in pool.meaning.iter().flat_map(|pool| &pool.members) {
        let Some(member) = &draft.meaning else { continue };
        let address = member.address;
        let error = |code, message| draft.place.error(code, message);
        if let Some(frontend) = frontends.by(address) {
            error(
                "MemberIsFrontend",
                format!("{address} is an address of frontend `{frontend}`. Give a server's."),
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
