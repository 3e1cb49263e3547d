//! What happens on one client's connection, from its first line to its last reply?
//!
//! Lines are answered one at a time; events come between replies, also while one is waited for.
//!
//! Not here: admission (`super`), the words (`weir_core::api`).

use std::fmt;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use weir_core::api::{Error, ErrorCode, Happening, Id, Missed, Reply, Request, write_response};
use weir_core::limits::{
    CONTROL_LINE_BYTES_MAX, CONTROL_WRITE_MILLISECONDS_MAX, EVENT_WRITE_MILLISECONDS_MAX,
};

use super::feed::{Feed, Next};
use super::lines::{Line, Lines};
use super::{Access, Call, Peer};
use crate::control::events;

/// Why a connection ended, for the log.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client closed and has all its replies.
    Closed,
    /// A line was too long.
    LineTooLong,
    /// The client left replies unread.
    NotReading,
    /// The appliance stops.
    Stopping,
    /// Reading or writing failed.
    Broken(io::Error),
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("closed"),
            Self::LineTooLong => formatter.write_str("a line was too long"),
            Self::NotReading => formatter.write_str("it did not read its replies"),
            Self::Stopping => formatter.write_str("the appliance stops"),
            Self::Broken(error) => error.fmt(formatter),
        }
    }
}

/// A connection.
struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write_half: OwnedWriteHalf,
    peer: Peer,
    access: Rc<Access>,
    requests: mpsc::Sender<Call>,
    feed: Rc<Feed>,
}

/// Answers line by line. The client may close its sending side early: requests that arrived are
/// answered before the connection closes. Events end with it.
pub(super) async fn serve_client(
    stream: UnixStream,
    peer: Peer,
    access: Rc<Access>,
    requests: mpsc::Sender<Call>,
) -> Ended {
    let (read_half, write_half) = stream.into_split();
    let lines = Lines::new(BufReader::new(read_half), CONTROL_LINE_BYTES_MAX);
    let mut client = Client { lines, write_half, peer, access, requests, feed: Rc::default() };
    loop {
        if let Err(ended) = client.turn().await {
            return ended;
        }
    }
}

impl Client {
    /// Answers one line or tells one event, whichever comes first.
    async fn turn(&mut self) -> Result<(), Ended> {
        let line = tokio::select! {
            line = self.lines.next() => line,
            next = self.feed.next() => return self.tell(next).await,
        };
        match line {
            Ok(Line::Text(line)) if line.trim_ascii().is_empty() => Ok(()),
            Ok(Line::Text(line)) => self.answer(&line).await,
            Ok(Line::End) => Err(Ended::Closed),
            Ok(Line::TooLong) => {
                self.refuse_long_line().await?;
                Err(Ended::LineTooLong)
            }
            Err(error) => Err(Ended::Broken(error)),
        }
    }

    async fn answer(&mut self, line: &[u8]) -> Result<(), Ended> {
        let (id, reply) = match Request::parse(line) {
            Ok(request) => (request.id.clone(), self.ask(request).await?),
            Err(rejection) => (rejection.id, rejection.error.into()),
        };
        match id {
            Some(id) => self.send(&write_response(&id, &reply)).await,
            None => Ok(()),
        }
    }

    /// Has a request answered, and goes on to tell events meanwhile.
    async fn ask(&mut self, request: Request) -> Result<Reply, Ended> {
        let (peer, method) = (self.peer, request.method.name());
        // Reading is everyday; only what changes something is news.
        if request.method.changes() {
            if let Access::ReadOnly { changes_at } = &*self.access {
                tracing::warn!(?peer, method, "refused a change on the read-only control socket");
                return Ok(Err(read_only(method, changes_at)));
            }
            tracing::info!(?peer, method, "control request");
        } else {
            tracing::debug!(?peer, method, "control request");
        }
        let (reply, mut answer) = oneshot::channel();
        let call = Call { request, reply, peer, feed: Rc::clone(&self.feed) };
        self.requests.send(call).await.map_err(|_| Ended::Stopping)?;
        loop {
            let next = tokio::select! {
                answer = &mut answer => return Ok(answer.unwrap_or_else(|_| Err(no_answer()))),
                next = self.feed.next() => next,
            };
            self.tell(next).await?;
        }
    }

    /// Tells an event. A client that is slow to read only loses events, so there is no hurry; one
    /// that has stopped to read leaves its place to others.
    async fn tell(&mut self, next: Next) -> Result<(), Ended> {
        let line = match next {
            Next::Event(line) => line,
            Next::Missed(count) => events::line(Happening::Missed(Missed { count })).into(),
        };
        let within = Duration::from_millis(EVENT_WRITE_MILLISECONDS_MAX);
        self.write(within, &line).await
    }

    async fn refuse_long_line(&mut self) -> Result<(), Ended> {
        let text = format!(
            "a line is at most {CONTROL_LINE_BYTES_MAX} bytes long; the connection is closed"
        );
        let reply = Error::new(ErrorCode::LineTooLong, text).into();
        self.send(&write_response(&Id::Null, &reply)).await
    }

    async fn send(&mut self, line: &str) -> Result<(), Ended> {
        self.write(Duration::from_millis(CONTROL_WRITE_MILLISECONDS_MAX), line).await
    }

    async fn write(&mut self, within: Duration, line: &str) -> Result<(), Ended> {
        match timeout(within, self.write_half.write_all(line.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Ended::Broken(error)),
            Err(_elapsed) => Err(Ended::NotReading),
        }
    }
}

fn read_only(method: &str, changes_at: &Path) -> Error {
    let text = format!(
        "this socket only reads, and {method} changes something; changes go to {}",
        changes_at.display()
    );
    Error::new(ErrorCode::ReadOnly, text)
}

fn no_answer() -> Error {
    let text = "the appliance gave no answer; it is stopping, or its log says why";
    Error::new(ErrorCode::Internal, text)
}
