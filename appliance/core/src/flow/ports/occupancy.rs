//! Towards which destinations is a port taken?
//!
//! The truth is the flow table: a port is taken where a reply's record names it. The first few
//! ports of a block are asked for there. Only where more flows share a destination is their
//! occupancy written down, per (member, outbound address, protocol, destination), as a hierarchy of
//! bitmaps whose records live in one map:
//!
//! ```text
//!   summary: which leaves are full        made when the second leaf is full
//!      │
//!   leaf 0     leaf 1     …  leaf 249     256 ports each, made when needed
//! ```
//!
//! A bit that is set stands for a living flow. One that is clear says that the port is worth
//! asking for: whoever has it, though no bit says so, is written down then. So it does not matter
//! which block a port belonged to when it was taken: nothing here depends on where blocks begin
//! and end.
//!
//! Taking the lowest free port reads at most [`ASKED`] flows as long as no more share the
//! destination; one record and one flow below 256, three and one beyond: never a scan.

use std::ops::Range;

use super::{Block, Holder, TakeError, Towards};
use crate::limits::{OUTBOUND_ADDRESSES_MAX, SNAT_FIRST_PORT};
use crate::tables::{Key, PageRequest, Record, RecordMap};
use crate::units::{Address, Transport};

const LEAF_PORTS: u16 = 256;
/// The number of the summary among the leaves of a destination; leaves end at 249.
const SUMMARY: u16 = 255;
/// How many ports are asked for one by one before a destination gets a record. Most destinations
/// never have more flows from one member at a time. So a record stands for nine flows, eighteen
/// records of the flow table, and a sixteenth of that table's slots is enough for all of them.
pub(super) const ASKED: u16 = 8;
/// Flows of a leaf that are too few for a record: who opens nine towards each of many destinations
/// and ends most of them would fill the map else.
const FORGOTTEN: u16 = 4;
/// Ports that one flow tries at most.
const TRIED: usize = 64;
/// 256 bits, 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bits {
    key: Key,
    neighbours: u16,
    /// How many bits are set.
    used: u16,
    words: [u64; 4],
}

const _: () = assert!(size_of::<Bits>() == 64);

impl Record for Bits {
    fn key(&self) -> &Key {
        &self.key
    }
    fn neighbours(&self) -> u16 {
        self.neighbours
    }
    fn set_neighbours(&mut self, bits: u16) {
        self.neighbours = bits;
    }
}

impl Bits {
    /// The lowest clear bit from `range.start` to before `range.end`.
    #[allow(clippy::cast_possible_truncation, reason = "bit numbers below 256")]
    fn lowest_clear(&self, range: &Range<u16>) -> Option<u16> {
        let mut word = range.start / 64;
        let mut taken = *self.words.get(usize::from(word))? | ((1 << (range.start % 64)) - 1);
        while taken == u64::MAX {
            word += 1;
            taken = *self.words.get(usize::from(word))?;
        }
        let bit = word * 64 + (!taken).trailing_zeros() as u16;
        (bit < range.end).then_some(bit)
    }

    /// Sets a bit, which may be set.
    fn set(&mut self, bit: u16) {
        let (word, bit) = (&mut self.words[usize::from(bit / 64)], 1 << (bit % 64));
        self.used += u16::from(*word & bit == 0);
        *word |= bit;
    }

    /// Clears a bit, which may be clear.
    fn clear(&mut self, bit: u16) {
        let (word, bit) = (&mut self.words[usize::from(bit / 64)], 1 << (bit % 64));
        self.used -= u16::from(*word & bit != 0);
        *word &= !bit;
    }

    const fn is_full(&self) -> bool {
        self.used == LEAF_PORTS
    }
}

impl Block {
    /// The first and the last port, counted from the first SNAT port.
    const fn offsets(&self) -> (u16, u16) {
        let first = self.first_port.saturating_sub(SNAT_FIRST_PORT);
        (first, first + self.ports.saturating_sub(1))
    }

    /// The first and the last leaf that have ports of this block.
    const fn leaves(&self) -> (u16, u16) {
        let (first, last) = self.offsets();
        (first / LEAF_PORTS, last / LEAF_PORTS)
    }

    /// The bits of a leaf that are ports of this block.
    fn bits_of(&self, leaf: u16) -> Range<u16> {
        let (first, last) = self.offsets();
        let base = leaf * LEAF_PORTS;
        first.saturating_sub(base)..(last - base + 1).min(LEAF_PORTS)
    }
}

/// Which ports are taken towards which destinations.
#[derive(Debug)]
pub(super) struct Occupancy {
    destinations: RecordMap<Bits>,
}

impl Occupancy {
    pub(super) fn new(destinations: usize, seed: u64, pages: PageRequest) -> Self {
        Self { destinations: RecordMap::new(destinations, seed, pages) }
    }

    pub(super) const fn bytes(destinations: usize) -> usize {
        RecordMap::<Bits>::bytes(destinations)
    }

    /// How many records there are.
    pub(super) const fn records(&self) -> usize {
        self.destinations.len()
    }

    /// Asks for the leaf that `port` is in.
    #[inline]
    pub(super) fn prefetch(&self, destination: &Destination<'_>, port: u16) {
        let (leaf, _) = place(port);
        self.destinations.prefetch(self.destinations.home(&destination.leaf(leaf)));
    }

    /// The lowest port whose bit is clear; of a full block, the first.
    pub(super) fn likely(&self, block: &Block, destination: &Destination<'_>) -> u16 {
        let (first, last) = block.leaves();
        let behind = || {
            let leaf = match self.find(&destination.summary()) {
                Some(summary) => self.destinations.at(summary).lowest_clear(&(first + 1..last + 1)),
                None => (first < last).then_some(first + 1),
            };
            self.lowest_clear_of(leaf?, block, destination)
        };
        let port = self.lowest_clear_of(first, block, destination).or_else(behind);
        port.unwrap_or(block.first_port)
    }

    /// Takes the lowest port of `block` that is free towards `destination`.
    pub(super) fn take(
        &mut self,
        block: &Block,
        destination: &Destination<'_>,
        is_taken: impl Fn(u16) -> bool,
    ) -> Result<u16, TakeError> {
        match self.ask_for_first(block, destination, &is_taken)? {
            Some(port) => Ok(port),
            None => self.take_from_bits(block, destination, &is_taken),
        }
    }

    /// Notes that a port is free towards `destination`, whatever block it was in.
    pub(super) fn give_back(&mut self, destination: &Destination<'_>, port: u16) {
        let (leaf, bit) = place(port);
        if let Some(slot) = self.find(&destination.leaf(leaf)) {
            let was_full = self.destinations.at(slot).is_full();
            self.clear_or_forget(slot, bit);
            if was_full && let Some(summary) = self.find(&destination.summary()) {
                self.clear_or_remove(summary, leaf);
            }
        }
    }

    /// The first free one of the block's first ports, where the destination has no record there.
    /// `None` when it has one, or was given one for all of them are taken.
    fn ask_for_first(
        &mut self,
        block: &Block,
        destination: &Destination<'_>,
        is_taken: &impl Fn(u16) -> bool,
    ) -> Result<Option<u16>, TakeError> {
        if self.find(&destination.leaf(block.leaves().0)).is_some() {
            return Ok(None);
        }
        let asked = block.first_port..block.first_port + block.ports.min(ASKED);
        if let Some(port) = asked.clone().find(|port| !is_taken(*port)) {
            return Ok(Some(port));
        }
        if block.ports <= ASKED && block.is_all {
            return Err(TakeError::Exhausted);
        }
        for port in asked {
            self.write_down(destination, port)?;
        }
        Ok(None)
    }

    fn take_from_bits(
        &mut self,
        block: &Block,
        destination: &Destination<'_>,
        is_taken: &impl Fn(u16) -> bool,
    ) -> Result<u16, TakeError> {
        // Goes on past ports that were taken though no bit says so: while they were asked for one
        // by one, or since their leaf was forgotten. Where there are more, as when ports begin to
        // be taken towards everybody, the next flow goes on from here.
        for _ in 0..TRIED {
            let port = self.lowest_clear(block, destination)?;
            self.write_down(destination, port)?;
            if !is_taken(port) {
                return Ok(port);
            }
        }
        Err(TakeError::Exhausted)
    }

    /// The lowest port of the block whose bit is clear.
    fn lowest_clear(
        &mut self,
        block: &Block,
        destination: &Destination<'_>,
    ) -> Result<u16, TakeError> {
        let (first, last) = block.leaves();
        let mut leaf = first;
        loop {
            if let Some(port) = self.lowest_clear_of(leaf, block, destination) {
                return Ok(port);
            }
            if leaf == last {
                return Err(TakeError::Exhausted);
            }
            if leaf > first {
                // All of this leaf's ports are the block's, so that it is full, whoever asks.
                let summary = self.find_or_make(destination.summary())?;
                self.destinations.at_mut(summary).set(leaf);
            }
            let behind = first + 1..last + 1;
            leaf = match self.find(&destination.summary()) {
                Some(summary) => self.destinations.at(summary).lowest_clear(&behind),
                None => Some(behind.start),
            }
            .ok_or(TakeError::Exhausted)?;
        }
    }

    fn lowest_clear_of(
        &self,
        leaf: u16,
        block: &Block,
        destination: &Destination<'_>,
    ) -> Option<u16> {
        let bits = block.bits_of(leaf);
        let bit = match self.find(&destination.leaf(leaf)) {
            Some(slot) => self.destinations.at(slot).lowest_clear(&bits)?,
            None => bits.start,
        };
        Some(SNAT_FIRST_PORT + leaf * LEAF_PORTS + bit)
    }

    fn write_down(&mut self, destination: &Destination<'_>, port: u16) -> Result<(), TakeError> {
        let (leaf, bit) = place(port);
        let slot = self.find_or_make(destination.leaf(leaf))?;
        self.destinations.at_mut(slot).set(bit);
        Ok(())
    }

    /// Clears a bit of a leaf, and forgets the leaf when few are left: so a record stands for more
    /// than a few flows. Those that are left are asked for one by one then.
    fn clear_or_forget(&mut self, slot: u32, bit: u16) {
        let record = self.destinations.at_mut(slot);
        record.clear(bit);
        if record.used <= FORGOTTEN {
            self.destinations.remove(slot);
        }
    }

    fn clear_or_remove(&mut self, slot: u32, bit: u16) {
        let record = self.destinations.at_mut(slot);
        record.clear(bit);
        if record.used == 0 {
            self.destinations.remove(slot);
        }
    }

    fn find(&self, key: &Key) -> Option<u32> {
        self.destinations.find(key, self.destinations.home(key))
    }

    fn find_or_make(&mut self, key: Key) -> Result<u32, TakeError> {
        let home = self.destinations.home(&key);
        if let Some(slot) = self.destinations.find(&key, home) {
            return Ok(slot);
        }
        let record = Bits { key, ..Bits::default() };
        let made = self.destinations.insert(record, home, |_, _, _| {});
        made.map_err(|_| TakeError::Full)
    }
}

/// The leaf that a port is in, and its bit there.
const fn place(port: u16) -> (u16, u16) {
    let offset = port.saturating_sub(SNAT_FIRST_PORT);
    (offset / LEAF_PORTS, offset % LEAF_PORTS)
}

/// One destination, seen by one holder.
pub(super) struct Destination<'a> {
    holder: &'a Holder,
    remote: Address,
    remote_port: u16,
}

impl<'a> Destination<'a> {
    pub(super) fn new(holder: &'a Holder, towards: Towards) -> Self {
        // No host has the address of nobody, so that everybody is a destination like others.
        let (remote, remote_port) = match towards {
            Towards::One(remote, port) => (remote, port),
            Towards::Everybody => (Address::default(), 0),
        };
        Self { holder, remote, remote_port }
    }

    fn leaf(&self, leaf: u16) -> Key {
        self.key(leaf)
    }

    fn summary(&self) -> Key {
        self.key(SUMMARY)
    }

    /// kind:4 │ member:24 │ address:12 │ leaf:8 │ remote port:16
    fn key(&self, leaf: u16) -> Key {
        const _: () = assert!(OUTBOUND_ADDRESSES_MAX <= 1 << 12);
        let kind: u64 = match self.holder.protocol {
            Transport::Tcp => 1,
            Transport::Udp => 2,
            Transport::Icmp => 3,
        };
        let word = kind << 60
            | u64::from(self.holder.member.0 & 0x00ff_ffff) << 36
            | u64::from(self.holder.address.0 & 0x0fff) << 24
            | u64::from(leaf) << 16
            | u64::from(self.remote_port);
        [self.remote.high, self.remote.low, word]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bit_is_counted_once_however_often_it_is_set_or_cleared(
            steps in prop::collection::vec((any::<bool>(), 0u16..256), 1..500),
        ) {
            let mut bits = Bits::default();
            let mut model = BTreeSet::new();
            for (set, bit) in steps {
                if set {
                    bits.set(bit);
                    model.insert(bit);
                } else {
                    bits.clear(bit);
                    model.remove(&bit);
                }
                prop_assert_eq!(usize::from(bits.used), model.len());
                let lowest = (0..256).find(|bit| !model.contains(bit));
                prop_assert_eq!(bits.lowest_clear(&(0..256)), lowest);
            }
        }
    }
}
