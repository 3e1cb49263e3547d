//! How many flows has each member opened to the outside, and how many were refused?

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::add;
use crate::units::{MemberId, Transport};

/// A member's counts for one protocol.
#[derive(Debug, Default)]
#[repr(align(32))]
struct Slot {
    created: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
}

/// One worker's counts for all members. Only that worker writes; anybody reads.
#[derive(Debug)]
pub struct OutboundCounters {
    slots: Box<[Slot]>,
}

/// A member's counts for one protocol, added up over workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboundTotals {
    /// Flows that have begun.
    pub created: u64,
    /// Flows that live.
    pub flows: u64,
    /// Flows that found no port.
    pub refused: u64,
}

impl OutboundCounters {
    /// Counters for ids below `bound`. An id at or past it is not counted.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { slots: (0..bound * Transport::COUNT).map(|_| Slot::default()).collect() }
    }

    /// Counts a flow that begins.
    #[inline]
    pub fn flow_created(&self, member: MemberId, protocol: Transport) {
        if let Some(slot) = self.slot(member, protocol) {
            add(&slot.created, 1);
        }
    }

    /// Counts a flow that ends.
    #[inline]
    pub fn flow_ended(&self, member: MemberId, protocol: Transport) {
        if let Some(slot) = self.slot(member, protocol) {
            add(&slot.ended, 1);
        }
    }

    /// Counts a flow that found no port.
    #[inline]
    pub fn flow_refused(&self, member: MemberId, protocol: Transport) {
        if let Some(slot) = self.slot(member, protocol) {
            add(&slot.refused, 1);
        }
    }

    /// A member's flows that live, of all protocols.
    #[must_use]
    pub fn flows(&self, member: MemberId) -> u64 {
        let mut totals = OutboundTotals::default();
        Transport::ALL.iter().for_each(|protocol| self.add_to(member, *protocol, &mut totals));
        totals.flows
    }

    /// Adds a member's counts to `totals`.
    pub fn add_to(&self, member: MemberId, protocol: Transport, totals: &mut OutboundTotals) {
        if let Some(slot) = self.slot(member, protocol) {
            // Ended before created: a flow that begins in between makes no negative number.
            let ended = slot.ended.load(Ordering::Relaxed);
            let created = slot.created.load(Ordering::Relaxed);
            totals.created += created;
            totals.flows += created.saturating_sub(ended);
            totals.refused += slot.refused.load(Ordering::Relaxed);
        }
    }

    #[inline]
    fn slot(&self, member: MemberId, protocol: Transport) -> Option<&Slot> {
        self.slots.get(member.index() * Transport::COUNT + protocol.index())
    }
}
