<<<<<<< HEAD
//! The shell of the appliance.
=======
//! How does the appliance run? The shell around `weir-core`: threads, devices, sockets, clock.
//!
//! Not here: decisions (`weir-core`).

>>>>>>> twin
pub mod control;
