//! The Weir daemon.

fn main() {}
