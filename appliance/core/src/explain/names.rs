//! What does the configuration call what a packet met?
//!
//! Snapshots know ids and addresses; people know names.

use super::{Course, Question};
use crate::config::{
    Configuration, Frontend, LoadBalancer, LoadBalancingRule, OutboundMethod, outbound_methods,
};
use crate::policy::{Rule, Snapshot};
use crate::units::Address;

/// Names of what a course names by ids; empty where the configuration has no name for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Of the appliance's ports, by their ids.
    pub ports: Vec<String>,
    /// The load balancer of frontend and rule.
    pub load_balancer: String,
    /// The frontend that the packet goes to, comes from, or is translated to.
    pub frontend: String,
    /// The load-balancing or outbound rule.
    pub rule: String,
    /// Whether it is an outbound rule.
    pub is_outbound_rule: bool,
    /// The rule's pool.
    pub pool: String,
    /// The member, by its name in that pool.
    pub member: String,
    /// What source and destination are, where no rule tells.
    pub ends: [EndName; 2],
}

/// What the configuration calls an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndName {
    /// The frontend that it is, with its load balancer.
    pub frontend: Option<[String; 2]>,
    /// The member that it is, with its pool.
    pub member: Option<[String; 2]>,
}

impl Names {
    /// The names under `configuration`, which `snapshot` was compiled from.
    #[must_use]
    pub fn of(configuration: &Configuration, snapshot: &Snapshot, course: &Course) -> Self {
        let ports = configuration.appliance.ports.iter().map(|port| port.name.clone());
        let mut names = Self { ports: ports.collect(), ..Self::default() };
        let member = course.member.and_then(|id| snapshot.member(id)).map(|it| it.address);
        let rule = course.rule.and_then(|id| snapshot.rule(id));
        if let Some((owner, rule)) = rule.and_then(|rule| named_rule(configuration, rule)) {
            names.take(owner, rule.frontend, &rule.name, rule.pool, member);
        } else if let Some((method, frontend)) = outbound_method(configuration, snapshot, course) {
            let owner = &configuration.load_balancers[method.load_balancer];
            let rule = method.id.rsplit('/').next().unwrap_or_default();
            names.take(owner, frontend, rule, method.pool, member);
            names.is_outbound_rule = method.is_outbound_rule;
        } else {
            let Question { source, destination, .. } = course.question;
            names.ends = [source, destination].map(|(end, _)| EndName::of(configuration, end));
            let first = |of: fn(&EndName) -> &Option<[String; 2]>| {
                names.ends.iter().rev().find_map(|end| of(end).clone()).unwrap_or_default()
            };
            [names.frontend, names.load_balancer] = first(|end| &end.frontend);
        }
        names
    }

    fn take(
        &mut self,
        owner: &LoadBalancer,
        frontend: usize,
        rule: &str,
        pool: usize,
        member: Option<Address>,
    ) {
        self.load_balancer.clone_from(&owner.name);
        rule.clone_into(&mut self.rule);
        if let Some(frontend) = owner.frontends.get(frontend) {
            self.frontend.clone_from(&frontend.name);
        }
        let Some(pool) = owner.pools.get(pool) else { return };
        self.pool.clone_from(&pool.name);
        let member = pool.members.iter().find(|it| Some(it.address.into()) == member);
        self.member = member.map(|it| it.name.clone()).unwrap_or_default();
    }
}

impl EndName {
    fn of(configuration: &Configuration, address: Address) -> Self {
        let address = address.to_ip();
        let balancers = || configuration.load_balancers.iter();
        let frontend = balancers().find_map(|owner| {
            let frontend = owner.frontends.iter().find(|it| it.address == address)?;
            Some([frontend.name.clone(), owner.name.clone()])
        });
        let member = balancers().flat_map(|owner| &owner.pools).find_map(|pool| {
            let member = pool.members.iter().find(|it| it.address == address)?;
            Some([member.name.clone(), pool.name.clone()])
        });
        Self { frontend, member }
    }
}

fn named_rule<'c>(
    configuration: &'c Configuration,
    rule: &Rule,
) -> Option<(&'c LoadBalancer, &'c LoadBalancingRule)> {
    let is_meant = |owner: &LoadBalancer, it: &LoadBalancingRule| {
        let frontend = owner.frontends.get(it.frontend).map(|it| it.address.into());
        (frontend, it.frontend_port, it.protocol)
            == (Some(rule.frontend), rule.frontend_port, rule.protocol)
    };
    configuration.load_balancers.iter().find_map(|owner| {
        let rule = owner.rules.iter().find(|it| is_meant(owner, it))?;
        Some((owner, rule))
    })
}

/// The way that a member's flow leaves, and the frontend whose address it gets.
fn outbound_method(
    configuration: &Configuration,
    snapshot: &Snapshot,
    course: &Course,
) -> Option<(OutboundMethod, usize)> {
    let mapping = course.mapping.as_ref()?;
    let method = usize::try_from(mapping.method).ok()?;
    let method = outbound_methods(configuration).into_iter().nth(method)?;
    let block = mapping.blocks().next();
    let outside = block.and_then(|it| snapshot.outbound_address(it.address)).map(|it| it.address);
    let owner = configuration.load_balancers.get(method.load_balancer)?;
    let has = |it: &Frontend| outside.is_some_and(|outside| it.addresses().any(|a| a == outside));
    let frontend = owner.frontends.iter().position(has)?;
    Some((method, frontend))
}
