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
use super::event::{Block, Event, Session, Shortage, What};

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

    /// Opens the file that has the name now with the next line; in another file than before, that
    /// line is written whole.
    pub(super) fn reopen(&mut self) {
        let is_the_same = self.file.is_some() && !self.has_moved();
        self.file = None;
        if is_the_same {
            return;
        }
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
        // Not to wait for the reader of a pipe, if it should be one, and not to be led elsewhere.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW;
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
    Shortage {
        protocol: String,
        member: Option<String>,
        ports: u32,
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
            What::Shortage(Shortage { protocol, member, ports }) => {
                let (protocol, member) = (protocol.to_string(), member.map(|it| it.to_string()));
                let what = Told::Shortage { protocol, member, ports: *ports };
                Self { time, event: "PortsExhausted", what }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::IpAddr;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};
    use tempfile::TempDir;
    use weir_core::units::{Address, Transport};

    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().expect("an address").into()
    }

    fn session(port: u16, destination: Option<(Address, u16)>) -> Event {
        let what = What::Session(Session {
            event: SessionEvent::Created,
            protocol: Transport::Udp,
            source: Some(address("10.0.0.11")),
            source_port: 40_000,
            translated: Some(address("203.0.113.20")),
            translated_port: port,
            destination,
        });
        Event { time: 1_795_273_501_123, what }
    }

    fn read(path: &std::path::Path) -> Vec<Value> {
        let text = fs::read_to_string(path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    #[test]
    fn a_line_is_an_object_in_the_words_of_the_listings() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("sessions");
        let mut lines = Lines::new(path.clone());
        lines.push(&session(1_024, None));
        lines.push(&session(1_025, Some((address("192.0.2.50"), 443))));
        lines.push(&session(1_026, Some((address("192.0.2.50"), 0))));
        let block = Block {
            event: BlockEvent::Released,
            protocol: Transport::Tcp,
            member: Some(address("10.0.0.12")),
            address: address("203.0.113.20"),
            first_port: 2_048,
            ports: 64,
        };
        lines.push(&Event { time: 0, what: What::Block(block) });
        let member = Some(address("10.0.0.12"));
        let shortage = Shortage { protocol: Transport::Tcp, member, ports: 64 };
        lines.push(&Event { time: 0, what: What::Shortage(shortage) });
        lines.push(&Event { time: 0, what: What::Lost { records: 3, total: 9 } });
        assert_eq!(lines.waiting(), 6);
        let (written, result) = lines.flush();
        assert!(result.is_ok(), "{result:?}");
        assert_eq!((written, lines.waiting()), (6, 0));
        let found = read(&path);
        let first = json!({"time": "2026-11-21T15:05:01.123Z", "event": "SessionCreated",
            "protocol": "Udp", "source": "10.0.0.11", "sourcePort": 40_000,
            "translatedAddress": "203.0.113.20", "translatedPort": 1_024});
        assert_eq!(found[0], first);
        assert_eq!(found[1]["destination"], "192.0.2.50");
        assert_eq!(found[1]["destinationPort"], 443);
        assert_eq!(found[2].get("destinationPort"), None, "all of the host's ports");
        let fourth = json!({"time": "1970-01-01T00:00:00.000Z", "event": "PortBlockReleased",
            "protocol": "Tcp", "member": "10.0.0.12", "address": "203.0.113.20",
            "firstPort": 2_048, "ports": 64});
        assert_eq!(found[3], fourth);
        let fifth = json!({"time": "1970-01-01T00:00:00.000Z", "event": "PortsExhausted",
            "protocol": "Tcp", "member": "10.0.0.12", "ports": 64});
        assert_eq!(found[4], fifth);
        assert_eq!((&found[5]["event"], &found[5]["records"]), (&json!("RecordsLost"), &json!(3)));
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o137, 0, "others do not read it: {mode:o}");
    }

    #[test]
    fn a_file_that_was_moved_away_is_noticed_and_the_next_line_goes_to_a_new_one() {
        let directory = TempDir::new().expect("a directory");
        let (path, moved) = (directory.path().join("sessions"), directory.path().join("moved"));
        let mut lines = Lines::new(path.clone());
        lines.push(&session(1_024, None));
        assert_eq!(lines.flush().0, 1);
        assert!(!lines.has_moved());
        fs::rename(&path, &moved).expect("ours");
        assert!(lines.has_moved());
        lines.reopen();
        lines.push(&session(1_025, None));
        assert_eq!(lines.flush().0, 1);
        assert_eq!(read(&moved)[0]["translatedPort"], 1_024);
        assert_eq!(read(&path)[0]["translatedPort"], 1_025);
    }

    #[test]
    fn what_the_disk_does_not_take_is_written_when_it_does_and_no_line_is_torn() {
        let directory = TempDir::new().expect("a directory");
        let folder = directory.path().join("later");
        let mut lines = Lines::new(folder.join("sessions"));
        lines.push(&session(1_024, None));
        let (written, result) = lines.flush();
        assert_eq!((written, result.is_err(), lines.waiting()), (0, true, 1));
        fs::create_dir(&folder).expect("ours");
        lines.push(&session(1_025, None));
        assert_eq!(lines.flush().0, 2);
        assert_eq!(read(&folder.join("sessions")).len(), 2);
    }

    #[test]
    fn a_line_that_was_half_written_is_whole_in_the_new_file() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("sessions");
        let mut lines = Lines::new(path.clone());
        lines.push(&session(1_024, None));
        lines.push(&session(1_025, None));
        // The disk was full in the middle of the second line.
        let first = lines.pending.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        lines.done = first + 10;
        lines.reopen();
        assert_eq!(lines.waiting(), 1);
        assert_eq!(lines.flush().0, 1);
        assert_eq!(read(&path)[0]["translatedPort"], 1_025);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).expect("a link");
        for path in [path, link] {
            let mut lines = Lines::new(path);
            lines.push(&session(1_024, None));
            assert!(lines.flush().1.is_err());
        }
    }
}
