//! What do the methods that only read answer?
//!
//! Replies are read as leniently as possible, so that a `weirctl` of another release still shows
//! what it knows: a missing field has its default, an unknown one is skipped.
//!
//! Not here: the long reply of `status` (`status`), those with a file of their own, envelopes
//! (`envelope`), errors (`error`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Applied;
use super::diagnosis::Diagnosis;
use super::error::Error;
use super::event::Subscribed;
use super::explanation::Explanation;
use super::listing::{FlowList, SnatList};
use super::mapping::PortMappings;
use super::plan::Plan;
use super::status::Status;

/// What the appliance answers to one request.
pub type Reply = Result<Success, Error>;

/// The result of a request that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Success {
    /// To every method that changes something.
    Applied(Applied),
    /// To `get` without an id.
    Current(Current),
    /// To `get` with one.
    Resource(Resource),
    /// To `list`.
    Resources(Resources),
    /// To `flows`.
    Flows(FlowList),
    /// To `snat`.
    Snat(SnatList),
    /// To `queryInboundNatRulePortMapping`.
    PortMappings(PortMappings),
    /// To `history`.
    History(History),
    /// To `status`.
    Status(Box<Status>),
    /// To `stats`.
    Stats(Stats),
    /// To `health`.
    Health(Health),
    /// To `subscribe`.
    Subscribed(Subscribed),
    /// To `diagnose`.
    Diagnosis(Diagnosis),
    /// To `version`.
    Version(Version),
    /// To `plan`.
    Plan(Box<Plan>),
    /// To `explain`.
    Explanation(Box<Explanation>),
}

/// The reply to `version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Version {
    /// The appliance's name from its configuration.
    pub name: String,
    /// The release of Weir.
    pub version: String,
    /// `API_VERSION` of the appliance.
    pub api_version: u32,
    /// The release of DPDK.
    pub dpdk: String,
}

/// `get`: show the configuration in force, or one resource of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Get {
    /// The resource's id; the whole configuration when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// `list`: show all resources of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    /// Such as `loadBalancers`, or `loadBalancers/web/probes`.
    pub collection: String,
}

/// The reply to `get` without an id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Current {
    /// The generation in force.
    pub generation: u32,
    /// What `ifMatch` of a change of the whole expects; another one as soon as anything changes.
    pub etag: String,
    /// The configuration document as it was applied.
    pub configuration: Value,
}

/// The reply to `get` with an id: one resource or child resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resource {
    /// Its id, relative, as the configuration spells it.
    pub id: String,
    /// What `ifMatch` expects; another one as soon as anything in the resource has changed.
    pub etag: String,
    /// The resource, in Azure's spelling, with everything that was written.
    pub resource: Value,
}

/// The reply to `list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resources {
    /// In document order.
    pub resources: Vec<Resource>,
}

/// The reply to `history`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct History {
    /// The stored configurations, newest first.
    pub configurations: Vec<StoredConfiguration>,
    /// Why the configuration in force is not among them; `null` while it is.
    pub not_persisted: Option<String>,
}

/// One stored configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StoredConfiguration {
    /// Its number; a later configuration has a higher one.
    pub number: u64,
    /// When it was put in force (RFC 3339, UTC); empty when it is damaged.
    pub applied_at: String,
    /// Who put it in force.
    pub applied_by: Author,
    /// The number of the stored configuration that it put in force again.
    pub restores: Option<u64>,
    /// The SHA-256 of the document; empty when it is damaged.
    pub sha256: String,
    /// Whether it is in force.
    pub in_force: bool,
    /// What is wrong with the stored file; `null` when nothing is.
    pub damage: Option<String>,
}

/// Who put a configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Author {
    /// By which way.
    pub source: Source,
    /// The user at the control socket.
    pub user: Option<u32>,
    /// The process at the control socket, when the kernel knew it.
    pub process: Option<i32>,
}

/// By which way a configuration came in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A request on the control socket.
    Socket,
    /// The file of `--config`, at a start.
    File,
    /// The file of `--config`, read again at a signal.
    Signal,
    /// A stored configuration that a start was told to take (`--stored`).
    Stored,
    /// A way that another release knows.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Author {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.source, self.user, self.process) {
            (Source::Socket, Some(user), Some(process)) => {
                write!(formatter, "user {user} (pid {process})")
            }
            (Source::Socket, Some(user), None) => write!(formatter, "user {user}"),
            (Source::Socket, None, _) => formatter.write_str("the control socket"),
            (Source::File, ..) => formatter.write_str("the file, at start"),
            (Source::Signal, ..) => formatter.write_str("the file, by SIGHUP"),
            (Source::Stored, ..) => formatter.write_str("--stored, at start"),
            (Source::Unknown, ..) => formatter.write_str("somebody"),
        }
    }
}

/// The reply to `stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Stats {
    /// Every counter by name, summed over the workers.
    pub counters: BTreeMap<String, u64>,
    /// The same for each worker, in the order of their numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_worker: Vec<BTreeMap<String, u64>>,
}

/// The reply to `health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Health {
    /// Every load balancer, in the order of the configuration.
    pub load_balancers: Vec<LoadBalancerHealth>,
}

/// The health of one load balancer's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancerHealth {
    /// The resource's name.
    pub name: String,
    /// Its load-balancing rules.
    pub rules: Vec<RuleHealth>,
}

/// The health of one rule's members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuleHealth {
    /// The rule's name.
    pub name: String,
    /// The probe's name; `null` for a rule without a probe, whose members are always eligible.
    pub probe: Option<String>,
    /// The backend address pool's name.
    pub pool: String,
    /// The members of its pool.
    pub members: Vec<MemberHealth>,
}

/// The health of one member for one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MemberHealth {
    /// The member's address.
    pub address: String,
    /// `Up` or `Down`: whether it receives new flows of this rule.
    pub state: String,
    /// Azure's reason code (behaviour.md §3.6); `null` for a rule without a probe.
    pub reason: Option<String>,
    /// What the latest attempt found, for people.
    pub detail: Option<String>,
}
