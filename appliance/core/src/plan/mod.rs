//! What would change if a configuration were applied, and what would become of live flows?
//!
//! ```text
//!   echo in force, echo planned ────────────► changes: resource by resource, value by value
//!   snapshot in force, snapshot planned ─┐
//!   both configurations ─────────────────┴──► fates: of the flows of each rule and member
//!   live counts per rule and member ────────► shares: how many of each
//! ```
//!
//! The planned snapshot is what the compiler makes of the planned configuration: a copy of the
//! compiler, so that ids, blocks of ports and workers are those that an apply would keep. What ends
//! a flow is read there, and not guessed from the text.
//!
//! Not here: what is valid (`config`), how ids are kept (`compile`), which flows end
//! (`path::find`, whose rules `fates` follows).

mod changes;
mod effects;
mod fates;
mod shares;
#[cfg(test)]
mod tests;

pub use changes::{Changes, changes};
pub use effects::{Effects, effects};
pub use fates::{Before, Fate, Flows, Outlook, Planned, outlooks};
pub use shares::Gauges;
