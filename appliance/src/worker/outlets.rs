//! How do packets leave a worker?
//!
//! Every way out has a burst that fills up during a turn and is sent when it is full or the turn
//! ends. What a queue or ring does not take is dropped and counted under that way's own reason.

use dpdk::{Burst, Eal, Mempool, RingProducer, TxQueue};
use weir_core::telemetry::{Counter, Counters, DropReason, PuntClass};
use weir_core::units::{PortId, WorkerId};

use super::rings::{Note, Sends};

/// A way to the wire.
pub enum Lane {
    /// A transmit queue of this worker's own.
    Queue(TxQueue),
    /// The worker that holds one.
    Relay(WorkerId),
}

/// The way to one port's wire, with what waits for it.
pub struct PortLane {
    lane: Lane,
    waiting: Burst,
}

impl PortLane {
    /// A lane with nothing waiting.
    #[must_use]
    pub fn new(eal: &Eal, lane: Lane) -> Self {
        Self { lane, waiting: Burst::new(eal) }
    }
}

/// A ring with what waits for it.
struct Spout {
    ring: RingProducer,
    waiting: Burst,
    sent: Option<Counter>,
    full: DropReason,
}

/// All of a worker's ways out.
pub struct Outlets {
    ports: Vec<PortLane>,
    handoff: Vec<Option<Spout>>,
    relay: Vec<Option<Spout>>,
    punt: Spout,
}

impl Outlets {
    /// Ways out by these lanes and rings.
    #[must_use]
    pub fn new(eal: &Eal, ports: Vec<PortLane>, sends: Sends) -> Self {
        let spouts = |rings: Vec<Option<RingProducer>>, sent: Counter, full: DropReason| {
            let spout = |ring| Spout { ring, waiting: Burst::new(eal), sent: Some(sent), full };
            rings.into_iter().map(|ring| ring.map(spout)).collect()
        };
        Self {
            ports,
            handoff: spouts(sends.handoff, Counter::HandoffOutPackets, DropReason::HandoffFull),
            relay: spouts(sends.relay, Counter::RelayOutPackets, DropReason::RelayFull),
            punt: Spout {
                ring: sends.punt,
                waiting: Burst::new(eal),
                sent: None,
                full: DropReason::PuntFull,
            },
        }
    }

    /// Sends packet `index` of `burst` out by `port`.
    #[inline(always)]
    pub fn transmit(&mut self, port: PortId, burst: &mut Burst, index: usize, counters: &Counters) {
        if let Some(lane) = self.ports.get_mut(port.index())
            && lane.is_queue()
            && burst.move_to(index, &mut lane.waiting).is_ok()
        {
            return;
        }
        self.transmit_otherwise(port, burst, index, counters);
    }

    /// Sends a whole burst of `bytes` out by `port` at once, if this worker holds a queue there.
    /// Returns whether it did: the burst is empty then.
    pub fn transmit_all(
        &mut self,
        port: PortId,
        burst: &mut Burst,
        bytes: u64,
        counters: &Counters,
    ) -> bool {
        match self.ports.get_mut(port.index()) {
            Some(lane) if lane.is_queue() => {
                // What waits came before.
                lane.flush(counters);
                send(&mut lane.lane, burst, bytes, counters);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Where there is no port, no room or no queue.
    #[inline(never)]
    fn transmit_otherwise(
        &mut self,
        port: PortId,
        burst: &mut Burst,
        index: usize,
        counters: &Counters,
    ) {
        let Some(lane) = self.ports.get_mut(port.index()) else {
            return counters.drop_one(DropReason::NoRoute);
        };
        match lane.lane {
            Lane::Queue(_) => {
                lane.flush(counters);
                take(burst, index, &mut lane.waiting);
            }
            Lane::Relay(holder) => {
                burst.set_meta(index, Note::transmit(port).to_meta());
                put(self.relay.get_mut(holder.index()), burst, index, counters);
            }
        }
    }

    /// Sends an answer at once, so that it is counted as one.
    pub fn answer(&mut self, port: PortId, burst: &mut Burst, index: usize, counters: &Counters) {
        let Some(lane) = self.ports.get_mut(port.index()) else {
            return counters.drop_one(DropReason::NoRoute);
        };
        if let Lane::Relay(holder) = lane.lane {
            let note = Note { answer: true, ..Note::transmit(port) };
            burst.set_meta(index, note.to_meta());
            return put(self.relay.get_mut(holder.index()), burst, index, counters);
        }
        lane.flush(counters);
        take(burst, index, &mut lane.waiting);
        let Lane::Queue(queue) = &mut lane.lane else { return };
        let sent = queue.send(&mut lane.waiting);
        counters.count(Counter::AnsweredPackets, sent as u64);
        drop_rest(&mut lane.waiting, DropReason::TransmitQueueFull, counters);
    }

    /// Passes a packet to the kernel twin of the port it came from.
    pub fn punt(
        &mut self,
        class: PuntClass,
        ingress: PortId,
        burst: &mut Burst,
        index: usize,
        counters: &Counters,
    ) {
        let note = Note { class: Some(class), ..Note::transmit(ingress) };
        burst.set_meta(index, note.to_meta());
        self.punt.put(burst, index, counters);
    }

    /// Passes a packet to the worker that owns its flow.
    #[inline]
    pub fn hand_off(
        &mut self,
        worker: WorkerId,
        burst: &mut Burst,
        index: usize,
        counters: &Counters,
    ) {
        put(self.handoff.get_mut(worker.index()), burst, index, counters);
    }

    /// Makes a packet of these bytes and sends it out by `port`. `burst` is empty and stays so.
    pub fn originate(
        &mut self,
        port: PortId,
        pool: &Mempool,
        frame: &[u8],
        burst: &mut Burst,
        counters: &Counters,
    ) {
        if burst.push_copy(pool, frame).is_err() {
            return counters.drop_one(DropReason::AnnouncementFailed);
        }
        self.transmit(port, burst, 0, counters);
        burst.clear();
    }

    /// Sends everything that waits.
    pub fn flush(&mut self, counters: &Counters) {
        for lane in &mut self.ports {
            lane.flush(counters);
        }
        for spout in self.handoff.iter_mut().chain(&mut self.relay).flatten() {
            spout.flush(counters);
        }
        self.punt.flush(counters);
    }
}

impl PortLane {
    const fn is_queue(&self) -> bool {
        matches!(self.lane, Lane::Queue(_))
    }

    fn flush(&mut self, counters: &Counters) {
        if !self.waiting.is_empty() {
            let bytes = self.waiting.bytes();
            send(&mut self.lane, &mut self.waiting, bytes, counters);
        }
    }
}

/// Sends a burst of `bytes` by a queue; what that does not take is dropped.
fn send(lane: &mut Lane, burst: &mut Burst, bytes: u64, counters: &Counters) {
    let Lane::Queue(queue) = lane else { return };
    let sent = queue.send(burst);
    counters.count(Counter::TxPackets, sent as u64);
    counters.count(Counter::TxBytes, bytes.saturating_sub(burst.bytes()));
    drop_rest(burst, DropReason::TransmitQueueFull, counters);
}

impl Spout {
    #[inline]
    fn put(&mut self, burst: &mut Burst, index: usize, counters: &Counters) {
        if self.waiting.is_full() {
            self.flush(counters);
        }
        take(burst, index, &mut self.waiting);
    }

    fn flush(&mut self, counters: &Counters) {
        if self.waiting.is_empty() {
            return;
        }
        match self.sent {
            Some(counter) => {
                let sent = self.ring.send(&mut self.waiting);
                counters.count(counter, sent as u64);
            }
            None => self.send_punts(counters),
        }
        drop_rest(&mut self.waiting, self.full, counters);
    }

    /// Sends punted packets, counting each under its class.
    fn send_punts(&mut self, counters: &Counters) {
        let mut classes = [None; dpdk::BURST];
        let length = self.waiting.len();
        for (index, class) in classes.iter_mut().enumerate().take(length) {
            *class = Note::from_meta(self.waiting.meta(index)).class;
        }
        let sent = self.ring.send(&mut self.waiting);
        for class in classes.iter().take(sent).flatten() {
            counters.punt(*class, 1);
        }
    }
}

/// Puts a packet on the way to a ring; where there is no ring the packet loops, which is a drop.
#[inline]
fn put(spout: Option<&mut Option<Spout>>, burst: &mut Burst, index: usize, counters: &Counters) {
    match spout {
        Some(Some(spout)) => spout.put(burst, index, counters),
        Some(None) | None => counters.drop_one(DropReason::HandoffLoop),
    }
}

/// Moves a packet into a burst that has room.
#[inline]
fn take(burst: &mut Burst, index: usize, into: &mut Burst) {
    let moved = burst.move_to(index, into);
    debug_assert!(moved.is_ok(), "the caller has made room");
}

fn drop_rest(waiting: &mut Burst, reason: DropReason, counters: &Counters) {
    let left = waiting.packets();
    if left > 0 {
        counters.drop_many(reason, left as u64);
        waiting.clear();
    }
}
