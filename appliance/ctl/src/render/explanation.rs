//! What would become of a packet, in words?

use weir_core::api::{Explain, Explanation, NextHop};

use super::flows::end;
use super::number::duration;
use super::style::{BAD, GOOD, HEADING, ODD, paint};
use super::table::{LEFT, Table, wrap};

/// The verdict, then what was found, then each step.
pub(crate) fn explanation(asked: &Explain, found: &Explanation) -> String {
    let mut text = verdict(asked, found);
    text += &facts(found).render();
    if !found.steps.is_empty() {
        text += &format!("\n{}\n", paint(HEADING, "Step by step"));
    }
    for (number, step) in (1..).zip(&found.steps) {
        text += &wrap(step, &format!("{number:>4}. "), "      ");
    }
    text
}

fn verdict(asked: &Explain, found: &Explanation) -> String {
    let (style, words) = match found.verdict.as_str() {
        "Transmit" => (GOOD, "goes on".to_owned()),
        "Answer" => (GOOD, "is answered by the appliance itself".to_owned()),
        "Kernel" => (GOOD, "is given to the kernel".to_owned()),
        "HandOff" => (ODD, "is handed to another worker".to_owned()),
        "Drop" => {
            let reason = found.reason.as_deref().unwrap_or("no reason named");
            (BAD, format!("is DROPPED: {reason}"))
        }
        other => (ODD, other.to_owned()),
    };
    let from = end(&asked.source, asked.source_port);
    let to = end(&asked.destination, asked.destination_port);
    format!("{} {from} -> {to}\n{}\n", asked.protocol, paint(style, &words))
}

fn facts(found: &Explanation) -> Table {
    let mut table = Table::headless("  ", &[LEFT, LEFT]);
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name.to_owned(), value]);
        }
    };
    row("load balancer", found.load_balancer.clone());
    row("frontend", found.frontend.clone());
    row("rule", found.rule.clone());
    row("member", found.member.clone());
    let leaves = found.translated.as_ref().map(|it| {
        // Outbound, the owner picks a port when the packet comes.
        let from = match it.source_port {
            Some(port) => end(&it.source, port),
            None => format!("{}, any free port", it.source),
        };
        (from, end(&it.destination, it.destination_port))
    });
    row("leaves as", leaves.map(|(from, to)| format!("{from} -> {to}")));
    row("next hop", found.next_hop.as_ref().map(next_hop));
    row("worker", Some(found.worker.to_string()));
    row("flow", Some(flow(found)));
    table
}

fn next_hop(hop: &NextHop) -> String {
    let NextHop { port, address, mac } = hop;
    match mac {
        Some(mac) => format!("{address} at {mac}, by port {port}"),
        None => format!("{address}, not resolved yet, by port {port}"),
    }
}

fn flow(found: &Explanation) -> String {
    match &found.flow {
        None => "none yet".to_owned(),
        Some(flow) => {
            let idle = duration(flow.idle_seconds.into());
            let left = duration(flow.expires_in_seconds.into());
            let state = flow.state.as_deref().unwrap_or("known");
            format!("{state}, idle {idle}, ends in {left} if nothing comes")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;

    fn asked() -> Explain {
        Explain {
            protocol: "Tcp".into(),
            source: "2001:db8::7".into(),
            source_port: 40_000,
            destination: "2001:db8::10".into(),
            destination_port: 80,
            port: None,
        }
    }

    #[test]
    fn a_packet_is_followed_from_verdict_to_last_step() {
        let found = json!({
            "verdict": "Transmit", "worker": 1, "loadBalancer": "web", "frontend": "public",
            "rule": "http", "member": "fd00::11",
            "flow": {"state": "Established", "idleSeconds": 3, "expiresInSeconds": 237},
            "translated": {"source": "2001:db8::7", "sourcePort": 40_000,
                           "destination": "fd00::11", "destinationPort": 8_080},
            "nextHop": {"port": "back", "address": "fd00::11", "mac": "02:00:00:00:01:11"},
            "steps": ["It comes in by port front.",
                      "Its flow is known, so it goes where the first packet of the flow went, \
                       whatever has changed since."]
        });
        let page = plain(&explanation(&asked(), &serde_json::from_value(found).expect("one")));
        assert_golden("explanation", &page);
    }

    #[test]
    fn a_drop_names_its_reason() {
        let found = json!({"verdict": "Drop", "reason": "no_rule", "worker": 0});
        let page = plain(&explanation(&asked(), &serde_json::from_value(found).expect("one")));
        assert!(page.contains("is DROPPED: no_rule\n  worker  0\n  flow    none yet\n"), "{page}");
    }
}
