//! Do the ports of its frontends suffice for what leaves a load balancer (behaviour.md §4.3; §1.10,
//! V11)?
//!
//! Ports are dealt like the compiler does it: outbound rules first, then what load-balancing rules
//! program, each from its frontends in their order.
//!
//! Not here: which way a member leaves (`outbound`), how blocks lie (`compile`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{member_drafts, members_of, readable, readable_outbound};
use crate::config::load_balancer::{Draft, InboundNatTarget, OutboundRule, RuleDraft, Sku};
use crate::config::network_interface::Directory;
use crate::config::outbound_method::implicit_ports;
use crate::config::resource::Written;
use crate::config::resources::Resources;
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_PORTS};
use crate::units::Transport;

/// Ports that are dealt, for each frontend and protocol.
type Dealt = HashMap<(usize, Transport), u64>;

/// Members that have a way out, for each protocol.
type Leaving = HashSet<(IpAddr, Transport)>;

/// Flows that load-balancing rules translate without a word, of one pool and protocol
/// (behaviour.md §4.2).
pub(super) struct ImplicitSnat<'d, 'a> {
    /// The first rule that programs it.
    pub(super) rule: &'d Written<'a, RuleDraft>,
    pool: usize,
    protocol: Transport,
    /// In the order of the rules, each once.
    pub(super) frontends: Vec<usize>,
}

/// Checks all load balancers.
pub(super) fn validate(resources: &Resources<'_>) {
    let load_balancers = &resources.load_balancers;
    let mut leaving = leaving_by_rules(load_balancers);
    let with_address = members_with_public_address(resources);
    for draft in load_balancers {
        let mut dealt = Dealt::new();
        refuse_too_many_ports(draft, &mut dealt);
        for snat in implicit_snat(draft) {
            warn_of_few_ports(draft, &snat, &with_address, &mut leaving, &mut dealt);
        }
    }
}

/// What the load-balancing rules of public frontends program, in their order. Basic knows no
/// difference between protocols.
pub(super) fn implicit_snat<'d, 'a>(draft: &'d Draft<'a>) -> Vec<ImplicitSnat<'d, 'a>> {
    let mut found: Vec<ImplicitSnat<'d, 'a>> = Vec::new();
    for (written, rule) in readable(draft).filter(|(_, rule)| !rule.disable_outbound_snat) {
        let frontend = draft.frontends.get(rule.frontend).and_then(|it| it.meaning.as_ref());
        if !frontend.is_some_and(|frontend| frontend.public()) {
            continue;
        }
        let protocols = match draft.sku {
            Sku::Basic => &[Transport::Tcp, Transport::Udp],
            Sku::Standard | Sku::Gateway => rule.protocol.transports(),
        };
        for protocol in protocols.iter().copied() {
            let same =
                |it: &&mut ImplicitSnat<'_, '_>| (it.pool, it.protocol) == (rule.pool, protocol);
            match found.iter_mut().find(same) {
                Some(known) if known.frontends.contains(&rule.frontend) => {}
                Some(known) => known.frontends.push(rule.frontend),
                None => found.push(ImplicitSnat {
                    rule: written,
                    pool: rule.pool,
                    protocol,
                    frontends: vec![rule.frontend],
                }),
            }
        }
    }
    found
}

fn leaving_by_rules(load_balancers: &[Draft<'_>]) -> Leaving {
    let mut leaving = Leaving::new();
    for draft in load_balancers {
        for (_, rule) in readable_outbound(draft) {
            for member in members_of(draft, rule.pool) {
                leaving.extend(rule.transports().map(|protocol| (member.address, protocol)));
            }
        }
    }
    leaving
}

/// Addresses that leave by a public address of their own, whatever rules say (behaviour.md §4.1).
fn members_with_public_address(resources: &Resources<'_>) -> HashSet<IpAddr> {
    let directory = Directory::new(&resources.interfaces);
    let drafts = directory.all.iter().filter_map(|one| one.configuration.meaning.as_ref());
    drafts
        .filter(|draft| draft.public_address.is_some())
        .filter_map(|draft| draft.address)
        .collect()
}

/// Rule V11, for each frontend and protocol over all outbound rules that use it.
fn refuse_too_many_ports(draft: &Draft<'_>, dealt: &mut Dealt) {
    for (written, rule) in readable_outbound(draft) {
        let members = member_drafts(draft, rule.pool).count() as u64;
        let asked = u64::from(rule.allocated_outbound_ports) * members;
        for protocol in rule.transports() {
            let left = take_ports(draft, &rule.frontends, protocol, asked, dealt);
            if asked > left {
                written.resource.properties.error_at(
                    "allocatedOutboundPorts",
                    "SpecifiedAllocatedOutboundPortsForOutboundRuleExceedsTotalNumberOfAvailablePorts",
                    refusal(rule, protocol, members, left),
                );
                break;
            }
        }
    }
}

fn refusal(rule: &OutboundRule, protocol: Transport, members: u64, left: u64) -> String {
    let each = rule.allocated_outbound_ports;
    let asked = u64::from(each) * members;
    let (which, have) = match rule.frontends.len() {
        1 => ("frontend", "has"),
        _ => ("frontends", "have"),
    };
    let fitting = left / members.max(1) / u64::from(SNAT_GRANULE) * u64::from(SNAT_GRANULE);
    let remedy = match fitting {
        0 => "Add a frontend, or take members out.".to_owned(),
        fitting => format!("Write at most {fitting}, or add a frontend."),
    };
    format!(
        "{members} members with {each} ports each need {asked} {protocol} ports; the {which} \
         {have} {left}. {remedy}"
    )
}

/// Members of a pool get less than the default when several pools or the ports of rules leave less;
/// what Azure does then is not documented.
fn warn_of_few_ports(
    draft: &Draft<'_>,
    snat: &ImplicitSnat<'_, '_>,
    with_address: &HashSet<IpAddr>,
    leaving: &mut Leaving,
    dealt: &mut Dealt,
) {
    let pool = draft.pools.get(snat.pool).and_then(|pool| pool.meaning.as_ref());
    let size = pool.map_or(0, |pool| pool.members.len());
    let members = members_of(draft, snat.pool)
        .filter(|member| !with_address.contains(&member.address))
        .filter(|member| leaving.insert((member.address, snat.protocol)))
        .count() as u64;
    let addresses = snat.frontends.iter().filter_map(|frontend| draft.frontends.get(*frontend));
    let addresses = addresses.filter_map(|it| it.meaning.as_ref()).map(|it| it.addresses()).sum();
    let each = implicit_ports(size, addresses);
    let asked = u64::from(each) * members;
    let left = take_ports(draft, &snat.frontends, snat.protocol, asked, dealt);
    if asked > left {
        let protocol = snat.protocol;
        snat.rule.resource.properties.warning_at(
            "disableOutboundSnat",
            "ImplicitOutboundSnatShortOfPorts",
            format!(
                "Rule `{}` lets {members} members leave with {each} {protocol} ports each, {asked} \
                 in all, and its frontends have {left} left: the last members get fewer or none. \
                 Write an outbound rule with frontends of its own, and set `disableOutboundSnat` \
                 to true.",
                snat.rule.resource.name
            ),
        );
    }
}

/// Takes ports from frontends in their order; returns how many there were.
fn take_ports(
    draft: &Draft<'_>,
    frontends: &[usize],
    protocol: Transport,
    mut asked: u64,
    dealt: &mut Dealt,
) -> u64 {
    let mut sum: u64 = 0;
    for frontend in frontends {
        let before = dealt.entry((*frontend, protocol)).or_default();
        let left = available_ports(draft, *frontend, protocol).saturating_sub(*before);
        let taken = asked.min(left);
        *before += taken;
        asked -= taken;
        sum = sum.saturating_add(left);
    }
    sum
}

/// The ports of a frontend that are free for members: a port that a rule listens on, which is one
/// of the first address, takes the whole granule that holds it (behaviour.md §4.3).
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
    let burned = burned.len() as u64 * u64::from(SNAT_GRANULE);
    addresses.saturating_mul(u64::from(SNAT_PORTS)).saturating_sub(burned)
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
