//! How do rows become columns that fit a terminal?
//!
//! Columns are as wide as their content. When that is too wide together, the widest left-aligned
//! ones give way and their texts end in `…`; numbers are never cut.
//!
//! Not here: what the rows say (`super`, `status`), what colours mean (`style`).

use anstyle::Style;

use super::style::{HEADING, paint};

/// The width of the narrowest terminal that operators use.
pub(super) const WIDTH: usize = 80;

/// The side that a column leans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column of text.
pub(super) const LEFT: Side = Side::Left;
/// A column of numbers.
pub(super) const RIGHT: Side = Side::Right;

/// What stands in one column of a row.
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text in a colour.
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::styled(text, Style::new())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::styled(text, Style::new())
    }
}

/// A line of a table.
enum Line {
    Row(Vec<Cell>),
    /// Text across all columns, below the row it explains.
    Note(String),
    /// Text across all columns, above the rows it groups.
    Heading(String),
}

/// Rows to be laid out.
pub(super) struct Table {
    indent: &'static str,
    sides: Vec<Side>,
    lines: Vec<Line>,
}

impl Table {
    /// A table with a line of headings.
    pub(super) fn new<const COLUMNS: usize>(
        indent: &'static str,
        columns: [(&str, Side); COLUMNS],
    ) -> Self {
        let headings = columns.map(|(heading, _)| Cell::styled(heading, HEADING));
        let mut table = Self::headless(indent, &columns.map(|(_, side)| side));
        table.row(headings);
        table
    }

    /// A table without headings.
    pub(super) fn headless(indent: &'static str, sides: &[Side]) -> Self {
        Self { indent, sides: sides.to_vec(), lines: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row<const COLUMNS: usize>(&mut self, cells: [impl Into<Cell>; COLUMNS]) {
        debug_assert_eq!(COLUMNS, self.sides.len(), "a row has a cell for each column");
        self.lines.push(Line::Row(cells.map(Into::into).into()));
    }

    /// Adds text below the latest row, indented under its second column.
    pub(super) fn note(&mut self, text: &str) {
        self.lines.push(Line::Note(text.to_owned()));
    }

    /// Adds text above the rows that follow.
    pub(super) fn heading(&mut self, text: &str) {
        self.lines.push(Line::Heading(text.to_owned()));
    }

    /// The table as text, every line with its newline and no blanks at its end.
    pub(super) fn render(&self) -> String {
        let widths = self.widths();
        let under_second = self.indent.len() + widths.first().map_or(0, |width| width + GAP);
        let margin = " ".repeat(under_second);
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Row(cells) => text += &self.layout(cells, &widths),
                Line::Note(note) => text += &wrap(note, &margin, &margin),
                Line::Heading(heading) => text += &wrap(heading, self.indent, self.indent),
            }
        }
        text
    }

    /// Whether nothing of it has to be cut.
    pub(super) fn fits(&self) -> bool {
        let around = self.indent.len() + GAP * self.sides.len().saturating_sub(1);
        around + self.natural_widths().iter().sum::<usize>() <= WIDTH
    }

    /// Blanks stand outside of colours, so that none is left at the end of the line.
    fn layout(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), side) in cells.iter().zip(widths).zip(&self.sides) {
            let gap = if line.is_empty() { self.indent } else { "  " };
            let text = cut(&cell.text, *width);
            let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
            let text = paint(cell.style, &text);
            line += gap;
            line += &match side {
                Side::Left => text + &blanks,
                Side::Right => blanks + &text,
            };
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }

    fn natural_widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.sides.len()];
        for line in &self.lines {
            let Line::Row(cells) = line else { continue };
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        widths
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = self.natural_widths();
        let around = self.indent.len() + GAP * widths.len().saturating_sub(1);
        while around + widths.iter().sum::<usize>() > WIDTH {
            let texts = widths.iter_mut().zip(&self.sides).filter(|(_, side)| **side == LEFT);
            match texts.map(|(width, _)| width).max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                Some(_) | None => break,
            }
        }
        widths
    }
}

/// The text in at most `width` characters; `…` says that there is more.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

/// Words in lines of at most `WIDTH` characters; a word that is longer has a line of its own.
pub(super) fn wrap(text: &str, first: &str, others: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut has_words = false;
    for word in text.split_whitespace() {
        if has_words && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines.push('\n');
            others.clone_into(&mut line);
            has_words = false;
        }
        if has_words {
            line.push(' ');
        }
        line += word;
        has_words = true;
    }
    lines + &line + "\n"
}

/// Blanks between columns.
const GAP: usize = 2;
/// A column of text is not cut below this.
const NARROWEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::style::{BAD, plain};
    use super::*;

    #[test]
    fn a_colour_takes_no_room_and_leaves_no_blank_at_the_end() {
        let mut table = Table::headless("", &[LEFT, LEFT]);
        table.row([Cell::styled("DOWN", BAD), Cell::from("a")]);
        table.row([Cell::from("longer"), Cell::styled("b", BAD)]);
        let text = table.render();
        assert_eq!(plain(&text), "DOWN    a\nlonger  b\n");
        assert_eq!(text.matches("\u{1b}[0m").count(), 2, "each colour ends: {text:?}");
    }

    #[test]
    fn columns_are_as_wide_as_their_content() {
        let mut table = Table::new("  ", [("NAME", LEFT), ("COUNT", RIGHT)]);
        table.row(["a", "1"]);
        table.row(["longer", "1,234,567"]);
        table.note("explained");
        let expected =
            "  NAME        COUNT\n  a               1\n  longer  1,234,567\n          explained\n";
        assert_eq!(plain(&table.render()), expected);
    }

    #[test]
    fn the_widest_texts_give_way_and_numbers_do_not() {
        let mut table = Table::headless("", &[LEFT, RIGHT, LEFT]);
        table.row(["a".repeat(70), "9".repeat(20), "b".repeat(60)]);
        let line = table.render();
        assert_eq!(line.trim_end().chars().count(), WIDTH);
        assert!(line.contains(&"9".repeat(20)) && line.matches('…').count() == 2, "{line}");
    }

    #[test]
    fn long_text_is_wrapped_at_words() {
        let text = wrap(&"word ".repeat(40), "- ", "  ");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(text.lines().skip(1).all(|line| line.starts_with("  word")));
        assert_eq!(text.matches("word").count(), 40);
    }
}
