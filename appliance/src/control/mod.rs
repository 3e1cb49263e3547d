//! What does the control lcore do beside forwarding?
//!
//! Not here: workers.

pub mod twin;
