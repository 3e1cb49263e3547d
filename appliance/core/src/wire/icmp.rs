//! How does an ICMP message look (RFC 792, RFC 4443), which of them quote a packet, and which have
//! an identifier?

/// Bytes of the header in front of a quoted packet.
pub const HEADER_LENGTH: usize = 8;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 2;
/// Where the identifier stands in the header of a query.
pub const IDENTIFIER_OFFSET: usize = 4;

/// A message that tells whether a host is there (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Type 8: asks for a reply with the same identifier, sequence number and data.
    Request,
    /// Type 0: the answer.
    Reply,
}

/// Which echo message of IPv4 this is, if it is one, and its identifier.
#[must_use]
pub fn echo(message: &[u8]) -> Option<(Echo, u16)> {
    let [kind, code, _, _, high, low, ..] = *message.first_chunk::<HEADER_LENGTH>()?;
    let echo = match (kind, code) {
        (8, 0) => Echo::Request,
        (0, 0) => Echo::Reply,
        _ => return None,
    };
    Some((echo, u16::from_be_bytes([high, low])))
}

/// Whether a message of this type quotes the packet that caused it: destination unreachable,
/// source quench, redirect, time exceeded, parameter problem (RFC 1122 §3.2.2).
#[must_use]
pub const fn is_error(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// Whether an ICMPv6 message of this type quotes the packet that caused it (RFC 4443 §2.1).
#[must_use]
pub const fn is_error_v6(kind: u8) -> bool {
    kind < 128
}

/// Whether an error of this type concerns the two ends of a flow. Not source quench, which nobody
/// sends any more (RFC 6633), and not redirect, which is for hosts on one link (RFC 792).
#[must_use]
pub const fn is_end_to_end(kind: u8) -> bool {
    is_error(kind) && !matches!(kind, 4 | 5)
}

/// The same of ICMPv6: destination unreachable, packet too big, time exceeded, parameter problem
/// (RFC 4443 §3).
#[must_use]
pub const fn is_end_to_end_v6(kind: u8) -> bool {
    matches!(kind, 1..=4)
}
