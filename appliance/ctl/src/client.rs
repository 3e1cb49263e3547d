//! How is one question put to the appliance?
//!
//! Not here: the words (`weir_core::api`).

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use thiserror::Error;
use weir_core::api::{Id, Method, Request, ResponseError, read_response, write_request};

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// Nobody listens there, or not to us.
    #[error("{}", unreachable_text(path, source))]
    Unreachable {
        /// The control socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection ended before the reply.
    #[error("the appliance closed the connection without an answer; its log says why")]
    Closed,
    /// The appliance is connected and silent.
    #[error("no answer within {} s; the appliance's log says what it does", REPLY_WITHIN.as_secs())]
    Silent,
    /// Reading the reply failed.
    #[error("cannot read the reply: {0}")]
    Broken(io::Error),
    /// The appliance's error, or a reply that cannot be read.
    #[error(transparent)]
    Response(#[from] ResponseError),
}

/// One sentence that says what to do.
fn unreachable_text(path: &Path, source: &io::Error) -> String {
    let path = path.display();
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest of a foreign, growing enum")]
    match source.kind() {
        ErrorKind::NotFound => format!(
            "there is no control socket at {path}: start weir, or name its appliance.controlSocket \
             with --socket"
        ),
        ErrorKind::ConnectionRefused => {
            format!("no weir answers at {path}: it has ended, so look at its log and start it")
        }
        ErrorKind::PermissionDenied => {
            format!("you may not use {path}: become a member of the socket's group, or use sudo")
        }
        _ => format!("cannot reach weir at {path} ({source}): is it the appliance's socket?"),
    }
}

/// Asks and waits for the reply.
///
/// # Errors
/// No appliance, no answer, or the appliance's own error.
pub(crate) fn ask<T: DeserializeOwned>(path: &Path, method: Method) -> Result<T, ClientError> {
    let unreachable = |source| ClientError::Unreachable { path: path.into(), source };
    let mut stream = UnixStream::connect(path).map_err(unreachable)?;
    stream.set_read_timeout(Some(REPLY_WITHIN)).map_err(unreachable)?;
    stream.set_write_timeout(Some(REPLY_WITHIN)).map_err(unreachable)?;
    let request = Request { id: Some(Id::Number(1.into())), method };
    // An appliance that turns us away may close before it has read everything. Its reply says why,
    // so it is read whether or not the request could be written.
    let written = stream.write_all(write_request(&request).as_bytes());
    let mut line = Vec::new();
    match BufReader::new(stream).read_until(b'\n', &mut line) {
        Ok(0) => Err(written.err().map_or(ClientError::Closed, ClientError::Broken)),
        Ok(_) => Ok(read_response(&line)?),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ClientError::Silent),
        Err(error) => Err(ClientError::Broken(error)),
    }
}

/// An appliance compiles the largest configuration in seconds.
const REPLY_WITHIN: Duration = Duration::from_secs(60);
