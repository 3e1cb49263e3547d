//! What does one warm packet cost in instructions, without a device?
//!
//! Run under `valgrind --tool=callgrind`; see `perf/budget.md`.
fn main() {}
