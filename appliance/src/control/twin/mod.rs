//! How does the kernel take part as the router's control plane?
//!
//! ```text
//!   [DPDK port] ══ bounded rings ══ control side ══ Twin (persistent TAP) ══ kernel ══ BIRD, ssh
//!                                      ▲   │              network namespace of its own
//!                            Mirror ───┘   └─── Manager
//!                     links, routes,             addresses, static routes,
//!                     neighbours: Events         neighbours that the kernel keeps fresh
//! ```
//!
//! The order at start: [`namespace::raise_neighbour_limits`], [`NetworkNamespace::open_or_create`],
//! [`NetworkNamespace::enter`] on the control thread, then everything else there.
//!
//! Not here: what the events mean (`weir_core::neighbour`), who polices punted packets.

pub mod manage;
pub mod mirror;
pub mod namespace;
pub mod tap;
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "netlink's enums are open: what is not named is nothing that a mirror follows"
)]
mod translate;

pub use manage::{Changes, Manager};
pub use mirror::Mirror;
pub use namespace::NetworkNamespace;
pub use tap::Twin;

use std::io;

use weir_core::units::PortId;

/// Why the kernel could not be made to take part.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// The name cannot name a namespace or an interface.
    #[error("`{name}` cannot name {what}: {rule}")]
    Name {
        /// The name as given.
        name: String,
        /// What it should have named.
        what: &'static str,
        /// What a name must be like.
        rule: &'static str,
    },
    /// The process may not do it.
    #[error(
        "no permission to {action}: run weir as root or give it CAP_SYS_ADMIN and CAP_NET_ADMIN \
         (docker: `--cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun`)"
    )]
    Permission {
        /// What was tried.
        action: String,
    },
    /// Another process has the TAP open.
    #[error(
        "the interface `{name}` is in use by another process: stop the other weir (see `fuser \
         /dev/net/tun`) or choose another name under `appliance.ports`"
    )]
    Busy {
        /// The interface.
        name: String,
    },
    /// An interface of that name exists and is no TAP that can be adopted.
    #[error(
        "the interface `{name}` exists and is not a single-queue TAP: remove it with `ip link \
         delete {name}` or choose another name under `appliance.ports`"
    )]
    Foreign {
        /// The interface.
        name: String,
    },
    /// The namespace has no interface of a twin's name.
    #[error("the namespace has no interface `{name}`, the twin of port {port}: create it first")]
    NoInterface {
        /// The interface.
        name: String,
        /// Its port.
        port: PortId,
    },
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: String,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel refused a netlink request.
    #[error("the kernel refused to {action}: {reason}")]
    Netlink {
        /// What was tried.
        action: String,
        /// What the kernel said.
        reason: String,
    },
}

impl TwinError {
    /// The error of trying to do `action`.
    pub(crate) fn from_io(action: impl Into<String>, source: io::Error) -> Self {
        let action = action.into();
        if source.kind() == io::ErrorKind::PermissionDenied {
            return Self::Permission { action };
        }
        Self::System { action, source }
    }

    /// The error of a netlink request to do `action`.
    pub(crate) fn from_netlink(action: impl Into<String>, error: &rtnetlink::Error) -> Self {
        let action = action.into();
        if let rtnetlink::Error::NetlinkError(message) = error {
            let source = io::Error::from_raw_os_error(message.raw_code().saturating_neg());
            return Self::from_io(action, source);
        }
        Self::Netlink { action, reason: error.to_string() }
    }
}

/// Refuses names that the kernel or a path would not take: 1 to 15 bytes for an interface
/// (IFNAMSIZ), letters, digits, `-`, `_` and `.`, not beginning with a dot.
pub(crate) fn check_name(
    name: &str,
    what: &'static str,
    bytes_max: usize,
) -> Result<(), TwinError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > bytes_max {
        let rule = "it has no characters or too many (15 for interfaces, 64 for namespaces)";
        return Err(TwinError::Name { name: name.into(), what, rule });
    }
    if name.starts_with('.') || !name.chars().all(plain) {
        let rule = "use letters, digits, `-`, `_` and `.`, and begin with no dot";
        return Err(TwinError::Name { name: name.into(), what, rule });
    }
    Ok(())
}
