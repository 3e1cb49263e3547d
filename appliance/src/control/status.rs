//! What does an operator see?

use weir_core::api::{
    DropCount, FrontendStatus, Health, Link, LoadBalancerHealth, MbufStatus, MemberHealth,
    MemberStatus, OutboundStatus, PacketStatus, PortStatus, RuleHealth, RuleStatus, Status,
    WorkerStatus,
};
use weir_core::compile::{probe_target, rule_view};
use weir_core::config::{LoadBalancer, LoadBalancingRule, Pool};
use weir_core::policy::Member;
use weir_core::telemetry::{DropReason, ObjectCounters, ObjectTotals, Totals};
use weir_core::units::{Address, MacAddress, MemberId};

use super::exhaustion::MemberPorts;
use super::{HEARTBEAT_MILLISECONDS_MAX, Running, WorkerView, outcome};
use crate::boot::OpenPort;

/// Drivers that cannot tell. `net_tap` looks for its kernel end in its own network namespace, and
/// calls the link down once that end was moved to the peer's.
const DRIVERS_WITHOUT_LINK: &[&str] = &["net_tap"];

/// What is shown of a port.
pub(super) struct PortView {
    pub(super) mac: MacAddress,
    name: String,
    device: String,
    driver: String,
    mtu: u16,
    pub(super) rx_queues: u16,
    tx_queues: u16,
    port: dpdk::Port,
}

impl PortView {
    pub(super) fn new(open: &OpenPort) -> Self {
        Self {
            mac: open.facts.mac,
            name: open.name.clone(),
            device: open.device.clone(),
            driver: open.info.driver.clone(),
            mtu: open.mtu,
            rx_queues: open.port.taken().rx_queues,
            tx_queues: open.port.taken().tx_queues,
            port: dpdk::Port::clone(&open.port),
        }
    }
}

impl Running {
    pub(super) fn status(&self) -> Status {
        let totals = Totals::of(self.workers.iter().map(|worker| &*worker.counters));
        Status {
            name: self.checked.configuration.appliance.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.clock.now().milliseconds / 1000,
            generation: self.generation(),
            workers: self.worker_statuses(),
            ports: self.port_statuses(),
            frontends: self.frontend_statuses(),
            members: self.member_statuses(),
            outbound: self.outbound_statuses(),
            packets: packets(&totals),
            drops: drops(&totals),
            mbufs: self.mbufs(),
            warnings: self.warnings(),
        }
    }

    pub(super) fn health_report(&self) -> Health {
        let report = |it: &LoadBalancer| LoadBalancerHealth {
            name: it.name.clone(),
            rules: it.rules.iter().map(|rule| self.rule_health(it, rule)).collect(),
        };
        let load_balancers = &self.checked.configuration.load_balancers;
        Health { load_balancers: load_balancers.iter().map(report).collect() }
    }

    fn rule_health(&self, load_balancer: &LoadBalancer, rule: &LoadBalancingRule) -> RuleHealth {
        let probe = rule.probe.map(|probe| &load_balancer.probes[probe]);
        let view = rule_view(load_balancer, rule, &self.health);
        let members = load_balancer.pools[rule.pool].members.iter().zip(&view.members);
        RuleHealth {
            name: rule.name.clone(),
            probe: probe.map(|probe| probe.name.clone()),
            pool: load_balancer.pools[rule.pool].name.clone(),
            members: members
                .map(|(member, view)| MemberHealth {
                    address: member.address.to_string(),
                    state: if view.eligible { "Up" } else { "Down" }.to_owned(),
                    reason: view.reason.map(|reason| reason.to_string()),
                    detail: probe
                        .and_then(|it| self.health.last_verdict(&probe_target(it, member.address)))
                        .map(|verdict| verdict.to_string()),
                })
                .collect(),
        }
    }

    /// Packet buffers.
    pub(super) fn mbufs(&self) -> MbufStatus {
        let (in_use, capacity) = (self.pool.in_use(), self.pool.capacity());
        MbufStatus { in_use: in_use.into(), capacity: capacity.into() }
    }

    pub(super) fn worker_statuses(&self) -> Vec<WorkerStatus> {
        let now = self.clock.now().milliseconds;
        let status = |(worker, turns): (&WorkerView, &[(u64, u64); 2])| {
            let state = worker.shared.read();
            let silent = now.saturating_sub(state.heartbeat_milliseconds);
            let (all, busy) = (turns[1].0 - turns[0].0, turns[1].1 - turns[0].1);
            WorkerStatus {
                worker: worker.id.0,
                lcore: state.lcore,
                heartbeat_milliseconds_ago: silent,
                state: match (silent > HEARTBEAT_MILLISECONDS_MAX, state.sleeping) {
                    (true, _) => "stuck",
                    (false, true) => "asleep",
                    (false, false) => "running",
                }
                .to_owned(),
                flows: state.flows,
                flows_max: worker.flows_max,
                flow_pages: worker.flow_pages.to_owned(),
                busy_percent: u8::try_from(busy * 100 / all.max(1)).unwrap_or(100),
            }
        };
        self.workers.iter().zip(&self.turns).map(status).collect()
    }

    pub(super) fn port_statuses(&self) -> Vec<PortStatus> {
        let wanted = &self.checked.configuration.appliance.ports;
        let status = |(view, wanted): (&PortView, &weir_core::config::Port)| {
            let link = view.port.link().ok();
            let stats = view.port.stats().unwrap_or_default();
            PortStatus {
                name: view.name.clone(),
                device: view.device.clone(),
                driver: view.driver.clone(),
                mac: view.mac.to_string(),
                link: Link {
                    up: link.is_some_and(|link| link.up)
                        || DRIVERS_WITHOUT_LINK.contains(&view.driver.as_str()),
                    megabits_per_second: link.and_then(|link| link.speed_mbps).unwrap_or(0),
                },
                mtu: view.mtu.into(),
                rx_queues: view.rx_queues,
                tx_queues: view.tx_queues,
                addresses: wanted
                    .addresses
                    .iter()
                    .map(|it| format!("{}/{}", it.address, it.length))
                    .collect(),
                received: stats.rx_packets,
                transmitted: stats.tx_packets,
                missed: stats.rx_missed,
            }
        };
        self.ports.iter().zip(wanted).map(status).collect()
    }

    /// What each port's device dropped since no worker fetched it in time.
    pub(super) fn missed_packets(&self) -> impl Iterator<Item = (&str, u64)> {
        self.ports.iter().map(|view| {
            let stats = view.port.stats().unwrap_or_default();
            (view.name.as_str(), stats.rx_missed)
        })
    }

    fn frontend_statuses(&self) -> Vec<FrontendStatus> {
        let mut statuses = Vec::new();
        for load_balancer in &self.checked.configuration.load_balancers {
            for (position, frontend) in load_balancer.frontends.iter().enumerate() {
                let rules = load_balancer.rules.iter().filter(|rule| rule.frontend == position);
                statuses.push(FrontendStatus {
                    name: frontend.name.clone(),
                    address: frontend.address.to_string(),
                    rules: rules.map(|rule| self.rule_status(load_balancer, rule)).collect(),
                });
            }
        }
        statuses
    }

    fn rule_status(&self, load_balancer: &LoadBalancer, rule: &LoadBalancingRule) -> RuleStatus {
        let pool = &load_balancer.pools[rule.pool];
        let frontend = load_balancer.frontends[rule.frontend].address.into();
        let endpoints = &self.lane.published().endpoints;
        let id = endpoints.frontend(frontend, rule.frontend_port, rule.protocol as u8);
        let totals = id
            .map_or_else(ObjectTotals::default, |id| self.sum(id.index(), |worker| &worker.rules));
        let up = rule_view(load_balancer, rule, &self.health).eligible_count();
        RuleStatus {
            name: rule.name.clone(),
            protocol: rule.protocol.to_string(),
            frontend_port: rule.frontend_port,
            backend_port: rule.backend_port,
            pool: pool.name.clone(),
            members_up: u32::try_from(up).unwrap_or(u32::MAX),
            members_total: u32::try_from(pool.members.len()).unwrap_or(u32::MAX),
            flows: totals.flows,
            packets: totals.packets,
            bytes: totals.bytes,
        }
    }

    fn member_statuses(&self) -> Vec<MemberStatus> {
        let mut statuses = Vec::new();
        for load_balancer in &self.checked.configuration.load_balancers {
            for (position, pool) in load_balancer.pools.iter().enumerate() {
                statuses.extend(self.pool_statuses(load_balancer, position, pool));
            }
        }
        statuses
    }

    /// Members as the first probed rule of their pool sees them.
    fn pool_statuses(
        &self,
        load_balancer: &LoadBalancer,
        position: usize,
        pool: &Pool,
    ) -> Vec<MemberStatus> {
        let rules = || load_balancer.rules.iter().filter(|rule| rule.pool == position);
        let rule = rules().find(|rule| rule.probe.is_some()).or_else(|| rules().next());
        let view = rule.map(|rule| rule_view(load_balancer, rule, &self.health));
        let status = |(number, member): (usize, &weir_core::config::Member)| {
            let judged = view.as_ref().and_then(|view| view.members.get(number));
            let reason = judged.and_then(|it| it.reason).map(|reason| reason.to_string());
            let state = match (judged, reason.as_deref()) {
                (_, Some("NA")) | (None, _) => "NA",
                (Some(judged), _) if judged.eligible => "Up",
                (Some(_), _) => "Down",
            };
            let known = self.member(member.address.into());
            let flows = known.map_or(0, |(id, _)| self.sum(id.index(), |it| &it.members).flows);
            MemberStatus {
                address: member.address.to_string(),
                name: member.name.clone(),
                load_balancer: load_balancer.name.clone(),
                pool: pool.name.clone(),
                state: state.to_owned(),
                reason,
                mac: known.and_then(|(_, member)| self.mac_towards(member)),
                flows,
            }
        };
        pool.members.iter().enumerate().map(status).collect()
    }

    fn outbound_statuses(&self) -> Vec<OutboundStatus> {
        let status = |one: MemberPorts| OutboundStatus {
            rule: one.source.rule.clone(),
            addresses: one.source.addresses.iter().map(ToString::to_string).collect(),
            member: one.member.to_string(),
            protocol: one.protocol.to_string(),
            ports_allocated: one.allocated,
            ports_used: one.used,
            flows_refused: self.events.scarcity.refused(one.id, one.protocol),
        };
        self.member_ports().into_iter().map(status).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let problems = self.checked.warnings.iter();
        let mut warnings: Vec<String> = problems.map(ToString::to_string).collect();
        warnings.extend(self.keeper.failure().map(outcome::not_persisted));
        warnings.extend(self.lane.session_log().problem());
        for member in self.lane.published().members.iter().filter(|member| member.live) {
            if member.port.is_none() {
                warnings.push(format!("no route leads to member {}", member.address));
            }
        }
        warnings
    }

    fn member(&self, address: Address) -> Option<(MemberId, &Member)> {
        let snapshot = self.lane.published();
        let id = snapshot.hosts.get(address).as_member()?;
        Some((id, snapshot.member(id)?))
    }

    fn mac_towards(&self, member: &Member) -> Option<String> {
        let adjacency = self.lane.published().adjacencies.get(member.adjacency.index())?;
        Some(adjacency.mac?.to_string())
    }

    fn sum(
        &self,
        id: usize,
        counters: impl Fn(&WorkerView) -> &std::sync::Arc<ObjectCounters>,
    ) -> ObjectTotals {
        let mut totals = ObjectTotals::default();
        self.workers.iter().for_each(|worker| counters(worker).add_to(id, &mut totals));
        totals
    }
}

fn packets(totals: &Totals) -> PacketStatus {
    PacketStatus {
        received: totals.get("rx_packets")
            + totals.get("rx_kernel_packets")
            + totals.get("originated_packets"),
        transmitted: totals.get("tx_packets"),
        answered: totals.get("answered_packets"),
        punted: totals.get("punted_packets"),
        dropped: totals.get("dropped_packets"),
        handed_off: totals.get("handoff_out_packets"),
    }
}

fn drops(totals: &Totals) -> Vec<DropCount> {
    let count = |reason: &DropReason| DropCount {
        reason: reason.name().to_owned(),
        count: totals.get(&format!("drop_{}_packets", reason.name())),
    };
    DropReason::ALL.iter().map(count).filter(|drop| drop.count > 0).collect()
}
