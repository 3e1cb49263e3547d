//! Which dense id does an object keep from one snapshot to the next?

use std::collections::{BTreeMap, VecDeque};

use crate::limits::IDLE_TIMEOUT_MINUTES_MAX;

/// How long the id of an object that is gone stays unused: longer than any flow record that
/// names it can live.
const QUARANTINE_MILLISECONDS: u64 = (IDLE_TIMEOUT_MINUTES_MAX as u64 + 1) * 60_000;

/// Ids of objects of one kind, by what identifies them.
#[derive(Clone, Debug)]
pub(super) struct Identities<K> {
    live: BTreeMap<K, u32>,
    freed: VecDeque<(u64, u32)>,
    next: u32,
}

impl<K> Default for Identities<K> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), freed: VecDeque::new(), next: 0 }
    }
}

impl<K: Ord + Clone> Identities<K> {
    /// The id of `key`, given now if it has none.
    pub(super) fn of(&mut self, key: &K, now: u64) -> u32 {
        if let Some(id) = self.live.get(key) {
            return *id;
        }
        let rested = self.freed.front().is_some_and(|it| it.0 + QUARANTINE_MILLISECONDS <= now);
        let reused = if rested { self.freed.pop_front() } else { None };
        let id = reused.map_or(self.next, |(_, id)| id);
        self.next = self.next.max(id + 1);
        self.live.insert(key.clone(), id);
        id
    }

    /// The id of `key`, if it has one.
    pub(super) fn get(&self, key: &K) -> Option<u32> {
        self.live.get(key).copied()
    }

    /// Frees the ids of all keys that are not to be kept.
    pub(super) fn retain(&mut self, now: u64, mut keep: impl FnMut(&K) -> bool) {
        let freed = &mut self.freed;
        self.live.retain(|key, id| {
            let kept = keep(key);
            if !kept {
                freed.push_back((now, *id));
            }
            kept
        });
    }

    /// Every key with its id.
    pub(super) fn each(&self, mut visit: impl FnMut(&K, u32)) {
        self.live.iter().for_each(|(key, id)| visit(key, *id));
    }

    /// One more than the largest id there is.
    pub(super) const fn bound(&self) -> usize {
        self.next as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_while_its_object_lives_and_rests_for_two_hours_after() {
        let mut identities = Identities::default();
        assert_eq!((identities.of(&"a", 0), identities.of(&"b", 0)), (0, 1));
        identities.retain(1000, |key| *key == "b");
        assert_eq!(identities.get(&"a"), None);
        assert_eq!(identities.of(&"c", 7_200_000), 2, "the id of a still rests");
        assert_eq!(identities.of(&"d", 1000 + QUARANTINE_MILLISECONDS), 0);
        assert_eq!(identities.of(&"b", 0), 1);
        assert_eq!(identities.bound(), 3);
    }
}
