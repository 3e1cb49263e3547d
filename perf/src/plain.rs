//! What does the same loop cost when it decides nothing?
//!
//! `bare` receives and sends. `floor` reads and writes one 64-byte record per packet beside that,
//! each where the packet's own bytes say, all asked for before any is needed; and it writes the
//! packet, as any forwarder must.

use anyhow::Context;
use dpdk::{Burst, Eal, Mempool, RingConsumer, RxQueue, Source, StartedPort};
use weir::worker::{Lane, Outlets, PortLane, rings};
use weir_core::tables::{mix, prefetch::prefetch};
use weir_core::telemetry::Counters;
use weir_core::units::PortId;

use crate::kind::Family;
use crate::lane::{attach, ring};

/// A record of the floor: one cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Record([u64; 8]);

/// A loop without decisions.
pub struct Plain {
    queue: RxQueue,
    outlets: Outlets,
    burst: Burst,
    counters: Counters,
    records: Vec<Record>,
    family: Family,
    _punts: RingConsumer,
    _port: StartedPort,
}

impl Plain {
    /// A loop on a device of its own, over `records` records: a power of two, or 0 for the bare
    /// loop. The source's packets are of `family`.
    ///
    /// # Errors
    /// DPDK's.
    pub fn new(
        eal: &Eal,
        pool: &Mempool,
        name: &str,
        source: Source,
        family: Family,
        records: usize,
    ) -> anyhow::Result<Self> {
        let (port, mut queue, transmit) = attach(eal, pool, name)?;
        let (punt, punts) = ring(eal, name)?;
        let sends = rings::Sends { handoff: Vec::new(), relay: Vec::new(), punt };
        let lanes = vec![PortLane::new(eal, Lane::Queue(transmit))];
        queue.generate(source, u64::MAX).ok().context("no memory for the generator")?;
        Ok(Self {
            queue,
            outlets: Outlets::new(eal, lanes, sends),
            burst: Burst::new(eal),
            counters: Counters::default(),
            records: vec![Record([1; 8]); records],
            family,
            _punts: punts,
            _port: port,
        })
    }

    /// Packets so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.queue.generated()
    }

    /// One turn.
    pub fn turn(&mut self) {
        let received = self.queue.receive(&mut self.burst);
        if !self.records.is_empty() {
            match self.family {
                Family::V4 => self.touch_records::<26, 38>(received),
                Family::V6 => self.touch_records::<30, 58>(received),
            }
        }
        for index in 0..received {
            self.outlets.transmit(PortId(0), &mut self.burst, index, &self.counters);
        }
        self.burst.clear();
        self.outlets.flush(&self.counters);
    }

    fn touch_records<const FROM: usize, const TO: usize>(&mut self, received: usize) {
        let mut places = [0; dpdk::BURST];
        let mask = self.records.len() - 1;
        for (index, place) in places.iter_mut().enumerate().take(received) {
            *place = place_of::<FROM, TO>(self.burst.frame(index)) & mask;
            prefetch(&self.records[*place]);
        }
        for (index, place) in places.iter().enumerate().take(received) {
            let record = &mut self.records[*place & mask];
            record.0[0] += 1;
            let value = record.0[1].to_le_bytes();
            if let Some(target) = self.burst.frame_mut(index).get_mut(..8) {
                target.copy_from_slice(&value);
            }
        }
    }
}

/// A record for the packet by its client's address, of IPv6 the last half, which begins at `FROM`,
/// and by its ports, which end at `TO`.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "a hash")]
fn place_of<const FROM: usize, const TO: usize>(frame: &[u8]) -> usize {
    let Some(tuple) = frame.get(FROM..TO) else { return 0 };
    let Some(address) = tuple.first_chunk::<8>() else { return 0 };
    let Some(ports) = tuple.last_chunk::<4>() else { return 0 };
    let (address, ports) = (u64::from_le_bytes(*address), u32::from_le_bytes(*ports));
    // Both factors with bits everywhere: a product with few of them spreads neighbouring addresses
    // over a few records, which then stay in the first level.
    (mix(address ^ 0x9e37_79b9_7f4a_7c15, u64::from(ports) ^ 0xd6e8_feb8_6659_fd93) >> 8) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kind::{ACK, Kind};
    use crate::traffic::client;
    use crate::world::WEB;

    #[test]
    fn flows_spread_over_records_as_if_thrown_there() {
        const RECORDS: usize = 1 << 17;
        const FLOWS: usize = RECORDS / 2;
        for family in [Family::V4, Family::V6] {
            let kind = Kind::request(Some(ACK), WEB.0).over(family);
            let place = |flow| {
                let frame = kind.frame(client(flow));
                let place = match family {
                    Family::V4 => place_of::<26, 38>(&frame),
                    Family::V6 => place_of::<30, 58>(&frame),
                };
                place % RECORDS
            };
            let taken: BTreeSet<usize> = (0..FLOWS).map(place).collect();
            // A record is left out by all with probability (1 - 1/RECORDS)^FLOWS = e^(-1/2).
            let expected = RECORDS as f64 * (1.0 - (-0.5f64).exp());
            let share = taken.len() as f64 / expected;
            assert!((0.95..1.1).contains(&share), "{family:?}: {share}");
        }
    }
}
