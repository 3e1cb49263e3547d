//! What do load-balancing rules, pools and members become?

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use super::identity::Identities;
use super::{Inputs, rule_view};
use crate::config::{self, Configuration, LoadBalancer, LoadBalancingRule};
use crate::policy::{
    self, Backend, EndpointMap, LoadDistribution, Member, Pool, Rule, Selection, Snapshot, Standing,
};
use crate::tables::{Bitmap, mix};
use crate::units::{Address, MemberId, RuleId, Transport, ticks_of_seconds};

/// What identifies a rule to flows: its frontend endpoint. A rule that is renamed keeps its flows.
pub(super) type Endpoint = (Address, u16, Transport);
/// What a selection table depends on.
type Content = Vec<(Address, u16)>;
/// Who stands behind members' endpoints, in which role: in the order of endpoints.
type Leading = Vec<(policy::Endpoint, Backend)>;

/// What the compiler remembers of rules and members.
#[derive(Clone, Debug, Default)]
pub(super) struct Balance {
    rules: Identities<Endpoint>,
    members: Identities<Address>,
    selections: BTreeMap<Content, Weak<Selection>>,
    /// Which members serve which rules, in order.
    backends: Vec<(RuleId, MemberId)>,
}

impl Balance {
    /// The id of a member's address, given now if it has none.
    pub(super) fn member(&mut self, address: IpAddr, now: u64) -> MemberId {
        MemberId(self.members.of(&address.into(), now))
    }

    pub(super) fn rule_id(&self, endpoint: &Endpoint) -> Option<RuleId> {
        self.rules.get(endpoint).map(RuleId)
    }

    pub(super) fn member_id(&self, address: Address) -> Option<MemberId> {
        self.members.get(&address).map(MemberId)
    }

    /// Writes rules, members and endpoints. Returns whether a member that could
    /// have flows of a rule no longer can.
    pub(super) fn write(
        &mut self,
        configuration: &Configuration,
        now: u64,
        next: &mut Snapshot,
    ) -> bool {
        self.forget_what_is_gone(configuration, now);
        let views = Views::of(configuration);
        let members: Vec<Arc<[MemberId]>> =
            views.pools().map(|pool| self.members_of(pool, now)).collect();
        let (mut endpoints, mut live) = (Vec::new(), Vec::new());
        let mut leading = Leading::new();
        for ((load_balancer, rule), view) in rules_of(configuration).zip(&views.of_rules) {
            let endpoint = endpoint_of(load_balancer, rule);
            let (frontend, port, protocol) = endpoint;
            let id = RuleId(self.rules.of(&endpoint, now));
            endpoints.push(((frontend, port, protocol as u8), Standing::Frontend(id)));
            let owner_share = next.owner.frontend_share(frontend, port);
            let pool = u32::try_from(*view).unwrap_or(u32::MAX);
            live.push((id, Rule { owner_share, ..lower(rule, frontend, pool) }));
            let addresses = &load_balancer.pools[rule.pool].members;
            for (member, address) in members[*view].iter().zip(addresses) {
                let from = (address.address.into(), rule.backend_port, protocol as u8);
                leading.push((from, Backend { rule: id, member: *member }));
            }
        }
        leading.sort_unstable_by_key(|(endpoint, _)| *endpoint);
        let ended = self.note_backends(&leading);
        endpoints.extend(standing_of(&leading));
        next.endpoints = Arc::new(EndpointMap::build(endpoints));
        next.rules = self.rule_table(live);
        next.members = self.member_table(configuration, now);
        ended
    }

    /// Writes pools, one for each view, with who is eligible in each.
    pub(super) fn write_eligibility(&mut self, inputs: Inputs<'_>, next: &mut Snapshot) {
        let views = Views::of(inputs.configuration);
        next.pools = views
            .views
            .iter()
            .map(|(load_balancer, rule)| self.pool(load_balancer, rule, inputs))
            .collect();
        self.selections.retain(|_, selection| selection.strong_count() > 0);
    }

    fn pool(
        &mut self,
        load_balancer: &LoadBalancer,
        rule: &LoadBalancingRule,
        inputs: Inputs<'_>,
    ) -> Pool {
        let members = &load_balancer.pools[rule.pool].members;
        let view = rule_view(load_balancer, rule, inputs.health);
        let mut eligible = Bitmap::new(members.len());
        let mut eligible_list = Vec::new();
        for (position, member) in (0u16..).zip(&view.members) {
            if member.eligible {
                eligible.set(position.into(), true);
                eligible_list.push(position);
            }
        }
        Pool {
            members: self.members_of(&load_balancer.pools[rule.pool], inputs.now_milliseconds),
            selection: self.selection(members),
            eligible,
            eligible_list: eligible_list.into(),
        }
    }

    fn members_of(&mut self, pool: &config::Pool, now: u64) -> Arc<[MemberId]> {
        pool.members.iter().map(|member| self.member(member.address, now)).collect()
    }

    /// The table for these members, shared with every pool of the same content.
    fn selection(&mut self, members: &[config::Member]) -> Arc<Selection> {
        let content: Content =
            members.iter().map(|member| (member.address.into(), member.weight)).collect();
        if let Some(selection) = self.selections.get(&content).and_then(Weak::upgrade) {
            return selection;
        }
        let names: Vec<u64> = content.iter().map(|(address, _)| name_of(*address)).collect();
        let weights: Vec<u16> = content.iter().map(|(_, weight)| *weight).collect();
        let selection = Arc::new(Selection::build(&names, &weights));
        self.selections.insert(content, Arc::downgrade(&selection));
        selection
    }

    fn forget_what_is_gone(&mut self, configuration: &Configuration, now: u64) {
        let rules = rules_of(configuration);
        let endpoints: BTreeSet<_> = rules.map(|(it, rule)| endpoint_of(it, rule)).collect();
        let members: BTreeSet<Address> =
            configuration.host_addresses().map(Address::from).collect();
        self.rules.retain(now, |endpoint| endpoints.contains(endpoint));
        self.members.retain(now, |address| members.contains(address));
    }

    /// Notes who serves what; returns whether anybody ceased to.
    fn note_backends(&mut self, leading: &Leading) -> bool {
        let pairs = leading.iter().map(|(_, backend)| (backend.rule, backend.member));
        let mut backends: Vec<_> = pairs.collect();
        backends.sort_unstable();
        let ended = !self.backends.iter().all(|it| backends.binary_search(it).is_ok());
        self.backends = backends;
        ended
    }

    fn rule_table(&self, live: Vec<(RuleId, Rule)>) -> Arc<[Rule]> {
        let gone = Rule::between(Address::default(), 0, 0);
        let mut rules = vec![gone; self.rules.bound()];
        for (id, rule) in live {
            rules[id.index()] = rule;
        }
        rules.into()
    }

    /// Members with their addresses; how to reach them is written by `forward`.
    fn member_table(&mut self, configuration: &Configuration, now: u64) -> Arc<[Member]> {
        let addresses: Vec<Address> = configuration.host_addresses().map(Address::from).collect();
        let ids: Vec<u32> = addresses.iter().map(|it| self.members.of(it, now)).collect();
        let gone = Member::at(Address::default());
        let mut members = vec![gone; self.members.bound()];
        for (id, address) in ids.into_iter().zip(addresses) {
            members[id as usize] = Member { live: true, ..Member::at(address) };
        }
        members.into()
    }
}

/// Pools as rules see them: one for each pool and probe, in the order of the first rule that has
/// both. Rules that differ in their ports only see the same.
struct Views<'c> {
    views: Vec<(&'c LoadBalancer, &'c LoadBalancingRule)>,
    /// For every rule, which one it sees.
    of_rules: Vec<usize>,
}

impl<'c> Views<'c> {
    fn of(configuration: &'c Configuration) -> Self {
        let mut known = BTreeMap::new();
        let (mut views, mut of_rules) = (Vec::new(), Vec::new());
        for (position, load_balancer) in configuration.load_balancers.iter().enumerate() {
            for rule in &load_balancer.rules {
                let view = *known.entry((position, rule.pool, rule.probe)).or_insert(views.len());
                of_rules.push(view);
                if view == views.len() {
                    views.push((load_balancer, rule));
                }
            }
        }
        Self { views, of_rules }
    }

    fn pools(&self) -> impl Iterator<Item = &'c config::Pool> {
        self.views.iter().map(|(load_balancer, rule)| &load_balancer.pools[rule.pool])
    }
}

fn rules_of(
    configuration: &Configuration,
) -> impl Iterator<Item = (&LoadBalancer, &LoadBalancingRule)> {
    let load_balancers = configuration.load_balancers.iter();
    load_balancers.flat_map(|it| it.rules.iter().map(move |rule| (it, rule)))
}

fn endpoint_of(load_balancer: &LoadBalancer, rule: &LoadBalancingRule) -> Endpoint {
    let frontend = load_balancer.frontends[rule.frontend].address;
    (frontend.into(), rule.frontend_port, rule.protocol)
}

fn lower(rule: &LoadBalancingRule, frontend: Address, pool: u32) -> Rule {
    Rule {
        live: true,
        protocol: rule.protocol,
        distribution: match rule.load_distribution {
            config::LoadDistribution::Default => LoadDistribution::Default,
            config::LoadDistribution::SourceIp => LoadDistribution::SourceIp,
            config::LoadDistribution::SourceIpProtocol => LoadDistribution::SourceIpProtocol,
        },
        tcp_reset: rule.enable_tcp_reset,
        idle_ticks: ticks_of_seconds(rule.idle_timeout_minutes * 60),
        pool,
        ..Rule::between(frontend, rule.frontend_port, rule.backend_port)
    }
}

fn standing_of(leading: &Leading) -> impl Iterator<Item = (policy::Endpoint, Standing)> {
    let behind_each = leading.chunk_by(|one, other| one.0 == other.0);
    behind_each.filter_map(|behind| match behind {
        [] => None,
        [(endpoint, backend)] => Some((*endpoint, Standing::Member(*backend))),
        [(endpoint, _), ..] => Some((*endpoint, Standing::Ambiguous)),
    })
}

/// What a member is called in a selection table: the same on every appliance.
fn name_of(address: Address) -> u64 {
    mix(address.high ^ 0x4528_21e6_38d0_1377, address.low ^ 0xbe54_66cf_34e9_0c6c)
}
