//! How are the control socket's requests answered, and the file or directory read again?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;
use weir_core::api::{
    self, API_VERSION, Applied, Apply, Current, Error, ErrorCode, Get, List, Method, Reply, Source,
    Stats, Success, Version,
};
use weir_core::compile::PortsFragmented;
use weir_core::config::{self, Checked, Problem, changed_appliance_fields};
use weir_core::telemetry::Totals;

use super::lane::{Candidate, Compiled, Origin};
use super::socket::{Call, Peer};
use super::store::{ConfigurationFile, Done, Record, Sought};
use super::{Running, STORE_WITHIN, lane, store};
use crate::boot::read_configuration;

impl Running {
    /// Answers one call; `apply` later, once the workers have the configuration.
    pub(super) fn answer(&mut self, call: Call) {
        let reply = match call.request.method {
            Method::Apply(apply) => return self.apply(apply, call.peer, call.reply),
            Method::Rollback(rollback) => {
                let (peer, reply) = (call.peer, call.reply);
                return self.keeper.seek(Sought { rollback, peer, reply });
            }
            Method::History => Ok(Success::History(self.keeper.history())),
            Method::Put(asked) => return self.change(asked, call.peer, call.reply),
            Method::Delete(asked) => return self.change(asked, call.peer, call.reply),
            Method::AddMember(asked) => return self.change(asked, call.peer, call.reply),
            Method::RemoveMember(asked) => return self.change(asked, call.peer, call.reply),
            Method::SetMember(asked) => return self.change(asked, call.peer, call.reply),
            Method::SwapPublicIpAddresses(asked) => {
                return self.change(asked, call.peer, call.reply);
            }
            Method::QueryInboundNatRulePortMapping(query) => {
                query.answer(&self.checked.configuration)
            }
            Method::Subscribe(wanted) => self.subscribe(wanted, &call.feed),
            Method::Get(Get { id: Some(id) }) => self.resource(&id),
            Method::List(List { collection }) => self.resources(&collection),
            Method::Flows(wanted) => return self.list_flows(&wanted, call.reply),
            Method::Snat(wanted) => return self.list_snat(&wanted, call.reply),
            Method::Get(Get { id: None }) => Ok(Success::Current(Current {
                generation: self.generation(),
                etag: self.checked.etag().to_owned(),
                configuration: serde_json::Value::clone(&self.checked.document),
            })),
            Method::Plan(plan) => return self.plan(plan, call.reply),
            Method::Explain(asked) => return self.explain(&asked, call.reply),
            Method::Status => Ok(Success::Status(Box::new(self.status()))),
            Method::Stats => Ok(Success::Stats(self.stats())),
            Method::Health => Ok(Success::Health(self.health_report())),
            Method::Diagnose => Ok(Success::Diagnosis(self.diagnose())),
            Method::Version => Ok(Success::Version(self.version())),
        };
        send(call.reply, reply);
    }

    /// Puts a configuration in line; its author is told when it is in force and stored.
    fn apply(&mut self, apply: Apply, peer: Peer, reply: oneshot::Sender<Reply>) {
        let Apply { configuration, if_match, dry_run } = apply;
        let configuration = serde_json::Value::Object(configuration).to_string();
        let origin =
            Origin { configuration, applied_by: author(peer), restores: None, file_sha256: None };
        self.replace(origin, if_match.as_deref(), dry_run, reply);
    }

    /// Goes on with a rollback when its configuration was read.
    pub(super) fn kept(&mut self, done: Done) {
        let Done::Found(Sought { rollback, peer, reply }, found) = done else { return };
        match *found {
            Ok(Record { summary, configuration }) => {
                let (applied_by, restores) = (author(peer), Some(summary.number));
                let origin = Origin { configuration, applied_by, restores, file_sha256: None };
                self.replace(origin, rollback.if_match.as_deref(), rollback.dry_run, reply);
            }
            Err(why) => send(reply, Err(Error::new(ErrorCode::NotStored, why))),
        }
    }

    /// Checks a document and puts it in line; its author is told when it is in force and stored.
    pub(super) fn propose(&mut self, origin: Origin, dry_run: bool, reply: oneshot::Sender<Reply>) {
        let started = Instant::now();
        let checked = match check(&origin.configuration, &self.checked) {
            Ok(checked) => checked,
            Err(problems) => return send(reply, Err(refusal(problems))),
        };
        let mut applied = Applied {
            generation: self.generation(),
            changed: checked.configuration != self.checked.configuration,
            warnings: checked.warnings.iter().map(|it| told(&it.problem)).collect(),
            ..Applied::default()
        };
        if dry_run {
            applied.milliseconds = milliseconds(started.elapsed());
            return send(reply, Ok(Success::Applied(applied)));
        }
        let (author, outcome) = oneshot::channel();
        // What is under way may be another configuration: then even the one in force must wait.
        if !applied.changed && self.lane.is_idle() {
            self.checked = Arc::new(checked);
            self.keep(origin, Some(author));
        } else if self.lane.apply(Candidate { checked, origin, author: Some(author) }).is_err() {
            let text = "too many configurations wait to be applied: try again";
            return send(reply, Err(Error::new(ErrorCode::Internal, text)));
        }
        tokio::task::spawn_local(async move {
            send(reply, conclude(applied, started, outcome).await);
        });
    }

    /// Reads the file or directory again, as SIGHUP asks. What is refused changes nothing.
    pub(super) fn reload(&mut self) {
        let ConfigurationFile { sha256, origins, checked, .. } = read_configuration(&self.path);
        let read = checked.and_then(|checked| {
            let problems = unchangeable(&self.checked, &checked).into_iter();
            let problems: Vec<_> = problems.map(|problem| origins.locate(problem)).collect();
            if problems.is_empty() { Ok(checked) } else { Err(problems) }
        });
        match read {
            Ok(checked) => {
                let origin = Origin {
                    configuration: checked.document.to_string(),
                    applied_by: api::Author { source: Source::Signal, ..api::Author::default() },
                    restores: None,
                    file_sha256: Some(sha256),
                };
                let waits = self.lane.apply(Candidate { checked, origin, author: None });
                match waits {
                    Ok(()) => tracing::info!("reloading {}", self.path.display()),
                    Err(_) => tracing::error!("not reloaded: too many configurations wait"),
                }
            }
            Err(problems) => {
                let path = self.path.display();
                tracing::error!("not reloaded: the configuration {path} is refused");
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
            }
        }
    }

    /// Takes in what the compiling thread made.
    pub(super) async fn finish(&mut self, compiled: Option<Compiled>) {
        let Some(compiled) = compiled else { return };
        let published = self.lane.finish(compiled);
        self.after_publication(published).await;
    }

    /// Tells everybody about a snapshot that is in force now.
    pub(super) async fn after_publication(&mut self, published: Option<lane::Published>) {
        let Some(published) = published else { return };
        self.announcer.learn(self.lane.published());
        if let Some(Candidate { checked, origin, author }) = published.candidate {
            let old = std::mem::replace(&mut self.checked, Arc::new(checked));
            tracing::info!("generation {} is in force", self.generation());
            self.configuration_changed(&old.configuration, &origin.applied_by);
            self.keep(origin, author);
            self.put_in_force().await;
        }
    }

    /// Has what is in force stored, and its author told then.
    pub(super) fn keep(&mut self, origin: Origin, author: Option<lane::Waiting>) {
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
        if let Some(author) = author {
            let generation = self.generation();
            let outcome = lane::Outcome { generation, published: Instant::now(), kept };
            // A client that has gone does not want to know.
            let _gone = author.send(Ok(outcome));
        }
    }

    fn stats(&self) -> Stats {
        let counters = |totals: Totals| -> BTreeMap<String, u64> { totals.values().clone() };
        let all = self.workers.iter().map(|worker| &*worker.counters);
        let mut sum = counters(Totals::of(all));
        sum.insert("kernel_refused_packets".to_owned(), self.pump.borrow().refused());
        sum.insert("probes_late".to_owned(), self.prober.late());
        sum.insert("configurations_not_persisted".to_owned(), self.keeper.failures());
        let each = self.workers.iter().map(|worker| counters(Totals::of([&*worker.counters])));
        Stats { counters: sum, per_worker: each.collect() }
    }

    fn version(&self) -> Version {
        Version {
            name: self.checked.configuration.appliance.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: API_VERSION,
            dpdk: dpdk::version(),
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.lane.published().generation.0
    }
}

/// Waits until a configuration is in force and stored, and says so.
async fn conclude(
    mut applied: Applied,
    started: Instant,
    outcome: oneshot::Receiver<Result<lane::Outcome, PortsFragmented>>,
) -> Reply {
    let stopping = || Error::new(ErrorCode::Internal, "weir is stopping");
    let outcome = outcome.await.map_err(|_| stopping())?;
    let outcome = outcome.map_err(|refused| uncompiled(&refused))?;
    applied.generation = outcome.generation;
    applied.milliseconds = milliseconds(outcome.published.saturating_duration_since(started));
    let kept = match timeout(STORE_WITHIN, outcome.kept).await {
        Ok(kept) => kept.map_err(|_| stopping())?,
        Err(_) => Err(format!("the disk has not answered for {} s", STORE_WITHIN.as_secs())),
    };
    match kept {
        Ok(number) => applied.number = Some(number),
        Err(why) => applied.warnings.push(told(&problem("", "NotPersisted", not_persisted(&why)))),
    }
    Ok(Success::Applied(applied))
}

/// What to do about a configuration that is in force and not stored.
pub(super) fn not_persisted(why: &str) -> String {
    format!(
        "the configuration is in force, but not stored, and a restart would go back to the one \
         stored before: {why}. Make the state directory writable and free some space; weir tries \
         again every {} s, and `weirctl history` shows the outcome.",
        super::STORE_INTERVAL.as_secs()
    )
}

pub(super) fn author(peer: Peer) -> api::Author {
    let Peer { process, user, group: _ } = peer;
    api::Author { source: Source::Socket, user: Some(user), process }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Checks a configuration, and that it changes nothing that only a restart can.
pub(super) fn check(text: &str, current: &Checked) -> Result<Checked, Vec<Problem>> {
    let checked = config::check(text.as_bytes())?;
    let problems = unchangeable(current, &checked);
    if problems.is_empty() { Ok(checked) } else { Err(problems) }
}

fn unchangeable(current: &Checked, wanted: &Checked) -> Vec<Problem> {
    let (old, new) = (&current.configuration.appliance, &wanted.configuration.appliance);
    let fields = changed_appliance_fields(old, new).into_iter();
    fields.map(|pointer| problem(pointer, "RestartRequired", RESTART.to_owned())).collect()
}

const RESTART: &str = "cannot change while weir runs: write the whole configuration, with this \
                       change, into the file or directory of --config and restart weir; what has \
                       changed there counts whole (`weirctl get` shows what is in force)";

fn problem(pointer: &str, code: &'static str, message: String) -> Problem {
    Problem { pointer: pointer.to_owned(), code: code.into(), message }
}

/// A configuration that is valid, and cannot be put in force.
pub(super) fn uncompiled(refused: &PortsFragmented) -> Error {
    refusal(vec![problem("", "PortsFragmented", refused.to_string())])
}

pub(super) fn refusal(problems: Vec<Problem>) -> Error {
    Error::configuration_refused(problems.iter().map(told).collect())
}

pub(super) fn told(problem: &Problem) -> api::Problem {
    api::Problem {
        pointer: problem.pointer.clone(),
        code: problem.code.to_string(),
        message: problem.message.clone(),
    }
}

/// Answers a client, who may have gone.
pub(super) fn send(reply: oneshot::Sender<Reply>, answer: Reply) {
    let _gone = reply.send(answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the author of a configuration in force is told once `kept` says this; never, if None.
    async fn answer(kept: Option<store::Kept>) -> Applied {
        let (author, outcome) = oneshot::channel();
        let (kept_in, kept_out) = oneshot::channel();
        let published = lane::Outcome { generation: 7, published: Instant::now(), kept: kept_out };
        author.send(Ok(published)).expect("it waits");
        let silent = match kept {
            Some(kept) => {
                kept_in.send(kept).expect("it waits");
                None
            }
            None => Some(kept_in),
        };
        let reply = conclude(Applied::default(), Instant::now(), outcome).await;
        drop(silent);
        match reply {
            Ok(Success::Applied(applied)) => applied,
            other => panic!("in force is in force: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_author_hears_the_number_or_why_it_is_not_stored_and_never_waits_for_a_dead_disk() {
        let stored = answer(Some(Ok(12))).await;
        assert_eq!((stored.generation, stored.number, stored.warnings.len()), (7, Some(12), 0));
        for (kept, part) in [(Some(Err("it is full".into())), "it is full"), (None, "for 3 s")] {
            let unstored = answer(kept).await;
            assert_eq!((unstored.generation, unstored.number), (7, None));
            let [warning] = &unstored.warnings[..] else { panic!("one warning: {unstored:?}") };
            assert_eq!(warning.code, "NotPersisted");
            assert!(warning.message.contains(part), "{}", warning.message);
        }
    }
}
