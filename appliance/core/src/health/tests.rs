use std::collections::BTreeSet;

use super::*;

const TCP: ProbeProtocol = ProbeProtocol::Tcp;

fn target(last_octet: u8) -> ProbeTarget {
    ProbeTarget {
        address: IpAddr::from([10, 0, 0, last_octet]),
        port: 80,
        protocol: TCP,
        interval_milliseconds: 5_000,
        timeout_milliseconds: 5_000,
        threshold: 2,
    }
}

fn targets(last_octets: impl IntoIterator<Item = u8>) -> BTreeSet<ProbeTarget> {
    last_octets.into_iter().map(target).collect()
}

/// A table whose targets 10.0.0.1 to 10.0.0.`count` are all up.
fn all_up(count: u8) -> HealthTable {
    let mut table = HealthTable::default();
    table.set_targets(&targets(1..=count));
    for octet in 1..=count {
        for _ in 0..2 {
            table.record(&target(octet), Verdict::TcpConnected, 0);
        }
    }
    assert_eq!(table.targets_up(), usize::from(count));
    table
}

fn fail(table: &mut HealthTable, octet: u8, now_ms: u64) -> Option<AllMembersFailedAtOnce> {
    table.record(&target(octet), Verdict::Timeout, now_ms);
    table.record(&target(octet), Verdict::Timeout, now_ms);
    table.suspect(now_ms)
}

/// The story of one member: verdicts by letter, and after each the state and the reason.
/// c connected, t timeout, r refused, u unreachable, o status 200, e status 503, m status 301,
/// x HTTP rejected, n no response.
fn story(threshold: u32, verdicts: &str) -> String {
    let mut health = MemberHealth::default();
    let mut words = Vec::new();
    for letter in verdicts.chars() {
        let changed = health.observe(threshold, verdict_of(letter)).is_some();
        let state = if health.is_up() { "up" } else { "down" };
        let mark = if changed { "!" } else { "" };
        let reason = health.reason().code();
        words.push(format!("{state}{mark}:{}", reason.split('_').next_back().unwrap()));
    }
    words.join(" ")
}

fn verdict_of(letter: char) -> Verdict {
    match letter {
        'c' => Verdict::TcpConnected,
        't' => Verdict::Timeout,
        'r' => Verdict::Refused,
        'u' => Verdict::Unreachable,
        'o' => Verdict::Status(200),
        'e' => Verdict::Status(503),
        'm' => Verdict::Status(301),
        'x' => Verdict::HttpRejected,
        'n' => Verdict::NoResponse,
        other => panic!("no verdict is written {other}"),
    }
}

#[test]
fn a_member_follows_its_verdicts_as_the_thresholds_say() {
    let table = [
        // Threshold 1 and 0: every verdict decides.
        (1, "ctc", "up!:Success down!:TcpProbeTimeout up!:Success"),
        (0, "ct", "up!:Success down!:TcpProbeTimeout"),
        // The first result ends NA; up is owed two in a row.
        (2, "cc", "down!:ApproachingHealthyThreshold up!:Success"),
        (2, "tcc", "down!:TcpProbeTimeout down:ApproachingHealthyThreshold up!:Success"),
        // A success between two failures starts the count again, and so the other way round.
        (
            2,
            "cctctt",
            "down!:ApproachingHealthyThreshold up!:Success \
             up:ApproachingUnhealthyThreshold up:Success \
             up:ApproachingUnhealthyThreshold down!:TcpProbeTimeout",
        ),
        (
            2,
            "ctcc",
            "down!:ApproachingHealthyThreshold down:TcpProbeTimeout \
             down:ApproachingHealthyThreshold up!:Success",
        ),
        // An explicit status decides at once, whatever the threshold; a redirect is not 200.
        (3, "oeo", "up!:Success down!:HttpStatusCodeError up!:Success"),
        (3, "om", "up!:Success down!:HttpStatusCodeError"),
        // Timeouts, RST and broken HTTP count; a 200 between them resets the count.
        (
            2,
            "onoxr",
            "up!:Success up:ApproachingUnhealthyThreshold up:Success \
             up:ApproachingUnhealthyThreshold down!:TcpProbeTimeout",
        ),
        // A down member's reason is that of the latest attempt.
        (
            1,
            "tnxeru",
            "down!:TcpProbeTimeout down:HttpNoResponse down:HttpEndpointUnreachable \
                       down:HttpStatusCodeError down:TcpProbeTimeout down:TcpProbeTimeout",
        ),
    ];
    for (threshold, verdicts, expected) in table {
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(story(threshold, verdicts), expected, "threshold {threshold}: {verdicts}");
    }
}

#[test]
fn a_member_changes_exactly_at_its_threshold_for_every_small_threshold() {
    for threshold in 1..=8_u32 {
        let mut health = MemberHealth::default();
        for attempt in 1..=threshold {
            assert!(!health.is_up());
            health.observe(threshold, Verdict::TcpConnected);
            assert_eq!(health.is_up(), attempt == threshold, "threshold {threshold}");
        }
        for attempt in 1..=threshold {
            assert!(health.is_up());
            health.observe(threshold, Verdict::Timeout);
            assert_eq!(health.is_up(), attempt < threshold, "threshold {threshold}");
        }
    }
}

#[test]
fn before_the_first_result_a_member_is_down_with_reason_na() {
    let mut table = HealthTable::default();
    table.set_targets(&targets([1]));
    assert!(!table.is_up(&target(1)));
    assert_eq!(table.reason(&target(1)).to_string(), "NA");
    assert_eq!(table.last_verdict(&target(1)), None);
}

#[test]
fn reason_codes_are_spelt_as_azure_spells_them_and_are_distinct() {
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), 14);
    assert!(codes.contains("Up_Probe_AllDownIsUp"));
    assert!(
        codes
            .iter()
            .all(|code| { *code == "NA" || code.starts_with("Up_") || code.starts_with("Down_") })
    );
}

#[test]
fn a_target_is_shown_as_the_address_a_person_would_try() {
    assert_eq!(target(7).to_string(), "tcp://10.0.0.7:80");
    let http = ProbeTarget {
        address: "2001:db8::1".parse().unwrap(),
        protocol: ProbeProtocol::Http { path: "health".into() },
        ..target(1)
    };
    assert_eq!(http.to_string(), "http://[2001:db8::1]:80/health");
}

#[test]
fn new_targets_keep_known_states_and_name_what_changed() {
    let mut table = all_up(3);
    let changes = table.set_targets(&targets([2, 3, 4]));
    assert_eq!(changes.added, vec![target(4)]);
    assert_eq!(changes.removed, vec![target(1)]);
    assert!(table.is_up(&target(2)) && table.is_up(&target(3)));
    assert!(!table.is_up(&target(1)) && !table.is_up(&target(4)));
    assert_eq!((table.len(), table.targets_up()), (3, 2));
}

#[test]
fn a_changed_interval_or_threshold_takes_no_member_down() {
    let mut table = all_up(2);
    let slower = ProbeTarget { interval_milliseconds: 9_000, threshold: 5, ..target(1) };
    table.set_targets(&BTreeSet::from([slower.clone(), target(2)]));
    assert!(table.is_up(&slower));
    assert_eq!(table.targets_up(), 2);
    for _ in 0..4 {
        table.record(&slower, Verdict::Timeout, 1);
    }
    assert!(table.is_up(&slower), "the new threshold counts from the change on");
    table.record(&slower, Verdict::Timeout, 1);
    assert!(!table.is_up(&slower));
}

#[test]
fn another_question_to_the_same_address_begins_unknown() {
    let mut table = all_up(1);
    let http = ProbeTarget { protocol: ProbeProtocol::Http { path: "/".into() }, ..target(1) };
    let other_port = ProbeTarget { port: 81, ..target(1) };
    table.set_targets(&BTreeSet::from([http.clone(), other_port.clone()]));
    assert!(!table.is_up(&http) && !table.is_up(&other_port));
    assert_eq!(table.targets_up(), 0);
}

#[test]
fn a_verdict_for_a_target_that_is_gone_is_ignored() {
    let mut table = all_up(1);
    assert_eq!(table.record(&target(9), Verdict::TcpConnected, 0), None);
    assert_eq!(table.len(), 1);
}

#[test]
fn all_members_failing_within_one_interval_name_the_appliance_once() {
    let mut table = all_up(3);
    assert_eq!(fail(&mut table, 1, 60_000), None);
    assert_eq!(fail(&mut table, 2, 62_000), None);
    let event = fail(&mut table, 3, 64_500).expect("the third is the last");
    assert_eq!((event.fell, event.targets), (3, 3));
    assert!(event.to_string().contains("suspect this appliance first"));
    assert_eq!(table.suspect(64_600), None, "one incident is one event");

    for _ in 0..2 {
        table.record(&target(1), Verdict::TcpConnected, 90_000);
    }
    assert!(fail(&mut table, 1, 90_500).is_none(), "the others fell long before");
}

#[test]
fn members_that_failed_one_after_another_do_not_accuse_the_appliance() {
    let mut table = all_up(3);
    for (octet, now_ms) in [(1, 60_000), (2, 90_000), (3, 120_000)] {
        assert_eq!(fail(&mut table, octet, now_ms), None);
    }
}

#[test]
fn a_single_member_never_accuses_the_appliance() {
    let mut table = all_up(1);
    assert_eq!(fail(&mut table, 1, 1_000), None);
}

#[test]
fn one_member_that_was_down_before_does_not_hide_the_outage_of_the_rest() {
    let mut table = all_up(4);
    assert_eq!(fail(&mut table, 1, 10_000), None);
    for octet in 2..=3 {
        assert_eq!(fail(&mut table, octet, 600_000), None);
    }
    assert_eq!(fail(&mut table, 4, 601_000).map(|event| event.fell), Some(3));
}

/// Members by letter: u and d as probed, n not probed yet, U and D by the operator.
fn members(letters: &str) -> Vec<PoolMember> {
    let probed = |is_up, reason| PoolMember {
        observation: Observation { is_up, reason },
        ..PoolMember::default()
    };
    letters
        .chars()
        .map(|letter| match letter {
            'u' => probed(true, Reason::UpProbeSuccess),
            'd' => probed(false, Reason::DownProbeTcpProbeTimeout),
            'n' => PoolMember::default(),
            'U' => PoolMember { admin_state: AdminState::Up, ..PoolMember::default() },
            'D' => {
                PoolMember { admin_state: AdminState::Down, ..probed(true, Reason::UpProbeSuccess) }
            }
            other => panic!("no member is written {other}"),
        })
        .collect()
}

#[test]
fn a_pool_opens_to_whom_probe_and_operator_say() {
    use NoHealthyBackends::{AllProbedDown, AllProbedUp};
    let table = [
        // probe, members, eligible, last resort, established TCP continues
        (None, "udnUD", "11111", false, true),
        (Some(AllProbedDown), "udn", "100", false, true),
        (Some(AllProbedDown), "dUD", "010", false, true),
        (Some(AllProbedDown), "dd", "00", false, true),
        (Some(AllProbedDown), "d", "0", false, false),
        (Some(AllProbedUp), "ud", "10", false, true),
        (Some(AllProbedUp), "dnD", "110", true, true),
        (Some(AllProbedUp), "d", "1", true, true),
        (Some(AllProbedUp), "dU", "01", false, true),
        (Some(AllProbedUp), "D", "0", false, false),
        (Some(AllProbedUp), "", "", false, false),
    ];
    for (probe, letters, eligible, last_resort, tcp_continues) in table {
        let view = pool_view(&members(letters), probe);
        let bits: String =
            view.members.iter().map(|member| if member.eligible { '1' } else { '0' }).collect();
        assert_eq!(bits, eligible, "{probe:?} {letters}");
        assert_eq!(view.last_resort, last_resort, "{probe:?} {letters}");
        assert_eq!(view.established_tcp_continues, tcp_continues, "{probe:?} {letters}");
        assert_eq!(view.eligible_count(), eligible.matches('1').count());
    }
}

#[test]
fn a_pool_gives_every_member_its_reason() {
    let reasons = |letters, probe| {
        let view = pool_view(&members(letters), probe);
        view.members.iter().map(|member| member.reason).collect::<Vec<_>>()
    };
    assert_eq!(
        reasons("udnUD", Some(NoHealthyBackends::AllProbedUp)),
        [
            Reason::UpProbeSuccess,
            Reason::DownProbeTcpProbeTimeout,
            Reason::NotProbed,
            Reason::UpAdmin,
            Reason::DownAdmin
        ]
        .map(Some)
    );
    assert_eq!(
        reasons("dD", Some(NoHealthyBackends::AllProbedUp)),
        [Some(Reason::UpProbeAllDownIsUp), Some(Reason::DownAdmin)]
    );
    assert_eq!(reasons("dU", None), [None, None], "rules without a probe have no health");
}
