//! Which members have never answered a probe, and why not?

use std::collections::BTreeMap;

use weir_core::api::Finding;
use weir_core::health::{HealthTable, ProbeState, Verdict};

use super::finding::{fine, problem, some_of, unknown, warning};

/// Judges all probed endpoints. Those that never answered are grouped by what happens instead.
pub(super) fn judge(health: &HealthTable) -> Vec<Finding> {
    if health.is_empty() {
        return vec![fine("probe", "nothing is probed: no rule names a probe")];
    }
    let mut never: BTreeMap<Verdict, Vec<String>> = BTreeMap::new();
    let mut no_longer: Vec<String> = Vec::new();
    let mut not_yet: Vec<String> = Vec::new();
    for (target, member) in health.iter() {
        match (member.state(), member.last_verdict()) {
            (ProbeState::Up, _) => {}
            (ProbeState::NotProbed, _) | (_, None) => not_yet.push(target.to_string()),
            (ProbeState::Down, _) if health.has_been_up(target) => {
                no_longer.push(target.to_string())
            }
            (ProbeState::Down, Some(verdict)) => {
                never.entry(verdict).or_default().push(target.to_string());
            }
        }
    }
    let mut findings: Vec<Finding> = never.into_iter().map(never_answered).collect();
    if !no_longer.is_empty() {
        findings.push(warning(
            "probe",
            format!("was up before and is down: {}", some_of(no_longer)),
            "Look at the member's service; `weirctl health` says what the probe finds.",
        ));
    }
    if !not_yet.is_empty() {
        findings.push(unknown(
            "probe",
            format!("no probe has ended yet: {}", some_of(not_yet)),
            "Ask again in a few seconds; the first attempt comes within one, and takes its \
             timeout at most.",
        ));
    }
    if findings.is_empty() {
        findings.push(fine("probe", format!("every probed endpoint is up ({})", health.len())));
    }
    findings
}

fn never_answered((verdict, targets): (Verdict, Vec<String>)) -> Finding {
    let (count, names) = (targets.len(), some_of(targets));
    let detail = format!("never up since the start ({count}; {verdict}): {names}");
    problem("probe", detail, remedy(verdict))
}

fn remedy(verdict: Verdict) -> &'static str {
    match verdict {
        // A member with its first successes below the threshold, or of an interval to come.
        Verdict::TcpConnected | Verdict::Status(200) => {
            "It has begun to answer; it is up after `probeThreshold` successes."
        }
        Verdict::Status(_) => {
            "The service answers, and not with 200: correct the probe's `requestPath`, or the \
             service. Redirects do not count."
        }
        Verdict::Timeout => {
            "Is the member running, does a firewall on it drop connections from Weir's own \
             addresses, and does its route back to them lead here? Try `ip netns exec weir nc \
             -vz ADDRESS PORT`."
        }
        Verdict::Refused => {
            "Nothing listens on that port: start the service, or correct the probe's `port`."
        }
        Verdict::Unreachable => "See the findings `route` and `neighbour`.",
        Verdict::HttpRejected => {
            "The port does not speak HTTP, or speaks TLS: correct `port`, or use a probe of \
             protocol Tcp."
        }
        Verdict::NoResponse => {
            "The service takes connections and says nothing: it hangs or is overloaded."
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use weir_core::api::FindingState::{self, Ok, Problem, Unknown};
    use weir_core::health::{ProbeProtocol, ProbeTarget};

    use super::super::finding::tests::{Expected, assert_found};
    use super::*;

    fn target(last: u8) -> ProbeTarget {
        ProbeTarget {
            address: IpAddr::from([10, 0, 0, last]),
            port: 80,
            protocol: ProbeProtocol::Tcp,
            interval_milliseconds: 5_000,
            timeout_milliseconds: 5_000,
            threshold: 1,
        }
    }

    #[test]
    fn endpoints_are_grouped_by_what_happens_instead_of_an_answer() {
        use Verdict::{Refused, TcpConnected, Timeout};
        let cases: [(&str, &[&[Verdict]], &Expected); 6] = [
            ("nothing", &[], &[(Ok, "nothing is probed")]),
            ("up", &[&[TcpConnected], &[TcpConnected]], &[(Ok, "is up (2)")]),
            ("not yet", &[&[]], &[(Unknown, "tcp://10.0.0.0:80")]),
            ("once", &[&[TcpConnected, Timeout]], &[(FindingState::Warning, "was up before")]),
            (
                "never",
                &[&[Timeout], &[Refused], &[Timeout], &[TcpConnected]],
                &[
                    (Problem, "(2; no TCP handshake within the timeout): tcp://10.0.0.0:80, tcp"),
                    (Problem, "(1; refused the TCP connection): tcp://10.0.0.1:80"),
                ],
            ),
            ("back", &[&[Timeout, TcpConnected]], &[(Ok, "is up (1)")]),
        ];
        for (name, stories, expected) in cases {
            let mut health = HealthTable::default();
            let targets: Vec<_> = (0..).zip(stories).map(|(last, _)| target(last)).collect();
            health.set_targets(&targets.iter().cloned().collect::<BTreeSet<_>>());
            for (target, story) in targets.iter().zip(stories) {
                for verdict in *story {
                    health.record(target, *verdict, 1);
                }
            }
            assert_found(name, &judge(&health), expected);
        }
    }
}
