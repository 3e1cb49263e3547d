//! Do the objects of a configuration agree with each other (behaviour.md §1.10)?
//!
//! Not here: rules about one object alone (the file of that object).

mod addresses;
mod outbound;
mod rules;

use std::collections::BTreeSet;

use super::appliance::Port;
use super::load_balancer::Draft;
use crate::limits::{FRONTENDS_MAX, OUTBOUND_ADDRESSES_MAX, RULES_MAX};

/// Finds every problem between objects that could be read.
pub(super) fn validate(load_balancers: &[Draft<'_>], ports: &[Port]) {
    refuse_too_many(load_balancers);
    addresses::validate(load_balancers, ports);
    rules::validate(load_balancers);
    outbound::validate(load_balancers);
    refuse_too_many_outbound_addresses(load_balancers);
}

/// Every frontend of an outbound rule is an outbound address of its own.
fn refuse_too_many_outbound_addresses(load_balancers: &[Draft<'_>]) {
    let mut addresses = BTreeSet::new();
    for draft in load_balancers {
        for written in &draft.outbound_rules {
            let rule = written.meaning.as_ref();
            let frontend = rule.and_then(|rule| draft.frontends.get(rule.frontend));
            let Some(frontend) = frontend.and_then(|it| it.meaning.as_ref()) else { continue };
            let is_new = addresses.insert(frontend.frontend.address);
            if is_new && addresses.len() == OUTBOUND_ADDRESSES_MAX + 1 {
                let message = format!(
                    "At most {OUTBOUND_ADDRESSES_MAX} addresses can serve outbound rules. \
                     Let rules share a frontend."
                );
                let properties = &written.resource.properties;
                properties.error_at("frontendIPConfigurations", "LimitExceeded", message);
            }
        }
    }
}

/// Bounds that hold for all load balancers together, reported where they are passed.
fn refuse_too_many(load_balancers: &[Draft<'_>]) {
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
        count("outboundRules", &mut rules, draft.outbound_rules.len(), RULES_MAX);
    }
}
