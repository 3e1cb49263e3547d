//! Which outbound ports may members use, and towards whom do they?
//!
//! Allocations are known here: the snapshot deals the ports, and owners count those in use. Towards
//! whom is told by the owners, flow by flow, and summed up here, one owner after the other:
//!
//! ```text
//!   flows of worker 0 ─► sums ─┐
//!   flows of worker 1 ─► sums ─┴─► the most used of all ─► behind the cursor, as many as wanted
//! ```
//!
//! Each worker's flows are summed up by themselves: a member with very many ports has them at
//! several, and a destination of its then stands there once for each. There is room for
//! the sums of a bounded number of destinations; flows stand in a table in no order, so that a
//! destination of many is met early, and what found no room is a destination of few.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use weir_core::api::{
    self, Error, ErrorCode, Reply, SnatAllocation, SnatDestination, SnatList, Success,
};
use weir_core::limits::SNAT_DESTINATIONS_SUMMED_MAX;
use weir_core::path::{FlowQuery, FlowSlice, FlowView};
use weir_core::policy::Snapshot;
use weir_core::units::{Address, Transport, WorkerId};

use super::allocations::{Dealt, Held};
use super::cursor::Seal;
use super::history::{self, Times};
use super::{Inquirer, Names, limit, member, no_such_rule, rule_id, unanswered, unsuitable};
use crate::control::WorkerView;
use crate::control::exhaustion::{MemberPorts, Scarcity};

/// Flows of one slice: so many that few round trips are needed, and so few that the control side
/// sums them up in less than a millisecond.
const FLOWS_PER_SLICE: usize = 4_096;
/// How long it may take to sum up all of them. Five million are 1,220 slices of a few milliseconds.
const SUMMED_WITHIN: Duration = Duration::from_secs(20);

/// A listing of outbound ports, ready to ask.
pub(super) struct SnatListing {
    /// What was asked, without what may differ from one part to the next.
    question: api::Snat,
    query: FlowQuery,
    /// The id of the rule that is wanted.
    rule: Option<String>,
    place: Place,
    limit: usize,
    allocations: Vec<SnatAllocation>,
    names: Names,
    inquirer: Inquirer,
    seal: Rc<Seal>,
}

/// What is known of outbound ports.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// All members' ports, in the order of the configuration.
    pub(super) all: &'a [MemberPorts],
    /// What was refused, and how it was.
    pub(super) scarcity: &'a Scarcity,
    /// When that is.
    pub(super) times: Times,
}

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The number of the next allocation; none when all were shown.
    allocations: Option<usize>,
    destinations: Destinations,
}

/// Which destinations are still to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Destinations {
    All,
    Behind(Rank),
    None,
}

/// Ports in use, and what tells destinations with as many apart: the most used comes first.
type Rank = (Reverse<u32>, Towards);

/// A member's flows from one address towards one destination, at one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Towards {
    member: Address,
    address: Address,
    protocol: Transport,
    destination: (Address, u16),
    worker: WorkerId,
}

impl SnatListing {
    /// Reads what is wanted.
    ///
    /// # Errors
    /// A parameter that does not suit, or names nothing.
    pub(super) fn new(
        wanted: &api::Snat,
        names: Names,
        snapshot: &Snapshot,
        inquirer: Inquirer,
        seal: &Rc<Seal>,
    ) -> Result<Self, Error> {
        let question = api::Snat { limit: None, cursor: None, ..wanted.clone() };
        let member = wanted.member.as_deref().map(|it| member(snapshot, it)).transpose()?;
        let query = FlowQuery { member, outbound_only: true, ..FlowQuery::default() };
        let mut rule = None;
        if let Some(wanted) = &wanted.rule {
            let id = rule_id(wanted)?;
            let known = names.outbound_method(&id);
            rule = Some(known.ok_or_else(|| no_such_rule(&id, "outboundRules"))?.to_owned());
        }
        let destinations = if wanted.destinations { Destinations::All } else { Destinations::None };
        let place = match &wanted.cursor {
            Some(cursor) => Place::read(seal.open(&question, cursor)?)?,
            None => Place { allocations: Some(0), destinations },
        };
        Ok(Self {
            query,
            rule,
            place,
            limit: limit(wanted.limit)?,
            allocations: Vec::new(),
            names,
            inquirer,
            seal: Rc::clone(seal),
            question,
        })
    }

    /// Notes which member may use which ports, from where the listing goes on.
    pub(super) fn allocate(
        &mut self,
        Known { all, scarcity, times }: Known<'_>,
        snapshot: &Snapshot,
        workers: &[WorkerView],
    ) {
        let Some(first) = self.place.allocations else { return };
        let dealt = Dealt { snapshot, workers, held: &Held::of(snapshot) };
        let is_wanted = |one: &&MemberPorts| {
            self.rule.as_ref().is_none_or(|id| *id == one.source.rule)
                && self.query.member.is_none_or(|member| member == one.id)
        };
        let rows = |one: &'_ MemberPorts| {
            let rows = dealt.rows(one, scarcity.refused(one.id, one.protocol));
            let place = (one.id, one.protocol);
            rows.into_iter().zip(0..).map(move |(row, number)| (place, number, row))
        };
        // One more than is shown, to know whether there are more.
        let shown = all.iter().filter(is_wanted).flat_map(rows).skip(first).take(self.limit + 1);
        let with_history = |((member, protocol), number, row)| {
            let is_asked = self.question.history && number == 0;
            let history = scarcity.history(member, protocol).filter(|_| is_asked);
            SnatAllocation { history: history.map(|it| history::shown(it, times)), ..row }
        };
        self.allocations = shown.map(with_history).collect();
    }

    /// Sums up what is asked, and puts both parts together.
    pub(super) async fn run(mut self) -> Reply {
        let mut list = SnatList::default();
        let more = self.allocations.len() > self.limit;
        self.allocations.truncate(self.limit);
        let next = self.place.allocations.filter(|_| more).map(|first| first + self.limit);
        list.allocations = std::mem::take(&mut self.allocations);
        let destinations = self.most_used(&mut list).await?;
        let place = Place { allocations: next, destinations };
        if !place.is_end() {
            list.cursor = Some(self.seal.close(&self.question, &place.write()));
        }
        Ok(Success::Snat(list))
    }

    /// Lists the destinations that come next; returns which are left.
    async fn most_used(&self, list: &mut SnatList) -> Result<Destinations, Error> {
        let behind = match &self.place.destinations {
            Destinations::None => return Ok(Destinations::None),
            Destinations::Behind(rank) => Some(*rank),
            Destinations::All => None,
        };
        let until = Instant::now() + SUMMED_WITHIN;
        let mut most_used: Vec<Rank> = Vec::new();
        for worker in (0u8..).take(self.inquirer.workers()).map(WorkerId) {
            let sums = self.sums_of(worker, until, &mut list.omitted).await?;
            let ranks = sums.into_iter().map(|(towards, ports)| (Reverse(ports), towards));
            let wanted = ranks.filter(|rank| behind.is_none_or(|behind| *rank > behind));
            most_used.extend(wanted);
            most_used.sort_unstable();
            most_used.truncate(self.limit + 1);
        }
        let more = most_used.len() > self.limit;
        most_used.truncate(self.limit);
        list.destinations = most_used.iter().map(shown).collect();
        let last = most_used.last().filter(|_| more);
        Ok(last.map_or(Destinations::None, |rank| Destinations::Behind(*rank)))
    }

    /// How many ports one worker's members use towards whom.
    async fn sums_of(
        &self,
        worker: WorkerId,
        until: Instant,
        omitted: &mut u64,
    ) -> Result<HashMap<Towards, u32>, Error> {
        let mut sums = HashMap::new();
        let mut slice = FlowSlice::new(self.query, 0, FLOWS_PER_SLICE);
        while slice.next().is_some() {
            if Instant::now() >= until {
                return Err(too_slow(worker));
            }
            slice = self.inquirer.list(worker, slice.again()).await.map_err(unanswered)?;
            for view in slice.views().iter().filter(|view| self.is_wanted(view)) {
                let towards = Towards::at(worker, view);
                if sums.len() < SNAT_DESTINATIONS_SUMMED_MAX || sums.contains_key(&towards) {
                    *sums.entry(towards).or_insert(0) += 1;
                } else {
                    *omitted += 1;
                }
            }
        }
        Ok(sums)
    }

    fn is_wanted(&self, view: &FlowView) -> bool {
        let id = || self.names.of_flow(view).map(|name| &name.id);
        self.rule.as_ref().is_none_or(|wanted| id() == Some(wanted))
    }
}

impl Towards {
    fn at(worker: WorkerId, view: &FlowView) -> Self {
        Self {
            worker,
            member: view.source.0,
            address: view.translated.0,
            protocol: view.protocol,
            destination: view.destination,
        }
    }
}

impl Place {
    const fn is_end(&self) -> bool {
        self.allocations.is_none() && matches!(self.destinations, Destinations::None)
    }

    fn write(&self) -> String {
        let allocations = self.allocations.map_or_else(|| "-".to_owned(), |next| next.to_string());
        let destinations = match &self.destinations {
            Destinations::All => "+".to_owned(),
            Destinations::None => "-".to_owned(),
            Destinations::Behind((Reverse(ports), towards)) => {
                let Towards { member, address, protocol, destination: (to, port), worker } =
                    towards;
                format!("{ports},{member},{address},{protocol},{to},{port},{}", worker.0)
            }
        };
        format!("{allocations}/{destinations}")
    }

    fn read(text: &str) -> Result<Self, Error> {
        let place = || {
            let (allocations, destinations) = text.split_once('/')?;
            let allocations = match allocations {
                "-" => None,
                number => Some(number.parse().ok()?),
            };
            let destinations = match destinations {
                "+" => Destinations::All,
                "-" => Destinations::None,
                rank => Destinations::Behind(read_rank(rank)?),
            };
            Some(Self { allocations, destinations })
        };
        place().ok_or_else(|| unsuitable("cursor: names no place"))
    }
}

fn read_rank(text: &str) -> Option<Rank> {
    let parts: Vec<_> = text.split(',').collect();
    let [ports, member, address, protocol, destination, port, worker] = parts[..] else {
        return None;
    };
    let address_of = |text: &str| Some(Address::from(text.parse::<std::net::IpAddr>().ok()?));
    let protocol = Transport::ALL.into_iter().find(|it| it.to_string() == protocol)?;
    let towards = Towards {
        member: address_of(member)?,
        address: address_of(address)?,
        protocol,
        destination: (address_of(destination)?, port.parse().ok()?),
        worker: WorkerId(worker.parse().ok()?),
    };
    Some((Reverse(ports.parse().ok()?), towards))
}

fn shown((Reverse(ports), towards): &Rank) -> SnatDestination {
    SnatDestination {
        member: towards.member.to_string(),
        address: towards.address.to_string(),
        protocol: towards.protocol.to_string(),
        destination: towards.destination.0.to_string(),
        destination_port: towards.destination.1,
        ports_used: *ports,
        worker: towards.worker.0,
    }
}

fn too_slow(worker: WorkerId) -> Error {
    let text = format!(
        "the flows of worker {worker} are too many to be summed up within {} s: ask for one member",
        SUMMED_WITHIN.as_secs()
    );
    Error::new(ErrorCode::Internal, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_was_written() {
        let address = |text: &str| text.parse::<std::net::IpAddr>().expect("an address").into();
        let towards = Towards {
            member: address("10.0.0.11"),
            address: address("203.0.113.20"),
            protocol: Transport::Udp,
            destination: (address("2001:db8::1"), 53),
            worker: WorkerId(3),
        };
        let behind = Transport::ALL
            .map(|protocol| Destinations::Behind((Reverse(17), Towards { protocol, ..towards })));
        for destinations in [Destinations::All, Destinations::None].into_iter().chain(behind) {
            for allocations in [None, Some(0), Some(1200)] {
                let place = Place { allocations, destinations: destinations.clone() };
                assert_eq!(Place::read(&place.write()), Ok(place));
            }
        }
        for text in [
            "",
            "1",
            "1/",
            "x/-",
            "1/1,2",
            "1/1,10.0.0.1,10.0.0.2,Tcp,x,1,0",
            "1/1,10.0.0.1,10.0.0.2,Sctp,10.0.0.3,1,0",
        ] {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }
}
