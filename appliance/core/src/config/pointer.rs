//! Where in the document does a value stand?
//!
//! ```text
//!   resources ◄── 1 ◄── properties ◄── probes        "/resources/1/properties/probes"
//! ```
//!
//! A reader walks past ten thousand values for each of which it speaks, so a pointer is a chain of
//! steps that share their beginning, and text (RFC 6901) only when somebody writes it down.

use std::fmt;
use std::rc::Rc;

/// The way from the document to a value.
#[derive(Clone, Default)]
pub(super) struct Pointer<'a>(Option<Rc<Step<'a>>>);

struct Step<'a> {
    from: Pointer<'a>,
    token: Token<'a>,
}

enum Token<'a> {
    Key(&'a str),
    Item(usize),
}

impl<'a> Pointer<'a> {
    /// The document as a whole.
    pub(super) const DOCUMENT: Self = Self(None);

    /// The value of a key of the object here.
    pub(super) fn key(&self, key: &'a str) -> Self {
        self.to(Token::Key(key))
    }

    /// An item of the list here.
    pub(super) fn item(&self, position: usize) -> Self {
        self.to(Token::Item(position))
    }

    fn to(&self, token: Token<'a>) -> Self {
        Self(Some(Rc::new(Step { from: self.clone(), token })))
    }
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        match &step.token {
            Token::Key(key) => write!(formatter, "{}/{}", step.from, escape(key)),
            Token::Item(position) => write!(formatter, "{}/{position}", step.from),
        }
    }
}

/// A key as a pointer has it (RFC 6901 §3).
#[must_use]
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_written_as_rfc_6901_has_it() {
        let document = Pointer::DOCUMENT;
        assert_eq!(document.to_string(), "");
        let list = document.key("resources");
        assert_eq!(list.item(0).key("a/b~c").to_string(), "/resources/0/a~1b~0c");
        assert_eq!(list.key("").to_string(), "/resources/");
    }
}
