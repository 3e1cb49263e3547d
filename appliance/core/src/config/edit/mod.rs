//! What does a configuration become when one resource of it is put or deleted?
//!
//! ```text
//!   echo (in Azure's spelling) ─► find by id ─► etag as expected? ─► change ─► document ─► check
//! ```
//!
//! Every change of a part is a change of the whole document, which is then checked and applied as
//! any other: nothing here knows what a resource means, and no change gets around the validator.
//!
//! Not here: how ids are written (`id`), what the new document means (`check`).

mod id;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use id::{Collection, IdError, ResourceId, children_of};

use super::resources::Kind;

/// A change of one resource or child resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Replaces a resource, or adds it if its owner is there.
    Put(ResourceId, Value),
    /// Takes a resource out.
    Delete(ResourceId),
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
    /// The body is no resource of that name and type.
    #[error("{0}")]
    InvalidBody(String),
}

/// A resource as it stands in a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'d> {
    /// Its id, relative, as it is spelt in the document.
    pub id: String,
    /// Changes whenever the resource does.
    pub etag: String,
    /// The resource.
    pub resource: &'d Value,
}

/// The resource with this id; `document` is a configuration's echo.
///
/// # Errors
/// [`EditError::NotFound`].
pub fn find<'d>(document: &'d Value, id: &ResourceId) -> Result<Found<'d>, EditError> {
    let mut place = Place::top(document, id.kind())?;
    let mut spelt = place.spell(id.name())?;
    let mut resource = place.find(id.name()).ok_or_else(|| not_found(id))?;
    for (collection, name) in id.children() {
        place = Place::inside(resource, collection);
        resource = place.find(name).ok_or_else(|| not_found(id))?;
        spelt = format!("{spelt}/{collection}/{}", name_of(resource).unwrap_or(name));
    }
    Ok(Found { id: spelt, etag: etag(resource), resource })
}

/// All resources of a collection, in document order.
///
/// # Errors
/// [`EditError::NotFound`] if its owner is not there.
pub fn list<'d>(document: &'d Value, collection: &Collection) -> Result<Vec<Found<'d>>, EditError> {
    let (place, prefix) = match &collection.owner {
        None => {
            let kind = collection.kind;
            (Place::top(document, kind)?, kind.collection().to_owned())
        }
        Some(owner) => {
            let owner = find(document, owner)?;
            (
                Place::inside(owner.resource, collection.name),
                format!("{}/{}", owner.id, collection.name),
            )
        }
    };
    let found = place.resources().map(|resource| Found {
        id: format!("{prefix}/{}", name_of(resource).unwrap_or_default()),
        etag: etag(resource),
        resource,
    });
    Ok(found.collect())
}

/// The document with one change made.
///
/// # Errors
/// [`EditError`]; the document is then as it was.
pub fn apply(document: &Value, edit: Edit, if_match: &IfMatch) -> Result<Value, EditError> {
    let (Edit::Put(id, _) | Edit::Delete(id)) = &edit;
    expect(document, id, if_match)?;
    let mut edited = document.clone();
    match edit {
        Edit::Put(id, body) => put(&mut edited, &id, body)?,
        Edit::Delete(id) => delete(&mut edited, &id)?,
    }
    Ok(edited)
}

/// What identifies a version of a resource: a digest of its text, so that the same content has the
/// same etag, also after a restart.
#[must_use]
pub fn etag(resource: &Value) -> String {
    let digest = Sha256::digest(resource.to_string());
    // Half of it tells any two versions apart that somebody may have seen.
    digest.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn expect(document: &Value, id: &ResourceId, if_match: &IfMatch) -> Result<(), EditError> {
    let found = find(document, id);
    match (if_match, found) {
        (IfMatch::Anything, _) | (IfMatch::Existing, Ok(_)) => Ok(()),
        (IfMatch::Existing | IfMatch::Etag(_), Err(missing)) => Err(missing),
        (IfMatch::Etag(expected), Ok(found)) if *expected == found.etag => Ok(()),
        (IfMatch::Etag(_), Ok(found)) => {
            Err(EditError::PreconditionFailed { id: found.id, now: found.etag })
        }
    }
}

fn put(document: &mut Value, id: &ResourceId, body: Value) -> Result<(), EditError> {
    let body = identified(id, body)?;
    let resources = siblings(document, id)?;
    let known = resources.iter_mut().find(|it| is_meant(it, id));
    match known {
        Some(resource) => *resource = body,
        None => resources.push(body),
    }
    Ok(())
}

fn delete(document: &mut Value, id: &ResourceId) -> Result<(), EditError> {
    let resources = siblings(document, id)?;
    let position = resources.iter().position(|it| is_meant(it, id));
    resources.remove(position.ok_or_else(|| not_found(id))?);
    Ok(())
}

/// The list that a resource stands in or would be added to; made where there is none.
fn siblings<'d>(document: &'d mut Value, id: &ResourceId) -> Result<&'d mut Vec<Value>, EditError> {
    let mut list = list_at(document, &["resources"]).ok_or_else(|| not_found(id))?;
    let mut owner = id.top();
    for (collection, name) in id.children() {
        let resource = list.iter_mut().find(|it| is_meant(it, &owner));
        let resource = resource.ok_or_else(|| not_found(&owner))?;
        list = list_at(resource, &["properties", collection]).ok_or_else(|| {
            EditError::InvalidBody(format!("{owner} has {collection} that are no list"))
        })?;
        owner = owner.child(collection, name);
    }
    Ok(list)
}

/// A list inside objects, which are made where they are missing.
fn list_at<'d>(value: &'d mut Value, path: &[&str]) -> Option<&'d mut Vec<Value>> {
    let (last, objects) = path.split_last()?;
    let mut object = value.as_object_mut()?;
    for name in objects {
        let inner = object.entry(*name).or_insert_with(|| Value::Object(Map::new()));
        if inner.is_null() {
            *inner = Value::Object(Map::new());
        }
        object = inner.as_object_mut()?;
    }
    let list = object.entry(*last).or_insert_with(|| Value::Array(Vec::new()));
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut()
}

/// Whether this is the resource that the last part of an id names.
fn is_meant(resource: &Value, id: &ResourceId) -> bool {
    let same_name = name_of(resource).is_some_and(|name| name.eq_ignore_ascii_case(id.last_name()));
    same_name && (id.is_child() || kind_of(resource) == Some(id.kind()))
}

/// The body with the name and type that its id says.
fn identified(id: &ResourceId, body: Value) -> Result<Value, EditError> {
    let Value::Object(mut map) = body else {
        let text = format!("the body of {id} is no object; give {{\"properties\": {{…}}}}");
        return Err(EditError::InvalidBody(text));
    };
    let name = map.entry("name").or_insert_with(|| id.last_name().into());
    if !name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(id.last_name())) {
        let text = format!("the body is named {name}, and is put as {id}; names cannot be changed");
        return Err(EditError::InvalidBody(text));
    }
    if !id.is_child() {
        let kind = map.entry("type").or_insert_with(|| id.kind().type_name().into());
        if kind.as_str().and_then(Kind::named) != Some(id.kind()) {
            let text = format!("the body is of type {kind}, and is put as {id}");
            return Err(EditError::InvalidBody(text));
        }
    }
    Ok(Value::Object(map))
}

fn name_of(resource: &Value) -> Option<&str> {
    resource.get("name")?.as_str()
}

fn kind_of(resource: &Value) -> Option<Kind> {
    Kind::named(resource.get("type")?.as_str()?)
}

fn not_found(id: &impl fmt::Display) -> EditError {
    EditError::NotFound(id.to_string())
}

/// Where resources stand side by side.
struct Place<'d> {
    list: &'d [Value],
    /// At the top resources of all kinds stand side by side.
    kind: Option<Kind>,
}

impl<'d> Place<'d> {
    fn top(document: &'d Value, kind: Kind) -> Result<Self, EditError> {
        let list = document.get("resources").and_then(Value::as_array);
        let list = list.ok_or_else(|| not_found(&kind.collection()))?;
        Ok(Self { list, kind: Some(kind) })
    }

    /// The children of one kind; none where there is no such list.
    fn inside(resource: &'d Value, collection: &str) -> Self {
        let list = resource.get("properties").and_then(|it| it.get(collection));
        let list = list.and_then(Value::as_array);
        Self { list: list.map(Vec::as_slice).unwrap_or_default(), kind: None }
    }

    fn resources(&self) -> impl Iterator<Item = &'d Value> {
        let kind = self.kind;
        self.list.iter().filter(move |it| kind.is_none() || kind_of(it) == kind)
    }

    fn find(&self, name: &str) -> Option<&'d Value> {
        self.resources().find(|it| name_of(it).is_some_and(|it| it.eq_ignore_ascii_case(name)))
    }

    /// The beginning of an id at the top.
    fn spell(&self, name: &str) -> Result<String, EditError> {
        let collection = self.kind.map_or("", Kind::collection);
        let found = self.find(name).and_then(name_of);
        let found = found.ok_or_else(|| not_found(&format!("{collection}/{name}")))?;
        Ok(format!("{collection}/{found}"))
    }
}
