//! What is lost at this moment, and what ends it?
//!
//! Not here: every drop there ever was (`status`, `stats`).

use weir_core::api::{Finding, PortStatus};
use weir_core::telemetry::DropReason;

use super::finding::{fine, some_of, warning};
use super::growth::Growth;

/// The name under which a port's missed packets are followed.
pub(in crate::control) fn missed(port: &str) -> String {
    format!("missed by {port}")
}

/// Judges what devices missed, what was dropped for lack of something, and probes that were late.
pub(super) fn judge(ports: &[PortStatus], growth: &Growth, now_ms: u64) -> Vec<Finding> {
    vec![device_losses(ports, growth, now_ms), drops(growth, now_ms), probes(growth, now_ms)]
}

fn device_losses(ports: &[PortStatus], growth: &Growth, now_ms: u64) -> Finding {
    let losing = ports.iter().filter_map(|port| {
        let count = growth.of_late(&missed(&port.name), now_ms)?;
        Some(format!("port {} ({count} since the start)", port.name))
    });
    let losing: Vec<String> = losing.collect();
    if losing.is_empty() {
        return fine("port-missed", "no device missed packets within the last minute");
    }
    warning(
        "port-missed",
        format!("packets came faster than workers fetched them: {}", some_of(losing)),
        "Look at the workers' load. If none is busy, raise `receiveDescriptors` of the port, and \
         keep the kernel off the workers' CPUs (`isolcpus=`, `nohz_full=`).",
    )
}

fn drops(growth: &Growth, now_ms: u64) -> Finding {
    let dropping = |(reason, _): &&(DropReason, &str)| {
        growth.of_late(&format!("drop_{}_packets", reason.name()), now_ms).is_some()
    };
    let found: Vec<_> = CURABLE.iter().filter(dropping).collect();
    if found.is_empty() {
        return fine("drops", "no packet was dropped for lack of something within the last minute");
    }
    let names = found.iter().map(|(reason, _)| format!("drop_{}_packets", reason.name()));
    let remedies: Vec<&str> = found.iter().map(|(_, remedy)| *remedy).collect();
    warning("drops", format!("growing: {}", some_of(names)), &remedies.join(" "))
}

fn probes(growth: &Growth, now_ms: u64) -> Finding {
    match growth.of_late("probes_late", now_ms) {
        None => fine("probe-lateness", "no probe was late within the last minute"),
        Some(count) => warning(
            "probe-lateness",
            format!("verdicts discarded because Weir itself was late: {count} since the start"),
            "The control side lacks time: give it a CPU of its own (`appliance.lcores.control`), \
             or lengthen the probes' intervals.",
        ),
    }
}

/// Drop reasons that tell of something which somebody can give or repair, and how.
const CURABLE: &[(DropReason, &str)] = &[
    (DropReason::TransmitQueueFull, "A port sends slower than packets come: see its speed."),
    (DropReason::HandoffFull, "A worker is behind: see the workers' load."),
    (DropReason::RelayFull, "A device has too few transmit queues: see the log's table of ports."),
    (DropReason::PuntFull, "Too much goes to the kernel: look for a flood at own addresses."),
    (DropReason::FlowTableFull, "Raise `appliance.limits.flowsPerWorker`."),
    (DropReason::NoHealthyMember, "A rule has no member that is up: see `weirctl health`."),
    (DropReason::NeighbourUnresolved, "A next hop does not answer: see the finding `neighbour`."),
    (DropReason::NoRoute, "A destination has no route: see the finding `route`."),
    (DropReason::SnatPortsExhausted, "Outbound ports ran out: see the finding `snat-ports`."),
    (DropReason::SnatDestinationsFull, "Members have too many destinations at a time."),
    (DropReason::ReversePath, "A member's packets come by another port: see `return-path`."),
    (DropReason::ChecksumPartial, "A sender leaves checksums undone: `ethtool -K IFACE tx off`."),
    (DropReason::Segmented, "Frames exceed a buffer: turn the sender's GSO off, or raise `mtu`."),
    (DropReason::MtuExceeded, "MTUs of the two sides differ: set one everywhere."),
    (DropReason::AnnouncementFailed, "No buffer was free: see the finding `mbufs`."),
];

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Warning};

    use super::super::finding::tests::assert_found;
    use super::*;

    #[test]
    fn only_what_grew_of_late_is_told_with_its_cure() {
        let ports = [PortStatus { name: "front".into(), ..PortStatus::default() }];
        let quiet = [(Ok, "no device"), (Ok, "no packet"), (Ok, "no probe")];
        let mut growth = Growth::default();
        assert_found("quiet", &judge(&ports, &growth, 0), &quiet);
        growth.observe(&missed("front"), 7, 1_000);
        growth.observe("drop_no_route_packets", 1, 1_000);
        growth.observe("drop_handoff_full_packets", 1, 1_000);
        growth.observe("drop_no_rule_packets", 9, 1_000);
        growth.observe("probes_late", 2, 1_000);
        let expected = [
            (Warning, "port front (7 since the start)"),
            (Warning, "growing: drop_handoff_full_packets, drop_no_route_packets"),
            (Warning, "was late: 2 since"),
        ];
        assert_found("losing", &judge(&ports, &growth, 2_000), &expected);
        assert_found("long ago", &judge(&ports, &growth, 100_000), &quiet);
    }

    #[test]
    fn no_reason_is_listed_twice() {
        let reasons: std::collections::BTreeSet<_> = CURABLE.iter().map(|(it, _)| *it).collect();
        assert_eq!(reasons.len(), CURABLE.len());
    }
}
