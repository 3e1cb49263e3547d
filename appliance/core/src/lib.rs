//! What does the appliance decide? Everything Weir decides lives here, without DPDK, sockets,
//! clock or threads: time and the world are arguments.
//!
//! ```text
//!   config ─► compile ─► policy::Snapshot ─► path::process ─► verdicts, counters
//!                ▲                              │
//!     health, neighbour, routes              flow (one worker's memory)
//! ```
//!
//! Not here: packets' buffers and queues (`dpdk-bindings`), threads and sockets (`appliance`).

#[forbid(unsafe_code)]
pub mod api;
#[forbid(unsafe_code)]
pub mod compile;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod explain;
#[forbid(unsafe_code)]
pub mod flow;
#[forbid(unsafe_code)]
pub mod health;
#[forbid(unsafe_code)]
pub mod limits;
#[forbid(unsafe_code)]
pub mod neighbour;
#[forbid(unsafe_code)]
pub mod path;
#[forbid(unsafe_code)]
pub mod plan;
#[forbid(unsafe_code)]
pub mod policy;
#[allow(unsafe_code, reason = "the one publication pointer; see docs/unsafe.md")]
pub mod rcu;
pub mod tables;
#[forbid(unsafe_code)]
pub mod telemetry;
#[forbid(unsafe_code)]
pub mod units;
#[forbid(unsafe_code)]
pub mod wire;
