//! How does a log become IPFIX messages (RFC 7011), with the records of RFC 8158?
//!
//! ```text
//!   header │ templates, when they are due │ set of records of one template │ set of … │
//! ```
//!
//! Numbers of information elements are IANA's (RFC 8158 §5, RFC 7012). Not here: how messages are
//! sent (`collector`).

use weir_core::path::SessionEvent;
use weir_core::units::Address;

use super::blocks::BlockEvent;
use super::event::{Block, Event, Session, What};

/// Bytes of one message at most: what every path carries with the headers of UDP and IPv6, less
/// some for tunnels (RFC 7011 §10.3.3 asks for less than the path's MTU).
const MESSAGE_BYTES_MAX: usize = 1_400;

/// Messages of one observation domain, built one after the other in the same memory.
#[derive(Debug)]
pub(super) struct Messages {
    observation_domain_id: u32,
    /// What tells this exporting process from others of the machine.
    exporting_process_id: u32,
    /// Records in all messages before this one, modulo 2^32.
    sequence: u32,
    records: u32,
    bytes: Vec<u8>,
    /// The template of the set that is open, and where the set begins.
    open: Option<(u16, usize)>,
}

impl Messages {
    pub(super) fn new(observation_domain_id: u32, exporting_process_id: u32) -> Self {
        let bytes = Vec::with_capacity(MESSAGE_BYTES_MAX);
        let mut messages = Self {
            observation_domain_id,
            exporting_process_id,
            sequence: 0,
            records: 0,
            bytes,
            open: None,
        };
        messages.begin();
        messages
    }

    fn begin(&mut self) {
        self.bytes.clear();
        self.bytes.resize(HEADER_BYTES, 0);
        (self.records, self.open) = (0, None);
    }

    /// Whether there is nothing in the message yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_BYTES
    }

    /// Records in the message.
    pub(super) const fn records(&self) -> u32 {
        self.records
    }

    /// Puts every template in, at the beginning of a message.
    pub(super) fn push_templates(&mut self) {
        self.close_set();
        let options = std::slice::from_ref(&LOST);
        for (set, templates) in [(TEMPLATE_SET, &TEMPLATES[..]), (OPTIONS_SET, options)] {
            let begins = self.bytes.len();
            self.put(&set.to_be_bytes());
            self.put(&[0; 2]);
            for template in templates {
                self.put(&template.id.to_be_bytes());
                #[allow(clippy::cast_possible_truncation, reason = "a handful of fields")]
                self.put(&(template.fields.len() as u16).to_be_bytes());
                if set == OPTIONS_SET {
                    self.put(&1_u16.to_be_bytes());
                }
                for (element, length) in template.fields {
                    self.put(&element.to_be_bytes());
                    self.put(&length.to_be_bytes());
                }
            }
            self.end_set(begins);
        }
    }

    /// Puts a record in; returns whether it had room.
    pub(super) fn push(&mut self, event: &Event) -> bool {
        let template = template_of(&event.what);
        let is_open = self.open.is_some_and(|(id, _)| id == template.id);
        let needed = template.bytes() + if is_open { 0 } else { SET_HEADER_BYTES };
        if self.bytes.len() + needed > MESSAGE_BYTES_MAX {
            return false;
        }
        if !is_open {
            self.close_set();
            self.open = Some((template.id, self.bytes.len()));
            self.put(&template.id.to_be_bytes());
            self.put(&[0; 2]);
        }
        match &event.what {
            What::Session(session) => self.put_session(event.time, session),
            What::Block(block) => self.put_block(event.time, block),
            What::Lost { total, .. } => {
                self.put(&self.exporting_process_id.to_be_bytes());
                self.put(&total.to_be_bytes());
            }
        }
        self.records += 1;
        true
    }

    /// Ends the message and gives it to `send`; the next one begins.
    pub(super) fn finish<T>(&mut self, now_seconds: u32, send: impl FnOnce(&[u8]) -> T) -> T {
        self.close_set();
        #[allow(clippy::cast_possible_truncation, reason = "at most MESSAGE_BYTES_MAX")]
        let length = self.bytes.len() as u16;
        self.bytes[0..2].copy_from_slice(&VERSION.to_be_bytes());
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
        self.bytes[4..8].copy_from_slice(&now_seconds.to_be_bytes());
        self.bytes[8..12].copy_from_slice(&self.sequence.to_be_bytes());
        self.bytes[12..16].copy_from_slice(&self.observation_domain_id.to_be_bytes());
        let sent = send(&self.bytes);
        // Also of what could not be sent: so the collector knows that it lacks something.
        self.sequence = self.sequence.wrapping_add(self.records);
        self.begin();
        sent
    }

    fn put_session(&mut self, time: u64, session: &Session) {
        let event = match session.event {
            SessionEvent::Created => NAT44_SESSION_CREATE,
            SessionEvent::Deleted => NAT44_SESSION_DELETE,
        };
        self.put(&time.to_be_bytes());
        self.put(&[event, session.protocol as u8]);
        self.put_address(session.source);
        self.put(&session.source_port.to_be_bytes());
        self.put_address(session.translated);
        self.put(&session.translated_port.to_be_bytes());
        if let Some((address, port)) = session.destination {
            self.put_address(Some(address));
            self.put(&port.to_be_bytes());
        }
    }

    fn put_block(&mut self, time: u64, block: &Block) {
        let event = match block.event {
            BlockEvent::Allocated => PORT_BLOCK_ALLOCATION,
            BlockEvent::Released => PORT_BLOCK_DEALLOCATION,
        };
        self.put(&time.to_be_bytes());
        self.put(&[event, block.protocol as u8]);
        self.put_address(block.member);
        self.put_address(Some(block.address));
        let last = block.first_port.saturating_add(block.ports.saturating_sub(1));
        self.put(&block.first_port.to_be_bytes());
        self.put(&last.to_be_bytes());
    }

    /// An IPv4 address, as outbound flows have; 0.0.0.0 where it is not known.
    fn put_address(&mut self, address: Option<Address>) {
        self.put(&address.map_or(0, Address::v4_bits).to_be_bytes());
    }

    fn close_set(&mut self) {
        if let Some((_, begins)) = self.open.take() {
            self.end_set(begins);
        }
    }

    fn end_set(&mut self, begins: usize) {
        #[allow(clippy::cast_possible_truncation, reason = "at most MESSAGE_BYTES_MAX")]
        let length = (self.bytes.len() - begins) as u16;
        self.bytes[begins + 2..begins + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// What records of one kind consist of: information elements and their lengths in bytes.
#[derive(Debug)]
struct Template {
    id: u16,
    fields: &'static [(u16, u16)],
}

impl Template {
    fn bytes(&self) -> usize {
        self.fields.iter().map(|(_, length)| usize::from(*length)).sum()
    }
}

const fn template_of(what: &What) -> &'static Template {
    match what {
        What::Session(Session { destination: None, .. }) => &TEMPLATES[0],
        What::Session(_) => &TEMPLATES[1],
        What::Block(_) => &TEMPLATES[2],
        What::Lost { .. } => &LOST,
    }
}

/// Sessions without and with their destination (RFC 8158 §5.6.1), and blocks of ports (§5.6.5);
/// each time a mandatory field of the RFC's or an optional one of the same event.
static TEMPLATES: [Template; 3] = [
    Template {
        id: 256,
        fields: &[
            (OBSERVATION_TIME_MILLISECONDS, 8),
            (NAT_EVENT, 1),
            (PROTOCOL_IDENTIFIER, 1),
            (SOURCE_IPV4_ADDRESS, 4),
            (SOURCE_TRANSPORT_PORT, 2),
            (POST_NAT_SOURCE_IPV4_ADDRESS, 4),
            (POST_NAPT_SOURCE_TRANSPORT_PORT, 2),
        ],
    },
    Template {
        id: 257,
        fields: &[
            (OBSERVATION_TIME_MILLISECONDS, 8),
            (NAT_EVENT, 1),
            (PROTOCOL_IDENTIFIER, 1),
            (SOURCE_IPV4_ADDRESS, 4),
            (SOURCE_TRANSPORT_PORT, 2),
            (POST_NAT_SOURCE_IPV4_ADDRESS, 4),
            (POST_NAPT_SOURCE_TRANSPORT_PORT, 2),
            (DESTINATION_IPV4_ADDRESS, 4),
            (DESTINATION_TRANSPORT_PORT, 2),
        ],
    },
    Template {
        id: 258,
        fields: &[
            (OBSERVATION_TIME_MILLISECONDS, 8),
            (NAT_EVENT, 1),
            (PROTOCOL_IDENTIFIER, 1),
            (SOURCE_IPV4_ADDRESS, 4),
            (POST_NAT_SOURCE_IPV4_ADDRESS, 4),
            (PORT_RANGE_START, 2),
            (PORT_RANGE_END, 2),
        ],
    },
];

/// What the exporting process lost (RFC 7011 §4.3); its first field is the scope.
static LOST: Template =
    Template { id: 512, fields: &[(EXPORTING_PROCESS_ID, 4), (NOT_SENT_FLOW_TOTAL_COUNT, 8)] };

const VERSION: u16 = 10;
const HEADER_BYTES: usize = 16;
const SET_HEADER_BYTES: usize = 4;
const TEMPLATE_SET: u16 = 2;
const OPTIONS_SET: u16 = 3;

const PROTOCOL_IDENTIFIER: u16 = 4;
const SOURCE_TRANSPORT_PORT: u16 = 7;
const SOURCE_IPV4_ADDRESS: u16 = 8;
const DESTINATION_TRANSPORT_PORT: u16 = 11;
const DESTINATION_IPV4_ADDRESS: u16 = 12;
const EXPORTING_PROCESS_ID: u16 = 144;
const NOT_SENT_FLOW_TOTAL_COUNT: u16 = 167;
const POST_NAT_SOURCE_IPV4_ADDRESS: u16 = 225;
const POST_NAPT_SOURCE_TRANSPORT_PORT: u16 = 227;
const NAT_EVENT: u16 = 230;
const OBSERVATION_TIME_MILLISECONDS: u16 = 323;
const PORT_RANGE_START: u16 = 361;
const PORT_RANGE_END: u16 = 362;

/// Values of `natEvent` (RFC 8158 §4.3).
const NAT44_SESSION_CREATE: u8 = 4;
const NAT44_SESSION_DELETE: u8 = 5;
const PORT_BLOCK_ALLOCATION: u8 = 16;
const PORT_BLOCK_DEALLOCATION: u8 = 17;
