//! Do outbound rules leave every member one way out, with ports enough?
//!
//! Not here: how ports are dealt to members and workers (`compile`).

use std::collections::{HashMap, HashSet};

use super::{member_drafts, members_of, readable};
use crate::config::load_balancer::{Draft, InboundNatTarget, OutboundRule};
use crate::config::network_interface::Directory;
use crate::config::resource::Written;
use crate::config::resources::Resources;
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_PORTS};
use crate::units::Transport;

/// Checks all outbound rules.
pub(super) fn validate(resources: &Resources<'_>) {
    let directory = Directory::new(&resources.interfaces);
    for draft in &resources.load_balancers {
        refuse_rules_that_snat_too(draft);
        refuse_too_many_ports(draft);
        refuse_interfaces_that_cannot_leave(draft, &directory);
    }
    refuse_several_ways_out(&resources.load_balancers);
}

/// The frontends of a rule, in the order in which they are used.
fn frontends_of(rule: &OutboundRule) -> impl Iterator<Item = usize> {
    rule.frontends.iter().copied()
}

fn readable_outbound<'d, 'a>(
    draft: &'d Draft<'a>,
) -> impl Iterator<Item = (&'d Written<'a, OutboundRule>, &'d OutboundRule)> {
    draft.outbound_rules.iter().filter_map(|written| Some((written, written.meaning.as_ref()?)))
}

/// Rule V9.
fn refuse_rules_that_snat_too(draft: &Draft<'_>) {
    for (written, rule) in readable(draft).filter(|(_, rule)| !rule.disable_outbound_snat) {
        let outbound = readable_outbound(draft)
            .find(|(_, other)| frontends_of(other).any(|frontend| frontend == rule.frontend));
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
        let members = member_drafts(draft, rule.pool).count();
        let asked = u64::from(rule.allocated_outbound_ports) * members as u64;
        for protocol in rule.protocol.transports() {
            let left = take_ports(draft, rule, *protocol, asked, &mut dealt);
            if asked > left {
                written.resource.properties.error_at(
                    "allocatedOutboundPorts",
                    "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts",
                    format!(
                        "{members} members with {} ports each need {asked} {protocol} ports; the \
                         frontend has {left}. Write at most {}, or use another frontend.",
                        rule.allocated_outbound_ports,
                        left / members.max(1) as u64 / 8 * 8
                    ),
                );
                break;
            }
        }
    }
}

/// Takes ports from the rule's frontends in their order; returns how many there were.
fn take_ports(
    draft: &Draft<'_>,
    rule: &OutboundRule,
    protocol: Transport,
    mut asked: u64,
    dealt: &mut HashMap<(usize, Transport), u64>,
) -> u64 {
    let mut sum = 0;
    for frontend in frontends_of(rule) {
        let before = dealt.entry((frontend, protocol)).or_default();
        let left = available_ports(draft, frontend, protocol).saturating_sub(*before);
        let taken = asked.min(left);
        *before += taken;
        asked -= taken;
        sum += left;
    }
    sum
}

/// The ports of a frontend that are free for members: a port that a rule listens on takes the
/// whole granule that holds it (behaviour.md §4.3).
fn available_ports(draft: &Draft<'_>, frontend: usize, protocol: Transport) -> u64 {
    let addresses = draft.frontends.get(frontend).and_then(|it| it.meaning.as_ref());
    let addresses = addresses.map_or(1, |frontend| frontend.addresses());
    let burned: HashSet<u16> = listening_ports(draft, frontend, protocol)
        .flat_map(|(first, last)| first / SNAT_GRANULE..=last / SNAT_GRANULE)
        .filter(|granule| {
            let port = u32::from(*granule) * u32::from(SNAT_GRANULE);
            (u32::from(SNAT_FIRST_PORT)..u32::from(SNAT_FIRST_PORT) + SNAT_PORTS).contains(&port)
        })
        .collect();
    let free = u64::from(SNAT_PORTS) - burned.len() as u64 * u64::from(SNAT_GRANULE);
    free.saturating_mul(addresses)
}

/// First and last ports that rules listen on.
fn listening_ports(
    draft: &Draft<'_>,
    frontend: usize,
    protocol: Transport,
) -> impl Iterator<Item = (u16, u16)> {
    let rules = readable(draft).map(|(_, rule)| {
        let ports = (rule.frontend_port, rule.frontend_port);
        (rule.frontend, rule.protocol.transports(), ports)
    });
    let nat_rules = draft.inbound_nat_rules.iter().filter_map(|written| {
        let rule = &written.meaning.as_ref()?.rule;
        let ports = match rule.target {
            InboundNatTarget::Member { frontend_port, .. } => (frontend_port, frontend_port),
            InboundNatTarget::Pool { frontend_ports, .. } => frontend_ports,
        };
        Some((rule.frontend, rule.protocol.transports(), ports))
    });
    let nat_pools = draft.inbound_nat_pools.iter().filter_map(|written| {
        let pool = written.meaning.as_ref()?;
        Some((pool.frontend, pool.protocol.transports(), pool.frontend_ports))
    });
    rules
        .chain(nat_rules)
        .chain(nat_pools)
        .filter(move |(on, transports, _)| *on == frontend && transports.contains(&protocol))
        .map(|(_, _, ports)| ports)
}

/// Rules V12 and V13: an address with a public address of its own leaves by that, and of an
/// interface's IPv4 addresses only the first leaves by a rule.
fn refuse_interfaces_that_cannot_leave(draft: &Draft<'_>, directory: &Directory<'_, '_>) {
    for (_, rule) in readable_outbound(draft) {
        let attached = member_drafts(draft, rule.pool).filter_map(|member| member.attached);
        for one in attached.filter_map(|position| directory.all.get(position)) {
            let Some(configuration) = &one.configuration.meaning else { continue };
            let properties = &one.configuration.resource.properties;
            if configuration.public_address.is_some() {
                properties.error_at(
                    "publicIPAddress",
                    "NicWithPublicIpCannotReferencePoolWithOutboundRule",
                    format!(
                        "Outbound rule `{}` uses a pool of this interface, which has a public IP \
                         address of its own. Remove one of them.",
                        rule.name
                    ),
                );
            }
            if !one.primary && configuration.address.is_some_and(|address| address.is_ipv4()) {
                properties.error_at(
                    "loadBalancerBackendAddressPools",
                    "OutboundRuleRequiresPrimaryIPConfiguration",
                    format!(
                        "Outbound rule `{}` uses this pool, and only an interface's first IPv4 \
                         address leaves by outbound rules. Join the pool with that one.",
                        rule.name
                    ),
                );
            }
        }
    }
}

/// A member's flows of one protocol leave by one outbound rule.
fn refuse_several_ways_out(load_balancers: &[Draft<'_>]) {
    let mut known = HashMap::new();
    for draft in load_balancers {
        for (written, rule) in readable_outbound(draft) {
            let addresses: HashSet<_> =
                members_of(draft, rule.pool).map(|member| member.address).collect();
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
