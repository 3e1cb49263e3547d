//! How fast is the data path, beside what it cannot be faster than?
//!
//! ```text
//!   traffic ─► source ─► net_null ─► WorkerLane::turn ─► net_null      ours
//!                │                ├─► receive, send                    bare
//!                │                ├─► receive, one record each, send   floor
//!                └─► net_null ────┴─► dpdk-testpmd                     rivals
//!   one round: each of them for one window, on the same processor, one after the other
//! ```
//!
//! What is measured is the daemon's own loop, with real packet buffers on DPDK devices; only the
//! threads around it are missing. Not here: what the figures mean (`results/`).

pub mod accounts;
pub mod gate;
pub mod kind;
pub mod lane;
pub mod meter;
pub mod plain;
pub mod report;
pub mod rival;
pub mod scenario;
pub mod traffic;
pub mod world;
