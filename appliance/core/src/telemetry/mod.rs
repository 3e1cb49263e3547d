//! Which outcomes and counters exist, and what are they called?
//!
//! One list ([`catalogue`]) gives every counter its slot, name and help; drop reasons and punt
//! classes are part of it. A worker writes its own [`Counters`] and [`ObjectCounters`], and the
//! control side reads them. Names follow one grammar: *direction_reason_unit*.
//!
//! Accounting identity, for the sum over all workers at rest (`in flight = 0`):
//!
//! ```text
//!   rx_packets + rx_kernel_packets + originated_packets
//!     = tx_packets + answered_packets + punted_packets + dropped_packets
//!   handoff_out_packets = handoff_in_packets
//! ```
//!
//! Not here: how counters are shown (`api`, `render`).

mod catalogue;
mod counters;
mod objects;
mod outbound;
mod port_use;

pub use catalogue::{Counter, DropReason, PuntClass};
pub use counters::{Counters, Totals};
pub use objects::{ObjectCounters, ObjectTotals, PacketCounters};
pub use outbound::{OutboundCounters, OutboundTotals};
pub use port_use::PortUse;
