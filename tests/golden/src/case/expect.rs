//! Is what left what the case says, and how is it written down?

use std::collections::BTreeMap;
use std::fmt::Write;

use weir_core::units::PortId;

use crate::packet::{Direction, Links, decode, encode};
use crate::simulation::Output;

/// One expected line.
#[derive(Clone, Debug)]
pub(super) enum Expectation {
    /// This output, so many times.
    Exactly(usize, Output),
    /// So many packets on a port's wire.
    Count(usize, PortId),
}

/// Reads what follows `<`.
///
/// # Errors
/// A sentence about what cannot be read.
pub(super) fn parse(text: &str, links: &Links) -> Result<Expectation, String> {
    let (place, rest) = text.split_once(' ').ok_or("write '< PORT PACKET'")?;
    let (to_kernel, place, rest) = match place {
        "kernel" => {
            let (port, rest) = rest.split_once(' ').ok_or("write '< kernel PORT PACKET'")?;
            (true, port, rest)
        }
        "resolve" => {
            let (port, address) = rest.split_once(' ').ok_or("write '< resolve PORT ADDRESS'")?;
            let address: std::net::IpAddr = address.parse().map_err(|_| "an address".to_owned())?;
            let output = Output::Resolve(links.find(port)?, address.into());
            return Ok(Expectation::Exactly(1, output));
        }
        _ => (false, place, rest),
    };
    let port = links.find(place)?;
    let (count, rest) = match rest.split_once(" times ") {
        Some((count, rest)) => (count.parse().map_err(|_| format!("'{count}' times"))?, rest),
        None => (1, rest),
    };
    if let Some(count) = rest.strip_suffix(" packets") {
        let count = count.parse().map_err(|_| format!("'{count}' packets"))?;
        return Ok(Expectation::Count(count, port));
    }
    let output = if to_kernel {
        Output::Kernel(port, encode(rest, links.at(port), Direction::Arriving)?)
    } else {
        Output::Wire(port, encode(rest, links.at(port), Direction::Leaving)?)
    };
    Ok(Expectation::Exactly(count, output))
}

/// Holds outputs against expectations: the same, each flow in its order.
///
/// # Errors
/// Both, in words.
pub(super) fn compare(
    expected: &[Expectation],
    outputs: &[Output],
    links: &Links,
) -> Result<(), String> {
    let mut exact = Vec::new();
    let mut counts: BTreeMap<PortId, usize> = BTreeMap::new();
    for expectation in expected {
        match expectation {
            Expectation::Exactly(count, output) => exact.extend(vec![output.clone(); *count]),
            Expectation::Count(count, port) => *counts.entry(*port).or_default() += count,
        }
    }
    let mut rest = Vec::new();
    for output in outputs {
        match output {
            Output::Wire(port, _) if counts.get(port).is_some_and(|left| *left > 0) => {
                *counts.entry(*port).or_default() -= 1;
            }
            _ => rest.push(output.clone()),
        }
    }
    let missing = counts.values().any(|left| *left > 0);
    if missing || by_flow(&exact, links) != by_flow(&rest, links) {
        let lines = |outputs: &[Output]| describe(outputs, links, false).join("\n    ");
        return Err(format!(
            "before this line\n  expected\n    {}\n  left\n    {}",
            lines(&exact),
            lines(outputs)
        ));
    }
    Ok(())
}

/// Outputs as lines, grouped by what must stay in order: place, protocol and both ends, of ICMP
/// the identifier besides, and of ICMP errors the ends of the packet that is quoted.
pub(super) fn by_flow(outputs: &[Output], links: &Links) -> BTreeMap<String, Vec<String>> {
    let mut flows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for output in outputs {
        let line = line_of(output, links);
        let (_, quoted) = line.split_once(" quotes ").unwrap_or_default();
        let flow = line.split(' ').take(5).chain(quoted.split(' ').take(4));
        let flow = flow.collect::<Vec<_>>().join(" ") + &identifier(&line).to_string();
        let lines = flows.entry(flow).or_default();
        if !(matches!(output, Output::Resolve(..)) && lines.contains(&line)) {
            lines.push(line);
        }
    }
    flows
}

/// The upper half of the `rest` of an ICMP message.
fn identifier(line: &str) -> u32 {
    let (_, rest) = line.split_once(" rest 0x").unwrap_or_default();
    let digits = rest.split(' ').next().unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default() >> 16
}

/// Outputs as lines, equal neighbours as one.
pub(super) fn describe(outputs: &[Output], links: &Links, counts_only: bool) -> Vec<String> {
    if counts_only {
        let mut counts: BTreeMap<PortId, usize> = BTreeMap::new();
        for output in outputs {
            if let Output::Wire(port, _) = output {
                *counts.entry(*port).or_default() += 1;
            }
        }
        let name = |port: PortId| &links.at(port).name;
        let counted = counts.iter().map(|(port, count)| format!("{} {count} packets", name(*port)));
        let others = outputs.iter().filter(|output| !matches!(output, Output::Wire(..)));
        return counted.chain(others.map(|output| line_of(output, links))).collect();
    }
    let mut lines: Vec<(usize, String)> = Vec::new();
    for output in outputs {
        let line = line_of(output, links);
        match lines.last_mut() {
            Some((_, last)) if *last == line && line.starts_with("resolve ") => {}
            Some((count, last)) if *last == line => *count += 1,
            _ => lines.push((1, line)),
        }
    }
    let spoken = |(count, line): (usize, String)| {
        let words = if line.starts_with("kernel ") { 2 } else { 1 };
        let at = line.match_indices(' ').nth(words - 1).map_or(0, |(at, _)| at);
        if count == 1 {
            return line;
        }
        format!("{} {count} times{}", &line[..at], &line[at..])
    };
    lines.into_iter().map(spoken).collect()
}

fn line_of(output: &Output, links: &Links) -> String {
    let named = |port: PortId, frame: &[u8], direction| {
        let link = links.at(port);
        format!("{} {}", link.name, decode(frame, link, direction))
    };
    match output {
        Output::Wire(port, frame) => named(*port, frame, Direction::Leaving),
        Output::Kernel(port, frame) => {
            format!("kernel {}", named(*port, frame, Direction::Arriving))
        }
        Output::Resolve(port, address) => format!("resolve {} {address}", links.at(*port).name),
    }
}

/// Reads `NAME +N NAME +N …`.
///
/// # Errors
/// A sentence about what cannot be read.
pub(super) fn parse_counters(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut counters = BTreeMap::new();
    for pair in words.chunks(2) {
        let amount = pair.get(1).and_then(|amount| amount.strip_prefix('+')?.parse().ok());
        let amount = amount.ok_or_else(|| format!("'{}' lacks its '+N'", pair[0]))?;
        counters.insert(pair[0].to_owned(), amount);
    }
    Ok(counters)
}

/// What a case names: everything but hand-offs and repeated requests to resolve, which depend on
/// the number of workers and on bursts, and bytes, which the simulation holds against the frames.
pub(super) fn comparable(moved: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let named = |name: &str| {
        !name.starts_with("handoff_") && !name.ends_with("_bytes") && name != "resolve_requests"
    };
    let moved = moved.iter().filter(|(name, _)| named(name));
    moved.map(|(name, value)| (name.clone(), *value)).collect()
}

/// Counters as lines of at most 100 columns.
pub(super) fn describe_counters(moved: &BTreeMap<String, u64>) -> Vec<String> {
    let mut lines = vec!["counters".to_owned()];
    for (name, amount) in moved {
        let item = format!("  {name} +{amount}");
        if lines.last().is_some_and(|line| line.len() + item.len() > 100) {
            lines.push("counters".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(&item);
        }
    }
    lines
}

/// Which counters did not move as expected.
pub(super) fn difference(
    expected: &BTreeMap<String, u64>,
    moved: &BTreeMap<String, u64>,
) -> String {
    let mut text = "counters before this line:".to_owned();
    let names: std::collections::BTreeSet<_> = expected.keys().chain(moved.keys()).collect();
    for name in names {
        let (one, other) = (expected.get(name).unwrap_or(&0), moved.get(name).unwrap_or(&0));
        if one != other {
            write!(text, "\n    {name} moved by {other}, expected {one}").expect("a String");
        }
    }
    text
}
