//! What can happen in a case besides packets?

use std::net::SocketAddr;

use weir_core::units::{Address, PortId, Prefix};

use super::Run;
use crate::document::Document;
use crate::packet::parse_mac;

/// Does what a line says.
///
/// # Errors
/// A sentence about the line.
pub(super) fn act(run: &mut Run, word: &str, rest: &str) -> Result<(), String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    match (word, &words[..]) {
        ("config", [name]) => {
            let is_dual_stack = run.document.is_dual_stack;
            run.document = Document::read(name);
            run.document.is_dual_stack = is_dual_stack;
        }
        ("set", [path, _, ..]) => {
            let json = rest.trim_start_matches(path).trim();
            run.document.set(path, json)?;
        }
        ("unset", [path]) => run.document.unset(path)?,
        ("apply", []) => {
            let configuration = run.document.check();
            let simulation = run.begun();
            simulation.world.configure(configuration);
            simulation.publish();
        }
        ("at", [time]) => run.begun().advance_to(milliseconds(time)?),
        ("health", [endpoint, state @ ("up" | "down")]) => {
            let endpoint: SocketAddr =
                endpoint.parse().map_err(|_| format!("'{endpoint}' is no address:port"))?;
            let simulation = run.begun();
            simulation.world.set_health(endpoint.ip(), endpoint.port(), *state == "up");
            simulation.publish();
        }
        ("neighbour", [port, host, mac]) => {
            let mac = if *mac == "unresolved" { None } else { Some(parse_mac(mac)?) };
            let (port, host) = (find(run, port)?, address(host)?);
            let simulation = run.begun();
            simulation.world.set_neighbour(port, host, mac);
            simulation.publish();
        }
        ("link", [port, state @ ("up" | "down")]) => {
            let port = find(run, port)?;
            let simulation = run.begun();
            simulation.world.set_link(port, *state == "up");
            simulation.publish();
        }
        ("route", [prefix, gateways @ ..]) => route(run, prefix, gateways)?,
        _ => return Err(format!("'{word} {rest}' is nothing that can happen")),
    }
    Ok(())
}

/// `route PREFIX`, `route PREFIX PORT GATEWAY PORT GATEWAY …`.
fn route(run: &mut Run, prefix: &str, gateways: &[&str]) -> Result<(), String> {
    let prefix: Prefix = prefix.parse().map_err(|error| format!("'{prefix}' {error}"))?;
    let mut next_hops = Vec::new();
    for pair in gateways.chunks(2) {
        let [port, gateway] = pair else { return Err("name port and gateway".into()) };
        next_hops.push((find(run, port)?, address(gateway)?));
    }
    let simulation = run.begun();
    simulation.world.set_route(prefix, &next_hops);
    simulation.publish();
    Ok(())
}

/// The lines that one line with `N times` or a range of ports such as `40000..40010` stands
/// for, and whether what they lead to is only to be counted.
pub(super) fn expand(text: &str) -> Result<(Vec<String>, bool), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [count, "times", ..] = words[..] {
        let count: usize = count.parse().map_err(|_| format!("'{count}' times"))?;
        return Ok((vec![words[2..].join(" "); count], false));
    }
    let Some((before, after)) = text.split_once("..") else {
        return Ok((vec![text.to_owned()], false));
    };
    let (head, first) = before.rsplit_once(':').ok_or("a range stands behind a colon")?;
    let (last, tail) = after.split_once(' ').unwrap_or((after, ""));
    let bound = |text: &str| text.parse::<u16>().map_err(|_| format!("'{text}' is no port"));
    let ports = bound(first)?..=bound(last)?;
    Ok((ports.map(|port| format!("{head}:{port} {tail}")).collect(), true))
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time: write 250ms, 240s or 239.875s");
    if let Some(number) = text.strip_suffix("ms") {
        return number.parse().map_err(|_| wrong());
    }
    let seconds = text.strip_suffix('s').ok_or_else(wrong)?;
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
    Ok(whole * 1000 + part)
}

fn find(run: &mut Run, port: &str) -> Result<PortId, String> {
    run.begun().world.links().find(port)
}

fn address(text: &str) -> Result<Address, String> {
    let address: std::net::IpAddr = text.parse().map_err(|_| format!("'{text}' is no address"))?;
    Ok(address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond() {
        for (text, expected) in [("0ms", 0), ("240s", 240_000), ("239.875s", 239_875)] {
            assert_eq!(milliseconds(text), Ok(expected));
        }
        assert!(milliseconds("5").is_err());
    }

    #[test]
    fn ranges_and_repetitions_are_spelt_out() {
        let (lines, counts) = expand("tcp 192.0.2.7:1..3 -> 203.0.113.10:80 SYN").expect("a range");
        assert_eq!((lines.len(), counts), (3, true));
        assert_eq!(lines[2], "tcp 192.0.2.7:3 -> 203.0.113.10:80 SYN");
        assert_eq!(expand("2 times icmp a -> b").expect("times").0, ["icmp a -> b"; 2]);
    }
}
