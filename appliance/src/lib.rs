//! The shell of the appliance.
pub mod control;
