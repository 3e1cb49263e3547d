//! Do the objects of a configuration agree with each other (behaviour.md §1.10)?
//!
//! Not here: rules about one object alone (the file of that object), what is right and cannot be
//! applied yet (`supported`).

mod addresses;
mod families;
mod frontend_ports;
mod ha_ports;
mod instances;
mod interfaces;
mod limits;
mod outbound;
mod outbound_ports;
mod rules;
mod sku;

use std::collections::BTreeSet;

use super::appliance::Port;
use super::arm::Place;
use super::load_balancer::{Draft, Member, MemberDraft, OutboundRule, RuleDraft};
use super::resource::Written;
use super::resources::Resources;

/// Finds every problem between objects that could be read.
///
/// Returns the places of rules that share a member's port with a rule of a load balancer of the
/// other type, which Azure allows.
pub(super) fn validate<'a>(resources: &Resources<'a>, ports: &[Port]) -> Vec<Place<'a>> {
    let load_balancers = &resources.load_balancers;
    limits::validate(load_balancers);
    sku::validate(load_balancers);
    let frontends = addresses::validate(load_balancers, ports);
    instances::validate(resources, &frontends, ports);
    families::validate(load_balancers);
    frontend_ports::validate(load_balancers);
    outbound::validate(resources);
    outbound_ports::validate(resources);
    interfaces::validate(resources);
    if !limits::members_fit(load_balancers) {
        return Vec::new();
    }
    ha_ports::validate(load_balancers);
    rules::validate(load_balancers)
}

/// The load-balancing rules that could be read, each with its place.
fn readable<'d, 'a>(
    draft: &'d Draft<'a>,
) -> impl Iterator<Item = (&'d Written<'a, RuleDraft>, &'d RuleDraft)> {
    draft.rules.iter().filter_map(|written| Some((written, written.meaning.as_ref()?)))
}

/// The outbound rules that could be read, each with its place.
fn readable_outbound<'d, 'a>(
    draft: &'d Draft<'a>,
) -> impl Iterator<Item = (&'d Written<'a, OutboundRule>, &'d OutboundRule)> {
    draft.outbound_rules.iter().filter_map(|written| Some((written, written.meaning.as_ref()?)))
}

/// The members of a pool with their places.
fn member_drafts<'d, 'a>(
    draft: &'d Draft<'a>,
    pool: usize,
) -> impl Iterator<Item = &'d MemberDraft<'a>> {
    let pool = draft.pools.get(pool).and_then(|pool| pool.meaning.as_ref());
    pool.into_iter().flat_map(|pool| &pool.members)
}

/// The members of a pool that could be read.
fn members_of<'d>(draft: &'d Draft<'_>, pool: usize) -> impl Iterator<Item = &'d Member> {
    member_drafts(draft, pool).filter_map(|member| member.meaning.as_ref())
}

/// Whether the load balancer's frontends are public; nothing when that cannot be said.
fn is_public(draft: &Draft<'_>) -> Option<bool> {
    let mut frontends = draft.frontends.iter().filter_map(|frontend| frontend.meaning.as_ref());
    frontends.next().map(|frontend| frontend.public())
}

/// The name of each pool of inbound NAT, in lower case.
///
/// For every instance of a scale set Azure adds a rule `pool.number`, which stands beside the pool
/// when it answers.
fn nat_pool_names(draft: &Draft<'_>) -> BTreeSet<String> {
    let names = draft.inbound_nat_pools.iter().map(|pool| &pool.resource.name);
    names.map(|name| name.to_ascii_lowercase()).collect()
}

/// Whether Azure made this inbound NAT rule from one of these pools.
fn is_made_from_a_pool(rule: &str, pools: &BTreeSet<String>) -> bool {
    rule.rsplit_once('.').is_some_and(|(pool, number)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && pools.contains(&pool.to_ascii_lowercase())
    })
}
