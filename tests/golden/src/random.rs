//! How do tests at random begin, and how is a run repeated?

use std::hash::{BuildHasher, RandomState};

use proptest::test_runner::{Config, RngSeed};

/// The settings of a test that usually tries `usual` inputs. `PROPTEST_CASES` tries more or
/// fewer; the seed is printed, and `SEED` repeats it.
#[must_use]
#[allow(clippy::print_stdout, reason = "shown by the test harness when a test fails")]
pub fn at_random(usual: u32) -> Config {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SEED").unwrap_or_else(|| RandomState::new().hash_one(usual));
    println!("repeat this run with SEED={seed}");
    let cases = number("PROPTEST_CASES").and_then(|cases| cases.try_into().ok()).unwrap_or(usual);
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() }
}
