//! How do packets pass between the data path and the kernel twins?

use std::cell::RefCell;
use std::rc::Rc;

use dpdk::{Burst, Mempool, RingConsumer, RingProducer};
use weir_core::units::{MacAddress, PortId};

use super::twin::Twin;
use super::{PUMP_INTERVAL, every};
use crate::worker::rings::Note;

/// Bursts taken from each worker's ring in one turn: what policing admits in a millisecond, many
/// times over.
const BURSTS_PER_TURN: usize = 32;

/// What passes packets both ways.
pub(super) struct Pump {
    twins: Vec<Rc<Twin>>,
    punts: Vec<RingConsumer>,
    wire: RingProducer,
    pool: Mempool,
    outgoing: Burst,
    incoming: Burst,
    refused: u64,
}

impl Pump {
    pub(super) const fn new(
        twins: Vec<Rc<Twin>>,
        punts: Vec<RingConsumer>,
        wire: RingProducer,
        pool: Mempool,
        outgoing: Burst,
        incoming: Burst,
    ) -> Self {
        Self { twins, punts, wire, pool, outgoing, incoming, refused: 0 }
    }

    /// Gives punted packets to the twins of the ports they came from.
    pub(super) fn turn(&mut self) {
        for ring in &mut self.punts {
            for _ in 0..BURSTS_PER_TURN {
                if ring.receive(&mut self.incoming) == 0 {
                    break;
                }
                for (index, frame) in self.incoming.frames() {
                    let port = Note::from_meta(self.incoming.meta(index)).port;
                    let twin = self.twins.get(port.index());
                    let taken = twin.is_some_and(|twin| twin.try_send(frame).unwrap_or(false));
                    self.refused += u64::from(!taken);
                }
                self.incoming.clear();
            }
        }
    }

    /// Sends a frame of the kernel's out by `port`. With the ring or the pool full it is lost, as
    /// on any wire.
    fn send(&mut self, port: PortId, frame: &[u8], originated: bool) {
        let note = Note { originated, ..Note::transmit(port) };
        if self.outgoing.push_copy(&self.pool, frame).is_ok() {
            self.outgoing.set_meta(0, note.to_meta());
            self.wire.send(&mut self.outgoing);
            self.refused += self.outgoing.packets() as u64;
            self.outgoing.clear();
        } else {
            self.refused += 1;
        }
    }

    /// Sends a frame of Weir's own out by `port`.
    pub(super) fn originate(&mut self, port: PortId, frame: &[u8]) {
        self.send(port, frame, true);
    }

    /// The Ethernet address of a port.
    pub(super) fn mac(&self, port: PortId) -> Option<MacAddress> {
        self.twins.get(port.index()).map(|twin| twin.mac())
    }

    /// Packets that a twin, the ring or the pool did not take.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

/// Gives punted packets to the twins, in a task of its own: replies to probes must not wait for
/// what the control loop does meanwhile.
pub(super) async fn deliver(pump: Rc<RefCell<Pump>>) {
    let mut turn = every(PUMP_INTERVAL);
    loop {
        turn.tick().await;
        pump.borrow_mut().turn();
    }
}

/// Passes everything that the kernel sends by one twin to the wire.
pub(super) async fn receive(port: PortId, twin: Rc<Twin>, pump: Rc<RefCell<Pump>>) {
    let mut frame = vec![0; twin.frame_bytes_max()];
    loop {
        match twin.receive(&mut frame).await {
            Ok(length) => pump.borrow_mut().send(port, &frame[..length], false),
            Err(error) => {
                tracing::error!("the twin '{}' cannot be read: {error}", twin.name());
                return;
            }
        }
    }
}
