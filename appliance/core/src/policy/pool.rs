//! Which member takes a new flow?
//!
//! Health is a bitmap beside the selection table, not a reason to build another: a member that
//! goes down moves its own new flows and nobody else's.

use std::sync::Arc;

use super::maglev::Selection;
use crate::tables::{Bitmap, mix};
use crate::units::MemberId;

/// How often an ineligible pick is hashed again before the eligible list decides. With half of
/// the members down, one flow in 256 gets there; all of them spread evenly either way.
const REHASHES: usize = 8;

/// A pool as one probe sees it.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Position in the pool to member.
    pub members: Arc<[MemberId]>,
    /// The selection table over all configured members.
    pub selection: Arc<Selection>,
    /// Which positions take new flows.
    pub eligible: Bitmap,
    /// The same as a list of positions.
    pub eligible_list: Box<[u16]>,
}

/// No member is eligible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl Pool {
    /// The member that takes a flow with this selection hash.
    ///
    /// # Errors
    /// [`Unavailable`] when no member is eligible.
    #[inline]
    pub fn pick(&self, hash: u64) -> Result<MemberId, Unavailable> {
        let position = self.selection.pick(hash);
        if self.eligible.contains(usize::from(position)) {
            return Ok(self.members[usize::from(position)]);
        }
        self.pick_again(hash)
    }

    #[cold]
    fn pick_again(&self, mut hash: u64) -> Result<MemberId, Unavailable> {
        if self.eligible_list.is_empty() {
            return Err(Unavailable);
        }
        for _ in 0..REHASHES {
            hash = mix(hash, 0x9e37_79b9_7f4a_7c15);
            let position = self.selection.pick(hash);
            if self.eligible.contains(usize::from(position)) {
                return Ok(self.members[usize::from(position)]);
            }
        }
        let length = self.eligible_list.len() as u64;
        #[allow(clippy::cast_possible_truncation, reason = "a remainder below the length")]
        let position = self.eligible_list[(hash % length) as usize];
        Ok(self.members[usize::from(position)])
    }

    /// Whether any member is eligible.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.eligible_list.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(members: u16, down: &[u16]) -> Pool {
        let weights = vec![1; usize::from(members)];
        let names: Vec<u64> =
            (0..u64::from(members)).map(|member| mix(member + 1, 0x1234_5678_9abc_def1)).collect();
        let mut eligible = Bitmap::new(members.into());
        for position in (0..members).filter(|position| !down.contains(position)) {
            eligible.set(position.into(), true);
        }
        Pool {
            members: (0..u32::from(members)).map(MemberId).collect(),
            selection: Arc::new(Selection::build(&names, &weights)),
            eligible_list: (0..members).filter(|position| !down.contains(position)).collect(),
            eligible,
        }
    }

    fn hashes() -> impl Iterator<Item = u64> {
        (1..40_000u64).map(|flow| mix(flow, 0xd1b5_4a32_d192_ed03))
    }

    #[test]
    fn only_the_dead_members_flows_move_and_they_spread_over_all_others() {
        let (before, after) = (pool(10, &[]), pool(10, &[3]));
        let mut moved = [0u32; 10];
        for hash in hashes() {
            let (old, new) = (before.pick(hash).expect("up"), after.pick(hash).expect("up"));
            if old == MemberId(3) {
                moved[new.index()] += 1;
            } else {
                assert_eq!(old, new);
            }
        }
        assert_eq!(moved[3], 0);
        assert!((0..10).filter(|member| *member != 3).all(|member| moved[member] > 300));
    }

    #[test]
    fn one_survivor_of_many_takes_everything() {
        let down: Vec<u16> = (0..100).filter(|position| *position != 42).collect();
        let pool = pool(100, &down);
        assert!(hashes().all(|hash| pool.pick(hash) == Ok(MemberId(42))));
    }

    #[test]
    fn a_pool_without_eligible_members_is_unavailable() {
        assert_eq!(pool(2, &[0, 1]).pick(7), Err(Unavailable));
    }
}
