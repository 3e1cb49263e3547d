//! What do readers ask for? Noted in tests, where the JSON Schema is made of it.
//!
//! The readers are the only place where names, types, words and ranges stand. A reader that reads a
//! document in which every property is written shows them all.
//!
//! Not here: the schema (`tests::schema`).

#[cfg(test)]
use std::cell::RefCell;

use super::pointer::Pointer;

/// What a reader takes a value for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Asked for, and missed if it is not there.
    Required,
    /// Asked for.
    Optional,
    /// Known, and without meaning.
    Ignored,
    Object,
    /// Nothing else may be in this object.
    Closed,
    List,
    Text,
    /// Null is a value of its own.
    Nullable,
    Boolean,
    Integer(i128, i128),
    Choice(Vec<&'static str>),
}

/// The notes of one reading: pointers and what was taken for what.
#[derive(Default)]
pub(super) struct Shapes {
    #[cfg(test)]
    pub(super) notes: RefCell<Vec<(String, Shape)>>,
}

impl Shapes {
    /// Notes what the value at a pointer is taken for. Nothing is noted outside of tests.
    #[inline]
    #[cfg_attr(not(test), allow(clippy::unused_self, unused_variables, reason = "only in tests"))]
    pub(super) fn note<'a>(
        &self,
        pointer: impl FnOnce() -> Pointer<'a>,
        shape: impl FnOnce() -> Shape,
    ) {
        #[cfg(test)]
        self.notes.borrow_mut().push((pointer().to_string(), shape()));
    }
}
