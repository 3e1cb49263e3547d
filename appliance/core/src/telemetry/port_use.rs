//! Which outbound ports are in use?
//!
//! By granules of eight ports, so that the control side can tell what is left in each block, and
//! whether a granule that was taken from a member is free of flows. Not here: towards which
//! destinations (`flow::ports`).

use std::sync::atomic::{AtomicU8, Ordering};

use zerocopy::FromZeros;

use crate::limits::{OUTBOUND_ADDRESSES_MAX, SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use crate::units::{OutboundAddressId, Transport};

/// One worker's granules: how many of each one's ports are in use, 0 to 8. Only that worker
/// writes; anybody reads.
#[derive(Debug)]
pub struct PortUse {
    granules: Box<[AtomicU8]>,
}

impl Default for PortUse {
    fn default() -> Self {
        let granules = OUTBOUND_ADDRESSES_MAX * Transport::COUNT * SNAT_GRANULES;
        // Pages of addresses that nobody uses are never touched.
        let zeroed = <[AtomicU8]>::new_box_zeroed_with_elems(granules);
        Self { granules: zeroed.unwrap_or_default() }
    }
}

impl PortUse {
    /// Notes how many ports of a granule are in use.
    #[inline]
    pub fn note(&self, address: OutboundAddressId, protocol: Transport, granule: usize, ports: u8) {
        if let Some(slot) = self.granules.get(place(address, protocol, granule)) {
            slot.store(ports, Ordering::Relaxed);
        }
    }

    /// How many ports of a granule are in use.
    #[must_use]
    pub fn of_granule(
        &self,
        address: OutboundAddressId,
        protocol: Transport,
        granule: usize,
    ) -> u8 {
        let slot = self.granules.get(place(address, protocol, granule));
        slot.map_or(0, |slot| slot.load(Ordering::Relaxed))
    }

    /// How many of so many ports from `first_port` on are in use; both numbers are multiples of 8.
    #[must_use]
    pub fn of_block(
        &self,
        address: OutboundAddressId,
        protocol: Transport,
        first_port: u16,
        ports: u16,
    ) -> u32 {
        let first = usize::from(first_port.saturating_sub(SNAT_FIRST_PORT) / SNAT_GRANULE);
        let granules = first..first + usize::from(ports / SNAT_GRANULE);
        granules.map(|granule| u32::from(self.of_granule(address, protocol, granule))).sum()
    }
}

const fn place(address: OutboundAddressId, protocol: Transport, granule: usize) -> usize {
    (address.index() * Transport::COUNT + protocol.index()) * SNAT_GRANULES + granule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocks_ports_are_those_of_its_granules_and_of_no_other_protocol_or_address() {
        let port_use = PortUse::default();
        let (address, tcp) = (OutboundAddressId(3), Transport::Tcp);
        port_use.note(address, tcp, 1, 8);
        port_use.note(address, tcp, 2, 3);
        port_use.note(address, Transport::Udp, 1, 5);
        port_use.note(OutboundAddressId(4), tcp, 1, 7);
        assert_eq!(port_use.of_block(address, tcp, 1024, 16), 8);
        assert_eq!(port_use.of_block(address, tcp, 1032, 16), 11);
        assert_eq!(port_use.of_block(address, Transport::Icmp, 1024, 64_000), 0);
        port_use.note(OutboundAddressId(u32::MAX), tcp, 0, 1);
    }
}
