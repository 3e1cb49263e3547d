//! Which line stands for exactly this frame?

use std::fmt::Write;
use std::net::Ipv4Addr;

use weir_core::units::MacAddress;

use super::{Direction, FLAGS, Link, encode, pattern, plus, pseudo_header, sum, to_hex};

/// A line that [`encode`] turns into exactly this frame; `raw` where nothing better does.
#[must_use]
pub fn decode(frame: &[u8], link: &Link, direction: Direction) -> String {
    let line = guess(frame, link, direction);
    line.filter(|line| encode(line, link, direction).is_ok_and(|bytes| bytes == frame))
        .unwrap_or_else(|| format!("raw {}", to_hex(frame)))
}

/// A line for a well-formed frame; the caller checks that nothing got lost.
fn guess(frame: &[u8], link: &Link, direction: Direction) -> Option<String> {
    let mut tags = String::new();
    let mut at = 12;
    let ether_type = loop {
        let value = word(frame, at)?;
        at += 2;
        let name = match value {
            0x8100 => "vlan",
            0x88a8 => "service-vlan",
            other => break other,
        };
        write!(tags, " {name} {}", word(frame, at)?).ok()?;
        at += 2;
    };
    let body = match ether_type {
        0x0800 => ip(&frame[at..], direction)?,
        0x0806 => arp(&frame[at..])?,
        other => format!("ethernet 0x{other:04x}{}", payload(&frame[at..])),
    };
    let mut line = body + &tags;
    for (name, at) in [("to", 0), ("from", 6)] {
        let found = frame.get(at..at + 6)?;
        if encode(&line, link, direction).ok()?.get(at..at + 6) != Some(found) {
            write!(line, " {name} {}", MacAddress(found.try_into().ok()?)).ok()?;
        }
    }
    Some(line)
}

fn arp(packet: &[u8]) -> Option<String> {
    let (sender, target) = (address(packet, 14)?, address(packet, 24)?);
    let line = match word(packet, 6)? {
        1 => format!("arp who-has {target} tell {sender}"),
        2 => format!("arp {sender} is-at-sender tell {target}"),
        _ => return None,
    };
    Some(line + &padding(&packet[28..]))
}

fn ip(packet: &[u8], direction: Direction) -> Option<String> {
    let header_length = usize::from(packet.first()? & 15) * 4;
    let total = usize::from(word(packet, 2)?);
    let header = packet.get(..header_length.max(20))?;
    let segment = packet.get(header_length..total)?;
    let (source, destination) = (address(packet, 12)?, address(packet, 16)?);
    let flags = word(packet, 6)?;
    let protocol = header[9];
    let is_later = flags & 0x1fff != 0;
    let mut line = match protocol {
        6 if !is_later && segment.len() >= 20 => {
            format!("tcp {source}:{} -> {destination}:{}", word(segment, 0)?, word(segment, 2)?)
        }
        17 if !is_later && segment.len() >= 8 => {
            format!("udp {source}:{} -> {destination}:{}", word(segment, 0)?, word(segment, 2)?)
        }
        1 if !is_later && segment.len() >= 8 => format!("icmp {source} -> {destination}"),
        other => format!("ip {source} -> {destination} protocol {other}"),
    };
    let kind = line.split(' ').next()?.to_owned();
    let body = match kind.as_str() {
        "tcp" => tcp(segment)?,
        "udp" => payload(&segment[8..]),
        "icmp" => icmp(segment),
        _ => payload(segment),
    };
    if kind == "tcp" {
        line += &tcp_head(segment)?;
    } else if kind == "icmp" {
        line += &icmp_head(segment);
    }
    let expected = match direction {
        Direction::Arriving => 64,
        Direction::Leaving => 63,
    };
    number(&mut line, "ttl", header[8].into(), expected);
    number(&mut line, "tos", header[1].into(), 0);
    number(&mut line, "id", word(packet, 4)?.into(), 0);
    for (name, is_on) in [
        ("reserved", flags & 0x8000 != 0),
        ("no-df", flags & 0x4000 == 0),
        ("more", flags & 0x2000 != 0),
    ] {
        if is_on {
            line = line + " " + name;
        }
    }
    number(&mut line, "offset", u32::from(flags & 0x1fff) * 8, 0);
    if header.len() > 20 {
        write!(line, " options {}", to_hex(&header[20..])).ok()?;
    }
    line += &checksums(&kind, header, segment)?;
    Some(line + &body + &padding(&packet[total..]))
}

/// How far both checksums are off; nothing where they are right.
fn checksums(kind: &str, header: &[u8], segment: &[u8]) -> Option<String> {
    let mut text = String::new();
    let off = plus(sum(header), 0);
    if off != 0xffff {
        write!(text, " ip-checksum-off 0x{off:x}").ok()?;
    }
    let (pseudo, field) = match kind {
        "tcp" => (pseudo_header(header, 6, segment.len()), 16),
        "udp" => (pseudo_header(header, 17, segment.len()), 6),
        "icmp" => (0, 2),
        _ => return Some(text),
    };
    let off = plus(sum(segment), pseudo);
    if kind == "udp" && word(segment, field)? == 0 {
        text += " no-checksum";
    } else if off != 0xffff {
        write!(text, " checksum-off 0x{off:x}").ok()?;
    }
    Some(text)
}

fn tcp_head(segment: &[u8]) -> Option<String> {
    let mut text = String::new();
    let flags = segment[13];
    // In the order that people say them: SYN ACK, PSH ACK, FIN ACK.
    for bit in [1, 0, 2, 6, 7, 3, 5, 4] {
        if flags & 1 << bit != 0 {
            text = text + " " + FLAGS[bit];
        }
    }
    number(&mut text, "seq", u32::from(word(segment, 4)?) << 16 | u32::from(word(segment, 6)?), 0);
    number(&mut text, "ack", u32::from(word(segment, 8)?) << 16 | u32::from(word(segment, 10)?), 0);
    let window = if flags & 4 == 0 { 65_535 } else { 0 };
    number(&mut text, "window", word(segment, 14)?.into(), window);
    number(&mut text, "urgent", word(segment, 18)?.into(), 0);
    Some(text)
}

fn tcp(segment: &[u8]) -> Option<String> {
    let length = usize::from(segment[12] >> 4) * 4;
    let options = segment.get(20..length)?;
    let mut text = String::new();
    if !options.is_empty() {
        write!(text, " tcp-options {}", to_hex(options)).ok()?;
    }
    Some(text + &payload(&segment[length..]))
}

fn icmp_head(message: &[u8]) -> String {
    let mut text = String::new();
    number(&mut text, "type", message[0].into(), 8);
    number(&mut text, "code", message[1].into(), 0);
    text
}

fn icmp(message: &[u8]) -> String {
    let rest = u32::from_be_bytes([message[4], message[5], message[6], message[7]]);
    let rest = if rest == 0 { String::new() } else { format!(" rest 0x{rest:x}") };
    rest + &payload(&message[8..])
}

fn payload(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        String::new()
    } else if bytes == pattern(bytes.len()) {
        format!(" payload {}", bytes.len())
    } else {
        format!(" data {}", to_hex(bytes))
    }
}

fn padding(bytes: &[u8]) -> String {
    if bytes.is_empty() { String::new() } else { format!(" padding {}", bytes.len()) }
}

fn number(text: &mut String, name: &str, value: u32, default: u32) {
    if value != default {
        write!(text, " {name} {value}").expect("a String takes everything");
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}
