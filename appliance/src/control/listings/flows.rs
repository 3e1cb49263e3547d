//! Which flows are there?
//!
//! The place to go on is a worker and a slot of its table. What was asked with a rule for outbound
//! flows is asked of the owners by the rule's address, and told apart by name here.

use std::net::IpAddr;
use std::rc::Rc;

use tokio::time::Instant;
use weir_core::api::{self, Error, FlowList, Reply, Success};
use weir_core::path::{FlowQuery, FlowSlice, Through};
use weir_core::policy::Snapshot;
use weir_core::units::{Prefix, Transport, WorkerId};

use super::cursor::Seal;
use super::{
    Inquirer, LISTING_TIME, Names, Unanswered, limit, member, no_such_rule, rule_id, unanswered,
    unsuitable,
};

/// A listing of flows, ready to ask.
pub(super) struct FlowListing {
    /// What was asked, without what may differ from one part to the next.
    question: api::Flows,
    query: FlowQuery,
    /// The id of the outbound rule whose flows are wanted.
    outbound_rule: Option<String>,
    place: Place,
    last_worker: u8,
    limit: usize,
    names: Names,
    inquirer: Inquirer,
    seal: Rc<Seal>,
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    worker: u8,
    slot: u32,
}

impl FlowListing {
    /// Reads what is wanted.
    ///
    /// # Errors
    /// A parameter that does not suit, or names nothing.
    pub(super) fn new(
        wanted: &api::Flows,
        names: Names,
        snapshot: &Snapshot,
        inquirer: Inquirer,
        seal: &Rc<Seal>,
    ) -> Result<Self, Error> {
        let question = api::Flows { limit: None, cursor: None, ..wanted.clone() };
        let mut query = FlowQuery {
            protocol: wanted.protocol.as_deref().map(protocol).transpose()?,
            source: wanted.source.as_deref().map(|it| prefix("source", it)).transpose()?,
            source_port: wanted.source_port,
            destination: wanted
                .destination
                .as_deref()
                .map(|it| prefix("destination", it))
                .transpose()?,
            destination_port: wanted.destination_port,
            member: wanted.member.as_deref().map(|it| member(snapshot, it)).transpose()?,
            ..FlowQuery::default()
        };
        let mut outbound_rule = None;
        if let Some(rule) = &wanted.rule {
            (query.through, outbound_rule) = through(&names, rule)?;
        }
        let workers = inquirer.workers();
        let (first, last) = worker_range(wanted.worker, workers)?;
        let place = match &wanted.cursor {
            Some(cursor) => Place::read(seal.open(&question, cursor)?)?,
            None => Place { worker: first, slot: 0 },
        };
        Ok(Self {
            query,
            outbound_rule,
            place,
            last_worker: last,
            limit: limit(wanted.limit)?,
            names,
            inquirer,
            seal: Rc::clone(seal),
            question,
        })
    }

    /// Asks one owner after the other until there is enough, no more, or no more time.
    pub(super) async fn run(mut self) -> Reply {
        let until = Instant::now() + LISTING_TIME;
        let mut list = FlowList::default();
        loop {
            let worker = WorkerId(self.place.worker);
            let room = self.limit - list.flows.len();
            let slice = FlowSlice::new(self.query, self.place.slot, room);
            let slice = self.inquirer.list(worker, slice).await.map_err(unanswered)?;
            list.scanned += u64::from(slice.scanned());
            self.add(worker, &slice, &mut list);
            let Some(next) = self.place.after(&slice, self.last_worker) else {
                return Ok(Success::Flows(list));
            };
            self.place = next;
            if list.flows.len() >= self.limit || Instant::now() >= until {
                list.cursor = Some(self.seal.close(&self.question, &next.write()));
                return Ok(Success::Flows(list));
            }
        }
    }

    fn add(&self, worker: WorkerId, slice: &FlowSlice, list: &mut FlowList) {
        let is_wanted = |id: &str| self.outbound_rule.as_deref().is_none_or(|wanted| wanted == id);
        for view in slice.views() {
            let id = self.names.of_flow(view).map_or("", |name| &name.id);
            if is_wanted(id) {
                list.flows.push(self.names.flow(worker, view));
            }
        }
    }
}

impl Place {
    /// The place behind what a slice has shown; none at the end.
    fn after(self, slice: &FlowSlice, last_worker: u8) -> Option<Self> {
        match slice.next() {
            Some(slot) => Some(Self { slot, ..self }),
            None if self.worker < last_worker => Some(Self { worker: self.worker + 1, slot: 0 }),
            None => None,
        }
    }

    fn write(self) -> String {
        format!("{}.{}", self.worker, self.slot)
    }

    fn read(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('.');
        let place = parts.and_then(|(worker, slot)| {
            Some(Self { worker: worker.parse().ok()?, slot: slot.parse().ok()? })
        });
        place.ok_or_else(|| unsuitable("cursor: names no place"))
    }
}

/// The first and the last worker to ask.
fn worker_range(wanted: Option<u8>, workers: usize) -> Result<(u8, u8), Error> {
    match wanted {
        Some(worker) if usize::from(worker) >= workers => {
            let worker = WorkerId(worker);
            Err(unanswered(Unanswered::Unknown { worker, workers }))
        }
        Some(worker) => Ok((worker, worker)),
        None => Ok((0, u8::try_from(workers.saturating_sub(1)).unwrap_or(u8::MAX))),
    }
}

/// What a rule's flows go through; for an outbound rule, its id besides.
fn through(names: &Names, rule: &str) -> Result<(Option<Through>, Option<String>), Error> {
    let id = rule_id(rule)?;
    if let Some(rule) = names.rule(&id) {
        return Ok((Some(Through::Rule(rule)), None));
    }
    match names.outbound_method(&id) {
        Some(id) => Ok((None, Some(id.to_owned()))),
        None => Err(no_such_rule(&id, "loadBalancingRules and outboundRules")),
    }
}

fn protocol(text: &str) -> Result<Transport, Error> {
    if text.eq_ignore_ascii_case("Tcp") {
        Ok(Transport::Tcp)
    } else if text.eq_ignore_ascii_case("Udp") {
        Ok(Transport::Udp)
    } else if text.eq_ignore_ascii_case("Icmp") {
        Ok(Transport::Icmp)
    } else {
        Err(unsuitable(format!("protocol: takes Tcp, Udp or Icmp, not {text:?}")))
    }
}

/// An address or a prefix.
fn prefix(field: &str, text: &str) -> Result<Prefix, Error> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let address = address.to_canonical();
        let width = if address.is_ipv4() { 32 } else { 128 };
        if let Some(prefix) = Prefix::new(address, width) {
            return Ok(prefix);
        }
    }
    text.parse().map_err(|why| unsuitable(format!("{field}: {text:?} is no IP address and {why}")))
}
