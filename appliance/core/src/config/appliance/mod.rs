//! What does only a box have: ports, lcores, own addresses, routes, limits?
//!
//! Not here: anything that Azure has a word for (`load_balancer`, `virtual_network`).

mod changes;
mod control_socket;
mod port;
mod read;
mod route;
mod session_log;

use std::net::IpAddr;
use std::path::PathBuf;

pub use changes::changed_appliance_fields;
pub use control_socket::ControlSocket;
pub use port::{InterfaceAddress, Port};
pub(super) use read::read;
pub use route::StaticRoute;
pub use session_log::{SessionLog, SessionLogDestination, SessionLogRecords};

use crate::units::Prefix;

/// The `appliance` section with every default applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appliance {
    /// What the appliance calls itself; also DPDK's file prefix.
    pub name: String,
    /// Worker lcores: 1 to `limits::WORKERS_MAX`.
    pub workers: usize,
    /// What a worker does when there are no packets.
    pub idle: Idle,
    /// Which lcores are used; the process chooses when absent.
    pub lcores: Option<Lcores>,
    /// DPDK ports, 1 to `limits::PORTS_MAX`; `units::PortId` is the position.
    pub ports: Vec<Port>,
    /// Routes beside those of the ports' subnets, each destination once.
    pub routes: Vec<StaticRoute>,
    /// Destinations that members reach untranslated, beside the virtual networks.
    pub routed_prefixes: Vec<Prefix>,
    /// Name of the network namespace of the kernel twins.
    pub network_namespace: String,
    /// The control socket for everything.
    pub control_socket: ControlSocket,
    /// The control socket that only reads; none when absent.
    pub read_only_control_socket: Option<ControlSocket>,
    /// Directory of the last good configuration.
    pub state_directory: PathBuf,
    /// What is logged, and how.
    pub log: Log,
    /// The log of outbound sessions; none when absent.
    pub session_log: Option<SessionLog>,
    /// Services of the appliance itself that may be reached.
    pub own_addresses: OwnAddresses,
    /// Memory and table sizes.
    pub limits: Limits,
}

/// What a worker does when there are no packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Idle {
    /// Polls if it has a CPU of its own, else sleeps.
    #[default]
    Auto,
    /// Polls without end.
    Poll,
    /// Polls less the longer it stays quiet.
    Adaptive,
}

/// CPUs by number, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lcores {
    /// The control lcore.
    pub control: u16,
    /// One per worker.
    pub workers: Vec<u16>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Severity, most severe first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Worth waking someone.
    Warn,
    /// Changes of state.
    #[default]
    Info,
    /// With addresses.
    Debug,
    /// Per packet.
    Trace,
}

/// Who may talk to the appliance itself (design.md, decision 11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// Each service at most once, in the order of the enum; nothing when empty.
    pub allow: Vec<OwnService>,
}

/// A service of the appliance's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnService {
    /// Echo requests.
    Icmp,
    /// TCP port 179.
    Bgp,
    /// UDP ports 3784, 3785 and 4784.
    Bfd,
    /// TCP port 22.
    Ssh,
}

/// Memory and table sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Slots of each worker's flow table, `limits::FLOWS_PER_WORKER_MIN` to
    /// `limits::FLOWS_PER_WORKER_MAX`.
    pub flows_per_worker: usize,
    /// Where memory comes from.
    pub hugepages: Hugepages,
    /// Packet buffers; sized by ports and queues when absent.
    pub mbufs: Option<u32>,
}

/// Where DPDK's memory comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hugepages {
    /// Hugepages if there are enough.
    #[default]
    Auto,
    /// Hugepages, or no start.
    Require,
    /// Ordinary pages.
    Never,
}

/// The addresses of the appliance itself.
pub(super) fn own_addresses(ports: &[Port]) -> impl Iterator<Item = IpAddr> {
    ports.iter().flat_map(|port| port.addresses.iter().map(|own| own.address))
}
