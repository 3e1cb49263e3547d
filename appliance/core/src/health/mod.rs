//! Which members may receive new flows, and why not the others?
//!
//! ```text
//!   prober ── Verdict ──► HealthTable ── up? reason ──► pool_view ──► eligibility, reasons
//!                         (one MemberHealth            (admin states,
//!                          per ProbeTarget)             noHealthyBackendsBehavior)
//! ```
//!
//! A target is identified by what is probed and how, never by a rule or a pool: rules that share
//! a probe share its state, and the state survives a change of the configuration.
//!
//! Azure damps members that flap, by numbers it does not publish (behaviour.md §3.2). Weir has no
//! such damping: `probeThreshold` says how many successes a member owes, and an operator can read
//! and set it.
//!
//! Not here: sending probes (`appliance/src/control/probe`), choosing members (`policy`).

mod member;
mod pool;
mod suspicion;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use crate::config::{AdminState, NoHealthyBackends, ProbeProtocol};
pub use member::{MemberHealth, ProbeState, Transition};
pub use pool::{MemberView, Observation, PoolMember, PoolView, pool_view};
pub use suspicion::AllMembersFailedAtOnce;
pub use table::{HealthTable, TargetChanges};

/// One thing to probe. Equal targets are probed once, however many rules name them.
///
/// The fields that say *what* is probed come first, so that all targets of one endpoint are
/// neighbours in an ordered map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeTarget {
    /// The member's own address, never a frontend's (behaviour.md §3.1).
    pub address: IpAddr,
    /// The member's port.
    pub port: u16,
    /// How it is asked.
    pub protocol: ProbeProtocol,
    /// Milliseconds from the start of one attempt to the start of the next.
    pub interval_milliseconds: u32,
    /// Milliseconds after which an attempt without an answer has failed; at most the interval.
    pub timeout_milliseconds: u32,
    /// Consecutive equal results that change the state, at least 1; 0 counts as 1.
    pub threshold: u32,
}

impl ProbeTarget {
    /// Whether the same endpoint is asked the same question, at whatever pace.
    #[must_use]
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        (self.address, self.port, &self.protocol) == (other.address, other.port, &other.protocol)
    }
}

impl fmt::Display for ProbeTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = SocketAddr::new(self.address, self.port);
        match &self.protocol {
            ProbeProtocol::Tcp => write!(formatter, "tcp://{endpoint}"),
            ProbeProtocol::Http { path } => {
                write!(formatter, "http://{endpoint}/{}", path.trim_start_matches('/'))
            }
        }
    }
}

/// What one attempt found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The TCP handshake of a TCP probe completed.
    TcpConnected,
    /// An HTTP response with this status code arrived within the timeout.
    Status(u16),
    /// The TCP handshake did not complete within the timeout.
    Timeout,
    /// The member answered the handshake with RST.
    Refused,
    /// The network, or this machine's own routing table, said that the member cannot be reached.
    Unreachable,
    /// TCP connected, but the member closed, reset or answered with something that is not HTTP.
    HttpRejected,
    /// TCP connected and the request was sent, but no response came within the timeout.
    NoResponse,
}

impl Verdict {
    /// Whether the attempt succeeded: a handshake, or exactly status 200 (behaviour.md §3.2).
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::TcpConnected | Self::Status(200))
    }

    /// Whether the member said so itself by an HTTP status, which sets the state at once. Silence,
    /// RST and broken HTTP are not such a word and count towards the threshold.
    #[must_use]
    pub const fn is_explicit(self) -> bool {
        matches!(self, Self::Status(_))
    }

    /// The reason code of a member that this verdict took or left down. Azure has one code for
    /// every handshake that did not complete (behaviour.md §3.6).
    #[must_use]
    pub const fn down_reason(self) -> Reason {
        match self {
            Self::TcpConnected | Self::Status(200) => Reason::DownProbeApproachingHealthyThreshold,
            Self::Status(_) => Reason::DownProbeHttpStatusCodeError,
            Self::Timeout | Self::Refused | Self::Unreachable => Reason::DownProbeTcpProbeTimeout,
            Self::HttpRejected => Reason::DownProbeHttpEndpointUnreachable,
            Self::NoResponse => Reason::DownProbeHttpNoResponse,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TcpConnected => "connected",
            Self::Status(code) => return write!(formatter, "answered with status {code}"),
            Self::Timeout => "no TCP handshake within the timeout",
            Self::Refused => "refused the TCP connection",
            Self::Unreachable => "cannot be reached: no route, or the network said so",
            Self::HttpRejected => "connected, but closed or did not answer in HTTP",
            Self::NoResponse => "connected, but no HTTP response within the timeout",
        })
    }
}

/// Defines the reason codes with Azure's spelling.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a member is up or down, in Azure's codes (behaviour.md §3.6).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of behaviour.md §3.6.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as Azure spells it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// The probe succeeds.
    UpProbeSuccess = "Up_Probe_Success",
    /// Every probed member is down and the rule says that then all receive new flows.
    UpProbeAllDownIsUp = "Up_Probe_AllDownIsUp",
    /// Up, but the latest probes failed; fewer than the threshold so far.
    UpProbeApproachingUnhealthyThreshold = "Up_Probe_ApproachingUnhealthyThreshold",
    /// The operator said so.
    UpAdmin = "Up_Admin",
    /// The platform said so.
    UpPlatform = "Up_Platform",
    /// Down, but the latest probes succeeded; fewer than the threshold so far.
    DownProbeApproachingHealthyThreshold = "Down_Probe_ApproachingHealthyThreshold",
    /// The HTTP probe got a status other than 200.
    DownProbeHttpStatusCodeError = "Down_Probe_HttpStatusCodeError",
    /// TCP connected, the HTTP session was rejected.
    DownProbeHttpEndpointUnreachable = "Down_Probe_HttpEndpointUnreachable",
    /// TCP connected, the HTTP request got no response.
    DownProbeHttpNoResponse = "Down_Probe_HttpNoResponse",
    /// The TCP handshake did not complete.
    DownProbeTcpProbeTimeout = "Down_Probe_TcpProbeTimeout",
    /// A regional load balancer behind a global one has no healthy member.
    DownProbeNoHealthyBackend = "Down_Probe_NoHealthyBackend",
    /// The operator said so.
    DownAdmin = "Down_Admin",
    /// The platform said so.
    DownPlatform = "Down_Platform",
    /// Not probed yet, which counts as down.
    NotProbed = "NA",
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}
