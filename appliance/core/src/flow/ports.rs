//! Which outbound ports are taken towards which destination?
//!
//! A port serves any number of flows as long as their destinations differ (behaviour.md §4.4). The
//! truth is the flow table: a port is taken where a reply's record names it. The first few ports of
//! a block are asked for there. Only where more flows share a destination is their occupancy
//! written down, per (member, outbound address, protocol, destination), as a hierarchy of bitmaps
//! whose records live in one map:
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
//! destination; one record and one flow below 256, three and one beyond: never a scan. Not here:
//! who gets which block (`compile::outbound`).

use std::ops::Range;

use crate::limits::{OUTBOUND_ADDRESSES_MAX, SNAT_FIRST_PORT, SNAT_PORTS};
use crate::tables::{Key, PageRequest, Record, RecordMap, Region};
use crate::units::{Address, MemberId, OutboundAddressId, Transport};

const LEAF_PORTS: u16 = 256;
/// The number of the summary among the leaves of a destination; leaves end at 249.
const SUMMARY: u16 = 255;
/// How many ports are asked for one by one before a destination gets a record. Most destinations
/// never have more flows from one member at a time. So a record stands for nine flows, eighteen
/// records of the flow table, and a sixteenth of that table's slots is enough for all of them.
const ASKED: u16 = 8;
/// Ports of all outbound addresses and both protocols.
const PORTS: usize = OUTBOUND_ADDRESSES_MAX * 2 * SNAT_PORTS as usize;

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
    flows: Region<u32>,
}

impl OutboundPorts {
    /// Room for `destinations` occupancy records on `pages`; `seed` keys their hash.
    #[must_use]
    pub fn new(destinations: usize, seed: u64, pages: PageRequest) -> Self {
        Self {
            destinations: RecordMap::new(destinations, seed, pages),
            flows: Region::new(PORTS, 0, pages),
        }
    }

    /// How many bytes the room for so many occupancy records takes, and what comes with it.
    #[must_use]
    pub const fn bytes(destinations: usize) -> usize {
        RecordMap::<Bits>::bytes(destinations) + PORTS * size_of::<u32>()
    }

    /// Takes the lowest port of `block` that is free towards `remote`; `is_taken` tells whether the
    /// holder has a flow on a port towards `remote`. The second value says whether no other flow
    /// uses this port.
    ///
    /// # Errors
    /// [`TakeError`], with nothing taken.
    pub fn take(
        &mut self,
        block: &Block,
        remote: Address,
        remote_port: u16,
        is_taken: impl Fn(u16) -> bool,
    ) -> Result<(u16, bool), TakeError> {
        let destination = Destination { holder: &block.holder, remote, remote_port };
        let port = match self.ask_for_first(block, &destination, &is_taken)? {
            Some(port) => port,
            None => self.take_from_bits(block, &destination, &is_taken)?,
        };
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
        let (leaf, bit) = place(port);
        if let Some(slot) = self.find(&destination.leaf(leaf)) {
            let was_full = self.destinations.at(slot).is_full();
            self.clear_or_remove(slot, bit);
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
        if block.ports <= ASKED {
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
        // Goes on past ports that were taken while they were asked for one by one: at most ASKED
        // of each block that the holder has had.
        loop {
            let port = self.lowest_clear(block, destination)?;
            self.write_down(destination, port)?;
            if !is_taken(port) {
                return Ok(port);
            }
        }
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
        made.map_err(|_| TakeError::DestinationsFull)
    }

    fn flows_on(&mut self, holder: &Holder, port: u16) -> &mut u32 {
        let row = holder.address.index() % OUTBOUND_ADDRESSES_MAX * 2
            + usize::from(matches!(holder.protocol, Transport::Udp));
        let column = usize::from(port.saturating_sub(SNAT_FIRST_PORT)) % SNAT_PORTS as usize;
        &mut self.flows[row * SNAT_PORTS as usize + column]
    }
}

/// The leaf that a port is in, and its bit there.
const fn place(port: u16) -> (u16, u16) {
    let offset = port.saturating_sub(SNAT_FIRST_PORT);
    (offset / LEAF_PORTS, offset % LEAF_PORTS)
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
            Transport::Udp | Transport::Icmp => 2,
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

    /// The book, and the flows that a flow table would have: destination and port.
    struct World {
        book: OutboundPorts,
        flows: BTreeSet<(u32, u16)>,
    }

    impl World {
        fn new(destinations: usize) -> Self {
            let book = OutboundPorts::new(destinations, 1, PageRequest::Transparent);
            Self { book, flows: BTreeSet::new() }
        }

        fn take(&mut self, block: &Block, number: u32) -> Result<(u16, bool), TakeError> {
            let is_taken = |port| self.flows.contains(&(number, port));
            let taken = self.book.take(block, remote(number), 80, is_taken);
            if let Ok((port, _)) = taken {
                assert!(self.flows.insert((number, port)), "port {port} was taken twice");
            }
            taken
        }

        fn give_back(&mut self, number: u32, port: u16) -> bool {
            assert!(self.flows.remove(&(number, port)));
            self.book.give_back(&HOLDER, remote(number), 80, port)
        }

        fn lowest_free(&self, block: &Block, number: u32) -> Option<u16> {
            let mut ports = block.first_port..block.first_port + block.ports;
            ports.find(|port| !self.flows.contains(&(number, *port)))
        }
    }

    #[test]
    fn every_port_of_a_block_is_taken_lowest_first_before_it_is_exhausted() {
        for ports in [8, 16, 256, 264, 1024, 64_000] {
            let mut world = World::new(1024);
            for expected in 1024..1024 + ports {
                assert_eq!(world.take(&block(ports), 1), Ok((expected, true)), "of {ports}");
            }
            assert_eq!(world.take(&block(ports), 1), Err(TakeError::Exhausted));
            assert_eq!(world.take(&block(ports), 2), Ok((1024, false)));
            assert!(!world.give_back(1, 1024));
            assert_eq!(world.take(&block(ports), 1), Ok((1024, false)));
        }
    }

    #[test]
    fn a_block_that_grows_shows_its_new_ports_though_all_old_ones_are_taken() {
        for (before, after) in [(264, 512), (264, 520), (512, 1024), (8, 64), (768, 64_000)] {
            let mut world = World::new(1024);
            for _ in 0..before {
                assert!(world.take(&block(before), 1).is_ok());
            }
            assert_eq!(world.take(&block(before), 1), Err(TakeError::Exhausted));
            for expected in 1024 + before..1024 + after {
                assert_eq!(world.take(&block(after), 1), Ok((expected, true)), "to {after}");
            }
            assert_eq!(world.take(&block(after), 1), Err(TakeError::Exhausted));
        }
    }

    #[test]
    fn few_flows_to_a_destination_need_no_record_of_it() {
        let mut world = World::new(16);
        for number in 0..10_000 {
            for _ in 0..ASKED {
                assert!(world.take(&block(64), number).is_ok());
            }
        }
        assert_eq!(world.book.destinations(), 0);
    }

    #[test]
    fn a_full_table_of_destinations_refuses_and_loses_nothing() {
        let mut world = World::new(16);
        let mut last = 0;
        while world.take(&block(64), last).is_ok() {
            last += u32::from(world.flows.iter().filter(|flow| flow.0 == last).count() > 8);
        }
        assert_eq!(world.take(&block(64), last), Err(TakeError::DestinationsFull));
        assert_eq!(world.book.destinations(), 16);
        assert_eq!(world.take(&block(64), last + 1), Ok((1024, false)));
        for (number, port) in world.flows.clone() {
            world.give_back(number, port);
        }
        assert_eq!(world.book.destinations(), 0);
    }

    #[test]
    fn what_is_given_back_twice_or_was_never_taken_is_free_once() {
        let mut world = World::new(64);
        for _ in 0..300 {
            assert!(world.take(&block(512), 1).is_ok());
        }
        assert!(world.give_back(1, 1030));
        assert!(world.book.give_back(&HOLDER, remote(1), 80, 1030));
        assert!(world.book.give_back(&HOLDER, remote(1), 80, 1500));
        assert_eq!(world.take(&block(512), 1), Ok((1030, true)));
        assert_eq!(world.take(&block(512), 1), Ok((1324, true)));
    }

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

        #[test]
        fn the_lowest_free_port_goes_first_and_none_twice_wherever_the_block_moves(
            steps in prop::collection::vec(
                (0u8..40, 0u32..3, any::<prop::sample::Index>(), 0u16..60, 1u16..100), 1..1500,
            ),
        ) {
            let mut world = World::new(256);
            let mut block = block(600);
            for (action, number, index, first, granules) in steps {
                let theirs: Vec<_> =
                    world.flows.iter().filter(|flow| flow.0 == number).copied().collect();
                match action {
                    0 => {
                        let (first_port, ports) = (1024 + first * 8, granules * 8);
                        block = Block { first_port, ports, ..block };
                    }
                    1..25 => {
                        let lowest = world.lowest_free(&block, number);
                        let taken = world.take(&block, number);
                        prop_assert_eq!(taken.map(|(port, _)| port).ok(), lowest);
                    }
                    _ if theirs.is_empty() => {}
                    _ => {
                        let (_, port) = *index.get(&theirs);
                        let last = world.give_back(number, port);
                        prop_assert_eq!(last, world.flows.iter().all(|flow| flow.1 != port));
                    }
                }
            }
            for (number, port) in world.flows.clone() {
                world.give_back(number, port);
            }
            prop_assert_eq!(world.book.destinations(), 0);
        }
    }
}
