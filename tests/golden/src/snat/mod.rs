//! What must hold of outbound SNAT at every moment, slow and obvious?
//!
//! ```text
//!   Setting, Step, Step, … ──► Trial ─┬─► Simulation: compiler, workers ──► what was seen
//!                                     └─► Model: lists, linear search ◄──┘  judges it
//! ```
//!
//! The model knows nothing of workers, records, keys or bitmaps. Which ports are whose it reads
//! from the snapshot ([`Allotment`]), and holds that against the configuration; everything else it
//! works out anew. Not here: the exact deal of ports for one configuration, of which text cases
//! speak (`cases/outbound`).

mod allotment;
mod connection;
mod model;
mod setting;
mod step;
mod traffic;
mod trial;

pub use allotment::{Allotment, Block, Share};
pub use model::{Flow, Model, Seen};
pub use setting::{Setting, Way};
pub use step::{Step, steps};
pub use traffic::{Packet, Segment};
pub use trial::Trial;
