use serde_json::{Value, json};
use weir_core::config::check;
use weir_core::health::Verdict;

use super::*;

fn reference(kind: &str, name: &str) -> Value {
    json!({"id": format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/{kind}/{name}")})
}

fn rule(name: &str, port: u16, probe: Option<&str>) -> Value {
    let child = |kind: &str, name: &str| reference(&format!("loadBalancers/lb/{kind}"), name);
    let mut rule = json!({"name": name, "properties": {
        "frontendIPConfiguration": child("frontendIPConfigurations", "front"),
        "backendAddressPool": child("backendAddressPools", "pool"),
        "protocol": "Tcp", "frontendPort": port, "backendPort": port, "disableOutboundSnat": true,
    }});
    if let Some(probe) = probe {
        rule["properties"]["probe"] = child("probes", probe);
    }
    rule
}

/// Rules (name, port, probe) over one pool of members (last byte, admin state).
fn configuration(rules: &[(&str, u16, Option<&str>)], members: &[(u8, &str)]) -> Configuration {
    let member = |(last, state): &(u8, &str)| {
        json!({"name": format!("m{last}"), "properties": {
            "ipAddress": format!("10.0.0.{last}"), "adminState": state,
            "virtualNetwork": reference("virtualNetworks", "net"),
        }})
    };
    let probe = |name: &str, port: u16, behaviour: &str| {
        json!({"name": name, "properties": {"protocol": "Tcp", "port": port,
            "probeThreshold": 1, "noHealthyBackendsBehavior": behaviour}})
    };
    let rules: Vec<Value> =
        rules.iter().map(|(name, port, probe)| rule(name, *port, *probe)).collect();
    let document = json!({
        "appliance": {"ports": [
            {"name": "front", "device": "net_null0", "addresses": ["198.51.100.1/24"]},
            {"name": "back", "device": "net_null1", "addresses": ["10.0.0.254/24"]},
        ]},
        "resources": [
            {"type": "Microsoft.Network/virtualNetworks", "name": "net", "properties": {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/24"]},
                "subnets": [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}]}},
            {"type": "Microsoft.Network/publicIPAddresses", "name": "ip",
                "sku": {"name": "Standard"}, "properties": {"ipAddress": "203.0.113.10",
                "publicIPAllocationMethod": "Static"}},
            {"type": "Microsoft.Network/loadBalancers", "name": "lb", "sku": {"name": "Standard"},
                "properties": {
                "frontendIPConfigurations": [{"name": "front", "properties": {
                    "publicIPAddress": reference("publicIPAddresses", "ip")}}],
                "backendAddressPools": [{"name": "pool", "properties": {
                    "loadBalancerBackendAddresses":
                        members.iter().map(member).collect::<Vec<_>>()}}],
                "probes": [probe("plain", 81, "AllProbedDown"), probe("open", 82, "AllProbedUp")],
                "loadBalancingRules": rules,
            }},
        ],
    });
    check(document.to_string().as_bytes()).expect("a configuration").configuration
}

/// A configuration in force, what probes say, and who watches.
struct Story {
    configuration: Configuration,
    health: HealthTable,
    watch: HealthWatch,
    members_per_turn: usize,
}

impl Story {
    fn begin(configuration: Configuration) -> Self {
        let mut health = HealthTable::default();
        health.set_targets(&weir_core::compile::probe_targets(&configuration));
        let watch = HealthWatch::begin(&configuration, &health);
        Self { configuration, health, watch, members_per_turn: 512 }
    }

    fn probed(&mut self, last: u8, verdict: Verdict) {
        let address = IpAddr::from([10, 0, 0, last]);
        for probe in &self.configuration.load_balancers[0].probes {
            let target = probe_target(probe, address);
            if self.health.record(&target, verdict, 0).is_some() {
                self.watch.suspect(&self.configuration, &target);
            }
        }
    }

    fn changed(&mut self, configuration: Configuration) {
        let old = std::mem::replace(&mut self.configuration, configuration);
        self.watch.follow(&old, &self.configuration);
        self.health.set_targets(&weir_core::compile::probe_targets(&self.configuration));
    }

    /// What is told in one turn: rule, last byte of the member, state and reason.
    fn told(&mut self) -> Vec<(String, u8, bool, String)> {
        let mut told = Vec::new();
        self.watch.turn(&self.configuration, &self.health, self.members_per_turn, |change| {
            let IpAddr::V4(member) = change.member else { unreachable!("IPv4 only") };
            told.push((change.rule, member.octets()[3], change.is_up, change.reason));
        });
        told
    }
}

fn row(rule: &str, member: u8, is_up: bool, reason: &str) -> (String, u8, bool, String) {
    (rule.to_owned(), member, is_up, reason.to_owned())
}

const UP: &str = "Up_Probe_Success";
const DOWN: &str = "Down_Probe_TcpProbeTimeout";
const WEB: (&str, u16, Option<&str>) = ("web", 80, Some("plain"));
const SECURE: (&str, u16, Option<&str>) = ("secure", 443, Some("plain"));
const OPEN: (&str, u16, Option<&str>) = ("open", 8080, Some("open"));
const UNPROBED: (&str, u16, Option<&str>) = ("unprobed", 53, None);

#[test]
fn every_rule_of_a_probe_is_told_of_its_member_once_and_rules_without_a_probe_never() {
    let mut story =
        Story::begin(configuration(&[WEB, SECURE, UNPROBED], &[(1, "None"), (2, "None")]));
    assert_eq!(story.told(), []);
    story.probed(2, Verdict::TcpConnected);
    assert_eq!(story.told(), [row("web", 2, true, UP), row("secure", 2, true, UP)]);
    assert_eq!(story.told(), []);
    story.probed(2, Verdict::TcpConnected);
    story.probed(1, Verdict::Timeout);
    assert_eq!(story.told(), [], "not probed and down are the same to traffic");
    story.probed(2, Verdict::Timeout);
    assert_eq!(story.told(), [row("web", 2, false, DOWN), row("secure", 2, false, DOWN)]);
}

#[test]
fn the_last_member_that_falls_opens_a_pool_of_last_resort() {
    let mut story = Story::begin(configuration(&[OPEN], &[(1, "None"), (2, "None")]));
    let resort = "Up_Probe_AllDownIsUp";
    assert_eq!(story.told(), [], "open before the first probe, and so it began");
    story.probed(1, Verdict::TcpConnected);
    assert_eq!(story.told(), [row("open", 2, false, "NA")], "now one is known to be better");
    story.probed(1, Verdict::Timeout);
    assert_eq!(story.told(), [row("open", 2, true, resort)], "the other stays open");
}

#[test]
fn a_configuration_tells_what_differs_for_members_that_stay_and_begins_new_ones_as_down() {
    let mut story = Story::begin(configuration(&[WEB], &[(1, "None"), (2, "None")]));
    story.probed(1, Verdict::TcpConnected);
    story.probed(2, Verdict::TcpConnected);
    assert_eq!(story.told().len(), 2);
    story.changed(configuration(&[WEB], &[(1, "Down"), (2, "None"), (3, "Up")]));
    let expected = [row("web", 1, false, "Down_Admin"), row("web", 3, true, "Up_Admin")];
    assert_eq!(story.told(), expected);
    story.changed(configuration(&[SECURE], &[(2, "None")]));
    assert_eq!(story.told(), [], "a rule of the same pool and probe is no news of its members");
    story.changed(configuration(&[UNPROBED], &[(2, "None")]));
    assert_eq!(story.told(), []);
}

#[test]
fn a_state_that_changed_and_changed_back_between_two_turns_is_no_news() {
    let mut story = Story::begin(configuration(&[WEB], &[(1, "None")]));
    story.probed(1, Verdict::TcpConnected);
    story.probed(1, Verdict::Timeout);
    assert_eq!(story.told(), []);
}

#[test]
fn a_turn_that_has_seen_enough_members_leaves_the_rest_to_the_next() {
    let mut story = Story::begin(configuration(&[WEB, OPEN], &[(1, "None"), (2, "None")]));
    story.members_per_turn = 1;
    story.probed(1, Verdict::TcpConnected);
    assert_eq!(story.told(), [row("web", 1, true, UP)]);
    assert_eq!(story.told(), [row("open", 2, false, "NA")]);
    assert_eq!(story.told(), []);
}
