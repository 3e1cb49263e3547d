//! Who gets ports on demand?
//!
//! A member whose ports are nearly used up towards some destination gets half as many again, from
//! those that nobody has. What it does not use any more goes back after a while.

use std::collections::BTreeMap;

use super::super::Inputs;
use super::wants::Want;
use super::{Held, Holding, is_used};
use crate::limits::SNAT_GRANULE;

/// Granules that a member gets at least when it asks: 64 ports.
const STEP_MIN: usize = 8;
/// Milliseconds after which ports that a member got on demand go back if it does not use them: as
/// long as a flow may linger by default.
const HELD_MILLISECONDS: u64 = 240_000;

/// What a member has on demand.
#[derive(Clone, Copy, Debug)]
struct Grant {
    granules: usize,
    /// When it was last found to need them.
    needed_at: u64,
}

/// What all members have on demand.
#[derive(Clone, Debug, Default)]
pub(super) struct Grants(BTreeMap<Holding, Grant>);

impl Grants {
    /// Takes everything back, for others are short of what they are allotted.
    pub(super) fn revoke(&mut self, wants: &mut [Want]) {
        self.0.clear();
        wants.iter_mut().for_each(|want| want.on_demand = 0);
    }

    /// Whether anybody has something.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether it is time to ask whether somebody still needs what it has.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.0.values().any(|grant| now >= grant.needed_at.saturating_add(HELD_MILLISECONDS))
    }

    /// Grants what is asked for, takes back what is not used, and adds the rest to what members
    /// are to have.
    pub(super) fn update(
        &mut self,
        inputs: Inputs<'_>,
        held: &BTreeMap<Holding, Vec<Held>>,
        wants: &mut [Want],
    ) {
        let now = inputs.now_milliseconds;
        let mut grants = BTreeMap::new();
        for want in wants {
            let Some(most) = want.on_demand_max else { continue };
            let most = most as usize / usize::from(SNAT_GRANULE);
            let base = want.granules();
            let had = self.0.get(&want.holding()).copied();
            let mut grant = had.unwrap_or(Grant { granules: 0, needed_at: now });
            if inputs.wanting.contains(&want.holding()) {
                // It asks since it has used up what it has, which may be less than it was granted.
                let has = held.get(&want.holding()).map_or(0, Vec::len).max(base);
                let step = (has / 2).max(STEP_MIN);
                let granules = (has + step).min(most.max(base)) - base;
                grant = Grant { granules: granules.max(grant.granules), needed_at: now };
            } else if now >= grant.needed_at.saturating_add(HELD_MILLISECONDS) {
                grant = Grant { granules: used_beyond(inputs, want, held, base), needed_at: now };
            }
            grant.granules = grant.granules.min(most.saturating_sub(base));
            if grant.granules > 0 {
                let granules = u32::try_from(grant.granules).unwrap_or(0);
                want.on_demand = granules * u32::from(SNAT_GRANULE);
                grants.insert(want.holding(), grant);
            }
        }
        self.0 = grants;
    }
}

/// How many granules beyond its own a member uses: up to the last one that has flows.
fn used_beyond(
    inputs: Inputs<'_>,
    want: &Want,
    held: &BTreeMap<Holding, Vec<Held>>,
    base: usize,
) -> usize {
    let Some(held) = held.get(&want.holding()) else { return 0 };
    let is_used =
        |held: &Held| is_used(inputs.port_use, (held.address, want.protocol), held.granule);
    let all: Vec<_> = want.in_order(held).filter(|held| !held.draining).collect();
    let last = all.iter().rposition(is_used);
    last.map_or(0, |last| (last + 1).saturating_sub(base))
}
