//! How does a packet travel? Read [`Worker::process`] and you know the product.
//!
//! ```text
//!   sort ─────────────────────────────► replay ─► an open connection's packet: done
//!     ├─► forward_datagrams ─► done       │ not as usual
//!     └─► parse ─► steer ─────────────────┴─► find ─► decide ─► rewrite ─► account
//!           │        │                          │        │
//!       malformed    │                        miss ──────┘
//!       ARP, own     └─ another worker owns it: hand-off
//! ```
//!
//! Each stage is a plain function over one [`Batch`], called in this order and nowhere else. It
//! walks through the packets whose turn it is, and leaves alone those that have their [`Verdict`].
//! Stages are never inlined, so that profiles and the instruction budget know them by name; that is
//! one call per batch. Three tiers of cost:
//!
//! 1. in a plain frame, an open connection's packet goes straight through `sort` and `replay`, a
//!    datagram to or from a frontend through `forward_datagrams`;
//! 2. whatever else has a flow or needs none is asked every question, in the order of arrival;
//! 3. for a new flow policy is asked once, by `decide`, which records what it decided.
//!
//! The straight line decides nothing that the long way would decide otherwise: what is not as usual
//! in any respect is left to the long way, with nothing noted and nothing written.
//!
//! Not here: buffers, queues and rings. The shell carries out the verdicts and counts what was
//! sent; what is dropped is counted here.

mod adopt;
mod batch;
mod classify;
mod datagrams;
mod decide;
mod echo;
mod errors;
mod exhaustion;
mod expire;
mod family;
mod find;
mod instance;
mod listing;
mod local;
mod outbound;
mod parse;
mod places;
mod police;
mod replay;
mod rewrite;
mod sessions;
mod sort;
mod steer;
mod worker;

pub use batch::{Action, Batch, Frames, Tag, Verdict};
pub use exhaustion::{Exhaustion, ExhaustionKind};
pub use listing::{FlowQuery, FlowSlice, FlowView, SLOTS_PER_SLICE, Through};
pub use sessions::{SessionEvent, SessionRecord, Sessions};
pub use worker::{Now, Originated, OriginatedFrame, ResolveRequest, Sizes, Worker};

use crate::policy::Snapshot;
use family::{V4, V6};

impl Worker {
    /// Takes one batch of frames to their verdicts. `frames` holds at most `limits::BATCH`.
    pub fn process<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        batch.begin(frames.len());
        self.sort::<V4, _>(snapshot, frames, batch);
        self.sort::<V6, _>(snapshot, frames, batch);
        Self::hand_over_sorted(frames, batch);
        self.forward_datagrams(snapshot, frames, batch);
        self.parse(snapshot, frames, batch);
        self.steer(snapshot, now, frames, batch);
        self.replay::<V4, _>(snapshot, now, frames, batch);
        self.replay::<V6, _>(snapshot, now, frames, batch);
        self.find(snapshot, now, frames, batch);
        self.decide(snapshot, now, frames, batch);
        self.rewrite(snapshot, frames, batch);
        self.account(batch);
    }

    /// Counts the batch's drops by their reasons.
    #[inline(never)]
    fn account(&self, batch: &Batch) {
        for reason in batch.drops() {
            self.counters.drop_one(reason);
        }
    }
}
