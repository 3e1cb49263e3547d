//! How does a packet travel? Read [`Worker::process`] and you know the product.
//!
//! ```text
//!   parse ─► steer ─► find ─► decide ─► rewrite ─► account
//!     │        │        │        │          │
//!   malformed  │      miss ──────┘     bytes change here only
//!   ARP, own   └─ another worker owns it: hand-off
//! ```
//!
//! Each stage is a plain function over one [`Batch`], called in this order and nowhere else. A
//! packet that has its [`Verdict`] is passed over by the stages behind. Stages are never inlined,
//! so that profiles and the instruction budget know them by name; that is one call per batch. The
//! slow path (`decide`) is entered on a miss only and records what it decided in the flow table.
//! Three tiers of cost:
//!
//! 1. a hit in the flow table, or untracked UDP: replayed from record and snapshot;
//! 2. TCP in mid-stream without a record: the hash alone;
//! 3. a new flow: policy is asked once.
//!
//! Not here: buffers, queues and rings. The shell carries out the verdicts and counts what was
//! sent; what is dropped is counted here.

mod batch;
mod decide;
mod expire;
mod find;
mod local;
mod parse;
mod police;
mod rewrite;
mod steer;
mod worker;

pub use batch::{Batch, Frames, Tag, Verdict};
pub use worker::{Now, Originated, ResolveRequest, Sizes, Worker};

use crate::policy::Snapshot;

impl Worker {
    /// Takes one batch of frames to their verdicts. `frames` holds at most `limits::BATCH`.
    pub fn process<F: Frames>(
        &mut self,
        snapshot: &Snapshot,
        now: Now,
        frames: &mut F,
        batch: &mut Batch,
    ) {
        batch.begin(frames);
        self.parse(snapshot, frames, batch);
        self.steer(snapshot, now, frames, batch);
        self.find(snapshot, now, frames, batch);
        self.decide(snapshot, now, frames, batch);
        self.rewrite(snapshot, frames, batch);
        self.account(batch);
    }

    /// Counts the batch's drops by their reasons.
    #[inline(never)]
    fn account(&self, batch: &Batch) {
        for verdict in batch.verdicts() {
            if let Verdict::Drop(reason) = verdict {
                self.counters.drop_one(*reason);
            }
        }
    }
}
