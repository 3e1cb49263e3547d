//! By which rings do threads pass packets to each other?
//!
//! ```text
//!   hand-off   one per ordered pair of workers    to the owner of a flow
//!   relay      worker ─► holder of a queue        finished packets of workers without one
//!   punt       worker ─► control                  for the kernel twin
//!   kernel     control ─► worker 0's lane         from the kernel twin, to be transmitted
//! ```
//!
//! All are single-producer, single-consumer, and bounded; what does not fit is dropped by the
//! producer, who counts it.

use dpdk::{Eal, RingConsumer, RingError, RingProducer, ring};
use weir_core::telemetry::PuntClass;
use weir_core::units::PortId;

/// Packets that a ring between workers holds: eight full bursts of four neighbours, about 100 µs
/// at ten million packets a second.
const WORKER_RING: u32 = 1024;
/// Packets that a ring to or from the control side holds: what policing admits in some 20 ms.
const CONTROL_RING: u32 = 1024;
/// Packet buffers that a worker keeps without a packet in them, in the cache of its pool (one and
/// a half times the cache's size of 256), and those of its bursts.
const BUFFERS_PER_WORKER: u32 = 512;

/// Packet buffers that are on rings and in caches while one of `workers` workers stands still:
/// both rings that each neighbour has to it are full, and what is on others moves on. With fewer,
/// neighbours would have nothing left to receive with.
#[must_use]
pub const fn buffers_held(workers: u32) -> u32 {
    workers.saturating_sub(1) * 2 * WORKER_RING + workers * BUFFERS_PER_WORKER
}

/// Where a worker takes packets from other threads.
pub struct Inlets {
    /// From each other worker.
    pub handoff: Vec<RingConsumer>,
    /// From each worker without a transmit queue.
    pub relay: Vec<RingConsumer>,
    /// From the control side.
    pub kernel: Option<RingConsumer>,
}

/// The producing ends that a worker holds, by the number of the other worker.
pub struct Sends {
    /// To each other worker; `None` to itself.
    pub handoff: Vec<Option<RingProducer>>,
    /// The same for finished packets.
    pub relay: Vec<Option<RingProducer>>,
    /// To the control side.
    pub punt: RingProducer,
}

/// All rings of an appliance, by worker.
pub struct Fabric {
    /// What each worker receives by.
    pub inlets: Vec<Inlets>,
    /// What each worker sends by.
    pub sends: Vec<Sends>,
    /// Punted packets of each worker.
    pub punts: Vec<RingConsumer>,
    /// The control side's way to the wire.
    pub kernel: RingProducer,
}

/// What is noted about a finished packet on a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The port to leave by, or that it came from.
    pub port: PortId,
    /// Whether it is an answer.
    pub answer: bool,
    /// Whether the control side made it.
    pub originated: bool,
    /// The punt class.
    pub class: Option<PuntClass>,
}

impl Note {
    const ANSWER: u64 = 1 << 8;
    const ORIGINATED: u64 = 1 << 9;

    /// A packet to be transmitted by `port`.
    #[must_use]
    pub const fn transmit(port: PortId) -> Self {
        Self { port, answer: false, originated: false, class: None }
    }

    /// The note as a packet's meta word.
    #[must_use]
    pub fn to_meta(self) -> u64 {
        let class = self.class.map_or(0, |class| class.index() as u64 + 1) << 16;
        let answer = if self.answer { Self::ANSWER } else { 0 };
        let originated = if self.originated { Self::ORIGINATED } else { 0 };
        u64::from(self.port.0) | answer | originated | class
    }

    /// The note in a packet's meta word.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "fields are cut out of the word")]
    pub fn from_meta(meta: u64) -> Self {
        let class = (meta >> 16) as usize & 0xff;
        Self {
            port: PortId(meta as u8),
            answer: meta & Self::ANSWER != 0,
            originated: meta & Self::ORIGINATED != 0,
            class: class.checked_sub(1).and_then(|index| PuntClass::ALL.get(index).copied()),
        }
    }
}

/// Makes every ring for `workers` workers.
///
/// # Errors
/// When DPDK has no memory for a ring.
pub fn fabric(eal: &Eal, workers: usize) -> Result<Fabric, RingError> {
    let mut inlets: Vec<Inlets> = (0..workers)
        .map(|_| Inlets { handoff: Vec::new(), relay: Vec::new(), kernel: None })
        .collect();
    let mut sends = Vec::with_capacity(workers);
    let mut punts = Vec::with_capacity(workers);
    for from in 0..workers {
        let mut handoff = Vec::with_capacity(workers);
        let mut relay = Vec::with_capacity(workers);
        for (to, inlet) in inlets.iter_mut().enumerate() {
            if from == to {
                handoff.push(None);
                relay.push(None);
                continue;
            }
            let (producer, consumer) =
                ring(eal, &format!("handoff-{from}-{to}"), WORKER_RING, None)?;
            handoff.push(Some(producer));
            inlet.handoff.push(consumer);
            let (producer, consumer) = ring(eal, &format!("relay-{from}-{to}"), WORKER_RING, None)?;
            relay.push(Some(producer));
            inlet.relay.push(consumer);
        }
        let (punt, consumer) = ring(eal, &format!("punt-{from}"), CONTROL_RING, None)?;
        sends.push(Sends { handoff, relay, punt });
        punts.push(consumer);
    }
    let (kernel, consumer) = ring(eal, "kernel", CONTROL_RING, None)?;
    if let Some(first) = inlets.first_mut() {
        first.kernel = Some(consumer);
    }
    Ok(Fabric { inlets, sends, punts, kernel })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_survive_the_meta_word() {
        for class in PuntClass::ALL.iter().copied().map(Some).chain([None]) {
            for (answer, originated) in [(false, false), (true, false), (false, true)] {
                let note = Note { port: PortId(7), answer, originated, class };
                assert_eq!(Note::from_meta(note.to_meta()), note);
            }
        }
    }
}
