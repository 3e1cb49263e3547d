//! What do colours mean?
//!
//! Texts are always made with them; who writes the text takes them out where nobody sees colours
//! (`session`). No colour says what the words do not say as well.

use anstyle::{AnsiColor, Style};

/// As it should be; what comes.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Needs repair; what goes.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look; what changes.
pub(super) const ODD: Style = AnsiColor::Yellow.on_default();
/// The names of columns and parts.
pub(super) const HEADING: Style = Style::new().bold();
/// What matters least.
pub(super) const QUIET: Style = Style::new().dimmed();

/// Text in a colour.
pub(super) fn paint(style: Style, text: &str) -> String {
    if style.is_plain() || text.is_empty() {
        return text.to_owned();
    }
    format!("{style}{text}{style:#}")
}

/// The colour of a member's state.
pub(super) fn of_state(state: &str) -> Style {
    match state {
        "Up" => GOOD,
        "Down" => BAD,
        _ => ODD,
    }
}

/// Text as it is without colours.
#[cfg(test)]
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
