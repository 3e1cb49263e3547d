//! What is wrong with the appliance and its surroundings, and what to do about it?
//!
//! ```text
//!   status, routes, neighbours, probes, growth ─► one file for each question ─► findings
//! ```
//!
//! Every file judges facts that it is given, so that a table can test it. What needs no appliance
//! (hugepages, IOMMU, NUMA, isolated CPUs) is looked at by `weirctl doctor` itself.

mod finding;
mod growth;
mod links;
mod losses;
mod memory;
mod neighbours;
mod network;
mod on_link;
mod probes;
mod return_path;
mod routes;
mod snat_ports;
mod store;
mod workers;

use weir_core::api::Diagnosis;
use weir_core::neighbour::LeftOut;
use weir_core::telemetry::Totals;

use super::Running;
use super::exhaustion::MemberPorts;
use finding::problem;
pub(super) use growth::Growth;
pub(super) use neighbours::Unresolved;
use network::Network;
use snat_ports::Ports;

impl Running {
    /// Asks every question.
    pub(super) fn diagnose(&self) -> Diagnosis {
        let now = self.clock.now().milliseconds;
        let (workers, ports) = (self.worker_statuses(), self.port_statuses());
        let network = Network { configuration: &self.checked.configuration, world: &self.world };
        let mut findings = links::judge(&ports);
        findings.extend(routes::judge(network));
        findings.extend(neighbours::judge(&self.unresolved, network, now));
        findings.extend(probes::judge(&self.health));
        findings.extend(return_path::judge(network, &self.growth, now));
        findings.extend(on_link::judge(network));
        findings.extend(workers::judge(&workers));
        findings.extend(memory::judge(&self.mbufs(), &workers));
        findings.extend(snat_ports::judge(&self.snat_ports()));
        findings.extend(losses::judge(&ports, &self.growth, now));
        findings.extend(store::judge(self.keeper.failure()));
        if self.left_out != LeftOut::default() {
            findings.push(problem(
                "kernel-tables",
                format!("routes or neighbours were left out: {:?}", self.left_out),
                "The routing daemon or the links hold more than Weir's bounds (docs/limits.md): \
                 have it install fewer routes, or split the links.",
            ));
        }
        Diagnosis { findings }
    }

    /// The outbound ports of every member.
    fn snat_ports(&self) -> Vec<Ports> {
        let ports = |of: MemberPorts| {
            let incident = self.events.scarcity.incident(of.id, of.protocol);
            Ports { of, incident }
        };
        self.member_ports().into_iter().map(ports).collect()
    }

    /// What is done every second: notes what grows and who does not answer.
    pub(super) fn look_after_diagnosis(&mut self) {
        let now = self.clock.now().milliseconds;
        self.unresolved.observe(&self.world, now);
        let totals = Totals::of(self.workers.iter().map(|worker| &*worker.counters));
        for (name, value) in totals.values() {
            if name.starts_with("drop_") {
                self.growth.observe(name, *value, now);
            }
        }
        self.growth.observe("probes_late", self.prober.late(), now);
        let missed = self.missed_packets();
        let missed: Vec<_> = missed.map(|(port, count)| (losses::missed(port), count)).collect();
        for (name, count) in missed {
            self.growth.observe(&name, count, now);
        }
    }
}
