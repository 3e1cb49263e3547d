//! What do these bytes say? Headers as they stand on the wire, and the checksums over them.
//!
//! ```text
//!   frame ─► parse() ─► Parsed: offsets and the tuple, nothing decided
//!              │
//!   ethernet · ipv4 · ipv6 · tcp · udp · icmp · arp · neighbour_discovery: typed views
//!   (zerocopy), no judgement
//!   plain, plain_v4, plain_v6: the frames that nearly all are, read at fixed places
//!   translate: one end of a packet replaced; quoted: that of a packet inside an ICMP error
//!   checksum: RFC 1624 updates by precomputed deltas
//!   compose: headers of packets that Weir makes itself
//! ```
//!
//! Network byte order ends here: fields are `zerocopy::big_endian` types, everything past this
//! room is in host order. Not here: what to do with a packet (`path`).

pub mod arp;
pub mod checksum;
pub mod compose;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod neighbour_discovery;
mod parse;
pub mod plain;
mod plain_v4;
mod plain_v6;
pub mod quoted;
pub mod tcp;
pub mod translate;
pub mod udp;

pub use checksum::{Change, Delta, Share};
pub use parse::{Content, Malformed, Parsed, ProtocolNumber, parse};
pub use plain::{Head, PlainFrame};
pub use plain_v4::PlainIpv4;
pub use plain_v6::PlainIpv6;
pub use translate::{End, PlainTranslation, Translation};
