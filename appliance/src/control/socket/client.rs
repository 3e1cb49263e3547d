//! What happens on one client's connection, from its first line to its last reply?
//!
//! Not here: admission (`super`), the words (`weir_core::api`).

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use weir_core::api::{Error, ErrorCode, Id, Reply, Request, write_response};
use weir_core::limits::{CONTROL_LINE_BYTES_MAX, CONTROL_WRITE_MILLISECONDS_MAX};

use super::lines::{Line, next_line};
use super::{Call, Peer};

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

/// Answers line by line. The client may close its sending side early: requests that arrived are
/// answered before the connection closes.
pub(super) async fn serve_client(
    stream: UnixStream,
    peer: Peer,
    requests: mpsc::Sender<Call>,
) -> Ended {
    let (read_half, mut write_half) = stream.into_split();
    let mut reader = BufReader::new(read_half);
    loop {
        let line = match next_line(&mut reader, CONTROL_LINE_BYTES_MAX).await {
            Ok(Line::Text(line)) => line,
            Ok(Line::End) => return Ended::Closed,
            Ok(Line::TooLong) => return refuse_long_line(&mut write_half).await,
            Err(error) => return Ended::Broken(error),
        };
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Err(ended) = answer_line(&line, peer, &requests, &mut write_half).await {
            return ended;
        }
    }
}

async fn answer_line(
    line: &[u8],
    peer: Peer,
    requests: &mpsc::Sender<Call>,
    write_half: &mut OwnedWriteHalf,
) -> Result<(), Ended> {
    let (id, reply) = match Request::parse(line) {
        Ok(request) => {
            // Reading is everyday; only what changes something is news.
            if request.method.changes() {
                tracing::info!(?peer, method = request.method.name(), "control request");
            } else {
                tracing::debug!(?peer, method = request.method.name(), "control request");
            }
            (request.id.clone(), ask(request, peer, requests).await?)
        }
        Err(rejection) => (rejection.id, rejection.error.into()),
    };
    match id {
        Some(id) => send(write_half, &write_response(&id, &reply)).await,
        None => Ok(()),
    }
}

async fn ask(request: Request, peer: Peer, requests: &mpsc::Sender<Call>) -> Result<Reply, Ended> {
    let (reply, answer) = oneshot::channel();
    requests.send(Call { request, reply, peer }).await.map_err(|_| Ended::Stopping)?;
    Ok(answer.await.unwrap_or_else(|_| {
        let text = "the appliance gave no answer; it is stopping, or its log says why";
        Error::new(ErrorCode::Internal, text).into()
    }))
}

async fn refuse_long_line(write_half: &mut OwnedWriteHalf) -> Ended {
    let text =
        format!("a line is at most {CONTROL_LINE_BYTES_MAX} bytes long; the connection is closed");
    let reply = Error::new(ErrorCode::LineTooLong, text).into();
    match send(write_half, &write_response(&Id::Null, &reply)).await {
        Ok(()) => Ended::LineTooLong,
        Err(ended) => ended,
    }
}

async fn send(write_half: &mut OwnedWriteHalf, line: &str) -> Result<(), Ended> {
    let within = Duration::from_millis(CONTROL_WRITE_MILLISECONDS_MAX);
    match timeout(within, write_half.write_all(line.as_bytes())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Ended::Broken(error)),
        Err(_elapsed) => Err(Ended::NotReading),
    }
}
