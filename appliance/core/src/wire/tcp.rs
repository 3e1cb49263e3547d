//! How does a TCP header look (RFC 9293 §3.1)?

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header without options.
pub const HEADER_LENGTH: usize = 20;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 16;
/// Where the flags stand in a header.
pub const FLAGS_OFFSET: usize = 13;

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// Synchronise sequence numbers: a connection opens.
pub const SYN: u8 = 0x02;
/// Reset the connection.
pub const RST: u8 = 0x04;
/// The acknowledgement field counts.
pub const ACK: u8 = 0x10;

/// A TCP header without its options, 20 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TcpHeader {
    /// The sender's port.
    pub source_port: U16,
    /// The receiver's port.
    pub destination_port: U16,
    /// The sequence number of the first byte of the segment.
    pub sequence: U32,
    /// The next sequence number that the sender expects.
    pub acknowledgement: U32,
    /// Header length in 32-bit words in the upper four bits.
    pub data_offset: u8,
    /// `FIN`, `SYN`, `RST`, `ACK` and others.
    pub flags: u8,
    /// What the sender is ready to receive.
    pub window: U16,
    /// Internet checksum over pseudo-header, header and payload.
    pub checksum: U16,
    /// Where urgent data ends.
    pub urgent: U16,
}

impl TcpHeader {
    /// Bytes of this header with its options, as it claims.
    #[must_use]
    pub const fn header_length(&self) -> usize {
        (self.data_offset >> 4) as usize * 4
    }
}
