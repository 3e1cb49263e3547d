//! Which bytes does a line stand for?

use std::net::{Ipv4Addr, SocketAddrV4};

use weir_core::units::MacAddress;

use super::link::parse_mac;
use super::{Direction, Line, Link, plus, pseudo_header, sum};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;

/// The bytes of a packet's line on this link.
///
/// # Errors
/// A sentence about what cannot be read.
pub fn encode(text: &str, link: &Link, direction: Direction) -> Result<Vec<u8>, String> {
    let line = Line::parse(text)?;
    let mut frame = match line.kind {
        "raw" => super::from_hex(line.words.first().copied().unwrap_or_default())?,
        "ethernet" => ethernet(&line, link)?,
        "arp" => arp(&line, link, direction)?,
        _ => {
            let (source, destination, packet) = datagram(&line, direction)?;
            let mut frame = match direction {
                Direction::Arriving => addresses(&line, link.mac, link.station(source))?,
                Direction::Leaving => addresses(&line, link.station(destination), link.mac)?,
            };
            frame.extend(tags(&line, 0x0800)?);
            frame.extend(packet);
            frame
        }
    };
    frame.resize(frame.len() + line.number("padding")?.unwrap_or(0) as usize, 0);
    if let Some(length) = line.number("cut")? {
        frame.truncate(length as usize);
    }
    Ok(frame)
}

fn addresses(line: &Line<'_>, to: MacAddress, from: MacAddress) -> Result<Vec<u8>, String> {
    let to = line.option("to").map_or(Ok(to), parse_mac)?;
    let from = line.option("from").map_or(Ok(from), parse_mac)?;
    Ok([to.0, from.0].concat())
}

/// VLAN tags and the EtherType behind them.
fn tags(line: &Line<'_>, ether_type: u16) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (name, value) in &line.options {
        let protocol: u16 = match *name {
            "vlan" => 0x8100,
            "service-vlan" => 0x88a8,
            _ => continue,
        };
        let tag: u16 = value.parse().map_err(|_| format!("'{value}' is no VLAN tag"))?;
        bytes.extend(protocol.to_be_bytes());
        bytes.extend(tag.to_be_bytes());
    }
    bytes.extend(ether_type.to_be_bytes());
    Ok(bytes)
}

fn ethernet(line: &Line<'_>, link: &Link) -> Result<Vec<u8>, String> {
    let text = line.words.first().copied().unwrap_or_default();
    let digits = text.trim_start_matches("0x");
    let ether_type = u16::from_str_radix(digits, 16).map_err(|_| format!("EtherType '{text}'"))?;
    let mut frame = addresses(line, link.mac, MacAddress([0x02, 0, 0, 0, 0, 1]))?;
    frame.extend(tags(line, ether_type)?);
    frame.extend(line.payload()?);
    Ok(frame)
}

/// `arp who-has TARGET tell SENDER` or `arp ADDRESS is-at SENDER tell TARGET`, where the sender's
/// Ethernet address may be said by `sender MAC`.
fn arp(line: &Line<'_>, link: &Link, direction: Direction) -> Result<Vec<u8>, String> {
    let (operation, sender, target) = match line.words[..] {
        ["who-has", target, "tell", sender] => (1u16, sender, target),
        [sender, "is-at-sender", "tell", target] => (2, sender, target),
        _ => return Err("write 'arp who-has A tell B' or 'arp B is-at-sender tell A'".into()),
    };
    let (sender, target) = (address(sender)?, address(target)?);
    let own = match direction {
        Direction::Arriving => link.station(sender),
        Direction::Leaving => link.mac,
    };
    let broadcast = MacAddress::BROADCAST;
    let to = match (operation, direction) {
        (1, _) => broadcast,
        (_, Direction::Arriving) => link.mac,
        (_, Direction::Leaving) => link.station(target),
    };
    let mut frame = addresses(line, to, own)?;
    frame.extend(tags(line, 0x0806)?);
    let target_mac = if operation == 1 { MacAddress::default() } else { to };
    let sender_mac = line.option("sender").map_or(Ok(own), parse_mac)?;
    let hardware = line.number("hardware")?.unwrap_or(1) as u16;
    frame.extend(hardware.to_be_bytes());
    frame.extend([8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(sender_mac.0);
    frame.extend(sender.octets());
    frame.extend(target_mac.0);
    frame.extend(target.octets());
    Ok(frame)
}

/// An IPv4 datagram with its ends.
fn datagram(
    line: &Line<'_>,
    direction: Direction,
) -> Result<(Ipv4Addr, Ipv4Addr, Vec<u8>), String> {
    let [source, "->", destination] = line.words[..] else {
        return Err(format!("write '{} SOURCE -> DESTINATION …'", line.kind));
    };
    let has_ports = matches!(line.kind, "tcp" | "udp");
    let (source, source_port) = end(source, has_ports)?;
    let (destination, destination_port) = end(destination, has_ports)?;
    let (protocol, mut segment) = match line.kind {
        "tcp" => (TCP, tcp(line, source_port, destination_port)?),
        "udp" => (UDP, udp(line, source_port, destination_port)?),
        "icmp" => (ICMP, icmp(line)?),
        "ip" => (line.number("protocol")?.unwrap_or(0) as u8, line.payload()?),
        other => return Err(format!("no packet is called '{other}'")),
    };
    let mut header = header(line, direction, protocol, segment.len())?;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let off = line.number("ip-checksum-off")?.unwrap_or(0) as u16;
    let checksum = plus(!sum(&header), off);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    finish(line, &header, protocol, &mut segment)?;
    Ok((source, destination, [header, segment].concat()))
}

fn header(
    line: &Line<'_>,
    direction: Direction,
    protocol: u8,
    segment_length: usize,
) -> Result<Vec<u8>, String> {
    let options = line.bytes("options")?;
    let length = 20 + options.len();
    let words = line.number("header-length")?.unwrap_or(length as u64 / 4) as u8;
    let total = line.number("total-length")?.unwrap_or((length + segment_length) as u64) as u16;
    let time_to_live = match direction {
        Direction::Arriving => 64,
        Direction::Leaving => 63,
    };
    let dont_fragment = u16::from(!line.is_set("no-df")) << 14;
    let flags = dont_fragment
        | u16::from(line.is_set("more")) << 13
        | u16::from(line.is_set("reserved")) << 15
        | (line.number("offset")?.unwrap_or(0) / 8) as u16;
    let mut header = vec![0; 20];
    header[0] = (line.number("version")?.unwrap_or(4) as u8) << 4 | words;
    header[1] = line.number("tos")?.unwrap_or(0) as u8;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[4..6].copy_from_slice(&(line.number("id")?.unwrap_or(0) as u16).to_be_bytes());
    header[6..8].copy_from_slice(&flags.to_be_bytes());
    header[8] = line.number("ttl")?.unwrap_or(time_to_live) as u8;
    header[9] = protocol;
    header.extend(options);
    Ok(header)
}

fn tcp(line: &Line<'_>, source: u16, destination: u16) -> Result<Vec<u8>, String> {
    const RST: u8 = 4;
    let options = line.bytes("tcp-options")?;
    let words = line.number("data-offset")?.unwrap_or((20 + options.len()) as u64 / 4) as u8;
    let window = if line.flags & RST == 0 { 65_535 } else { 0 };
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend((line.number("seq")?.unwrap_or(0) as u32).to_be_bytes());
    segment.extend((line.number("ack")?.unwrap_or(0) as u32).to_be_bytes());
    segment.extend([words << 4, line.flags]);
    segment.extend((line.number("window")?.unwrap_or(window) as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend((line.number("urgent")?.unwrap_or(0) as u16).to_be_bytes());
    segment.extend(options);
    segment.extend(line.payload()?);
    Ok(segment)
}

fn udp(line: &Line<'_>, source: u16, destination: u16) -> Result<Vec<u8>, String> {
    let payload = line.payload()?;
    let length = line.number("udp-length")?.unwrap_or(8 + payload.len() as u64) as u16;
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend(length.to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    Ok(segment)
}

/// An ICMP message; what follows `quotes` is the datagram that it is about, of which it carries
/// the header and eight bytes.
fn icmp(line: &Line<'_>) -> Result<Vec<u8>, String> {
    let kind = line.number("type")?.unwrap_or(8) as u8;
    let mut message = vec![kind, line.number("code")?.unwrap_or(0) as u8, 0, 0];
    message.extend((line.number("rest")?.unwrap_or(0) as u32).to_be_bytes());
    message.extend(match line.quotes {
        Some(text) => {
            let (.., packet) = datagram(&Line::parse(text)?, Direction::Leaving)?;
            packet[..packet.len().min(28)].to_vec()
        }
        None => line.payload()?,
    });
    Ok(message)
}

/// Puts the segment's checksum.
fn finish(line: &Line<'_>, header: &[u8], protocol: u8, segment: &mut [u8]) -> Result<(), String> {
    let at = match protocol {
        TCP if line.kind == "tcp" => 16,
        UDP if line.kind == "udp" => 6,
        ICMP if line.kind == "icmp" => 2,
        _ => return Ok(()),
    };
    if line.is_set("no-checksum") {
        return Ok(());
    }
    let pseudo = match protocol {
        ICMP => 0,
        _ => pseudo_header(header, protocol, segment.len()),
    };
    let mut checksum = !plus(sum(segment), pseudo);
    if protocol == UDP && checksum == 0 {
        checksum = 0xffff;
    }
    if line.is_set("partial-checksum") {
        checksum = pseudo;
    }
    let off = line.number("checksum-off")?.unwrap_or(0) as u16;
    segment[at..at + 2].copy_from_slice(&plus(checksum, off).to_be_bytes());
    Ok(())
}

fn end(text: &str, has_port: bool) -> Result<(Ipv4Addr, u16), String> {
    if !has_port {
        return Ok((address(text)?, 0));
    }
    let end: SocketAddrV4 = text.parse().map_err(|_| format!("'{text}' is no address:port"))?;
    Ok((*end.ip(), end.port()))
}

fn address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("'{text}' is no IPv4 address"))
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn link() -> Link {
        let links = super::super::Links::of(&crate::document::Document::read("base.json").check());
        links.0[0].clone()
    }

    #[test]
    fn every_kind_of_line_survives_its_bytes() {
        for line in [
            "tcp 192.0.2.7:40000 -> 203.0.113.10:80 SYN ACK seq 7 ack 9 ttl 3 payload 10 padding 4",
            "tcp 192.0.2.7:1 -> 203.0.113.10:80 FIN options 01010101 tcp-options 01010101 vlan 5",
            "tcp 192.0.2.7:1 -> 203.0.113.10:80 RST ip-checksum-off 0x1 checksum-off 0x5",
            "udp 192.0.2.7:1 -> 203.0.113.10:53 no-checksum payload 3",
            "udp 192.0.2.7:1 -> 203.0.113.10:53 data 0102 service-vlan 1 vlan 2",
            "icmp 192.0.2.7 -> 203.0.113.10 rest 0x10001 payload 8",
            "ip 192.0.2.7 -> 203.0.113.10 protocol 6 no-df offset 1480 payload 100",
            "tcp 192.0.2.7:1 -> 203.0.113.10:80 ACK no-df more payload 24",
            "arp who-has 198.51.100.10 tell 198.51.100.7",
            "arp 198.51.100.10 is-at-sender tell 198.51.100.7 padding 18",
        ] {
            for direction in [Direction::Arriving, Direction::Leaving] {
                let frame = encode(line, &link(), direction).expect(line);
                assert_eq!(decode(&frame, &link(), direction), line);
            }
        }
    }

    #[test]
    fn what_no_line_says_is_written_raw() {
        assert_eq!(decode(&[1, 2, 3], &link(), Direction::Arriving), "raw 010203");
    }
}
