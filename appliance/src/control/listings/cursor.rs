//! Where does a listing go on?
//!
//! A cursor says in its own words where, and carries a seal over that and over what was asked. One
//! that was made up, changed, kept since another start of the appliance or used with another
//! question is refused: it would leave out flows without a word.

use std::hash::{BuildHasher, RandomState};

use serde::Serialize;
use weir_core::api::Error;

use super::unsuitable;

/// What this process seals cursors with.
#[derive(Default)]
pub(super) struct Seal(RandomState);

impl Seal {
    /// The cursor for `place` of the listing that answers `question`.
    pub(super) fn close(&self, question: &impl Serialize, place: &str) -> String {
        format!("{place}~{:016x}", self.of(question, place))
    }

    /// The place that a cursor names.
    ///
    /// # Errors
    /// When it was not closed here for this question.
    pub(super) fn open<'a>(
        &self,
        question: &impl Serialize,
        cursor: &'a str,
    ) -> Result<&'a str, Error> {
        let place = cursor.split_once('~').filter(|(place, seal)| {
            u64::from_str_radix(seal, 16) == Ok(self.of(question, place)) && seal.len() == 16
        });
        place.map(|(place, _)| place).ok_or_else(|| {
            unsuitable(
                "cursor: is of another listing or an earlier start; give it back as it came, with \
                 the same parameters but for limit, or begin without one",
            )
        })
    }

    fn of(&self, question: &impl Serialize, place: &str) -> u64 {
        // What cannot be written as JSON is no parameter of a request.
        let question = serde_json::to_string(question).unwrap_or_default();
        self.0.hash_one((question, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_question_in_its_own_process_only() {
        let seal = Seal::default();
        let cursor = seal.close(&"Tcp", "1.4096");
        assert_eq!(seal.open(&"Tcp", &cursor), Ok("1.4096"));
        assert!(seal.open(&"Udp", &cursor).is_err());
        assert!(Seal::default().open(&"Tcp", &cursor).is_err());
        let forged = cursor.replace("4096", "4097");
        for other in [forged.as_str(), "", "~", "1.4096", "1.4096~0", "1.4096~+000000000000000"] {
            let error = seal.open(&"Tcp", other).expect_err("not its own");
            assert!(error.message.contains("begin without one"), "{error}");
        }
    }
}
