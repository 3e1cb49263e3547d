//! Does everything fit, by Azure's bounds (behaviour.md §9) and the appliance's?
//!
//! Not here: bounds of a single object (its file).

use std::collections::{BTreeMap, BTreeSet};

use super::outbound_ports::implicit_snat;
use super::{members_of, readable, readable_outbound};
use crate::config::load_balancer::{Draft, Sku};
use crate::config::resource::Written;
use crate::limits::{
    BASIC_FRONTENDS_MAX, BASIC_MEMBERS_PER_POOL_MAX, BASIC_RULES_MAX, FRONTENDS_MAX,
    MEMBERS_PER_FRONTEND_MAX, MEMBERS_PER_POOL_MAX, OUTBOUND_ADDRESSES_MAX, OUTBOUND_RULES_MAX,
    PROBES_MAX, RULE_MEMBERS_MAX, RULES_MAX, SELECTION_TABLES_MAX,
};

/// Checks all bounds but that of [`members_fit`].
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        refuse_too_many_of_one(draft);
        refuse_too_large_pools(draft);
        refuse_too_many_behind_a_frontend(draft);
    }
    refuse_too_many_of_all(load_balancers);
    refuse_too_many_outbound_addresses(load_balancers);
    refuse_too_many_tables(load_balancers);
}

/// Bounds of one load balancer.
fn refuse_too_many_of_one(draft: &Draft<'_>) {
    let properties = &draft.resource.properties;
    let refuse = |name: &str, number: usize, most: usize, remedy: &str| {
        if number > most {
            let message =
                format!("A load balancer has at most {most}; here are {number}. {remedy}");
            properties.error_at(name, "LimitExceeded", message);
        }
    };
    refuse("probes", draft.probes.len(), PROBES_MAX, "Let rules share probes.");
    let outbound = draft.outbound_rules.len();
    refuse("outboundRules", outbound, OUTBOUND_RULES_MAX, "Let pools share a rule.");
    if draft.sku == Sku::Basic {
        let remedy = "Use SKU Standard, or several load balancers.";
        let rules = draft.rules.len() + draft.inbound_nat_rules.len();
        refuse("loadBalancingRules", rules, BASIC_RULES_MAX, remedy);
        let frontends = draft.frontends.len();
        refuse("frontendIPConfigurations", frontends, BASIC_FRONTENDS_MAX, remedy);
    }
}

fn refuse_too_large_pools(draft: &Draft<'_>) {
    let most = match draft.sku {
        Sku::Basic => BASIC_MEMBERS_PER_POOL_MAX,
        Sku::Standard | Sku::Gateway => MEMBERS_PER_POOL_MAX,
    };
    for pool in &draft.pools {
        let members = pool.meaning.as_ref().map_or(0, |pool| pool.members.len());
        if members > most {
            pool.resource.properties.error_at(
                "loadBalancerBackendAddresses",
                "LimitExceeded",
                format!("A pool has at most {most} members; here are {members}. Split it."),
            );
        }
    }
}

/// Members summed over the rules of each frontend.
fn refuse_too_many_behind_a_frontend(draft: &Draft<'_>) {
    let mut sums: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, rule) in readable(draft) {
        *sums.entry(rule.frontend).or_default() += members_of(draft, rule.pool).count();
    }
    for (frontend, members) in sums.into_iter().filter(|(_, sum)| *sum > MEMBERS_PER_FRONTEND_MAX) {
        let Some(frontend) = draft.frontends.get(frontend) else { continue };
        frontend.resource.object.error_at(
            "name",
            "LimitExceeded",
            format!(
                "The rules of this frontend lead to {members} members; at most \
                 {MEMBERS_PER_FRONTEND_MAX} fit. Spread the rules over several frontends."
            ),
        );
    }
}

/// Bounds that hold for all load balancers together, reported where they are passed.
fn refuse_too_many_of_all(load_balancers: &[Draft<'_>]) {
    let (mut frontends, mut rules) = (0, 0);
    for draft in load_balancers {
        let properties = &draft.resource.properties;
        let count = |name, sum: &mut usize, number, number_max| {
            let fitted = *sum <= number_max;
            *sum += number;
            if fitted && *sum > number_max {
                let message =
                    format!("At most {number_max} fit in all load balancers. Remove some.");
                properties.error_at(name, "LimitExceeded", message);
            }
        };
        count("frontendIPConfigurations", &mut frontends, draft.frontends.len(), FRONTENDS_MAX);
        count("loadBalancingRules", &mut rules, draft.rules.len(), RULES_MAX);
        count("inboundNatRules", &mut rules, draft.inbound_nat_rules.len(), RULES_MAX);
        count("outboundRules", &mut rules, draft.outbound_rules.len(), RULES_MAX);
    }
}

/// Every address of a frontend that outbound flows leave from is an outbound address.
fn refuse_too_many_outbound_addresses(load_balancers: &[Draft<'_>]) {
    let mut sum: u64 = 0;
    for draft in load_balancers {
        let mut known = BTreeSet::new();
        let mut count = |frontends: &[usize]| {
            let fitted = sum <= OUTBOUND_ADDRESSES_MAX as u64;
            for frontend in frontends.iter().filter(|frontend| known.insert(**frontend)) {
                let frontend = draft.frontends.get(*frontend).and_then(|it| it.meaning.as_ref());
                sum = sum.saturating_add(frontend.map_or(0, |frontend| frontend.addresses()));
            }
            fitted && sum > OUTBOUND_ADDRESSES_MAX as u64
        };
        for (written, rule) in readable_outbound(draft) {
            if count(&rule.frontends) {
                refuse_outbound_address(written, "frontendIPConfigurations", "Name fewer.");
            }
        }
        for snat in implicit_snat(draft) {
            if count(&snat.frontends) {
                let remedy = "Set it to true where flows need not leave from the frontend.";
                refuse_outbound_address(snat.rule, "disableOutboundSnat", remedy);
            }
        }
    }
}

fn refuse_outbound_address<T>(written: &Written<'_, T>, place: &'static str, remedy: &str) {
    let message = format!(
        "At most {OUTBOUND_ADDRESSES_MAX} addresses of frontends can be those of outbound flows. \
         {remedy}"
    );
    written.resource.properties.error_at(place, "LimitExceeded", message);
}

/// Pools of different members have selection tables of their own, which take memory.
fn refuse_too_many_tables(load_balancers: &[Draft<'_>]) {
    let mut tables = BTreeSet::new();
    for draft in load_balancers {
        for pool in readable(draft).map(|(_, rule)| rule.pool).collect::<BTreeSet<_>>() {
            let members = members_of(draft, pool);
            let content: Vec<_> = members.map(|member| (member.address, member.weight)).collect();
            if tables.insert(content) && tables.len() == SELECTION_TABLES_MAX + 1 {
                draft.resource.properties.error_at(
                    "backendAddressPools",
                    "LimitExceeded",
                    format!(
                        "At most {SELECTION_TABLES_MAX} pools of different members fit. Let rules \
                         share pools."
                    ),
                );
            }
        }
    }
}

/// Whether the members of all rules together stay within their bound; reported if not.
pub(super) fn members_fit(load_balancers: &[Draft<'_>]) -> bool {
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
