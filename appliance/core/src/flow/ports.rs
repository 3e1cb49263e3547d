//! Which outbound ports are taken towards which destination?
//!
//! A port serves any number of flows as long as their destinations differ (behaviour.md §4.4),
//! so occupancy is kept per (member, outbound address, protocol, destination), as a hierarchy
//! of bitmaps whose records live in one map:
//!
//! ```text
//!   summary: which leaves are full        made when the first leaf is full
//!      │
//!   leaf 0     leaf 1     …  leaf 249     256 ports each, made when needed
//! ```
//!
//! Taking the lowest free port reads one record as long as fewer than 256 flows share the
//! destination, three beyond: never a scan, never a retry.

use std::ops::Range;

use crate::limits::{OUTBOUND_ADDRESSES_MAX, SNAT_FIRST_PORT, SNAT_PORTS};
use crate::tables::{Key, Record, RecordMap};
use crate::units::{Address, MemberId, OutboundAddressId, Transport};

const LEAF_PORTS: u16 = 256;
/// The number of the summary among the leaves of a destination; leaves end at 249.
const SUMMARY: u16 = 255;

/// 256 bits, 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bits {
    key: Key,
    neighbours: u16,
    /// How many bits are set.
    used: u16,
    /// Leaves: whether the summary calls this leaf full.
    is_full: bool,
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

    fn set(&mut self, bit: u16) {
        self.words[usize::from(bit / 64)] |= 1 << (bit % 64);
        self.used += 1;
    }

    fn clear(&mut self, bit: u16) {
        self.words[usize::from(bit / 64)] &= !(1 << (bit % 64));
        self.used -= 1;
    }
}

/// Whose ports, on which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The member.
    pub member: MemberId,
    /// The outbound address.
    pub address: OutboundAddressId,
    /// The protocol.
    pub protocol: Transport,
}

/// A member's block of ports, as the snapshot gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whose ports these are.
    pub holder: Holder,
    /// The first port, at least 1,024.
    pub first_port: u16,
    /// How many ports, at least one.
    pub ports: u16,
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

/// Why no port was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// All ports of the block are taken towards this destination.
    Exhausted,
    /// The table of destinations is full.
    DestinationsFull,
}

/// What one worker knows of its outbound ports.
#[derive(Debug)]
pub struct OutboundPorts {
    destinations: RecordMap<Bits>,
    /// Flows per (address, protocol, port), to know which ports are in use at all.
    flows: Box<[u32]>,
}

impl OutboundPorts {
    /// Room for `destinations` occupancy records; `seed` keys their hash.
    #[must_use]
    pub fn new(destinations: usize, seed: u64) -> Self {
        let ports = OUTBOUND_ADDRESSES_MAX * 2 * SNAT_PORTS as usize;
        Self { destinations: RecordMap::new(destinations, seed), flows: vec![0; ports].into() }
    }

    /// Takes the lowest port of `block` that is free towards `remote`. The second value says
    /// whether no other flow uses this port.
    ///
    /// # Errors
    /// [`TakeError`], with nothing taken.
    pub fn take(
        &mut self,
        block: &Block,
        remote: Address,
        remote_port: u16,
    ) -> Result<(u16, bool), TakeError> {
        let destination = Destination { holder: &block.holder, remote, remote_port };
        let leaf = self.first_leaf_with_room(block, &destination).ok_or(TakeError::Exhausted)?;
        let bits = block.bits_of(leaf);
        let slot = self.find_or_make(destination.leaf(leaf))?;
        let bit = self.destinations.at(slot).lowest_clear(&bits).ok_or(TakeError::Exhausted)?;
        let has_summary = block.leaves().0 != block.leaves().1;
        if has_summary && self.destinations.at(slot).lowest_clear(&(bit + 1..bits.end)).is_none() {
            let summary = self.find_or_make(destination.summary())?;
            self.destinations.at_mut(summary).set(leaf);
            // Making the summary may have moved the leaf.
            let slot = self.find_or_make(destination.leaf(leaf))?;
            self.destinations.at_mut(slot).is_full = true;
        }
        let slot = self.find_or_make(destination.leaf(leaf))?;
        self.destinations.at_mut(slot).set(bit);
        let port = SNAT_FIRST_PORT + leaf * LEAF_PORTS + bit;
        let flows = self.flows_on(&block.holder, port);
        *flows += 1;
        let first = *flows == 1;
        Ok((port, first))
    }

    /// Gives back a port that was taken towards `remote`, whatever block it was in then. Returns
    /// whether no flow uses this port any more.
    pub fn give_back(
        &mut self,
        holder: &Holder,
        remote: Address,
        remote_port: u16,
        port: u16,
    ) -> bool {
        let destination = Destination { holder, remote, remote_port };
        let offset = port.saturating_sub(SNAT_FIRST_PORT);
        let leaf = offset / LEAF_PORTS;
        if let Some(slot) = self.find(&destination.leaf(leaf)) {
            let was_full = std::mem::take(&mut self.destinations.at_mut(slot).is_full);
            self.clear_or_remove(slot, offset % LEAF_PORTS);
            if was_full && let Some(summary) = self.find(&destination.summary()) {
                self.clear_or_remove(summary, leaf);
            }
        }
        let flows = self.flows_on(holder, port);
        *flows = flows.saturating_sub(1);
        *flows == 0
    }

    /// How many occupancy records there are.
    #[must_use]
    pub const fn destinations(&self) -> usize {
        self.destinations.len()
    }

    fn first_leaf_with_room(&self, block: &Block, destination: &Destination<'_>) -> Option<u16> {
        let (first, last) = block.leaves();
        let Some(slot) = self.find(&destination.leaf(first)) else { return Some(first) };
        if self.destinations.at(slot).lowest_clear(&block.bits_of(first)).is_some() {
            return Some(first);
        }
        let summary = self.destinations.at(self.find(&destination.summary())?);
        summary.lowest_clear(&(first..last + 1))
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
        if let Some(slot) = self.find(&key) {
            return Ok(slot);
        }
        let record = Bits { key, ..Bits::default() };
        self.destinations.insert(record, |_, _, _| {}).map_err(|_| TakeError::DestinationsFull)
    }

    fn flows_on(&mut self, holder: &Holder, port: u16) -> &mut u32 {
        let row = holder.address.index() % OUTBOUND_ADDRESSES_MAX * 2
            + usize::from(matches!(holder.protocol, Transport::Udp));
        let column = usize::from(port.saturating_sub(SNAT_FIRST_PORT)) % SNAT_PORTS as usize;
        &mut self.flows[row * SNAT_PORTS as usize + column]
    }
}

/// One destination, seen by one holder.
struct Destination<'a> {
    holder: &'a Holder,
    remote: Address,
    remote_port: u16,
}

impl Destination<'_> {
    fn leaf(&self, leaf: u16) -> Key {
        self.key(leaf)
    }

    fn summary(&self) -> Key {
        self.key(SUMMARY)
    }

    /// kind:8 │ member:24 │ address:8 │ leaf:8 │ remote port:16
    fn key(&self, leaf: u16) -> Key {
        let kind: u64 = match self.holder.protocol {
            Transport::Tcp => 1,
            Transport::Udp => 2,
        };
        let word = kind << 56
            | u64::from(self.holder.member.0 & 0x00ff_ffff) << 32
            | u64::from(self.holder.address.0 & 0xff) << 24
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

    fn block(ports: u16) -> Block {
        Block { holder: HOLDER, first_port: 1024, ports }
    }

    const HOLDER: Holder =
        Holder { member: MemberId(3), address: OutboundAddressId(0), protocol: Transport::Tcp };

    fn remote(number: u32) -> Address {
        Address::from_v4_bits(0xc000_0200 + number)
    }

    #[test]
    fn every_port_of_a_block_is_taken_lowest_first_before_it_is_exhausted() {
        for ports in [8, 256, 264, 1024, 64_000] {
            let mut book = OutboundPorts::new(1024, 1);
            for expected in 1024..1024 + ports {
                let taken = book.take(&block(ports), remote(1), 80);
                assert_eq!(taken, Ok((expected, true)), "of {ports}");
            }
            assert_eq!(book.take(&block(ports), remote(1), 80), Err(TakeError::Exhausted));
            assert_eq!(book.take(&block(ports), remote(1), 81), Ok((1024, false)));
            assert!(!book.give_back(&HOLDER, remote(1), 80, 1024));
            assert_eq!(book.take(&block(ports), remote(1), 80), Ok((1024, false)));
        }
    }

    #[test]
    fn a_full_table_of_destinations_refuses_and_loses_nothing() {
        let mut book = OutboundPorts::new(16, 1);
        let mut taken = 0;
        while book.take(&block(8), remote(taken), 80).is_ok() {
            taken += 1;
        }
        assert_eq!(book.take(&block(8), remote(taken), 80), Err(TakeError::DestinationsFull));
        for number in 0..taken {
            book.give_back(&HOLDER, remote(number), 80, 1024);
        }
        assert_eq!(book.destinations(), 0);
    }

    proptest! {
        #[test]
        fn no_port_is_taken_twice_towards_one_destination_and_the_lowest_goes_first(
            first_granule in 0u16..60,
            steps in prop::collection::vec(
                (any::<bool>(), 0u32..3, any::<prop::sample::Index>()), 1..1500,
            ),
        ) {
            let first_port = 1024 + first_granule * 8;
            let block = Block { first_port, ..block(600) };
            let mut book = OutboundPorts::new(256, 9);
            let mut model: [BTreeSet<u16>; 3] = Default::default();
            for (take, destination, index) in steps {
                let ports = &mut model[destination as usize];
                if take || ports.is_empty() {
                    let lowest = (first_port..first_port + 600).find(|port| !ports.contains(port));
                    let taken = book.take(&block, remote(destination), 443);
                    prop_assert_eq!(taken.map(|(port, _)| port).ok(), lowest);
                    ports.extend(lowest);
                } else {
                    let port = *ports.iter().nth(index.index(ports.len())).expect("one");
                    ports.remove(&port);
                    let last = book.give_back(&HOLDER, remote(destination), 443, port);
                    prop_assert_eq!(last, model.iter().all(|ports| !ports.contains(&port)));
                }
            }
        }
    }
}
