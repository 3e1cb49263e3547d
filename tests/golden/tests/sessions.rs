//! Does every outbound session that is logged begin and end once, and is every one logged?

use std::collections::BTreeMap;

use golden::document::Document;
use golden::random::at_random;
use golden::simulation::{Options, Simulation};
use proptest::prelude::*;
use weir_core::flow::key;
use weir_core::path::{FlowQuery, FlowSlice, SessionEvent, SessionRecord, Through};
use weir_core::telemetry::Counter;
use weir_core::units::{Address, MemberId, OutboundAddressId, PortId, Transport};

const FRONT: PortId = PortId(0);
const BACK: PortId = PortId(1);
/// Longer than any flow lives in silence.
const FOR_EVER_MS: u64 = 3 * 60 * 60 * 1000;

/// What happens: members and the world speak, time passes, members come and go.
#[derive(Clone, Debug)]
enum Step {
    Send { member: u8, port: u16, remote: u8, tcp: bool, flags: &'static str },
    Answer { nth: usize, flags: &'static str },
    Wait(u64),
    Resize(u16),
    Leave(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = || prop::sample::select(vec!["SYN", "SYN", "SYN", "ACK", "FIN ACK", "RST"]);
    let talk = (11u8..=13, 50_000u16..50_012, 80u8..83, any::<bool>(), flags());
    prop_oneof![
        12 => talk.prop_map(|(member, port, remote, tcp, flags)| {
            Step::Send { member, port, remote, tcp, flags }
        }),
        6 => (any::<usize>(), flags()).prop_map(|(nth, flags)| Step::Answer { nth, flags }),
        2 => (0u64..260_000).prop_map(Step::Wait),
        1 => prop::sample::select(vec![8u16, 16, 64]).prop_map(Step::Resize),
        1 => (11u8..=13).prop_map(Step::Leave),
    ]
}

/// What tells a session from all others that live: its worker, since ports that were dealt to
/// another one may have had a flow that still waits for its timer, and the tuple that the world
/// sees.
type Tuple = (usize, Transport, OutboundAddressId, u16, Address, u16);
/// Whose it is.
type Owner = (MemberId, u16);

/// The log as a reader keeps it.
#[derive(Default)]
struct Reader {
    live: BTreeMap<Tuple, Owner>,
    begun: u64,
    ended: u64,
}

impl Reader {
    fn read(&mut self, worker: usize, record: &SessionRecord) -> Result<(), TestCaseError> {
        let SessionRecord { protocol, address, port, destination, destination_port, .. } = *record;
        let tuple = (worker, protocol, address, port, destination, destination_port);
        let owner = (record.member, record.source_port);
        match record.event {
            SessionEvent::Created => {
                self.begun += 1;
                let before = self.live.insert(tuple, owner);
                prop_assert_eq!(before, None, "{:?} begins twice", record);
            }
            SessionEvent::Deleted => {
                self.ended += 1;
                let before = self.live.remove(&tuple);
                prop_assert_eq!(before, Some(owner), "{:?} ends and had not begun", record);
            }
        }
        Ok(())
    }
}

struct Trial {
    document: Document,
    simulation: Simulation,
    reader: Reader,
}

impl Trial {
    fn new(workers: u8) -> Self {
        let document = Document::read("base.json");
        let mut simulation = Simulation::new(&document, Options::with_workers(workers));
        simulation.workers.iter_mut().for_each(|worker| worker.sessions.want(true));
        Self { document, simulation, reader: Reader::default() }
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        const MEMBERS: &str = "backendAddressPools/servers/loadBalancerBackendAddresses";
        match *step {
            Step::Send { member, port, remote, tcp, flags } => {
                let (kind, flags) = if tcp { ("tcp", flags) } else { ("udp", "") };
                let line = format!("{kind} 10.0.0.{member}:{port} -> 192.0.2.{remote}:443 {flags}");
                self.receive(BACK, &line);
            }
            Step::Answer { nth, flags } => self.answer(nth, flags),
            Step::Wait(milliseconds) => {
                let until = self.simulation.now().milliseconds + milliseconds;
                self.simulation.advance_to(until);
            }
            Step::Resize(ports) => {
                let path = "outboundRules/internet/allocatedOutboundPorts";
                self.document.set(path, &ports.to_string()).map_err(TestCaseError::fail)?;
                self.apply();
            }
            Step::Leave(member) => {
                let name = format!("{MEMBERS}/server-{}", member - 10);
                if self.document.unset(&name).is_ok() {
                    self.apply();
                }
            }
        }
        self.read()
    }

    fn receive(&mut self, port: PortId, line: &str) {
        let frame = self.simulation.frame(port, line);
        self.simulation.receive([frame]);
        self.simulation.take_outputs();
    }

    /// The world answers one of the sessions that live.
    fn answer(&mut self, nth: usize, flags: &str) {
        let count = self.reader.live.len().max(1);
        let Some((tuple, _)) = self.reader.live.iter().nth(nth % count) else { return };
        let (_, protocol, address, port, destination, destination_port) = *tuple;
        let Some(outside) = self.simulation.snapshot().outbound_address(address) else { return };
        let (kind, flags) = match protocol {
            Transport::Tcp => ("tcp", flags),
            Transport::Udp | Transport::Icmp => ("udp", ""),
        };
        let (near, far) = (outside.address, (destination, destination_port.max(443)));
        let line = format!("{kind} {}:{} -> {near}:{port} {flags}", far.0, far.1);
        self.receive(FRONT, &line);
    }

    fn apply(&mut self) {
        self.simulation.world.configure(self.document.check());
        self.simulation.publish();
    }

    /// Reads what was logged since.
    fn read(&mut self) -> Result<(), TestCaseError> {
        let now = self.simulation.now();
        for (number, worker) in self.simulation.workers.iter_mut().enumerate() {
            for record in worker.sessions.drain(now) {
                prop_assert_eq!(record.milliseconds, now.milliseconds);
                self.reader.read(number, &record)?;
            }
        }
        Ok(())
    }

    /// Outbound flows that workers know of are those that the log has begun and not ended.
    fn expect_every_flow_to_be_logged(&self) -> Result<(), TestCaseError> {
        let (snapshot, now) = (self.simulation.snapshot(), self.simulation.now());
        for (number, worker) in self.simulation.workers.iter().enumerate() {
            let query = FlowQuery { outbound_only: true, ..FlowQuery::default() };
            let mut slice = FlowSlice::new(query, 0, 4_096);
            while !slice.is_answered() {
                worker.list(snapshot, now, &mut slice, 1 << 16);
            }
            for view in slice.views() {
                let Through::OutboundAddress(address) = view.through else { continue };
                let (far, far_port) = view.destination;
                // The session is with all ports of the host where the mapping is.
                let far_port = key::far_port(view.protocol, far_port);
                let tuple = (number, view.protocol, address, view.translated.1, far, far_port);
                let logged = self.reader.live.get(&tuple);
                prop_assert_eq!(logged, Some(&(view.member, view.source.1)), "{:?}", view);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(at_random(64))]

    #[test]
    fn every_session_that_begins_is_logged_once_and_so_is_its_end(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        for workers in [1, 4] {
            let mut trial = Trial::new(workers);
            for step in &steps {
                trial.take(step)?;
                trial.expect_every_flow_to_be_logged()?;
            }
            let now = trial.simulation.now().milliseconds;
            trial.simulation.advance_to(now + FOR_EVER_MS);
            trial.read()?;
            prop_assert!(trial.reader.live.is_empty(), "they never end: {:?}", trial.reader.live);
            prop_assert_eq!(trial.reader.begun, trial.reader.ended);
            let workers = trial.simulation.workers.iter();
            let lost = workers.map(|it| it.counters.get(Counter::SessionRecordsLost)).sum::<u64>();
            prop_assert_eq!(lost, 0);
        }
    }
}
