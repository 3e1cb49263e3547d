//! What does an operator read who asks what would become of a packet?
//!
//! `explanations.txt` has questions under circumstances, and the sentences that answer them;
//! `BLESS=1` writes them anew, for a person to read the difference. Not here: whether they are
//! true (`explain.rs`).

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use golden::case::Run;
use golden::simulation::{Options, Simulation};
use weir_core::explain::{self, Names, Question, Segment};
use weir_core::path::Verdict;
use weir_core::telemetry::DropReason;
use weir_core::units::{Address, PortId, Transport};

/// Reasons that no first packet of TCP or UDP can meet which a host sends on its own, and why.
const UNREACHED: &[(&str, &[DropReason])] = &[
    (
        "the frame is whole and plain",
        &[
            DropReason::EthernetTruncated,
            DropReason::VlanTooDeep,
            DropReason::Ipv4Header,
            DropReason::Ipv4Length,
            DropReason::Ipv6Header,
            DropReason::Ipv6Length,
            DropReason::Ipv6Extensions,
            DropReason::TcpHeader,
            DropReason::UdpHeader,
            DropReason::Segmented,
            DropReason::NotForUs,
            DropReason::SourceMacOwn,
            DropReason::EtherTypeUnknown,
            DropReason::ChecksumPartial,
            DropReason::TtlExpired,
            DropReason::MtuExceeded,
            DropReason::FragmentNotTranslated,
        ],
    ),
    (
        "it is TCP or UDP",
        &[
            DropReason::IcmpToFrontend,
            DropReason::IcmpErrorNotTranslated,
            DropReason::ProtocolNotTranslated,
            DropReason::ArpNotAnswered,
            DropReason::NeighbourNotAnswered,
        ],
    ),
    (
        "it depends on what other flows there are, or how full something is",
        &[
            DropReason::MemberMismatch,
            DropReason::SnatPortsExhausted,
            DropReason::SnatDestinationsFull,
            DropReason::SnatShareExceeded,
            DropReason::FlowTableFull,
            DropReason::HandoffFull,
            DropReason::HandoffLoop,
            DropReason::RelayFull,
            DropReason::TransmitQueueFull,
            DropReason::PuntFull,
            DropReason::PuntPoliced,
            DropReason::AnnouncementFailed,
        ],
    ),
    ("it is no first packet", &[DropReason::OutboundMidStream]),
    ("the configuration check refuses such rules", &[DropReason::AmbiguousEndpoint]),
];

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("explanations.txt")
}

/// One question of the page: its lines that end with the question, and the answer.
struct Stanza {
    head: Vec<String>,
    answer: Vec<String>,
}

impl Stanza {
    fn of(text: &str) -> Self {
        let lines = text.lines().map(str::to_owned);
        let (answer, head) = lines.partition(|line| line.starts_with("  "));
        Self { head, answer }
    }

    /// The simulation in these circumstances.
    fn simulation(&self) -> Simulation {
        let circumstances = self.head.iter().filter(|line| !line.starts_with(['?', '#']));
        let text: Vec<_> = circumstances.map(String::as_str).collect();
        let text = format!("dual-stack\n{}", text.join("\n"));
        let simulation = Run::simulation(&text, Options::with_workers(2));
        simulation.unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn question(&self) -> &str {
        self.head.last().and_then(|line| line.strip_prefix("? ")).expect("ends with a question")
    }
}

/// `tcp 192.0.2.7:40000 -> 203.0.113.10:80 by front`, or without the port.
fn read(simulation: &Simulation, line: &str) -> Question {
    let words: Vec<_> = line.split_whitespace().collect();
    let (kind, source, destination, by) = match words[..] {
        [kind, source, "->", destination] => (kind, source, destination, None),
        [kind, source, "->", destination, "by", port] => (kind, source, destination, Some(port)),
        _ => panic!("'{line}' is no question"),
    };
    let [source, destination] = [source, destination].map(|end| -> (Address, u16) {
        let end: SocketAddr = end.parse().expect("address and port");
        (end.ip().into(), end.port())
    });
    let snapshot = simulation.snapshot();
    let named = by.map(|name| simulation.world.links().find(name).expect("a port"));
    Question {
        protocol: if kind == "tcp" { Transport::Tcp } else { Transport::Udp },
        source,
        destination,
        ingress: named.or_else(|| explain::port_towards(snapshot, source.0)).unwrap_or(PortId(0)),
        receiver: explain::receiver(&snapshot.owner, source, destination, 1),
        segment: Segment::Opening,
    }
}

#[test]
fn every_explanation_reads_as_the_page_has_it() {
    let text = std::fs::read_to_string(page()).expect("the page");
    let mut met = BTreeSet::new();
    let mut written = Vec::new();
    let mut wrong = Vec::new();
    for stanza in text.trim_end().split("\n\n").map(Stanza::of) {
        let simulation = stanza.simulation();
        let question = read(&simulation, stanza.question());
        let (snapshot, now) = (simulation.snapshot(), simulation.now());
        let known = explain::owners(snapshot, &question).into_iter().find_map(|(owner, key)| {
            simulation.workers[owner.index()].look_up(snapshot, now, &key)
        });
        let segment = if known.is_some() { Segment::Further } else { Segment::Opening };
        let question = Question { segment, ..question };
        let course =
            explain::follow(snapshot, &question, known.as_ref()).expect("the port is there");
        if let Verdict::Drop(reason) = course.verdict {
            met.insert(reason);
        }
        let names = Names::of(simulation.world.configuration(), snapshot, &course);
        let told = explain::explanation(snapshot, &course, &names);
        let answer: Vec<_> = told.steps.iter().map(|step| format!("  {step}")).collect();
        if answer != stanza.answer {
            wrong.push(format!("{}\n{}", stanza.question(), answer.join("\n")));
        }
        written.push([stanza.head, answer].concat().join("\n"));
    }
    if std::env::var("BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(page(), written.join("\n\n") + "\n").expect("the page can be written");
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
    let unreached: BTreeSet<_> =
        UNREACHED.iter().flat_map(|(_, reasons)| reasons.iter().copied()).collect();
    let missing: Vec<_> =
        DropReason::ALL.iter().filter(|it| !met.contains(it) && !unreached.contains(it)).collect();
    assert!(missing.is_empty(), "reasons without a question: {missing:?}");
    let surprising: Vec<_> = unreached.intersection(&met).collect();
    assert!(surprising.is_empty(), "reached all the same: {surprising:?}");
}
