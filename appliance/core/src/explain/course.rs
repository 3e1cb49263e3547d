//! What becomes of the packet?

use super::frame::OneFrame;
use super::{Question, Segment};
use crate::path::{Action, Batch, FlowView, Now, Sizes, Verdict, Worker};
use crate::policy::{NextHop, OutboundMapping, Snapshot};
use crate::tables::PageRequest;
use crate::telemetry::DropReason;
use crate::units::{
    Address, AdjacencyId, MacAddress, MemberId, PortId, RuleId, Transport, WorkerId,
};

/// The smallest tables that have room for one flow and its destination.
const SIZES: Sizes =
    Sizes { flow_slots: 64, destinations: 16, granules: 16, pages: PageRequest::Transparent };

/// Both ends of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Where it comes from.
    pub source: (Address, u16),
    /// Where it goes.
    pub destination: (Address, u16),
}

/// Where a packet leaves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The port that it leaves by.
    pub port: PortId,
    /// The host on that port's link that gets it.
    pub address: Address,
    /// Its Ethernet address; `None` while it has not told it.
    pub mac: Option<MacAddress>,
}

/// A packet's way, from the wire to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The packet.
    pub question: Question,
    /// The workers that had it, in order; the last one ended it.
    pub workers: Vec<WorkerId>,
    /// How it ended.
    pub verdict: Verdict,
    /// What was to be done to it, where the long way says so.
    pub action: Option<Action>,
    /// The rule that it belongs to, in either direction.
    pub rule: Option<RuleId>,
    /// The member that it goes to or comes from.
    pub member: Option<MemberId>,
    /// Its ends as it leaves, if it does.
    pub leaves_as: Option<Tuple>,
    /// Its next hop, if it leaves, or would but for the next hop's Ethernet address.
    pub departure: Option<Departure>,
    /// The ports that the flow may use, of a member's flow to the outside.
    pub mapping: Option<OutboundMapping>,
    /// Whether the flow got a record.
    pub is_recorded: bool,
    /// The flow that it belongs to, if its owner knows one.
    pub known: Option<FlowView>,
}

impl Course {
    /// The worker that ended the packet.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.workers.last().copied().unwrap_or(self.question.receiver)
    }
}

/// Sends the packet of a question through the path, as it would go under `snapshot`; `known` is the
/// flow that it belongs to, as its owner told of it. `None` when the port that it comes in by does
/// not exist there.
#[must_use]
pub fn follow(
    snapshot: &Snapshot,
    question: &Question,
    known: Option<&FlowView>,
) -> Option<Course> {
    let mac = snapshot.ports.get(question.ingress.index())?.mac;
    let mut frame = OneFrame::of(question, mac);
    let mut workers = vec![question.receiver];
    // One worker in the role of each in turn: nothing is noted of a packet that is handed over.
    let mut worker = Worker::new(question.receiver, SIZES, 0, Now::default());
    if let Some(flow) = known {
        worker.adopt(snapshot, Now::default(), flow);
    }
    let made = worker.flows().made();
    let mut batch = Batch::default();
    let verdict = loop {
        worker.process(snapshot, Now::default(), &mut frame, &mut batch);
        // The path hands a packet over twice at most.
        let Verdict::HandOff(owner) = batch.verdict(0) else { break batch.verdict(0) };
        workers.push(owner);
        worker.id = owner;
    };
    let leaves_as = leaving(verdict, &frame);
    let action = batch.action(0);
    let (rule, member) = backend(snapshot, question, action, leaves_as);
    Some(Course {
        question: *question,
        workers,
        verdict,
        action,
        rule,
        member,
        leaves_as,
        departure: departure(snapshot, verdict, action, leaves_as, &frame)
            .or_else(|| awaited(verdict, &worker)),
        mapping: mapping(snapshot, question.protocol, action, member),
        is_recorded: worker.flows().made() != made,
        known: known.copied(),
    })
}

/// Whether the packet may also be the reply to a connection that a client has opened to this
/// endpoint: then a further packet of it goes another way than the first.
#[must_use]
pub(super) fn may_be_reply(snapshot: &Snapshot, question: &Question) -> bool {
    let ((address, port), protocol) = (question.source, question.protocol);
    question.segment == Segment::Opening
        && protocol == Transport::Tcp
        && matches!(snapshot.endpoints.member(address, port, protocol as u8), Some(Some(_)))
}

/// The packet's ends as it leaves.
fn leaving(verdict: Verdict, frame: &OneFrame) -> Option<Tuple> {
    let Verdict::Transmit(_) = verdict else { return None };
    let parsed = frame.parsed()?;
    Some(Tuple {
        source: (parsed.source, parsed.source_port),
        destination: (parsed.destination, parsed.destination_port),
    })
}

/// Rule and member: of what was decided, else of the endpoints that the packet has, as the
/// straight line asks for them.
fn backend(
    snapshot: &Snapshot,
    question: &Question,
    action: Option<Action>,
    leaves_as: Option<Tuple>,
) -> (Option<RuleId>, Option<MemberId>) {
    match action {
        Some(Action::ToMember(rule, member) | Action::FromFrontend(rule, member)) => {
            return (Some(rule), Some(member));
        }
        Some(
            Action::ToOutside(member, ..)
            | Action::FromOutside(member, _)
            | Action::FromInstance(member)
            | Action::ToInstance(member),
        ) => {
            return (None, Some(member));
        }
        Some(Action::Route) => return (None, None),
        None => {}
    }
    let (protocol, endpoints) = (question.protocol as u8, &snapshot.endpoints);
    let (to, from) = (question.destination, question.source);
    if let Some(rule) = endpoints.frontend(to.0, to.1, protocol) {
        let member = leaves_as.and_then(|it| snapshot.hosts.get(it.destination.0).as_member());
        return (Some(rule), member);
    }
    match endpoints.member(from.0, from.1, protocol).flatten() {
        Some(backend) if leaves_as.is_some() => (Some(backend.rule), Some(backend.member)),
        Some(_) | None => (None, snapshot.hosts.get(from.0).as_member()),
    }
}

/// The next hop that the packet's bytes name.
fn departure(
    snapshot: &Snapshot,
    verdict: Verdict,
    action: Option<Action>,
    leaves_as: Option<Tuple>,
    frame: &OneFrame,
) -> Option<Departure> {
    let Verdict::Transmit(port) = verdict else { return None };
    let (mac, tuple) = (frame.station(), leaves_as?);
    let towards_member = match action {
        Some(
            Action::ToMember(_, member)
            | Action::FromOutside(member, _)
            | Action::ToInstance(member),
        ) => Some(member),
        Some(_) | None => None,
    };
    let expected = match towards_member.and_then(|member| snapshot.member(member)) {
        Some(member) => Some(member.adjacency),
        None => routed(snapshot, tuple.destination.0),
    };
    // Two addresses may be one host's, so the bytes alone do not say which of them was meant; of
    // several gateways only the bytes say which one it was.
    let names = |id: &AdjacencyId| {
        let hop = snapshot.adjacencies.get(id.index())?;
        (hop.port == port && hop.mac == Some(mac)).then_some(hop.address)
    };
    let of_all = || {
        let all = (0u32..).map(AdjacencyId).take(snapshot.adjacencies.len());
        all.into_iter().find_map(|id| names(&id))
    };
    let address = expected.as_ref().and_then(names).or_else(of_all)?;
    Some(Departure { port, address, mac: Some(mac) })
}

/// The next hop that a packet was dropped for: the one that was asked for last.
fn awaited(verdict: Verdict, worker: &Worker) -> Option<Departure> {
    let Verdict::Drop(DropReason::NeighbourUnresolved) = verdict else { return None };
    let request = worker.requests.last()?;
    Some(Departure { port: request.port, address: request.address, mac: None })
}

fn routed(snapshot: &Snapshot, destination: Address) -> Option<AdjacencyId> {
    match snapshot.routes.towards(destination, || 0) {
        NextHop::Through(id) => Some(id),
        NextHop::Unresolved(_) | NextHop::None => None,
    }
}

/// The block of ports of a member's flow to the outside.
fn mapping(
    snapshot: &Snapshot,
    protocol: Transport,
    action: Option<Action>,
    member: Option<MemberId>,
) -> Option<OutboundMapping> {
    let Some(Action::ToOutside(..) | Action::FromOutside(..)) = action else { return None };
    snapshot.mapping(member?, protocol).cloned()
}
