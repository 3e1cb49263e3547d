//! May a figure of two processors be believed?
//!
//! On a shared machine the way from one core to another gets several times longer within minutes,
//! and other programs take a core away. Both are measured before and after, and a row whose gate
//! was shut says so.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::meter::Spread;

/// The longest way there and back, in nanoseconds, on which a figure counts.
pub const ROUND_TRIP_MAX: f64 = 260.0;
/// The largest part of a processor that others may take.
pub const BUSY_MAX: f64 = 0.1;

/// Ways there and back of one measurement, and how many measurements.
const TRIPS: u64 = 2_000;
const MEASUREMENTS: usize = 21;
/// How long others are watched: thirty of the kernel's ticks.
const WATCH: Duration = Duration::from_millis(300);

/// What was measured before and after, and the most of it that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
    /// The most.
    pub most: f64,
}

impl Gate {
    /// Whether the figure between counts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.worse() <= self.most
    }

    /// The worse of the two.
    #[must_use]
    pub const fn worse(&self) -> f64 {
        self.before.max(self.after)
    }

    /// What a row says of the round trip.
    #[must_use]
    pub fn of_round_trip(&self) -> String {
        let gated = if self.is_open() { "gated" } else { "not gated" };
        format!("{gated}: round trip was {:.0} ns", self.worse())
    }

    /// What a row says of other programs.
    #[must_use]
    pub fn of_idleness(&self) -> String {
        let percent = self.worse() * 100.0;
        if self.is_open() {
            format!("gated: others took {percent:.0} % of a processor")
        } else {
            format!("not gated: others took {percent:.0} % of a processor")
        }
    }
}

/// Nanoseconds from one processor to another and back: the median of some measurements.
#[must_use]
pub fn round_trip(one: usize, other: usize) -> f64 {
    #[repr(align(128))]
    struct Line(AtomicU64);
    let line = Line(AtomicU64::new(0));
    let all = TRIPS * MEASUREMENTS as u64;
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(other);
            for trip in 0..all {
                answer(&line.0, 2 * trip + 1);
            }
        });
        let asking = scope.spawn(|| {
            pin(one);
            let mut trip = 0;
            let measure = |_| {
                let began = Instant::now();
                for _ in 0..TRIPS {
                    line.0.store(2 * trip + 1, Ordering::Release);
                    wait_for(&line.0, 2 * trip + 2);
                    trip += 1;
                }
                began.elapsed().as_nanos() as f64 / TRIPS as f64
            };
            Spread::of((0..MEASUREMENTS).map(measure)).map_or(f64::INFINITY, |it| it.median)
        });
        asking.join().unwrap_or(f64::INFINITY)
    })
}

fn answer(line: &AtomicU64, question: u64) {
    wait_for(line, question);
    line.store(question + 1, Ordering::Release);
}

fn wait_for(line: &AtomicU64, value: u64) {
    while line.load(Ordering::Acquire) != value {
        std::hint::spin_loop();
    }
}

/// The largest part that others take of one of these processors while this process sleeps.
///
/// # Errors
/// The kernel's.
pub fn taken_by_others(processors: &[usize]) -> anyhow::Result<f64> {
    let before = fs::read_to_string("/proc/stat")?;
    thread::sleep(WATCH);
    let after = fs::read_to_string("/proc/stat")?;
    let part = |processor: &usize| {
        let (before, after) = (Ticks::of(&before, *processor)?, Ticks::of(&after, *processor)?);
        let all = (after.all - before.all).max(1);
        Some((after.busy - before.busy) as f64 / all as f64)
    };
    Ok(processors.iter().filter_map(part).fold(0.0, f64::max))
}

/// A processor's ticks since boot (proc(5), stat).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    fn of(stat: &str, processor: usize) -> Option<Self> {
        let head = format!("cpu{processor} ");
        let line = stat.lines().find_map(|line| line.strip_prefix(&head))?;
        // user nice system idle iowait irq softirq steal; guests are in user already.
        let ticks: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).take(8).collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Some(Self { busy: all - idle, all })
    }
}

/// Keeps this thread on one processor. Without the right to, it stays where it may be.
pub fn pin(processor: usize) {
    let mut set = nix::sched::CpuSet::new();
    if set.set(processor).is_ok() {
        let _pinned = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_as_open_as_its_worse_side() {
        let gate = |before, after| Gate { before, after, most: ROUND_TRIP_MAX };
        assert!(gate(120.0, 260.0).is_open());
        assert!(!gate(120.0, 261.0).is_open());
        assert!(!gate(900.0, 120.0).is_open());
        assert_eq!(gate(900.0, 120.0).of_round_trip(), "not gated: round trip was 900 ns");
        assert_eq!(gate(100.0, 120.0).of_round_trip(), "gated: round trip was 120 ns");
    }

    #[test]
    fn what_the_kernel_calls_idle_is_not_busy() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 40 5 6 7 8 9 9\ncpu1 1 0 0 9 0 0 0 0 0 0\n";
        assert_eq!(Ticks::of(stat, 0), Some(Ticks { busy: 27, all: 72 }));
        assert_eq!(Ticks::of(stat, 1), Some(Ticks { busy: 1, all: 10 }));
        assert_eq!(Ticks::of(stat, 2), None);
    }
}
