//! How does the appliance run? The shell around `weir-core`: threads, devices, sockets, clock.
//!
//! ```text
//!   boot ──► ports, pool, rings ──► worker lanes (one thread each)
//!     │                                  ▲ snapshot        │ counters
//!     └────► control (this thread) ──────┘                 ▼
//!               probes · twins · netlink · control socket · status
//! ```
//!
//! Not here: decisions (`weir-core`), DPDK's own words (`dpdk-bindings`).

pub mod boot;
pub mod control;
pub mod session_log;
pub mod worker;
