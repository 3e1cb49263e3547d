//! What does the rewrite cost between receiving and sending?
//!
//! Each side has a net_null device and a pool of its own, of the same sizes, and both fill what
//! they receive with the same headers. By hand that is Weir's bindings: one burst, no allocation.
//! By capsule it is a pipeline as its runtime would run it, one burst after the other: without the
//! scheduler around it, in its favour.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use capsule::batch::{Batch, PacketRx, PacketTx, Pipeline, Poll};
use capsule::{Mbuf, PortQueue};
use dpdk::{Burst, Eal, Mempool, PoolConfig, Port, PortConfig, RxQueue, StartedPort, TxQueue};

use crate::balancer::Balancer;
use crate::frames::{Frames, HEADERS};
use crate::stage::{BUFFERS, CACHE};
use crate::{Contestant, Rig, by_capsule, by_hand};

/// Bytes of a frame.
pub const FRAME: usize = 64;

/// Both loops.
pub struct Device {
    hand: Hand,
    bare: Box<dyn Pipeline<Output = ()>>,
    capsule: Box<dyn Pipeline<Output = ()>>,
    count: Rc<Count>,
}

/// The loop on Weir's bindings.
pub struct Hand {
    receive: RxQueue,
    send: TxQueue,
    burst: Burst,
    frames: Frames,
    balancer: Balancer,
    _port: StartedPort,
}

/// How many packets capsule's pipelines received and sent.
#[derive(Debug, Default)]
struct Count {
    received: Cell<u64>,
    sent: Cell<u64>,
}

/// A queue whose packets are the next frames.
struct Source {
    queue: PortQueue,
    frames: Frames,
    count: Rc<Count>,
}

/// A queue that counts.
struct Sink {
    queue: PortQueue,
    count: Rc<Count>,
}

impl Hand {
    /// A loop on a device of its own.
    ///
    /// # Errors
    /// DPDK's.
    pub fn new(eal: &Eal) -> Result<Self> {
        let name = "hand".to_owned();
        let config =
            PoolConfig { name, count: BUFFERS, cache: CACHE, data_room: 2048, socket: None };
        let pool = Mempool::new(eal, &config)?;
        let port = Port::attach(eal, &format!("net_null_hand,size={FRAME}"))?;
        let config = PortConfig {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 512,
            tx_descriptors: 512,
            mtu: 1500,
            rss: None,
            promiscuous: false,
            rx_checksum: false,
        };
        let (port, mut receive, mut send) = port.configure(&config, &[pool])?.start()?;
        Ok(Self {
            receive: receive.pop().context("a receive queue")?,
            send: send.pop().context("a transmit queue")?,
            burst: Burst::new(eal),
            frames: Frames::new(FRAME),
            balancer: Balancer::default(),
            _port: port,
        })
    }

    fn turn(&mut self, rewrite: bool) -> Result<u64> {
        let received = self.receive.receive(&mut self.burst);
        for index in 0..received {
            let frame = self.burst.frame_mut(index);
            frame
                .get_mut(..HEADERS)
                .context("a frame is too short")?
                .copy_from_slice(self.frames.next_headers());
            if rewrite {
                by_hand::rewrite(frame, &self.balancer).context("a frame was refused")?;
            }
        }
        let sent = self.send.send(&mut self.burst);
        self.burst.clear();
        ensure!(sent == received, "{sent} of {received} packets were sent");
        Ok(received as u64)
    }
}

impl Device {
    /// Both loops, capsule's on this queue.
    #[must_use]
    pub fn new(hand: Hand, queue: &PortQueue) -> Self {
        let count = Rc::new(Count::default());
        let source = || {
            let (queue, count) = (queue.clone(), Rc::clone(&count));
            Poll::new(Source { queue, frames: Frames::new(FRAME), count })
        };
        let sink = || Sink { queue: queue.clone(), count: Rc::clone(&count) };
        let balancer = Balancer::default();
        let capsule = source().map(move |packet| by_capsule::rewrite(packet, &balancer));
        Self {
            hand,
            bare: Box::new(source().send(sink())),
            capsule: Box::new(capsule.send(sink())),
            count,
        }
    }

    fn run(&mut self, rewrite: bool) -> Result<u64> {
        self.count.received.set(0);
        self.count.sent.set(0);
        if rewrite {
            self.capsule.run_once()
        } else {
            self.bare.run_once()
        }
        let (received, sent) = (self.count.received.get(), self.count.sent.get());
        ensure!(sent == received, "{sent} of {received} packets were sent");
        Ok(received)
    }
}

impl Rig for Device {
    fn contestants(&self) -> &'static [Contestant] {
        &[Contestant::Bare, Contestant::Hand, Contestant::BareCapsule, Contestant::Capsule]
    }

    fn turn(&mut self, contestant: Contestant) -> Result<u64> {
        match contestant {
            Contestant::Bare => self.hand.turn(false),
            Contestant::Hand => self.hand.turn(true),
            Contestant::BareCapsule => self.run(false),
            Contestant::Capsule => self.run(true),
        }
    }
}

impl PacketRx for Source {
    fn receive(&mut self) -> Vec<Mbuf> {
        let mut packets = self.queue.receive();
        for packet in &mut packets {
            // A frame too short for headers would be refused later, and that is an error.
            let _written = packet.write_data_slice(0, self.frames.next_headers());
        }
        self.count.received.set(self.count.received.get() + packets.len() as u64);
        packets
    }
}

impl PacketTx for Sink {
    fn transmit(&mut self, packets: Vec<Mbuf>) {
        self.count.sent.set(self.count.sent.get() + packets.len() as u64);
        self.queue.transmit(packets);
    }
}
