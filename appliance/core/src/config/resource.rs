//! What do all resources and their children have in common: a name and properties?
//!
//! Not here: which properties (the file of each resource).

use std::collections::HashSet;

use super::arm::{Field, Object};
use crate::limits::RESOURCE_NAME_LENGTH_MAX;

/// A named object `{"name": …, "properties": {…}}` of the document.
pub(super) struct Resource<'a> {
    /// The name as written; empty when there is none.
    pub(super) name: String,
    /// The object itself.
    pub(super) object: Object<'a>,
    /// Its `properties`.
    pub(super) properties: Object<'a>,
}

/// A resource and what it means; no meaning when it has a problem. Its name still resolves, so
/// that one mistake is reported once.
pub(super) struct Written<'a, T> {
    pub(super) resource: Resource<'a>,
    pub(super) meaning: Option<T>,
}

impl<'a> Resource<'a> {
    /// Reads the frame of a resource.
    pub(super) fn read(field: &Field<'a>) -> Option<Self> {
        let object = field.object()?;
        let name = object.required("name").and_then(|field| read_name(&field)).unwrap_or_default();
        let properties = object.object("properties");
        Some(Self { name, object, properties })
    }

    /// What Weir adds to Azure's model: `extensions`, inside or beside `properties`.
    pub(super) fn extensions(&self) -> Object<'a> {
        let beside = self.object.object("extensions");
        let inside = self.properties.object("extensions");
        if beside.is_present() && inside.is_present() {
            self.object.error_at(
                "extensions",
                "DuplicateProperty",
                "`extensions` is written both inside and beside `properties`. Keep one of them.",
            );
        }
        if beside.is_present() { beside } else { inside }
    }

    /// Warns of what nobody asked for.
    pub(super) fn finish(&self) {
        self.object.finish();
        self.properties.finish();
    }
}

/// Reads a collection of named children, each with `read`.
pub(super) fn children<'a, T>(
    owner: &Object<'a>,
    collection: &'static str,
    mut read: impl FnMut(&Resource<'a>) -> Option<T>,
) -> Vec<Written<'a, T>> {
    let mut written = Vec::new();
    for field in owner.list(collection) {
        let Some(resource) = Resource::read(&field) else { continue };
        let meaning = read(&resource);
        resource.finish();
        written.push(Written { resource, meaning });
    }
    refuse_duplicate_names(written.iter().map(|child| &child.resource), collection);
    written
}

/// The names of a collection, in order.
pub(super) fn names<'w, T>(written: &'w [Written<'_, T>]) -> impl Iterator<Item = &'w str> {
    written.iter().map(|child| child.resource.name.as_str())
}

/// Names are unique in their collection, without regard to case.
pub(super) fn refuse_duplicate_names<'r, 'a: 'r>(
    resources: impl Iterator<Item = &'r Resource<'a>>,
    collection: &str,
) {
    let mut seen = HashSet::new();
    for resource in resources.filter(|resource| !resource.name.is_empty()) {
        if !seen.insert(resource.name.to_ascii_lowercase()) {
            resource.object.error_at(
                "name",
                "DuplicateResourceName",
                format!(
                    "`{}` is the name of an earlier one of {collection} already (names are \
                     compared without case). Choose another name.",
                    resource.name
                ),
            );
        }
    }
}

/// Azure's rule for names of network resources: letters, digits, `_`, `.` and `-`, beginning with
/// a letter or digit and ending with one or with `_`.
fn read_name(field: &Field<'_>) -> Option<String> {
    let name = field.text()?;
    let is_alphanumeric = |character: char| character.is_ascii_alphanumeric();
    let fits = name.starts_with(is_alphanumeric)
        && name.ends_with(|character| is_alphanumeric(character) || character == '_')
        && name.chars().all(|character| is_alphanumeric(character) || "_.-".contains(character))
        && name.len() <= RESOURCE_NAME_LENGTH_MAX;
    if !fits {
        field.error(
            "InvalidResourceName",
            format!(
                "`{name}` is not a name. Use 1 to {RESOURCE_NAME_LENGTH_MAX} letters, digits, `_`, \
                 `.` or `-`; begin with a letter or digit and end with one or with `_`."
            ),
        );
        return None;
    }
    Some(name.to_owned())
}
