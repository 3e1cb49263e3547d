//! How is the history of a member's outbound ports shown?
//!
//! Not here: how it is kept (`control::exhaustion`).

use std::time::{Duration, SystemTime};

use weir_core::api::{SnatHistory, SnatSeries};

use crate::control::exhaustion::{History, Series};

/// The time, on the clock that histories are kept by and on that of people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Milliseconds since the process started.
    pub(super) now_ms: u64,
    /// What a wall clock shows.
    pub(super) wall: SystemTime,
}

/// A history as the control socket shows it.
pub(super) fn shown(history: &History, times: Times) -> SnatHistory {
    SnatHistory { last_hour: series(&history.hour, times), last_day: series(&history.day, times) }
}

fn series(series: &Series, Times { now_ms, wall }: Times) -> SnatSeries {
    let (start_ms, samples) = series.at(now_ms);
    let ago = Duration::from_millis(now_ms.saturating_sub(start_ms));
    let starts_at = wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    SnatSeries {
        starts_at: humantime::format_rfc3339_seconds(starts_at).to_string(),
        seconds_each: u32::try_from(series.span_ms() / 1000).unwrap_or(u32::MAX),
        ports_used: samples.iter().map(|it| it.used).collect(),
        ports_allocated: samples.iter().map(|it| it.allocated).collect(),
        flows_refused: samples.iter().map(|it| it.refused.into()).collect(),
    }
}
