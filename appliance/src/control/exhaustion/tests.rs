use std::net::IpAddr;

use super::*;

const PORTS: u32 = 64;

fn address(text: &str) -> Address {
    text.parse::<IpAddr>().expect("an address").into()
}

fn remote(last: u8) -> (Address, u16) {
    (Address::from(IpAddr::from([192, 0, 2, last])), 443)
}

fn source(rule: &str) -> Rc<Source> {
    Rc::new(Source {
        rule: rule.to_owned(),
        addresses: vec![address("203.0.113.20"), address("203.0.113.21")],
        is_outbound_rule: true,
        grows: false,
    })
}

fn ports(member: u16, protocol: Transport, used: u32, refused: u64) -> MemberPorts {
    let [high, low] = member.to_be_bytes();
    MemberPorts {
        id: MemberId(member.into()),
        member: Address::from(IpAddr::from([10, 0, high, low])),
        protocol,
        source: source("loadBalancers/lb/outboundRules/out"),
        used,
        allocated: PORTS,
        refused,
    }
}

fn refused(member: MemberId, protocol: Transport, remote: (Address, u16)) -> Exhaustion {
    Exhaustion { member, protocol, remote, kind: ExhaustionKind::Exhausted }
}

fn low(member: MemberId, protocol: Transport, remote: (Address, u16)) -> Exhaustion {
    Exhaustion { member, protocol, remote, kind: ExhaustionKind::RunningLow }
}

/// Words with their members.
fn words(told: &[Told]) -> Vec<(u32, Transport, Word)> {
    told.iter().map(|it| (it.of.id.0, it.of.protocol, it.word)).collect()
}

const TCP: Transport = Transport::Tcp;
const UDP: Transport = Transport::Udp;

#[test]
fn members_and_protocols_are_told_apart_and_who_is_gone_begins_anew() {
    let mut scarcity = Scarcity::default();
    let all = [ports(1, TCP, 64, 0), ports(1, UDP, 0, 0), ports(2, TCP, 48, 0)];
    let told = scarcity.observe(&all, 0);
    assert_eq!(words(&told), [(1, TCP, Word::Warning), (2, TCP, Word::Warning)]);
    assert_eq!(scarcity.observe(&all, 1_000), [], "told once");
    assert_eq!(scarcity.observe(&all[2..], 2_000), []);
    let told = scarcity.observe(&all, 3_000);
    assert_eq!(words(&told), [(1, TCP, Word::Warning)], "it was gone");
    let renamed = MemberPorts { source: source("other"), ..all[0].clone() };
    let told = scarcity.observe(&[renamed], 4_000);
    assert_eq!(words(&told), [(1, TCP, Word::Warning)], "its ports are others");
}

#[test]
fn an_event_says_who_ran_out_towards_whom_how_often_and_what_to_do() {
    let mut scarcity = Scarcity::default();
    scarcity.observe(&[ports(1, TCP, 64, 100)], 0);
    (0..3).for_each(|_| scarcity.note(refused(MemberId(1), TCP, remote(50))));
    scarcity.note(refused(MemberId(1), TCP, remote(51)));
    scarcity.note(low(MemberId(1), TCP, remote(52)));
    let told = scarcity.observe(&[ports(1, TCP, 64, 107)], 1_000);
    let [told] = &told[..] else { panic!("one event, not {told:?}") };
    let event = told.event();
    assert_eq!((event.level.as_str(), event.flows_refused), ("Exhausted", 7));
    assert_eq!(event.health_event_type.as_deref(), Some("SnatPortExhaustion"));
    assert_eq!((event.member.as_str(), event.protocol.as_str()), ("10.0.0.1", "Tcp"));
    assert_eq!(event.rule, "loadBalancers/lb/outboundRules/out");
    assert_eq!(event.addresses, ["203.0.113.20", "203.0.113.21"]);
    assert_eq!((event.ports_used, event.ports_allocated), (64, 64));
    let destinations: Vec<_> = event
        .destinations
        .iter()
        .map(|it| (it.destination.as_str(), it.destination_port, it.flows_refused))
        .collect();
    let expected = [("192.0.2.50", 443, 3), ("192.0.2.51", 443, 1), ("192.0.2.52", 443, 0)];
    assert_eq!(destinations, expected);
    assert!(event.remedy.contains("reuse its connections to 192.0.2.50:443"), "{event:?}");
    assert!(
        event.remedy.contains("raise allocatedOutboundPorts of loadBalancers/lb/"),
        "{event:?}"
    );
    let line = told.line();
    assert!(line.starts_with("10.0.0.1 had 7 Tcp flows refused (SnatPortExhaustion): 64 of 64"));
    assert!(
        line.contains("192.0.2.50:443 (3), 192.0.2.51:443 (1), 192.0.2.52:443. Have"),
        "{line}"
    );
    assert_eq!(scarcity.incident(MemberId(1), TCP).map(|(refused, _)| refused), Some(7));
    assert_eq!(scarcity.refused(MemberId(1), TCP), 7, "100 were before it had these ports");
}

#[test]
fn a_storm_is_one_event_in_ten_seconds_and_a_last_one_when_it_is_over() {
    let mut scarcity = Scarcity::default();
    let mut told = Vec::new();
    for second in 0..60 {
        let (used, refused) = if second < 30 { (64, second * 1_000) } else { (0, 29_000) };
        let now = scarcity.observe(&[ports(1, TCP, used, refused)], second * 1_000);
        told.extend(now.iter().map(|it| (second, it.word, it.refused)));
    }
    let expected = [
        (0, Word::Warning, 0),
        (1, Word::Exhausted, 1_000),
        (11, Word::Exhausted, 11_000),
        (21, Word::Exhausted, 21_000),
        (31, Word::Exhausted, 29_000),
        (39, Word::Recovered, 29_000),
    ];
    assert_eq!(told, expected);
    assert_eq!(scarcity.incident(MemberId(1), TCP), None);
    assert_eq!(scarcity.refused(MemberId(1), TCP), 29_000);
}

#[test]
fn ports_that_run_low_towards_one_destination_warn_though_few_are_in_use() {
    let mut scarcity = Scarcity::default();
    scarcity.observe(&[ports(1, UDP, 10, 0)], 0);
    scarcity.note(low(MemberId(1), UDP, remote(53)));
    let told = scarcity.observe(&[ports(1, UDP, 10, 0)], 1_000);
    assert_eq!(words(&told), [(1, UDP, Word::Warning)]);
    assert_eq!(told[0].event().health_event_type.as_deref(), Some("HighSnatPortUsage"));
    assert_eq!(told[0].towards[0].remote, remote(53));
}

#[test]
fn when_everybody_runs_out_at_once_everybody_is_told_in_turn() {
    let mut scarcity = Scarcity::default();
    let members = u16::try_from(SNAT_EVENTS_PER_SECOND_MAX * 3 / 2).expect("few");
    let all = |refused| (0..members).map(|it| ports(it, TCP, 64, refused)).collect::<Vec<_>>();
    scarcity.observe(&[], 0);
    let first = scarcity.observe(&all(0), 1_000);
    assert_eq!(first.len(), SNAT_EVENTS_PER_SECOND_MAX);
    let second = scarcity.observe(&all(0), 2_000);
    assert_eq!(first.len() + second.len(), usize::from(members));
    let ids = first.iter().chain(&second).map(|it| it.of.id);
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), usize::from(members));
}

#[test]
fn destinations_and_histories_are_bounded_and_room_is_given_back() {
    let mut scarcity = Scarcity::default();
    let members = u16::try_from(SNAT_SCARCE_MEMBERS_MAX + 1).expect("few");
    let all: Vec<_> = (0..members).map(|it| ports(it, TCP, 64, 0)).collect();
    scarcity.observe(&all, 0);
    (0..members).for_each(|it| scarcity.note(refused(MemberId(it.into()), TCP, remote(50))));
    let named = |scarcity: &Scarcity, member: u16| {
        let scarcity = scarcity.incident(MemberId(member.into()), TCP).expect("all ports are used");
        scarcity.1.len()
    };
    assert_eq!((named(&scarcity, members - 2), named(&scarcity, members - 1)), (1, 0));
    assert_eq!(scarcity.histories, usize::from(members));
    scarcity.observe(&all[usize::from(members - 1)..], 1_000);
    assert_eq!((scarcity.histories, scarcity.with_destinations), (1, 0));
    scarcity.note(refused(MemberId(u32::from(members) - 1), TCP, remote(50)));
    assert_eq!(named(&scarcity, members - 1), 1);
    scarcity.note(refused(MemberId(0), TCP, remote(50)));
    scarcity.note(refused(MemberId(u32::MAX / 8), UDP, remote(50)));
    assert_eq!(scarcity.with_destinations, 1, "nobody knows them");
}

#[test]
fn a_member_that_never_used_a_port_has_no_history() {
    let mut scarcity = Scarcity::default();
    scarcity.observe(&[ports(1, TCP, 0, 0)], 0);
    assert!(scarcity.history(MemberId(1), TCP).is_none());
    scarcity.observe(&[ports(1, TCP, 3, 0)], 1_000);
    scarcity.observe(&[ports(1, TCP, 1, 5)], 2_000);
    let (_, samples) = scarcity.history(MemberId(1), TCP).expect("a history").hour.at(2_000);
    assert_eq!(samples, [Sample { used: 3, allocated: PORTS, refused: 5 }]);
}
