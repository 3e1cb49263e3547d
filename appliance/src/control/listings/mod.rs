//! How are live flows and outbound ports listed?
//!
//! ```text
//!   flows ─► owner 0 ─► slices … ─► owner 1 ─► … ─► names ─► one reply, and a cursor to go on
//!   snat ──► what is known of all ports: allocations, history
//!     └────► owners, as flows: summed up by destination
//! ```
//!
//! The owners tell, one after the other, and nobody else reads their tables. Nothing here blocks
//! the control side: a listing is a task that mostly waits. It ends at its limit of entries or of
//! time, whichever comes first, with a cursor that says where to go on.
//!
//! Not here: how owners are asked (`inquiries`), what they tell (`weir_core::path`).

mod allocations;
mod cursor;
mod flows;
mod history;
mod names;
mod snat;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use weir_core::api::{self, Error, ErrorCode, Reply};
use weir_core::config::edit::ResourceId;
use weir_core::limits::{
    LISTING_LIMIT_DEFAULT, LISTING_LIMIT_MAX, LISTING_MILLISECONDS_MAX, LISTINGS_MAX,
};
use weir_core::policy::Snapshot;
use weir_core::units::MemberId;

use super::Running;
use super::answers::send;
use super::inquiries::{Inquirer, Unanswered};
use cursor::Seal;
use flows::FlowListing;
use history::Times;
pub(super) use names::Names;
use snat::{Known, SnatListing};

/// How long a listing goes on to ask.
const LISTING_TIME: Duration = Duration::from_millis(LISTING_MILLISECONDS_MAX);

/// What all listings share.
pub(super) struct Listings {
    inquirer: Inquirer,
    seal: Rc<Seal>,
    places: Arc<Semaphore>,
}

impl Listings {
    pub(super) fn new(inquirer: Inquirer) -> Self {
        let (seal, places) = (Rc::default(), Arc::new(Semaphore::new(LISTINGS_MAX)));
        Self { inquirer, seal, places }
    }

    /// A place among the listings under way.
    fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let text =
                format!("{LISTINGS_MAX} listings are under way, and no more may be: try again");
            Error::new(ErrorCode::Busy, text)
        })
    }
}

impl Running {
    /// Lists flows.
    pub(super) fn list_flows(&self, wanted: &api::Flows, reply: oneshot::Sender<Reply>) {
        let listing = self.listings.place().and_then(|place| {
            let (names, snapshot) = (self.names(), self.lane.published());
            let Listings { inquirer, seal, .. } = &self.listings;
            let listing = FlowListing::new(wanted, names, snapshot, inquirer.clone(), seal)?;
            Ok((listing, place))
        });
        match listing {
            Ok((listing, place)) => {
                tokio::task::spawn_local(conclude(listing.run(), place, reply));
            }
            Err(error) => send(reply, Err(error)),
        }
    }

    /// Lists outbound ports.
    pub(super) fn list_snat(&self, wanted: &api::Snat, reply: oneshot::Sender<Reply>) {
        let listing = self.listings.place().and_then(|place| {
            let (names, snapshot) = (self.names(), self.lane.published());
            let Listings { inquirer, seal, .. } = &self.listings;
            let mut listing = SnatListing::new(wanted, names, snapshot, inquirer.clone(), seal)?;
            let now_ms = self.clock.now().milliseconds;
            let times = Times { now_ms, wall: SystemTime::now() };
            let known = Known { all: &self.member_ports(), scarcity: &self.events.scarcity, times };
            listing.allocate(known, snapshot, &self.workers);
            Ok((listing, place))
        });
        match listing {
            Ok((listing, place)) => {
                tokio::task::spawn_local(conclude(listing.run(), place, reply));
            }
            Err(error) => send(reply, Err(error)),
        }
    }

    /// What ids are called now.
    pub(super) fn names(&self) -> Names {
        Names::of(&self.checked.configuration, self.lane.published())
    }
}

/// Waits for a listing, unless nobody else does any more.
async fn conclude(
    listing: impl Future<Output = Reply>,
    place: OwnedSemaphorePermit,
    mut reply: oneshot::Sender<Reply>,
) {
    let answer = tokio::select! {
        answer = listing => Some(answer),
        () = reply.closed() => None,
    };
    drop(place);
    if let Some(answer) = answer {
        send(reply, answer);
    }
}

/// How many entries are wanted.
fn limit(wanted: Option<u32>) -> Result<usize, Error> {
    let limit = wanted.map_or(Ok(LISTING_LIMIT_DEFAULT), usize::try_from);
    let limit = limit.ok().filter(|limit| (1..=LISTING_LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| unsuitable(format!("limit: takes 1 to {LISTING_LIMIT_MAX}")))
}

/// The member with this address.
fn member(snapshot: &Snapshot, address: &str) -> Result<MemberId, Error> {
    let parsed: IpAddr =
        address.parse().map_err(|_| unsuitable(format!("member: {address:?} is no IP address")))?;
    let found = snapshot.hosts.get(parsed.to_canonical().into()).as_member();
    found.ok_or_else(|| {
        let text = format!("no pool has a member {address}; `weirctl status` shows all members");
        Error::new(ErrorCode::NotFound, text)
    })
}

/// An id, relative.
fn rule_id(text: &str) -> Result<String, Error> {
    let id = ResourceId::parse(text).map_err(|error| unsuitable(format!("rule: {error}")))?;
    Ok(id.to_string())
}

fn no_such_rule(id: &str, kinds: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no {id} among the {kinds}"))
}

fn unsuitable(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidParameters, message)
}

fn unanswered(why: Unanswered) -> Error {
    let code = match why {
        Unanswered::Unknown { .. } => ErrorCode::InvalidParameters,
        Unanswered::Busy(_) => ErrorCode::Busy,
        Unanswered::Silent(_) => ErrorCode::Internal,
    };
    Error::new(code, why.to_string())
}
