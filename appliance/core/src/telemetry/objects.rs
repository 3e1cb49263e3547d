//! How much has each rule and member carried?
//!
//! Slots are the dense ids of rules and members, which a change of configuration does not
//! renumber: an object keeps its counts for as long as it exists.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::add;

/// One object's counts, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    packets: AtomicU64,
    bytes: AtomicU64,
    flows_created: AtomicU64,
    flows_ended: AtomicU64,
}

/// One worker's counts for all objects of a kind. Only that worker writes; anybody reads.
#[derive(Debug)]
pub struct ObjectCounters {
    slots: Box<[Slot]>,
}

/// The packets of all objects of a kind, to be counted one by one.
#[derive(Clone, Copy, Debug)]
pub struct PacketCounters<'a>(&'a [Slot]);

impl PacketCounters<'_> {
    /// Counts one packet of `bytes`.
    #[inline]
    pub fn count(self, id: usize, bytes: u64) {
        if let Some(slot) = self.0.get(id) {
            add(&slot.packets, 1);
            add(&slot.bytes, bytes);
        }
    }
}

/// The counts of one object, added up over workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectTotals {
    /// Packets in both directions.
    pub packets: u64,
    /// Bytes of IP datagrams in both directions.
    pub bytes: u64,
    /// Flows that have begun.
    pub flows_created: u64,
    /// Flows that live.
    pub flows: u64,
}

impl ObjectCounters {
    /// Counters for ids below `bound`. An id at or past it is not counted.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { slots: (0..bound).map(|_| Slot::default()).collect() }
    }

    /// For counting the packets of a whole batch.
    #[must_use]
    #[inline]
    pub fn packets(&self) -> PacketCounters<'_> {
        PacketCounters(&self.slots)
    }

    /// Counts a flow that begins.
    #[inline]
    pub fn flow_created(&self, id: usize) {
        if let Some(slot) = self.slots.get(id) {
            add(&slot.flows_created, 1);
        }
    }

    /// Counts a flow that ends.
    #[inline]
    pub fn flow_ended(&self, id: usize) {
        if let Some(slot) = self.slots.get(id) {
            add(&slot.flows_ended, 1);
        }
    }

    /// Adds these counts of object `id` to `totals`.
    pub fn add_to(&self, id: usize, totals: &mut ObjectTotals) {
        if let Some(slot) = self.slots.get(id) {
            // Ended before created: a flow that begins in between makes no negative number.
            let ended = slot.flows_ended.load(Ordering::Relaxed);
            let created = slot.flows_created.load(Ordering::Relaxed);
            totals.packets += slot.packets.load(Ordering::Relaxed);
            totals.bytes += slot.bytes.load(Ordering::Relaxed);
            totals.flows_created += created;
            totals.flows += created.saturating_sub(ended);
        }
    }
}
