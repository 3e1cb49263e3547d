<<<<<<< HEAD
//! What does the control lcore do while the workers forward?
//!
//! Not here: what is decided with what it learns (`weir-core`).

pub mod probe;
pub mod socket;
=======
//! What does the control lcore do beside forwarding?
//!
//! Not here: workers.

pub mod twin;
>>>>>>> twin
