//! Do outbound rules leave every member one way out?
//!
//! Not here: whether ports suffice (`outbound_ports`).

use std::collections::{HashMap, HashSet};

use super::{member_drafts, members_of, readable, readable_outbound};
use crate::config::load_balancer::Draft;
use crate::config::network_interface::Directory;
use crate::config::resources::Resources;

/// Checks all outbound rules.
pub(super) fn validate(resources: &Resources<'_>) {
    let directory = Directory::new(&resources.interfaces);
    for draft in &resources.load_balancers {
        refuse_rules_that_snat_too(draft);
        refuse_interfaces_that_cannot_leave(draft, &directory);
    }
    refuse_several_ways_out(&resources.load_balancers);
}

/// Rule V9.
fn refuse_rules_that_snat_too(draft: &Draft<'_>) {
    for (written, rule) in readable(draft).filter(|(_, rule)| !rule.disable_outbound_snat) {
        let outbound =
            readable_outbound(draft).find(|(_, other)| other.frontends.contains(&rule.frontend));
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
                for protocol in rule.transports() {
                    let first = *known.entry((address, protocol)).or_insert(&rule.name);
                    if !std::ptr::eq(first, &rule.name) {
                        clash = clash.max(Some((address, protocol, first)));
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
