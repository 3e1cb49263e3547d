//! How is a packet's course told to an operator?
//!
//! In sentences, in the order of the packet's way, and in fields for programs. Not here: what
//! happened (`course`).

use super::course::{Course, Tuple, follow, may_be_reply};
use super::names::EndName;
use super::{Names, Question, Segment, remedy};
use crate::api::{self, Explanation};
use crate::path::{Action, FlowView, Verdict};
use crate::policy::{LoadDistribution, OutboundMapping, PortBlock, Rule, Share, Snapshot};
use crate::telemetry::DropReason;
use crate::units::{Address, OutboundAddressId, PortId, Tick, Transport};

/// A course in words and fields; `names` are those of the same snapshot.
#[must_use]
pub fn explanation(snapshot: &Snapshot, course: &Course, names: &Names) -> Explanation {
    let mut teller = Teller { snapshot, course, names, steps: Vec::new() };
    teller.tell();
    let known = |name: &String| (!name.is_empty()).then(|| name.clone());
    let member = course.member.and_then(|id| snapshot.member(id));
    Explanation {
        verdict: verdict_name(course.verdict).to_owned(),
        reason: drop_reason(course.verdict).map(|reason| reason.name().to_owned()),
        worker: course.worker().0,
        flow: None,
        load_balancer: known(&names.load_balancer),
        frontend: known(&names.frontend),
        rule: known(&names.rule),
        member: member.map(|member| member.address.to_string()),
        translated: teller.translated(),
        next_hop: course.departure.map(|hop| api::NextHop {
            port: teller.port(hop.port).to_owned(),
            address: hop.address.to_string(),
            mac: hop.mac.map(|mac| mac.to_string()),
        }),
        steps: teller.steps,
    }
}

/// Whoever tells one course.
struct Teller<'a> {
    snapshot: &'a Snapshot,
    course: &'a Course,
    names: &'a Names,
    steps: Vec<String>,
}

impl Teller<'_> {
    fn tell(&mut self) {
        self.tell_arrival();
        if self.course.rule.is_some() {
            self.tell_rule();
        } else if let Some(mapping) = &self.course.mapping {
            self.tell_ports(mapping);
        } else {
            self.tell_ends();
        }
        if let Some(flow) = &self.course.known {
            self.tell_known(flow);
        }
        self.tell_translation();
        self.tell_end();
        self.tell_reply();
    }

    fn tell_arrival(&mut self) {
        let Course { question, workers, .. } = self.course;
        let port = self.port(question.ingress);
        let packet = match (question.protocol, question.segment) {
            (Transport::Tcp, Segment::Opening) => "The SYN",
            (Transport::Tcp, Segment::Further) => "The segment",
            (Transport::Udp, _) => "The datagram",
            (Transport::Icmp, _) => "The query",
        };
        let worker = question.receiver;
        let mut text = format!("{packet} comes in by port {port}, at worker {worker}");
        for owner in workers.iter().skip(1) {
            text.push_str(&format!(
                ", which hands it over to worker {owner}, the owner of its flow"
            ));
        }
        self.steps.push(text + ".");
    }

    /// A packet between a client and a frontend.
    fn tell_rule(&mut self) {
        let Some(rule) = self.course.rule.and_then(|id| self.snapshot.rule(id)) else { return };
        let Names { load_balancer, frontend, rule: name, pool, .. } = self.names;
        let endpoint = end((rule.frontend, rule.frontend_port));
        let protocol = rule.protocol;
        if self.is_inward() {
            self.steps.push(format!(
                "{endpoint} is frontend '{frontend}' of load balancer '{load_balancer}'; rule \
                 '{name}' takes {protocol} there."
            ));
            if self.course.known.is_none() {
                self.tell_choice(rule);
            }
        } else {
            let source = end(self.course.question.source);
            let member = &self.names.member;
            self.steps.push(format!(
                "{source} is the endpoint of member '{member}' of pool '{pool}' behind rule \
                 '{name}' of load balancer '{load_balancer}', so this is a reply of frontend \
                 '{frontend}', {endpoint}."
            ));
        }
    }

    /// That the owner knows the flow, and how it is.
    fn tell_known(&mut self, flow: &FlowView) {
        let (worker, member) = (self.course.worker(), &self.names.member);
        let state = match flow.protocol {
            Transport::Tcp => format!(" ({})", flow.tcp.name()),
            Transport::Udp | Transport::Icmp => String::new(),
        };
        let address = self.snapshot.member(flow.member).map(|it| it.address.to_string());
        let (address, idle) = (address.unwrap_or_default(), flow.idle_ticks / Tick::PER_SECOND);
        let left = flow.expires_in_ticks.div_ceil(Tick::PER_SECOND);
        self.steps.push(format!(
            "Worker {worker} knows the flow{state}: it is of member {address} ('{member}'), its last \
             packet came {idle} s ago, and it ends after {left} s more of silence."
        ));
    }

    /// Which member takes the flow, or that none does.
    fn tell_choice(&mut self, rule: &Rule) {
        let Some(pool) = self.snapshot.pools.get(rule.pool as usize) else { return };
        let (eligible, all) = (pool.eligible_list.len(), pool.members.len());
        let count = format!("{eligible} of {all} members of pool '{}'", self.names.pool);
        let Some(member) = self.course.member.and_then(|id| self.snapshot.member(id)) else {
            let wanted = drop_reason(self.course.verdict) == Some(DropReason::NoHealthyMember);
            if wanted {
                self.steps.push(format!("{count} are eligible for new flows."));
            }
            return;
        };
        let hashed = match rule.distribution {
            LoadDistribution::Default => "addresses, ports and protocol",
            LoadDistribution::SourceIp => "the addresses",
            LoadDistribution::SourceIpProtocol => "addresses and protocol",
        };
        let (address, name) = (member.address, &self.names.member);
        self.steps.push(format!(
            "{count} are eligible for new flows; the hash of {hashed} picks {address} ('{name}')."
        ));
        if rule.protocol == Transport::Udp {
            self.steps.push(
                "No record is kept of UDP: each datagram is translated by the configuration alone."
                    .to_owned(),
            );
        } else if self.course.is_recorded {
            let worker = self.course.worker();
            self.steps.push(format!(
                "Worker {worker} keeps a record, and the connection stays with this member."
            ));
        }
    }

    /// A member's packet to the outside.
    fn tell_ports(&mut self, mapping: &OutboundMapping) {
        let Names { load_balancer, rule, member, pool, .. } = self.names;
        let host = self.course.member.and_then(|id| self.snapshot.member(id));
        let host = host.map(|it| it.address.to_string()).unwrap_or_default();
        let held = mapping.shares.iter().map(|share| self.held(share)).collect::<Vec<_>>();
        let (rule, load_balancer) =
            (format!("rule '{rule}'"), format!("load balancer '{load_balancer}'"));
        let way = match self.names.is_outbound_rule {
            true => format!("outbound {rule} of {load_balancer}"),
            false => format!("{rule} of {load_balancer}, which does not disable outbound SNAT,"),
        };
        self.steps.push(format!(
            "{host} is member '{member}' of pool '{pool}'; {way} gives it {}.",
            held.join(" and ")
        ));
        if self.course.known.is_none() {
            self.tell_port(mapping);
        }
    }

    /// Which of its ports a new flow gets.
    fn tell_port(&mut self, mapping: &OutboundMapping) {
        let Question { protocol, destination, source, .. } = self.course.question;
        let towards = match protocol {
            Transport::Tcp => end(destination),
            Transport::Udp | Transport::Icmp => destination.0.to_string(),
        };
        let lowest = format!("the lowest one that it has no flow on towards {towards}");
        let mut text = match mapping.endpoint_independent {
            true => format!(
                "It gets the one that port {} of the member has already, else {lowest}",
                source.1
            ),
            false => format!("It gets {lowest}"),
        };
        text += ": which, depends on the flows at that moment";
        if mapping.shares.len() > 1 {
            text += ", and its hash names the worker that is asked first";
        }
        if let Some(most) = mapping.on_demand_max {
            text += &format!("; when few are free the member gets further ones, up to {most}");
        }
        text += match (mapping.rejects, protocol) {
            (false, _) => "; with none free it would be dropped (snat_ports_exhausted).",
            (true, Transport::Tcp) => {
                "; with none free it would be answered by a RST (snat_ports_exhausted)."
            }
            (true, Transport::Udp | Transport::Icmp) => {
                "; with none free it would be answered by ICMP (snat_ports_exhausted)."
            }
        };
        self.steps.push(text);
    }

    /// A packet that no rule has to do with: what its ends are.
    fn tell_ends(&mut self) {
        let Question { source, destination, .. } = self.course.question;
        let ends = [("source", source.0), ("destination", destination.0)];
        for ((role, address), name) in ends.into_iter().zip(&self.names.ends) {
            if let Some(text) = self.host(address, name) {
                self.steps.push(format!("The {role} {address} is {text}."));
            }
        }
    }

    fn host(&self, address: Address, name: &EndName) -> Option<String> {
        let host = self.snapshot.hosts.get(address);
        if host.is_own() {
            return Some("an address of the appliance itself".to_owned());
        }
        if let Some(id) = host.as_instance() {
            let member = self.snapshot.instance_addresses.get(id.index());
            let member = member.and_then(|it| self.snapshot.member(it.member));
            let member = member.map(|it| it.address.to_string()).unwrap_or_default();
            return Some(format!("the public address that {member} has for itself"));
        }
        if let Some([frontend, load_balancer]) = &name.frontend {
            return Some(format!("frontend '{frontend}' of load balancer '{load_balancer}'"));
        }
        if let Some([member, pool]) = &name.member {
            return Some(format!("member '{member}' of pool '{pool}'"));
        }
        let is_routed = self.snapshot.routes.is_routed(address);
        is_routed.then(|| "in a virtual network or in routedPrefixes".to_owned())
    }

    fn tell_translation(&mut self) {
        let Some(Tuple { source, destination }) = self.course.leaves_as else { return };
        let question = &self.course.question;
        if let Some(mapping) = self.course.mapping.as_ref().filter(|_| self.course.known.is_none())
        {
            let several = mapping.blocks().any(|it| Some(it.address) != first_address(mapping));
            let outside = first_address(mapping).and_then(|it| self.snapshot.outbound_address(it));
            let text = match outside.filter(|_| !several) {
                Some(outside) => format!("The source becomes that port of {}.", outside.address),
                None => "The source becomes that port of its address.".to_owned(),
            };
            self.steps.push(text);
        } else if source != question.source {
            self.steps.push(format!("The source becomes {}.", end(source)));
        } else if destination != question.destination {
            self.steps.push(format!("The destination becomes {}.", end(destination)));
        } else if self.course.action == Some(Action::Route) {
            let text =
                "Both ends are in virtual networks or routedPrefixes: it is routed as it is.";
            self.steps.push(text.to_owned());
        }
    }

    fn tell_end(&mut self) {
        let text = match self.course.verdict {
            Verdict::Transmit(port) => self.departs(port),
            Verdict::Answer(port) => format!("It is answered by port {}.", self.port(port)),
            Verdict::Punt(class) => format!(
                "It goes to the kernel twin of port {} ({}): {}",
                self.port(self.course.question.ingress),
                class.name(),
                class.help()
            ),
            Verdict::Drop(reason) => {
                if let Some(hop) = self.course.departure {
                    let (port, address) = (self.port(hop.port), hop.address);
                    self.steps.push(format!("Its next hop is {address} on port {port}."));
                }
                let (name, why) = (reason.name(), reason.help());
                self.steps.push(format!("It is dropped ({name}): {why}"));
                remedy(reason).to_owned()
            }
            // A course goes on until somebody keeps the packet.
            Verdict::HandOff(worker) => format!("It goes to worker {worker}."),
        };
        self.steps.push(text);
    }

    fn departs(&self, port: PortId) -> String {
        let port = self.port(port);
        let (Some(hop), Some(tuple)) = (self.course.departure, self.course.leaves_as) else {
            return format!("It leaves by port {port}.");
        };
        let mac = hop.mac.map(|mac| format!(" ({mac})")).unwrap_or_default();
        let role = if hop.address == tuple.destination.0 { "" } else { "the next hop " };
        format!("It leaves by port {port} to {role}{}{mac}.", hop.address)
    }

    /// Of an opening segment from a member's endpoint: what a reply would meet.
    fn tell_reply(&mut self) {
        let question = &self.course.question;
        if self.course.known.is_some() || !may_be_reply(self.snapshot, question) {
            return;
        }
        let further = Question { segment: Segment::Further, ..*question };
        let Some(reply) = follow(self.snapshot, &further, None) else { return };
        let text = match (reply.verdict, reply.leaves_as) {
            (Verdict::Transmit(port), Some(tuple)) => {
                format!("leaves by port {} as {}", self.port(port), end(tuple.source))
            }
            (Verdict::Drop(reason), _) => format!("is dropped ({})", reason.name()),
            _ => return,
        };
        self.steps.push(format!(
            "As a reply to a client's connection, instead of a SYN of the member's own, it {text}."
        ));
    }

    fn translated(&self) -> Option<api::Tuple> {
        let Tuple { source, destination } = self.course.leaves_as?;
        let is_port_known = self.course.mapping.is_none() || self.course.known.is_some();
        Some(api::Tuple {
            source: source.0.to_string(),
            source_port: is_port_known.then_some(source.1),
            destination: destination.0.to_string(),
            destination_port: destination.1,
        })
    }

    /// Whether a client sent the packet.
    fn is_inward(&self) -> bool {
        let ((address, port), protocol) =
            (self.course.question.destination, self.course.question.protocol);
        self.snapshot.endpoints.frontend(address, port, protocol as u8) == self.course.rule
    }

    /// The ports that one worker holds.
    fn held(&self, share: &Share) -> String {
        let told = |block: &PortBlock| {
            let outside = self.snapshot.outbound_address(block.address);
            let address = outside.map(|it| it.address.to_string()).unwrap_or_default();
            let last_port = block.range().end - 1;
            format!("the ports {} to {last_port} of {address}", block.first_port)
        };
        let mut blocks: Vec<_> = share.blocks.iter().take(BLOCKS_NAMED).map(told).collect();
        if let Some(more @ 1..) = share.blocks.len().checked_sub(BLOCKS_NAMED) {
            blocks.push(format!("{more} further blocks"));
        }
        let blocks = if blocks.is_empty() { "no ports".to_owned() } else { blocks.join(", ") };
        format!("{blocks}, which worker {} holds", share.worker)
    }

    fn port(&self, id: PortId) -> &str {
        self.names.ports.get(id.index()).map_or("?", String::as_str)
    }
}

/// Blocks of ports that a sentence names before it only counts them.
const BLOCKS_NAMED: usize = 3;

fn first_address(mapping: &OutboundMapping) -> Option<OutboundAddressId> {
    Some(mapping.blocks().next()?.address)
}

/// An address with its port, as it is written in a URL.
fn end((address, port): (Address, u16)) -> String {
    std::net::SocketAddr::new(address.to_ip(), port).to_string()
}

const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Transmit(_) => "Transmit",
        Verdict::Answer(_) => "Answer",
        Verdict::Punt(_) => "Kernel",
        Verdict::HandOff(_) => "HandOff",
        Verdict::Drop(_) => "Drop",
    }
}

const fn drop_reason(verdict: Verdict) -> Option<DropReason> {
    match verdict {
        Verdict::Drop(reason) => Some(reason),
        Verdict::Transmit(_) | Verdict::Answer(_) | Verdict::Punt(_) | Verdict::HandOff(_) => None,
    }
}
