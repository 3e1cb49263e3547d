//! Is every port of a block taken, lowest first, and given back?

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::occupancy::ASKED;
use super::*;

fn block(ports: u16) -> Block {
    Block { holder: HOLDER, first_port: 1024, ports, is_all: true }
}

const HOLDER: Holder =
    Holder { member: MemberId(3), address: OutboundAddressId(0), protocol: Transport::Tcp };

fn towards(number: u32) -> Towards {
    Towards::One(Address::from_v4_bits(0xc000_0200 + number), 80)
}

/// The book, and the flows that a flow table would have: destination and port.
struct World {
    book: OutboundPorts,
    flows: BTreeSet<(u32, u16)>,
    port_use: Arc<PortUse>,
}

impl World {
    fn new(destinations: usize) -> Self {
        let port_use = Arc::<PortUse>::default();
        let book = OutboundPorts::new(
            (destinations, 12_000),
            1,
            PageRequest::Transparent,
            Arc::clone(&port_use),
        );
        Self { book, flows: BTreeSet::new(), port_use }
    }

    fn take(&mut self, block: &Block, number: u32) -> Result<u16, TakeError> {
        let is_taken = |port| self.flows.contains(&(number, port));
        let taken = self.book.take(block, towards(number), is_taken);
        if let Ok(port) = taken {
            assert!(self.flows.insert((number, port)), "port {port} was taken twice");
        }
        taken
    }

    fn give_back(&mut self, number: u32, port: u16) {
        assert!(self.flows.remove(&(number, port)));
        self.book.give_back(&HOLDER, towards(number), port);
    }

    /// Ports in use, as the world outside sees it.
    fn used(&self) -> usize {
        self.port_use.of_block(HOLDER.address, HOLDER.protocol, 1024, 64_000) as usize
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
            assert_eq!(world.take(&block(ports), 1), Ok(expected), "of {ports}");
        }
        assert_eq!(world.take(&block(ports), 1), Err(TakeError::Exhausted));
        assert_eq!(world.take(&block(ports), 2), Ok(1024));
        assert_eq!(world.used(), usize::from(ports));
        world.give_back(1, 1024);
        assert_eq!(world.take(&block(ports), 1), Ok(1024));
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
            assert_eq!(world.take(&block(after), 1), Ok(expected), "to {after}");
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
    assert_eq!(world.take(&block(64), last), Err(TakeError::Full));
    assert_eq!(world.book.destinations(), 16);
    assert_eq!(world.take(&block(64), last + 1), Ok(1024));
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
    world.give_back(1, 1030);
    world.book.give_back(&HOLDER, towards(1), 1030);
    world.book.give_back(&HOLDER, towards(1), 1500);
    assert_eq!(world.used(), 299);
    assert_eq!(world.take(&block(512), 1), Ok(1030));
    assert_eq!(world.take(&block(512), 1), Ok(1324));
}

proptest! {
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
                    prop_assert_eq!(taken.ok(), lowest);
                }
                _ if theirs.is_empty() => {}
                _ => {
                    let (_, port) = *index.get(&theirs);
                    world.give_back(number, port);
                }
            }
            let ports: BTreeSet<_> = world.flows.iter().map(|flow| flow.1).collect();
            prop_assert_eq!(world.used(), ports.len());
        }
        for (number, port) in world.flows.clone() {
            world.give_back(number, port);
        }
        prop_assert_eq!((world.book.destinations(), world.book.granules()), (0, 0));
    }

    #[test]
    fn a_port_that_is_wanted_everywhere_has_no_other_flow(
        steps in prop::collection::vec((0u8..3, 0u32..3, any::<prop::sample::Index>()), 1..300),
    ) {
        let mut world = World::new(256);
        let block = block(40);
        let mut everywhere = BTreeSet::new();
        for (action, number, index) in steps {
            match action {
                0 => {
                    let is_used = |port: &u16| {
                        everywhere.contains(port) || world.flows.iter().any(|flow| flow.1 == *port)
                    };
                    let lowest = block.range().find(|port| !is_used(port));
                    let taken = world.book.take(&block, Towards::Everybody, |_| unreachable!());
                    prop_assert_eq!(taken.ok(), lowest);
                    everywhere.extend(lowest);
                }
                1 => {
                    world.take(&block, number).ok();
                }
                _ => {
                    let all: Vec<_> = everywhere.iter().copied().collect();
                    if !all.is_empty() {
                        let port = *index.get(&all);
                        everywhere.remove(&port);
                        world.book.give_back(&HOLDER, Towards::Everybody, port);
                    }
                }
            }
        }
        for port in everywhere {
            world.book.give_back(&HOLDER, Towards::Everybody, port);
        }
        for (number, port) in world.flows.clone() {
            world.give_back(number, port);
        }
        prop_assert_eq!((world.book.destinations(), world.book.granules()), (0, 0));
        prop_assert_eq!(world.used(), 0);
    }
}
