//! What is remembered of one flow, in one cache line?

use zerocopy::big_endian::U32;

use super::tcp::TcpState;
use crate::tables::{Key, Record, ShortKey, same_short};
use crate::units::{Generation, Tick};

/// The link of an entry that has no partner, or stands in no list.
pub(super) const NONE: u32 = u32::MAX;

/// One record, 64 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Entry {
    /// What identifies the flow; all zeroes in a free slot.
    pub key: Key,
    /// When its last packet came.
    pub last_seen: Tick,
    /// The generation it was created or last checked in.
    pub generation: Generation,
    /// Inbound: the member that serves it. Outbound: the outbound address. Outbound reply: the
    /// member.
    pub target: u32,
    /// Outbound: the slot of the other direction's record.
    pub(super) partner: u32,
    /// What the opening side last acknowledged: the sequence number it expects next, as it stands
    /// on the wire.
    pub opener_expects: U32,
    /// What the responding side last acknowledged.
    pub responder_expects: U32,
    pub(super) next: u32,
    pub(super) previous: u32,
    /// Outbound: the port taken. Outbound reply: the member's source port.
    pub target_port: u16,
    neighbours: u16,
    /// TCP's state; nothing for UDP.
    pub tcp: TcpState,
    reserved: [u8; 3],
}

const _: () = assert!(size_of::<Entry>() == 64);

impl Entry {
    /// Whether this is the record of an IPv4 flow under `key`.
    #[must_use]
    #[inline]
    pub const fn is(&self, key: ShortKey) -> bool {
        same_short(&self.key, key)
    }

    /// A record of a flow that begins now.
    #[must_use]
    #[inline]
    pub const fn new(
        key: Key,
        target: u32,
        target_port: u16,
        tcp: TcpState,
        now: Tick,
        generation: Generation,
    ) -> Self {
        Self {
            key,
            last_seen: now,
            generation,
            target,
            partner: NONE,
            opener_expects: U32::ZERO,
            responder_expects: U32::ZERO,
            next: NONE,
            previous: NONE,
            target_port,
            neighbours: 0,
            tcp,
            reserved: [0; 3],
        }
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new([0; 3], 0, 0, TcpState::NEW, Tick(0), Generation(0))
    }
}

impl Record for Entry {
    #[inline]
    fn key(&self) -> &Key {
        &self.key
    }

    #[inline]
    fn neighbours(&self) -> u16 {
        self.neighbours
    }

    #[inline]
    fn set_neighbours(&mut self, bits: u16) {
        self.neighbours = bits;
    }
}
