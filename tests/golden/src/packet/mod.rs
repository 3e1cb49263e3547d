//! How is a frame written as a line of text, and which frame does a line stand for?
//!
//! ```text
//!   tcp 192.0.2.7:40000 -> 203.0.113.10:80 SYN seq 1 ttl 64 payload 10
//!   └kind └source          └destination    └flags └options, whatever is left out has a default
//! ```
//!
//! [`encode`] gives the bytes of a line, checksums and MACs included; [`decode`] gives a line
//! whose encoding is exactly the frame. Two lines say the same if their bytes are the same. Not
//! here: what happens to a frame (`simulation`).

use std::net::{IpAddr, SocketAddr};

mod decode;
mod encode;
mod link;
mod quote;

pub use decode::decode;
pub use encode::encode;
pub use link::{Direction, Link, Links, link_local_of_port, mac_of_host, mac_of_port, parse_mac};

/// The bytes that `payload N` stands for.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + 3) as u8).collect()
}

/// The flags of a TCP segment in the order of their bits, lowest first.
const FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// Options that stand alone; every other is followed by its value.
const SWITCHES: [&str; 6] =
    ["no-df", "more", "reserved", "no-checksum", "partial-checksum", "segmented"];

/// One line taken apart.
#[derive(Debug, Default)]
struct Line<'a> {
    kind: &'a str,
    /// Words before the first option, flags left out.
    words: Vec<&'a str>,
    flags: u8,
    options: Vec<(&'a str, &'a str)>,
    /// What an ICMP error quotes.
    quotes: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let mut line = Self::default();
        let (text, quotes) = match text.split_once(" quotes ") {
            Some((text, quoted)) => (text, Some(quoted)),
            None => (text, None),
        };
        line.quotes = quotes;
        let mut words = text.split_whitespace();
        line.kind = words.next().ok_or("an empty packet")?;
        while let Some(word) = words.next() {
            if let Some(bit) = FLAGS.iter().position(|flag| *flag == word) {
                line.flags |= 1 << bit;
            } else if SWITCHES.contains(&word) {
                line.options.push((word, ""));
            } else if line.is_positional(word) {
                line.words.push(word);
            } else {
                let value = words.next().ok_or_else(|| format!("'{word}' lacks its value"))?;
                line.options.push((word, value));
            }
        }
        Ok(line)
    }

    fn is_positional(&self, word: &str) -> bool {
        let wanted = match self.kind {
            "arp" => 4,
            "raw" | "ethernet" => 1,
            _ => 3,
        };
        self.words.len() < wanted && !word.is_empty()
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }

    fn is_set(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    /// A number, in hexadecimal behind `0x`; `default` where nothing is said.
    fn number<N: TryFrom<u64>>(&self, name: &str, default: N) -> Result<N, String> {
        let Some(text) = self.option(name) else { return Ok(default) };
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        };
        let number = parsed.ok().and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| format!("'{name} {text}' is no number, or too big a one"))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        from_hex(self.option(name).unwrap_or_default())
    }

    /// `payload N` or `data HEX`.
    fn payload(&self) -> Result<Vec<u8>, String> {
        if self.is_set("payload") {
            return Ok(pattern(self.number("payload", 0)?));
        }
        self.bytes("data")
    }
}

/// Source and destination of an untagged TCP or UDP frame without IP options or extension headers.
#[must_use]
pub fn ends(frame: &[u8]) -> Option<[SocketAddr; 2]> {
    let (addresses, ports) = match frame.get(12..14)? {
        [0x08, 0x00] => (26, 34),
        _ => (22, 54),
    };
    let width = (ports - addresses) / 2;
    let end = |number: usize| {
        let address = frame.get(addresses + number * width..)?.get(..width)?;
        let address = match <[u8; 4]>::try_from(address) {
            Ok(octets) => IpAddr::from(octets),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        };
        let port = frame.get(ports + number * 2..)?.first_chunk()?;
        Some(SocketAddr::new(address, u16::from_be_bytes(*port)))
    };
    Some([end(0)?, end(1)?])
}

/// Whether the frame of a line lies in several buffers.
#[must_use]
pub fn is_segmented(text: &str) -> bool {
    text.split_whitespace().any(|word| word == "segmented")
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    if text.len() % 2 == 1 || !text.is_ascii() {
        return Err(format!("'{text}' is not whole bytes in hexadecimal"));
    }
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16))
        .collect::<Result<_, _>>()
        .map_err(|_| format!("'{text}' is not hexadecimal"))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The Internet checksum's sum over 16-bit words, folded, written down anew so that the code
/// under test does not judge itself.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    words.fold(0, |sum, word| plus(sum, word as u16))
}

/// One's complement addition.
fn plus(one: u16, other: u16) -> u16 {
    let sum = u32::from(one) + u32::from(other);
    (sum as u16) + (sum >> 16) as u16
}

/// The sum over a header's addresses, the protocol and the segment's length.
fn pseudo_header(addresses: &[u8], protocol: u8, length: usize) -> u16 {
    plus(sum(addresses), plus(u16::from(protocol), length as u16))
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
