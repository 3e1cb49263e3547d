//! Which packets arrive, in which order?
//!
//! Not here: what a packet looks like (`kind`).

use anyhow::Context;
use dpdk::{Source, SourceStep};

use crate::kind::{ACK, End, FRAME, Family, Kind};
use crate::world;

/// Steps of a measured sequence. The same for every scenario and every rival, so that reading
/// them costs the same.
pub const STEPS: usize = 1 << 22;
/// The simple IMIX: frame lengths without the check sequence, and how many of twelve have them.
/// With it they are 68, 594 and 1,518 bytes; 64 is the shortest that every scenario here has.
pub const IMIX: [(u16, usize); 3] = [(FRAME, 7), (590, 4), (1514, 1)];
/// Bytes of a mean frame of [`IMIX`].
pub const IMIX_MEAN: u32 = 360;

/// One flow's client, or a member's peer.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "below 2^28 flows")]
pub const fn client(flow: usize) -> End {
    (0x1400_0000 + (flow / 4) as u32, 20_000 + (flow % 4) as u16 * 7_919)
}

/// A source of these kinds of packets, each as short as it may be.
///
/// # Errors
/// When a step names a kind that does not exist.
pub fn source(kinds: &[Kind], steps: Vec<SourceStep>) -> anyhow::Result<Source> {
    let templates = kinds.iter().map(|kind| kind.template(kind.shortest())).collect();
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

/// Of which flows there are packets, and how often of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The family of all of them.
    pub family: Family,
    /// How many flows there are.
    pub flows: usize,
    /// In which order they are drawn.
    pub order: Order,
}

impl Load {
    /// Flows over IPv4, each as likely as any other.
    #[must_use]
    pub const fn of(flows: usize) -> Self {
        Self { family: Family::V4, flows, order: Order::Uniform }
    }

    /// The same over IPv6.
    #[must_use]
    pub const fn over_ipv6(self) -> Self {
        Self { family: Family::V6, ..self }
    }

    /// The same, drawn by Zipf's law.
    #[must_use]
    pub const fn by_zipf(self) -> Self {
        Self { order: Order::Zipf, ..self }
    }

    /// `STEPS` flows drawn.
    #[must_use]
    pub fn draw(&self) -> Vec<usize> {
        draw(self.flows, self.order)
    }
}

/// What loops without decisions and the rivals receive: clients' requests.
///
/// # Errors
/// None that can happen with these arguments.
pub fn requests(load: Load) -> anyhow::Result<Source> {
    let step = |flow| {
        let (address, port) = client(flow);
        SourceStep::new(0, address, port)
    };
    let steps = load.draw().into_iter().map(step).collect();
    source(&[Kind::request(Some(ACK), world::WEB.0).over(load.family)], steps)
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
