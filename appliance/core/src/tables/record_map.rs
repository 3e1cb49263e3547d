//! Where does the record with this key live?
//!
//! A hopscotch map of records that are one cache line each and live in the table itself:
//!
//! ```text
//!   home(key) = h          h+1        h+2   …   h+15
//!   ┌──────────────┐  ┌─────────┐  ┌─────────┐
//!   │ record       │  │ record  │  │ record  │      all one 64-byte line
//!   │ neighbours ──┼──┴─ bit 1 ─┴──┴─ bit 2 ─┴─ …   which of the 16 slots from here hold
//!   └──────────────┘                                records whose home is here
//! ```
//!
//! A look-up reads the home line, and goes on only to slots that the home's bits name: next to
//! it in memory, where the adjacent-line prefetcher helps. A record stays where it was put
//! unless an insertion must make room, or wants its own home that a stranger stands on; the
//! caller is told of each move, so that links by index can follow. Nothing is ever allocated
//! after the map was made.
//!
//! The number of slots is anybody's choice: a home is the hash's share of it, and what goes on
//! beyond the last slot goes on at the first.

use std::hint::select_unpredictable;

use super::hash::{Hasher, Key, ShortKey, is_zero, same, same_short};
use super::prefetch::prefetch;
use super::region::{PageRequest, Pages, Region};

/// How many slots from its home a record may stand: as many as `Record::neighbours` has bits.
const REACH: usize = 16;
/// How far an insertion looks for a free slot before it says [`Full`]. At three quarters full, runs
/// of occupied slots longer than this do not occur outside of an attack on the hash, and an attack
/// costs no more than this.
const SEARCH: usize = 128;

/// A record that a [`RecordMap`] can hold: it carries its key and the map's bits.
pub trait Record: Copy + Default {
    /// The key; all zeroes in a free slot.
    fn key(&self) -> &Key;
    /// The bits that the map keeps in each slot about the records that call it home.
    fn neighbours(&self) -> u16;
    /// Puts those bits.
    fn set_neighbours(&mut self, bits: u16);
}

/// No slot within reach is or can be made free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A map of a fixed number of records.
#[derive(Debug)]
pub struct RecordMap<R> {
    records: Region<R>,
    hasher: Hasher,
    length: usize,
}

impl<R: Record> RecordMap<R> {
    /// A map with `slots` slots, at least 16 and below 2^32, hashed under `seed`, on `pages`. All
    /// its memory is taken and touched here.
    #[must_use]
    pub fn new(slots: usize, seed: u64, pages: PageRequest) -> Self {
        let slots = slots.clamp(REACH, u32::MAX as usize);
        Self {
            records: Region::new(slots, R::default(), pages),
            hasher: Hasher::new(seed),
            length: 0,
        }
    }

    /// How many bytes a map with so many slots takes.
    #[must_use]
    pub const fn bytes(slots: usize) -> usize {
        slots * size_of::<R>()
    }

    /// What the map stands on.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.records.pages()
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no records.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many slots there are.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.records.length()
    }

    /// The home slot of `key`: compute it for a whole batch, [`Self::prefetch`] each, then
    /// [`Self::find`].
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "a slot number is below 2^32")]
    pub fn home(&self, key: &Key) -> u32 {
        ((u128::from(self.hasher.scatter(key)) * self.records.len() as u128) >> 64) as u32
    }

    /// Asks for the cache line of a slot; of one that is not there, for nothing that matters.
    #[inline]
    pub fn prefetch(&self, slot: u32) {
        prefetch(self.records.as_ptr().wrapping_add(slot as usize));
    }

    /// The home slot of the key `[0, key[0], key[1]]`.
    #[must_use]
    #[inline]
    pub fn home_short(&self, key: ShortKey) -> u32 {
        self.home(&[0, key[0], key[1]])
    }

    /// The slot where a record with `key` stands if it stands anywhere, nearly always: at home, or
    /// in the first of the slots where records of that home are. Asks for its line. To be called
    /// once the home line, asked for by [`Self::prefetch`], is there. A slot past the last one is
    /// no slot: what stands beyond the end is for [`Self::find`].
    #[inline]
    pub fn look_ahead(&self, key: &Key, home: u32) -> u32 {
        let at_home = &self.records[home as usize];
        self.expected(at_home, home, !same(at_home.key(), key))
    }

    /// The same by the two words of a key that begins with 0 and shares them with no other.
    #[inline]
    pub fn look_ahead_short(&self, key: ShortKey, home: u32) -> u32 {
        let at_home = &self.records[home as usize];
        self.expected(at_home, home, !same_short(at_home.key(), key))
    }

    #[inline(always)]
    fn expected(&self, at_home: &R, home: u32, is_elsewhere: bool) -> u32 {
        // Without neighbours there are REACH trailing zeroes, and so no distance.
        let first = (at_home.neighbours() & !1).trailing_zeros() % u16::BITS;
        const _: () = assert!(REACH == u16::BITS as usize);
        // Which records stand at home is anybody's guess, the processor's too.
        let slot = select_unpredictable(is_elsewhere, home + first, home);
        self.prefetch(slot);
        slot
    }

    /// The slot of the record with `key`, whose home is `home`.
    #[must_use]
    #[inline]
    pub fn find(&self, key: &Key, home: u32) -> Option<u32> {
        let at_home = &self.records[home as usize];
        if same(at_home.key(), key) {
            return Some(home);
        }
        let mut bits = at_home.neighbours() & !1;
        while bits != 0 {
            let slot = self.slot_after(home, bits.trailing_zeros() as usize);
            if same(self.records[slot as usize].key(), key) {
                return Some(slot);
            }
            bits &= bits - 1;
        }
        None
    }

    /// Asks for the slot behind `home`, whose line is there, if a record that must be put will
    /// look for room there.
    #[inline]
    pub fn prefetch_room(&self, home: u32) {
        if !self.is_free(home) {
            self.prefetch(home + 1);
        }
    }

    /// The record in `slot`.
    #[must_use]
    #[inline]
    pub fn at(&self, slot: u32) -> &R {
        &self.records[slot as usize]
    }

    /// All slots, to change anything but keys and neighbours.
    #[inline]
    pub fn slots_mut(&mut self) -> &mut [R] {
        &mut self.records
    }

    /// The record in `slot`, to change anything but its key.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> &mut R {
        &mut self.records[slot as usize]
    }

    /// Puts a record whose key is not in the map and whose home is `home`; returns its slot, which
    /// is its home unless that has a record of its own or whose stands there cannot leave.
    /// `moved(map, from, to)` is called after each record that had to make room has moved.
    ///
    /// # Errors
    /// [`Full`], with nothing changed but the places of records that were told of.
    #[inline]
    pub fn insert(
        &mut self,
        mut record: R,
        home: u32,
        mut moved: impl FnMut(&mut Self, u32, u32),
    ) -> Result<u32, Full> {
        let is_free = self.is_free(home);
        let distance = if is_free { 0 } else { self.make_room(home, &mut moved)? };
        let slot = self.slot_after(home, distance);
        record.set_neighbours(self.records[slot as usize].neighbours());
        self.records[slot as usize] = record;
        self.mark(home, distance, true);
        self.length += 1;
        Ok(slot)
    }

    /// Frees a slot within the reach of `home`, on which a record stands; returns its distance.
    #[inline(never)]
    fn make_room(
        &mut self,
        home: u32,
        moved: &mut impl FnMut(&mut Self, u32, u32),
    ) -> Result<usize, Full> {
        // As many as one home can have: whoever aims at it is told at once, without a search.
        if self.records[home as usize].neighbours() == u16::MAX {
            return Err(Full);
        }
        let mut distance = self.free_distance(home).ok_or(Full)?;
        while distance >= REACH {
            distance = self.bring_nearer(home, distance, moved).ok_or(Full)?;
        }
        let is_home_free = self.send_stranger_to(home, distance, moved);
        Ok(if is_home_free { 0 } else { distance })
    }

    /// Frees `slot`, where a record stands.
    pub fn remove(&mut self, slot: u32) {
        let home = self.home(self.at(slot).key());
        self.vacate(slot);
        self.mark(home, self.distance(home, slot), false);
        self.length -= 1;
    }

    /// The occupied slots, for listings.
    pub fn occupied(&self) -> impl Iterator<Item = (u32, &R)> {
        (0u32..).zip(self.records.iter()).filter(|(_, record)| *record.key() != Key::default())
    }

    /// How far behind `home`, where a record stands, the next free slot is.
    fn free_distance(&self, home: u32) -> Option<usize> {
        let within = SEARCH.min(self.records.len());
        (1..within).find(|distance| self.is_free(self.slot_after(home, *distance)))
    }

    /// Moves a record from before the free slot into it, so that a slot nearer to `home` becomes
    /// free, and returns that one's distance.
    fn bring_nearer(
        &mut self,
        home: u32,
        free: usize,
        moved: &mut impl FnMut(&mut Self, u32, u32),
    ) -> Option<usize> {
        let to = self.slot_after(home, free);
        for back in (1..REACH).rev() {
            let neighbour_home = self.slot_after(home, free - back);
            let bits = self.records[neighbour_home as usize].neighbours();
            let first = bits.trailing_zeros() as usize;
            if first < back {
                self.relocate(neighbour_home, first, back);
                moved(self, self.slot_after(neighbour_home, first), to);
                return Some(free - back + first);
            }
        }
        None
    }

    /// Moves who stands at `home` and does not belong there into the free slot `distance` behind,
    /// if that is within its reach. Look-ups that begin at `home` then end there.
    fn send_stranger_to(
        &mut self,
        home: u32,
        distance: usize,
        moved: &mut impl FnMut(&mut Self, u32, u32),
    ) -> bool {
        let stranger = &self.records[home as usize];
        if stranger.neighbours() & 1 != 0 {
            return false;
        }
        let its_home = self.home(stranger.key());
        let from = self.distance(its_home, home);
        if from + distance >= REACH {
            return false;
        }
        self.relocate(its_home, from, from + distance);
        moved(self, home, self.slot_after(home, distance));
        true
    }

    /// Moves a record between two places behind its home, of which the second is free.
    fn relocate(&mut self, home: u32, from: usize, to: usize) {
        let (source, target) = (self.slot_after(home, from), self.slot_after(home, to));
        let mut record = self.records[source as usize];
        record.set_neighbours(self.records[target as usize].neighbours());
        self.records[target as usize] = record;
        self.vacate(source);
        self.mark(home, from, false);
        self.mark(home, to, true);
    }

    /// Empties a slot but for the bits about those who call it home.
    fn vacate(&mut self, slot: u32) {
        let bits = self.records[slot as usize].neighbours();
        self.records[slot as usize] = R::default();
        self.records[slot as usize].set_neighbours(bits);
    }

    fn mark(&mut self, home: u32, distance: usize, present: bool) {
        let record = &mut self.records[home as usize];
        let bit = 1 << distance;
        let bits = record.neighbours();
        record.set_neighbours(if present { bits | bit } else { bits & !bit });
    }

    fn is_free(&self, slot: u32) -> bool {
        is_zero(self.records[slot as usize].key())
    }

    fn distance(&self, home: u32, slot: u32) -> usize {
        let (home, slot) = (home as usize, slot as usize);
        if slot < home { slot + self.records.len() - home } else { slot - home }
    }

    /// The slot that is `distance` behind `home`; a distance is below the number of slots.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "a slot number is below 2^32")]
    fn slot_after(&self, home: u32, distance: usize) -> u32 {
        let (slot, slots) = (home as usize + distance, self.records.len());
        (if slot < slots { slot } else { slot - slots }) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Default, Debug)]
    struct Entry {
        key: Key,
        neighbours: u16,
        value: u32,
    }

    impl Record for Entry {
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

    fn entry(number: u64) -> Entry {
        let value = u32::try_from(number).expect("small");
        Entry { key: [1, number, 2], value, ..Entry::default() }
    }

    fn map(slots: usize, seed: u64) -> RecordMap<Entry> {
        RecordMap::new(slots, seed, PageRequest::Transparent)
    }

    fn home(map: &RecordMap<Entry>, number: u64) -> u32 {
        map.home(&entry(number).key)
    }

    fn insert(map: &mut RecordMap<Entry>, number: u64) -> Result<u32, Full> {
        map.insert(entry(number), home(map, number), |_, _, _| {})
    }

    fn find(map: &RecordMap<Entry>, number: u64) -> Option<u32> {
        let key = entry(number).key;
        map.find(&key, map.home(&key)).filter(|slot| u64::from(map.at(*slot).value) == number)
    }

    proptest! {
        #[test]
        fn it_answers_like_an_ordered_map_and_names_every_move(
            seed in any::<u64>(),
            slots in 16usize..150,
            steps in prop::collection::vec((any::<bool>(), 1u64..90), 1..400),
        ) {
            let mut map = map(slots, seed);
            let mut places = BTreeMap::new();
            for (insert, number) in steps {
                match (insert, places.get(&number).copied()) {
                    (true, None) => {
                        let mut moves = Vec::new();
                        let (entry, home) = (entry(number), home(&map, number));
                        let put = map.insert(entry, home, |map, from, to| {
                            moves.push((u64::from(map.at(to).value), from, to));
                        });
                        for (moved, from, to) in moves {
                            prop_assert_eq!(places.insert(moved, to), Some(from));
                        }
                        if let Ok(slot) = put {
                            places.insert(number, slot);
                        } else {
                            prop_assert!(places.len() >= REACH, "full at {}", places.len());
                        }
                    }
                    (false, Some(slot)) => {
                        prop_assert_eq!(u64::from(map.at(slot).value), number);
                        map.remove(slot);
                        places.remove(&number);
                    }
                    (true, Some(_)) | (false, None) => {}
                }
                prop_assert_eq!(map.len(), places.len());
                for number in 1..90 {
                    prop_assert_eq!(find(&map, number).is_some(), places.contains_key(&number));
                }
            }
        }
    }

    #[test]
    fn three_quarters_of_any_number_of_slots_can_be_filled() {
        for slots in [1 << 16, 100_003, 65_535] {
            let mut map = map(slots, 42);
            let target = slots as u64 / 4 * 3;
            let put: Vec<u64> =
                (1..=target).filter(|number| insert(&mut map, *number).is_ok()).collect();
            // Where more than sixteen share a home the last ones are refused.
            let refused = target - put.len() as u64;
            assert!(refused * 1000 < target, "{refused} of {target} are refused");
            assert!(put.into_iter().all(|number| find(&map, number).is_some()));
        }
    }

    #[test]
    fn a_home_that_has_records_has_one_at_home_nearly_always() {
        let mut map = map(1 << 16, 42);
        for number in 1..=(1 << 15) {
            assert!(insert(&mut map, number).is_ok());
        }
        let stands_at_home = |(slot, record): &(u32, &Entry)| map.home(&record.key) == *slot;
        let at_home = map.occupied().filter(stands_at_home).count();
        let homes = (0..1 << 16).filter(|slot| map.at(*slot).neighbours != 0).count();
        assert!(at_home * 100 >= homes * 99, "{at_home} of {homes}");
    }

    #[test]
    fn homes_are_spread_over_all_slots_whatever_their_number() {
        let map = map(1000, 42);
        let mut homes = vec![0u32; 1000];
        (1..=100_000).for_each(|number| homes[map.home(&entry(number).key) as usize] += 1);
        // A fair share is 100; six standard deviations are 60.
        assert!(homes.iter().all(|count| (40..=160).contains(count)), "{homes:?}");
    }

    #[test]
    fn keys_that_share_a_home_are_refused_beyond_its_reach_and_all_others_stay_findable() {
        let mut map = map(1000, 42);
        for number in 1..=500 {
            assert!(insert(&mut map, number).is_ok());
        }
        for home in [0, 500, 993, 999] {
            let aimed = (1_000_000..).filter(|number| map.home(&entry(*number).key) == home);
            let aimed: Vec<_> = aimed.take(40).collect();
            let put: Vec<_> = aimed.iter().map(|number| insert(&mut map, *number)).collect();
            let refused = put.iter().position(Result::is_err);
            assert!(refused.is_some_and(|first| first <= REACH), "{refused:?}");
            for (number, put) in aimed.iter().zip(&put) {
                assert_eq!(find(&map, *number).is_some(), put.is_ok());
            }
            assert!((1..=500).all(|number| find(&map, number).is_some()));
        }
    }

    #[test]
    fn a_map_without_a_free_slot_refuses_and_keeps_everything() {
        let mut map = map(16, 42);
        let put = (1..=100).filter(|number| insert(&mut map, *number).is_ok());
        let put: Vec<_> = put.collect();
        assert_eq!(put.len(), 16);
        assert!(put.iter().all(|number| find(&map, *number).is_some()));
        for number in put {
            let slot = find(&map, number).expect("there");
            assert_eq!(u64::from(map.at(slot).value), number);
            map.remove(slot);
        }
        assert!(map.is_empty() && map.occupied().next().is_none());
    }
}
