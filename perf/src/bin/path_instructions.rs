//! What does one warm packet cost in instructions, without a device?
//!
//! The path alone, over frames in ordinary memory: a batch of requests and replies of open
//! connections, processed again and again. To be run under callgrind, which is told to count
//! inside of [`measured`] only:
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='*path_instructions::measured*' \
//!     path_instructions [ROUNDS [mixed|requests|replies|mixed-v6|requests-v6|replies-v6]]
//! ```
//!
//! Prints how many packets were measured; `perf/instructions` divides and shows the stages. Not
//! here: the budget (`perf/budget.md`).

use std::io::Write;

use anyhow::Context;
use weir_core::limits::BATCH;
use weir_core::path::{Batch, Frames, Now, Sizes, Tag, Worker};
use weir_core::policy::Snapshot;
use weir_core::units::{PortId, WorkerId};
use weir_core::wire::{Head, plain};
use weir_perf::kind::{ACK, Family, Kind, SYN};
use weir_perf::traffic::client;
use weir_perf::world::{self, MEMBERS, WEB};

/// Flows of the measured packets: two packets each, so that every round holds whole batches.
const FLOWS: usize = 1024;
/// Rounds where nothing else is asked for.
const ROUNDS: usize = 8;
/// Bytes of every frame: what TCP over IPv6 takes. Frames of IPv4 are padded, which nothing counts.
const LENGTH: usize = 74;

/// What a frame lies in: a head, in a power of two of bytes, so that places are found by a shift.
#[derive(Clone, Copy)]
#[repr(align(128))]
struct Buffer(Head);

/// Frames in ordinary memory, all from the only port.
struct Memory([Buffer; BATCH]);

impl Frames for Memory {
    #[inline]
    fn len(&self) -> usize {
        BATCH
    }
    #[inline]
    fn head(&self, place: usize) -> &Head {
        &self.0[place].0
    }
    #[inline]
    fn head_mut(&mut self, place: usize) -> &mut Head {
        &mut self.0[place].0
    }
    #[inline]
    fn length(&self, _: usize) -> usize {
        LENGTH
    }
    #[inline]
    fn frame(&self, place: usize) -> &[u8] {
        &self.0[place].0[..LENGTH]
    }
    #[inline]
    fn frame_mut(&mut self, place: usize) -> &mut [u8] {
        &mut self.0[place].0[..LENGTH]
    }
    #[inline]
    fn is_segmented(&self, _: usize) -> bool {
        false
    }
    #[inline]
    fn ingress(&self, _: usize) -> PortId {
        PortId(0)
    }
    #[inline]
    fn tag(&self, _: usize) -> Tag {
        Tag::default()
    }
    #[inline]
    fn set_tag(&mut self, _: usize, _: Tag) {}
}

/// The worker and what it needs.
struct Path {
    worker: Worker,
    snapshot: Snapshot,
    batch: Batch,
}

impl Path {
    /// Processes one batch; returns how many packets are to be sent.
    fn process(&mut self, frames: &[Head], work: fn(&mut Self, &mut Memory)) -> usize {
        let mut memory = Memory([Buffer([0; plain::HEAD]); BATCH]);
        for (buffer, frame) in memory.0.iter_mut().zip(frames) {
            buffer.0 = *frame;
        }
        work(self, &mut memory);
        self.batch.transmitted().count()
    }

    fn prepare(&mut self, frames: &[Head]) -> usize {
        frames.chunks_exact(BATCH).map(|batch| self.process(batch, prepared)).sum()
    }

    fn measure(&mut self, frames: &[Head]) -> usize {
        frames.chunks_exact(BATCH).map(|batch| self.process(batch, measured)).sum()
    }
}

/// What callgrind counts. A tick later than what it does not count: functions that are the same to
/// the byte become one.
#[inline(never)]
fn measured(path: &mut Path, memory: &mut Memory) {
    let now = Now { milliseconds: 1_000 };
    path.worker.process(&path.snapshot, now, memory, &mut path.batch);
}

/// What it does not.
#[inline(never)]
fn prepared(path: &mut Path, memory: &mut Memory) {
    path.worker.process(&path.snapshot, Now::default(), memory, &mut path.batch);
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |text| text.parse());
    let rounds = rounds.context("the argument is a number of rounds")?;
    let which = arguments.next().unwrap_or_default();
    let (which, family) = match which.strip_suffix("-v6") {
        Some(which) => (which, Family::V6),
        None => (which.as_str(), Family::V4),
    };
    let snapshot = world::world_of(family, 1)?.compile(0);
    let sizes = Sizes::of_flow_slots(FLOWS * 2);
    let worker = Worker::new(WorkerId(0), sizes, 0x5eed, Now::default());
    let mut path = Path { worker, snapshot, batch: Batch::default() };
    let request = |flow, flags| frame(Kind::request(Some(flags), WEB.0).over(family), flow);
    let reply =
        |flow, member, flags| frame(Kind::reply(Some(flags), member, WEB.1).over(family), flow);
    let opening: Vec<_> = (0..FLOWS).map(|flow| request(flow, SYN)).collect();
    anyhow::ensure!(path.prepare(&opening) == FLOWS, "every SYN is to be sent");
    let members = members(&path, family)?;
    let replies = |flags| (0..FLOWS).map(|flow| reply(flow, members[flow], flags)).collect();
    let answers: Vec<_> = replies(SYN | ACK);
    path.prepare(&answers);
    let requests: Vec<_> = (0..FLOWS).map(|flow| request(flow, ACK)).collect();
    path.prepare(&requests);
    path.prepare(&answers);
    let replies: Vec<_> = replies(ACK);
    let mixed: Vec<_> = requests.iter().zip(&replies).flat_map(|(a, b)| [*a, *b]).collect();
    let measured = match which {
        "requests" => requests,
        "replies" => replies,
        _ => mixed,
    };
    let sent: usize = (0..rounds).map(|_| path.measure(&measured)).sum();
    anyhow::ensure!(sent == measured.len() * rounds, "every packet is to be sent");
    writeln!(std::io::stdout(), "{sent} packets measured")?;
    Ok(())
}

fn frame(kind: Kind, flow: usize) -> Head {
    kind.frame(client(flow))
}

fn members(path: &Path, family: Family) -> anyhow::Result<Vec<u32>> {
    let flows: Vec<usize> = (0..FLOWS).collect();
    weir_perf::scenario::flows::members_of(family, &path.worker, &path.snapshot, &flows)
        .map(|members| members.into_iter().map(|it| u32::from(it) % MEMBERS).collect())
}
