//! What are the rules called that ids of the data path stand for?

use std::collections::BTreeMap;

use weir_core::api;
use weir_core::config::{Configuration, LoadBalancer, outbound_methods};
use weir_core::path::{FlowView, Through};
use weir_core::policy::Snapshot;
use weir_core::units::{MemberId, RuleId, Tick, Transport, WorkerId};

/// The names of a configuration's rules, by the ids of the snapshot that it became.
#[derive(Debug, Default)]
pub(in crate::control) struct Names {
    rules: BTreeMap<RuleId, RuleName>,
    /// By the method's position.
    methods: Vec<RuleName>,
    /// How the flows of each member leave.
    outbound: BTreeMap<(MemberId, Transport), usize>,
}

/// What a rule is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct RuleName {
    /// The load balancer's name.
    pub(in crate::control) load_balancer: String,
    /// The rule's own.
    pub(in crate::control) rule: String,
    /// Both, and what kind of rule it is.
    pub(in crate::control) id: String,
}

impl Names {
    /// The names of the rules of `configuration`, which `snapshot` was compiled from.
    pub(in crate::control) fn of(configuration: &Configuration, snapshot: &Snapshot) -> Self {
        let mut names = Self::default();
        for load_balancer in &configuration.load_balancers {
            names.add_rules(load_balancer, snapshot);
        }
        names.add_outbound(configuration, snapshot);
        names
    }

    /// A load-balancing rule by its id, without regard to case.
    pub(in crate::control) fn rule(&self, id: &str) -> Option<RuleId> {
        let mut rules = self.rules.iter();
        rules.find(|(_, name)| name.id.eq_ignore_ascii_case(id)).map(|(rule, _)| *rule)
    }

    /// The id of an outbound method as it is spelt, likewise.
    pub(in crate::control) fn outbound_method(&self, id: &str) -> Option<&str> {
        let mut methods = self.methods.iter();
        let method = methods.find(|method| method.id.eq_ignore_ascii_case(id))?;
        Some(&method.id)
    }

    /// The rule that a flow goes through; none if it is gone.
    pub(in crate::control) fn of_flow(&self, view: &FlowView) -> Option<&RuleName> {
        match view.through {
            Through::Rule(rule) => self.rules.get(&rule),
            Through::OutboundAddress(_) => {
                let method = self.outbound.get(&(view.member, view.protocol))?;
                self.methods.get(*method)
            }
        }
    }

    /// A flow as the control socket shows it.
    pub(in crate::control) fn flow(&self, worker: WorkerId, view: &FlowView) -> api::Flow {
        let name = self.of_flow(view);
        let (kind, member) = match view.through {
            Through::Rule(_) => ("Inbound", view.translated.0),
            Through::OutboundAddress(_) => ("Outbound", view.source.0),
        };
        api::Flow {
            worker: worker.0,
            kind: kind.to_owned(),
            protocol: view.protocol.to_string(),
            source: view.source.0.to_string(),
            source_port: view.source.1,
            destination: view.destination.0.to_string(),
            destination_port: view.destination.1,
            translated_address: view.translated.0.to_string(),
            translated_port: view.translated.1,
            load_balancer: name.map(|name| name.load_balancer.clone()),
            rule: name.map(|name| name.rule.clone()),
            member: Some(member.to_string()),
            state: (view.protocol == Transport::Tcp).then(|| view.tcp.name().to_owned()),
            idle_seconds: view.idle_ticks / Tick::PER_SECOND,
            expires_in_seconds: view.expires_in_ticks.div_ceil(Tick::PER_SECOND),
            generation: view.generation.0,
        }
    }

    fn add_rules(&mut self, load_balancer: &LoadBalancer, snapshot: &Snapshot) {
        for rule in &load_balancer.rules {
            let frontend = load_balancer.frontends[rule.frontend].address.into();
            let (port, protocol) = (rule.frontend_port, rule.protocol as u8);
            if let Some(id) = snapshot.endpoints.frontend(frontend, port, protocol) {
                self.rules.insert(id, name(load_balancer, "loadBalancingRules", &rule.name));
            }
        }
    }

    fn add_outbound(&mut self, configuration: &Configuration, snapshot: &Snapshot) {
        for method in outbound_methods(configuration) {
            let load_balancer = &configuration.load_balancers[method.load_balancer];
            let rule = method.id.rsplit('/').next().unwrap_or_default().to_owned();
            let load_balancer = load_balancer.name.clone();
            self.methods.push(RuleName { load_balancer, rule, id: method.id });
        }
        for member in (0u32..).take(snapshot.members.len()).map(MemberId) {
            for protocol in Transport::ALL {
                let mapping = snapshot.mapping(member, protocol);
                let method = mapping.map(|mapping| mapping.method as usize);
                self.outbound.extend(method.map(|method| ((member, protocol), method)));
            }
        }
    }
}

fn name(load_balancer: &LoadBalancer, collection: &str, rule: &str) -> RuleName {
    RuleName {
        load_balancer: load_balancer.name.clone(),
        rule: rule.to_owned(),
        id: format!("loadBalancers/{}/{collection}/{rule}", load_balancer.name),
    }
}
