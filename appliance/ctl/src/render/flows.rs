//! Which flows are there, and how many of what?
//!
//! One line a flow where all addresses of a page fit; else three. Addresses are never cut.

use std::net::Ipv6Addr;

use weir_core::api::Flow;

use super::counted;
use super::number::{duration, grouped};
use super::style::{HEADING, QUIET, paint};
use super::table::{LEFT, RIGHT, Table};
use crate::commands::flows::{FLOWS_MAX, Summary};

/// A page of flows, by rule.
pub(crate) fn flows(flows: &[Flow]) -> String {
    if flows.is_empty() {
        return String::new();
    }
    let mut flows: Vec<_> = flows.iter().collect();
    flows.sort_by(|left, right| group(left).cmp(&group(right)));
    let table = as_table(&flows);
    if table.fits() { table.render() } else { in_three_lines_each(&flows) }
}

/// How many were shown, and how to see more.
pub(crate) fn end_of_flows(shown: usize, has_more: bool) -> String {
    match (shown, has_more) {
        (0, false) => "No flow.\n".to_owned(),
        (shown, false) => format!("{}.\n", counted(shown, "flow")),
        (shown, true) if shown >= FLOWS_MAX => {
            format!("{} flows, and more: that is the most that is listed.\n", grouped(shown as u64))
        }
        (shown, true) => {
            format!("{}, and more: --limit, --all, or a filter.\n", counted(shown, "flow"))
        }
    }
}

/// Flows by rule and member.
pub(crate) fn summary(summary: &Summary) -> String {
    let mut table = Table::new(
        "  ",
        [("RULE", LEFT), ("MEMBER", LEFT), ("FLOWS", RIGHT), ("TCP", RIGHT), ("UDP", RIGHT)],
    );
    for group in &summary.groups {
        table.row([
            named(group.of.load_balancer.as_deref(), group.of.rule.as_deref()),
            group.of.member.clone().unwrap_or_else(|| "-".into()),
            grouped(group.flows()),
            grouped(group.tcp),
            grouped(group.udp),
        ]);
    }
    let shown = usize::try_from(summary.flows).unwrap_or(usize::MAX);
    let rows = if summary.groups.is_empty() { String::new() } else { table.render() };
    rows + &end_of_flows(shown, !summary.is_complete)
}

/// `web/http`, as people call a rule.
fn named(balancer: Option<&str>, rule: Option<&str>) -> String {
    match (balancer, rule) {
        (Some(balancer), Some(rule)) => format!("{balancer}/{rule}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "(no rule)".to_owned(),
    }
}

/// What flows under one heading have in common.
fn group(flow: &Flow) -> (Option<&str>, Option<&str>, &str, &str) {
    (flow.load_balancer.as_deref(), flow.rule.as_deref(), &flow.kind, &flow.protocol)
}

fn heading(flow: &Flow) -> String {
    let rule = named(flow.load_balancer.as_deref(), flow.rule.as_deref());
    format!("{rule}, {} {}", flow.kind.to_lowercase(), flow.protocol.to_uppercase())
}

fn as_table(flows: &[&Flow]) -> Table {
    let mut table = Table::new(
        "",
        [("  FROM", LEFT), ("TO", LEFT), ("TRANSLATED", LEFT), ("STATE", LEFT), ("IDLE", RIGHT)],
    );
    let mut latest = None;
    for flow in flows {
        if latest != Some(group(flow)) {
            table.heading(&heading(flow));
            latest = Some(group(flow));
        }
        let [from, to, translated] = ends(flow);
        let idle = duration(flow.idle_seconds.into());
        table.row([format!("  {from}"), to, translated, state(flow).to_owned(), idle]);
    }
    table
}

fn in_three_lines_each(flows: &[&Flow]) -> String {
    let mut text = String::new();
    let mut latest = None;
    for flow in flows {
        if latest != Some(group(flow)) {
            text += &format!("{}\n", paint(HEADING, &heading(flow)));
            latest = Some(group(flow));
        }
        let [from, to, translated] = ends(flow);
        let how = format!("{}, idle {}", state(flow), duration(flow.idle_seconds.into()));
        text += &format!("  {from}  {}\n", paint(QUIET, &how));
        text += &format!("    to {to}\n    by {translated}\n");
    }
    text
}

fn state(flow: &Flow) -> &str {
    flow.state.as_deref().unwrap_or("-")
}

fn ends(flow: &Flow) -> [String; 3] {
    [
        end(&flow.source, flow.source_port),
        end(&flow.destination, flow.destination_port),
        end(&flow.translated_address, flow.translated_port),
    ]
}

/// An address with its port, as it is written in a URL.
pub(super) fn end(address: &str, port: u16) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}"),
        Err(_) => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;
    use crate::commands::flows::{Group, GroupKey};

    fn flow(addresses: [&str; 3], more: Value) -> Flow {
        let mut flow = json!({
            "worker": 0, "kind": "Inbound", "protocol": "Tcp", "source": addresses[0],
            "sourcePort": 40_000, "destination": addresses[1], "destinationPort": 80,
            "translatedAddress": addresses[2], "translatedPort": 8_080, "loadBalancer": "web",
            "rule": "http", "member": addresses[2], "state": "Established", "idleSeconds": 75,
        });
        for (key, value) in more.as_object().expect("an object") {
            flow[key] = value.clone();
        }
        serde_json::from_value(flow).expect("a flow")
    }

    #[test]
    fn flows_stand_under_their_rule_a_line_each() {
        let inbound = ["198.51.100.7", "203.0.113.10", "10.0.0.11"];
        let outbound = json!({"kind": "Outbound", "rule": "internet", "protocol": "Udp",
            "state": null, "idleSeconds": 3});
        let page = plain(&flows(&[
            flow(["10.0.0.11", "192.0.2.50", "203.0.113.20"], outbound),
            flow(inbound, json!({})),
            flow(inbound, json!({"sourcePort": 40_001, "state": "SynSent"})),
        ]));
        assert_golden("flows", &page);
        assert!(page.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn long_addresses_take_a_line_each_and_are_never_cut() {
        let long = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff";
        let page = plain(&flows(&[flow([long, long, long], json!({}))]));
        assert_eq!(page.matches(&format!("[{long}]:")).count(), 3, "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    }

    #[test]
    fn the_end_says_whether_there_is_more() {
        assert_eq!(end_of_flows(0, false), "No flow.\n");
        assert_eq!(end_of_flows(1, false), "1 flow.\n");
        assert_eq!(end_of_flows(100, true), "100 flows, and more: --limit, --all, or a filter.\n");
        assert!(end_of_flows(FLOWS_MAX, true).contains("1,000,000 flows"));
    }

    #[test]
    fn a_summary_counts_by_rule_and_member() {
        let of = GroupKey {
            load_balancer: Some("web".into()),
            rule: Some("http".into()),
            member: Some("10.0.0.11".into()),
        };
        let groups = vec![Group { of, tcp: 1_200, udp: 34 }];
        let page = plain(&summary(&Summary { flows: 1_234, is_complete: true, groups }));
        let expected = "  RULE      MEMBER     FLOWS    TCP  UDP
  web/http  10.0.0.11  1,234  1,200   34
1234 flows.
";
        assert_eq!(page, expected, "\n{page}");
    }
}
