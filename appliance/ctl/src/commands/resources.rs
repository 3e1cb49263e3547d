//! How is one resource of the configuration shown and changed?

use std::path::Path;

use weir_core::api::{Current, Delete, Get, List, Method, Put, Resource, Resources};

use super::change;
use crate::arguments::Condition;
use crate::failure::Failure;
use crate::files;
use crate::render;
use crate::session::Session;

/// Shows everything, or one resource.
pub(super) fn get(session: &Session<'_>, id: Option<String>) -> Result<(), Failure> {
    if id.is_none() {
        return session.show::<Current>(Method::Get(Get { id }), render::current);
    }
    session.show::<Resource>(Method::Get(Get { id }), |found| render::json(&found.resource))
}

/// Shows a collection.
pub(super) fn list(session: &Session<'_>, collection: String) -> Result<(), Failure> {
    session.show::<Resources>(Method::List(List { collection }), render::resources)
}

/// Replaces or adds a resource.
pub(super) fn put(
    session: &Session<'_>,
    id: String,
    file: &Path,
    condition: Condition,
) -> Result<(), Failure> {
    let Condition { if_match, dry_run } = condition;
    let resource = files::read_resource(file)?;
    change(session, Method::Put(Put { id, resource, if_match, dry_run }), dry_run)
}

/// Takes a resource out.
pub(super) fn delete(
    session: &Session<'_>,
    id: String,
    condition: Condition,
) -> Result<(), Failure> {
    let Condition { if_match, dry_run } = condition;
    change(session, Method::Delete(Delete { id, if_match, dry_run }), dry_run)
}
