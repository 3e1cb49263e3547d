//! Which ports may a member's outbound flows use, and which workers hold them?

use std::ops::Range;
use std::sync::Arc;

use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use crate::units::{Address, MemberId, OutboundAddressId, Transport, WorkerId};

/// How a member's flows of one protocol leave, and which ports they may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMapping {
    /// The outbound method that says so, by its position among `config::outbound_methods`.
    pub method: u32,
    /// The member's ports by the workers that hold them, at least one share. One but for members
    /// with very many ports; where there are more, a flow begins at the share that its hash names
    /// and goes on to the next ones when that has no port for it.
    pub shares: Box<[Share]>,
    /// How long a flow may be silent.
    pub timers: OutboundTimers,
    /// Whether an idle flow is reset on both sides.
    pub tcp_reset: bool,
    /// Whether a member's address and port keep their outbound address and port towards every
    /// destination.
    pub endpoint_independent: bool,
    /// How many ports the member may get when these are nearly used up; none where that is not
    /// asked for.
    pub on_demand_max: Option<u32>,
    /// Whether a flow that finds no port is refused instead of dropped in silence.
    pub rejects: bool,
}

/// Ports of one member and protocol that one worker holds, with every flow in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The worker.
    pub worker: WorkerId,
    /// Where new flows find their ports, in this order. None for a worker that only has flows left
    /// in ports which were taken from the member.
    pub blocks: Box<[PortBlock]>,
}

/// A block of ports of an outbound address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortBlock {
    /// The address that packets get.
    pub address: OutboundAddressId,
    /// The first port, a multiple of 8.
    pub first_port: u16,
    /// How many ports, a multiple of 8, at least 8.
    pub ports: u16,
}

impl PortBlock {
    /// The ports.
    #[must_use]
    pub const fn range(&self) -> Range<u16> {
        self.first_port..self.first_port + self.ports
    }
}

/// Ticks of silence that end a flow to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundTimers {
    /// Of a flow that is as it should be.
    pub idle: u32,
    /// Of a TCP flow whose handshake is not complete.
    pub opening: u32,
    /// Of a TCP flow in which either side has sent a FIN.
    pub fin: u32,
    /// Of a TCP flow in which a RST was seen.
    pub reset: u32,
}

impl OutboundMapping {
    /// Ports of all shares.
    #[must_use]
    pub fn ports(&self) -> u32 {
        self.blocks().map(|block| u32::from(block.ports)).sum()
    }

    /// All blocks, worker by worker.
    pub fn blocks(&self) -> impl Iterator<Item = &PortBlock> {
        self.shares.iter().flat_map(|share| &share.blocks)
    }

    /// What one worker holds, if it holds any.
    #[must_use]
    pub fn share_of(&self, worker: WorkerId) -> Option<&Share> {
        self.shares.iter().find(|share| share.worker == worker)
    }

    /// The share that a flow with this hash comes to, after it has found `dry` of them without a
    /// port for it; `None` when it has been to all.
    #[must_use]
    #[inline]
    pub fn share(&self, hash: impl FnOnce() -> u64, dry: u8) -> Option<&Share> {
        let shares = self.shares.len();
        if usize::from(dry) >= shares {
            return None;
        }
        // Most members have one.
        #[allow(clippy::cast_possible_truncation, reason = "a remainder of few")]
        let first = if shares == 1 { 0 } else { (hash() % shares as u64) as usize };
        self.shares.get((first + usize::from(dry)) % shares)
    }
}

/// Who holds eight ports of an outbound address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granule {
    /// The member whose flows use these ports.
    pub member: MemberId,
    /// The worker that owns those flows.
    pub worker: WorkerId,
}

/// Who holds the ports of one address for one protocol, by granules of eight ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granules {
    holders: Box<[Option<Granule>]>,
}

impl Default for Granules {
    fn default() -> Self {
        Self { holders: vec![None; SNAT_GRANULES].into() }
    }
}

impl Granules {
    /// Granules with these holders, in the order of ports; what goes beyond the range of SNAT ports
    /// is left out.
    #[must_use]
    pub fn of(holders: impl IntoIterator<Item = Option<Granule>>) -> Self {
        let mut granules = Self::default();
        granules.holders.iter_mut().zip(holders).for_each(|(slot, holder)| *slot = holder);
        granules
    }

    /// Who holds `port`; `None` outside of every block.
    #[must_use]
    pub fn holder(&self, port: u16) -> Option<Granule> {
        let offset = port.checked_sub(SNAT_FIRST_PORT)?;
        self.holders.get(usize::from(offset / SNAT_GRANULE)).copied().flatten()
    }
}

/// An address that outbound flows are translated to.
#[derive(Clone, Debug)]
pub struct OutboundAddress {
    /// Whether the configuration uses this address; slots of removed ones stay for a while.
    pub live: bool,
    /// The address.
    pub address: Address,
    /// Holders of ports, for each protocol ([`Transport::index`]).
    pub granules: [Arc<Granules>; Transport::COUNT],
}

impl OutboundAddress {
    /// Who holds `port` for one protocol.
    #[must_use]
    pub fn holder(&self, protocol: Transport, port: u16) -> Option<Granule> {
        self.granules[protocol.index()].holder(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_a_holder_from_its_first_port_to_its_last() {
        let holder = Granule { member: MemberId(7), worker: WorkerId(1) };
        let granules =
            Granules::of((0..).map(|granule| (128..130).contains(&granule).then_some(holder)));
        let held: Vec<u16> =
            (0..=u16::MAX).filter(|port| granules.holder(*port).is_some()).collect();
        assert_eq!(held, (2048..2064).collect::<Vec<_>>());
    }
}
