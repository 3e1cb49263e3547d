use serde_json::json;
use weir_core::api::{History, Status};

use super::golden::assert_golden;
use super::style::plain;
use super::*;

/// A reply as the appliance would send it.
fn reply<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a reply")
}

fn two_armed() -> Value {
    json!({
        "name": "edge-1", "version": "0.1.0", "uptimeSeconds": 273_000, "generation": 42,
        "warnings": ["port back has missed 17 packets in the last minute: its workers are too \
                      busy, add a worker lcore"],
        "workers": [
            {"worker": 0, "lcore": 2, "heartbeatMillisecondsAgo": 0, "state": "running",
             "flows": 12_345, "flowsMax": 262_144, "flowPages": "transparent", "busyPercent": 34},
            {"worker": 1, "lcore": 3, "heartbeatMillisecondsAgo": 2_150, "state": "stuck",
             "flows": 0, "flowsMax": 262_144, "flowPages": "transparent", "busyPercent": 100}
        ],
        "ports": [
            {"name": "front", "device": "0000:01:00.0", "driver": "net_ice",
             "mac": "02:00:00:00:00:01", "link": {"up": true, "megabitsPerSecond": 25_000},
             "mtu": 1500, "rxQueues": 2, "txQueues": 2,
             "addresses": ["203.0.113.2/24", "2001:db8::2/64"],
             "received": 123_456_789, "transmitted": 98_765, "missed": 0},
            {"name": "back", "device": "net_tap1", "driver": "net_tap",
             "mac": "02:00:00:00:00:02", "mtu": 9000, "rxQueues": 1, "txQueues": 2,
             "received": 0, "transmitted": 0, "missed": 17}
        ],
        "frontends": [
            {"name": "web", "address": "203.0.113.10", "rules": [
                {"name": "http", "protocol": "Tcp", "frontendPort": 80, "backendPort": 8080,
                 "pool": "web-pool", "membersUp": 1, "membersTotal": 3, "flows": 12_345,
                 "packets": 123_000_000, "bytes": 98_700_000_000_u64},
                {"name": "dns", "protocol": "Udp", "frontendPort": 53, "backendPort": 53,
                 "pool": "dns-pool", "membersUp": 0, "membersTotal": 1}
            ]},
            {"name": "internal", "address": "2001:db8::10", "rules": [
                {"name": "everything", "protocol": "All", "pool": "web-pool",
                 "membersUp": 1, "membersTotal": 3}
            ]}
        ],
        "members": [
            {"address": "10.0.0.11", "pool": "web-pool", "state": "Up",
             "reason": "Up_Probe_Success", "mac": "02:00:00:00:01:11", "flows": 12_345},
            {"address": "10.0.0.12", "pool": "web-pool", "state": "Down",
             "reason": "Down_Probe_HttpStatusCodeError", "mac": "02:00:00:00:01:12"},
            {"address": "10.0.0.13", "pool": "web-pool", "state": "NA", "reason": "NA"}
        ],
        "outbound": [
            {"rule": "loadBalancers/web/outboundRules/internet", "protocol": "Udp",
             "addresses": ["203.0.113.20", "203.0.113.21"], "member": "10.0.0.12",
             "portsAllocated": 1024, "portsUsed": 3, "flowsRefused": 0},
            {"rule": "loadBalancers/web/outboundRules/internet", "protocol": "Tcp",
             "addresses": ["203.0.113.20"], "member": "10.0.0.11",
             "portsAllocated": 1024, "portsUsed": 1000, "flowsRefused": 1203}
        ],
        "packets": {"received": 123_456_789, "transmitted": 123_456_000, "answered": 120,
                    "punted": 300, "dropped": 369, "handedOff": 5},
        "drops": [{"reason": "no_rule", "count": 69},
                  {"reason": "no_healthy_member", "count": 300}],
        "mbufs": {"inUse": 1_024, "capacity": 65_536}
    })
}

#[test]
fn status_shows_first_what_matters_first() {
    let page = plain(&status(&reply(two_armed())));
    assert_golden("status", &page);
}

#[test]
fn an_appliance_without_configuration_says_so_without_empty_tables() {
    let empty = Status { name: "edge-1".into(), version: "0.1.0".into(), ..Status::default() };
    let page = plain(&status(&empty));
    assert_golden("status-empty", &page);
}

#[test]
fn the_longest_names_and_addresses_still_fit_the_terminal() {
    let long = "a-name-as-long-as-azure-lets-it-be-which-is-eighty-characters-of-every-kind-0123";
    let address = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff";
    let mut value = two_armed();
    for pointer in [
        "/ports/0/name",
        "/frontends/0/rules/0/name",
        "/frontends/0/rules/0/pool",
        "/members/1/pool",
        "/outbound/0/rule",
        "/workers/0/state",
    ] {
        *value.pointer_mut(pointer).expect(pointer) = long.into();
    }
    for pointer in ["/members/1/address", "/outbound/0/addresses/0", "/outbound/0/member"] {
        *value.pointer_mut(pointer).expect(pointer) = address.into();
    }
    let page = plain(&status(&reply(value)));
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_pool_of_thousands_shows_the_members_that_are_down_and_a_screen_of_others() {
    let member = |octet: u32, state: &str| {
        json!({"address": format!("10.0.{}.{}", octet / 256, octet % 256), "pool": "big",
               "state": state, "reason": "Up_Probe_Success", "mac": "02:00:00:00:00:01"})
    };
    let mut members: Vec<_> = (0..5_000).map(|octet| member(octet, "Up")).collect();
    members.push(member(5_000, "Down"));
    let page = plain(&status(&reply(json!({ "members": members }))));
    assert!(page.contains("DOWN   10.0.19.136"), "{page}");
    assert!(page.contains("and 4,977 more, all up (weirctl health)"), "{page}");
    assert!(page.lines().count() < 50);
}

#[test]
fn health_names_reason_and_finding_of_each_member_that_is_down() {
    let page = plain(&health(&reply(json!({"loadBalancers": [{"name": "lb", "rules": [
        {"name": "http", "probe": "web-probe", "members": [
            {"address": "10.0.0.11", "state": "Up", "reason": "Up_Probe_Success",
             "detail": "answered with status 200"},
            {"address": "10.0.0.12", "state": "Down", "reason": "Down_Probe_HttpStatusCodeError",
             "detail": "answered with status 503"}
        ]},
        {"name": "syslog", "members": [{"address": "10.0.0.11", "state": "Up"}]}
    ]}]}))));
    let expected = "\
lb
  http  (probe web-probe)  1/2 up
    up    10.0.0.11  Up_Probe_Success
    DOWN  10.0.0.12  Down_Probe_HttpStatusCodeError
          answered with status 503
  syslog  (no probe: every member is eligible)  1/1 up
    up  10.0.0.11  -
";
    assert_eq!(page, expected, "\n{page}");
    assert_eq!(health(&Health::default()), "No load balancer is configured.\n");
}

#[test]
fn stats_leave_out_what_is_zero_and_say_so() {
    let page = stats(&reply(json!({"counters": {
        "rx_packets": 1_234_567, "drop_no_rule_packets": 0, "tx_packets": 5
    }})));
    assert_eq!(page, "  rx_packets  1,234,567\n  tx_packets          5\n  (1 counter at zero)\n");
    assert_eq!(stats(&Stats::default()), "  (no counters)\n");
}

#[test]
fn apply_says_what_it_did_or_would_do() {
    let of = |changed, dry_run| {
        let reply = Applied { generation: 7, changed, milliseconds: 12, ..Applied::default() };
        plain(&applied(&reply, dry_run))
    };
    assert_eq!(of(true, false), "Applied as generation 7 in 12 ms.\n");
    assert_eq!(of(false, false), "Nothing to change: generation 7 stays in force.\n");
    assert_eq!(of(true, true), "Accepted, not applied: generation 7 stays in force.\n");
    assert_eq!(of(false, true), "Accepted: the same as generation 7.\n");
}

#[test]
fn warnings_and_problems_name_place_kind_and_cure() {
    let problem = |pointer: &str, message: &str| Problem {
        pointer: pointer.into(),
        code: "InvalidPort".into(),
        message: message.into(),
    };
    let warnings = vec![problem("/resources/0", "is odd")];
    let warned = plain(&applied(&Applied { warnings, ..Applied::default() }, false));
    assert!(
        warned.ends_with("\n1 warning:\n  /resources/0\n      InvalidPort: is odd\n"),
        "{warned}"
    );

    let long = "70000 is not a port; ports are 1 to 65534, and a rule for all ports has port 0";
    let page = plain(&error(&Error::configuration_refused(vec![
        problem("/resources/0/properties/loadBalancingRules/2/properties/frontendPort", long),
        problem("", "is empty"),
    ])));
    let expected = "\
Refused; the configuration in force stays. 2 problems:
  /resources/0/properties/loadBalancingRules/2/properties/frontendPort
      InvalidPort: 70000 is not a port; ports are 1 to 65534, and a rule for all
      ports has port 0
  the document
      InvalidPort: is empty
";
    assert_eq!(page, expected, "\n{page}");
}

#[test]
fn history_says_who_did_what_when_and_what_can_be_gone_back_to() {
    let sha256 = "0123456789abcdef".repeat(4);
    let socket = json!({"source": "Socket", "user": 1000, "process": 4_194_304});
    let page = plain(&history(&reply(json!({
        "notPersisted": "cannot write /var/lib/weir/applied-13.json: No space left on device",
        "configurations": [
            {"number": 12, "appliedAt": "2026-11-21T08:54:21.123Z", "appliedBy": socket,
             "restores": 9, "sha256": sha256, "inForce": true},
            {"number": 11, "damage": "is cut off after 7 bytes"},
            {"number": 10, "appliedAt": "2026-11-21T08:50:00Z", "appliedBy": {"source": "File"},
             "sha256": sha256}
        ]
    }))));
    assert_golden("history", &page);
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert_eq!(history(&History::default()), "No configuration is stored.\n");
}

#[test]
fn problems_of_several_files_name_the_file() {
    let problem = |file: &str, pointer: &str| FileProblem {
        file: file.into(),
        problem: weir_core::config::Problem {
            pointer: pointer.into(),
            code: "InvalidPort".into(),
            message: "is no port".into(),
        },
    };
    let page = plain(&refused(&[
        problem("etc/loadBalancers/web.json", "/properties/loadBalancingRules/2"),
        problem("etc/all.json", ""),
        problem("", "/appliance"),
    ]));
    let expected = "\
Refused; the configuration in force stays. 3 problems:
  etc/loadBalancers/web.json /properties/loadBalancingRules/2
      InvalidPort: is no port
  etc/all.json
      InvalidPort: is no port
  /appliance
      InvalidPort: is no port
";
    assert_eq!(page, expected, "\n{page}");
    assert_eq!(warnings(&[]), "");
}
