//! Which packets arrive, in which order?

use anyhow::Context;
use dpdk::{Source, SourceStep, TEMPLATE, Template};

use crate::world;

/// Steps of a measured sequence. The same for every scenario and every rival, so that reading
/// them costs the same.
pub const STEPS: usize = 1 << 22;
/// Bytes of the frames of a 64-byte scenario, as DPDK counts them: without the check sequence.
pub const FRAME: u16 = 64;

/// The simple IMIX: frame lengths without the check sequence, and how many of twelve have them.
/// With it they are 68, 594 and 1,518 bytes; 64 is the shortest that every scenario here has.
pub const IMIX: [(u16, usize); 3] = [(FRAME, 7), (590, 4), (1514, 1)];
/// Bytes of a mean frame of [`IMIX`].
pub const IMIX_MEAN: u32 = 360;

/// TCP flags.
pub const FIN: u8 = 1;
/// TCP flags.
pub const SYN: u8 = 2;
/// TCP flags.
pub const PUSH: u8 = 8;
/// TCP flags.
pub const ACK: u8 = 16;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where one end of a packet stands: address and port.
pub type End = (u32, u16);

/// One flow's client, or a member's peer.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "below 2^28 flows")]
pub const fn client(flow: usize) -> End {
    (0x1400_0000 + (flow / 4) as u32, 20_000 + (flow % 4) as u16 * 7_919)
}

/// A kind of packet: everything but what a step patches.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// TCP flags; `None` for UDP.
    pub flags: Option<u8>,
    /// Source address and port.
    pub from: End,
    /// Destination address and port.
    pub to: End,
    /// Where the step's address goes: to the source or the destination.
    pub address: Side,
    /// Where the step's port goes.
    pub port: Side,
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

impl Kind {
    /// From a client to a frontend port; the step names the client.
    #[must_use]
    pub const fn request(flags: Option<u8>, port: u16) -> Self {
        let to = (world::FRONTEND, port);
        Self { flags, from: (0, 0), to, address: Side::Source, port: Side::Source }
    }

    /// From a member's port to a client, whom the step names.
    #[must_use]
    pub const fn reply(flags: Option<u8>, member: u32, port: u16) -> Self {
        let from = (world::member(member), port);
        Self { flags, from, to: (0, 0), address: Side::Destination, port: Side::Destination }
    }

    /// A whole frame of [`FRAME`] bytes, patched for `end`.
    #[must_use]
    pub fn frame(&self, end: End) -> [u8; TEMPLATE] {
        let mut bytes = self.bytes(FRAME);
        let (address, port) = (self.address.place().0, self.port.place().1);
        bytes[address..address + 4].copy_from_slice(&end.0.to_be_bytes());
        bytes[port..port + 2].copy_from_slice(&end.1.to_be_bytes());
        bytes
    }

    /// The template of frames of `length` bytes.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "places within a header")]
    pub fn template(&self, length: u16) -> Template {
        let (address, port) = (self.address.place().0, self.port.place().1);
        Template::new(self.bytes(length), length, address as u16, port as u16)
    }

    fn bytes(&self, length: u16) -> [u8; TEMPLATE] {
        let mut bytes = [0; TEMPLATE];
        bytes[..6].copy_from_slice(&world::mac().0);
        bytes[6..12].copy_from_slice(&[2, 0, 0, 9, 0, 1]);
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14] = 0x45;
        bytes[16..18].copy_from_slice(&(length - 14).to_be_bytes());
        bytes[22] = 64;
        bytes[23] = if self.flags.is_some() { TCP } else { UDP };
        bytes[24..26].copy_from_slice(&[0x12, 0x34]);
        bytes[26..30].copy_from_slice(&self.from.0.to_be_bytes());
        bytes[30..34].copy_from_slice(&self.to.0.to_be_bytes());
        bytes[34..36].copy_from_slice(&self.from.1.to_be_bytes());
        bytes[36..38].copy_from_slice(&self.to.1.to_be_bytes());
        match self.flags {
            Some(flags) => {
                bytes[46] = 0x50;
                bytes[47] = flags;
                bytes[50..52].copy_from_slice(&[0x56, 0x78]);
            }
            None => {
                bytes[38..40].copy_from_slice(&(length - 34).to_be_bytes());
                bytes[40..42].copy_from_slice(&[0x56, 0x78]);
            }
        }
        bytes
    }
}

impl Side {
    /// Where its address and its port stand.
    const fn place(self) -> (usize, usize) {
        match self {
            Self::Source => (26, 34),
            Self::Destination => (30, 36),
        }
    }
}

/// A source of these kinds of packets.
///
/// # Errors
/// When a step names a kind that does not exist.
pub fn source(kinds: &[Kind], steps: Vec<SourceStep>) -> anyhow::Result<Source> {
    let templates = kinds.iter().map(|kind| kind.template(FRAME)).collect();
    Source::new(templates, steps).context("the sequence is wrong")
}

/// A source of these kinds of packets, each in every length of [`IMIX`]: length `l` of kind `k` is
/// template [`of_length`]`(k, l)`.
///
/// # Errors
/// As [`source`].
pub fn source_of_imix(kinds: &[Kind], steps: Vec<SourceStep>) -> anyhow::Result<Source> {
    let lengths = |kind: &Kind| IMIX.map(|(length, _)| kind.template(length));
    Source::new(kinds.iter().flat_map(lengths).collect(), steps).context("the sequence is wrong")
}

/// The template of a kind in the `length`-th length of [`IMIX`].
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "three")]
pub const fn of_length(kind: u16, length: u16) -> u16 {
    kind * IMIX.len() as u16 + length
}

/// Which lengths of [`IMIX`] so many packets have, by position in it.
#[must_use]
pub fn draw_lengths(packets: usize) -> Vec<u16> {
    let mut random = Random::new(12);
    let mut one = || {
        let mut point = random.below(IMIX.iter().map(|(_, weight)| weight).sum());
        let mut shorter = |(_, weight): &(u16, usize)| {
            let beyond = point >= *weight;
            point = point.saturating_sub(*weight);
            beyond
        };
        IMIX.iter().take_while(|it| shorter(it)).count()
    };
    (0..packets).map(|_| u16::try_from(one()).unwrap_or(0)).collect()
}

/// What loops without decisions and the rivals receive: clients' requests of `flows` flows.
///
/// # Errors
/// None that can happen with these arguments.
pub fn requests(flows: usize, order: Order) -> anyhow::Result<Source> {
    let step = |flow| {
        let (address, port) = client(flow);
        SourceStep::new(0, address, port)
    };
    let steps = draw(flows, order).into_iter().map(step).collect();
    source(&[Kind::request(Some(ACK), world::WEB.0)], steps)
}

/// In which order flows are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each as likely as any other.
    Uniform,
    /// The n-th as likely as 1/n.
    Zipf,
}

/// `STEPS` flows drawn from `flows`.
#[must_use]
pub fn draw(flows: usize, order: Order) -> Vec<usize> {
    let mut random = Random::new(flows as u64 + 1);
    match order {
        Order::Uniform => (0..STEPS).map(|_| random.below(flows)).collect(),
        Order::Zipf => {
            let mut total = 0.0;
            let cumulative: Vec<f64> = (1..=flows)
                .map(|rank| {
                    total += 1.0 / rank as f64;
                    total
                })
                .collect();
            let mut one = || {
                let point = random.unit() * total;
                cumulative.partition_point(|it| *it < point).min(flows - 1)
            };
            (0..STEPS).map(|_| one()).collect()
        }
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number below `bound`.
    #[allow(clippy::cast_possible_truncation, reason = "below the bound")]
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number in 0..1.
    pub fn unit(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_flow_has_a_client_of_its_own() {
        let clients: BTreeSet<End> = (0..100_000).map(client).collect();
        assert_eq!(clients.len(), 100_000);
    }

    #[test]
    fn half_of_zipfs_draws_are_of_few_flows() {
        let draws = draw(10_000, Order::Zipf);
        let of_few = draws.iter().filter(|flow| **flow < 100).count();
        assert!((0.45..0.62).contains(&(of_few as f64 / STEPS as f64)), "{of_few}");
    }

    #[test]
    fn zipfs_first_flow_is_drawn_twice_as_often_as_its_second() {
        let draws = draw(1_000, Order::Zipf);
        let times = |flow| draws.iter().filter(|it| **it == flow).count() as f64;
        assert!((1.9..2.1).contains(&(times(0) / times(1))), "{} {}", times(0), times(1));
        assert!((9.0..11.0).contains(&(times(0) / times(9))), "{} {}", times(0), times(9));
    }

    #[test]
    fn uniform_draws_leave_no_flow_out_and_prefer_none() {
        let mut times = [0u32; 64];
        draw(64, Order::Uniform).into_iter().for_each(|flow| times[flow] += 1);
        let fair = (STEPS / 64) as f64;
        assert!(
            times.iter().all(|it| (0.97..1.03).contains(&(f64::from(*it) / fair))),
            "{times:?}"
        );
    }

    #[test]
    fn lengths_come_as_often_as_the_mix_says() {
        let draws = draw_lengths(120_000);
        for (position, (_, weight)) in IMIX.iter().enumerate() {
            let times = draws.iter().filter(|it| usize::from(**it) == position).count() as f64;
            let expected = (weight * 10_000) as f64;
            assert!((0.95..1.05).contains(&(times / expected)), "{position}: {times}");
        }
        let bytes: usize = IMIX.iter().map(|(length, weight)| usize::from(*length) * weight).sum();
        assert_eq!(bytes / 12, IMIX_MEAN as usize);
    }
}
