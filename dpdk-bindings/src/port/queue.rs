//! How do packets come in and go out?
//!
//! A queue exists once and belongs to whoever has it: `Send`, not `Sync`, and both directions
//! need `&mut`. So no two threads are ever in the same queue.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::claim::Device;
use crate::burst::Burst;
use crate::generator::{Generator, Source};
use crate::raw;

/// A receive queue of a running port.
#[derive(Debug)]
pub struct RxQueue {
    port: u16,
    queue: u16,
    /// Before the device, which it is a callback of.
    generator: Option<Generator>,
    _device: Arc<Device>,
    _not_sync: PhantomData<Cell<()>>,
}

/// A transmit queue of a running port.
#[derive(Debug)]
pub struct TxQueue {
    port: u16,
    queue: u16,
    _device: Arc<Device>,
    _not_sync: PhantomData<Cell<()>>,
}

impl RxQueue {
    pub(super) fn new(device: &Arc<Device>, queue: u16) -> Self {
        let port = device.claim.port.id();
        let device = Arc::clone(device);
        Self { port, queue, generator: None, _device: device, _not_sync: PhantomData }
    }

    /// From now on `source` says what the packets are that the device receives, for the next
    /// `packets` packets; further ones are thrown away. For measurements and tests on devices
    /// without a wire.
    ///
    /// # Errors
    /// Gives the source back when DPDK has no memory for the callback.
    pub fn generate(&mut self, source: Source, packets: u64) -> Result<(), Source> {
        self.generator = None;
        self.generator = Some(Generator::new(self.port, self.queue, source, packets)?);
        Ok(())
    }

    /// The next `packets` packets are generated as those before; further ones are thrown away.
    pub fn generate_more(&mut self, packets: u64) {
        if let Some(generator) = &mut self.generator {
            generator.allow(packets);
        }
    }

    /// How many packets were generated since [`Self::generate`].
    #[must_use]
    pub fn generated(&self) -> u64 {
        self.generator.as_ref().map_or(0, Generator::made)
    }

    /// Appends received packets to `burst` as far as there is room (`rte_eth_rx_burst`), and
    /// returns how many. Never waits, never allocates. Each new packet has meta 0 and this port
    /// as its ingress port.
    ///
    /// Give an empty burst: vector drivers receive in fours or eights, and nothing at all if there
    /// is less room than that.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> usize {
        let (port, queue) = (self.port, self.queue);
        let receive = |packets: *mut *mut raw::rte_mbuf, meta: *mut u64, room: u16| {
            // SAFETY: there is `room` for packets and meta; the port runs while a queue exists,
            // and this is the only one of its number.
            usize::from(unsafe { raw::weir_rx_burst(port, queue, packets, meta, room) })
        };
        // SAFETY: the driver gives away what it returns.
        unsafe { burst.fill(receive) }
    }

    /// DPDK's number of the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The queue within the port, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.queue
    }
}

impl TxQueue {
    pub(super) fn new(device: &Arc<Device>, queue: u16) -> Self {
        let port = device.claim.port.id();
        Self { port, queue, _device: Arc::clone(device), _not_sync: PhantomData }
    }

    /// Sends packets from the front of `burst` (`rte_eth_tx_burst`) and returns how many. What the
    /// device did not take stays in the burst, in order and without holes: send again, or clear.
    /// Never waits, never allocates.
    ///
    /// The packets' memory comes back when the driver is done with them, which may be as late as
    /// the next call. Send no segmented packets: the queue was not set up for them.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        let (port, queue) = (self.port, self.queue);
        let send = |packets: *mut *mut raw::rte_mbuf, _: *mut u64, count: u16| {
            // SAFETY: `count` packets; the port runs while a queue exists, and this is the only
            // one of its number.
            usize::from(unsafe { raw::weir_tx_burst(port, queue, packets, count) })
        };
        // SAFETY: the driver owns what it says it took.
        unsafe { burst.take_front(send) }
    }

    /// DPDK's number of the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The queue within the port, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.queue
    }
}
