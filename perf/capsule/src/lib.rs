//! What does the rewrite of a load balancer cost when it is written with capsule?
//!
//! ```text
//!   frames ─► 32 warm packet buffers ─┬─► by_hand      views and checksum differences
//!          ─► net_null, both ways     ├─► by_capsule   parse, set, reconcile
//!                                     └─► nothing
//!   one round: each of them for one window, on the same processor, one after the other
//! ```
//!
//! A baseline to be measured against, never product code: what it gets wrong is pinned by
//! `tests/faults.rs`. Not here: Weir's own path, which finds flows and decides (`perf/`).

pub mod balancer;
pub mod by_capsule;
pub mod by_hand;
pub mod bytes;
pub mod device;
pub mod frames;
pub mod report;
pub mod stage;
pub mod warm;

/// The meter of `perf/`, compiled here again so that the daemon need not be.
#[path = "../../src/meter.rs"]
pub mod meter;

/// Who has a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// The loop without a rewrite, on Weir's bindings.
    Bare,
    /// The rewrite by hand.
    Hand,
    /// The loop without a rewrite, written with capsule.
    BareCapsule,
    /// The rewrite by capsule.
    Capsule,
}

/// A loop in which contestants take turns.
pub trait Rig {
    /// Who takes part.
    fn contestants(&self) -> &'static [Contestant];

    /// One turn of `contestant`: how many packets it was.
    ///
    /// # Errors
    /// When a packet is refused or lost: then the figures would mean nothing.
    fn turn(&mut self, contestant: Contestant) -> anyhow::Result<u64>;
}
