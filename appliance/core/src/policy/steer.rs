//! Which worker owns a packet's flow?
//!
//! | packet | owner |
//! |---|---|
//! | client → frontend endpoint | `of_flow(client, frontend)` |
//! | member → client, source is an endpoint | `of_flow` of the same pair, by the reverse map |
//! | member → client, endpoint of several rules | its own drop reason |
//! | source is a frontend (floating IP) | its own drop reason |
//! | member → outside | the worker that holds the member's ports (`OutboundMapping::worker`) |
//! | outside → outbound address | the worker of the port's granule (`Granule`) |
//! | ICMP error | that of the packet which would come from where the quoted one went |
//! | fragment | `of_fragment`; its own drop reason |
//! | untracked UDP, routed | stateless: whoever has it |
//! | to or from a member's own public address, fragments too | stateless: whoever has it |
//!
//! `of_flow` is the Toeplitz hash that NICs compute for receive-side scaling, over the fields
//! that the front NIC itself hashes, with the key that the NIC was given: on such a NIC the
//! client's packets arrive where they belong. `path::steer` walks this table.

use crate::units::{Address, WorkerId};

/// Bytes of a key for receive-side scaling: enough for two IPv6 addresses and two ports.
pub const RSS_KEY_BYTES: usize = 40;
/// Bytes of input: two IPv6 addresses and two ports.
const INPUT_BYTES: usize = 36;
/// Entries of the indirection table. A longer one of a NIC repeats it; for a shorter one it repeats
/// that of the NIC ([`OwnerFunction::with_entries`]).
pub const INDIRECTION_ENTRIES: usize = 128;

/// The function from flows to the workers that own them.
#[derive(Debug)]
pub struct OwnerFunction {
    workers: u8,
    /// For each input byte's position and value, what it contributes to the hash.
    contributions: Box<[[u32; 256]; INPUT_BYTES]>,
    indirection: [WorkerId; INDIRECTION_ENTRIES],
}

impl OwnerFunction {
    /// The owner function under `key` for `workers` workers, at least one.
    #[must_use]
    pub fn new(key: &[u8; RSS_KEY_BYTES], workers: u8) -> Self {
        Self::with_entries(key, workers, INDIRECTION_ENTRIES)
    }

    /// The same where the shortest indirection table among the NICs has so many entries: workers
    /// are dealt over these, a power of two, in turn.
    #[must_use]
    pub fn with_entries(key: &[u8; RSS_KEY_BYTES], workers: u8, entries: usize) -> Self {
        let (workers, entries) = (workers.max(1), entries.max(1));
        let mut contributions = Box::new([[0; 256]; INPUT_BYTES]);
        for (position, table) in contributions.iter_mut().enumerate() {
            for (value, contribution) in (0u8..=255).zip(table) {
                *contribution = (0..8)
                    .filter(|bit| value << bit & 0x80 != 0)
                    .fold(0, |hash, bit| hash ^ window(key, position * 8 + bit));
            }
        }
        #[allow(clippy::cast_possible_truncation, reason = "a remainder below 256")]
        let indirection =
            std::array::from_fn(|entry| WorkerId((entry % entries % usize::from(workers)) as u8));
        Self { workers, contributions, indirection }
    }

    /// How many workers there are.
    #[must_use]
    pub const fn workers(&self) -> u8 {
        self.workers
    }

    /// The indirection table as a NIC wants it: queue numbers are worker numbers.
    #[must_use]
    pub const fn indirection(&self) -> &[WorkerId; INDIRECTION_ENTRIES] {
        &self.indirection
    }

    /// The owner of a flow between a client and a frontend endpoint, ports in host order.
    #[must_use]
    #[inline]
    pub fn of_flow(
        &self,
        client: Address,
        client_port: u16,
        frontend: Address,
        frontend_port: u16,
    ) -> WorkerId {
        if self.workers == 1 {
            return WorkerId(0);
        }
        self.indirect(self.hash(client, frontend, client_port, frontend_port))
    }

    /// What a frontend endpoint adds to the hash of each of its flows: the hash is linear.
    #[must_use]
    pub fn frontend_share(&self, frontend: Address, frontend_port: u16) -> u32 {
        let nobody = if frontend.is_v4() { Address::from_v4_bits(0) } else { Address::default() };
        self.hash(nobody, frontend, 0, frontend_port)
    }

    /// The owner of a flow between a client and a frontend endpoint with this share.
    #[must_use]
    #[inline]
    pub fn of_client(&self, client: Address, client_port: u16, frontend_share: u32) -> WorkerId {
        if self.workers == 1 {
            WorkerId(0)
        } else if client.is_v4() {
            self.of_client_v4(client.v4_bits(), client_port, frontend_share)
        } else {
            self.of_client_v6(client, client_port, frontend_share)
        }
    }

    /// The owner of a flow between an IPv4 client and a frontend endpoint with this share.
    #[must_use]
    #[inline]
    pub fn of_client_v4(&self, client: u32, client_port: u16, frontend_share: u32) -> WorkerId {
        let [high, low] = client_port.to_be_bytes();
        let port = self.contributions[8][high as usize] ^ self.contributions[9][low as usize];
        self.indirect(self.word(0, client) ^ port ^ frontend_share)
    }

    /// The owner of a flow between an IPv6 client and a frontend endpoint with this share.
    #[must_use]
    #[inline]
    pub fn of_client_v6(&self, client: Address, client_port: u16, frontend_share: u32) -> WorkerId {
        let [high, low] = client_port.to_be_bytes();
        let port = self.contributions[32][high as usize] ^ self.contributions[33][low as usize];
        let address = self.double_word(0, client.high) ^ self.double_word(8, client.low);
        self.indirect(address ^ port ^ frontend_share)
    }

    /// The owner of a fragment until its flow is known.
    #[must_use]
    pub fn of_fragment(
        &self,
        source: Address,
        destination: Address,
        identification: u16,
        protocol: u8,
    ) -> WorkerId {
        self.indirect(self.hash(source, destination, identification, u16::from(protocol)))
    }

    /// The Toeplitz hash over source, destination and ports, in the order of the RSS
    /// specification.
    #[must_use]
    #[inline]
    pub fn hash(
        &self,
        source: Address,
        destination: Address,
        source_port: u16,
        destination_port: u16,
    ) -> u32 {
        let ports = u32::from(source_port) << 16 | u32::from(destination_port);
        if source.is_v4() {
            self.word(0, source.v4_bits())
                ^ self.word(4, destination.v4_bits())
                ^ self.word(8, ports)
        } else {
            self.double_word(0, source.high)
                ^ self.double_word(8, source.low)
                ^ self.double_word(16, destination.high)
                ^ self.double_word(24, destination.low)
                ^ self.word(32, ports)
        }
    }

    #[inline]
    fn word(&self, at: usize, word: u32) -> u32 {
        let [a, b, c, d] = word.to_be_bytes();
        self.contributions[at][a as usize]
            ^ self.contributions[at + 1][b as usize]
            ^ self.contributions[at + 2][c as usize]
            ^ self.contributions[at + 3][d as usize]
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
    fn double_word(&self, at: usize, word: u64) -> u32 {
        self.word(at, (word >> 32) as u32) ^ self.word(at + 4, word as u32)
    }

    #[inline]
    fn indirect(&self, hash: u32) -> WorkerId {
        self.indirection[hash as usize % INDIRECTION_ENTRIES]
    }
}

/// The 32 bits of the key that begin at bit `at`.
fn window(key: &[u8; RSS_KEY_BYTES], at: usize) -> u32 {
    let byte = |index: usize| u64::from(key.get(index).copied().unwrap_or(0));
    let first = at / 8;
    let wide = (0..5).fold(0, |wide, index| wide << 8 | byte(first + index));
    #[allow(clippy::cast_possible_truncation, reason = "the 32 bits asked for")]
    let bits = (wide >> (8 - at % 8)) as u32;
    bits
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    /// The key and vectors that Microsoft publishes to verify the RSS hash calculation.
    const KEY: [u8; RSS_KEY_BYTES] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f,
        0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn the_published_vectors_of_rss_come_out() {
        let owner = OwnerFunction::new(&KEY, 4);
        let cases = [
            ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x51cc_c178),
            ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626_b0ea),
            ("24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b_394a),
            ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x4020_7d3d),
            ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0xdde5_1bbf),
        ];
        for (source, source_port, destination, destination_port, expected) in cases {
            let hash =
                owner.hash(address(source), address(destination), source_port, destination_port);
            assert_eq!(hash, expected, "{source}");
        }
    }

    #[test]
    fn a_frontends_share_and_the_client_make_the_whole_hash() {
        let owner = OwnerFunction::new(&KEY, 7);
        for number in 0..2_000u32 {
            let (client, port) =
                (number.wrapping_mul(0x9e37_79b9), 1024 + (number % 60_000) as u16);
            let frontend = Address::from_v4_bits(0xcb00_7100 + number % 7);
            let share = owner.frontend_share(frontend, 80);
            let whole = owner.of_flow(Address::from_v4_bits(client), port, frontend, 80);
            assert_eq!(owner.of_client_v4(client, port, share), whole);
            let wide = Address { high: 0x2001_0db8 << 32 | u64::from(number), low: client.into() };
            let frontend = address("2001:db8:53::10");
            let share = owner.frontend_share(frontend, 80);
            let whole = owner.of_flow(wide, port, frontend, 80);
            assert_eq!(owner.of_client_v6(wide, port, share), whole);
        }
    }

    #[test]
    fn workers_share_flows_evenly() {
        let owner = OwnerFunction::new(&KEY, 3);
        let mut shares = [0u32; 3];
        for port in 1024..31_024 {
            let frontend = address("203.0.113.10");
            let worker = owner.of_flow(address("192.0.2.1"), port, frontend, 80);
            shares[worker.index()] += 1;
        }
        assert!(shares.iter().all(|share| (9_000..11_500).contains(share)), "{shares:?}");
    }
}
