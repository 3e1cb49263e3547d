//! Which outbound ports are taken, and towards whom?
//!
//! ```text
//!   OutboundPorts ─┬─ occupancy   towards which destinations a port is taken
//!                  └─ uses        how many flows each port has, whoever they go to
//! ```
//!
//! A port serves any number of flows as long as their destinations differ (behaviour.md §4.4); one
//! that is wanted everywhere serves one of the member's own ports only. Not here: who gets which
//! block (`compile::outbound`).

mod occupancy;
mod uses;

use std::ops::Range;
use std::sync::Arc;

use occupancy::{Destination, Occupancy};
use uses::Uses;

use crate::tables::PageRequest;
use crate::telemetry::PortUse;
use crate::units::{Address, MemberId, OutboundAddressId, Transport};

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
    /// The ports.
    #[must_use]
    pub const fn range(&self) -> Range<u16> {
        self.first_port..self.first_port + self.ports
    }
}

/// Where a port is to be one flow's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// Towards this host and port; port 0 stands for all of its ports.
    One(Address, u16),
    /// Towards everybody (RFC 4787 §4.1: an endpoint-independent mapping).
    Everybody,
}

/// Why no port was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// All ports of the block are taken towards this destination.
    Exhausted,
    /// A table of occupancy is full.
    Full,
}

/// What one worker knows of its outbound ports.
#[derive(Debug)]
pub struct OutboundPorts {
    occupancy: Occupancy,
    uses: Uses,
    /// Whether any port was ever wanted towards everybody.
    has_reserved: bool,
}

impl OutboundPorts {
    /// Room for `destinations` occupancy records and `granules` of ports in use on `pages`; `seed`
    /// keys their hashes. How many ports are in use is told by `port_use`.
    #[must_use]
    pub fn new(
        (destinations, granules): (usize, usize),
        seed: u64,
        pages: PageRequest,
        port_use: Arc<PortUse>,
    ) -> Self {
        Self {
            occupancy: Occupancy::new(destinations, seed, pages),
            uses: Uses::new(granules, seed.rotate_left(16), pages, port_use),
            has_reserved: false,
        }
    }

    /// How many bytes the room for so many records takes.
    #[must_use]
    pub const fn bytes((destinations, granules): (usize, usize)) -> usize {
        Occupancy::bytes(destinations) + Uses::bytes(granules)
    }

    /// Asks for the cache lines where `port` is looked up `towards` a destination, and where its flows
    /// are counted.
    #[inline]
    pub fn prefetch(&self, holder: &Holder, towards: Towards, port: u16) {
        self.occupancy.prefetch(&Destination::new(holder, towards), port);
        self.uses.prefetch(holder, port);
    }

    /// The port of `block` that is likely to be taken next `towards` a destination. To be called once
    /// what [`Self::prefetch`] asks for is there.
    #[must_use]
    pub fn likely(&self, block: &Block, towards: Towards) -> u16 {
        self.occupancy.likely(block, &Destination::new(&block.holder, towards))
    }

    /// Takes the lowest port of `block` that is free `towards` a destination; `is_taken` tells
    /// whether the holder has a flow on a port towards it, and is not asked where the port is to be
    /// free of flows towards everybody.
    ///
    /// # Errors
    /// [`TakeError`], with nothing taken.
    pub fn take(
        &mut self,
        block: &Block,
        towards: Towards,
        is_taken: impl Fn(u16) -> bool,
    ) -> Result<u16, TakeError> {
        let destination = Destination::new(&block.holder, towards);
        let uses = &self.uses;
        let is_taken = |port| match towards {
            Towards::One(..) => is_taken(port),
            Towards::Everybody => uses.is_used(&block.holder, port),
        };
        self.has_reserved |= towards == Towards::Everybody;
        let port = self.occupancy.take(block, &destination, is_taken)?;
        if self.uses.add(&block.holder, port).is_err() {
            self.occupancy.give_back(&destination, port);
            return Err(TakeError::Full);
        }
        Ok(port)
    }

    /// Takes a port again that the holder has towards everybody, for a further flow.
    ///
    /// # Errors
    /// [`TakeError::Full`], with nothing taken.
    pub fn share(&mut self, holder: &Holder, port: u16) -> Result<(), TakeError> {
        self.uses.add(holder, port)
    }

    /// Gives back a port that was taken `towards` a destination, whatever block it was in then.
    pub fn give_back(&mut self, holder: &Holder, towards: Towards, port: u16) {
        self.occupancy.give_back(&Destination::new(holder, towards), port);
        self.unshare(holder, port);
    }

    /// Gives back what [`Self::share`] took.
    pub fn unshare(&mut self, holder: &Holder, port: u16) {
        let is_free = self.uses.remove(holder, port);
        // It may be written down as taken towards everybody by flows of an earlier time, when ports
        // were taken towards one destination each.
        if is_free && self.has_reserved {
            self.occupancy.give_back(&Destination::new(holder, Towards::Everybody), port);
        }
    }

    /// How many occupancy records there are.
    #[must_use]
    pub const fn destinations(&self) -> usize {
        self.occupancy.records()
    }

    /// How many granules have ports in use.
    #[must_use]
    pub const fn granules(&self) -> usize {
        self.uses.granules()
    }
}

#[cfg(test)]
mod tests;
