//! Which packet does an ICMP error quote, and how much of it?
//!
//! What follows `quotes` is the packet as it left, from its IP header on; `quoted N` says how many
//! bytes of it the error carries, if not the IP header without options and eight bytes.

use std::net::IpAddr;

use super::decode::{ipv4, ipv6};
use super::encode::datagram;
use super::{Direction, ICMPV6, Line, TCP, UDP, pattern, plus, pseudo_header, sum};

/// The bytes that an error quotes.
///
/// # Errors
/// A sentence about what cannot be read.
pub(super) fn encode(line: &Line<'_>, text: &str) -> Result<Vec<u8>, String> {
    let (_, _, mut packet) = datagram(&Line::parse(text)?, Direction::Leaving)?;
    packet.truncate(line.number("quoted", usual(&packet))?);
    Ok(packet)
}

/// The words for these quoted bytes, options of the error and then what follows `quotes`; nothing
/// where no words stand for exactly these bytes.
pub(super) fn decode(quote: &[u8]) -> Option<String> {
    let whole = whole(quote)?;
    let read = if is_v4(quote) { ipv4 } else { ipv6 };
    let text = read(&whole, Direction::Leaving)?;
    let is_usual = quote.len() == usual(quote).min(whole.len());
    let size = if is_usual { String::new() } else { format!(" quoted {}", quote.len()) };
    let (_, _, packet) = datagram(&Line::parse(&text).ok()?, Direction::Leaving).ok()?;
    (packet.get(..quote.len()) == Some(quote)).then(|| format!("{size} quotes {text}"))
}

fn is_v4(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 4)
}

/// How much of a packet is quoted where nobody says otherwise.
fn usual(packet: &[u8]) -> usize {
    upper(packet).0 + 8
}

/// Where the transport header begins, behind options or extension headers, and its protocol.
fn upper(packet: &[u8]) -> (usize, u8) {
    let byte = |at: usize| packet.get(at).copied().unwrap_or(0);
    if is_v4(packet) {
        return (usize::from(byte(0) & 15) * 4, byte(9));
    }
    let (mut at, mut protocol) = (40, byte(6));
    while matches!(protocol, 0 | 43 | 60) && at < packet.len() {
        (protocol, at) = (byte(at), at + 8 + usize::from(byte(at + 1)) * 8);
    }
    (at, protocol)
}

/// The packet that was quoted, as if it had had the usual payload and, where its checksum is not
/// quoted, a right one.
fn whole(quote: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| Some(usize::from(u16::from_be_bytes(*quote.get(at..)?.first_chunk()?)));
    let (header, protocol) = upper(quote);
    let (length, addresses) =
        if is_v4(quote) { (word(2)?, 12..20) } else { (40 + word(4)?, 8..40) };
    if length <= quote.len() {
        return Some(quote.to_vec());
    }
    let (fixed, checksum): (&[u8], usize) = match protocol {
        TCP => (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0], 16),
        UDP => (&[0; 8], 6),
        _ => (&[0; 8], 2),
    };
    let behind = length.checked_sub(header + fixed.len())?;
    let mut segment = [fixed, &pattern(behind)].concat();
    let quoted = quote.get(header..)?;
    segment.get_mut(..quoted.len())?.copy_from_slice(quoted);
    if quoted.len() <= checksum && matches!(protocol, TCP | UDP | ICMPV6) {
        let pseudo = pseudo_header(quote.get(addresses)?, protocol, segment.len());
        let right = !plus(sum(&segment), pseudo);
        segment[checksum..checksum + 2].copy_from_slice(&right.to_be_bytes());
    }
    Some([&quote[..header], &segment].concat())
}

/// Whether an ICMP message of this type quotes a packet.
pub(super) const fn is_error(kind: u8, source: IpAddr) -> bool {
    match source {
        IpAddr::V4(_) => matches!(kind, 3 | 4 | 5 | 11 | 12),
        IpAddr::V6(_) => kind < 128,
    }
}
