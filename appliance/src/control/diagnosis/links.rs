//! Does every port's link carry?

use weir_core::api::{Finding, PortStatus};

use super::finding::{fine, problem, some_of};

/// Judges the ports' links. A device that cannot tell counts as up, as in the status.
pub(super) fn judge(ports: &[PortStatus]) -> Vec<Finding> {
    let down: Vec<&PortStatus> = ports.iter().filter(|port| !port.link.up).collect();
    if down.is_empty() {
        let names = some_of(ports.iter().map(|port| &port.name));
        return vec![fine("link", format!("up: {names}"))];
    }
    let one = |port: &&PortStatus| {
        problem(
            "link",
            format!("port {} ({}, {}) has no link", port.name, port.device, port.driver),
            "Check cable, transceiver and the switch's port; on a virtual function, whether its \
             physical function is up.",
        )
    };
    down.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use weir_core::api::{FindingState, Link};

    use super::super::finding::tests::assert_found;
    use super::*;

    fn port(name: &str, up: bool) -> PortStatus {
        let link = Link { up, megabits_per_second: 10_000 };
        PortStatus { name: name.into(), driver: "net_ixgbe".into(), link, ..PortStatus::default() }
    }

    #[test]
    fn each_port_without_a_link_is_a_problem_of_its_own() {
        for (name, ports, expected) in [
            ("up", vec![port("a", true), port("b", true)], &[(FindingState::Ok, "a, b")][..]),
            (
                "one down",
                vec![port("a", true), port("b", false)],
                &[(FindingState::Problem, "port b (")],
            ),
            (
                "both down",
                vec![port("a", false), port("b", false)],
                &[(FindingState::Problem, "port a "), (FindingState::Problem, "net_ixgbe")],
            ),
        ] {
            assert_found(name, &judge(&ports), expected);
        }
    }
}
