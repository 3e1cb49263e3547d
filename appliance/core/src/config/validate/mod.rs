//! Do the objects of a configuration agree with each other (behaviour.md §1.10)?
//!
//! Not here: rules about one object alone (the file of that object).

mod addresses;
mod outbound;
mod rules;

use super::appliance::Port;
use super::load_balancer::Draft;
use crate::limits::{FRONTENDS_MAX, RULES_MAX};

/// Finds every problem between objects that could be read.
pub(super) fn validate(load_balancers: &[Draft<'_>], ports: &[Port]) {
    refuse_too_many(load_balancers);
    addresses::validate(load_balancers, ports);
    rules::validate(load_balancers);
    outbound::validate(load_balancers);
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
