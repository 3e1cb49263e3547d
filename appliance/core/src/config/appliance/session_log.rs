//! Who is told of the sessions and ports of members' outbound flows, and in which form?
//!
//! Not here: the log itself (`appliance/src/session_log`).

use std::net::SocketAddr;
use std::path::PathBuf;

use super::read::read_path;
use crate::config::arm::{Field, Object};
use crate::limits::{PATH_LENGTH_MAX, TEMPLATE_REFRESH_SECONDS_MAX, TEMPLATE_REFRESH_SECONDS_MIN};

/// A log of outbound sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLog {
    /// Where it goes, and in which form.
    pub destination: SessionLogDestination,
    /// What is written, at least one kind.
    pub records: SessionLogRecords,
    /// Whether records of sessions name the host outside (RFC 6888 §4 advises against it).
    pub destinations: bool,
}

/// Where a session log goes, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionLogDestination {
    /// To a file, a JSON object per line.
    JsonLines {
        /// The file, an absolute path.
        path: PathBuf,
    },
    /// To a collector, by UDP (RFC 7011).
    Ipfix {
        /// The collector.
        collector: SocketAddr,
        /// The observation domain of all records; 0 is none in particular.
        observation_domain_id: u32,
        /// How often templates are told again, in seconds.
        template_refresh_seconds: u32,
    },
}

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLogRecords {
    /// Blocks of ports that members get and lose.
    pub port_blocks: bool,
    /// Sessions that begin and end.
    pub sessions: bool,
}

/// Reads the section; `Some(None)` where there is none.
pub(super) fn read(object: &Object<'_>) -> Option<Option<SessionLog>> {
    object.maybe("sessionLog", |field| read_session_log(&field.object()?))
}

fn read_session_log(object: &Object<'_>) -> Option<SessionLog> {
    let format = object.required("format").and_then(|field| {
        field.choice(&[("JsonLines", Format::JsonLines), ("Ipfix", Format::Ipfix)])
    });
    let destination = object.required("destination");
    let records = object.or("records", ALL, read_records);
    let destinations = object.or("destinations", false, Field::boolean);
    let domain = object.maybe("observationDomainId", |field| field.integer(0..=u32::MAX));
    let refresh = object.maybe("templateRefreshInSeconds", |field| {
        field.integer(TEMPLATE_REFRESH_SECONDS_MIN..=TEMPLATE_REFRESH_SECONDS_MAX)
    });
    object.finish_strictly();
    let destination = match format? {
        Format::JsonLines => {
            refuse_words_of_ipfix(object)?;
            let path = read_path(&destination?, PATH_LENGTH_MAX)?;
            SessionLogDestination::JsonLines { path }
        }
        Format::Ipfix => SessionLogDestination::Ipfix {
            collector: read_collector(&destination?)?,
            observation_domain_id: domain?.unwrap_or(0),
            template_refresh_seconds: refresh?.unwrap_or(TEMPLATE_REFRESH_SECONDS_DEFAULT),
        },
    };
    Some(SessionLog { destination, records: records?, destinations: destinations? })
}

#[derive(Clone, Copy)]
enum Format {
    JsonLines,
    Ipfix,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    PortBlock,
    Session,
}

fn read_records(field: &Field<'_>) -> Option<SessionLogRecords> {
    let read = |field: &Field<'_>| {
        field.choice(&[("PortBlock", Kind::PortBlock), ("Session", Kind::Session)])
    };
    let kinds: Vec<_> = field.list()?.iter().map(read).collect();
    let kinds: Vec<Kind> = kinds.into_iter().collect::<Option<_>>()?;
    if kinds.is_empty() {
        let message = "A log without records is none. Name `PortBlock`, `Session` or both, or \
                       leave `sessionLog` out.";
        field.error("LimitExceeded", message);
        return None;
    }
    Some(SessionLogRecords {
        port_blocks: kinds.contains(&Kind::PortBlock),
        sessions: kinds.contains(&Kind::Session),
    })
}

/// What only IPFIX has.
fn refuse_words_of_ipfix(object: &Object<'_>) -> Option<()> {
    let words = ["observationDomainId", "templateRefreshInSeconds"];
    let name = words.into_iter().find(|name| object.optional(name).is_some());
    let Some(name) = name else { return Some(()) };
    let message = format!("`{name}` has a meaning for `Ipfix` only. Leave it out.");
    object.error_at(name, "InvalidValue", message);
    None
}

/// An address and a port of a host that the machine's own kernel reaches.
fn read_collector(field: &Field<'_>) -> Option<SocketAddr> {
    let text = field.text()?;
    let collector = text.parse().ok().filter(|it: &SocketAddr| {
        it.port() != 0 && !it.ip().is_unspecified() && !it.ip().is_multicast()
    });
    if collector.is_none() {
        field.error(
            "InvalidIPAddress",
            format!(
                "`{text}` is no collector. Write its address and UDP port, such as \
                 `127.0.0.1:4739` or `[2001:db8::9]:4739`."
            ),
        );
    }
    collector
}

const ALL: SessionLogRecords = SessionLogRecords { port_blocks: true, sessions: true };
/// Ten minutes: collectors forget a template after three times the period at the earliest
/// (RFC 7011 §8.4).
const TEMPLATE_REFRESH_SECONDS_DEFAULT: u32 = 600;
