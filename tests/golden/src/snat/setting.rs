//! Under which configuration does a trial begin?

use proptest::prelude::*;

use crate::document::Document;

/// How members' flows leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By an outbound rule.
    OutboundRule,
    /// By the load-balancing rules, one of which burns a block of ports.
    LoadBalancingRules,
}

/// What is chosen before the first step.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How many workers there are.
    pub workers: u8,
    /// How members leave.
    pub way: Way,
    /// `allocatedOutboundPorts`.
    pub ports: u32,
    /// How many of [`FRONTENDS`] the rule names.
    pub frontends: usize,
    /// Whether another pool has nearly all ports of the first frontend.
    pub crowded: bool,
    /// `idleTimeoutInMinutes`.
    pub idle_minutes: u32,
    /// `enableTcpReset`.
    pub tcp_reset: bool,
    /// Whether all other timers are shorter than Azure's.
    pub short_timers: bool,
    /// `enableEndpointIndependentMapping`.
    pub endpoint_independent: bool,
    /// `enableIcmpEcho`.
    pub icmp_echo: bool,
    /// `enableOnDemandPorts`, up to 64.
    pub on_demand: bool,
}

/// Milliseconds of silence that end a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    pub opening: u64,
    pub established: u64,
    pub closing: u64,
    pub reset: u64,
    pub udp: u64,
    pub icmp: u64,
}

/// Frontends that an outbound rule may name, in this order. The second is a prefix.
pub(super) const FRONTENDS: [&str; 3] = ["outbound", "many", "shop"];

/// The path of the outbound rule.
pub(super) const RULE: &str = "outboundRules/internet";

impl Setting {
    /// Any of them.
    pub fn any() -> impl Strategy<Value = Self> {
        let way = prop_oneof![4 => Just(Way::OutboundRule), 1 => Just(Way::LoadBalancingRules)];
        let size = (
            prop::sample::select(vec![1u8, 2, 4, 16]),
            way,
            prop::sample::select(vec![8u32, 8, 16, 24]),
            1usize..=FRONTENDS.len(),
            any::<bool>(),
        );
        let timers = (prop::sample::select(vec![4u32, 5]), any::<bool>(), any::<bool>());
        let extensions = (any::<bool>(), any::<bool>(), any::<bool>());
        (size, timers, extensions).prop_map(
            |(size, timers, (endpoint_independent, icmp_echo, on_demand))| {
                let (workers, way, ports, frontends, crowded) = size;
                let (idle_minutes, tcp_reset, short_timers) = timers;
                let is_rule = way == Way::OutboundRule;
                Self {
                    workers,
                    way,
                    ports,
                    frontends,
                    crowded: crowded && is_rule && frontends > 1,
                    // What only outbound rules can say.
                    idle_minutes: if is_rule { idle_minutes } else { 4 },
                    tcp_reset: tcp_reset && is_rule,
                    short_timers: short_timers && is_rule,
                    endpoint_independent: endpoint_independent && is_rule,
                    icmp_echo: icmp_echo && is_rule,
                    on_demand: on_demand && is_rule,
                }
            },
        )
    }

    /// What differs from `base.json`: words of text cases.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        let mut changes = vec![PREFIX.to_owned(), FRONTEND_OF_PREFIX.to_owned()];
        if self.way == Way::LoadBalancingRules {
            let rules = ["web", "shop", "dns"];
            let open = rules.map(|it| format!("loadBalancingRules/{it}/disableOutboundSnat false"));
            changes.extend(open);
            changes.push("loadBalancingRules/shop/frontendPort 1030".to_owned());
            changes.push("outboundRules []".to_owned());
            return changes;
        }
        if self.crowded {
            changes.extend([CROWD, RULES_IN_THE_CROWD].map(str::to_owned));
        }
        changes.push(format!("{RULE}/idleTimeoutInMinutes {}", self.idle_minutes));
        changes.push(format!("{RULE}/enableTcpReset {}", self.tcp_reset));
        changes.push(format!("{RULE}/extensions {}", self.extensions()));
        changes.push(names(self.frontends));
        changes.push(format!("{RULE}/allocatedOutboundPorts {}", self.ports));
        changes
    }

    fn extensions(&self) -> String {
        let mut members = vec![
            format!(r#""enableEndpointIndependentMapping": {}"#, self.endpoint_independent),
            format!(r#""enableIcmpEcho": {}"#, self.icmp_echo),
        ];
        if self.on_demand {
            members.push(r#""enableOnDemandPorts": true, "maximumOutboundPorts": 64"#.to_owned());
        }
        if self.short_timers {
            members.extend([
                r#""tcpOpeningTimeoutInSeconds": 5"#.to_owned(),
                r#""tcpFinTimeoutInSeconds": 7"#.to_owned(),
                r#""tcpResetTimeoutInSeconds": 3"#.to_owned(),
                r#""udpIdleTimeoutInSeconds": 20"#.to_owned(),
                r#""icmpQueryTimeoutInSeconds": 10"#.to_owned(),
            ]);
        }
        format!("{{{}}}", members.join(", "))
    }

    /// The configuration.
    ///
    /// # Panics
    /// When a path leads nowhere.
    #[must_use]
    pub fn document(&self) -> Document {
        let mut document = Document::read("base.json");
        for change in self.changes() {
            set(&mut document, &change).expect("a path of the document");
        }
        document
    }

    /// How long flows may be silent (behaviour.md §4.5).
    pub(super) const fn timers(&self) -> Timers {
        let established = self.idle_minutes as u64 * 60_000;
        if self.short_timers {
            return Timers {
                opening: 5_000,
                established,
                closing: 7_000,
                reset: 3_000,
                udp: 20_000,
                icmp: 10_000,
            };
        }
        Timers {
            opening: 32_000,
            established,
            closing: 240_000,
            reset: 15_000,
            udp: established,
            icmp: 60_000,
        }
    }
}

/// Does what stands behind `set` in a text case.
pub(super) fn set(document: &mut Document, change: &str) -> Result<(), String> {
    let (path, value) = change.split_once(' ').ok_or("a path and a value")?;
    document.set(path, value)
}

/// The first so many frontends of the outbound rule.
pub(super) fn names(count: usize) -> String {
    let name = |name: &&str| format!(r#"{{"id": "frontendIPConfigurations/{name}"}}"#);
    let list: Vec<_> = FRONTENDS[..count].iter().map(name).collect();
    format!("{RULE}/frontendIPConfigurations [{}]", list.join(", "))
}

const PREFIX: &str = concat!(
    r#"resources/+ {"type": "Microsoft.Network/publicIPPrefixes", "name": "many", "#,
    r#""sku": {"name": "Standard"}, "properties": {"ipPrefix": "203.0.113.32/30", "#,
    r#""prefixLength": 30}}"#,
);
const FRONTEND_OF_PREFIX: &str = concat!(
    r#"frontendIPConfigurations/+ {"name": "many", "properties": {"publicIPPrefix": "#,
    r#"{"id": "publicIPPrefixes/many"}}}"#,
);
/// One member that leaves eight ports of the first frontend to the others.
const CROWD: &str = concat!(
    r#"backendAddressPools/+ {"name": "crowd", "properties": "#,
    r#"{"loadBalancerBackendAddresses": [{"name": "server", "properties": "#,
    r#"{"ipAddress": "10.0.0.20"}}]}}"#,
);
const RULES_IN_THE_CROWD: &str = concat!(
    r#"outboundRules [{"name": "crowd", "properties": {"frontendIPConfigurations": "#,
    r#"[{"id": "frontendIPConfigurations/outbound"}], "backendAddressPool": {"id": "#,
    r#""backendAddressPools/crowd"}, "protocol": "All", "allocatedOutboundPorts": "#,
    r#"63992}}, {"name": "internet", "properties": {"frontendIPConfigurations": "#,
    r#"[{"id": "frontendIPConfigurations/outbound"}], "backendAddressPool": {"id": "#,
    r#""backendAddressPools/servers"}, "protocol": "All", "allocatedOutboundPorts": "#,
    r#"8}}]"#,
);
