//! What does a person see who looks at the appliance for the first time today?
//!
//! In order: is it alive, what should worry me, do ports and workers run, do the services have
//! members, which members are down and why, how many outbound ports are left, where do packets go.
//!
//! Not here: layout (`table`), every single counter (`weirctl stats`).

use weir_core::api::{
    FrontendStatus, MemberStatus, OutboundStatus, PacketStatus, PortStatus, RuleStatus, Status,
    WorkerStatus,
};

use super::number::{bytes, duration, grouped, short, speed};
use super::snat::short_id;
use super::state;
use super::style::{BAD, GOOD, HEADING, ODD, paint};
use super::table::{Cell, LEFT, RIGHT, Table, wrap};

/// The whole page.
pub(crate) fn status(status: &Status) -> String {
    let sections = [
        warnings(&status.warnings),
        section("Ports", &status.ports, "none is configured", ports),
        section("Workers", &status.workers, "none runs", workers),
        section("Rules", &status.frontends, "no frontend is configured", rules),
        section("Members", &status.members, "no pool has one", members),
        outbound(&status.outbound),
        packets(status),
    ];
    let mut page = headline(status);
    for text in sections.iter().filter(|text| !text.is_empty()) {
        page.push('\n');
        page += text;
    }
    page
}

fn headline(status: &Status) -> String {
    format!(
        "{}  weir {}, up {}, configuration generation {}\n",
        paint(HEADING, &status.name),
        status.version,
        duration(status.uptime_seconds),
        status.generation
    )
}

fn warnings(warnings: &[String]) -> String {
    let mut text = String::new();
    for warning in warnings {
        text += &paint(ODD, &wrap(warning, "! ", "  "));
    }
    text
}

/// A section with its heading, or one line that says why it is empty.
fn section<T>(heading: &str, items: &[T], none: &str, body: fn(&[T]) -> String) -> String {
    if items.is_empty() {
        format!("{}: {none}\n", paint(HEADING, heading))
    } else {
        format!("{}\n{}", paint(HEADING, heading), body(items))
    }
}

fn ports(ports: &[PortStatus]) -> String {
    let mut table = Table::new(
        "  ",
        [
            ("NAME", LEFT),
            ("LINK", LEFT),
            ("MTU", RIGHT),
            ("RX/TX QUEUES", RIGHT),
            ("RECEIVED", RIGHT),
            ("TRANSMITTED", RIGHT),
            ("MISSED", RIGHT),
        ],
    );
    for port in ports {
        table.row([
            port.name.as_str().into(),
            link(port),
            port.mtu.to_string().into(),
            format!("{}/{}", port.rx_queues, port.tx_queues).into(),
            short(port.received).into(),
            short(port.transmitted).into(),
            short(port.missed).into(),
        ]);
        table.note(&format!("{}, {} ({})", port.mac, port.device, port.driver));
        if !port.addresses.is_empty() {
            table.note(&port.addresses.join(", "));
        }
    }
    table.render()
}

fn link(port: &PortStatus) -> Cell {
    match (port.link.up, port.link.megabits_per_second) {
        (false, _) => Cell::styled("DOWN", BAD),
        (true, 0) => Cell::styled("up", GOOD),
        (true, megabits_per_second) => {
            Cell::styled(format!("up {}", speed(megabits_per_second)), GOOD)
        }
    }
}

fn workers(workers: &[WorkerStatus]) -> String {
    let mut table = Table::new(
        "  ",
        [
            ("WORKER", RIGHT),
            ("LCORE", RIGHT),
            ("STATE", LEFT),
            ("HEARTBEAT", RIGHT),
            ("BUSY", RIGHT),
            ("FLOWS", RIGHT),
            ("OF", RIGHT),
        ],
    );
    for worker in workers {
        table.row([
            Cell::from(worker.worker.to_string()),
            worker.lcore.to_string().into(),
            Cell::styled(worker.state.clone(), if worker.state == "stuck" { BAD } else { GOOD }),
            format!("{} ms ago", grouped(worker.heartbeat_milliseconds_ago)).into(),
            format!("{}%", worker.busy_percent).into(),
            grouped(worker.flows).into(),
            grouped(worker.flows_max).into(),
        ]);
    }
    table.render()
}

fn rules(frontends: &[FrontendStatus]) -> String {
    let mut table = Table::new(
        "  ",
        [
            ("FRONTEND, RULE", LEFT),
            ("PORTS", LEFT),
            ("POOL", LEFT),
            ("UP", RIGHT),
            ("FLOWS", RIGHT),
            ("PACKETS", RIGHT),
            ("BYTES", RIGHT),
        ],
    );
    for frontend in frontends {
        table.heading(&format!("{}  {}", frontend.name, frontend.address));
        for rule in &frontend.rules {
            table.row([
                format!("  {}", rule.name).into(),
                rule_ports(rule).into(),
                rule.pool.as_str().into(),
                members_up(rule),
                short(rule.flows).into(),
                short(rule.packets).into(),
                bytes(rule.bytes).into(),
            ]);
        }
    }
    table.render()
}

fn rule_ports(rule: &RuleStatus) -> String {
    match (rule.frontend_port, rule.backend_port) {
        (0, _) => "every port".into(),
        (frontend, 0) => format!("{} {frontend}", rule.protocol),
        (frontend, backend) if frontend == backend => format!("{} {frontend}", rule.protocol),
        (frontend, backend) => format!("{} {frontend} -> {backend}", rule.protocol),
    }
}

/// A rule that serves nobody stands out.
fn members_up(rule: &RuleStatus) -> Cell {
    let (mark, style) = match rule.members_up {
        0 => ("!! ", BAD),
        some if some < rule.members_total => ("", ODD),
        _ => ("", GOOD),
    };
    Cell::styled(format!("{mark}{}/{}", rule.members_up, rule.members_total), style)
}

/// Those that need a look first, then as many of the others as a screen takes.
fn members(members: &[MemberStatus]) -> String {
    let mut table = Table::new(
        "  ",
        [("STATE", LEFT), ("ADDRESS", LEFT), ("POOL", LEFT), ("REASON", LEFT), ("FLOWS", RIGHT)],
    );
    let (well, unwell): (Vec<_>, Vec<_>) = members.iter().partition(|member| is_well(member));
    let shown = MEMBERS_SHOWN.max(unwell.len());
    for member in unwell.iter().chain(&well).take(shown) {
        table.row([
            state(&member.state),
            member.address.as_str().into(),
            member.pool.as_str().into(),
            member.reason.as_deref().unwrap_or("-").into(),
            short(member.flows).into(),
        ]);
        if member.mac.is_none() {
            table.note("no link-layer address known: nothing can be sent there");
        }
    }
    let mut text = table.render();
    if let Some(hidden @ 1..) = members.len().checked_sub(shown) {
        text += &format!("  and {} more, all up (weirctl health)\n", grouped(hidden as u64));
    }
    text
}

fn is_well(member: &MemberStatus) -> bool {
    member.state == "Up" && member.mac.is_some()
}

fn outbound(outbound: &[OutboundStatus]) -> String {
    if outbound.is_empty() {
        return String::new();
    }
    let mut table = Table::new(
        "  ",
        [
            ("RULE", LEFT),
            ("ADDRESS", LEFT),
            ("MEMBER", LEFT),
            ("", LEFT),
            ("USED", RIGHT),
            ("OF", RIGHT),
            ("", RIGHT),
            ("REFUSED", RIGHT),
        ],
    );
    let mut fullest: Vec<_> = outbound.iter().collect();
    fullest.sort_by_key(|share| std::cmp::Reverse(percent_used(share)));
    for share in fullest.iter().take(OUTBOUND_SHOWN) {
        table.row([
            short_id(&share.rule),
            first_of(&share.addresses),
            share.member.clone(),
            share.protocol.clone(),
            grouped(share.ports_used.into()),
            grouped(share.ports_allocated.into()),
            format!("{}%", percent_used(share)),
            grouped(share.flows_refused),
        ]);
    }
    let heading = paint(HEADING, "Outbound ports, fullest first");
    let mut text = format!("{heading}\n{}", table.render());
    if let Some(hidden @ 1..) = outbound.len().checked_sub(OUTBOUND_SHOWN) {
        text += &format!("  and {} more with fewer in use\n", grouped(hidden as u64));
    }
    text
}

/// The share in use; a member without ports has none left.
fn percent_used(share: &OutboundStatus) -> u64 {
    let used = u64::from(share.ports_used);
    (used * 100).checked_div(share.ports_allocated.into()).unwrap_or(100)
}

/// The first of some addresses, and how many there are beside it.
fn first_of(addresses: &[String]) -> String {
    match addresses {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    }
}

fn packets(status: &Status) -> String {
    let PacketStatus { received, transmitted, answered, punted, dropped, handed_off } =
        status.packets;
    let mut table = Table::headless("  ", &[LEFT, RIGHT]);
    for (name, value) in [
        ("received", received),
        ("transmitted", transmitted),
        ("answered", answered),
        ("punted to the kernel", punted),
        ("handed to another worker", handed_off),
        ("dropped", dropped),
    ] {
        table.row([name.into(), grouped(value)]);
    }
    let mut drops: Vec<_> = status.drops.iter().filter(|drop| drop.count > 0).collect();
    drops.sort_by_key(|drop| std::cmp::Reverse(drop.count));
    for drop in drops {
        table.row([format!("  {}", drop.reason), grouped(drop.count)]);
    }
    let buffers = &status.mbufs;
    table.row([
        format!("packet buffers in use, of {}", grouped(buffers.capacity)),
        grouped(buffers.in_use),
    ]);
    format!("{}\n{}", paint(HEADING, "Packets"), table.render())
}

/// A screenful. Members that are not well are shown whatever their number.
const MEMBERS_SHOWN: usize = 24;
/// The fullest are the ones to look at.
const OUTBOUND_SHOWN: usize = 12;
