//! How does the appliance run? The shell around `weir-core`: threads, devices, sockets, clock.
//!
//! Not here: decisions (`weir-core`).

pub mod control;
