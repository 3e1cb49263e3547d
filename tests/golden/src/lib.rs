//! Does the data path do what its text cases say, with any number of workers?
//!
//! ```text
//!   case ──► document ──► Simulation (1, 2, 4 workers) ──► outputs, counters
//!     │        patches       │ weir-core's own compile and path
//!     └─ packet language ◄───┘ a small shell: one receive queue, rings, verdicts
//! ```
//!
//! The format is described in `docs/testing.md`. A panic is how a test fails, so this package
//! panics with sentences. Not here: DPDK, threads, the real shell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a test harness: a panic is how a test fails, and what it writes is small"
)]

pub mod case;
pub mod document;
pub mod dual_stack;
pub mod packet;
pub mod random;
pub mod simulation;
pub mod snat;
