//! How is one resource of the configuration shown, and changed?
//!
//! A change is one of whatever is in force when its turn comes: it waits until every configuration
//! before it is in force or refused, so that two changes at once cannot undo each other. Not here:
//! what becomes of the document (`weir_core::config::edit`), how it is applied (`answers`).

use std::collections::VecDeque;

use tokio::sync::oneshot;
use weir_core::api::{Change, Error, ErrorCode, Reply, Resource, Resources, Success};
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

    /// Puts a change in line.
    pub(super) fn change(&mut self, change: Change, peer: Peer, reply: oneshot::Sender<Reply>) {
        let Change { id, resource, if_match, dry_run } = change;
        let id = match ResourceId::parse(&id) {
            Ok(id) => id,
            Err(error) => return send(reply, Err(unsuitable(error))),
        };
        if self.changes.0.len() >= CHANGES_WAITING {
            let text = "too many changes wait for their turn: try again";
            return send(reply, Err(Error::new(ErrorCode::Internal, text)));
        }
        let edit = match resource {
            Some(resource) => Edit::Put(id, resource),
            None => Edit::Delete(id),
        };
        let if_match = match if_match.as_deref() {
            None => IfMatch::Anything,
            Some("*") => IfMatch::Existing,
            Some(etag) => IfMatch::Etag(etag.to_owned()),
        };
        self.changes.0.push_back(Waiting { edit, if_match, dry_run, peer, reply });
        self.next_change();
    }

    /// Makes the next change if its turn has come: one at a time, since each checks the whole
    /// configuration.
    pub(super) fn next_change(&mut self) {
        if !self.lane.is_idle() {
            return;
        }
        let Some(waiting) = self.changes.0.pop_front() else { return };
        let Waiting { edit, if_match, dry_run, peer, reply } = waiting;
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
