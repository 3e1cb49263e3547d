//! How does an operator's command reach the appliance?
//!
//! ```text
//!   weirctl ──► unix socket ──► lines ──► Request ──► Call ──► the control side
//!           ◄── one line each ◄──────────────────── Reply ◄──┤
//!           ◄── one line each ◄──────────────────── Feed ◄───┘ events
//! ```
//!
//! One task per client, one request of each under way: clients take turns in the order of the
//! channel, so that none can crowd out the others. Each socket has its own places for clients: a
//! crowd that reads does not keep out who has to change something.
//!
//! Not here: what requests mean (`weir_core::api`), who answers them (the control side's main
//! loop), what events there are (`super::events`).

mod client;
mod feed;
mod lines;
mod listener;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use weir_core::api::{Error, ErrorCode, Id, Reply, Request, write_response};
use weir_core::limits::CONTROL_CLIENTS_MAX;

pub use feed::{Feed, Next};
pub use listener::{Access, Listener, SocketError, open};

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process, when the kernel knows it.
    pub process: Option<i32>,
    /// The effective user when it connected.
    pub user: u32,
    /// The effective group when it connected.
    pub group: u32,
}

/// One request to answer. Dropping it unanswered answers with an internal error.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the reply goes; for a notification it is taken and not sent.
    pub reply: oneshot::Sender<Reply>,
    /// Who asks.
    pub peer: Peer,
    /// Where events go that the client subscribes to; gone when the client is.
    pub feed: Rc<Feed>,
}

/// Serves clients until the receiver of `requests` is gone. Runs on a current-thread runtime
/// inside a `LocalSet`; dropping the future closes every client and removes the socket.
pub async fn serve(listener: Listener, requests: mpsc::Sender<Call>) {
    let mut clients = JoinSet::new();
    let places = Places::default();
    let access = Rc::new(listener.access().clone());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => admit(stream, &access, &places, &requests, &mut clients),
                Err(error) => {
                    // Out of descriptors, mostly: waiting lets clients finish and give some back.
                    tracing::warn!(%error, "cannot accept a client of the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_ended) = clients.join_next() => {}
            () = requests.closed() => return,
        }
    }
}

fn admit(
    stream: UnixStream,
    access: &Rc<Access>,
    places: &Places,
    requests: &mpsc::Sender<Call>,
    clients: &mut JoinSet<()>,
) {
    let peer = match stream.peer_cred() {
        Ok(peer) => Peer { process: peer.pid(), user: peer.uid(), group: peer.gid() },
        Err(error) => {
            tracing::warn!(%error, "a client of the control socket was gone before it was served");
            return;
        }
    };
    let Some(place) = places.take() else {
        tracing::warn!(
            ?peer,
            "refused a client of the control socket: {CONTROL_CLIENTS_MAX} are served"
        );
        turn_away(&stream);
        return;
    };
    tracing::debug!(?peer, "a client of the control socket connected");
    let (access, requests) = (Rc::clone(access), requests.clone());
    clients.spawn_local(async move {
        let ended = client::serve_client(stream, peer, access, requests).await;
        tracing::debug!(?peer, reason = %ended, "a client of the control socket left");
        drop(place);
    });
}

/// Tells a client that all places are taken. A fresh socket's buffer holds the line, so nothing
/// waits here.
fn turn_away(stream: &UnixStream) {
    let text = format!(
        "all {CONTROL_CLIENTS_MAX} places for clients of this socket are taken; close one, or try \
         again later"
    );
    let line = write_response(&Id::Null, &Error::new(ErrorCode::TooManyClients, text).into());
    if let Err(error) = stream.try_write(line.as_bytes()) {
        tracing::debug!(%error, "the refused client did not wait for the reason");
    }
}

/// Counts the places for clients that are left.
#[derive(Clone)]
struct Places(Rc<Cell<usize>>);

/// One client's place, given back on drop.
struct Place(Rc<Cell<usize>>);

impl Default for Places {
    fn default() -> Self {
        Self(Rc::new(Cell::new(CONTROL_CLIENTS_MAX)))
    }
}

impl Places {
    fn take(&self) -> Option<Place> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(Place(Rc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// How long accepting rests after a failure, so that a lack of descriptors costs no lcore.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
