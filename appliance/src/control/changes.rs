//! Whose turn is it to change the configuration?
//!
//! ```text
//!   a request, a signal ─► in line ─► judged, on a thread of its own ─► lane ─► in force, stored
//!                                          └─► refused                              └─► told
//! ```
//!
//! A change is one of whatever is in force when its turn comes: it waits until every change before
//! it is in force or refused, so that no two undo each other, and an etag is compared with what is
//! there then. Not here: what a change makes of the configuration (`judge`), what its author hears
//! (`outcome`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_core::api::{Applied, Asked, Error, ErrorCode, Reply, Resource, Resources, Success};
use weir_core::config::edit::{self, Collection, Found, IfMatch, ResourceId};

use super::answers::send;
use super::judge::{Change, Judged, judge};
use super::lane::{Candidate, Compiled, Origin};
use super::outcome::{author, conclude, milliseconds, told};
use super::socket::Peer;
use super::{Running, lane, store};

/// Changes that may wait for their turn. A further one is refused.
const CHANGES_WAITING: usize = 64;

/// Changes that wait for their turn, in the order in which they came.
#[derive(Default)]
pub(super) struct Line {
    waiting: VecDeque<Waiting>,
    judging: Option<JoinHandle<Verdict>>,
}

struct Waiting {
    change: Change,
    if_match: IfMatch,
    request: Request,
}

/// Who wants a change, and whether it is meant.
struct Request {
    dry_run: bool,
    /// Nobody when a signal asked.
    reply: Option<oneshot::Sender<Reply>>,
    came: Instant,
}

/// What was found of a change.
pub(super) struct Verdict {
    judged: Result<Judged, Error>,
    request: Request,
}

impl Line {
    /// Waits for what is found of the change whose turn it is; for ever when there is none.
    pub(super) async fn judged(&mut self) -> Option<Verdict> {
        match &mut self.judging {
            Some(judging) => {
                let verdict = judging.await.ok();
                self.judging = None;
                verdict
            }
            None => std::future::pending().await,
        }
    }
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
                self.wait(Change::Part(edit, author(peer)), if_match, dry_run, Some(reply));
            }
            Err(error) => send(reply, Err(error)),
        }
    }

    /// Reads the file or directory again, as SIGHUP asks. What is refused changes nothing.
    pub(super) fn reload(&mut self) {
        self.wait(Change::Files(self.path.clone()), IfMatch::Anything, false, None);
    }

    /// Puts a change in line.
    pub(super) fn wait(
        &mut self,
        change: Change,
        if_match: IfMatch,
        dry_run: bool,
        reply: Option<oneshot::Sender<Reply>>,
    ) {
        let request = Request { dry_run, reply, came: Instant::now() };
        if self.line.waiting.len() >= CHANGES_WAITING {
            let text = "too many changes wait for their turn: try again";
            if request.reply.is_none() {
                tracing::error!("not reloaded: {text}");
            }
            return request.answer(Err(Error::new(ErrorCode::Busy, text)));
        }
        self.line.waiting.push_back(Waiting { change, if_match, request });
        self.next_change();
    }

    /// Has the next change judged if its turn has come.
    pub(super) fn next_change(&mut self) {
        if self.lane.has_candidate() || self.line.judging.is_some() {
            return;
        }
        let Some(Waiting { change, if_match, request }) = self.line.waiting.pop_front() else {
            return;
        };
        let current = Arc::clone(&self.checked);
        self.line.judging = Some(tokio::task::spawn_blocking(move || Verdict {
            judged: judge(change, &if_match, &current),
            request,
        }));
    }

    /// Goes on with a change that was judged; its author is told when it is in force and stored.
    pub(super) fn decide(&mut self, verdict: Option<Verdict>) {
        let Some(Verdict { judged, request }) = verdict else { return };
        let Judged { checked, origin, changed } = match judged {
            Ok(judged) => judged,
            Err(error) => return request.answer(Err(error)),
        };
        let mut applied = Applied {
            generation: self.generation(),
            changed,
            warnings: checked.warnings.iter().map(|it| told(&it.problem)).collect(),
            ..Applied::default()
        };
        if request.dry_run {
            applied.milliseconds = milliseconds(request.came.elapsed());
            return request.answer(Ok(Success::Applied(applied)));
        }
        let (author, outcome) = oneshot::channel();
        let checked = Arc::new(checked);
        if changed {
            self.lane.apply(Candidate { checked, origin, author });
            self.turn_lane();
        } else {
            self.checked = checked;
            let session_log = self.checked.configuration.appliance.session_log.as_ref();
            self.lane.log_sessions(session_log);
            self.keep(origin, author);
        }
        tokio::task::spawn_local(async move {
            let reply = conclude(applied, request.came, outcome).await;
            request.answer(reply);
        });
    }

    /// Takes in what the compiling thread made, and has it make what waits.
    pub(super) async fn finish(&mut self, compiled: Option<Compiled>) {
        let Some(compiled) = compiled else { return };
        let published = self.lane.finish(compiled);
        self.after_publication(published).await;
        self.next_change();
        // Before what changed meanwhile is compiled, or health that flaps would keep plans waiting.
        self.next_plan();
        self.turn_lane();
    }

    /// Has the compiling thread make what waits.
    pub(super) fn turn_lane(&mut self) {
        let now = self.clock.now().milliseconds;
        self.lane.turn(&self.checked, &self.health, &self.world, now);
    }

    /// Tells everybody about a snapshot that is in force now.
    pub(super) async fn after_publication(&mut self, published: Option<lane::Published>) {
        let Some(published) = published else { return };
        self.announcer.learn(self.lane.published());
        if let Some(Candidate { checked, origin, author }) = published.candidate {
            let old = std::mem::replace(&mut self.checked, checked);
            tracing::info!("generation {} is in force", self.generation());
            self.configuration_changed(&old.configuration, &origin.applied_by);
            // To free a large document takes longer than a probe should wait.
            tokio::task::spawn_blocking(move || drop(old));
            self.keep(origin, author);
            self.put_in_force().await;
        }
    }

    /// Has what is in force stored, and its author told then.
    pub(super) fn keep(&mut self, origin: Origin, author: lane::Waiting) {
        self.file_sha256 = origin.file_sha256.unwrap_or(self.file_sha256);
        let entry = store::Entry {
            configuration: origin.configuration,
            applied_at: SystemTime::now(),
            applied_by: origin.applied_by,
            restores: origin.restores,
            file_sha256: self.file_sha256,
        };
        let (kept_in, kept) = oneshot::channel();
        self.keeper.keep(entry, Some(kept_in));
        let generation = self.generation();
        // Nobody may want to know.
        let _gone = author.send(lane::Outcome { generation, published: Instant::now(), kept });
    }
}

impl Request {
    /// Answers who asked, if somebody did and is there.
    fn answer(self, reply: Reply) {
        if let Some(author) = self.reply {
            send(author, reply);
        }
    }
}

fn shown(found: Found<'_>) -> Resource {
    Resource { etag: found.etag(), resource: found.resource.clone(), id: found.id }
}
