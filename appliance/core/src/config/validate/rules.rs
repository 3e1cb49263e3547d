//! Is it clear for every packet which rule it belongs to, in both directions?
//!
//! Not here: outbound rules (`outbound`).

use std::collections::HashMap;

use crate::config::load_balancer::{Draft, LoadBalancingRule};
use crate::config::resource::Written;
use crate::limits::RULE_MEMBERS_MAX;

/// Checks the rules of each load balancer, then across them.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        refuse_children_without_frontend(draft);
        refuse_same_frontend_port(draft);
        refuse_same_backend_port(draft);
    }
    if members_fit(load_balancers) {
        refuse_same_member_port(load_balancers);
    }
}

/// The rules that could be read, each with its place.
pub(super) fn readable<'d, 'a>(
    draft: &'d Draft<'a>,
) -> impl Iterator<Item = (&'d Written<'a, LoadBalancingRule>, &'d LoadBalancingRule)> {
    draft.rules.iter().filter_map(|written| Some((written, written.meaning.as_ref()?)))
}

/// Rule V15.
fn refuse_children_without_frontend(draft: &Draft<'_>) {
    let children =
        draft.pools.len() + draft.probes.len() + draft.rules.len() + draft.outbound_rules.len();
    if draft.frontends.is_empty() && children > 0 {
        draft.resource.properties.error_at(
            "frontendIPConfigurations",
            "LoadBalancerWithoutFrontendIPCantHaveChildResources",
            "A load balancer without frontend has no pools, probes or rules. Add a frontend.",
        );
    }
}

/// Rule V1.
fn refuse_same_frontend_port(draft: &Draft<'_>) {
    let mut known = HashMap::new();
    for (written, rule) in readable(draft) {
        let key = (rule.frontend, rule.protocol, rule.frontend_port);
        if let Some(first) = known.get(&key) {
            written.resource.properties.error_at(
                "frontendPort",
                "RulesUseSameFrontendPortProtocolAndIPConfig",
                format!(
                    "Rule `{first}` has the same frontend, protocol {} and port {}. Choose another \
                     port or frontend.",
                    rule.protocol, rule.frontend_port
                ),
            );
        } else {
            known.insert(key, &rule.name);
        }
    }
}

/// Rule V2.
fn refuse_same_backend_port(draft: &Draft<'_>) {
    let mut known = HashMap::new();
    for (written, rule) in readable(draft) {
        let key = (rule.pool, rule.protocol, rule.backend_port);
        if let Some(first) = known.get(&key) {
            let pool = draft.pools.get(rule.pool).map_or("", |pool| &pool.resource.name);
            written.resource.properties.error_at(
                "backendPort",
                "RulesUseSameBackendPortProtocolAndPool",
                format!(
                    "Rules `{first}` and `{}` both use {} port {} of pool `{pool}`. Use another \
                     backend port.",
                    rule.name, rule.protocol, rule.backend_port
                ),
            );
        } else {
            known.insert(key, &rule.name);
        }
    }
}

/// Whether the members of all rules together stay within their bound; reported if not.
fn members_fit(load_balancers: &[Draft<'_>]) -> bool {
    let mut sum = 0;
    for draft in load_balancers {
        let members = readable(draft).map(|(_, rule)| members_of(draft, rule.pool).count());
        sum += members.sum::<usize>();
        if sum > RULE_MEMBERS_MAX {
            draft.resource.properties.error_at(
                "loadBalancingRules",
                "LimitExceeded",
                format!(
                    "The members of all rules together are more than {RULE_MEMBERS_MAX}. Use fewer \
                     rules or smaller pools."
                ),
            );
            return false;
        }
    }
    true
}

fn members_of<'d>(
    draft: &'d Draft<'_>,
    pool: usize,
) -> impl Iterator<Item = &'d crate::config::Member> {
    let pool = draft.pools.get(pool).and_then(|pool| pool.meaning.as_ref());
    let members = pool.into_iter().flat_map(|pool| &pool.members);
    members.filter_map(|member| member.meaning.as_ref())
}

/// Rule V3: a member's answer must name one frontend. Azure allows a public and an internal load
/// balancer to share the port of a member.
fn refuse_same_member_port(load_balancers: &[Draft<'_>]) {
    let mut known: HashMap<_, (usize, usize, &str, bool)> = HashMap::new();
    for (position, draft) in load_balancers.iter().enumerate() {
        for (written, rule) in readable(draft) {
            let frontend = draft.frontends.get(rule.frontend);
            let Some(frontend) = frontend.and_then(|frontend| frontend.meaning.as_ref()) else {
                continue;
            };
            let public = frontend.frontend.public;
            for member in members_of(draft, rule.pool) {
                let key = (member.address, rule.protocol, rule.backend_port);
                let Some((first_position, first_pool, first, first_public)) = known.get(&key)
                else {
                    known.insert(key, (position, rule.pool, &rule.name, public));
                    continue;
                };
                if (*first_position, *first_pool) == (position, rule.pool) {
                    continue; // Rule V2 has said so.
                }
                let (code, remedy) = if *first_public == public {
                    (
                        "RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig",
                        "Use another backend port.",
                    )
                } else {
                    (
                        "NotYetSupportedByWeir",
                        "A public and an internal rule to one port of a member are not in this \
                         version. Use another backend port.",
                    )
                };
                written.resource.properties.error_at(
                    "backendPort",
                    code,
                    format!(
                        "Member {} already serves rule `{first}` on {} port {}. {remedy}",
                        member.address, rule.protocol, rule.backend_port
                    ),
                );
                break;
            }
        }
    }
}
