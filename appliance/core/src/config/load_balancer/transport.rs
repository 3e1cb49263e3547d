//! Which transport protocols does a rule take (Azure's `TransportProtocol`)?
//!
//! Not here: load-balancing rules, which may name others besides (`rule`).

use crate::config::arm::Field;
use crate::units::Transport;

/// The protocols of inbound NAT and of outbound rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransportProtocol {
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
    /// TCP and UDP.
    All,
}

impl TransportProtocol {
    const EACH: [Self; 3] = [Self::Tcp, Self::Udp, Self::All];

    /// Azure's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "Tcp",
            Self::Udp => "Udp",
            Self::All => "All",
        }
    }

    /// The transport protocols whose packets are taken.
    #[must_use]
    pub fn transports(self) -> &'static [Transport] {
        match self {
            Self::Tcp => &[Transport::Tcp],
            Self::Udp => &[Transport::Udp],
            Self::All => &[Transport::Tcp, Transport::Udp],
        }
    }

    /// Reads one.
    pub(super) fn read(field: &Field<'_>) -> Option<Self> {
        field.choice(&Self::EACH.map(|protocol| (protocol.name(), protocol)))
    }
}
