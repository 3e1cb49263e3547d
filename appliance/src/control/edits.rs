//! How is one resource of the configuration shown, and changed?
//!
//! A change is one of whatever is in force when its turn comes: it waits until every configuration
//! before it is in force or refused, so that two changes at once cannot undo each other. Not here:
//! what becomes of the document (`weir_core::config::edit`), how it is applied (`answers`).

use std::collections::VecDeque;

use serde_json::Value;
use tokio::sync::oneshot;
use weir_core::api::{Delete, Error, ErrorCode, Put, Reply, Resource, Resources, Success};
use weir_core::config::edit::{self, Collection, Edit, EditError, Found, IfMatch, ResourceId};

use super::Running;
use super::answers::{author, send};
use super::lane::Origin;
use super::socket::Peer;

/// Changes that may wait for their turn. A further one is refused.
const CHANGES_WAITING: usize = 64;

/// Changes that wait for their turn, in the order in which they came.
#[derive(Default)]
pub(super) struct Changes(VecDeque<Waiting>);

struct Waiting {
    edit: Edit,
    if_match: IfMatch,
    author: Author,
}

/// Who wants a change, and whether it is meant.
struct Author {
    dry_run: bool,
    peer: Peer,
    reply: oneshot::Sender<Reply>,
}

impl Running {
    /// One resource.
    pub(super) fn resource(&self, id: &str) -> Reply {
        let id = ResourceId::parse(id).map_err(unsuitable)?;
        let found = edit::find(&self.checked.echo, &id).map_err(told)?;
        Ok(Success::Resource(shown(found)))
    }

    /// All resources of a collection.
    pub(super) fn resources(&self, collection: &str) -> Reply {
        let collection = Collection::parse(collection).map_err(unsuitable)?;
        let found = edit::list(&self.checked.echo, &collection).map_err(told)?;
        Ok(Success::Resources(Resources { resources: found.into_iter().map(shown).collect() }))
    }

    /// Puts a new or changed resource in line.
    pub(super) fn put(&mut self, put: Put, peer: Peer, reply: oneshot::Sender<Reply>) {
        let Put { id, resource, if_match, dry_run } = put;
        let edit = ResourceId::parse(&id).map(|id| Edit::Put(id, Value::Object(resource)));
        self.change(edit, if_match, Author { dry_run, peer, reply });
    }

    /// Puts the end of a resource in line.
    pub(super) fn delete(&mut self, delete: Delete, peer: Peer, reply: oneshot::Sender<Reply>) {
        let Delete { id, if_match, dry_run } = delete;
        let edit = ResourceId::parse(&id).map(Edit::Delete);
        self.change(edit, if_match, Author { dry_run, peer, reply });
    }

    fn change(
        &mut self,
        edit: Result<Edit, edit::IdError>,
        if_match: Option<String>,
        author: Author,
    ) {
        let edit = match edit {
            Ok(edit) => edit,
            Err(error) => return send(author.reply, Err(unsuitable(error))),
        };
        if self.changes.0.len() >= CHANGES_WAITING {
            let text = "too many changes wait for their turn: try again";
            return send(author.reply, Err(Error::new(ErrorCode::Busy, text)));
        }
        let if_match = match if_match {
            None => IfMatch::Anything,
            Some(any) if any == "*" => IfMatch::Existing,
            Some(etag) => IfMatch::Etag(etag),
        };
        self.changes.0.push_back(Waiting { edit, if_match, author });
        self.next_change();
    }

    /// Makes the next change if its turn has come: one at a time, since each checks the whole
    /// configuration.
    pub(super) fn next_change(&mut self) {
        if !self.lane.is_idle() {
            return;
        }
        let Some(waiting) = self.changes.0.pop_front() else { return };
        let Waiting { edit, if_match, author: Author { dry_run, peer, reply } } = waiting;
        match edit::apply(&self.checked.echo, edit, &if_match) {
            Err(error) => send(reply, Err(told(error))),
            Ok(document) => {
                let origin = Origin {
                    configuration: document.to_string(),
                    applied_by: author(peer),
                    restores: None,
                    file_sha256: None,
                };
                self.propose(origin, dry_run, reply);
            }
        }
    }
}

fn shown(found: Found<'_>) -> Resource {
    Resource { id: found.id, etag: found.etag, resource: found.resource.clone() }
}

fn unsuitable(error: edit::IdError) -> Error {
    Error::new(ErrorCode::InvalidParameters, error.to_string())
}

fn told(error: EditError) -> Error {
    let code = match error {
        EditError::NotFound(_) => ErrorCode::NotFound,
        EditError::PreconditionFailed { .. } => ErrorCode::PreconditionFailed,
        EditError::InvalidBody(_) => ErrorCode::InvalidParameters,
    };
    Error::new(code, error.to_string())
}
