//! Which bytes does a line stand for?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use weir_core::units::MacAddress;

use super::link::{mac_of_host, parse_mac};
use super::{Direction, ICMP, ICMPV6, Line, Link, TCP, UDP, plus, pseudo_header, quote, sum};

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
                Direction::Arriving => {
                    let is_group = destination.is_ipv6() && destination.is_multicast();
                    let to = if is_group { mac_of_host(destination) } else { link.mac };
                    addresses(&line, to, link.station(source))?
                }
                Direction::Leaving => addresses(&line, link.station(destination), link.mac)?,
            };
            frame.extend(tags(&line, if source.is_ipv4() { 0x0800 } else { 0x86dd })?);
            frame.extend(packet);
            frame
        }
    };
    frame.resize(frame.len() + line.number::<usize>("padding", 0)?, 0);
    frame.truncate(line.number("cut", frame.len())?);
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
    let (sender, target) = (address_v4(sender)?, address_v4(target)?);
    let own = match direction {
        Direction::Arriving => link.station(sender.into()),
        Direction::Leaving => link.mac,
    };
    let broadcast = MacAddress::BROADCAST;
    let to = match (operation, direction) {
        (1, _) => broadcast,
        (_, Direction::Arriving) => link.mac,
        (_, Direction::Leaving) => link.station(target.into()),
    };
    let mut frame = addresses(line, to, own)?;
    frame.extend(tags(line, 0x0806)?);
    let target_mac = if operation == 1 { MacAddress::default() } else { to };
    let sender_mac = line.option("sender").map_or(Ok(own), parse_mac)?;
    let hardware = line.number::<u16>("hardware", 1)?;
    frame.extend(hardware.to_be_bytes());
    frame.extend([8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(sender_mac.0);
    frame.extend(sender.octets());
    frame.extend(target_mac.0);
    frame.extend(target.octets());
    Ok(frame)
}

/// An IP datagram with its ends.
pub(super) fn datagram(
    line: &Line<'_>,
    direction: Direction,
) -> Result<(IpAddr, IpAddr, Vec<u8>), String> {
    let [source, "->", destination] = line.words[..] else {
        return Err(format!("write '{} SOURCE -> DESTINATION …'", line.kind));
    };
    let has_ports = matches!(line.kind, "tcp" | "udp");
    let (source, source_port) = end(source, has_ports)?;
    let (destination, destination_port) = end(destination, has_ports)?;
    let (protocol, mut segment) = match line.kind {
        "tcp" => (TCP, tcp(line, source_port, destination_port)?),
        "udp" => (UDP, udp(line, source_port, destination_port)?),
        "icmp" if source.is_ipv4() => (ICMP, icmp(line, 8)?),
        "icmp" => (ICMPV6, icmp(line, 128)?),
        "ip" => (line.number::<u8>("protocol", 0)?, line.payload()?),
        other => return Err(format!("no packet is called '{other}'")),
    };
    let (header, pseudo) = match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = header_v4(line, direction, protocol, [from, to], segment.len())?;
            let pseudo = pseudo_header(&header[12..20], protocol, segment.len());
            (header, if protocol == ICMP { 0 } else { pseudo })
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = header_v6(line, direction, protocol, [from, to], segment.len())?;
            let pseudo = pseudo_header(&header[8..40], protocol, segment.len());
            (header, pseudo)
        }
        _ => return Err("both ends are of one family".into()),
    };
    finish(line, protocol, pseudo, &mut segment)?;
    Ok((source, destination, [header, segment].concat()))
}

fn header_v4(
    line: &Line<'_>,
    direction: Direction,
    protocol: u8,
    ends: [Ipv4Addr; 2],
    segment_length: usize,
) -> Result<Vec<u8>, String> {
    let options = line.bytes("options")?;
    let length = 20 + options.len();
    let words = line.number::<u8>("header-length", (length / 4) as u8)?;
    let total = line.number::<u16>("total-length", (length + segment_length) as u16)?;
    let dont_fragment = u16::from(!line.is_set("no-df")) << 14;
    let flags = dont_fragment
        | u16::from(line.is_set("more")) << 13
        | u16::from(line.is_set("reserved")) << 15
        | (line.number::<u16>("offset", 0)? / 8);
    let mut header = vec![0; 20];
    header[0] = line.number::<u8>("version", 4)? << 4 | words;
    header[1] = line.number::<u8>("tos", 0)?;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[4..6].copy_from_slice(&line.number::<u16>("id", 0)?.to_be_bytes());
    header[6..8].copy_from_slice(&flags.to_be_bytes());
    header[8] = line.number::<u8>("ttl", hops(direction))?;
    header[9] = protocol;
    header[12..16].copy_from_slice(&ends[0].octets());
    header[16..20].copy_from_slice(&ends[1].octets());
    header.extend(options);
    let off = line.number::<u16>("ip-checksum-off", 0)?;
    let checksum = plus(!sum(&header), off);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    Ok(header)
}

/// An IPv6 header and its extension headers: `next` says of which kind the first one is.
fn header_v6(
    line: &Line<'_>,
    direction: Direction,
    protocol: u8,
    ends: [Ipv6Addr; 2],
    segment_length: usize,
) -> Result<Vec<u8>, String> {
    let extensions = line.bytes("extensions")?;
    let payload = (extensions.len() + segment_length) as u16;
    let version = line.number::<u32>("version", 6)? << 28;
    let class = u32::from(line.number::<u8>("tos", 0)?) << 20;
    let mut header = (version | class | line.number::<u32>("label", 0)?).to_be_bytes().to_vec();
    header.extend(line.number::<u16>("payload-length", payload)?.to_be_bytes());
    header.push(line.number::<u8>("next", protocol)?);
    header.push(line.number::<u8>("ttl", hops(direction))?);
    header.extend(ends.iter().flat_map(Ipv6Addr::octets));
    header.extend(extensions);
    Ok(header)
}

const fn hops(direction: Direction) -> u8 {
    match direction {
        Direction::Arriving => 64,
        Direction::Leaving => 63,
    }
}

fn tcp(line: &Line<'_>, source: u16, destination: u16) -> Result<Vec<u8>, String> {
    const RST: u8 = 4;
    let options = line.bytes("tcp-options")?;
    let words = line.number::<u8>("data-offset", ((20 + options.len()) / 4) as u8)?;
    let window = if line.flags & RST == 0 { 65_535 } else { 0 };
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend(line.number::<u32>("seq", 0)?.to_be_bytes());
    segment.extend(line.number::<u32>("ack", 0)?.to_be_bytes());
    segment.extend([words << 4, line.flags]);
    segment.extend(line.number::<u16>("window", window)?.to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(line.number::<u16>("urgent", 0)?.to_be_bytes());
    segment.extend(options);
    segment.extend(line.payload()?);
    Ok(segment)
}

fn udp(line: &Line<'_>, source: u16, destination: u16) -> Result<Vec<u8>, String> {
    let payload = line.payload()?;
    let length = line.number::<u16>("udp-length", (8 + payload.len()) as u16)?;
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend(length.to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    Ok(segment)
}

/// An ICMP message; what follows `quotes` is the datagram that it is about.
fn icmp(line: &Line<'_>, kind: u8) -> Result<Vec<u8>, String> {
    let kind = line.number::<u8>("type", kind)?;
    let mut message = vec![kind, line.number::<u8>("code", 0)?, 0, 0];
    message.extend(line.number::<u32>("rest", 0)?.to_be_bytes());
    message.extend(match line.quotes {
        Some(text) => quote::encode(line, text)?,
        None => line.payload()?,
    });
    Ok(message)
}

/// Puts the segment's checksum.
fn finish(line: &Line<'_>, protocol: u8, pseudo: u16, segment: &mut [u8]) -> Result<(), String> {
    let at = match line.kind {
        "tcp" => 16,
        "udp" => 6,
        "icmp" => 2,
        _ => return Ok(()),
    };
    if line.is_set("no-checksum") {
        return Ok(());
    }
    let mut checksum = !plus(sum(segment), pseudo);
    if protocol == UDP && checksum == 0 {
        checksum = 0xffff;
    }
    if line.is_set("partial-checksum") {
        checksum = pseudo;
    }
    let off = line.number::<u16>("checksum-off", 0)?;
    segment[at..at + 2].copy_from_slice(&plus(checksum, off).to_be_bytes());
    Ok(())
}

fn end(text: &str, has_port: bool) -> Result<(IpAddr, u16), String> {
    if !has_port {
        let address = text.parse().map_err(|_| format!("'{text}' is no IP address"))?;
        return Ok((address, 0));
    }
    let end: SocketAddr = text.parse().map_err(|_| format!("'{text}' is no address:port"))?;
    Ok((end.ip(), end.port()))
}

fn address_v4(text: &str) -> Result<Ipv4Addr, String> {
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
            "tcp 192.0.2.7:40000 -> 203.0.113.10:80 SYN ACK seq 7 ack 9 ttl 3 padding 4 payload 10",
            "tcp 192.0.2.7:1 -> 203.0.113.10:80 FIN options 01010101 tcp-options 01010101 vlan 5",
            "tcp 192.0.2.7:1 -> 203.0.113.10:80 RST ip-checksum-off 0x1 checksum-off 0x5",
            "udp 192.0.2.7:1 -> 203.0.113.10:53 no-checksum payload 3",
            "udp 192.0.2.7:1 -> 203.0.113.10:53 data 0102 service-vlan 1 vlan 2",
            "icmp 192.0.2.7 -> 203.0.113.10 rest 0x10001 payload 8",
            "ip 192.0.2.7 -> 203.0.113.10 protocol 6 no-df offset 1480 payload 100",
            "tcp 192.0.2.7:1 -> 203.0.113.10:80 ACK no-df more payload 24",
            "tcp [2001:db8::192.0.2.7]:1 -> [2001:db8::203.0.113.10]:80 SYN seq 7 label 9 payload 3",
            "udp [2001:db8::192.0.2.7]:1 -> [2001:db9::1]:53 tos 4 next 0 extensions 1100010400000000",
            "udp [2001:db8::192.0.2.7]:1 -> [2001:db9::1]:53 checksum-off 0x5 padding 2 vlan 7",
            "ip 2001:db8::192.0.2.7 -> ::1 protocol 6 next 44 extensions 0600000100000007 payload 24",
            "icmp 2001:db8::192.0.2.7 -> 2001:db8::203.0.113.10 type 135 data 0102",
            "icmp 192.0.2.1 -> 203.0.113.10 type 3 code 4 rest 0x578 vlan 5 quotes tcp 203.0.113.10:80 -> 192.0.2.7:40000 ACK seq 9 payload 100",
            "icmp 192.0.2.1 -> 203.0.113.10 type 11 quoted 60 quotes tcp 203.0.113.10:80 -> 192.0.2.7:40000 SYN window 9 payload 100",
            "icmp 192.0.2.1 -> 203.0.113.10 type 12 quoted 35 quotes tcp 203.0.113.10:80 -> 192.0.2.7:40000 ACK ttl 9",
            "icmp 192.0.2.1 -> 203.0.113.10 type 3 quotes udp 203.0.113.10:53 -> 192.0.2.7:1 checksum-off 0x5 payload 7",
            "icmp 192.0.2.1 -> 203.0.113.10 type 3 quotes icmp 203.0.113.10 -> 192.0.2.7 rest 0x70001 payload 7",
            "icmp 192.0.2.1 -> 203.0.113.10 type 3 quoted 24 quotes udp 203.0.113.10:53 -> 192.0.2.7:1",
            "icmp 2001:db8::192.0.2.7 -> 2001:db8::203.0.113.10 type 2 rest 0x500 quotes udp [2001:db8::203.0.113.10]:53 -> [2001:db8::192.0.2.7]:1 payload 1300",
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
