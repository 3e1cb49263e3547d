//! How are figures shown?
//!
//! ```text
//!   scenario  flows  ns (min–max)  Mpps  floor ×floor  bare 5tswap ×5t  instr  lines
//!       what else there is to say
//! ```
//!
//! The table fits 100 columns; what has no column is in the notes below each line or in the JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::meter::Spread;

/// Columns of the table.
const COLUMNS: usize = 100;

/// One measured scenario. What was not measured is `None`.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was measured.
    pub scenario: String,
    /// Live flows.
    pub flows: usize,
    /// Bytes of a frame without its check sequence.
    pub packet_bytes: u32,
    /// Workers.
    pub workers: u32,
    /// Nanoseconds per packet.
    pub nanoseconds: Option<Spread>,
    /// Whether that is what a packet costs more than without something, so that it makes no rate.
    pub is_difference: bool,
    /// The floor's median in nanoseconds per packet.
    pub floor: Option<f64>,
    /// Medians of others in nanoseconds per packet.
    pub rivals: BTreeMap<&'static str, f64>,
    /// Instructions per packet, driver and source included.
    pub instructions: Option<f64>,
    /// Cycles per packet.
    pub cycles: Option<f64>,
    /// Misses of the second cache level per packet, demand only.
    pub misses: Option<f64>,
    /// The floor's.
    pub floor_misses: Option<f64>,
    /// Random cache lines per packet.
    pub random_lines: Option<f64>,
    /// Allocations over all windows.
    pub allocations: Option<u64>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

impl Row {
    /// Something else that is to be said.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Million packets per second at the median.
    #[must_use]
    pub fn mpps(&self) -> Option<f64> {
        self.nanoseconds.filter(|_| !self.is_difference).map(|it| 1000.0 / it.median)
    }

    /// The row for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let spread = |it: Spread| json!({"median": it.median, "min": it.min, "max": it.max});
        json!({
            "scenario": self.scenario,
            "flows": self.flows,
            "packet_bytes": self.packet_bytes,
            "workers": self.workers,
            "ns_per_packet": self.nanoseconds.map(spread),
            "mpps": self.mpps(),
            "floor_ns_per_packet": self.floor,
            "rivals": self.rivals,
            "instructions_per_packet": self.instructions,
            "random_lines_per_packet": self.random_lines,
            "allocations": self.allocations,
        })
    }

    fn all_notes(&self) -> String {
        let mut notes = self.notes.clone();
        if let Some(cycles) = self.cycles {
            notes.push(format!("{cycles:.0} cycles"));
        }
        if let (Some(ours), Some(floor)) = (self.misses, self.floor_misses) {
            notes.push(format!("L2 misses {ours:.2}, floor {floor:.2}"));
        }
        let tabled = ["bare", "5tswap"];
        for (name, nanoseconds) in self.rivals.iter().filter(|(name, _)| !tabled.contains(name)) {
            notes.push(format!("{name} {nanoseconds:.1} ns"));
        }
        if self.allocations.is_some_and(|count| count > 0) {
            notes.push(format!("{} ALLOCATIONS", self.allocations.unwrap_or(0)));
        }
        notes.join("; ")
    }
}

/// The head of the table.
#[must_use]
pub fn head() -> String {
    format!(
        "{:<17}{:>9} {:>19}{:>7}{:>7}{:>7}{:>6}{:>7}{:>6}{:>7}{:>6}",
        "scenario",
        "flows",
        "ns (min–max)",
        "Mpps",
        "floor",
        "×floor",
        "bare",
        "5tswap",
        "×5t",
        "instr",
        "lines",
    )
}

/// One row as lines of the table: the figures, and its notes below.
#[must_use]
pub fn lines(row: &Row) -> String {
    let rival = |name| row.rivals.get(name).copied();
    let ratio = |other: Option<f64>| Some(row.nanoseconds?.median / other?);
    let spread = row.nanoseconds.map_or_else(
        || "–".to_owned(),
        |it| {
            let digits = digits_of(it.max, 1);
            format!("{:.digits$} ({:.digits$}–{:.digits$})", it.median, it.min, it.max)
        },
    );
    // A long name takes what few flows leave.
    let room = (17 + 9usize).saturating_sub(row.scenario.chars().count());
    let mut text = format!("{}{:>room$} {spread:>19}", row.scenario, row.flows);
    let columns = [
        (7, row.mpps(), 1),
        (7, row.floor, 1),
        (7, ratio(row.floor), 2),
        (6, rival("bare"), 1),
        (7, rival("5tswap"), 1),
        (6, ratio(rival("5tswap")), 2),
        (7, row.instructions, 0),
        (6, row.random_lines, 2),
    ];
    for (width, value, digits) in columns {
        let value =
            value.map_or_else(|| "–".to_owned(), |it| format!("{it:.0$}", digits_of(it, digits)));
        // Writing into a string cannot fail.
        let _written = write!(text, "{value:>width$}");
    }
    for line in wrapped(&row.all_notes(), COLUMNS - 4) {
        let _written = write!(text, "\n    {line}");
    }
    text
}

/// Digits behind the point: none of a number so large that they say nothing.
fn digits_of(value: f64, digits: usize) -> usize {
    if value >= 1_000.0 { 0 } else { digits }
}

/// Text in lines of at most so many columns, broken at spaces.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let mut row = Row {
            scenario: "dnat-zipf-10m".to_owned(),
            flows: 10_000_000,
            packet_bytes: 64,
            workers: 1,
            nanoseconds: Spread::of([1_234.5, 1_034.6, 9_999.9]),
            floor: Some(1_250.0),
            rivals: [("bare", 1_000.0), ("5tswap", 1_370.0), ("io", 8.0)].into(),
            instructions: Some(12_345.0),
            random_lines: Some(1.24),
            allocations: Some(3),
            ..Row::default()
        };
        row.note("a note that says a lot ".repeat(9));
        row
    }

    #[test]
    fn the_json_has_the_promised_names_and_no_others() {
        let value = Row::default().to_json();
        let mut names: Vec<&String> = value.as_object().expect("an object").keys().collect();
        // In whichever order the library keeps them.
        names.sort_unstable();
        let mut promised = [
            "scenario",
            "flows",
            "packet_bytes",
            "workers",
            "ns_per_packet",
            "mpps",
            "floor_ns_per_packet",
            "rivals",
            "instructions_per_packet",
            "random_lines_per_packet",
            "allocations",
        ];
        promised.sort_unstable();
        assert_eq!(names, promised);
    }

    #[test]
    fn what_was_not_measured_is_null() {
        let value = Row::default().to_json();
        for name in ["ns_per_packet", "mpps", "floor_ns_per_packet", "allocations"] {
            assert!(value[name].is_null(), "{name}");
        }
        assert_eq!(value["rivals"], json!({}));
    }

    #[test]
    fn the_rate_is_that_of_the_median() {
        let row = Row { nanoseconds: Spread::of([40.0, 50.0, 70.0]), ..Row::default() };
        assert_eq!(row.to_json()["mpps"], json!(20.0));
        let spread = json!({"median": 50.0, "min": 40.0, "max": 70.0});
        assert_eq!(row.to_json()["ns_per_packet"], spread);
        assert_eq!(Row { is_difference: true, ..row }.mpps(), None);
    }

    #[test]
    fn the_table_fits_a_hundred_columns() {
        let text = format!("{}\n{}", head(), lines(&row()));
        assert!(text.lines().count() > 3, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }

    #[test]
    fn a_long_name_moves_no_column() {
        let named = |scenario: &str| Row { scenario: scenario.to_owned(), flows: 65_536, ..row() };
        let ends = |row: &Row| lines(row).lines().next().map(|line| line.chars().count());
        assert_eq!(ends(&named("flood-one-port-16th")), ends(&named("dnat-1k")));
    }

    #[test]
    fn allocations_are_not_overlooked() {
        assert!(lines(&row()).contains("3 ALLOCATIONS"));
    }
}
