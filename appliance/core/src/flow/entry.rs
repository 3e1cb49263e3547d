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
    /// Inbound: the member that serves it. Outbound and reservation: the outbound address. Outbound
    /// reply: the member.
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
    /// Outbound and reservation: the port taken. Outbound reply: the member's source port.
    pub target_port: u16,
    neighbours: u16,
    /// TCP's state; nothing for others.
    pub tcp: TcpState,
    flags: u8,
    reserved: [u8; 2],
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
            flags: 0,
            reserved: [0; 2],
        }
    }
}

/// What is special about a record.
impl Entry {
    /// The flow's port was found by another of the member's workers.
    const STUB: u8 = 1;
    /// The flow's port is its member's port's alone.
    const RESERVED: u8 = 2;
    /// More remote ports are admitted than there is room to note.
    const ANY_REMOTE_PORT: u8 = 4;

    /// This record with a note that the flow's port was found by another of the member's workers,
    /// where the flow's packets must go.
    #[must_use]
    pub const fn into_stub(mut self) -> Self {
        self.flags |= Self::STUB;
        self
    }

    /// Whether the flow itself is another worker's.
    #[must_use]
    #[inline]
    pub const fn is_stub(&self) -> bool {
        self.flags & Self::STUB != 0
    }

    /// This record with a note that its port is reserved for the member's port.
    #[must_use]
    pub const fn with_reservation(mut self) -> Self {
        self.flags |= Self::RESERVED;
        self
    }

    /// Whether the flow has its port by a reservation.
    #[must_use]
    pub const fn has_reservation(&self) -> bool {
        self.flags & Self::RESERVED != 0
    }

    /// Flows of a reservation, which has no use for a sequence number.
    #[must_use]
    pub const fn flows(&self) -> u32 {
        self.opener_expects.get()
    }

    /// Notes how many flows a reservation has.
    pub fn set_flows(&mut self, flows: u32) {
        self.opener_expects = flows.into();
    }

    /// Whether the member of a UDP mapping has sent to this port of the remote host. Port 0, which
    /// stands for none, is never said to be one.
    #[must_use]
    #[inline]
    pub fn admits(&self, remote_port: u16) -> bool {
        let is_noted = remote_port != 0 && self.remote_ports().contains(&remote_port);
        self.flags & Self::ANY_REMOTE_PORT != 0 || is_noted
    }

    /// Notes that the member of a UDP mapping has sent to this port of the remote host. From the
    /// fifth port on all of the host's are admitted: a filter by address (RFC 4787 §5).
    pub fn admit(&mut self, remote_port: u16) {
        let mut ports = self.remote_ports();
        if remote_port == 0 || ports.contains(&remote_port) {
            return;
        }
        match ports.iter_mut().find(|port| **port == 0) {
            Some(free) => *free = remote_port,
            None => self.flags |= Self::ANY_REMOTE_PORT,
        }
        let word = |first: u16, second: u16| u32::from(first) << 16 | u32::from(second);
        self.opener_expects = word(ports[0], ports[1]).into();
        self.responder_expects = word(ports[2], ports[3]).into();
    }

    /// The ports of the remote host that a UDP mapping was used towards, 0 for none: they stand
    /// where a TCP connection has what its ends acknowledged.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the halves of a word")]
    pub const fn remote_ports(&self) -> [u16; 4] {
        let (first, second) = (self.opener_expects.get(), self.responder_expects.get());
        [(first >> 16) as u16, first as u16, (second >> 16) as u16, second as u16]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_remote_ports_are_told_apart_and_from_the_fifth_on_all_are_admitted() {
        let mut entry = Entry::default();
        assert!(!entry.admits(0), "there are no ports, and 0 is none of them");
        for port in [53, 443, 0, 53, 65_535, 7] {
            entry.admit(port);
        }
        assert_eq!(entry.remote_ports(), [53, 443, 65_535, 7]);
        assert!(entry.admits(7) && !entry.admits(8));
        entry.admit(9);
        assert!(entry.admits(8) && entry.admits(53));
    }
}
