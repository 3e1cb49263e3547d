//! What may happen next?

use proptest::prelude::*;

use super::traffic::Segment;

/// One thing that happens. Numbers choose among what there is, modulo how many there are, so that
/// a list of steps keeps its sense when others are left out.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "a variant's sentence speaks of its fields")]
pub enum Step {
    /// A member sends a TCP segment.
    Segment { member: u8, port: u8, remote: u8, remote_port: u8, segment: Segment },
    /// A member sends a datagram.
    Datagram { member: u8, port: u8, remote: u8, remote_port: u8 },
    /// A member sends an echo request with one of its identifiers.
    Ping { member: u8, identifier: u8, remote: u8 },
    /// A member and a host shake hands.
    Connect { member: u8, port: u8, remote: u8 },
    /// A member opens many connections to one destination.
    Burst { member: u8, remote: u8, count: u8, tcp: bool },
    /// The member of a living flow sends another packet.
    Continue { flow: u8, segment: Segment },
    /// The host that a living flow leads to answers.
    Reply { flow: u8, segment: Segment },
    /// A packet comes that differs from such an answer in one thing.
    Stray { flow: u8, twist: Twist, segment: Segment },
    /// Time passes.
    Wait { milliseconds: u32 },
    /// Time passes until a flow's silence is at its end: to the last millisecond, and on.
    WaitForEnd { flow: u8 },
    /// The control side looks at who is short of ports, and which have ended with theirs.
    Publish,
    /// `allocatedOutboundPorts` becomes another.
    Resize { ports: u32 },
    /// The rule names so many frontends.
    Frontends { count: u8 },
    /// A member leaves the pool, or comes back if it is not there.
    Toggle { member: u8 },
}

/// What is wrong with a packet that nobody waits for.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    /// Another host.
    Host,
    /// Another port of the same host.
    RemotePort,
    /// The next port of the outbound address.
    Port,
    /// The same numbers in another protocol.
    Protocol,
    /// Port 0 of the same host, which is none.
    PortZero,
}

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        4 => Just(Segment::Syn),
        2 => Just(Segment::SynAck),
        6 => Just(Segment::Ack),
        3 => Just(Segment::Fin),
        2 => Just(Segment::Reset),
        1 => Just(Segment::ResetFarAhead),
        1 => Just(Segment::ResetBehind),
    ]
}

fn opening() -> impl Strategy<Value = Segment> {
    prop_oneof![8 => Just(Segment::Syn), 1 => segment()]
}

fn twist() -> impl Strategy<Value = Twist> {
    use Twist::{Host, Port, PortZero, Protocol, RemotePort};
    prop::sample::select(vec![Host, RemotePort, Port, Protocol, PortZero])
}

fn step() -> impl Strategy<Value = Step> {
    let few = || prop_oneof![6 => 0u8..2, 1 => 2u8..4];
    let flow = || 0u8..=u8::MAX;
    prop_oneof![
        10 => (few(), few(), 0u8..3, 0u8..2, opening()).prop_map(
            |(member, port, remote, remote_port, segment)| {
                Step::Segment { member, port, remote, remote_port, segment }
            }
        ),
        6 => (few(), few(), 0u8..3, 0u8..6).prop_map(|(member, port, remote, remote_port)| {
            Step::Datagram { member, port, remote, remote_port }
        }),
        2 => (few(), few(), 0u8..3).prop_map(|(member, identifier, remote)| {
            Step::Ping { member, identifier, remote }
        }),
        4 => (few(), 0u8..2, 1u8..20, any::<bool>()).prop_map(|(member, remote, count, tcp)| {
            Step::Burst { member, remote, count, tcp }
        }),
        4 => (few(), 0u8..4, 0u8..3).prop_map(|(member, port, remote)| {
            Step::Connect { member, port, remote }
        }),
        6 => (flow(), segment()).prop_map(|(flow, segment)| Step::Continue { flow, segment }),
        10 => (flow(), segment()).prop_map(|(flow, segment)| Step::Reply { flow, segment }),
        4 => (flow(), twist(), segment())
            .prop_map(|(flow, twist, segment)| Step::Stray { flow, twist, segment }),
        2 => (0u32..20_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
        2 => flow().prop_map(|flow| Step::WaitForEnd { flow }),
        2 => Just(Step::Publish),
        5 => prop::sample::select(vec![8u32, 8, 16, 24, 64])
            .prop_map(|ports| Step::Resize { ports }),
        2 => (1u8..4).prop_map(|count| Step::Frontends { count }),
        1 => few().prop_map(|member| Step::Toggle { member }),
    ]
}

/// Any number of steps up to `most`.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..most)
}
