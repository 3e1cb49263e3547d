//! What did a stretch of work cost?
//!
//! Processor time, not the clock on the wall: whatever else runs on a shared machine then only
//! disturbs the caches. Instructions, cycles and misses where the machine lets them be counted.

use std::ops::AddAssign;
use std::time::Duration;

use perf_event::events::Hardware;
use perf_event::{Builder, Counter, Group};

/// What a stretch of work did and cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Packets, or whatever is counted.
    pub packets: u64,
    /// Processor time in nanoseconds.
    pub nanoseconds: u64,
    /// What the processor counted, where it does.
    pub events: Option<Events>,
}

/// What the processor counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Events {
    /// Instructions retired.
    pub instructions: u64,
    /// Cycles.
    pub cycles: u64,
    /// What the processor calls cache misses: on AMD, demand misses in the second level.
    pub misses: u64,
}

impl Sample {
    /// Nanoseconds per packet.
    #[must_use]
    pub fn per_packet(&self) -> f64 {
        self.nanoseconds as f64 / self.packets.max(1) as f64
    }
}

impl AddAssign for Sample {
    /// Both stretches together; without events unless both have them.
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.nanoseconds += other.nanoseconds;
        self.events = match (self.events, other.events) {
            (Some(these), Some(those)) => Some(Events {
                instructions: these.instructions + those.instructions,
                cycles: these.cycles + those.cycles,
                misses: these.misses + those.misses,
            }),
            _ => None,
        };
    }
}

/// The meter of this thread.
pub struct Meter {
    counters: Option<(Group, [Counter; 3])>,
}

impl Default for Meter {
    fn default() -> Self {
        Self { counters: counters().ok() }
    }
}

impl Meter {
    /// What `work` costs, which returns how many packets it was.
    ///
    /// # Errors
    /// The kernel's.
    pub fn measure(
        &mut self,
        work: impl FnOnce() -> anyhow::Result<u64>,
    ) -> anyhow::Result<Sample> {
        if let Some((group, _)) = &mut self.counters {
            group.reset()?;
            group.enable()?;
        }
        let began = processor_time()?;
        let packets = work()?;
        let nanoseconds = u64::try_from((processor_time()? - began).as_nanos())?;
        let events = match &mut self.counters {
            None => None,
            Some((group, [instructions, cycles, misses])) => {
                group.disable()?;
                let counts = group.read()?;
                Some(Events {
                    instructions: counts[instructions],
                    cycles: counts[cycles],
                    misses: counts[misses],
                })
            }
        };
        Ok(Sample { packets, nanoseconds, events })
    }
}

fn counters() -> std::io::Result<(Group, [Counter; 3])> {
    let mut group = Group::new()?;
    let mut counter = |event| Builder::new().group(&mut group).kind(event).build();
    let instructions = counter(Hardware::INSTRUCTIONS)?;
    let cycles = counter(Hardware::CPU_CYCLES)?;
    let misses = counter(Hardware::CACHE_MISSES)?;
    Ok((group, [instructions, cycles, misses]))
}

/// The processor time that this thread has used.
fn processor_time() -> anyhow::Result<Duration> {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    Ok(nix::time::clock_gettime(clock)?.into())
}

/// Median, least and most.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; `None` without any.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(below, above), min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle_whatever_the_order() {
        let spread = Spread::of([9.0, 1.0, 5.0, 7.0, 3.0]).expect("values");
        assert_eq!((spread.median, spread.min, spread.max), (5.0, 1.0, 9.0));
    }

    #[test]
    fn of_an_even_number_the_median_is_between_the_two_in_the_middle() {
        let spread = Spread::of([4.0, 1.0, 2.0, 100.0]).expect("values");
        assert_eq!(spread.median, 3.0);
    }

    #[test]
    fn without_values_there_is_no_spread() {
        assert!(Spread::of([]).is_none());
    }

    #[test]
    fn a_sample_without_packets_divides_by_none() {
        let sample = Sample { packets: 0, nanoseconds: 10, events: None };
        assert_eq!(sample.per_packet(), 10.0);
    }
}
