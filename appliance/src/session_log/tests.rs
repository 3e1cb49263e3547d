//! Does what workers note and the control side deals come out as it was, and is the rest counted?
//!
//! Both ends of the log without its thread: the test takes the writer's turns.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use golden::document::Document;
use golden::simulation::{Options, Simulation};
use serde_json::Value;
use tempfile::TempDir;
use weir_core::config::{SessionLogDestination, SessionLogRecords};
use weir_core::telemetry::Counter;
use weir_core::units::PortId;

use super::*;

const BACK: PortId = PortId(1);
/// Longer than any flow lives in silence.
const FOR_EVER_MS: u64 = 3 * 60 * 60 * 1000;

/// A worker, its log, and who writes it.
struct Trial {
    document: Document,
    simulation: Simulation,
    shared: Arc<SharedState>,
    log: SessionLog,
    writer: Writer,
}

impl Trial {
    fn new() -> Self {
        let mut document = Document::read("base.json");
        document.set("appliance/limits/flowsPerWorker", "16384").expect("a property");
        let simulation = Simulation::new(&document, Options::with_workers(1));
        let shared = Arc::new(SharedState::default());
        let counters = Arc::clone(&simulation.workers[0].counters);
        let source = Source { shared: Arc::clone(&shared), counters };
        // Late enough for the first turn to look after everything.
        let (log, writer) = ends(vec![source], Clock::roughly().ahead(10_000));
        Self { document, simulation, shared, log, writer }
    }

    fn want(&mut self, settings: Option<&config::SessionLog>) {
        self.log.set(settings, self.simulation.snapshot());
        self.writer.turn();
    }

    /// A member's datagram towards the outside.
    fn send(&mut self, port: u16) {
        self.send_to([192, 0, 2, 80].into(), port);
    }

    fn send_to(&mut self, remote: Ipv4Addr, port: u16) {
        let worker = &mut self.simulation.workers[0];
        worker.sessions.want(self.shared.sessions.is_wanted());
        let line = format!("udp 10.0.0.11:{port} -> {remote}:443");
        let frame = self.simulation.frame(BACK, &line);
        self.simulation.receive([frame]);
        self.pass();
    }

    fn pass(&mut self) {
        let now = self.simulation.now();
        self.shared.sessions.pass(&mut self.simulation.workers[0], now);
    }

    fn lose(&self, records: u64) {
        self.simulation.workers[0].counters.count(Counter::SessionRecordsLost, records);
    }
}

fn lines(path: &Path) -> config::SessionLog {
    config::SessionLog {
        destination: SessionLogDestination::JsonLines { path: path.into() },
        records: SessionLogRecords { port_blocks: true, sessions: true },
        destinations: false,
    }
}

fn collector(socket: &UdpSocket) -> config::SessionLog {
    config::SessionLog {
        destination: SessionLogDestination::Ipfix {
            collector: socket.local_addr().expect("it is bound"),
            observation_domain_id: 1,
            template_refresh_seconds: 600,
        },
        ..lines(Path::new("/"))
    }
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn events(path: &Path) -> Vec<String> {
    read(path).iter().map(|line| line["event"].as_str().expect("a word").to_owned()).collect()
}

fn place(directory: &TempDir) -> PathBuf {
    directory.path().join("sessions")
}

#[test]
fn a_log_begins_with_the_blocks_that_are_dealt_and_goes_on_with_sessions() {
    let directory = TempDir::new().expect("a directory");
    let path = place(&directory);
    let mut trial = Trial::new();
    trial.send(50_000);
    trial.want(Some(&lines(&path)));
    let blocks = events(&path).len();
    assert!(blocks > 0 && events(&path).iter().all(|it| it == "PortBlockAllocated"));
    trial.send(50_001);
    trial.writer.turn();
    let said = read(&path);
    assert_eq!(said.len(), blocks + 1, "the session before is not told of");
    assert_eq!(said[blocks]["event"], "SessionCreated");
    assert_eq!(
        (&said[blocks]["source"], &said[blocks]["sourcePort"]),
        (&Value::from("10.0.0.11"), &Value::from(50_001))
    );
    assert_eq!(said[blocks]["translatedAddress"], "203.0.113.20");
    assert_eq!(said[blocks].get("destination"), None, "unless it is wanted");
    trial.log.announce(trial.simulation.snapshot());
    trial.want(Some(&lines(&path)));
    assert_eq!(read(&path).len(), blocks + 1, "nothing is told twice");
    assert_eq!(trial.log.counts(), Counts { written: blocks as u64 + 1, failed: 0 });
}

#[test]
fn a_member_without_a_free_port_is_told_of_once_a_minute() {
    let directory = TempDir::new().expect("a directory");
    let path = place(&directory);
    let mut trial = Trial::new();
    let refused = |trial: &mut Trial| {
        trial.log.exhausted(trial.simulation.snapshot(), MemberId(0), Transport::Tcp);
        trial.writer.turn();
    };
    refused(&mut trial);
    trial.want(Some(&lines(&path)));
    refused(&mut trial);
    refused(&mut trial);
    let told: Vec<_> =
        read(&path).into_iter().filter(|it| it["event"] == "PortsExhausted").collect();
    assert_eq!(told.len(), 1);
    let snapshot = trial.simulation.snapshot();
    let ports = snapshot.mapping(MemberId(0), Transport::Tcp).expect("it has ports").ports();
    assert_eq!((&told[0]["member"], &told[0]["ports"]), (&"10.0.0.11".into(), &ports.into()));
}

#[test]
fn the_end_of_a_session_names_its_member_also_when_that_is_gone() {
    let directory = TempDir::new().expect("a directory");
    let path = place(&directory);
    let mut trial = Trial::new();
    trial.want(Some(&lines(&path)));
    trial.send(50_000);
    let member = "backendAddressPools/servers/loadBalancerBackendAddresses/server-1";
    trial.document.unset(member).expect("there it is");
    trial.simulation.world.configure(trial.document.check());
    trial.simulation.publish();
    trial.log.announce(trial.simulation.snapshot());
    let now = trial.simulation.now().milliseconds;
    trial.simulation.advance_to(now + FOR_EVER_MS);
    trial.pass();
    trial.writer.turn();
    let said = read(&path);
    let of = |event: &str| said.iter().filter(|it| it["event"] == event).collect::<Vec<_>>();
    let (begun, ended) = (of("SessionCreated"), of("SessionDeleted"));
    assert_eq!((begun.len(), ended.len()), (1, 1));
    for word in ["source", "sourcePort", "translatedAddress", "translatedPort"] {
        assert_eq!(begun[0][word], ended[0][word]);
    }
    let released = of("PortBlockReleased");
    assert!(!released.is_empty());
    assert!(released.iter().all(|it| it["member"] == "10.0.0.11"), "{released:?}");
}

#[test]
fn what_was_lost_on_the_way_is_told_in_the_log() {
    let directory = TempDir::new().expect("a directory");
    let path = place(&directory);
    let mut trial = Trial::new();
    trial.lose(5);
    trial.want(Some(&lines(&path)));
    let told: Vec<_> = read(&path).into_iter().filter(|it| it["event"] == "RecordsLost").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["records"], 5);
}

#[test]
fn while_a_disk_takes_nothing_records_wait_and_operators_are_told() {
    let directory = TempDir::new().expect("a directory");
    let folder = directory.path().join("later");
    let path = folder.join("sessions");
    let mut trial = Trial::new();
    trial.want(Some(&lines(&path)));
    let problem = trial.log.problem().expect("there is no such directory");
    assert!(problem.contains(&path.display().to_string()), "{problem}");
    trial.send(50_000);
    fs::create_dir(&folder).expect("ours");
    trial.writer.flush();
    trial.writer.turn();
    assert_eq!(trial.log.problem(), None);
    let written = read(&path).len() as u64;
    assert_eq!(trial.log.counts(), Counts { written, failed: 0 });
    assert_eq!(events(&path).last().map(String::as_str), Some("SessionCreated"));
}

#[test]
fn what_a_disk_never_took_is_counted_when_the_log_goes_elsewhere() {
    let directory = TempDir::new().expect("a directory");
    let mut trial = Trial::new();
    trial.want(Some(&lines(&directory.path().join("nowhere/sessions"))));
    trial.want(Some(&lines(&place(&directory))));
    let blocks = events(&place(&directory)).iter().filter(|it| *it == "PortBlockAllocated").count();
    assert_eq!(trial.log.counts().failed, blocks as u64, "the new file has them, too");
    trial.want(None);
    assert!(!trial.shared.sessions.is_wanted());
    assert_eq!(trial.log.problem(), None);
}

#[test]
fn what_is_on_the_ring_when_the_log_goes_elsewhere_is_written_where_it_belongs() {
    let directory = TempDir::new().expect("a directory");
    let (path, other) = (place(&directory), directory.path().join("other"));
    let mut trial = Trial::new();
    trial.want(Some(&lines(&path)));
    for number in 0..700_u16 {
        let [high, low] = number.to_be_bytes();
        trial.send_to([203, 1, high, low].into(), 50_000);
    }
    let passed = trial.simulation.workers[0].counters.get(Counter::SessionRecords);
    trial.want(Some(&lines(&other)));
    let sessions = |path: &Path| events(path).iter().filter(|it| *it == "SessionCreated").count();
    assert!(passed > 512, "more than one turn takes: {passed}");
    assert_eq!((sessions(&path) as u64, sessions(&other)), (passed, 0));
}

#[test]
fn a_collector_gets_templates_first_and_records_are_counted_by_who_took_them() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let mut trial = Trial::new();
    trial.want(Some(&collector(&socket)));
    let mut message = [0; 2_048];
    let length = socket.recv(&mut message).expect("a datagram");
    assert!(length <= 1_400);
    assert_eq!(message[16..18], [0, 2], "a set of templates comes first");
    trial.send(50_000);
    trial.writer.turn();
    trial.writer.give_up();
    let length = socket.recv(&mut message).expect("a datagram");
    assert_eq!(message[16..18], [1, 0], "and is not sent again before its time");
    assert_eq!(length, 16 + 4 + 22);
    let sequence = u32::from_be_bytes([message[8], message[9], message[10], message[11]]);
    let counts = trial.log.counts();
    assert_eq!((counts.written, counts.failed), (u64::from(sequence) + 1, 0));
}

#[test]
fn what_nobody_took_at_the_collectors_is_counted_and_templates_are_told_again() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let settings = collector(&socket);
    let address = socket.local_addr().expect("it is bound");
    drop(socket);
    let mut trial = Trial::new();
    trial.want(Some(&settings));
    trial.writer.turn();
    let Counts { written, failed } = trial.log.counts();
    assert!(written == 0 && failed > 0, "{written} written, {failed} failed");
    assert!(trial.log.problem().is_some_and(|it| it.contains(&address.to_string())));
    let socket = UdpSocket::bind(address).expect("its port again");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    trial.send(50_000);
    trial.writer.turn();
    let mut message = [0; 2_048];
    socket.recv(&mut message).expect("a datagram");
    assert_eq!(message[16..18], [0, 2], "templates come first again");
    trial.writer.turn();
    assert_eq!(trial.log.problem(), None);
}
