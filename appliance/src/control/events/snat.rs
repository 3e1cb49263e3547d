//! Whose outbound ports run out?
//!
//! Not here: when that is worth a word (`weir_core::telemetry::UsageWatch`), who counts
//! (`crate::worker`).

use std::collections::BTreeMap;

use weir_core::telemetry::{UsageChange, UsageWatch};
use weir_core::units::{Address, Transport};

/// The ports of one member on an outbound address, for one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct PortUse {
    /// The outbound rule's name.
    pub(in crate::control) rule: String,
    /// The outbound address.
    pub(in crate::control) address: Address,
    /// The member's address.
    pub(in crate::control) member: Address,
    /// Of TCP or of UDP.
    pub(in crate::control) protocol: Transport,
    /// Ports in use.
    pub(in crate::control) used: u32,
    /// Ports that the member has.
    pub(in crate::control) allocated: u32,
}

/// What was said last of each block of ports.
#[derive(Debug, Default)]
pub(super) struct SnatWatch {
    blocks: BTreeMap<(Address, Address, Transport), UsageWatch>,
}

impl SnatWatch {
    /// What there is to say of the uses at `now_ms`. A block that is not among them is forgotten.
    pub(super) fn observe(
        &mut self,
        uses: Vec<PortUse>,
        now_ms: u64,
    ) -> Vec<(PortUse, UsageChange)> {
        let mut blocks = BTreeMap::new();
        let mut said = Vec::new();
        for one in uses {
            let key = (one.address, one.member, one.protocol);
            let mut watch = self.blocks.remove(&key).unwrap_or_default();
            let change = watch.observe(one.used.into(), one.allocated.into(), now_ms);
            blocks.insert(key, watch);
            said.extend(change.map(|change| (one, change)));
        }
        self.blocks = blocks;
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(member: &str, protocol: Transport, used: u32) -> PortUse {
        let ip = |text: &str| text.parse::<std::net::IpAddr>().expect("an address").into();
        let rule = "outbound".to_owned();
        PortUse {
            rule,
            address: ip("203.0.113.20"),
            member: ip(member),
            protocol,
            used,
            allocated: 64,
        }
    }

    #[test]
    fn members_and_protocols_are_told_apart_and_who_is_gone_begins_anew() {
        let mut watch = SnatWatch::default();
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        let all =
            vec![used("10.0.0.1", tcp, 64), used("10.0.0.1", udp, 0), used("10.0.0.2", tcp, 48)];
        let said = watch.observe(all.clone(), 0);
        let expected =
            [(all[0].clone(), UsageChange::Exhausted), (all[2].clone(), UsageChange::Warning)];
        assert_eq!(said, expected);
        assert_eq!(watch.observe(all.clone(), 1_000), [], "told once");
        assert_eq!(watch.observe(vec![all[2].clone()], 2_000), []);
        let again = [(all[0].clone(), UsageChange::Exhausted)];
        assert_eq!(watch.observe(all.clone(), 3_000), again, "it was gone");
    }
}
