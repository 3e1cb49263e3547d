//! How does a log become IPFIX messages (RFC 7011), with the records of RFC 8158?
//!
//! ```text
//!   header │ templates, when they are due │ set of records of one template │ set of … │
//! ```
//!
//! Numbers of information elements are IANA's (RFC 8158, RFC 7012). Not here: how messages are
//! sent (`collector`).

use weir_core::path::SessionEvent;
use weir_core::units::Address;

use super::blocks::BlockEvent;
use super::event::{Block, Event, Session, Shortage, What};

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
            What::Shortage(shortage) => self.put_shortage(event.time, shortage),
            What::Lost { total, .. } => {
                self.put(&self.exporting_process_id.to_be_bytes());
                self.put(&total.to_be_bytes());
                // Events are not made of packets.
                self.put(&[0; 16]);
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

    fn put_shortage(&mut self, time: u64, shortage: &Shortage) {
        self.put(&time.to_be_bytes());
        self.put(&[QUOTA_EXCEEDED, shortage.protocol as u8]);
        self.put(&MAXIMUM_ENTRIES_PER_USER.to_be_bytes());
        self.put(&shortage.ports.to_be_bytes());
        self.put_address(shortage.member);
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
        What::Shortage(_) => &TEMPLATES[3],
        What::Lost { .. } => &LOST,
    }
}

/// Sessions without and with their destination, blocks of ports, and members without a port: what
/// RFC 8158 asks for in the events NAT44 session create and delete, port block allocation and
/// de-allocation, maximum entries per user exceeded; and the protocol, since each has ports of its
/// own.
static TEMPLATES: [Template; 4] = [
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
    Template {
        id: 259,
        fields: &[
            (OBSERVATION_TIME_MILLISECONDS, 8),
            (NAT_EVENT, 1),
            (PROTOCOL_IDENTIFIER, 1),
            (NAT_QUOTA_EXCEEDED_EVENT, 4),
            (MAX_ENTRIES_PER_USER, 4),
            (SOURCE_IPV4_ADDRESS, 4),
        ],
    },
];

/// What the exporting process lost (RFC 7011 §4.3); its first field is the scope.
static LOST: Template = Template {
    id: 260,
    fields: &[
        (EXPORTING_PROCESS_ID, 4),
        (NOT_SENT_FLOW_TOTAL_COUNT, 8),
        (NOT_SENT_PACKET_TOTAL_COUNT, 8),
        (NOT_SENT_OCTET_TOTAL_COUNT, 8),
    ],
};

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
const NOT_SENT_FLOW_TOTAL_COUNT: u16 = 166;
const NOT_SENT_PACKET_TOTAL_COUNT: u16 = 167;
const NOT_SENT_OCTET_TOTAL_COUNT: u16 = 168;
const POST_NAT_SOURCE_IPV4_ADDRESS: u16 = 225;
const POST_NAPT_SOURCE_TRANSPORT_PORT: u16 = 227;
const NAT_EVENT: u16 = 230;
const OBSERVATION_TIME_MILLISECONDS: u16 = 323;
const PORT_RANGE_START: u16 = 361;
const PORT_RANGE_END: u16 = 362;
const NAT_QUOTA_EXCEEDED_EVENT: u16 = 466;
const MAX_ENTRIES_PER_USER: u16 = 473;

/// Values of `natEvent` (RFC 8158).
const NAT44_SESSION_CREATE: u8 = 4;
const NAT44_SESSION_DELETE: u8 = 5;
const QUOTA_EXCEEDED: u8 = 13;
const PORT_BLOCK_ALLOCATION: u8 = 16;
const PORT_BLOCK_DEALLOCATION: u8 = 17;
/// The value of `natQuotaExceededEvent` for one user's ports.
const MAXIMUM_ENTRIES_PER_USER: u32 = 3;

#[cfg(test)]
mod tests {
    use weir_core::units::Transport;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<std::net::IpAddr>().expect("an address").into()
    }

    fn session(event: SessionEvent, destination: Option<(Address, u16)>) -> Event {
        let (source, translated) = (Some(address("10.0.0.11")), Some(address("203.0.113.20")));
        let (source_port, translated_port) = (40_000, 1_024);
        let protocol = Transport::Tcp;
        Event {
            time: 0x0102_0304_0506,
            what: What::Session(Session {
                event,
                protocol,
                source,
                source_port,
                translated,
                translated_port,
                destination,
            }),
        }
    }

    fn block(event: BlockEvent) -> Event {
        let what = What::Block(Block {
            event,
            protocol: Transport::Udp,
            member: Some(address("10.0.0.12")),
            address: address("203.0.113.20"),
            first_port: 2_048,
            ports: 64,
        });
        Event { time: 1_000, what }
    }

    /// Bytes as they are written in RFCs: hexadecimal, with space between fields.
    fn bytes(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text.chars().filter(char::is_ascii_hexdigit).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).expect("hex");
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn templates_name_the_elements_of_the_registry() {
        let mut messages = Messages::new(7, 4_321);
        messages.push_templates();
        let header = "000a 00b2 60000000 00000000 00000007";
        let sets = "
            0002 0088
                0100 0007  0143 0008  00e6 0001  0004 0001  0008 0004  0007 0002  00e1 0004
                           00e3 0002
                0101 0009  0143 0008  00e6 0001  0004 0001  0008 0004  0007 0002  00e1 0004
                           00e3 0002  000c 0004  000b 0002
                0102 0007  0143 0008  00e6 0001  0004 0001  0008 0004  00e1 0004  0169 0002
                           016a 0002
                0103 0006  0143 0008  00e6 0001  0004 0001  01d2 0004  01d9 0004  0008 0004
            0003 001a
                0104 0004 0001  0090 0004  00a6 0008  00a7 0008  00a8 0008";
        let message = messages.finish(0x6000_0000, <[u8]>::to_vec);
        assert_eq!(message, bytes(&format!("{header} {sets}")));
    }

    #[test]
    fn records_of_one_kind_share_a_set_and_another_kind_begins_one() {
        let mut messages = Messages::new(1, 4_321);
        let outside = Some((address("192.0.2.50"), 443));
        assert!(messages.push(&session(SessionEvent::Created, None)));
        assert!(messages.push(&session(SessionEvent::Deleted, None)));
        assert!(messages.push(&session(SessionEvent::Created, outside)));
        assert!(messages.push(&block(BlockEvent::Allocated)));
        assert!(messages.push(&block(BlockEvent::Released)));
        let member = Some(address("10.0.0.12"));
        let shortage = Shortage { protocol: Transport::Tcp, member, ports: 1_024 };
        assert!(messages.push(&Event { time: 1_000, what: What::Shortage(shortage) }));
        assert!(messages.push(&Event { time: 9, what: What::Lost { records: 1, total: 258 } }));
        let expected = bytes(
            "000a 00ca 00000002 00000000 00000001
             0100 0030
                0000010203040506 04 06 0a00000b 9c40 cb007114 0400
                0000010203040506 05 06 0a00000b 9c40 cb007114 0400
             0101 0020
                0000010203040506 04 06 0a00000b 9c40 cb007114 0400 c0000232 01bb
             0102 0030
                00000000000003e8 10 11 0a00000c cb007114 0800 083f
                00000000000003e8 11 11 0a00000c cb007114 0800 083f
             0103 001a
                00000000000003e8 0d 06 00000003 00000400 0a00000c
             0104 0020
                000010e1 0000000000000102 0000000000000000 0000000000000000",
        );
        assert_eq!(messages.finish(2, <[u8]>::to_vec), expected);
    }

    #[test]
    fn a_message_is_never_longer_than_the_bound_and_numbers_count_records() {
        let mut messages = Messages::new(1, 1);
        let mut expected = 0_u32;
        for _ in 0..5 {
            messages.push_templates();
            let mut records = 0;
            while messages.push(&session(SessionEvent::Created, None)) {
                records += 1;
            }
            assert!(records > 40, "{records}");
            assert_eq!(messages.records(), records);
            let message = messages.finish(0, <[u8]>::to_vec);
            assert!(message.len() <= MESSAGE_BYTES_MAX);
            assert!(message.len() + 22 > MESSAGE_BYTES_MAX, "it is full");
            let sequence = u32::from_be_bytes([message[8], message[9], message[10], message[11]]);
            assert_eq!(sequence, expected);
            expected += records;
        }
        assert!(messages.is_empty());
    }
}
