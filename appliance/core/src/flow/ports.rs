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

use crate::limits::{OUTBOUND_ADDRESSES_MAX, SNAT_FIRST_PORT, SNAT_PORTS};
use crate::tables::{Key, Record, RecordMap};
use crate::units::{Address, MemberId, OutboundAddressId, Transport};

const LEAF_PORTS: u16 = 256;
/// The number of the summary among the leaves of a destination; leaves end at 249.
const SUMMARY: u8 = 255;

/// 256 bits with their count, 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bits {
    key: Key,
    neighbours: u16,
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
    fn lowest_clear(&self) -> Option<u16> {
        (0u16..4).zip(self.words).find(|(_, word)| *word != u64::MAX).map(|(index, word)| {
            #[allow(clippy::cast_possible_truncation, reason = "at most 63")]
            let bit = (!word).trailing_zeros() as u16;
            index * 64 + bit
        })
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

/// A member's block of ports, as the snapshot gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The member.
    pub member: MemberId,
    /// The outbound address.
    pub address: OutboundAddressId,
    /// The protocol.
    pub protocol: Transport,
    /// The first port.
    pub first_port: u16,
    /// How many ports.
    pub ports: u16,
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
        let destination = Destination { block, remote, remote_port };
        let leaf = self.first_leaf_with_room(&destination).ok_or(TakeError::Exhausted)?;
        let slot = self.find_or_make(destination.key(leaf))?;
        let bit = self.destinations.at(slot).lowest_clear().ok_or(TakeError::Exhausted)?;
        let offset = u16::from(leaf) * LEAF_PORTS + bit;
        if offset >= block.ports {
            return Err(TakeError::Exhausted);
        }
        let becomes_full = self.destinations.at(slot).used + 1 == LEAF_PORTS;
        if becomes_full && block.ports > LEAF_PORTS {
            let summary = self.find_or_make(destination.key(SUMMARY))?;
            self.destinations.at_mut(summary).set(leaf.into());
        }
        // Making the summary may have moved the leaf.
        let slot = self.find_or_make(destination.key(leaf))?;
        self.destinations.at_mut(slot).set(bit);
        let port = block.first_port + offset;
        let flows = self.flows_on(block.address, block.protocol, port);
        *flows += 1;
        let first = *flows == 1;
        Ok((port, first))
    }

    /// Gives back a port that was taken from `block` towards `remote`, where `block` need only
    /// name member, address, protocol and first port as they were then. Returns whether no flow
    /// uses this port any more.
    pub fn give_back(
        &mut self,
        block: &Block,
        remote: Address,
        remote_port: u16,
        port: u16,
    ) -> bool {
        let destination = Destination { block, remote, remote_port };
        let offset = port.saturating_sub(block.first_port);
        #[allow(clippy::cast_possible_truncation, reason = "at most 255")]
        let leaf = (offset / LEAF_PORTS) as u8;
        if let Some(slot) = self.find(&destination.key(leaf)) {
            let was_full = self.destinations.at(slot).used == LEAF_PORTS;
            self.clear_or_remove(slot, offset % LEAF_PORTS);
            if was_full && let Some(summary) = self.find(&destination.key(SUMMARY)) {
                self.clear_or_remove(summary, leaf.into());
            }
        }
        let flows = self.flows_on(block.address, block.protocol, port);
        *flows = flows.saturating_sub(1);
        *flows == 0
    }

    /// How many occupancy records there are.
    #[must_use]
    pub const fn destinations(&self) -> usize {
        self.destinations.len()
    }

    fn first_leaf_with_room(&self, destination: &Destination<'_>) -> Option<u8> {
        let Some(slot) = self.find(&destination.key(0)) else { return Some(0) };
        if self.destinations.at(slot).used < LEAF_PORTS {
            return Some(0);
        }
        let summary = self.destinations.at(self.find(&destination.key(SUMMARY))?);
        let leaf = summary.lowest_clear()?;
        (leaf < destination.block.ports.div_ceil(LEAF_PORTS)).then_some(leaf)?;
        u8::try_from(leaf).ok()
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

    fn flows_on(&mut self, address: OutboundAddressId, protocol: Transport, port: u16) -> &mut u32 {
        let row = address.index() % OUTBOUND_ADDRESSES_MAX * 2
            + usize::from(matches!(protocol, Transport::Udp));
        let column = usize::from(port.saturating_sub(SNAT_FIRST_PORT)) % SNAT_PORTS as usize;
        &mut self.flows[row * SNAT_PORTS as usize + column]
    }
}

/// One destination, seen from one block.
struct Destination<'a> {
    block: &'a Block,
    remote: Address,
    remote_port: u16,
}

impl Destination<'_> {
    /// kind:8 │ member:24 │ address:8 │ leaf:8 │ remote port:16
    fn key(&self, leaf: u8) -> Key {
        let kind: u64 = match self.block.protocol {
            Transport::Tcp => 1,
            Transport::Udp => 2,
        };
        let word = kind << 56
            | u64::from(self.block.member.0 & 0x00ff_ffff) << 32
            | u64::from(self.block.address.0 & 0xff) << 24
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
        Block {
            member: MemberId(3),
            address: OutboundAddressId(0),
            protocol: Transport::Tcp,
            first_port: 1024,
            ports,
        }
    }

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
            assert!(!book.give_back(&block(ports), remote(1), 80, 1024));
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
            book.give_back(&block(8), remote(number), 80, 1024);
        }
        assert_eq!(book.destinations(), 0);
    }

    proptest! {
        #[test]
        fn no_port_is_taken_twice_towards_one_destination_and_the_lowest_goes_first(
            steps in prop::collection::vec((any::<bool>(), 0u32..3, any::<prop::sample::Index>()), 1..1500),
        ) {
            let block = block(600);
            let mut book = OutboundPorts::new(256, 9);
            let mut model: [BTreeSet<u16>; 3] = Default::default();
            for (take, destination, index) in steps {
                let ports = &mut model[destination as usize];
                if take || ports.is_empty() {
                    let lowest = (1024..1624).find(|port| !ports.contains(port));
                    let taken = book.take(&block, remote(destination), 443);
                    prop_assert_eq!(taken.map(|(port, _)| port).ok(), lowest);
                    ports.extend(lowest);
                } else {
                    let port = *ports.iter().nth(index.index(ports.len())).expect("one");
                    ports.remove(&port);
                    let last = book.give_back(&block, remote(destination), 443, port);
                    prop_assert_eq!(last, model.iter().all(|ports| !ports.contains(&port)));
                }
            }
        }
    }
}
