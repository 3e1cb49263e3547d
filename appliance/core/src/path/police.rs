//! How much may reach the kernel twin?
//!
//! A token bucket per port, punt class and worker, so that no class can starve another, nor one
//! side the other: a flood at an own address must not cost a probe its reply, nor one of ARP on the
//! front a member its address.

use super::worker::Now;
use crate::limits::PORTS_MAX;
use crate::telemetry::PuntClass;
use crate::units::PortId;

/// Packets per second and the burst above it. Probe replies get what 5,000 members probed every
/// second by HTTP need; ARP what a segment of a thousand hosts makes; routing what BGP sends in a
/// full-table exchange at 1,500 bytes; the rest what a person at a terminal needs.
const fn rate(class: PuntClass) -> (u64, u64) {
    match class {
        PuntClass::Arp => (1_000, 500),
        PuntClass::Probe => (50_000, 10_000),
        PuntClass::Routing => (20_000, 5_000),
        PuntClass::Rest => (1_000, 200),
    }
}

/// One worker's buckets, in thousandths of packets.
#[derive(Debug)]
pub(super) struct Police {
    tokens: [[u64; PuntClass::COUNT]; PORTS_MAX],
    filled_at: u64,
}

impl Police {
    pub(super) fn new(now: Now) -> Self {
        let full = std::array::from_fn(|index| rate(PuntClass::ALL[index]).1 * 1000);
        Self { tokens: [full; PORTS_MAX], filled_at: now.milliseconds }
    }

    /// Whether one more packet of `class` from `port` may pass, and if so takes its token.
    pub(super) fn admits(&mut self, port: PortId, class: PuntClass, now: Now) -> bool {
        self.fill(now);
        let tokens = &mut self.tokens[port.index() % PORTS_MAX][class.index()];
        let admitted = *tokens >= 1000;
        if admitted {
            *tokens -= 1000;
        }
        admitted
    }

    fn fill(&mut self, now: Now) {
        let passed = now.milliseconds.saturating_sub(self.filled_at);
        if passed == 0 {
            return;
        }
        self.filled_at = now.milliseconds;
        for class in PuntClass::ALL {
            let (per_second, burst) = rate(*class);
            for port in &mut self.tokens {
                let tokens = &mut port[class.index()];
                *tokens = (*tokens + passed * per_second).min(burst * 1000);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_gets_its_burst_then_its_rate_and_leaves_others_theirs() {
        let mut police = Police::new(Now { milliseconds: 0 });
        let mut passed_by = |port, milliseconds, class| {
            let now = Now { milliseconds };
            (0..100_000).filter(|_| police.admits(PortId(port), class, now)).count()
        };
        let mut passed = |milliseconds, class| passed_by(0, milliseconds, class);
        assert_eq!(passed(0, PuntClass::Rest), 200);
        assert_eq!(passed(0, PuntClass::Probe), 10_000);
        assert_eq!(passed(10, PuntClass::Rest), 10);
        assert_eq!(passed(10_000, PuntClass::Rest), 200);
        assert_eq!(passed_by(1, 10_000, PuntClass::Rest), 200, "another port has its own");
    }
}
