//! Which member may use which outbound ports, and where are they used?
//!
//! Not here: how they were used before (`snat_history`).

use weir_core::api::{SnatAllocation, SnatBlock, SnatDestination, SnatList};

use super::flows::end;
use super::number::grouped;
use super::snat_history::histories;
use super::style::{BAD, GOOD, HEADING, ODD, paint};
use super::table::{Cell, LEFT, RIGHT, Table};

/// Allocations, destinations, then histories.
pub(crate) fn snat(list: &SnatList) -> String {
    let mut parts = Vec::new();
    if !list.allocations.is_empty() {
        parts.push(allocations(&list.allocations));
    }
    if !list.destinations.is_empty() {
        parts.push(destinations(&list.destinations));
    }
    if list.allocations.iter().any(|it| it.history.is_some()) {
        parts.push(histories(&list.allocations));
    }
    if parts.is_empty() {
        parts.push("No outbound ports.\n".to_owned());
    }
    let mut text = parts.join("\n");
    if list.omitted > 0 {
        let flows = grouped(list.omitted);
        text += &format!(
            "{flows} flows are in no sum, towards destinations of few: ask for one member.\n"
        );
    }
    if list.cursor.is_some() {
        text += "There are more: --limit, --all, or a filter.\n";
    }
    text
}

fn allocations(allocations: &[SnatAllocation]) -> String {
    let mut table = Table::new(
        "",
        [
            ("  MEMBER", LEFT),
            ("", LEFT),
            ("PORTS", LEFT),
            ("WORKER", LEFT),
            ("USED", RIGHT),
            ("OF", RIGHT),
            ("", RIGHT),
            ("REFUSED", RIGHT),
        ],
    );
    let mut latest = None;
    for it in allocations {
        if latest != Some((&it.rule, &it.address)) {
            table.heading(&format!("{} by {}", it.address, short_id(&it.rule)));
            latest = Some((&it.rule, &it.address));
        }
        table.row([
            Cell::from(format!("  {}", it.member)),
            it.protocol.as_str().into(),
            ranges(&it.blocks).into(),
            workers(&it.blocks).into(),
            grouped(it.ports_used.into()).into(),
            grouped(it.ports_allocated.into()).into(),
            percent(it),
            Cell::styled(grouped(it.flows_refused), if it.flows_refused > 0 { ODD } else { GOOD }),
        ]);
        if it.ports_awaiting_removal > 0 {
            let awaiting = grouped(it.ports_awaiting_removal.into());
            table.note(&format!("{awaiting} more that it had carry flows, and await removal"));
        }
    }
    table.render()
}

fn destinations(destinations: &[SnatDestination]) -> String {
    let mut table = Table::new(
        "",
        [("  MEMBER", LEFT), ("BY", LEFT), ("TOWARDS", LEFT), ("", LEFT), ("PORTS", RIGHT)],
    );
    for it in destinations {
        table.row([
            format!("  {}", it.member),
            it.address.clone(),
            end(&it.destination, it.destination_port),
            it.protocol.clone(),
            grouped(it.ports_used.into()),
        ]);
    }
    format!("{}\n{}", paint(HEADING, "Towards, the most used first"), table.render())
}

/// `web/internet`, as people call a rule.
pub(super) fn short_id(id: &str) -> String {
    let parts: Vec<_> = id.split('/').collect();
    match parts[..] {
        ["loadBalancers", balancer, _, name] => format!("{balancer}/{name}"),
        _ => id.to_owned(),
    }
}

/// The first few ranges, and how many there are beside them.
fn ranges(blocks: &[SnatBlock]) -> String {
    let range = |it: &SnatBlock| format!("{}-{}", it.first_port, it.last_port);
    match blocks.len() {
        0 => "none".to_owned(),
        1..=RANGES_SHOWN => blocks.iter().map(range).collect::<Vec<_>>().join(" "),
        all => {
            let first: Vec<_> = blocks.iter().take(RANGES_SHOWN - 1).map(range).collect();
            format!("{} +{}", first.join(" "), all + 1 - RANGES_SHOWN)
        }
    }
}

/// Each worker once.
fn workers(blocks: &[SnatBlock]) -> String {
    let mut workers: Vec<u8> = blocks.iter().map(|it| it.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    workers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The share in use; without ports none is left.
fn percent(it: &SnatAllocation) -> Cell {
    let used = u64::from(it.ports_used) * 100;
    let percent = used.checked_div(it.ports_allocated.into()).unwrap_or(100);
    let style = match percent {
        0..75 => GOOD,
        75..100 => ODD,
        _ => BAD,
    };
    Cell::styled(format!("{percent}%"), style)
}

/// Of more ranges, one less is written.
const RANGES_SHOWN: usize = 2;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;

    #[test]
    fn ports_stand_under_their_address_with_what_is_used_and_what_was() {
        let rule = "loadBalancers/web/outboundRules/internet";
        let list = json!({
            "allocations": [
                {"rule": rule, "address": "203.0.113.20", "member": "10.0.0.11",
                 "protocol": "Tcp", "blocks": [{"firstPort": 1_024, "lastPort": 2_047, "worker": 0}],
                 "portsUsed": 1_000, "portsAllocated": 1_024, "flowsRefused": 1_203,
                 "history": {
                     "lastHour": {"startsAt": "2026-11-21T08:31:12Z", "secondsEach": 60,
                         "portsUsed": [0, 3, 100, 512, 1_024, 1_000],
                         "portsAllocated": [1_024, 1_024, 1_024, 1_024, 1_024, 1_024],
                         "flowsRefused": [0, 0, 0, 0, 1_203, 0]},
                     "lastDay": {"startsAt": "2026-11-21T08:30:00Z", "secondsEach": 900,
                         "portsUsed": [1_024], "portsAllocated": [1_024], "flowsRefused": [1_203]}}},
                {"rule": rule, "address": "203.0.113.21", "member": "10.0.0.12",
                 "protocol": "Udp", "portsUsed": 0, "portsAllocated": 0},
                {"rule": rule, "address": "203.0.113.21", "member": "10.0.0.13",
                 "protocol": "Tcp", "portsUsed": 12, "portsAllocated": 48_000,
                 "portsAwaitingRemoval": 16,
                 "blocks": [{"firstPort": 1_024, "lastPort": 17_023, "worker": 1},
                            {"firstPort": 17_024, "lastPort": 33_023, "worker": 0},
                            {"firstPort": 33_024, "lastPort": 41_023, "worker": 3},
                            {"firstPort": 41_024, "lastPort": 49_023, "worker": 3}]}
            ],
            "destinations": [
                {"member": "10.0.0.11", "address": "203.0.113.20", "protocol": "Tcp",
                 "destination": "192.0.2.50", "destinationPort": 443, "portsUsed": 990, "worker": 0}
            ],
            "cursor": "x"
        });
        let page = plain(&snat(&serde_json::from_value(list).expect("a list")));
        assert_golden("snat", &page);
        assert_eq!(snat(&SnatList::default()), "No outbound ports.\n");
    }
}
