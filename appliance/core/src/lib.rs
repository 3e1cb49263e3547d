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
#![forbid(unsafe_code)]

pub mod limits;
pub mod neighbour;
pub mod units;
