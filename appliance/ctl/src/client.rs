//! How are questions put to the appliance?
//!
//! One connection, one question at a time, each answered before the next is put. After `subscribe`
//! the appliance speaks by itself, and `event` reads what it says.
//!
//! Not here: the words (`weir_core::api`), what is told meanwhile (`progress`).

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use thiserror::Error;
use weir_core::api::{
    ErrorCode, Id, Method, Request, ResponseError, Version, read_response, write_request,
};

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
    /// The appliance is older than the method.
    #[error("weir {appliance} does not know `{method}`: it needs release {OWN_RELEASE} or later")]
    TooOld {
        /// Its release.
        appliance: String,
        /// What was asked.
        method: &'static str,
    },
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
            format!(
                "you may not use {path}: become a member of the socket's group, or use sudo; to \
                 look only, name appliance.readOnlyControlSocket with --socket"
            )
        }
        _ => format!("cannot reach weir at {path} ({source}): is it the appliance's socket?"),
    }
}

/// A connection to the control socket.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    asked: u64,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub(crate) fn open(path: &Path) -> Result<Self, ClientError> {
        let unreachable = |source| ClientError::Unreachable { path: path.into(), source };
        let stream = UnixStream::connect(path).map_err(unreachable)?;
        stream.set_read_timeout(Some(REPLY_WITHIN)).map_err(unreachable)?;
        stream.set_write_timeout(Some(REPLY_WITHIN)).map_err(unreachable)?;
        Ok(Self { stream: BufReader::new(stream), asked: 0 })
    }

    /// Asks and waits for the reply.
    ///
    /// # Errors
    /// No answer, or the appliance's own error.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, method: Method) -> Result<T, ClientError> {
        let name = method.name();
        match self.exchange(method) {
            Err(ClientError::Response(ResponseError::Appliance(error)))
                if error.code == ErrorCode::MethodNotFound.number() =>
            {
                let version = self.exchange::<Version>(Method::Version);
                let appliance = version.map(|version| version.version);
                let appliance = appliance.unwrap_or_else(|_| "of another release".into());
                Err(ClientError::TooOld { appliance, method: name })
            }
            reply => reply,
        }
    }

    fn exchange<T: DeserializeOwned>(&mut self, method: Method) -> Result<T, ClientError> {
        self.asked += 1;
        let request = Request { id: Some(Id::Number(self.asked.into())), method };
        // An appliance that turns us away may close before it has read everything. Its reply says
        // why, so it is read whether or not the request could be written.
        let written = self.stream.get_mut().write_all(write_request(&request).as_bytes());
        match self.read_line()? {
            Some(line) => Ok(read_response(&line)?),
            None => Err(written.err().map_or(ClientError::Closed, ClientError::Broken)),
        }
    }

    /// Waits for what the appliance says by itself, however long that takes; `None` at the end.
    ///
    /// # Errors
    /// Reading failed.
    pub(crate) fn event(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        self.stream.get_ref().set_read_timeout(None).map_err(ClientError::Broken)?;
        self.read_line()
    }

    fn read_line(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ClientError::Silent),
            // An appliance that ends with something unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(ClientError::Broken(error)),
        }
    }
}

/// An appliance compiles the largest configuration in seconds.
const REPLY_WITHIN: Duration = Duration::from_secs(60);
/// The release that has every method that this one asks for.
const OWN_RELEASE: &str = env!("CARGO_PKG_VERSION");
