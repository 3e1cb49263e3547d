//! How do neighbours learn where public addresses are?
//!
//! By gratuitous ARP (RFC 5227 §3) when a frontend or a member's public address on a port's link
//! appears, three times a second apart, since a switch may lose one.

use std::collections::BTreeMap;

use weir_core::policy::Snapshot;
use weir_core::units::{Address, PortId};
use weir_core::wire::arp;

use super::kernel::Pump;

/// How often an announcement is sent.
const TIMES: u8 = 3;

/// What is still to be announced.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    known: BTreeMap<(PortId, Address), u8>,
}

impl Announcer {
    /// Learns from a new snapshot which frontends are on which link; new ones are announced.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        let rules = snapshot.rules.iter().filter(|rule| rule.live).map(|rule| rule.frontend);
        let outbound = snapshot.outbound_addresses.iter().filter(|it| it.live);
        let instances = snapshot.instance_addresses.iter().map(|it| it.public);
        let addresses: Vec<Address> =
            rules.chain(outbound.map(|it| it.address)).chain(instances).collect();
        let mut on_link = BTreeMap::new();
        for (port, view) in (0u8..).map(PortId).zip(snapshot.ports.iter()) {
            for address in &addresses {
                if view.subnets.iter().any(|subnet| subnet.contains(*address)) {
                    let key = (port, *address);
                    on_link.insert(key, self.known.get(&key).copied().unwrap_or(TIMES));
                }
            }
        }
        self.known = on_link;
    }

    /// Sends what is due, with the MAC of each port's twin.
    pub(super) fn turn(&mut self, pump: &mut Pump) {
        for ((port, address), left) in self.known.iter_mut().filter(|(_, left)| **left > 0) {
            *left -= 1;
            if let Some(mac) = pump.mac(*port).filter(|_| address.is_v4()) {
                pump.originate(*port, &arp::announcement(mac, address.v4_bits()));
            }
        }
    }
}
