//! The Weir appliance: a layer-4 load balancer and outbound NAT gateway on DPDK.

use std::process::ExitCode;

use clap::Parser;

/// Counts what workers allocate, which must be nothing.
#[global_allocator]
static ALLOCATOR: dpdk::heap::CountingAllocator = dpdk::heap::CountingAllocator;

fn main() -> ExitCode {
    weir::boot::run(&weir::boot::Arguments::parse())
}
