//! Which outbound sessions have begun and ended, for whoever keeps a log of them?
//!
//! ```text
//!   open_outbound ─► note_session(Created) ─┐
//!                                           ├─► Sessions ─► the shell's ring ─► a writer
//!   forget ───────► note_session(Deleted) ──┘   (a turn's)
//! ```
//!
//! What is noted are ids, as everywhere on a worker: they outlive the flow that names them, and
//! whoever writes the log knows their addresses. Where nobody wants a log, a flow costs one branch
//! when it begins and one when it ends. What finds no room is counted as
//! [`Counter::SessionRecordsLost`], never waited for.
//!
//! Not here: blocks of ports, which the control side deals (`session_log` of the daemon), and
//! inbound flows, which translate no source.

use super::worker::{Now, Worker};
use crate::flow::Holder;
use crate::telemetry::Counter;
use crate::units::{Address, MemberId, OutboundAddressId, Transport};

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEvent {
    /// It has a port now.
    Created,
    /// Its port is free again.
    Deleted,
}

/// A session of a member with a host outside that began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// What became of it.
    pub event: SessionEvent,
    /// When, in milliseconds since the process started.
    pub milliseconds: u64,
    /// The protocol.
    pub protocol: Transport,
    /// Whose session it is.
    pub member: MemberId,
    /// The member's source port, or the identifier of its echo requests.
    pub source_port: u16,
    /// The outbound address.
    pub address: OutboundAddressId,
    /// The port, or identifier, that stands in its place outside.
    pub port: u16,
    /// The host outside.
    pub destination: Address,
    /// Its port; 0 where the session is with all ports of the host.
    pub destination_port: u16,
}

const _: () = assert!(size_of::<SessionRecord>() <= 48, "a ring of them stays small");

/// Sessions that a worker noted and the shell has not fetched yet.
#[derive(Debug)]
pub struct Sessions {
    wanted: bool,
    noted: Vec<SessionRecord>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self { wanted: false, noted: Vec::with_capacity(SESSION_RECORDS_PER_TURN) }
    }

    /// Says whether anybody wants to know from here on.
    #[inline]
    pub const fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Whether nothing was noted.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// What was noted in the turn that began `now`, in order.
    pub fn drain(&mut self, now: Now) -> impl Iterator<Item = SessionRecord> {
        let stamped = move |record| SessionRecord { milliseconds: now.milliseconds, ..record };
        self.noted.drain(..).map(stamped)
    }
}

impl Worker {
    /// Notes that a session has begun or ended: of `holder`, from `source_port` by the outside's
    /// `port` to a host and its port. When it was is said with `drain`.
    #[inline]
    pub(super) fn note_session(
        &mut self,
        event: SessionEvent,
        holder: &Holder,
        (source_port, port): (u16, u16),
        (destination, destination_port): (Address, u16),
    ) {
        if !self.sessions.wanted {
            return;
        }
        if self.sessions.noted.len() >= SESSION_RECORDS_PER_TURN {
            return self.counters.count(Counter::SessionRecordsLost, 1);
        }
        let Holder { member, address, protocol } = *holder;
        self.sessions.noted.push(SessionRecord {
            event,
            milliseconds: 0,
            protocol,
            member,
            source_port,
            address,
            port,
            destination,
            destination_port,
        });
    }
}

/// Sessions that may begin or end in one turn of a worker: more than come with one burst of each
/// port and four of each of fifteen neighbours, where every packet ends one and begins another.
/// Memory that is not reached is never touched.
const SESSION_RECORDS_PER_TURN: usize = 8_192;
