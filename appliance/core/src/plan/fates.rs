//! What becomes of the flows of each rule and member?
//!
//! | flows | end when |
//! |---|---|
//! | of a rule, on a member | no rule stands at their endpoint, or its pool lacks the member |
//! | of a rule | its backendPort changes: records name ids, so that packets go to the new port |
//! | of a member to the outside | it has no ports for the protocol any more |
//!
//! The first and the last are what `path::find` asks when a flow's next packet comes.
//! They drain when the member stays and takes no new flows of the rule, and are kept otherwise:
//! names, idle timeouts, distribution, weights and probes are no part of a flow. Flows to the
//! outside drain on ports that are taken from a member: these stay with it until they are free. Not
//! here: how many there are (`shares`).

use std::collections::{BTreeMap, BTreeSet};

use crate::compile::rule_view;
use crate::config::{
    self, Configuration, LoadBalancer, LoadBalancingRule, OutboundMethod, Pool, outbound_methods,
};
use crate::health::HealthTable;
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use crate::policy::{Granule, OutboundMapping, Rule, Snapshot};
use crate::units::{Address, MemberId, OutboundAddressId, RuleId, Transport};

/// What becomes of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// They end with their next packet, or go where nobody knows them.
    End,
    /// They go on, while no new ones begin.
    Drain,
    /// They go on, and new ones begin.
    Keep,
}

/// Which flows are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flows {
    /// Of a rule, on a member.
    Inbound(RuleId, MemberId),
    /// Of a member to the outside, in its block of ports for one protocol.
    Outbound(MemberId, Transport),
}

impl Flows {
    /// The member that they are on.
    #[must_use]
    pub const fn member(self) -> MemberId {
        match self {
            Self::Inbound(_, member) | Self::Outbound(member, _) => member,
        }
    }
}

/// What becomes of some flows, and what that is due to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Which flows.
    pub flows: Flows,
    /// What becomes of them.
    pub fate: Fate,
    /// Of a member that loses ports: the part of its ports that this is about.
    pub part: f64,
    /// The rule or member whose change it is due to, or whose flows they are: a relative id.
    pub id: String,
    /// Whether the plan brings it about.
    pub is_new: bool,
    /// Why, in words; empty where nothing happens to them.
    pub why: String,
}

/// What is in force.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// What the operator wanted.
    pub configuration: &'a Configuration,
    /// What the workers read.
    pub snapshot: &'a Snapshot,
}

/// What is planned.
#[derive(Clone, Copy)]
pub struct Planned<'a> {
    /// What the operator would want.
    pub configuration: &'a Configuration,
    /// What the workers would read.
    pub snapshot: &'a Snapshot,
    /// What the prober would know.
    pub health: &'a HealthTable,
}

/// What becomes of all flows that there may be.
#[must_use]
pub fn outlooks(before: Before<'_>, planned: Planned<'_>) -> Vec<Outlook> {
    let compared = Compared { before, planned, next: Index::of(planned.configuration) };
    let mut outlooks = Vec::new();
    for owner in &before.configuration.load_balancers {
        for rule in &owner.rules {
            compared.look_at_rule(owner, rule, &mut outlooks);
        }
    }
    let held = held(before.snapshot);
    for (position, method) in (0u32..).zip(outbound_methods(before.configuration)) {
        compared.look_at_outbound(position, &method, &held, &mut outlooks);
    }
    outlooks
}

/// The planned rules by their frontend endpoints: what identifies them to flows.
struct Index<'a> {
    rules: BTreeMap<(Address, u16, Transport), (&'a LoadBalancer, &'a LoadBalancingRule)>,
}

impl<'a> Index<'a> {
    fn of(configuration: &'a Configuration) -> Self {
        let mut rules = BTreeMap::new();
        for owner in &configuration.load_balancers {
            for rule in &owner.rules {
                rules.insert(endpoint_of(owner, rule), (owner, rule));
            }
        }
        Self { rules }
    }
}

/// Both sides of a plan.
struct Compared<'a> {
    before: Before<'a>,
    planned: Planned<'a>,
    next: Index<'a>,
}

impl Compared<'_> {
    fn look_at_rule(
        &self,
        owner: &LoadBalancer,
        rule: &LoadBalancingRule,
        outlooks: &mut Vec<Outlook>,
    ) {
        let (now, next) = (self.before.snapshot, self.planned.snapshot);
        let (address, port, protocol) = endpoint_of(owner, rule);
        let Some(id) = now.endpoints.frontend(address, port, protocol as u8) else { return };
        let Some(pool) = owner.pools.get(rule.pool) else { return };
        let rule_id = format!("loadBalancers/{}/loadBalancingRules/{}", owner.name, rule.name);
        let successor = self.next.rules.get(&(address, port, protocol)).copied();
        let open = eligible(now, id);
        let reasons = successor.map(|(owner, rule)| self.reasons(owner, rule)).unwrap_or_default();
        for member in &pool.members {
            let Some(member_id) = now.hosts.get(member.address.into()).as_member() else {
                continue;
            };
            let (fate, by_member, why) = match (now.rule(id), next.rule(id)) {
                (_, None) => (Fate::End, false, self.why_gone(owner, rule)),
                (_, Some(standing)) if !serves(next, standing, member_id) => {
                    let by_member = !self.keeps(owner, pool, member);
                    let why = if by_member { LEFT.to_owned() } else { why_other(successor) };
                    (Fate::End, by_member, why)
                }
                (Some(was), Some(is)) if was.backend_port != is.backend_port => {
                    let (old, new) = (was.backend_port, is.backend_port);
                    let why = format!(
                        "its packets go to port {new} of the members, where the connections of \
                         port {old} are not known"
                    );
                    (Fate::End, false, why)
                }
                (_, Some(_)) => match reasons.get(&member_id) {
                    Some(reason) => (Fate::Drain, true, format!("{DRAINS} ({reason})")),
                    None => (Fate::Keep, false, String::new()),
                },
            };
            outlooks.push(Outlook {
                flows: Flows::Inbound(id, member_id),
                fate,
                part: 1.0,
                is_new: match fate {
                    Fate::End => true,
                    Fate::Drain => open.contains(&member_id),
                    Fate::Keep => false,
                },
                id: if by_member { id_of_member(owner, pool, member) } else { rule_id.clone() },
                why,
            });
        }
    }

    /// Why members of a planned rule take no new flows, those that do not.
    fn reasons(
        &self,
        owner: &LoadBalancer,
        rule: &LoadBalancingRule,
    ) -> BTreeMap<MemberId, String> {
        let Some(pool) = owner.pools.get(rule.pool) else { return BTreeMap::new() };
        let view = rule_view(owner, rule, self.planned.health);
        let members = pool.members.iter().zip(&view.members);
        let closed = members.filter(|(_, view)| !view.eligible);
        let next = self.planned.snapshot;
        closed
            .filter_map(|(member, view)| {
                let id = next.hosts.get(member.address.into()).as_member()?;
                Some((id, view.reason.map(|reason| reason.to_string()).unwrap_or_default()))
            })
            .collect()
    }

    /// Why no rule stands at a rule's endpoint any more.
    fn why_gone(&self, owner: &LoadBalancer, rule: &LoadBalancingRule) -> String {
        let (address, port, protocol) = endpoint_of(owner, rule);
        let named = find(&self.planned.configuration.load_balancers, |it| &it.name, &owner.name);
        let moved = named.and_then(|owner| {
            let rule = find(&owner.rules, |it| &it.name, &rule.name)?;
            Some(endpoint_of(owner, rule))
        });
        let was = endpoint(address, port);
        match moved {
            Some((address, port, protocol)) => {
                let is = endpoint(address, port);
                format!("it moves from {was} to {protocol} {is}, and its connections stay behind")
            }
            None => format!("no rule takes {protocol} at {was} any more"),
        }
    }

    /// Whether a pool, by its name, keeps a member's address.
    fn keeps(&self, owner: &LoadBalancer, pool: &Pool, member: &config::Member) -> bool {
        let owner = find(&self.planned.configuration.load_balancers, |it| &it.name, &owner.name);
        let pool = owner.and_then(|owner| find(&owner.pools, |it| &it.name, &pool.name));
        pool.is_some_and(|pool| pool.members.iter().any(|it| it.address == member.address))
    }

    fn look_at_outbound(
        &self,
        position: u32,
        method: &OutboundMethod,
        held: &Held,
        outlooks: &mut Vec<Outlook>,
    ) {
        let now = self.before.snapshot;
        let owner = self.before.configuration.load_balancers.get(method.load_balancer);
        let pool = owner.and_then(|owner| owner.pools.get(method.pool));
        let Some((owner, pool)) = owner.zip(pool) else { return };
        for member in &pool.members {
            let Some(id) = now.hosts.get(member.address.into()).as_member() else { continue };
            for protocol in &method.protocols {
                let mapping = now.mapping(id, *protocol);
                let Some(mapping) = mapping.filter(|it| it.method == position) else { continue };
                let flows = Flows::Outbound(id, *protocol);
                let Some(next) = self.planned.snapshot.mapping(id, *protocol) else {
                    let (id, why) = match self.keeps(owner, pool, member) {
                        true => (method.id.clone(), no_way_out(*protocol)),
                        false => (id_of_member(owner, pool, member), LEFT.to_owned()),
                    };
                    let (fate, part, is_new) = (Fate::End, 1.0, true);
                    outlooks.push(Outlook { flows, fate, part, id, is_new, why });
                    continue;
                };
                let granules = held.get(&(id, *protocol)).map_or(&[][..], Vec::as_slice);
                let parts = self.parts(*protocol, granules, mapping, next);
                outlooks.extend(parts.outlooks(flows, &method.id));
            }
        }
    }

    /// What becomes of the ports that a member holds and goes on to have some.
    fn parts(
        &self,
        protocol: Transport,
        granules: &[(OutboundAddressId, u16, Granule)],
        now: &OutboundMapping,
        next: &OutboundMapping,
    ) -> Parts {
        let mut parts = Parts::default();
        for (address, port, holder) in granules {
            let of = |mapping: &OutboundMapping| {
                let mut blocks = mapping.blocks();
                blocks.any(|it| it.address == *address && it.range().contains(port))
            };
            let outside = self.planned.snapshot.outbound_addresses.get(address.index());
            // Ports that are free change hands at once.
            if outside.and_then(|it| it.holder(protocol, *port)) != Some(*holder) {
                continue;
            }
            if of(next) {
                parts.kept += 1;
            } else {
                parts.draining += 1;
                parts.is_new |= of(now);
            }
        }
        parts
    }
}

/// The ports of each member by eights, with who holds them.
type Held = BTreeMap<(MemberId, Transport), Vec<(OutboundAddressId, u16, Granule)>>;

/// The ports of all members, those too that are to be taken from them.
fn held(snapshot: &Snapshot) -> Held {
    let mut held = Held::new();
    for (id, address) in (0u32..).map(OutboundAddressId).zip(snapshot.outbound_addresses.iter()) {
        for protocol in Transport::ALL {
            let ports = (SNAT_FIRST_PORT..).step_by(SNAT_GRANULE.into()).take(SNAT_GRANULES);
            for (port, holder) in ports.filter_map(|it| Some((it, address.holder(protocol, it)?))) {
                held.entry((holder.member, protocol)).or_default().push((id, port, holder));
            }
        }
    }
    held
}

/// Ports of one member, by eights.
#[derive(Clone, Copy, Default)]
struct Parts {
    kept: u32,
    /// Taken from it as soon as their flows have ended.
    draining: u32,
    /// Whether the plan is what takes them.
    is_new: bool,
}

impl Parts {
    fn outlooks(self, flows: Flows, id: &str) -> impl Iterator<Item = Outlook> {
        let all = f64::from(self.kept + self.draining).max(1.0);
        let drained = f64::from(self.draining) / all;
        let outlook = |fate, part: f64, is_new, why: &str| {
            let (id, why) = (id.to_owned(), why.to_owned());
            (part > 0.0).then_some(Outlook { flows, fate, part, id, is_new, why })
        };
        let drain = outlook(Fate::Drain, drained, self.is_new, TAKEN);
        drain.into_iter().chain(outlook(Fate::Keep, 1.0 - drained, false, ""))
    }
}

const LEFT: &str = "its address leaves the pool, and its flows end with their next packet";
const TAKEN: &str =
    "ports are taken from members: flows on these go on, and no new ones begin there";
const DRAINS: &str = "it takes no new flows, and those that it has go on";
fn no_way_out(protocol: Transport) -> String {
    format!("members have no ports for {protocol} any more, and flows end with their next packet")
}

fn why_other(successor: Option<(&LoadBalancer, &LoadBalancingRule)>) -> String {
    let pool = successor.and_then(|(owner, rule)| owner.pools.get(rule.pool));
    let name = pool.map(|pool| pool.name.as_str()).unwrap_or_default();
    format!("its endpoint leads to pool '{name}', and flows on members that are not in it end")
}

/// Whether the pool of a rule has a member, as flows are held against it.
fn serves(snapshot: &Snapshot, rule: &Rule, member: MemberId) -> bool {
    let pool = snapshot.pools.get(rule.pool as usize);
    pool.is_some_and(|pool| pool.members.contains(&member))
}

/// The members of a rule that take new flows.
fn eligible(snapshot: &Snapshot, rule: RuleId) -> BTreeSet<MemberId> {
    let pool = snapshot.rule(rule).and_then(|it| snapshot.pools.get(it.pool as usize));
    let positions = pool.into_iter().flat_map(|pool| {
        pool.eligible_list.iter().filter_map(|at| pool.members.get(usize::from(*at)))
    });
    positions.copied().collect()
}

fn endpoint_of(owner: &LoadBalancer, rule: &LoadBalancingRule) -> (Address, u16, Transport) {
    let address = owner.frontends.get(rule.frontend).map(|it| it.address.into());
    (address.unwrap_or_default(), rule.frontend_port, rule.protocol)
}

fn endpoint(address: Address, port: u16) -> String {
    std::net::SocketAddr::new(address.to_ip(), port).to_string()
}

/// The object with a name, without regard to case.
fn find<'a, T>(all: &'a [T], name_of: impl Fn(&T) -> &String, name: &str) -> Option<&'a T> {
    all.iter().find(|it| name_of(it).eq_ignore_ascii_case(name))
}

/// The id of a member of a pool; of an interface's address, that of its configuration.
pub(super) fn id_of_member(owner: &LoadBalancer, pool: &Pool, member: &config::Member) -> String {
    match member.name.split_once('/') {
        Some((interface, configuration)) if member.by_interface => {
            format!("networkInterfaces/{interface}/ipConfigurations/{configuration}")
        }
        _ => format!(
            "loadBalancers/{}/backendAddressPools/{}/loadBalancerBackendAddresses/{}",
            owner.name, pool.name, member.name
        ),
    }
}
