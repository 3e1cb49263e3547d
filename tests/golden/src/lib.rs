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
    clippy::print_stdout,
    reason = "a test harness: a panic is how a test fails"
)]

pub mod case;
pub mod document;
pub mod packet;
pub mod simulation;
