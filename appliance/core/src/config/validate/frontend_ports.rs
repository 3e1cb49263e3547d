//! Does every frontend port belong to one rule (behaviour.md §1.10, V1, V21, V22)?
//!
//! Not here: HA ports, which stand behind all other rules of a frontend (`ha_ports`).

use super::{is_made_from_a_pool, nat_pool_names, readable};
use crate::config::arm::Object;
use crate::config::load_balancer::{Draft, InboundNatTarget};
use crate::units::Transport;

/// Ports of a frontend that a rule takes.
struct Listener<'d, 'a> {
    what: &'static str,
    name: &'d str,
    frontend: usize,
    transports: &'static [Transport],
    ports: (u16, u16),
    properties: &'d Object<'a>,
    property: &'static str,
}

/// Checks all frontends.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        refuse_rules_beside_pools(draft);
        let listeners = listeners(draft);
        for (position, listener) in listeners.iter().enumerate() {
            let before = listeners.get(..position).unwrap_or_default();
            if let Some(first) = before.iter().find(|first| collide(first, listener)) {
                refuse(first, listener);
            }
        }
    }
}

/// What a load balancer listens on, in the order of its collections.
fn listeners<'d, 'a>(draft: &'d Draft<'a>) -> Vec<Listener<'d, 'a>> {
    let rules = readable(draft).filter(|(_, rule)| !rule.is_for_ha_ports());
    let rules = rules.map(|(written, rule)| Listener {
        what: "Rule",
        name: &rule.name,
        frontend: rule.frontend,
        transports: rule.protocol.transports(),
        ports: (rule.frontend_port, rule.frontend_port),
        properties: &written.resource.properties,
        property: "frontendPort",
    });
    let made = nat_pool_names(draft);
    let nat_rules = draft.inbound_nat_rules.iter().filter_map(move |written| {
        let rule = &written.meaning.as_ref()?.rule;
        let (ports, property) = match rule.target {
            InboundNatTarget::Member { frontend_port, .. } => {
                ((frontend_port, frontend_port), "frontendPort")
            }
            InboundNatTarget::Pool { frontend_ports, .. } => {
                (frontend_ports, "frontendPortRangeStart")
            }
        };
        (!is_made_from_a_pool(&rule.name, &made)).then(|| Listener {
            what: "Inbound NAT rule",
            name: &rule.name,
            frontend: rule.frontend,
            transports: rule.protocol.transports(),
            ports,
            properties: &written.resource.properties,
            property,
        })
    });
    let nat_pools = draft.inbound_nat_pools.iter().filter_map(|written| {
        let pool = written.meaning.as_ref()?;
        Some(Listener {
            what: "Inbound NAT pool",
            name: &pool.name,
            frontend: pool.frontend,
            transports: pool.protocol.transports(),
            ports: pool.frontend_ports,
            properties: &written.resource.properties,
            property: "frontendPortRangeStart",
        })
    });
    rules.chain(nat_rules).chain(nat_pools).collect()
}

fn collide(one: &Listener<'_, '_>, other: &Listener<'_, '_>) -> bool {
    one.frontend == other.frontend
        && one.ports.0 <= other.ports.1
        && other.ports.0 <= one.ports.1
        && one.transports.iter().any(|transport| other.transports.contains(transport))
}

fn refuse(first: &Listener<'_, '_>, listener: &Listener<'_, '_>) {
    let shared = listener.transports.iter().find(|it| first.transports.contains(it));
    let protocol = shared.map_or_else(String::new, ToString::to_string);
    let ports = match first.ports {
        (start, end) if start == end => format!("port {start}"),
        (start, end) => format!("ports {start} to {end}"),
    };
    listener.properties.error_at(
        listener.property,
        "RulesUseSameFrontendPortProtocolAndIPConfig",
        format!(
            "{} `{}` has the same frontend, protocol {protocol} and {ports}. Choose another port \
             or frontend.",
            first.what, first.name
        ),
    );
}

/// Rule V22. What Azure makes of pools stands beside them when it answers.
fn refuse_rules_beside_pools(draft: &Draft<'_>) {
    let pools = nat_pool_names(draft);
    let mut rules = draft.inbound_nat_rules.iter();
    let written = rules.find(|rule| !is_made_from_a_pool(&rule.resource.name, &pools));
    if let (false, Some(rule)) = (pools.is_empty(), written) {
        draft.resource.properties.error_at(
            "inboundNatPools",
            "InboundNatRulesAndPoolsAreExclusive",
            format!(
                "A load balancer has inbound NAT rules, such as `{}`, or inbound NAT pools. Keep \
                 one kind.",
                rule.resource.name
            ),
        );
    }
}
