//! How does one resource come into the document, how does it leave, and how is it reached?
//!
//! Not here: what it means (`check`), members (`members`).

use serde_json::{Map, Value};

use super::find::{is_named, kind_of, not_found};
use super::{EditError, ResourceId};
use crate::config::resources::Kind;

/// Replaces a resource, or adds it behind its siblings.
pub(super) fn put(document: &mut Value, id: &ResourceId, body: Value) -> Result<(), EditError> {
    let body = identified(id, body)?;
    let resources = siblings(document, id)?;
    let known = resources.iter_mut().find(|it| is_meant(it, id));
    match known {
        Some(resource) => *resource = body,
        None => resources.push(body),
    }
    Ok(())
}

/// Takes a resource out.
pub(super) fn delete(document: &mut Value, id: &ResourceId) -> Result<(), EditError> {
    let resources = siblings(document, id)?;
    let position = resources.iter().position(|it| is_meant(it, id));
    resources.remove(position.ok_or_else(|| not_found(id))?);
    Ok(())
}

/// The list that a resource stands in or would be added to; made where there is none.
pub(super) fn siblings<'d>(
    document: &'d mut Value,
    id: &ResourceId,
) -> Result<&'d mut Vec<Value>, EditError> {
    let mut list = list_at(document, &["resources"]).ok_or_else(|| not_found(id))?;
    let mut owner = id.top();
    for (collection, name) in id.children() {
        let resource = list.iter_mut().find(|it| is_meant(it, &owner));
        let resource = resource.ok_or_else(|| not_found(&owner))?;
        list = list_at(resource, &["properties", collection]).ok_or_else(|| {
            EditError::Unsuitable(format!("{owner} has {collection} that are no list"))
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
    is_named(resource, id.last_name()) && (id.is_child() || kind_of(resource) == Some(id.kind()))
}

/// The body with the name and type that its id says.
fn identified(id: &ResourceId, body: Value) -> Result<Value, EditError> {
    let Value::Object(mut map) = body else {
        let text = format!("the body of {id} is no object; give {{\"properties\": {{…}}}}");
        return Err(EditError::Unsuitable(text));
    };
    let name = entry(&mut map, "name", || id.last_name().into());
    if !name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(id.last_name())) {
        let text = format!("the body is named {name}, and is put as {id}; names cannot be changed");
        return Err(EditError::Unsuitable(text));
    }
    if !id.is_child() {
        let kind = entry(&mut map, "type", || id.kind().type_name().into());
        if kind.as_str().and_then(Kind::named) != Some(id.kind()) {
            let text = format!("the body is of type {kind}, and is put as {id}");
            return Err(EditError::Unsuitable(text));
        }
    }
    Ok(Value::Object(map))
}

/// The value of a key in whatever case, which is added where it is missing or null.
fn entry<'m>(
    map: &'m mut Map<String, Value>,
    name: &str,
    missing: impl FnOnce() -> Value,
) -> &'m mut Value {
    let written = map.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    let value = map.entry(written.unwrap_or_else(|| name.to_owned())).or_insert(Value::Null);
    if value.is_null() {
        *value = missing();
    }
    value
}

/// The resource with this id.
pub(super) fn resource_mut<'d>(
    document: &'d mut Value,
    id: &ResourceId,
) -> Result<&'d mut Value, EditError> {
    let found = siblings(document, id)?.iter_mut().find(|it| is_meant(it, id));
    found.ok_or_else(|| not_found(id))
}

/// The object inside a resource, which is made where it is missing.
pub(super) fn object_in<'v>(
    resource: &'v mut Value,
    name: &str,
) -> Option<&'v mut Map<String, Value>> {
    let object = resource.as_object_mut()?.entry(name).or_insert(Value::Null);
    if object.is_null() {
        *object = Value::Object(Map::new());
    }
    object.as_object_mut()
}
