//! How are the control socket's requests answered?
//!
//! Not here: what changes something (`changes`), long answers (files of their own).

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::oneshot;
use weir_core::api::{
    API_VERSION, Apply, Current, Error, ErrorCode, Get, List, Method, Reply, Stats, Success,
    Version,
};
use weir_core::config::edit::IfMatch;
use weir_core::telemetry::Totals;

use super::Running;
use super::judge::Change;
use super::outcome::author;
use super::socket::{Call, Peer};
use super::store::{Done, Sought};

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
                configuration: Value::clone(&self.checked.document),
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
        let change = Change::Document(Value::Object(configuration), author(peer));
        self.wait(change, IfMatch::of(if_match.as_deref()), dry_run, Some(reply));
    }

    /// Goes on with a rollback when its configuration was read.
    pub(super) fn kept(&mut self, done: Done) {
        let Done::Found(Sought { rollback, peer, reply }, found) = done else { return };
        match *found {
            Ok(record) => {
                let if_match = IfMatch::of(rollback.if_match.as_deref());
                let change = Change::Stored(record, author(peer));
                self.wait(change, if_match, rollback.dry_run, Some(reply));
            }
            Err(why) => send(reply, Err(Error::new(ErrorCode::NotStored, why))),
        }
    }

    fn stats(&self) -> Stats {
        let counters = |totals: Totals| -> BTreeMap<String, u64> { totals.values().clone() };
        let all = self.workers.iter().map(|worker| &*worker.counters);
        let mut sum = counters(Totals::of(all));
        sum.insert("kernel_refused_packets".to_owned(), self.pump.borrow().refused());
        sum.insert("probes_late".to_owned(), self.prober.late());
        let logged = self.lane.session_log().counts();
        sum.insert("session_log_records_written".to_owned(), logged.written);
        sum.insert("session_log_records_failed".to_owned(), logged.failed);
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

/// Answers a client, who may have gone.
pub(super) fn send(reply: oneshot::Sender<Reply>, answer: Reply) {
    let _gone = reply.send(answer);
}
