//! What does the configuration call what a packet met?
//!
//! Snapshots know ids and addresses; people know names.

use super::{Course, Question};
use crate::config::{Configuration, LoadBalancer, LoadBalancingRule, OutboundRule};
use crate::policy::{Rule, Snapshot};
use crate::units::{Address, Transport};

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
        } else if let Some((owner, rule)) = outbound_rule(configuration, snapshot, course, member) {
            names.take(owner, rule.frontends[0], &rule.name, rule.pool, member);
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

fn outbound_rule<'c>(
    configuration: &'c Configuration,
    snapshot: &Snapshot,
    course: &Course,
    member: Option<Address>,
) -> Option<(&'c LoadBalancer, &'c OutboundRule)> {
    let address = snapshot
        .outbound_address(course.mapping.as_ref()?.blocks().next()?.address)?
        .address
        .to_ip();
    let (member, protocol) = (member?.to_ip(), course.question.protocol);
    let is_meant = |owner: &LoadBalancer, it: &OutboundRule| {
        let of: &[Transport] = it.protocol.transports();
        owner.frontends.get(it.frontends[0]).is_some_and(|it| it.address == address)
            && of.contains(&protocol)
            && owner
                .pools
                .get(it.pool)
                .is_some_and(|pool| pool.members.iter().any(|it| it.address == member))
    };
    configuration.load_balancers.iter().find_map(|owner| {
        let rule = owner.outbound_rules.iter().find(|it| is_meant(owner, it))?;
        Some((owner, rule))
    })
}
