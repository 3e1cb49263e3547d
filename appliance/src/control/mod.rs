//! What does the control lcore do while the workers forward?
//!
//! Not here: what is decided with what it learns (`weir-core`).

pub mod probe;
pub mod socket;
pub mod twin;
