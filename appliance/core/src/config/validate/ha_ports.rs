//! Do rules for all ports leave room for the others (behaviour.md §1.10, V5 to V8; §7.1)?
//!
//! Not here: how such a rule is written (`load_balancer::rule`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{is_public, members_of, readable};
use crate::config::load_balancer::{Draft, RuleDraft, Sku, require_standard};
use crate::config::resource::Written;

/// Which rules lead to a member: positions of load balancer and rule.
type Leading = HashMap<IpAddr, Vec<(usize, usize)>>;

/// Checks all rules for all ports.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    let is_used = |draft: &Draft<'_>| readable(draft).any(|(_, rule)| rule.is_for_ha_ports());
    if !load_balancers.iter().any(is_used) {
        return;
    }
    let leading = leading(load_balancers);
    for (position, draft) in load_balancers.iter().enumerate() {
        refuse_where_there_are_none(draft);
        refuse_several(draft);
        for (number, written) in draft.rules.iter().enumerate() {
            let Some(rule) = written.meaning.as_ref().filter(|rule| rule.is_for_ha_ports()) else {
                continue;
            };
            if rule.enable_floating_ip {
                refuse_others_that_do_not_float(draft, rule);
            } else {
                let own = (position, number);
                refuse_others(load_balancers, &leading, own, written, rule);
            }
        }
    }
}

fn leading(load_balancers: &[Draft<'_>]) -> Leading {
    let mut leading = Leading::new();
    for (position, draft) in load_balancers.iter().enumerate() {
        for (number, written) in draft.rules.iter().enumerate() {
            let Some(rule) = &written.meaning else { continue };
            for member in members_of(draft, rule.pool) {
                leading.entry(member.address).or_default().push((position, number));
            }
        }
    }
    leading
}

/// Rule V5: internal frontends of Standard only.
fn refuse_where_there_are_none(draft: &Draft<'_>) {
    for (written, rule) in readable(draft).filter(|(_, rule)| rule.is_for_ha_ports()) {
        let properties = &written.resource.properties;
        require_standard(draft.sku, properties, "protocol", "A rule for all ports");
        let frontend = draft.frontends.get(rule.frontend);
        let public = frontend.and_then(|frontend| frontend.meaning.as_ref()?.public().into());
        if draft.sku != Sku::Gateway && public == Some(true) {
            properties.error_at(
                "frontendIPConfiguration",
                "HaPortsRuleRequiresInternalFrontend",
                "HA ports exist on internal frontends only. Name one with a `privateIPAddress`, or \
                 write one rule per protocol and port.",
            );
        }
    }
}

/// Rule V8: each has its frontend, and all of them float.
fn refuse_several(draft: &Draft<'_>) {
    let mut frontends = HashMap::new();
    let all: Vec<_> = readable(draft).filter(|(_, rule)| rule.is_for_ha_ports()).collect();
    for (written, rule) in &all {
        let properties = &written.resource.properties;
        if let Some(first) = frontends.insert(rule.frontend, &rule.name) {
            properties.error_at(
                "frontendIPConfiguration",
                "RulesUseSameFrontendPortProtocolAndIPConfig",
                format!("Rule `{first}` takes all ports of this frontend. Name another frontend."),
            );
        }
        if all.len() > 1 && !rule.enable_floating_ip {
            properties.error_at(
                "enableFloatingIP",
                "HaPortsRuleRequiresFloatingIP",
                "Several rules for all ports of one load balancer all need floating IP. Set \
                 `enableFloatingIP` to true.",
            );
        }
    }
}

/// Rule V6: one that does not float is alone on its load balancer and the only internal one of its
/// members.
fn refuse_others(
    load_balancers: &[Draft<'_>],
    leading: &Leading,
    own: (usize, usize),
    written: &Written<'_, RuleDraft>,
    rule: &RuleDraft,
) {
    let Some(draft) = load_balancers.get(own.0) else { return };
    let excludes = |other: &&(usize, usize)| {
        let is_internal = || load_balancers.get(other.0).and_then(is_public) == Some(false);
        **other != own && (other.0 == own.0 || is_internal())
    };
    let clash = members_of(draft, rule.pool).find_map(|member| {
        let other = leading.get(&member.address)?.iter().find(excludes)?;
        let draft = load_balancers.get(other.0)?;
        Some((member, &draft.resource.name, &draft.rules.get(other.1)?.resource.name))
    });
    if let Some((member, load_balancer, name)) = clash {
        written.resource.properties.error_at(
            "backendAddressPool",
            "HaPortsRuleExcludesOtherRules",
            format!(
                "Rule `{name}` of `{load_balancer}` leads to member {} as well, whose ports this \
                 rule takes all. Remove one of them, or use floating IP.",
                member.address
            ),
        );
    }
}

/// Rule V7: beside one that floats, others of its frontend and members float as well.
fn refuse_others_that_do_not_float(draft: &Draft<'_>, rule: &RuleDraft) {
    let members: HashSet<IpAddr> =
        members_of(draft, rule.pool).map(|member| member.address).collect();
    for (written, other) in readable(draft) {
        let same = other.frontend == rule.frontend && !other.is_for_ha_ports();
        let shares = || members_of(draft, other.pool).any(|it| members.contains(&it.address));
        if same && !other.enable_floating_ip && shares() {
            written.resource.properties.error_at(
                "enableFloatingIP",
                "HaPortsRuleRequiresFloatingIP",
                format!(
                    "Rule `{}` takes all other ports of this frontend and floats. Set \
                     `enableFloatingIP` to true here as well.",
                    rule.name
                ),
            );
        }
    }
}
