//! What do these bytes say? Headers as they stand on the wire, and the checksums over them.
//!
//! ```text
//!   frame ─► parse() ─► Parsed: offsets and the tuple, nothing decided
//!              │
//!   ethernet · ipv4 · tcp · udp · icmp · arp: typed views (zerocopy), no judgement
//!   checksum: RFC 1624 updates by precomputed deltas
//! ```
//!
//! Network byte order ends here: fields are `zerocopy::big_endian` types, everything past this
//! room is in host order. Not here: what to do with a packet (`path`).

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
mod parse;
pub mod tcp;
pub mod udp;

pub use checksum::Delta;
pub use parse::{Content, Malformed, Parsed, ProtocolNumber, parse};
