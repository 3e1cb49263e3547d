//! Who put what in force, and when, and which of it can be gone back to?
//!
//! Not here: layout (`table`).

use weir_core::api::{History, StoredConfiguration};

use super::style::{BAD, GOOD, ODD, paint};
use super::table::{Cell, LEFT, RIGHT, Table, wrap};

/// The stored configurations, newest first.
pub(crate) fn history(history: &History) -> String {
    let mut text = match &history.not_persisted {
        Some(why) => {
            let text = format!("the configuration in force is not stored: {why}");
            paint(ODD, &wrap(&text, "! ", "  "))
        }
        None => String::new(),
    };
    if history.configurations.is_empty() {
        return text + "No configuration is stored.\n";
    }
    let mut table = Table::new(
        "  ",
        [("NUMBER", RIGHT), ("PUT IN FORCE", LEFT), ("BY", LEFT), ("SHA-256", LEFT), ("", LEFT)],
    );
    for stored in &history.configurations {
        add(&mut table, stored);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &table.render()
}

fn add(table: &mut Table, stored: &StoredConfiguration) {
    let number = stored.number.to_string();
    if let Some(damage) = &stored.damage {
        let damaged = Cell::styled("damaged", BAD);
        table.row([number.into(), damaged, "-".into(), "-".into(), "".into()]);
        table.note(&format!("its file {damage}"));
        return;
    }
    table.row([
        number.into(),
        to_the_second(&stored.applied_at).into(),
        stored.applied_by.to_string().into(),
        stored.sha256.chars().take(SHOWN).collect::<String>().into(),
        Cell::styled(if stored.in_force { "in force" } else { "" }, GOOD),
    ]);
    if let Some(restored) = stored.restores {
        table.note(&format!("rolled back to {restored}"));
    }
}

/// RFC 3339 without the fraction of the second.
pub(super) fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// Characters of a checksum that tell a dozen configurations apart.
const SHOWN: usize = 8;
