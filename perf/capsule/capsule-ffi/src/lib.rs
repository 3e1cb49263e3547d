//! What does capsule 0.1.5 want of DPDK?
//!
//! ```text
//! capsule ─► capsule-ffi: declarations by bindgen, inline functions by shim.c
//!                 └─► dpdk-sys: finds DPDK, links it, starts and ends EAL
//! ```
//!
//! It stands in for the package of the same name that capsule was published with, which is made
//! for DPDK 19.11 alone. The list of names in `build.rs` is what the compiler asks for when it
//! compiles capsule without its optional parts.
//!
//! Not here: starting EAL. [`dpdk::Eal`] must live before and while capsule is used.

#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    reason = "all of it is generated, and follows C's names and bindgen's habits"
)]

// It brings the libraries; nothing of it is named here.
use dpdk as _;

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
