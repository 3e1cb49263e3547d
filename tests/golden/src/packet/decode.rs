//! Which line stands for exactly this frame?

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_core::units::MacAddress;

use super::{
    Direction, FLAGS, ICMP, ICMPV6, Link, TCP, UDP, encode, pattern, plus, pseudo_header, quote,
    sum, to_hex,
};
use crate::dual_stack::twin_of;

/// A line that [`encode`] turns into exactly this frame; `raw` where nothing better does.
#[must_use]
pub fn decode(frame: &[u8], link: &Link, direction: Direction) -> String {
    let line = guess(frame, link, direction);
    line.filter(|line| encode(line, link, direction).is_ok_and(|bytes| bytes == frame))
        .unwrap_or_else(|| format!("raw {}", to_hex(frame)))
}

const QUOTES: &str = " quotes ";

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
        0x0800 => ipv4(&frame[at..], direction)?,
        0x86dd => ipv6(&frame[at..], direction)
            .unwrap_or_else(|| format!("ethernet 0x86dd{}", payload(&frame[at..]))),
        0x0806 => arp(&frame[at..])?,
        other => format!("ethernet 0x{other:04x}{}", payload(&frame[at..])),
    };
    // What an error quotes stands last.
    let (body, quotes) = body.split_at(body.find(QUOTES).unwrap_or(body.len()));
    let mut line = body.to_owned() + &tags;
    for (name, at) in [("to", 0), ("from", 6)] {
        let found = frame.get(at..at + 6)?;
        if encode(&line, link, direction).ok()?.get(at..at + 6) != Some(found) {
            write!(line, " {name} {}", MacAddress(found.try_into().ok()?)).ok()?;
        }
    }
    Some(line + quotes)
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

pub(super) fn ipv4(packet: &[u8], direction: Direction) -> Option<String> {
    let header_length = usize::from(packet.first()? & 15) * 4;
    let total = usize::from(word(packet, 2)?);
    let header = packet.get(..header_length.max(20))?;
    let segment = packet.get(header_length..total)?;
    let ends = [address(packet, 12)?.into(), address(packet, 16)?.into()];
    let flags = word(packet, 6)?;
    let upper = Upper::of(header[9], ICMP, flags & 0x1fff == 0, segment);
    let mut line = upper.head(ends)?;
    number(&mut line, "ttl", header[8].into(), hops(direction));
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
    let off = plus(sum(header), 0);
    if off != 0xffff {
        write!(line, " ip-checksum-off 0x{off:x}").ok()?;
    }
    let checksum = upper.checksum(&header[12..20])?;
    Some(line + &checksum + &padding(&packet[total..]) + &upper.body(ends[0])?)
}

pub(super) fn ipv6(packet: &[u8], direction: Direction) -> Option<String> {
    let first = word(packet, 0)?;
    let total = 40 + usize::from(word(packet, 4)?);
    let (mut protocol, mut at, mut is_whole) = (*packet.get(6)?, 40, true);
    while matches!(protocol, 0 | 43 | 44 | 60) {
        is_whole &= protocol != 44 || word(packet, at + 2)? & 0xfff9 == 0;
        let length = if protocol == 44 { 0 } else { usize::from(*packet.get(at + 1)?) };
        (protocol, at) = (*packet.get(at)?, at + 8 + length * 8);
    }
    let segment = packet.get(at..total)?;
    let end = |at: usize| -> Option<Ipv6Addr> {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets))
    };
    let upper = Upper::of(protocol, ICMPV6, is_whole, segment);
    let ends = [end(8)?.into(), end(24)?.into()];
    let mut line = upper.head(ends)?;
    number(&mut line, "ttl", packet[7].into(), hops(direction));
    number(&mut line, "tos", u32::from(first >> 4 & 0xff), 0);
    number(&mut line, "label", u32::from(first & 15) << 16 | u32::from(word(packet, 2)?), 0);
    if at > 40 {
        write!(line, " next {} extensions {}", packet[6], to_hex(&packet[40..at])).ok()?;
    }
    let checksum = upper.checksum(&packet[8..40])?;
    Some(line + &checksum + &padding(&packet[total..]) + &upper.body(ends[0])?)
}

fn hops(direction: Direction) -> u32 {
    match direction {
        Direction::Arriving => 64,
        Direction::Leaving => 63,
    }
}

/// What stands behind the headers of either family.
struct Upper<'a> {
    kind: &'static str,
    protocol: u8,
    segment: &'a [u8],
}

impl<'a> Upper<'a> {
    fn of(protocol: u8, icmp: u8, is_first: bool, segment: &'a [u8]) -> Self {
        let kind = match protocol {
            TCP if is_first && segment.len() >= 20 => "tcp",
            UDP if is_first && segment.len() >= 8 => "udp",
            _ if protocol == icmp && is_first && segment.len() >= 8 => "icmp",
            _ => "ip",
        };
        Self { kind, protocol, segment }
    }

    /// Kind, ends, and what the segment's own header says.
    fn head(&self, [source, destination]: [IpAddr; 2]) -> Option<String> {
        let (kind, segment) = (self.kind, self.segment);
        if matches!(kind, "tcp" | "udp") {
            let (from, to) = (word(segment, 0)?, word(segment, 2)?);
            let ends = format!("{kind} {} -> {}", socket(source, from), socket(destination, to));
            return Some(if kind == "tcp" { ends + &tcp_head(segment)? } else { ends });
        }
        let ends = format!("{kind} {} -> {}", written(source), written(destination));
        if kind == "icmp" {
            let usual = if source.is_ipv4() { 8 } else { 128 };
            return Some(ends + &icmp_head(segment, usual));
        }
        Some(format!("{ends} protocol {}", self.protocol))
    }

    fn body(&self, source: IpAddr) -> Option<String> {
        match self.kind {
            "tcp" => tcp(self.segment),
            "udp" => Some(payload(&self.segment[8..])),
            "icmp" => Some(icmp(self.segment, source)),
            _ => Some(payload(self.segment)),
        }
    }

    /// How far the checksum is off; nothing where it is right.
    fn checksum(&self, addresses: &[u8]) -> Option<String> {
        let (kind, segment) = (self.kind, self.segment);
        let pseudo = match self.protocol {
            ICMP => 0,
            protocol => pseudo_header(addresses, protocol, segment.len()),
        };
        let off = plus(sum(segment), pseudo);
        if kind == "udp" && word(segment, 6)? == 0 {
            return Some(" no-checksum".into());
        }
        let is_right = kind == "ip" || off == 0xffff;
        Some(if is_right { String::new() } else { format!(" checksum-off 0x{off:x}") })
    }
}

/// An address as cases write it: an IPv6 twin with the IPv4 address in it.
fn written(address: IpAddr) -> String {
    let IpAddr::V6(wide) = address else { return address.to_string() };
    twin_of(wide).map_or(wide.to_string(), |twin| format!("2001:db8::{twin}"))
}

fn socket(address: IpAddr, port: u16) -> String {
    let text = written(address);
    if address.is_ipv4() { format!("{text}:{port}") } else { format!("[{text}]:{port}") }
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

fn icmp_head(message: &[u8], usual: u32) -> String {
    let mut text = String::new();
    number(&mut text, "type", message[0].into(), usual);
    number(&mut text, "code", message[1].into(), 0);
    text
}

fn icmp(message: &[u8], source: IpAddr) -> String {
    let rest = u32::from_be_bytes([message[4], message[5], message[6], message[7]]);
    let rest = if rest == 0 { String::new() } else { format!(" rest 0x{rest:x}") };
    let quoted =
        if quote::is_error(message[0], source) { quote::decode(&message[8..]) } else { None };
    rest + &quoted.unwrap_or_else(|| payload(&message[8..]))
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
