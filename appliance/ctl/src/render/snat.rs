//! Which member may use which outbound ports, and where are they used?

use weir_core::api::{SnatAllocation, SnatDestination, SnatList};

use super::flows::end;
use super::number::grouped;
use super::style::{BAD, GOOD, HEADING, ODD, paint};
use super::table::{Cell, LEFT, RIGHT, Table};

/// Allocations, then destinations.
pub(crate) fn snat(list: &SnatList) -> String {
    let mut text = match &list.allocations[..] {
        [] if list.destinations.is_empty() => "No outbound ports.\n".to_owned(),
        [] => String::new(),
        some => allocations(some),
    };
    if !list.destinations.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text += &destinations(&list.destinations);
    }
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
            ("WORKER", RIGHT),
            ("", LEFT),
            ("PORTS", LEFT),
            ("TCP", RIGHT),
            ("UDP", RIGHT),
            ("USED", RIGHT),
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
            it.worker.to_string().into(),
            it.protocol.as_str().into(),
            range(it.first_port, it.ports).into(),
            grouped(it.ports_used.tcp.into()).into(),
            grouped(it.ports_used.udp.into()).into(),
            used(it),
        ]);
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
            grouped(it.ports.into()),
        ]);
    }
    format!("{}\n{}", paint(HEADING, "Towards, the most used first"), table.render())
}

/// `web/internet`, as people call a rule.
fn short_id(id: &str) -> String {
    let parts: Vec<_> = id.split('/').collect();
    match parts[..] {
        ["loadBalancers", balancer, _, name] => format!("{balancer}/{name}"),
        _ => id.to_owned(),
    }
}

fn range(first: u16, count: u16) -> String {
    match count {
        0 => "none".to_owned(),
        count => format!("{first}-{}", u32::from(first) + u32::from(count) - 1),
    }
}

/// The share in use of the protocol that will run out first; without ports none is left.
fn used(it: &SnatAllocation) -> Cell {
    let most = u64::from(it.ports_used.tcp.max(it.ports_used.udp));
    let percent = (most * 100).checked_div(it.ports.into()).unwrap_or(100);
    let style = match percent {
        0..75 => GOOD,
        75..100 => ODD,
        _ => BAD,
    };
    Cell::styled(format!("{percent}%"), style)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;

    #[test]
    fn ports_stand_under_their_address_with_what_is_used() {
        let rule = "loadBalancers/web/outboundRules/internet";
        let list = json!({
            "allocations": [
                {"rule": rule, "address": "203.0.113.20", "member": "10.0.0.11", "worker": 0,
                 "protocol": "All", "firstPort": 1_024, "ports": 1_024, "portsUsed": {"tcp": 1_000, "udp": 12}},
                {"rule": rule, "address": "203.0.113.20", "member": "10.0.0.12", "worker": 1,
                 "protocol": "Tcp", "firstPort": 2_048, "ports": 0}
            ],
            "destinations": [
                {"member": "10.0.0.11", "address": "203.0.113.20", "protocol": "Tcp",
                 "destination": "192.0.2.50", "destinationPort": 443, "ports": 990, "worker": 0}
            ],
            "cursor": "x"
        });
        let page = plain(&snat(&serde_json::from_value(list).expect("a list")));
        assert_golden("snat", &page);
        assert_eq!(snat(&SnatList::default()), "No outbound ports.\n");
    }

    #[test]
    fn the_last_port_there_is_can_be_written() {
        assert_eq!(range(65_535, 1), "65535-65535");
        assert_eq!(range(64_512, 1_024), "64512-65535");
    }
}
