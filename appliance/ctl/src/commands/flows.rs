//! How are live flows listed and counted?
//!
//! The appliance gives them a page at a time; pages are shown as they come.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use weir_core::api::{Flow, FlowList, Flows, Method};

use super::{explain, names};
use crate::arguments::FlowsArguments;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;
use crate::session::Session;

/// How many flows there are of what.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Flows in all.
    pub(crate) flows: u64,
    /// Whether all were counted.
    pub(crate) is_complete: bool,
    /// By rule and member, the most first.
    pub(crate) groups: Vec<Group>,
}

/// The flows of one rule and member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    /// What they have in common.
    #[serde(flatten)]
    pub(crate) of: GroupKey,
    /// TCP flows.
    pub(crate) tcp: u64,
    /// UDP flows.
    pub(crate) udp: u64,
}

impl Group {
    /// All of them.
    pub(crate) const fn flows(&self) -> u64 {
        self.tcp + self.udp
    }
}

/// What flows are counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupKey {
    /// The load balancer's name.
    pub(crate) load_balancer: Option<String>,
    /// The rule's name.
    pub(crate) rule: Option<String>,
    /// The member's address.
    pub(crate) member: Option<String>,
}

/// Lists or counts flows.
pub(super) fn run(session: &Session<'_>, wanted: FlowsArguments) -> Result<(), Failure> {
    let (amount, is_summary) = (wanted.amount, wanted.summary);
    let mut request = request(wanted);
    if is_summary {
        return count(session, request);
    }
    if amount.all {
        request.limit = Some(PAGE);
        return list_all(session, request);
    }
    let list = collect(session, request, amount.limit.unwrap_or(LIMIT))?;
    if session.is_json() {
        return session.print(&render::json(&list));
    }
    let list: FlowList = serde_json::from_value(list).unwrap_or_default();
    let end = render::end_of_flows(list.flows.len(), list.cursor.is_some());
    session.print(&(render::flows(&list.flows) + &end))
}

/// One reply with as many flows as are wanted, if there are so many. The appliance's own may have
/// fewer and a cursor: where few flows match, it answers before it has looked at all.
fn collect(session: &Session<'_>, mut request: Flows, limit: u32) -> Result<Value, Failure> {
    let mut connection = session.connect()?;
    let progress = Progress::of("Looking for flows");
    let mut all = json!({"flows": [], "cursor": null, "scanned": 0});
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let left = u32::try_from(found.len()).map_or(0, |found| limit.saturating_sub(found));
        request.limit = Some(left);
        let mut page: Value = connection.ask(Method::Flows(request.clone()))?;
        if let Some(Value::Array(flows)) = page.get_mut("flows") {
            found.append(flows);
        }
        scanned += page.get("scanned").and_then(Value::as_u64).unwrap_or_default();
        let cursor = page.get("cursor").and_then(Value::as_str).map(str::to_owned);
        all["cursor"] = json!(cursor);
        if cursor.is_none() || found.len() >= limit as usize {
            break;
        }
        progress.now(format!("Looked at {scanned} records for flows"));
        request.cursor = cursor;
    }
    all["flows"] = found.into();
    all["scanned"] = scanned.into();
    Ok(all)
}

fn request(wanted: FlowsArguments) -> Flows {
    Flows {
        protocol: wanted.protocol.map(explain::word),
        source: wanted.source,
        source_port: wanted.source_port,
        destination: wanted.destination,
        destination_port: wanted.destination_port,
        rule: wanted.rule.as_deref().map(names::rule),
        member: wanted.member,
        worker: wanted.worker,
        limit: None,
        cursor: None,
    }
}

/// Every page as it comes: tables for people, an object a line for programs.
fn list_all(session: &Session<'_>, request: Flows) -> Result<(), Failure> {
    let mut shown = 0;
    let is_complete = pages(session, request, |page| {
        let flows = page.get("flows").and_then(Value::as_array).cloned().unwrap_or_default();
        shown += flows.len();
        if session.is_json() {
            let lines = flows.iter().map(|flow| format!("{flow}\n"));
            return session.print(&lines.collect::<String>()).map(|()| flows.len());
        }
        let read: Vec<Flow> =
            flows.into_iter().filter_map(|flow| serde_json::from_value(flow).ok()).collect();
        session.print(&render::flows(&read)).map(|()| read.len())
    })?;
    if session.is_json() {
        return Ok(());
    }
    session.print(&render::end_of_flows(shown, !is_complete))
}

fn count(session: &Session<'_>, mut request: Flows) -> Result<(), Failure> {
    request.limit = Some(PAGE);
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    let progress = Progress::of("Counting flows");
    let mut counted = 0;
    let is_complete = pages(session, request, |page| {
        let page: FlowList = serde_json::from_value(page).unwrap_or_default();
        counted += page.flows.len() as u64;
        progress.now(format!("Counted {counted} flows"));
        let length = page.flows.len();
        page.flows.into_iter().for_each(|flow| add(&mut groups, flow));
        Ok(length)
    })?;
    drop(progress);
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.flows()));
    let summary = Summary { flows: counted, is_complete, groups };
    if session.is_json() {
        return session.print(&render::json(&summary));
    }
    session.print(&render::summary(&summary))
}

fn add(groups: &mut BTreeMap<GroupKey, Group>, flow: Flow) {
    let Flow { load_balancer, rule, member, protocol, .. } = flow;
    let of = GroupKey { load_balancer, rule, member };
    let group = groups.entry(of.clone()).or_insert_with(|| Group { of, ..Group::default() });
    if protocol == "Udp" {
        group.udp += 1;
    } else {
        group.tcp += 1;
    }
}

/// Asks for page after page; whether the end was reached before there were too many.
fn pages(
    session: &Session<'_>,
    mut request: Flows,
    mut each: impl FnMut(Value) -> Result<usize, Failure>,
) -> Result<bool, Failure> {
    let mut connection = session.connect()?;
    let mut seen = 0;
    while seen < FLOWS_MAX {
        let page: Value = connection.ask(Method::Flows(request.clone()))?;
        request.cursor = page.get("cursor").and_then(Value::as_str).map(str::to_owned);
        seen += each(page)?;
        if request.cursor.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is shown unless more is wanted.
const LIMIT: u32 = 100;
/// The most that a reply has.
const PAGE: u32 = 1_000;
/// What `--all` and `--summary` read at most.
pub(crate) const FLOWS_MAX: usize = 1_000_000;
