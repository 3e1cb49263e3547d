//! How does a log become lines of a file?
//!
//! What the disk does not take stays here and is tried again from the very byte, so that no line is
//! torn while the file stays. Where the file was moved away in between, its last line may be torn;
//! the new file has it whole.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use nix::fcntl::OFlag;
use serde::Serialize;
use weir_core::path::SessionEvent;

use super::blocks::BlockEvent;
use super::event::{Block, Event, Session, What};

/// Owner writes, group reads.
const MODE: u32 = 0o640;

/// A file of JSON objects, one per line.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: Option<File>,
    /// Lines, and how many of their bytes the file has.
    pending: Vec<u8>,
    done: usize,
}

impl Lines {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, file: None, pending: Vec::new(), done: 0 }
    }

    /// Takes a line in.
    pub(super) fn push(&mut self, event: &Event) {
        // Only a writer can fail, and memory does not.
        if serde_json::to_writer(&mut self.pending, &Line::of(event)).is_ok() {
            self.pending.push(b'\n');
        }
    }

    /// Writes what is pending. Returns how many lines the file has got, and why not all.
    pub(super) fn flush(&mut self) -> (u64, io::Result<()>) {
        let before = self.done;
        let result = self.write();
        let lines = lines_in(&self.pending[before..self.done]);
        if self.done == self.pending.len() {
            self.pending.clear();
            self.done = 0;
        }
        (lines, result)
    }

    fn write(&mut self) -> io::Result<()> {
        while self.done < self.pending.len() {
            if self.file.is_none() {
                self.file = Some(self.open()?);
            }
            let Some(file) = &mut self.file else { break };
            match file.write(&self.pending[self.done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Lines that the file does not have.
    pub(super) fn waiting(&self) -> u64 {
        lines_in(&self.pending[self.done..])
    }

    /// Opens the file that has the name now with the next line; that line is written whole.
    pub(super) fn reopen(&mut self) {
        self.file = None;
        let begun = self.pending[..self.done].iter().rposition(|byte| *byte == b'\n');
        self.done = begun.map_or(0, |end| end + 1);
    }

    /// Whether the name is no longer that of the file which is written: it was moved or removed.
    pub(super) fn has_moved(&self) -> bool {
        let identity = |it: Metadata| (it.dev(), it.ino());
        let Some(file) = &self.file else { return false };
        let named = std::fs::metadata(&self.path).map(identity).ok();
        named != file.metadata().map(identity).ok()
    }

    fn open(&self) -> io::Result<File> {
        // Not to wait for the reader of a pipe, if it should be one.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut options = File::options();
        let options = options.append(true).create(true).mode(MODE).custom_flags(flags.bits());
        let file = options.open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(file)
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// A line as it is written. The words are those of the listings of flows and ports.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    time: String,
    event: &'static str,
    #[serde(flatten)]
    what: Told,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Told {
    Session {
        protocol: String,
        source: Option<String>,
        source_port: u16,
        translated_address: Option<String>,
        translated_port: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        destination: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        destination_port: Option<u16>,
    },
    Block {
        protocol: String,
        member: Option<String>,
        address: String,
        first_port: u16,
        ports: u16,
    },
    Lost {
        records: u64,
    },
}

impl Line {
    fn of(event: &Event) -> Self {
        let time = UNIX_EPOCH + Duration::from_millis(event.time);
        let time = humantime::format_rfc3339_millis(time).to_string();
        match &event.what {
            What::Session(session) => {
                let event = match session.event {
                    SessionEvent::Created => "SessionCreated",
                    SessionEvent::Deleted => "SessionDeleted",
                };
                Self { time, event, what: told_of_session(session) }
            }
            What::Block(block) => {
                let event = match block.event {
                    BlockEvent::Allocated => "PortBlockAllocated",
                    BlockEvent::Released => "PortBlockReleased",
                };
                Self { time, event, what: told_of_block(block) }
            }
            What::Lost { records, .. } => {
                Self { time, event: "RecordsLost", what: Told::Lost { records: *records } }
            }
        }
    }
}

fn told_of_session(session: &Session) -> Told {
    Told::Session {
        protocol: session.protocol.to_string(),
        source: session.source.map(|it| it.to_string()),
        source_port: session.source_port,
        translated_address: session.translated.map(|it| it.to_string()),
        translated_port: session.translated_port,
        destination: session.destination.map(|(address, _)| address.to_string()),
        // 0 where the session is with all ports of the host.
        destination_port: session.destination.map(|(_, port)| port).filter(|port| *port != 0),
    }
}

fn told_of_block(block: &Block) -> Told {
    Told::Block {
        protocol: block.protocol.to_string(),
        member: block.member.map(|it| it.to_string()),
        address: block.address.to_string(),
        first_port: block.first_port,
        ports: block.ports,
    }
}
