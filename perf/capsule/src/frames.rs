//! Which packets come by?
//!
//! Requests and replies in turn, of 128 clients, whole and with right checksums, so that both
//! contestants must end with the same bytes. Only the headers are written again and again: the
//! payload of all of them is the same, and stays in the buffer.

use weir_core::tables::mix;
use weir_core::wire::checksum::{add, pseudo_header_v4, sum};

use crate::balancer::{FRONTEND, FRONTEND_PORT, MEMBER_PORT, MEMBERS, OWN_MAC, member};

/// Bytes of a frame's headers: Ethernet, IPv4 and TCP without options.
pub const HEADERS: usize = 54;

/// How many clients there are.
pub const CLIENTS: u32 = 128;

/// One end of a connection: address and port.
pub type End = (u32, u16);

/// An endless sequence of frames of one length.
#[derive(Clone, Debug)]
pub struct Frames {
    headers: Box<[[u8; HEADERS]]>,
    next: usize,
    length: usize,
}

impl Frames {
    /// Frames of `length` bytes, as DPDK counts them: without the check sequence. At least 60.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let headers = (0..CLIENTS).flat_map(|number| {
            let request = frame(client(number), (FRONTEND, FRONTEND_PORT), length);
            let member = member(number.to_le_bytes()[0] % MEMBERS);
            let reply = frame((member.address, MEMBER_PORT), client(number), length);
            [headers_of(&request), headers_of(&reply)]
        });
        Self { headers: headers.collect(), next: 0, length }
    }

    /// A whole frame: what a buffer holds before the first headers are written.
    #[must_use]
    pub fn whole(&self) -> Vec<u8> {
        self.whole_of(0)
    }

    /// Frame `number` of the sequence, which comes around.
    #[must_use]
    pub fn whole_of(&self, number: usize) -> Vec<u8> {
        let mut bytes = vec![PAYLOAD; self.length];
        bytes[..HEADERS].copy_from_slice(&self.headers[number % self.headers.len()]);
        bytes
    }

    /// How many frames there are before they come around again.
    #[must_use]
    pub fn count(&self) -> usize {
        self.headers.len()
    }

    /// The next frame's headers.
    #[inline]
    pub fn next_headers(&mut self) -> &[u8; HEADERS] {
        let current = self.next;
        self.next = if current + 1 < self.headers.len() { current + 1 } else { 0 };
        &self.headers[current]
    }
}

/// A whole frame to us of `length` bytes: an acknowledgement with payload, and right checksums.
#[must_use]
pub fn frame(from: End, to: End, length: usize) -> Vec<u8> {
    let mut bytes = vec![PAYLOAD; length];
    bytes[..6].copy_from_slice(&OWN_MAC);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 9, 0, 1]);
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14..34].copy_from_slice(&ipv4(from.0, to.0, length - 14));
    bytes[34..36].copy_from_slice(&from.1.to_be_bytes());
    bytes[36..38].copy_from_slice(&to.1.to_be_bytes());
    bytes[38..54].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    let segment = sum(&bytes[34..]);
    let pseudo = pseudo_header_v4(from.0, to.0, TCP, short(length - 34));
    bytes[50..52].copy_from_slice(&(!add(segment, pseudo)).to_be_bytes());
    bytes
}

fn ipv4(from: u32, to: u32, length: usize) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&short(length).to_be_bytes());
    bytes[6] = 0x40;
    bytes[8] = 64;
    bytes[9] = TCP;
    bytes[12..16].copy_from_slice(&from.to_be_bytes());
    bytes[16..20].copy_from_slice(&to.to_be_bytes());
    let checksum = !sum(&bytes);
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn headers_of(frame: &[u8]) -> [u8; HEADERS] {
    let mut headers = [0; HEADERS];
    headers.copy_from_slice(&frame[..HEADERS]);
    headers
}

fn client(number: u32) -> End {
    let [low, high, ..] = mix(u64::from(number) + 1, 0x9e37_79b9_7f4a_7c15).to_le_bytes();
    (0x1400_0000 + number, 1024 | u16::from_le_bytes([low, high]))
}

/// Lengths of a frame fit 16 bits.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

const TCP: u8 = 6;
/// Every byte of it.
const PAYLOAD: u8 = 0xa5;
