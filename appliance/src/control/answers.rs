//! How are the control socket's requests answered, and the file read again?

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::sync::oneshot;
use weir_core::api::{
    self, API_VERSION, Applied, Apply, Current, Error, ErrorCode, Method, Reply, Stats, Success,
    Version,
};
use weir_core::config::{self, Checked, FileProblem, Problem, changed_appliance_fields};
use weir_core::telemetry::Totals;

use super::Running;
use super::lane::{Candidate, Compiled};
use super::socket::Call;
use crate::boot::{BootError, read_configuration};

impl Running {
    /// Answers one call; `apply` later, once the workers have the configuration.
    pub(super) fn answer(&mut self, call: Call) {
        let reply = match call.request.method {
            Method::Apply(apply) => return self.apply(apply, call.reply),
            Method::Get => Ok(Success::Current(Current {
                generation: self.generation(),
                configuration: self.checked.document.clone(),
            })),
            Method::Status => Ok(Success::Status(Box::new(self.status()))),
            Method::Stats => Ok(Success::Stats(self.stats())),
            Method::Health => Ok(Success::Health(self.health_report())),
            Method::Version => Ok(Success::Version(self.version())),
        };
        send(call.reply, reply);
    }

    /// Checks a configuration and puts it in line; its author is told when it is in force.
    fn apply(&mut self, apply: Apply, reply: oneshot::Sender<Reply>) {
        let started = Instant::now();
        let checked = match check(&apply, &self.checked) {
            Ok(checked) => checked,
            Err(problems) => return send(reply, Err(refusal(problems))),
        };
        let warnings: Vec<api::Problem> = checked.warnings.iter().map(told).collect();
        let changed = checked.configuration != self.checked.configuration;
        let applied = move |generation, started: Instant| Applied {
            generation,
            changed,
            warnings,
            milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        // What is under way may be another configuration: then even the one in force must wait.
        if apply.dry_run || !changed && self.lane.is_idle() {
            if !apply.dry_run {
                self.checked = checked;
            }
            return send(reply, Ok(Success::Applied(applied(self.generation(), started))));
        }
        let (outcome_in, outcome) = oneshot::channel();
        let candidate = Candidate { checked, reply: Some(outcome_in) };
        if self.lane.apply(candidate).is_err() {
            let text = "too many configurations wait to be applied: try again";
            return send(reply, Err(Error::new(ErrorCode::Internal, text)));
        }
        tokio::task::spawn_local(async move {
            let answer = match outcome.await {
                Ok(Ok(outcome)) => Ok(Success::Applied(applied(outcome.generation, started))),
                Ok(Err(refused)) => {
                    Err(refusal(vec![problem("", "PortsFragmented", refused.to_string())]))
                }
                Err(_) => Err(Error::new(ErrorCode::Internal, "weir is stopping")),
            };
            send(reply, answer);
        });
    }

    /// Reads the file again, as SIGHUP asks. A refused file changes nothing.
    pub(super) fn reload(&mut self) {
        let read = read_configuration(&self.path).and_then(|checked| {
            let problems = unchangeable(&self.checked, &checked);
            let path = self.path.clone();
            let file = path.display().to_string();
            let located = |problem| FileProblem { file: file.clone(), problem };
            let problems: Vec<_> = problems.into_iter().map(located).collect();
            if problems.is_empty() {
                Ok(checked)
            } else {
                Err(BootError::Refused { path, problems })
            }
        });
        match read {
            Ok(checked) => {
                let waits = self.lane.apply(Candidate { checked, reply: None });
                match waits {
                    Ok(()) => tracing::info!("reloading {}", self.path.display()),
                    Err(_) => tracing::error!("not reloaded: too many configurations wait"),
                }
            }
            Err(error) => {
                tracing::error!("not reloaded: {error}");
                if let BootError::Refused { problems, .. } = error {
                    problems.iter().for_each(|problem| tracing::error!("{problem}"));
                }
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
    pub(super) async fn after_publication(&mut self, published: Option<super::lane::Published>) {
        let Some(published) = published else { return };
        self.announcer.learn(self.lane.published());
        if let Some(checked) = published.checked {
            self.checked = checked;
            tracing::info!("generation {} is in force", self.generation());
            self.put_in_force().await;
        }
    }

    fn stats(&self) -> Stats {
        let counters = |totals: Totals| -> BTreeMap<String, u64> { totals.values().clone() };
        let all = self.workers.iter().map(|worker| &*worker.counters);
        let mut sum = counters(Totals::of(all));
        sum.insert("kernel_refused_packets".to_owned(), self.pump.borrow().refused());
        sum.insert("probes_late".to_owned(), self.prober.late());
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

/// Checks a configuration, and that it changes nothing that only a restart can.
fn check(apply: &Apply, current: &Checked) -> Result<Checked, Vec<Problem>> {
    let text = apply.configuration.to_string();
    let checked = config::check(text.as_bytes())?;
    let problems = unchangeable(current, &checked);
    if problems.is_empty() { Ok(checked) } else { Err(problems) }
}

fn unchangeable(current: &Checked, wanted: &Checked) -> Vec<Problem> {
    let (old, new) = (&current.configuration.appliance, &wanted.configuration.appliance);
    let fields = changed_appliance_fields(old, new).into_iter();
    fields.map(|pointer| problem(pointer, "RestartRequired", RESTART.to_owned())).collect()
}

const RESTART: &str = "cannot change while weir runs: put it into the file and restart weir";

fn problem(pointer: &str, code: &'static str, message: String) -> Problem {
    Problem { pointer: pointer.to_owned(), code: code.into(), message }
}

fn refusal(problems: Vec<Problem>) -> Error {
    Error::configuration_refused(problems.iter().map(told).collect())
}

fn told(problem: &Problem) -> api::Problem {
    api::Problem {
        pointer: problem.pointer.clone(),
        code: problem.code.to_string(),
        message: problem.message.clone(),
    }
}

/// Answers a client, who may have gone.
fn send(reply: oneshot::Sender<Reply>, answer: Reply) {
    let _gone = reply.send(answer);
}
