//! Why did the appliance not come up, and what is to be done?

use std::io::{self, Write};
use std::path::PathBuf;

use weir_core::config::FileProblem;

use super::REFUSED;
use crate::control::ControlError;
use crate::control::socket::SocketError;
use crate::control::store::{ChoiceError, DirectoryError};
use crate::control::twin::TwinError;

/// What ends the appliance other than a signal.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The configuration says what cannot be.
    #[error("the configuration {} is refused", path.display())]
    Refused {
        /// The file or directory.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Vec<FileProblem>,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    Store(#[from] DirectoryError),
    /// No configuration could be chosen to start with.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The process may not do what starting takes.
    #[error(
        "{missing} is missing: run weir as root, or in a container with `--cap-add SYS_ADMIN \
         --cap-add NET_ADMIN --device /dev/net/tun`"
    )]
    Privileges {
        /// The capability.
        missing: String,
    },
    /// Hugepages were required.
    #[error(
        "appliance.limits.hugepages is Require and none is free: allocate some, for example \
         `echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`, or set Auto"
    )]
    NoHugepages,
    /// A processor that does not exist was named, or there are too few.
    #[error("{0}")]
    Lcores(String),
    /// A device cannot be used.
    #[error("port '{port}' (device {device}): {source}")]
    Port {
        /// The port's name.
        port: String,
        /// Its device.
        device: String,
        /// Why.
        source: dpdk::PortError,
    },
    /// DPDK did not start.
    #[error(transparent)]
    Eal(#[from] dpdk::EalError),
    /// There is no memory for packets.
    #[error(transparent)]
    Pool(#[from] dpdk::PoolError),
    /// There is no memory for rings.
    #[error(transparent)]
    Ring(#[from] dpdk::RingError),
    /// A worker could not become an lcore.
    #[error(transparent)]
    Register(#[from] dpdk::RegisterError),
    /// The control socket cannot be bound.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The kernel twin cannot be made.
    #[error(transparent)]
    Twin(#[from] TwinError),
    /// The control side ended.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// No thread could be started.
    #[error("cannot start a worker's thread: {0}; raise the limit of processes (ulimit -u)")]
    Thread(io::Error),
    /// Randomness is needed for hash secrets.
    #[error("cannot read /dev/urandom: {0}; the hash secrets of flow tables come from there")]
    Random(io::Error),
    /// A worker panicked.
    #[error("a worker panicked: please report what stands above")]
    Panicked,
    /// The log was started before.
    #[error("the log cannot be started: {0}")]
    Log(String),
}

impl BootError {
    /// The code that the process ends with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        let refused =
            matches!(self, Self::Refused { .. } | Self::Choice(ChoiceError::FileRefused { .. }));
        if refused { REFUSED } else { 1 }
    }

    /// The problems of a configuration that is refused.
    #[must_use]
    #[allow(clippy::wildcard_enum_match_arm, reason = "only two have any")]
    pub fn problems(&self) -> Vec<FileProblem> {
        match self {
            Self::Refused { problems, .. } => problems.clone(),
            Self::Choice(error) => error.problems(),
            _ => Vec::new(),
        }
    }

    /// Tells a person, on standard error, since a log may not have been started.
    pub(super) fn tell(&self) {
        let mut text = format!("weir: {self}\n");
        for problem in self.problems() {
            text.push_str(&format!("  {problem}\n"));
        }
        // With standard error closed there is nobody to tell.
        let _told = io::stderr().write_all(text.as_bytes());
    }
}
