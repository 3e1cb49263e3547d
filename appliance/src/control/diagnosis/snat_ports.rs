//! Does a member run out of outbound ports?

use weir_core::api::Finding;

use super::super::exhaustion::{MemberPorts, Towards, WARNING_PERCENT, remedy, written};
use super::finding::{fine, problem, some_of, warning};

/// A member's ports as they stand, and as they stood while they were scarce.
pub(super) struct Ports {
    /// As they stand.
    pub(super) of: MemberPorts,
    /// Flows refused, and towards whom ports are scarce; nothing while they are plenty.
    pub(super) incident: Option<(u64, Vec<Towards>)>,
}

/// Judges the ports of every member.
pub(super) fn judge(all: &[Ports]) -> Vec<Finding> {
    if all.is_empty() {
        return vec![fine("snat-ports", "no member has outbound ports")];
    }
    let (mut refused, mut scarce) = (Vec::new(), Vec::new());
    for ports in all {
        if ports.refused() > 0 {
            refused.push(ports);
        } else if ports.is_scarce() {
            scarce.push(ports);
        }
    }
    // Whoever was refused most comes first, and is whom the remedy is about.
    refused.sort_by_key(|ports| std::cmp::Reverse(ports.refused()));
    scarce.sort_by_key(|ports| std::cmp::Reverse(ports.of.used));
    let mut findings = Vec::new();
    if let [worst, ..] = refused[..] {
        let told = format!("flows found no outbound port: {}", some_of(list(&refused)));
        findings.push(problem("snat-ports", told, &worst.remedy()));
    }
    if let [worst, ..] = scarce[..] {
        let told = format!("outbound ports become scarce: {}", some_of(list(&scarce)));
        findings.push(warning("snat-ports", told, &worst.remedy()));
    }
    if findings.is_empty() {
        let told =
            format!("below {WARNING_PERCENT} % for every member and protocol ({})", all.len());
        findings.push(fine("snat-ports", told));
    }
    findings
}

impl Ports {
    fn refused(&self) -> u64 {
        self.incident.as_ref().map_or(0, |(refused, _)| *refused)
    }

    fn towards(&self) -> &[Towards] {
        self.incident.as_ref().map_or(&[], |(_, towards)| towards)
    }

    fn is_scarce(&self) -> bool {
        let MemberPorts { used, allocated, .. } = self.of;
        let is_high = u64::from(used) * 100 >= u64::from(allocated) * WARNING_PERCENT;
        !self.towards().is_empty() || is_high && allocated > 0
    }

    fn remedy(&self) -> String {
        remedy(&self.of, self.towards())
    }
}

fn list(ports: &[&Ports]) -> Vec<String> {
    let one = |ports: &&Ports| {
        let MemberPorts { member, protocol, used, allocated, .. } = &ports.of;
        let mut text = format!("{member} ({used} of {allocated} {protocol} ports");
        if ports.refused() > 0 {
            text += &format!(", {} flows refused", ports.refused());
        }
        if let [first, ..] = ports.towards() {
            text += &format!(", towards {}", written(first));
        }
        text + ")"
    };
    ports.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use weir_core::api::FindingState::{Ok, Problem, Warning};
    use weir_core::units::{Address, MemberId, Transport};

    use super::super::finding::tests::assert_found;
    use super::*;

    fn ports(last: u8, used: u32, refused: u64) -> Ports {
        let address = |first, last| Address::from(std::net::IpAddr::from([first, 0, 0, last]));
        let of = MemberPorts {
            id: MemberId(last.into()),
            member: address(10, last),
            protocol: Transport::Tcp,
            source: Rc::default(),
            used,
            allocated: 64,
            refused,
        };
        let towards = vec![Towards { remote: (address(192, 2), 443), refused }];
        Ports { of, incident: (refused > 0).then_some((refused, towards)) }
    }

    #[test]
    fn scarce_ports_and_refused_flows_are_told_apart() {
        for (name, all, expected) in [
            ("none", vec![], &[(Ok, "no member")][..]),
            ("plenty", vec![ports(1, 47, 0), ports(2, 0, 0)], &[(Ok, "member and protocol (2)")]),
            ("scarce", vec![ports(1, 48, 0)], &[(Warning, "10.0.0.1 (48 of 64 Tcp ports)")]),
            ("full", vec![ports(1, 64, 0)], &[(Warning, "10.0.0.1 (64 of 64 Tcp ports)")]),
            (
                "both",
                vec![ports(1, 63, 0), ports(2, 64, 7), ports(3, 9, 9)],
                &[
                    (
                        Problem,
                        "port: 10.0.0.3 (9 of 64 Tcp ports, 9 flows refused, towards 192.0.0.2:443 (9)), 10.0.0.2",
                    ),
                    (Warning, "10.0.0.1 (63 of"),
                ],
            ),
        ] {
            assert_found(name, &judge(&all), expected);
        }
        let found = judge(&[ports(2, 64, 7)]);
        assert!(found[0].remedy.contains("connections to 192.0.0.2:443"), "{found:?}");
    }
}
