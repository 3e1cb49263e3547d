//! The appliance's process.
fn main() {}
