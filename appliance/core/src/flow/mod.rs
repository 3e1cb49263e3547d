//! What does one worker remember? Its flows, their timers and its outbound ports.
//!
//! ```text
//!   Key ─► FlowTable ─► Entry (64 bytes: key, state, last seen, ids)
//!             │            ├─ inbound:  one record for both directions
//!             │            └─ outbound: two records, one per direction, that know each other
//!             │            └─ reservation: the port of an endpoint-independent mapping
//!             └─ TimingWheel, linked through the entries
//!   OutboundPorts: which ports are taken, and towards whom
//! ```
//!
//! Nothing here is shared and nothing allocates after start. Entries hold ids, never addresses
//! of next hops or MACs. Not here: who decides that a flow begins (`path::decide`) or which
//! worker owns it (`policy::steer`).

mod entry;
pub mod key;
mod ports;
mod table;
mod tcp;
mod timers;

pub use entry::Entry;
pub use key::{FlowKey, Kind};
pub use ports::{Block, Holder, OutboundPorts, TakeError, Towards};
pub use table::FlowTable;
pub use tcp::{Side, TcpState};
pub use timers::{IDLE_TICKS_MAX, inbound_ticks};
