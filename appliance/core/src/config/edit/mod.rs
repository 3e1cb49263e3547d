//! What does a configuration become when one part of it is changed?
//!
//! ```text
//!   echo (in Azure's spelling) ─► find by id ─► etag as expected? ─► change ─► document ─► check
//! ```
//!
//! Every change of a part is a change of the whole document, which is then checked and applied as
//! any other: nothing here knows what a resource means, and no change gets around the validator.
//!
//! Not here: how ids are written (`id`), what the new document means (`check`).

mod find;
mod id;
mod members;
mod membership;
mod put;
mod swap;
#[cfg(test)]
mod tests;

use serde_json::Value;
use thiserror::Error;

pub use find::{Found, etag, find, list};
pub use id::{Collection, IdError, ResourceId, children_of};
pub use members::{MemberName, MemberSettings, NewMember};
pub use swap::FrontendAddress;

/// A change of one part.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Replaces a resource, or adds it if its owner is there.
    Put(ResourceId, Value),
    /// Takes a resource out.
    Delete(ResourceId),
    /// Adds an address to a pool.
    AddMember(NewMember),
    /// Takes a member out of a pool.
    RemoveMember(MemberName),
    /// Changes what a pool says about a member.
    SetMember(MemberName, MemberSettings),
    /// Gives frontends other public IP addresses, all at once.
    SwapPublicAddresses(Vec<FrontendAddress>),
}

/// Which version of a resource a change is meant for (RFC 9110 §13.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// Whatever there is, or nothing.
    #[default]
    Anything,
    /// Any version, but there must be one: `*`.
    Existing,
    /// This one.
    Etag(String),
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// There is no such resource.
    #[error("there is no {0}; `list` shows what there is")]
    NotFound(String),
    /// The resource has changed since the caller looked.
    #[error("{id} has another etag by now, {now}: look at it again, and repeat the change")]
    PreconditionFailed {
        /// The resource.
        id: String,
        /// Its etag.
        now: String,
    },
    /// What was asked for does not fit what it is asked of.
    #[error("{0}")]
    Unsuitable(String),
}

impl IfMatch {
    /// What a request means by the etag that it carries, if it carries one.
    #[must_use]
    pub fn of(etag: Option<&str>) -> Self {
        match etag {
            None => Self::Anything,
            Some("*") => Self::Existing,
            Some(etag) => Self::Etag(etag.to_owned()),
        }
    }

    /// Whether this is the version of what is there.
    ///
    /// # Errors
    /// [`EditError::PreconditionFailed`] if it is another.
    pub fn holds(&self, id: &str, etag: impl FnOnce() -> String) -> Result<(), EditError> {
        let Self::Etag(expected) = self else { return Ok(()) };
        let now = etag();
        if *expected == now {
            return Ok(());
        }
        Err(EditError::PreconditionFailed { id: id.to_owned(), now })
    }
}

/// What errors call the document as a whole.
pub const WHOLE: &str = "the configuration";

/// The document with one change made.
///
/// # Errors
/// [`EditError`]; the document is then as it was.
pub fn apply(document: &Value, edit: Edit, if_match: &IfMatch) -> Result<Value, EditError> {
    if *if_match != IfMatch::Anything {
        let found = version_of(document, &edit)?;
        if_match.holds(&found.id, || found.etag())?;
    }
    let mut edited = document.clone();
    match edit {
        Edit::Put(id, body) => put::put(&mut edited, &id, body)?,
        Edit::Delete(id) => put::delete(&mut edited, &id)?,
        Edit::AddMember(member) => members::add(&mut edited, member)?,
        Edit::RemoveMember(member) => members::remove(&mut edited, &member)?,
        Edit::SetMember(member, settings) => members::set(&mut edited, &member, settings)?,
        Edit::SwapPublicAddresses(wanted) => swap::swap(&mut edited, &wanted)?,
    }
    Ok(edited)
}

/// What a change's condition is about.
fn version_of<'d>(document: &'d Value, edit: &Edit) -> Result<Found<'d>, EditError> {
    match edit {
        Edit::Put(id, _) | Edit::Delete(id) => find(document, id),
        Edit::AddMember(member) => find(document, &member.pool),
        Edit::RemoveMember(member) | Edit::SetMember(member, _) => members::find(document, member),
        Edit::SwapPublicAddresses(_) => Ok(Found { id: WHOLE.to_owned(), resource: document }),
    }
}
