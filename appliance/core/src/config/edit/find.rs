//! What stands under an id, and what is in a list?
//!
//! Names are compared without regard to case; ids come back in the document's spelling.
//!
//! Not here: how ids are written (`id`), who is in a pool (`membership`).

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Collection, EditError, ResourceId};
use crate::config::resources::Kind;

/// A resource as it stands in a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'d> {
    /// Its id, relative, as it is spelt in the document.
    pub id: String,
    /// The resource.
    pub resource: &'d Value,
}

impl<'d> Found<'d> {
    /// Changes whenever the resource does.
    #[must_use]
    pub fn etag(&self) -> String {
        etag(self.resource)
    }

    /// One that stands in this collection.
    fn inside(prefix: &str, resource: &'d Value) -> Self {
        Self { id: format!("{prefix}/{}", name_of(resource).unwrap_or_default()), resource }
    }
}

/// The resource with this id; `document` is a configuration's echo.
///
/// # Errors
/// [`EditError::NotFound`].
pub fn find<'d>(document: &'d Value, id: &ResourceId) -> Result<Found<'d>, EditError> {
    let kind = id.kind();
    let named = |resource: &&Value| is_named(resource, id.name());
    let top = of_kind(document, kind).find(named).ok_or_else(|| not_found(id))?;
    let mut found = Found::inside(kind.collection(), top);
    for (collection, name) in id.children() {
        let child = children(found.resource, collection).iter().find(|it| is_named(it, name));
        let child = child.ok_or_else(|| not_found(id))?;
        found = Found::inside(&format!("{}/{collection}", found.id), child);
    }
    Ok(found)
}

/// All resources of a collection, in document order.
///
/// # Errors
/// [`EditError::NotFound`] if its owner is not there.
pub fn list<'d>(document: &'d Value, collection: &Collection) -> Result<Vec<Found<'d>>, EditError> {
    let Some(owner) = &collection.owner else {
        let resources = of_kind(document, collection.kind);
        return Ok(resources.map(|it| Found::inside(collection.name, it)).collect());
    };
    let owner = find(document, owner)?;
    let prefix = format!("{}/{}", owner.id, collection.name);
    let resources = children(owner.resource, collection.name).iter();
    Ok(resources.map(|it| Found::inside(&prefix, it)).collect())
}

/// What identifies a version of a resource: a digest of its text, so that the same content has the
/// same etag, also after a restart.
#[must_use]
pub fn etag(resource: &Value) -> String {
    let digest = Sha256::digest(resource.to_string());
    // Half of it tells any two versions apart that somebody may have seen.
    digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The resources of one kind, which stand side by side with all others.
pub(super) fn of_kind(document: &Value, kind: Kind) -> impl Iterator<Item = &Value> {
    resources(document).iter().filter(move |it| kind_of(it) == Some(kind))
}

/// All resources of the document.
pub(super) fn resources(document: &Value) -> &[Value] {
    document.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The children of one collection; none where there is no such list.
pub(super) fn children<'v>(resource: &'v Value, collection: &str) -> &'v [Value] {
    let list = resource.get("properties").and_then(|it| it.get(collection));
    list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn name_of(resource: &Value) -> Option<&str> {
    resource.get("name")?.as_str().map(str::trim)
}

pub(super) fn kind_of(resource: &Value) -> Option<Kind> {
    Kind::named(resource.get("type")?.as_str()?.trim())
}

pub(super) fn is_named(resource: &Value, name: &str) -> bool {
    name_of(resource).is_some_and(|it| it.eq_ignore_ascii_case(name))
}

pub(super) fn not_found(what: &impl fmt::Display) -> EditError {
    EditError::NotFound(what.to_string())
}
