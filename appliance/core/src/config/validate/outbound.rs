//! Do outbound rules leave every member one way out, with ports enough?
//!
//! Not here: how ports are dealt to members and workers (`compile`).

use std::collections::{HashMap, HashSet};

use super::rules::readable;
use crate::config::load_balancer::{Draft, OutboundRule};
use crate::config::resource::Written;
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_PORTS};
use crate::units::Transport;

/// Checks all outbound rules.
pub(super) fn validate(load_balancers: &[Draft<'_>]) {
    for draft in load_balancers {
        refuse_rules_that_snat_too(draft);
        refuse_too_many_ports(draft);
    }
    refuse_several_ways_out(load_balancers);
}

fn readable_outbound<'d, 'a>(
    draft: &'d Draft<'a>,
) -> impl Iterator<Item = (&'d Written<'a, OutboundRule>, &'d OutboundRule)> {
    draft.outbound_rules.iter().filter_map(|written| Some((written, written.meaning.as_ref()?)))
}

/// Rule V9.
fn refuse_rules_that_snat_too(draft: &Draft<'_>) {
    for (written, rule) in readable(draft).filter(|(_, rule)| !rule.disable_outbound_snat) {
        let outbound = readable_outbound(draft).find(|(_, other)| other.frontend == rule.frontend);
        if let Some((_, outbound)) = outbound {
            written.resource.properties.error_at(
                "disableOutboundSnat",
                "LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule",
                format!(
                    "Outbound rule `{}` uses the same frontend. Set `disableOutboundSnat` to true.",
                    outbound.name
                ),
            );
        }
    }
}

/// Rule V11, for each frontend and protocol over all outbound rules that use it.
fn refuse_too_many_ports(draft: &Draft<'_>) {
    let mut dealt: HashMap<(usize, Transport), u64> = HashMap::new();
    for (written, rule) in readable_outbound(draft) {
        let pool = draft.pools.get(rule.pool).and_then(|pool| pool.meaning.as_ref());
        let members = pool.map_or(0, |pool| pool.members.len());
        let asked = u64::from(rule.allocated_outbound_ports) * members as u64;
        for protocol in rule.protocol.transports() {
            let available = available_ports(draft, rule.frontend, *protocol);
            let before = dealt.entry((rule.frontend, *protocol)).or_default();
            let left = available.saturating_sub(*before);
            *before += asked;
            if asked > left {
                written.resource.properties.error_at(
                    "allocatedOutboundPorts",
                    "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts",
                    format!(
                        "{members} members with {} ports each need {asked} {protocol} ports; the \
                         frontend has {left}. Write at most {}, or use another frontend.",
                        rule.allocated_outbound_ports,
                        left / members as u64 / 8 * 8
                    ),
                );
                break;
            }
        }
    }
}

/// The ports of a frontend that are free for members: a port that a rule listens on takes the
/// whole granule that holds it (behaviour.md §4.3).
fn available_ports(draft: &Draft<'_>, frontend: usize, protocol: Transport) -> u64 {
    let dealt = u32::from(SNAT_FIRST_PORT)..u32::from(SNAT_FIRST_PORT) + SNAT_PORTS;
    let burned: HashSet<u16> = readable(draft)
        .filter(|(_, rule)| rule.frontend == frontend && rule.protocol == protocol)
        .filter(|(_, rule)| dealt.contains(&u32::from(rule.frontend_port)))
        .map(|(_, rule)| rule.frontend_port / SNAT_GRANULE)
        .collect();
    u64::from(SNAT_PORTS) - burned.len() as u64 * u64::from(SNAT_GRANULE)
}

/// A member's flows of one protocol leave by one outbound rule.
fn refuse_several_ways_out(load_balancers: &[Draft<'_>]) {
    let mut known = HashMap::new();
    for draft in load_balancers {
        for (written, rule) in readable_outbound(draft) {
            let pool = draft.pools.get(rule.pool).and_then(|pool| pool.meaning.as_ref());
            let members = pool.into_iter().flat_map(|pool| &pool.members);
            let addresses: HashSet<_> =
                members.filter_map(|member| Some(member.meaning.as_ref()?.address)).collect();
            let mut clash = None;
            for address in addresses {
                for protocol in rule.protocol.transports() {
                    let first = *known.entry((address, *protocol)).or_insert(&rule.name);
                    if !std::ptr::eq(first, &rule.name) {
                        clash = clash.max(Some((address, *protocol, first)));
                    }
                }
            }
            if let Some((address, protocol, first)) = clash {
                written.resource.properties.error_at(
                    "backendAddressPool",
                    "MemberHasSeveralOutboundRules",
                    format!(
                        "The {protocol} flows of member {address} already leave by outbound rule \
                         `{first}`. Let each member be in one of them."
                    ),
                );
            }
        }
    }
}
