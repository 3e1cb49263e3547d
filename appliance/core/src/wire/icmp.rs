//! How does an ICMP message look (RFC 792, RFC 4443), and which of them quote a packet?

/// Bytes of the header in front of a quoted packet.
pub const HEADER_LENGTH: usize = 8;

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
