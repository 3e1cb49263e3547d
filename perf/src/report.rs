//! How are figures shown?

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::meter::Spread;

/// One measured scenario. What was not measured is `None`.
#[derive(Clone, Debug)]
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
    /// The floor's median in nanoseconds per packet.
    pub floor: Option<f64>,
    /// Medians of others in nanoseconds per packet.
    pub rivals: BTreeMap<&'static str, f64>,
    /// Instructions per packet, driver and source included.
    pub instructions: Option<f64>,
    /// The bare loop's instructions per packet.
    pub bare_instructions: Option<f64>,
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
    pub note: String,
}

impl Row {
    /// Million packets per second at the median.
    #[must_use]
    pub fn mpps(&self) -> Option<f64> {
        self.nanoseconds.map(|it| 1000.0 / it.median)
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
}

/// The head of the table.
#[must_use]
pub fn head() -> String {
    format!(
        "{:<16} {:>9} {:>22} {:>6} {:>7} {:>6} {:>6} {:>7} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6}  {}",
        "scenario",
        "flows",
        "ns/packet (min–max)",
        "Mpps",
        "floor",
        "×floor",
        "bare",
        "io",
        "macswap",
        "5tswap",
        "×5t",
        "instr",
        "cycles",
        "lines",
        "note"
    )
}

/// One row as a line of the table.
#[must_use]
pub fn line(row: &Row) -> String {
    let rival = |name| row.rivals.get(name).copied();
    let ratio = |other: Option<f64>| Some(row.nanoseconds?.median / other?);
    let spread = row
        .nanoseconds
        .map_or_else(String::new, |it| format!("{:.1} ({:.1}–{:.1})", it.median, it.min, it.max));
    let mut text = format!("{:<16} {:>9} {spread:>22}", row.scenario, row.flows);
    let columns = [
        (6, row.mpps(), 1),
        (7, row.floor, 1),
        (6, ratio(row.floor), 2),
        (6, rival("bare").or(rival("quiet")), 1),
        (7, rival("io"), 1),
        (7, rival("macswap"), 1),
        (6, rival("5tswap"), 1),
        (6, ratio(rival("5tswap")), 2),
        (6, row.instructions, 0),
        (6, row.cycles, 0),
        (6, row.random_lines, 2),
    ];
    for (width, value, digits) in columns {
        let value = value.map_or_else(|| "–".to_owned(), |it| format!("{it:.digits$}"));
        // Writing into a string cannot fail.
        let _written = write!(text, " {value:>width$}");
    }
    let mut notes = vec![row.note.clone()];
    if let (Some(ours), Some(floor)) = (row.misses, row.floor_misses) {
        notes.push(format!("L2 misses {ours:.2}, floor {floor:.2}"));
    }
    if row.allocations.is_some_and(|count| count > 0) {
        notes.push(format!("{} ALLOCATIONS", row.allocations.unwrap_or(0)));
    }
    notes.retain(|note| !note.is_empty());
    format!("{text}  {}", notes.join("; "))
}
