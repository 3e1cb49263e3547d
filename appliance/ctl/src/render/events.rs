//! How does an event read? One line, however long.

use serde_json::Value;
use weir_core::api::{Event, Happening, MemberChange, ScarceTowards, SnatPorts};

use super::flows::end;
use super::history::to_the_second;
use super::number::grouped;
use super::snat::short_id;
use super::style::{BAD, GOOD, ODD, QUIET, of_state, paint};

/// One event; `written` is what the appliance sent, for what this release does not know.
pub(crate) fn event(event: &Event, written: &Value) -> String {
    let what = match &event.what {
        Happening::MemberHealth(change) => member(change),
        Happening::Configuration(change) => {
            let generation = format!("generation {}", change.generation);
            format!("configuration  {} by {}", paint(GOOD, &generation), change.applied_by)
        }
        Happening::SnatPorts(ports) => snat(ports),
        Happening::Missed(missed) => {
            let text = format!("{} events came faster than they were read", grouped(missed.count));
            format!("missed         {}", paint(BAD, &text))
        }
        Happening::Unknown => written.to_string(),
    };
    format!("{}  {what}\n", paint(QUIET, &to_the_second(&event.at)))
}

fn member(change: &MemberChange) -> String {
    let MemberChange { load_balancer, rule, member, state, reason, detail } = change;
    let word = paint(of_state(state), if state == "Up" { "up" } else { "DOWN" });
    let mut text = format!("health         {member} {word} for {load_balancer}/{rule}");
    for part in [reason, detail].into_iter().flatten() {
        text += ": ";
        text += part;
    }
    text
}

fn snat(ports: &SnatPorts) -> String {
    let style = match ports.level.as_str() {
        "Recovered" => GOOD,
        "Exhausted" => BAD,
        _ => ODD,
    };
    let count = |value: u32| grouped(value.into());
    let mut text = format!(
        "snat           {} {}: {} of {} {} ports in use",
        ports.member,
        paint(style, &ports.level.to_uppercase()),
        count(ports.ports_used),
        count(ports.ports_allocated),
        ports.protocol,
    );
    if ports.flows_refused > 0 {
        text += &format!(", {} flows refused", grouped(ports.flows_refused));
    }
    let towards: Vec<_> = ports.destinations.iter().map(towards).collect();
    if !towards.is_empty() {
        text += &format!(", towards {}", towards.join(", "));
    }
    text += &format!(" (by {} at {})", short_id(&ports.rule), ports.addresses.join(", "));
    match ports.remedy.as_str() {
        "" => text,
        remedy => text + ". " + remedy,
    }
}

fn towards(it: &ScarceTowards) -> String {
    let end = end(&it.destination, it.destination_port);
    match it.flows_refused {
        0 => end,
        refused => format!("{end} ({})", grouped(refused)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::style::plain;
    use super::*;

    fn line(written: Value) -> String {
        plain(&event(&serde_json::from_value(written.clone()).expect("an event"), &written))
    }

    #[test]
    fn every_event_is_one_line() {
        let at = "2026-11-21T08:54:21.123Z";
        for (written, expected) in [
            (
                json!({"at": at, "kind": "MemberHealth", "loadBalancer": "web", "rule": "http",
                       "member": "10.0.0.12", "state": "Down", "reason": "Down_Probe_TcpTimeout",
                       "detail": "no answer within 5 s"}),
                "health         10.0.0.12 DOWN for web/http: Down_Probe_TcpTimeout: no answer \
                 within 5 s",
            ),
            (
                json!({"at": at, "kind": "Configuration", "generation": 7,
                       "appliedBy": {"source": "Socket", "user": 0, "process": 4711}}),
                "configuration  generation 7 by user 0 (pid 4711)",
            ),
            (
                json!({"at": at, "kind": "SnatPorts", "level": "Exhausted",
                       "healthEventType": "SnatPortExhaustion", "addresses": ["203.0.113.20"],
                       "rule": "loadBalancers/web/outboundRules/internet",
                       "member": "10.0.0.11", "protocol": "Tcp", "portsUsed": 1_024,
                       "portsAllocated": 1_024, "flowsRefused": 1_203, "remedy": "Do this.",
                       "destinations": [
                           {"destination": "192.0.2.50", "destinationPort": 443,
                            "flowsRefused": 1_190},
                           {"destination": "192.0.2.51", "destinationPort": 443}]}),
                "snat           10.0.0.11 EXHAUSTED: 1,024 of 1,024 Tcp ports in use, 1,203 flows \
                 refused, towards 192.0.2.50:443 (1,190), 192.0.2.51:443 (by web/internet at \
                 203.0.113.20). Do this.",
            ),
            (
                json!({"at": at, "kind": "Missed", "count": 12}),
                "missed         12 events came faster than they were read",
            ),
        ] {
            assert_eq!(line(written), format!("2026-11-21T08:54:21Z  {expected}\n"));
        }
    }

    #[test]
    fn an_event_of_a_later_release_is_shown_as_it_came() {
        let text = line(json!({"at": "t", "kind": "Eclipse", "of": "the moon"}));
        assert!(text.contains("\"of\":\"the moon\"") && text.lines().count() == 1, "{text}");
    }
}
