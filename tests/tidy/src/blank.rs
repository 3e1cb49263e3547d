//! What of a Rust file is code? Blanks comments, strings and test items with spaces.
//!
//! A lexer of a page, not a parser: raw strings, nested comments and lifetimes are told apart,
//! and nothing else is needed here.

/// Blanks comments and the contents of string and character literals.
pub(crate) fn comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = opaque_length(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            blank(&rest[..length], &mut code);
            rest = &rest[length..];
        }
    }
    code
}

/// Blanks every item that follows `#[cfg(test)]`, in text without comments and strings.
pub(crate) fn test_items(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(TEST_ATTRIBUTE) {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = item.find(['{', ';']).map_or(item.len(), |open| {
            if item[open..].starts_with(';') {
                open + 1
            } else {
                open + block_length(&item[open..]).unwrap_or(item.len() - open)
            }
        });
        blank(&item[..end], &mut kept);
        rest = &item[end..];
    }
    kept.push_str(rest);
    kept
}

/// The bytes from the `{` that `code` starts with to its matching `}`, both included.
pub(crate) fn block_length(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The bytes of the comment or literal that `rest` starts with; 0 when it starts with code.
fn opaque_length(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    let in_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if in_word { 0 } else { raw_string_length(rest) }
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A literal that `quote` opens and closes, with backslash escapes.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if !escaped && letter == quote {
            return at + letter.len_utf8();
        }
        escaped = !escaped && letter == '\\';
    }
    rest.len()
}

/// A character literal; 0 for a lifetime, which has no closing quote.
fn character_length(rest: &str) -> usize {
    let mut letters = rest[1..].chars();
    match (letters.next(), letters.next()) {
        (Some('\\'), _) => quoted_length(rest, '\''),
        (Some(letter), Some('\'')) => letter.len_utf8() + 2,
        _ => 0,
    }
}

/// `r"…"`, `r#"…"#`, `br"…"` and so on; 0 for any other word.
fn raw_string_length(rest: &str) -> usize {
    let Some(after) = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix)) else {
        return 0;
    };
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let head = rest.len() - after.len() + hashes + 1;
    rest[head..].find(&close).map_or(rest.len(), |at| head + at + close.len())
}

fn blank(text: &str, onto: &mut String) {
    onto.extend(text.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
}

const TEST_ATTRIBUTE: &str = "#[cfg(test)]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i 'j' '\\'' r#\"k \" l\"# m";
        let left: Vec<_> =
            comments_and_strings(text).split_whitespace().map(str::to_owned).collect();
        assert_eq!(left, ["a", "e", "i", "m"]);
    }

    #[test]
    fn lifetimes_and_names_that_end_in_r_are_code() {
        let text = "fn f<'a>(chr: &'a str) {}";
        assert_eq!(comments_and_strings(text), text);
    }

    #[test]
    fn line_numbers_survive() {
        let text = "one /* two\nthree */ four\n\"five\nsix\"";
        assert_eq!(comments_and_strings(text).lines().count(), text.lines().count());
    }

    #[test]
    fn test_items_go_with_their_bodies() {
        let text = "fn a() {} #[cfg(test)] mod tests { fn b() { } } #[cfg(test)] mod c; fn d() {}";
        let left = test_items(text);
        assert!(left.contains("fn a") && left.contains("fn d"));
        assert!(!left.contains("fn b") && !left.contains("mod c"));
    }
}
