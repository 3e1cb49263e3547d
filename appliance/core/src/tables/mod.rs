//! Which containers does the data path stand on? They know nothing of networks.
//!
//! | container | for | look-up costs |
//! |---|---|---|
//! | [`Filter`] | addresses that may be ours | one bit |
//! | [`FlatMap`] | what a snapshot names: endpoints, members, addresses | one probe, rarely two |
//! | [`Lpm`] | routes | one to three array reads |
//! | [`LpmV6`] | the same for 128 bits | one probe, or two or three |
//! | [`Bitmap`] | eligibility | one word |
//! | [`RecordMap`] | a worker's flows: 64-byte records in place | one random cache line |
//! | [`TimingWheel`] | silence | none until the time has come |
//! | [`Region`] | the memory of records, on the largest pages to be had | – |
//!
//! Keys are three 64-bit words: an address of either family, and one word for ports, protocol and
//! id; or one word, where an IPv4 address and the rest fit in. Not here: what the words mean
//! (`flow::key`, `policy`).

mod bitmap;
mod filter;
mod flat_map;
mod hash;
mod lpm;
mod lpm_v6;
#[allow(unsafe_code, reason = "prefetch instructions have no safe form; see docs/unsafe.md")]
pub mod prefetch;
mod record_map;
#[allow(unsafe_code, reason = "records in mapped memory; see docs/unsafe.md")]
mod region;
mod timing_wheel;

pub use bitmap::Bitmap;
pub use filter::Filter;
pub use flat_map::{FlatKey, FlatMap};
pub use hash::{Hasher, Key, ShortKey, is_zero, mix, same, same_short};
pub use lpm::Lpm;
pub use lpm_v6::{LpmV6, Wide};
pub use record_map::{Full, Record, RecordMap};
pub use region::{PageRequest, Pages, Region};
pub use timing_wheel::{Links, TimingWheel};
