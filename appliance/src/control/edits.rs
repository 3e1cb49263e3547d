//! How is one resource of the configuration shown, and changed?
//!
//! A change is one of whatever is in force when its turn comes: it waits until every configuration
//! before it is in force or refused, so that two changes at once cannot undo each other, and an
//! etag is compared with what is there then. Not here: what becomes of the document
//! (`weir_core::config::edit`), how it is applied (`answers`).

use std::collections::VecDeque;

use tokio::sync::oneshot;
use weir_core::api::{Asked, Error, ErrorCode, Reply, Resource, Resources, Success};
use weir_core::config::edit::{self, Collection, Edit, Found, IfMatch, ResourceId};

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
    change: Change,
    if_match: IfMatch,
    dry_run: bool,
    reply: oneshot::Sender<Reply>,
}

/// What is to become of the configuration.
enum Change {
    /// One part of it changes.
    Part(Edit, Peer),
    /// Another one takes its place.
    Whole(Origin),
}

impl Running {
    /// One resource.
    pub(super) fn resource(&self, id: &str) -> Reply {
        let found = edit::find(&self.checked.echo, &ResourceId::parse(id)?)?;
        Ok(Success::Resource(shown(found)))
    }

    /// All resources of a collection.
    pub(super) fn resources(&self, collection: &str) -> Reply {
        let found = edit::list(&self.checked.echo, &Collection::parse(collection)?)?;
        Ok(Success::Resources(Resources { resources: found.into_iter().map(shown).collect() }))
    }

    /// Puts a change of a part in line.
    pub(super) fn change<T>(&mut self, request: T, peer: Peer, reply: oneshot::Sender<Reply>)
    where
        Asked: TryFrom<T, Error = Error>,
    {
        match Asked::try_from(request) {
            Ok(Asked { edit, if_match, dry_run }) => {
                self.wait(Waiting { change: Change::Part(edit, peer), if_match, dry_run, reply });
            }
            Err(error) => send(reply, Err(error)),
        }
    }

    /// Puts another configuration in line.
    pub(super) fn replace(
        &mut self,
        origin: Origin,
        if_match: Option<&str>,
        dry_run: bool,
        reply: oneshot::Sender<Reply>,
    ) {
        let if_match = IfMatch::of(if_match);
        // Nobody who came before is overtaken: else changes of parts would wait for as long as
        // somebody applies whole configurations.
        if if_match == IfMatch::Anything && self.changes.0.is_empty() {
            return self.propose(origin, dry_run, reply);
        }
        self.wait(Waiting { change: Change::Whole(origin), if_match, dry_run, reply });
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.changes.0.len() >= CHANGES_WAITING {
            let text = "too many changes wait for their turn: try again";
            return send(waiting.reply, Err(Error::new(ErrorCode::Busy, text)));
        }
        self.changes.0.push_back(waiting);
        self.next_change();
    }

    /// Makes the next change if its turn has come: one at a time, since each checks the whole
    /// configuration.
    pub(super) fn next_change(&mut self) {
        if !self.lane.is_idle() {
            return;
        }
        let Some(waiting) = self.changes.0.pop_front() else { return };
        let Waiting { change, if_match, dry_run, reply } = waiting;
        match self.changed(change, &if_match) {
            Ok(origin) => self.propose(origin, dry_run, reply),
            Err(error) => send(reply, Err(error)),
        }
    }

    /// The configuration that a change makes of the one in force.
    fn changed(&self, change: Change, if_match: &IfMatch) -> Result<Origin, Error> {
        match change {
            Change::Part(edit, peer) => {
                let document = edit::apply(&self.checked.echo, edit, if_match)?;
                Ok(Origin {
                    configuration: document.to_string(),
                    applied_by: author(peer),
                    restores: None,
                    file_sha256: None,
                })
            }
            Change::Whole(origin) => {
                if_match.holds(edit::WHOLE, || self.checked.etag().to_owned())?;
                Ok(origin)
            }
        }
    }
}

fn shown(found: Found<'_>) -> Resource {
    Resource { etag: found.etag(), resource: found.resource.clone(), id: found.id }
}
