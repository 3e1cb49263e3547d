//! What would happen to this packet, and why?
//!
//! ```text
//!   Question ─► frame ─► follow: a private worker, path::process, hand-offs ─► Course
//!                                     ▲                                          │
//!                             snapshot in force        Names (of the configuration)
//!                                                                                ▼
//!                                                     words: Explanation, step by step
//! ```
//!
//! The code that decides here is the one that decides about packets: a frame is made as a host on
//! the link would send it, and goes through [`crate::path::Worker::process`] of a worker of its own
//! with tiny tables. Nothing that real workers have is touched. A flow that exists is told by its
//! owner ([`owners`]) and taken in by that worker; what else real workers alone know (which port is
//! free, whether a ring is full) is said to be so.
//!
//! Not here: how owners are asked (the shell).

mod course;
mod frame;
mod known;
mod names;
mod remedy;
mod words;

pub use course::{Course, Departure, Tuple, follow};
pub use known::owners;
pub use names::{EndName, Names};
pub use remedy::remedy;
pub use words::explanation;

use crate::policy::{NextHop, OwnerFunction, Snapshot};
use crate::units::{Address, PortId, Transport, WorkerId};

/// A packet to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// TCP or UDP.
    pub protocol: Transport,
    /// Where it comes from.
    pub source: (Address, u16),
    /// Where it goes; of the same family.
    pub destination: (Address, u16),
    /// The port that it comes in by.
    pub ingress: PortId,
    /// The worker that the port's device brings it to ([`receiver`]).
    pub receiver: WorkerId,
    /// Which packet of its connection it is.
    pub segment: Segment,
}

/// Which packet of a TCP connection is meant. Datagrams are all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The first one, a SYN.
    Opening,
    /// A further one, an ACK.
    Further,
}

/// The port by which routes lead back to a packet's source, and so the one that it is expected to
/// come in by; `None` where no route leads there.
#[must_use]
pub fn port_towards(snapshot: &Snapshot, source: Address) -> Option<PortId> {
    let member = snapshot.hosts.get(source).as_member();
    if let Some(member) = member.and_then(|member| snapshot.member(member)) {
        return member.port;
    }
    match snapshot.routes.towards(source, || 0) {
        NextHop::Through(id) => Some(snapshot.adjacencies.get(id.index())?.port),
        NextHop::Unresolved(port) => Some(port),
        NextHop::None => None,
    }
}

/// The worker that a device with so many receive queues brings a packet to, if it spreads packets
/// by the owner function's table, as `boot::spread` has it do. The verdict does not depend on it.
#[must_use]
pub fn receiver(
    owner: &OwnerFunction,
    source: (Address, u16),
    destination: (Address, u16),
    queues: u16,
) -> WorkerId {
    let WorkerId(worker) = owner.of_flow(source.0, source.1, destination.0, destination.1);
    WorkerId(u8::try_from(u16::from(worker) % queues.max(1)).unwrap_or(0))
}
