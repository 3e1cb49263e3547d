//! Does a member run out of outbound ports?

use weir_core::api::Finding;

use super::super::events::PortUse;
use super::finding::{fine, problem, some_of, warning};

/// Judges every block of ports.
pub(super) fn judge(uses: &[PortUse]) -> Vec<Finding> {
    if uses.is_empty() {
        return vec![fine("snat-ports", "no member has outbound ports")];
    }
    let is_full = |one: &&PortUse| one.allocated > 0 && one.used >= one.allocated;
    let is_scarce = |one: &&PortUse| {
        !is_full(one) && u64::from(one.used) * 100 >= u64::from(one.allocated) * SCARCE_PERCENT
    };
    let full: Vec<_> = uses.iter().filter(is_full).map(written).collect();
    let scarce: Vec<_> = uses.iter().filter(is_scarce).map(written).collect();
    let mut findings = Vec::new();
    if !full.is_empty() {
        findings.push(problem(
            "snat-ports",
            format!("no outbound port is left for {}", some_of(full)),
            REMEDY,
        ));
    }
    if !scarce.is_empty() {
        findings.push(warning(
            "snat-ports",
            format!("outbound ports become scarce: {}", some_of(scarce)),
            REMEDY,
        ));
    }
    if findings.is_empty() {
        let blocks = uses.len();
        findings.push(fine(
            "snat-ports",
            format!("below {SCARCE_PERCENT} % in every block ({blocks})"),
        ));
    }
    findings
}

fn written(one: &PortUse) -> String {
    let PortUse { member, address, protocol, used, allocated, .. } = one;
    format!("{member} on {address} ({used} of {allocated} {protocol} ports)")
}

const REMEDY: &str = "Raise `allocatedOutboundPorts`, add a public address, or have the member \
                      reuse connections: a port serves any number of destinations, and only one \
                      connection to each. `weirctl snat` shows which destinations hold them.";
/// Where `subscribe` warns, too.
const SCARCE_PERCENT: u64 = 75;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Warning};
    use weir_core::units::{Address, Transport};

    use super::super::finding::tests::assert_found;
    use super::*;

    fn block(last: u8, used: u32) -> PortUse {
        let address = |first, last| Address::from(std::net::IpAddr::from([first, 0, 0, last]));
        PortUse {
            rule: "loadBalancers/lb/outboundRules/out".into(),
            address: address(203, 1),
            member: address(10, last),
            protocol: Transport::Tcp,
            used,
            allocated: 64,
        }
    }

    #[test]
    fn scarce_and_exhausted_ports_are_told_apart() {
        for (name, uses, expected) in [
            ("none", vec![], &[(Ok, "no member")][..]),
            ("plenty", vec![block(1, 47), block(2, 0)], &[(Ok, "in every block (2)")]),
            ("scarce", vec![block(1, 48)], &[(Warning, "10.0.0.1 on 203.0.0.1 (48 of 64 Tcp")]),
            (
                "both",
                vec![block(1, 63), block(2, 64)],
                &[(Problem, "10.0.0.2 on"), (Warning, "10.0.0.1 on")],
            ),
        ] {
            assert_found(name, &judge(&uses), expected);
        }
    }
}
