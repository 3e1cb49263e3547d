//! What does the rewrite alone cost?
//!
//! Thirty-two packet buffers of capsule's pool, the same for everybody and warm, get the next
//! frames' headers and are rewritten. Nothing is received or sent.

use anyhow::Result;
use capsule::Mbuf;
use capsule::packets::Packet;

use crate::balancer::Balancer;
use crate::bytes::bytes_mut;
use crate::frames::Frames;
use crate::{Contestant, Rig, by_capsule, by_hand};

/// Buffers in a turn: what a burst holds.
const BUFFERS: usize = 32;

/// Warm buffers.
pub struct Warm {
    packets: Vec<Mbuf>,
    rewritten: Vec<Mbuf>,
    frames: Frames,
    balancer: Balancer,
}

impl Warm {
    /// Buffers with frames of `length` bytes.
    ///
    /// # Errors
    /// When capsule's pool is exhausted.
    pub fn new(length: usize) -> Result<Self> {
        let frames = Frames::new(length);
        let whole = frames.whole();
        let packets: Result<Vec<_>> = (0..BUFFERS).map(|_| Mbuf::from_bytes(&whole)).collect();
        let rewritten = Vec::with_capacity(BUFFERS);
        Ok(Self { packets: packets?, rewritten, frames, balancer: Balancer::default() })
    }

    /// The frames as they stand in the buffers.
    ///
    /// # Errors
    /// Capsule's.
    pub fn bytes(&mut self) -> Result<Vec<Vec<u8>>> {
        self.packets.iter_mut().map(|packet| Ok(bytes_mut(packet)?.to_vec())).collect()
    }

    fn capsule(&mut self) -> Result<()> {
        for mut packet in self.packets.drain(..) {
            packet.write_data_slice(0, self.frames.next_headers())?;
            self.rewritten.push(by_capsule::rewrite(packet, &self.balancer)?.reset());
        }
        std::mem::swap(&mut self.packets, &mut self.rewritten);
        Ok(())
    }

    fn hand(&mut self) -> Result<()> {
        for packet in &mut self.packets {
            packet.write_data_slice(0, self.frames.next_headers())?;
            by_hand::rewrite(bytes_mut(packet)?, &self.balancer)
                .ok_or_else(|| anyhow::anyhow!("a frame was refused"))?;
        }
        Ok(())
    }

    fn bare(&mut self) -> Result<()> {
        for packet in &mut self.packets {
            packet.write_data_slice(0, self.frames.next_headers())?;
        }
        Ok(())
    }
}

impl Rig for Warm {
    fn contestants(&self) -> &'static [Contestant] {
        &[Contestant::Bare, Contestant::Hand, Contestant::Capsule]
    }

    fn turn(&mut self, contestant: Contestant) -> Result<u64> {
        match contestant {
            Contestant::Bare | Contestant::BareCapsule => self.bare()?,
            Contestant::Hand => self.hand()?,
            Contestant::Capsule => self.capsule()?,
        }
        Ok(BUFFERS as u64)
    }
}
