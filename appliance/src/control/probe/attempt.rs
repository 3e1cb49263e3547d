//! What does one attempt find?
//!
//! ```text
//!   connect ──► Tcp: connected ─────────────────────────► close in order
//!          └──► Http: GET ──► status ──► read some body ─► close
//! ```
//!
//! The verdict stands before the farewell: closing politely takes its time, and a slow good-bye
//! is no failure.
//!
//! Not here: when attempts are made and which are believed (`super`).

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use weir_core::health::{ProbeProtocol, ProbeTarget, Verdict};
use weir_core::limits::{PROBE_BODY_BYTES_MAX, PROBE_HEAD_BYTES_MAX};

use super::SourceAddresses;

/// A verdict, and what is left to do on the connection.
pub(super) struct Attempt {
    pub(super) verdict: Verdict,
    pub(super) farewell: Farewell,
}

/// How a connection is left.
pub(super) struct Farewell(Option<Pin<Box<dyn Future<Output = ()>>>>);

impl Farewell {
    /// Closes the connection, within a bounded time.
    pub(super) async fn say(self) {
        if let Some(closing) = self.0
            && timeout(FAREWELL_WITHIN, closing).await.is_err()
        {
            tracing::trace!("a probed member did not close its side in time");
        }
    }
}

impl From<Verdict> for Attempt {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, farewell: Farewell(None) }
    }
}

/// The time that an attempt has.
pub(super) fn timeout_of(target: &ProbeTarget) -> Duration {
    Duration::from_millis(target.timeout_milliseconds.into())
}

/// Probes once. Takes at most the target's timeout.
pub(super) async fn attempt(target: &ProbeTarget, source: SourceAddresses) -> Attempt {
    let deadline = tokio::time::Instant::now() + timeout_of(target);
    let endpoint = SocketAddr::new(target.address, target.port);
    let stream = match tokio::time::timeout_at(deadline, connect(endpoint, source)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return verdict_of(endpoint, &error).into(),
        Err(_elapsed) => return Verdict::Timeout.into(),
    };
    match &target.protocol {
        ProbeProtocol::Tcp => {
            let farewell = Farewell(Some(Box::pin(close_in_order(stream))));
            Attempt { verdict: Verdict::TcpConnected, farewell }
        }
        ProbeProtocol::Http { path } => {
            let asking = ask(stream, endpoint, path);
            match tokio::time::timeout_at(deadline, asking).await {
                Ok(attempt) => attempt,
                Err(_elapsed) => Verdict::NoResponse.into(),
            }
        }
    }
}

async fn connect(endpoint: SocketAddr, source: SourceAddresses) -> io::Result<TcpStream> {
    let (socket, source) = match endpoint {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, source.v4.map(IpAddr::from)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, source.v6.map(IpAddr::from)),
    };
    if let Some(source) = source {
        // Otherwise bind would reserve a whole local port for each probe and its TIME-WAIT, and
        // thousands of members would use up the range.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(endpoint).await
}

fn verdict_of(endpoint: SocketAddr, error: &io::Error) -> Verdict {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest of a foreign, growing enum")]
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Verdict::Refused,
        ErrorKind::TimedOut => Verdict::Timeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Verdict::Unreachable,
        _ => {
            tracing::warn!(%endpoint, %error, "a probe could not be sent");
            Verdict::Unreachable
        }
    }
}

/// Closes our side first and waits for the member to close its own: the four-way close of
/// behaviour.md §3.2. What the member says meanwhile (a banner) is thrown away, for unread bytes
/// would turn the close into RST.
async fn close_in_order(mut stream: TcpStream) {
    let mut scrap = [0; 1024];
    let mut left = PROBE_BODY_BYTES_MAX;
    if stream.shutdown().await.is_err() {
        return;
    }
    while let Ok(count @ 1..) = stream.read(&mut scrap).await {
        left = left.saturating_sub(count);
        if left == 0 {
            return;
        }
    }
}

async fn ask(stream: TcpStream, endpoint: SocketAddr, path: &str) -> Attempt {
    let request = Request::get(request_target(path))
        .header(HOST, endpoint.to_string())
        .header(USER_AGENT, "weir-probe")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else {
        return Verdict::HttpRejected.into();
    };
    let handshake =
        http1::Builder::new().max_buf_size(PROBE_HEAD_BYTES_MAX).handshake(TokioIo::new(stream));
    let Ok((mut sender, connection)) = handshake.await else {
        return Verdict::HttpRejected.into();
    };
    let mut connection = Box::pin(connection);
    let response = {
        let mut response = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            biased;
            response = &mut response => response,
            // The connection hands over what it has before it ends.
            _ended = &mut connection => response.await,
        }
    };
    match response {
        Ok(response) => {
            let verdict = Verdict::Status(response.status().as_u16());
            let closing = async move {
                tokio::select! {
                    biased;
                    () = discard_body(response) => {}
                    _ended = connection => {}
                }
            };
            Attempt { verdict, farewell: Farewell(Some(Box::pin(closing))) }
        }
        Err(error) => {
            tracing::debug!(%endpoint, %error, "a probed member did not answer in HTTP");
            Verdict::HttpRejected.into()
        }
    }
}

async fn discard_body(response: Response<Incoming>) {
    let mut body = response.into_body();
    let mut left = PROBE_BODY_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// The path as a request line carries it: absolute (Azure allows relative paths, behaviour.md
/// §3.2), bytes that a request line cannot carry percent-encoded (RFC 3986 §2.1).
fn request_target(path: &str) -> String {
    let mut target = String::from("/");
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                target.push_str(&format!("%{byte:02X}"));
            }
            b'!'..=b'~' => target.push(byte.into()),
            _ => target.push_str(&format!("%{byte:02X}")),
        }
    }
    target
}

/// How long a member may take to close its side.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_path_becomes_absolute_and_safe_to_send() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("health", "/health"),
            ("/health?full=1&x=%20", "/health?full=1&x=%20"),
            ("/a b\r\nHost: evil", "/a%20b%0D%0AHost:%20evil"),
            ("/ü#f", "/%C3%BC%23f"),
        ] {
            assert_eq!(request_target(path), expected);
            assert!(expected.parse::<hyper::Uri>().is_ok(), "{expected}");
        }
    }
}
