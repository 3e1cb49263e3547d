//! How were outbound ports used within the last hour and the last day?
//!
//! A column for each span of time, as high as the share of the ports that was in use at most, and
//! `!` below those in which a flow found none.
//!
//! Not here: how they are used now (`snat`).

use weir_core::api::{SnatAllocation, SnatSeries};

use super::number::{grouped, short};
use super::snat::short_id;
use super::style::{BAD, HEADING, paint};

/// The histories of those that have one.
pub(super) fn histories(allocations: &[SnatAllocation]) -> String {
    let mut text = paint(HEADING, "Most in use, until now; ! where flows found no port") + "\n";
    for it in allocations {
        let Some(history) = &it.history else { continue };
        text += &format!("  {} {} by {}\n", it.member, it.protocol, short_id(&it.rule));
        text += &lines("60 min", &history.last_hour, 1);
        text += &lines("24 h", &history.last_day, 2);
    }
    text
}

/// One series: spans are put together in groups of `group`, so that the line fits.
fn lines(name: &str, series: &SnatSeries, group: usize) -> String {
    let mut bars = String::new();
    let mut marks = String::new();
    for span in spans(series).rchunks(group).rev() {
        let most = span.iter().max_by_key(|it| eighths(**it)).copied().unwrap_or_default();
        bars.push(BARS[eighths(most)]);
        marks.push(if span.iter().any(|it| it.refused > 0) { '!' } else { ' ' });
    }
    let mut text = format!("    {name:<6}  {bars}\n");
    if marks.contains('!') {
        text += &format!("            {}\n", paint(BAD, marks.trim_end()));
    }
    text + &format!("            {}\n", summary(series))
}

/// One span of time.
#[derive(Clone, Copy, Default)]
struct Span {
    used: u32,
    allocated: u32,
    refused: u64,
}

/// All spans; what an appliance of another release leaves out is 0.
fn spans(series: &SnatSeries) -> Vec<Span> {
    let at = |place: usize| Span {
        used: series.ports_used.get(place).copied().unwrap_or_default(),
        allocated: series.ports_allocated.get(place).copied().unwrap_or_default(),
        refused: series.flows_refused.get(place).copied().unwrap_or_default(),
    };
    (0..series.ports_used.len()).map(at).collect()
}

/// 0 only for nothing, 8 only for all.
fn eighths(Span { used, allocated, .. }: Span) -> usize {
    let (used, allocated) = (u64::from(used), u64::from(allocated));
    match used {
        0 => 0,
        used if used >= allocated => 8,
        used => usize::try_from(1 + used * 7 / allocated).unwrap_or(8),
    }
}

fn summary(series: &SnatSeries) -> String {
    let spans = spans(series);
    let most = spans.iter().max_by_key(|it| it.used).copied().unwrap_or_default();
    let refused: u64 = spans.iter().map(|it| it.refused).sum();
    let (used, allocated) = (grouped(most.used.into()), grouped(most.allocated.into()));
    let since = series.starts_at.split_once('T').map_or("-", |(_, time)| time);
    let refused = short(refused);
    format!("since {since}: {used} of {allocated} at most, {refused} flows refused")
}

/// By eighths in use.
const BARS: [char; 9] = ['.', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[cfg(test)]
mod tests {
    use super::super::style::plain;
    use super::*;

    #[test]
    fn nothing_and_everything_are_told_from_a_little_and_nearly_everything() {
        let of = |used, allocated| eighths(Span { used, allocated, refused: 0 });
        let heights = [of(0, 64), of(1, 64), of(32, 64), of(63, 64), of(64, 64), of(1, 0)];
        assert_eq!(heights, [0, 1, 4, 7, 8, 8]);
    }

    #[test]
    fn the_latest_spans_are_put_together_whole() {
        let series = SnatSeries {
            ports_used: vec![8, 0, 0, 0, 1],
            ports_allocated: vec![8; 5],
            flows_refused: vec![1, 0, 0, 0, 0],
            ..SnatSeries::default()
        };
        let text = lines("24 h", &series, 2);
        assert!(text.starts_with("    24 h    █.▁\n            "), "{text}");
    }

    #[test]
    fn a_whole_day_and_a_whole_hour_fit_a_narrow_terminal() {
        for (count, group) in [(60, 1), (96, 2)] {
            let series = SnatSeries {
                starts_at: "2026-11-21T07:55:12Z".to_owned(),
                ports_used: vec![64_000; count],
                ports_allocated: vec![64_000; count],
                flows_refused: vec![u32::MAX.into(); count],
                ..SnatSeries::default()
            };
            let text = plain(&lines("60 min", &series, group));
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }
}
