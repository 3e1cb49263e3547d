//! Does what a plan says of live flows come true?
//!
//! Flows are opened under one configuration; what would become of each under another is told by
//! `weir_core::plan`; then that is applied, and each flow sends one more packet. Not here: how
//! differences read (`weir_core::plan`'s own tests).

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use golden::document::Document;
use golden::packet;
use golden::random::at_random;
use golden::simulation::{Options, Output, Simulation};
use proptest::prelude::*;
use weir_core::api::{FlowEffects, ResourceChange};
use weir_core::compile::probe_targets;
use weir_core::flow::{FlowKey, Kind};
use weir_core::health::HealthTable;
use weir_core::plan::{self, Before, Effects, Fate, Flows, Gauges, Planned};
use weir_core::telemetry::{ObjectCounters, ObjectTotals};
use weir_core::units::{MemberId, PortId, RuleId, Transport};

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);

/// A change of `base.json`, and what is told of flows on it.
type Step = (&'static str, Option<&'static str>);

/// Values that may be put, or taken away, one by one.
const STEPS: [Step; 19] = [
    ("loadBalancingRules/web/name", Some("\"www\"")),
    ("loadBalancingRules/web/idleTimeoutInMinutes", Some("30")),
    ("loadBalancingRules/web/loadDistribution", Some("\"SourceIP\"")),
    ("loadBalancingRules/web/backendPort", Some("8090")),
    ("loadBalancingRules/web/frontendPort", Some("81")),
    ("loadBalancingRules/shop", None),
    (
        "loadBalancingRules/on-link/frontendIPConfiguration/id",
        Some("\"frontendIPConfigurations/outbound\""),
    ),
    ("backendAddressPools/servers/loadBalancerBackendAddresses/server-1", None),
    (
        "backendAddressPools/servers/loadBalancerBackendAddresses/server-2/adminState",
        Some("\"Down\""),
    ),
    (
        "backendAddressPools/servers/loadBalancerBackendAddresses/server-3/adminState",
        Some("\"Up\""),
    ),
    (
        "backendAddressPools/servers/loadBalancerBackendAddresses/server-3/ipAddress",
        Some("\"10.0.0.14\""),
    ),
    ("probes/tcp/port", Some("9999")),
    ("outboundRules/internet/allocatedOutboundPorts", Some("128")),
    ("outboundRules/internet/allocatedOutboundPorts", Some("8")),
    (
        "outboundRules/internet/frontendIPConfigurations",
        Some("[{\"id\": \"frontendIPConfigurations/shop\"}]"),
    ),
    ("outboundRules/internet/protocol", Some("\"Tcp\"")),
    ("outboundRules/internet/name", Some("\"out\"")),
    ("outboundRules/internet", None),
    ("outboundRules/internet/idleTimeoutInMinutes", Some("60")),
];

/// A flow: its first packet, where it comes in, and how it leaves.
#[derive(Clone, Debug)]
struct Opened {
    port: PortId,
    ends: [SocketAddr; 2],
    transport: Transport,
    left_as: [SocketAddr; 2],
}

fn simulation() -> (Document, Simulation) {
    let document = Document::read("base.json");
    let mut simulation = Simulation::new(&document, Options::with_workers(2));
    simulation.publish();
    (document, simulation)
}

/// Sends one packet; the ends that it leaves with.
fn send(simulation: &mut Simulation, opened: &Opened, opens: bool) -> Option<[SocketAddr; 2]> {
    let [from, to] = opened.ends;
    let line = match (opened.transport, opens) {
        (Transport::Tcp, true) => format!("tcp {from} -> {to} SYN seq 1"),
        (Transport::Tcp, false) => format!("tcp {from} -> {to} ACK seq 2 ack 1"),
        (Transport::Udp | Transport::Icmp, _) => format!("udp {from} -> {to}"),
    };
    simulation.receive([simulation.frame(opened.port, &line)]);
    simulation.take_outputs().iter().find_map(|output| match output {
        Output::Wire(_, frame) => packet::ends(frame),
        Output::Kernel(..) | Output::Resolve(..) => None,
    })
}

/// Opens a flow of each number.
fn open(simulation: &mut Simulation, numbers: &[u16]) -> Vec<Opened> {
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let mut all = Vec::new();
    for number in numbers {
        let near = 20_000 + number;
        let frontends = ["203.0.113.10", "203.0.113.11", "198.51.100.10"];
        let members = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];
        let client = SocketAddr::new(address("192.0.2.7"), near);
        let remote = SocketAddr::new(address("192.0.2.80"), 443);
        let which = usize::from(*number);
        let (port, ends) = if which % 2 == 0 {
            (FRONT, [client, SocketAddr::new(address(frontends[which / 2 % 3]), 80)])
        } else {
            (BACK, [SocketAddr::new(address(members[which / 2 % 3]), near), remote])
        };
        let is_udp = port == BACK && which / 6 % 2 == 0;
        let transport = if is_udp { Transport::Udp } else { Transport::Tcp };
        let mut opened = Opened { port, ends, transport, left_as: ends };
        opened.left_as = send(simulation, &opened, true).expect("a first packet leaves");
        all.push(opened);
    }
    all
}

/// The flow of a first packet, as its owner's record has it.
fn flow_of(simulation: &Simulation, opened: &Opened) -> Flows {
    let [from, to] = opened.ends;
    let far = if opened.port == FRONT { from } else { to };
    let near = opened.ends[usize::from(opened.port == FRONT)].port();
    let entries = simulation.workers.iter().flat_map(|worker| worker.flows().entries());
    let found = entries.filter_map(|entry| Some((entry, FlowKey::unpack(&entry.key)?)));
    let mut flows = found
        .filter(|(_, key)| key.far.to_ip() == far.ip() && [0, far.port()].contains(&key.far_port));
    let flow = flows.find_map(|(entry, key)| match key.kind {
        Kind::Inbound => Some(Flows::Inbound(RuleId(key.id), MemberId(entry.target))),
        Kind::Outbound(_) if key.near_port == near => {
            Some(Flows::Outbound(MemberId(key.id), key.outbound_protocol()?))
        }
        Kind::Outbound(_) => None,
        Kind::OutboundReply(_) | Kind::Reservation(_) => None,
    });
    flow.unwrap_or_else(|| panic!("no record of {opened:?}"))
}

fn gauges(simulation: &Simulation) -> Gauges {
    let live = |of_members: bool, id: usize| {
        let mut totals = ObjectTotals::default();
        for worker in &simulation.workers {
            let counters: &ObjectCounters =
                if of_members { &worker.members } else { &worker.rules };
            counters.add_to(id, &mut totals);
        }
        totals.flows
    };
    let snapshot = simulation.snapshot();
    Gauges::of(snapshot, |rule| live(false, rule.index()), |member| live(true, member.index()))
}

/// What is told before a change, and the simulation after it.
struct Told {
    outlooks: Vec<plan::Outlook>,
    effects: Effects,
}

/// Plans and applies.
fn plan_and_apply(
    simulation: &mut Simulation,
    document: &Document,
    changes: &[ResourceChange],
) -> Told {
    let before = simulation.world.configuration().clone();
    let old = simulation.snapshot().clone();
    let gauges = gauges(simulation);
    let planned = document.check();
    let mut health: HealthTable = simulation.world.health().clone();
    health.set_targets(&probe_targets(&planned));
    simulation.world.configure(planned.clone());
    simulation.publish();
    let before = Before { configuration: &before, snapshot: &old };
    let next = simulation.snapshot();
    let wanted = Planned { configuration: &planned, snapshot: next, health: &health };
    let outlooks = plan::outlooks(before, wanted);
    let effects = plan::effects(before, wanted, &gauges, changes);
    Told { outlooks, effects }
}

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plans.txt")
}

/// What is told of the changes that the lines of a stanza make, with 48 flows open.
fn told_of(head: &[&str]) -> Vec<String> {
    let (mut document, mut simulation) = simulation();
    open(&mut simulation, &(0..48).collect::<Vec<_>>());
    let before = document.echo();
    for line in head.iter().filter(|line| !line.starts_with('#')) {
        let done = match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["set", path, json] => document.set(path, json),
            ["unset", path] => document.unset(path),
            _ => Err(format!("'{line}' is no change")),
        };
        done.expect(line);
    }
    let changes = plan::changes(&before, &document.echo()).changes;
    let effects = plan_and_apply(&mut simulation, &document, &changes).effects;
    let mut lines: Vec<_> =
        changes.iter().map(|change| format!("  {} {}", change.change, change.id)).collect();
    let FlowEffects { keep, drain, end } = effects.flows;
    lines.push(format!("  flows: {keep} keep, {drain} drain, {end} end"));
    let told = effects.effects.iter();
    lines.extend(told.map(|it| format!("  {} {} {}: {}", it.effect, it.flows, it.id, it.why)));
    lines
}

#[test]
fn every_plan_reads_as_the_page_has_it() {
    let text = std::fs::read_to_string(page()).expect("the page");
    let (mut written, mut wrong) = (Vec::new(), Vec::new());
    for stanza in text.trim_end().split("\n\n") {
        let (answer, head): (Vec<&str>, Vec<&str>) =
            stanza.lines().partition(|line| line.starts_with("  "));
        let told = told_of(&head);
        if told != answer {
            wrong.push(format!("{}\n{}", head.join("\n"), told.join("\n")));
        }
        written.push(format!("{}\n{}", head.join("\n"), told.join("\n")));
    }
    if std::env::var("BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(page(), written.join("\n\n") + "\n").expect("the page can be written");
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}

proptest! {
    #![proptest_config(at_random(96))]

    #[test]
    fn flows_end_drain_and_go_on_as_their_plan_says(
        steps in prop::collection::btree_set(0..STEPS.len(), 0..4),
        numbers in prop::collection::btree_set(0u16..600, 1..40),
    ) {
        let (mut document, mut simulation) = simulation();
        let numbers: Vec<_> = numbers.into_iter().collect();
        let opened = open(&mut simulation, &numbers);
        let flows: Vec<_> = opened.iter().map(|it| flow_of(&simulation, it)).collect();
        // Later ones first: those before may rename what they name.
        for (path, value) in steps.iter().rev().map(|it| STEPS[*it]) {
            let done = match value {
                Some(value) => document.set(path, value),
                None => document.unset(path),
            };
            prop_assume!(done.is_ok());
        }
        prop_assume!(document.is_valid());
        let told = plan_and_apply(&mut simulation, &document, &[]);
        let mut ended = 0;
        for (opened, flow) in opened.iter().zip(&flows) {
            let fates: Vec<_> =
                told.outlooks.iter().filter(|it| it.flows == *flow).map(|it| it.fate).collect();
            prop_assert!(!fates.is_empty(), "nothing is told of {:?}", flow);
            let went_on = send(&mut simulation, opened, false) == Some(opened.left_as);
            ended += u64::from(!went_on);
            let may_end = fates.contains(&Fate::End);
            let may_go_on = fates.iter().any(|fate| *fate != Fate::End);
            prop_assert!(if went_on { may_go_on } else { may_end }, "{:?}: {:?}", opened, fates);
        }
        let all = told.effects.flows;
        prop_assert_eq!(all.keep + all.drain + all.end, opened.len() as u64, "each flow once");
        // Where a whole group ends, its number is exact; what is shared out may be off.
        let is_whole = told.outlooks.iter().all(|it| it.fate == Fate::End)
            || told.outlooks.iter().all(|it| it.fate != Fate::End);
        prop_assert!(!is_whole || all.end == ended, "{:?}, and {} ended", all, ended);
        let sum = |effect: &str| -> u64 {
            told.effects.effects.iter().filter(|it| it.effect == effect).map(|it| it.flows).sum()
        };
        prop_assert!(sum("End").abs_diff(all.end) <= told.effects.effects.len() as u64);
    }
}
