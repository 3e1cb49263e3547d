//! How does an ICMP message look (RFC 792, RFC 4443), and which of them quote a packet?

/// Bytes of the header in front of a quoted packet.
pub const HEADER_LENGTH: usize = 8;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 2;

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
