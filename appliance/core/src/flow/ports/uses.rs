//! How many flows does each port have, whoever they go to?
//!
//! A record for each granule of eight ports in use, made when the first of them is taken. Whoever
//! looks from outside sees how many ports of a granule are in use ([`PortUse`]).

use std::sync::Arc;

use super::{Holder, TakeError};
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE};
use crate::tables::{Key, PageRequest, Record, RecordMap};
use crate::telemetry::PortUse;

const PORTS: usize = SNAT_GRANULE as usize;

/// Eight ports, 64 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Granule {
    key: Key,
    /// Flows of each port.
    flows: [u32; PORTS],
    neighbours: u16,
}

const _: () = assert!(size_of::<Granule>() == 64);

impl Record for Granule {
    fn key(&self) -> &Key {
        &self.key
    }
    fn neighbours(&self) -> u16 {
        self.neighbours
    }
    fn set_neighbours(&mut self, bits: u16) {
        self.neighbours = bits;
    }
}

impl Granule {
    /// Ports that have flows.
    fn used(&self) -> u8 {
        self.flows.iter().map(|flows| u8::from(*flows > 0)).sum()
    }
}

/// The flows of one worker's ports.
#[derive(Debug)]
pub(super) struct Uses {
    granules: RecordMap<Granule>,
    port_use: Arc<PortUse>,
}

impl Uses {
    pub(super) fn new(
        granules: usize,
        seed: u64,
        pages: PageRequest,
        port_use: Arc<PortUse>,
    ) -> Self {
        Self { granules: RecordMap::new(granules, seed, pages), port_use }
    }

    pub(super) const fn bytes(granules: usize) -> usize {
        RecordMap::<Granule>::bytes(granules)
    }

    /// How many granules have ports in use.
    pub(super) const fn granules(&self) -> usize {
        self.granules.len()
    }

    /// Asks for where a port's flows are counted.
    #[inline]
    pub(super) fn prefetch(&self, holder: &Holder, port: u16) {
        self.granules.prefetch(self.granules.home(&Place::of(holder, port).key));
    }

    /// Whether a port has flows.
    pub(super) fn is_used(&self, holder: &Holder, port: u16) -> bool {
        let place = Place::of(holder, port);
        let found = self.granules.find(&place.key, self.granules.home(&place.key));
        found.is_some_and(|slot| self.granules.at(slot).flows[place.port] > 0)
    }

    /// Counts a further flow of a port.
    pub(super) fn add(&mut self, holder: &Holder, port: u16) -> Result<(), TakeError> {
        let place = Place::of(holder, port);
        let home = self.granules.home(&place.key);
        let slot = match self.granules.find(&place.key, home) {
            Some(slot) => slot,
            None => {
                let record = Granule { key: place.key, ..Granule::default() };
                let made = self.granules.insert(record, home, |_, _, _| {});
                made.map_err(|_| TakeError::Full)?
            }
        };
        let granule = self.granules.at_mut(slot);
        granule.flows[place.port] += 1;
        if granule.flows[place.port] == 1 {
            let used = granule.used();
            self.port_use.note(holder.address, holder.protocol, place.granule, used);
        }
        Ok(())
    }

    /// Counts a flow of a port that has ended; returns whether it was the last one.
    pub(super) fn remove(&mut self, holder: &Holder, port: u16) -> bool {
        let place = Place::of(holder, port);
        let found = self.granules.find(&place.key, self.granules.home(&place.key));
        let Some(slot) = found else { return true };
        let granule = self.granules.at_mut(slot);
        let flows = &mut granule.flows[place.port];
        *flows = flows.saturating_sub(1);
        let is_free = *flows == 0;
        if is_free {
            let used = granule.used();
            self.port_use.note(holder.address, holder.protocol, place.granule, used);
            if used == 0 {
                self.granules.remove(slot);
            }
        }
        is_free
    }
}

/// Where a port is counted.
struct Place {
    key: Key,
    granule: usize,
    port: usize,
}

impl Place {
    /// The key is protocol:8 │ 0:8 │ address:32 │ granule:16; no protocol is 0.
    fn of(holder: &Holder, port: u16) -> Self {
        let offset = port.saturating_sub(SNAT_FIRST_PORT);
        let granule = offset / SNAT_GRANULE;
        let word =
            (holder.protocol as u64) << 56 | u64::from(holder.address.0) << 16 | u64::from(granule);
        Self {
            key: [0, 0, word],
            granule: granule.into(),
            port: usize::from(offset % SNAT_GRANULE),
        }
    }
}
