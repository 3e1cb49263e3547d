//! Which ports may a member's outbound flows use, and which worker holds them?

use std::sync::Arc;

use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use crate::units::{Address, MemberId, OutboundAddressId, Transport, WorkerId};

/// A member's block of ports on one outbound address, for one protocol. The whole block belongs
/// to one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMapping {
    /// The address that the member's packets get.
    pub address: OutboundAddressId,
    /// The first port of the block, a multiple of 8.
    pub first_port: u16,
    /// Ports of the block, a multiple of 8.
    pub ports: u16,
    /// The worker that owns the block and every flow in it.
    pub worker: WorkerId,
    /// How long a flow may be silent, in ticks.
    pub idle_ticks: u32,
    /// Whether an idle flow is reset on both sides.
    pub tcp_reset: bool,
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
    /// Gives a block of ports, both numbers multiples of 8, to a holder. What lies outside of
    /// the range of SNAT ports is left out.
    pub fn deal(&mut self, first_port: u16, ports: u16, holder: Granule) {
        let first = usize::from(first_port.saturating_sub(SNAT_FIRST_PORT) / SNAT_GRANULE);
        let count = usize::from(ports / SNAT_GRANULE);
        self.holders.iter_mut().skip(first).take(count).for_each(|slot| *slot = Some(holder));
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
    /// Holders of TCP ports and of UDP ports.
    pub granules: [Arc<Granules>; 2],
}

impl OutboundAddress {
    /// Who holds `port` for one protocol.
    #[must_use]
    pub fn holder(&self, protocol: Transport, port: u16) -> Option<Granule> {
        let index = match protocol {
            Transport::Tcp => 0,
            Transport::Udp | Transport::Icmp => 1,
        };
        self.granules[index].holder(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_a_holder_from_its_first_port_to_its_last() {
        let mut granules = Granules::default();
        let holder = Granule { member: MemberId(7), worker: WorkerId(1) };
        granules.deal(2048, 16, holder);
        let held: Vec<u16> =
            (0..=u16::MAX).filter(|port| granules.holder(*port).is_some()).collect();
        assert_eq!(held, (2048..2064).collect::<Vec<_>>());
    }
}
