//! Which scenarios are there?
//!
//! Names begin with what is measured: `dnat` and `snat` forward, `snat-first`, `snat-last`,
//! `snat-syn` and `snat-udp` open members' flows, `syn`, `lives` and `expiry` are
//! about the beginning and end of flows, `publish` and `members` about changes, `handoff` and
//! `scaling` about several workers, `memory` about bytes, `flood` about ill intent. What has `-v6`
//! in its name is over IPv6, everything else over IPv4.

use super::flood::Share;
use super::life::Lives;
use super::{Bench, flood, flows, life, memory, outbound, ports, publish, team};
use weir_core::units::Transport;

use crate::kind::Family;
use crate::report::Row;
use crate::traffic::Load;

/// What measures some rows.
pub struct Scenario {
    /// The names of the rows.
    pub names: &'static [&'static str],
    /// Whether it is left out when there is little time.
    pub is_long: bool,
    run: fn(&mut Bench<'_>) -> anyhow::Result<Vec<Row>>,
}

impl Scenario {
    const fn one(
        names: &'static [&'static str],
        run: fn(&mut Bench<'_>) -> anyhow::Result<Vec<Row>>,
    ) -> Self {
        Self { names, is_long: false, run }
    }

    const fn long(
        names: &'static [&'static str],
        run: fn(&mut Bench<'_>) -> anyhow::Result<Vec<Row>>,
    ) -> Self {
        Self { names, is_long: true, run }
    }

    /// Whether any row's name begins so.
    #[must_use]
    pub fn is_meant_by(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix))
    }

    /// Whether its packets are of IPv6, which takes others beside the worker.
    #[must_use]
    pub fn is_over_ipv6(&self) -> bool {
        self.names.iter().any(|name| name.contains("-v6"))
    }

    /// Measures it.
    ///
    /// # Errors
    /// DPDK's, or when a packet did not end as it should.
    pub fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<Vec<Row>> {
        (self.run)(bench)
    }
}

fn one(row: anyhow::Result<Row>) -> anyhow::Result<Vec<Row>> {
    Ok(vec![row?])
}

fn lives(bench: &mut Bench<'_>, family: Family) -> anyhow::Result<Row> {
    let quick = Lives { window: 1 << 17, per_second: 100_000 };
    let whole = Lives { window: 1 << 19, per_second: 500_000 };
    life::lives(bench, family, if bench.effort.quick { quick } else { whole })
}

/// All scenarios, in the order of the table.
pub const SCENARIOS: &[Scenario] = &[
    Scenario::one(&["dnat-1k"], |bench| one(flows::dnat(bench, Load::of(1_000)))),
    Scenario::one(&["dnat-65k"], |bench| one(flows::dnat(bench, Load::of(65_536)))),
    Scenario::one(&["dnat-1m"], |bench| one(flows::dnat(bench, Load::of(1_000_000)))),
    Scenario::long(&["dnat-10m"], |bench| one(flows::dnat(bench, Load::of(10_000_000)))),
    Scenario::long(&["dnat-zipf-65k"], |bench| one(flows::dnat(bench, Load::of(65_536).by_zipf()))),
    Scenario::one(&["dnat-zipf-1m"], |bench| {
        one(flows::dnat(bench, Load::of(1_000_000).by_zipf()))
    }),
    Scenario::long(&["dnat-zipf-10m"], |bench| {
        one(flows::dnat(bench, Load::of(10_000_000).by_zipf()))
    }),
    Scenario::one(&["dnat-imix-65k"], |bench| one(flows::dnat_imix(bench, 65_536))),
    Scenario::long(&["dnat-imix-1m"], |bench| one(flows::dnat_imix(bench, 1_000_000))),
    Scenario::one(&["dnat-udp-65k"], |bench| one(flows::dnat_udp(bench, Load::of(65_536)))),
    Scenario::long(&["dnat-udp-1m"], |bench| one(flows::dnat_udp(bench, Load::of(1_000_000)))),
    Scenario::one(&["dnat-v6-1k"], |bench| one(flows::dnat(bench, Load::of(1_000).over_ipv6()))),
    Scenario::one(&["dnat-v6-65k"], |bench| one(flows::dnat(bench, Load::of(65_536).over_ipv6()))),
    Scenario::one(&["dnat-v6-1m"], |bench| {
        one(flows::dnat(bench, Load::of(1_000_000).over_ipv6()))
    }),
    Scenario::one(&["dnat-v6-udp-65k"], |bench| {
        one(flows::dnat_udp(bench, Load::of(65_536).over_ipv6()))
    }),
    Scenario::one(&["snat-one-32k"], |bench| one(outbound::snat(bench, 32_000, true))),
    Scenario::one(&["snat-each-60k"], |bench| one(outbound::snat(bench, 60_000, false))),
    Scenario::one(&["snat-first-one", "snat-last-one"], |bench| {
        Ok(ports::first_and_last(bench, &ports::ONE)?.into())
    }),
    Scenario::one(&["snat-first-60k", "snat-last-60k"], |bench| {
        Ok(ports::first_and_last(bench, &ports::MANY)?.into())
    }),
    Scenario::one(&["snat-syn"], |bench| {
        one(ports::begin_and_expire(bench, "snat-syn", Transport::Tcp, 1))
    }),
    Scenario::one(&["snat-syn-crowd"], |bench| {
        one(ports::begin_and_expire(bench, "snat-syn-crowd", Transport::Tcp, 30_000))
    }),
    Scenario::one(&["snat-udp"], |bench| {
        one(ports::begin_and_expire(bench, "snat-udp", Transport::Udp, 1))
    }),
    Scenario::one(&["syn", "expiry"], |bench| {
        Ok(life::syn_and_expiry(bench, Load::of(600_000))?.into())
    }),
    Scenario::long(&["syn-v6", "expiry-v6"], |bench| {
        Ok(life::syn_and_expiry(bench, Load::of(600_000).over_ipv6())?.into())
    }),
    Scenario::one(&["expiry-syn"], |bench| one(life::syn_while_expiring(bench, 600_000))),
    Scenario::one(&["lives"], |bench| one(lives(bench, Family::V4))),
    Scenario::long(&["lives-v6"], |bench| one(lives(bench, Family::V6))),
    Scenario::one(&["publish"], |bench| one(publish::publish(bench, 65_536))),
    Scenario::one(&["members"], |bench| one(publish::members(bench, 65_536))),
    Scenario::one(&["handoff"], |bench| one(team::handoff(bench, 65_536))),
    Scenario::one(&["scaling"], |bench| one(team::scaling(bench, 65_536))),
    Scenario::one(&["memory-in-1m"], |bench| one(memory::inbound(bench, 1_000_000))),
    Scenario::long(&["memory-in-10m"], |bench| one(memory::inbound(bench, 10_000_000))),
    Scenario::one(&["memory-out-1m"], |bench| one(memory::outbound(bench, 1_000_000))),
    Scenario::long(&["memory-out-5m"], |bench| one(memory::outbound(bench, 5_000_000))),
    Scenario::one(&["flood-scan"], |bench| one(flood::scan(bench, Share::Quarter))),
    Scenario::long(&["flood-scan-16th"], |bench| one(flood::scan(bench, Share::Sixteenth))),
    Scenario::one(&["flood-one-port"], |bench| one(flood::one_port(bench, Share::Quarter))),
    Scenario::long(&["flood-one-port-16th"], |bench| one(flood::one_port(bench, Share::Sixteenth))),
    Scenario::one(&["flood-one-home"], |bench| one(flood::one_home(bench, Share::Quarter))),
    Scenario::long(&["flood-one-home-16th"], |bench| one(flood::one_home(bench, Share::Sixteenth))),
    Scenario::one(&["flood-crafted"], |bench| one(flood::one_stretch(bench, Share::Quarter))),
    Scenario::long(&["flood-crafted-16th"], |bench| {
        one(flood::one_stretch(bench, Share::Sixteenth))
    }),
    Scenario::one(&["flood-syn"], |bench| one(flood::syn(bench, Share::Quarter))),
    Scenario::one(&["flood-syn-16th"], |bench| one(flood::syn(bench, Share::Sixteenth))),
    Scenario::one(&["flood-bound"], |bench| one(flood::bound(bench, Share::Quarter))),
    Scenario::long(&["flood-bound-16th"], |bench| one(flood::bound(bench, Share::Sixteenth))),
    Scenario::one(&["flood-elephant"], |bench| one(flood::elephant(bench))),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_rows_have_the_same_name() {
        let names: Vec<_> = SCENARIOS.iter().flat_map(|scenario| scenario.names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn a_prefix_means_every_name_that_begins_so() {
        let meant = |prefix: &str| SCENARIOS.iter().filter(|it| it.is_meant_by(prefix)).count();
        assert_eq!(meant(""), SCENARIOS.len());
        assert_eq!(meant("expiry"), 3);
        assert_eq!(meant("no such"), 0);
        assert!(meant("flood") >= 6);
    }
}
