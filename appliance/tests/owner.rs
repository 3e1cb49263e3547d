//! Does the owner function agree with DPDK's own Toeplitz hash?
//!
//! A failure prints the seed; `SEED=… cargo test -p weir --test owner` repeats the run.
//!
//! Not here: whether a NIC agrees (`tests/igb`).
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test may fail, and says its seed")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use weir_core::policy::{OwnerFunction, RSS_KEY_BYTES};

const KEYS: usize = 100;
const FLOWS: usize = 1_000;

/// Random numbers that a seed repeats (SplitMix64).
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |it| it.as_nanos());
        #[allow(clippy::cast_possible_truncation, reason = "the fast-moving part")]
        let fresh = || clock() as u64;
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(fresh);
        println!("SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_be_bytes()[0])
    }
}

/// The hash that Weir decides by, and DPDK's over the same fields in the order of the wire.
fn both(owner: &OwnerFunction, key: &[u8], ends: [IpAddr; 2], ports: [u16; 2]) -> [u32; 2] {
    let mut bytes = Vec::new();
    for end in ends {
        match end {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    ports.iter().for_each(|port| bytes.extend(port.to_be_bytes()));
    let words: Vec<u32> =
        bytes.as_chunks::<4>().0.iter().map(|it| u32::from_be_bytes(*it)).collect();
    let ours = owner.hash(ends[0].into(), ends[1].into(), ports[0], ports[1]);
    [ours, dpdk::toeplitz(&words, key).expect("the key is long enough")]
}

#[test]
fn the_owner_function_hashes_as_dpdk_does() {
    let mut random = Random::seeded();
    for _ in 0..KEYS {
        let key: [u8; RSS_KEY_BYTES] = random.bytes();
        let owner = OwnerFunction::new(&key, 4);
        for _ in 0..FLOWS {
            let ports = [random.bytes(), random.bytes()].map(u16::from_be_bytes);
            let v4 = [random.bytes(), random.bytes()].map(|it| Ipv4Addr::from(it).into());
            let v6 = [random.bytes(), random.bytes()].map(|it| Ipv6Addr::from(it).into());
            for ends in [v4, v6] {
                let [ours, theirs] = both(&owner, &key, ends, ports);
                assert_eq!(ours, theirs, "{ends:?} {ports:?} under {key:02x?}");
            }
        }
    }
}
