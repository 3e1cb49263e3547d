//! Where are a worker's flows, and whose time has come?

use super::entry::{Entry, NONE};
use super::key;
use super::ports::Holder;
use super::timers::IDLE_TICKS_MAX;
use crate::tables::{Full, Key, Links, PageRequest, Pages, RecordMap, ShortKey, TimingWheel};
use crate::units::{Address, Tick};

/// Of 8 parts of the slots, those that may be filled: beyond, look-ups would wander.
const BOUND_EIGHTHS: usize = 6;
/// Of 8 parts of the slots, those above which the table is under pressure.
const PRESSURE_EIGHTHS: usize = 5;

/// A worker's flows and their timers.
#[derive(Debug)]
pub struct FlowTable {
    records: RecordMap<Entry>,
    wheel: TimingWheel,
    made: u32,
}

impl Links for RecordMap<Entry> {
    fn links(&self, index: u32) -> (u32, u32) {
        let entry = self.at(index);
        (entry.previous, entry.next)
    }

    fn set_previous(&mut self, index: u32, previous: u32) {
        self.at_mut(index).previous = previous;
    }

    fn set_next(&mut self, index: u32, next: u32) {
        self.at_mut(index).next = next;
    }

    fn prefetch(&self, index: u32) {
        RecordMap::prefetch(self, index);
    }
}

impl FlowTable {
    /// A table of `slots` slots on `pages` that begins at `now`; `seed` keys its hash.
    #[must_use]
    pub fn new(slots: usize, seed: u64, now: Tick, pages: PageRequest) -> Self {
        Self {
            records: RecordMap::new(slots, seed, pages),
            wheel: TimingWheel::new(IDLE_TICKS_MAX + 1, now.0),
            made: 0,
        }
    }

    /// How many bytes a table of so many slots takes, timers included.
    #[must_use]
    pub const fn bytes(slots: usize) -> usize {
        RecordMap::<Entry>::bytes(slots) + TimingWheel::bytes(IDLE_TICKS_MAX + 1)
    }

    /// What the table stands on.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.records.pages()
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no records.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records were made so far, modulo 2^32: as long as this stays, what was not found
    /// is not there.
    #[must_use]
    #[inline]
    pub const fn made(&self) -> u32 {
        self.made
    }

    /// How many slots there are; each holds one record or none.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "a slot number is below 2^32")]
    pub const fn slots(&self) -> u32 {
        self.records.capacity() as u32
    }

    /// How many records there may be.
    #[must_use]
    pub const fn bound(&self) -> usize {
        self.records.capacity() * BOUND_EIGHTHS / 8
    }

    /// Whether records should be made only for clients that have proved to be there.
    #[must_use]
    pub const fn is_under_pressure(&self) -> bool {
        self.records.len() >= self.records.capacity() * PRESSURE_EIGHTHS / 8
    }

    /// The home slot of a key.
    #[must_use]
    #[inline]
    pub fn home(&self, key: &Key) -> u32 {
        self.records.home(key)
    }

    /// Asks for the cache line of a slot.
    #[inline]
    pub fn prefetch(&self, slot: u32) {
        self.records.prefetch(slot);
    }

    /// The home slot of the key of an IPv4 flow.
    #[must_use]
    #[inline]
    pub fn home_v4(&self, key: ShortKey) -> u32 {
        self.records.home_short(key)
    }

    /// The slot where the record with `key` is expected, whose line is asked for: to be called
    /// once the home line is there.
    #[inline]
    pub fn look_ahead(&self, key: &Key, home: u32) -> u32 {
        self.records.look_ahead(key, home)
    }

    /// The same for an IPv4 flow.
    #[inline]
    pub fn look_ahead_v4(&self, key: ShortKey, home: u32) -> u32 {
        self.records.look_ahead_short(key, home)
    }

    /// Asks for where a record will look for room whose home is `home`: to be called once the home
    /// line is there, when there is no such record.
    #[inline]
    pub fn prefetch_room(&self, home: u32) {
        self.records.prefetch_room(home);
    }

    /// The slot of the record with `key`, whose home is `home`.
    #[must_use]
    #[inline]
    pub fn find(&self, key: &Key, home: u32) -> Option<u32> {
        self.records.find(key, home)
    }

    /// The slot of the record of an IPv4 flow, wherever it stands.
    #[must_use]
    pub fn find_v4(&self, [far, word]: ShortKey) -> Option<u32> {
        let key = [0, far, word];
        self.find(&key, self.home(&key))
    }

    /// All slots, to change anything but a record's key.
    #[inline]
    pub fn slots_mut(&mut self) -> &mut [Entry] {
        self.records.slots_mut()
    }

    /// The record in a slot.
    #[must_use]
    #[inline]
    pub fn at(&self, slot: u32) -> &Entry {
        self.records.at(slot)
    }

    /// The record in a slot, to change anything but its key.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> &mut Entry {
        self.records.at_mut(slot)
    }

    /// Whether `holder` has a flow on `port` of its outbound address towards a remote endpoint.
    #[must_use]
    pub fn has_port(&self, holder: &Holder, port: u16, remote: Address, remote_port: u16) -> bool {
        let key = key::outbound_reply(holder.protocol, holder.address, port, remote, remote_port);
        let slot = self.find(&key, self.home(&key));
        slot.is_some_and(|slot| self.at(slot).target == holder.member.0)
    }

    /// The other direction's record of an outbound flow.
    #[must_use]
    pub fn partner(&self, slot: u32) -> Option<u32> {
        let partner = self.records.at(slot).partner;
        (partner != NONE).then_some(partner)
    }

    /// Puts a record whose key is not in the table, and whose home is `home`, to be asked after at
    /// `deadline`.
    ///
    /// # Errors
    /// [`Full`] at the bound.
    #[inline]
    pub fn insert(&mut self, entry: Entry, home: u32, deadline: Tick) -> Result<u32, Full> {
        let slot = self.insert_untimed(entry, home)?;
        self.wheel.insert(&mut self.records, slot, deadline.0);
        Ok(slot)
    }

    /// Puts both records of an outbound flow, each with its home; the first one carries the timer.
    /// Returns its slot.
    ///
    /// # Errors
    /// [`Full`] at the bound, with nothing put.
    pub fn insert_pair(
        &mut self,
        (first, first_home): (Entry, u32),
        (second, second_home): (Entry, u32),
        deadline: Tick,
    ) -> Result<u32, Full> {
        let key = first.key;
        self.insert_untimed(first, first_home)?;
        let second = self.insert_untimed(second, second_home);
        // The first may have moved for the second's sake, even if that gave up.
        let first_slot = self.find(&key, first_home).ok_or(Full)?;
        let Ok(second_slot) = second else {
            self.records.remove(first_slot);
            return Err(Full);
        };
        self.records.at_mut(first_slot).partner = second_slot;
        self.records.at_mut(second_slot).partner = first_slot;
        self.wheel.insert(&mut self.records, first_slot, deadline.0);
        Ok(first_slot)
    }

    /// Puts a record without a timer or partner, whose key is not in the table and whose home is
    /// `home`. It stands until [`Self::unreserve`].
    ///
    /// # Errors
    /// [`Full`] at the bound.
    pub fn reserve(&mut self, entry: Entry, home: u32) -> Result<u32, Full> {
        self.insert_untimed(entry, home)
    }

    /// Takes out a record without a timer.
    pub fn unreserve(&mut self, slot: u32) {
        self.records.remove(slot);
    }

    #[inline]
    fn insert_untimed(&mut self, entry: Entry, home: u32) -> Result<u32, Full> {
        if self.len() >= self.bound() {
            return Err(Full);
        }
        self.made = self.made.wrapping_add(1);
        let wheel = &mut self.wheel;
        self.records.insert(entry, home, |records, _, to| {
            wheel.moved(records, to);
            let partner = records.at(to).partner;
            if partner != NONE {
                records.at_mut(partner).partner = to;
            }
        })
    }

    /// The slot of a flow's record that carries its timer, by that of either of its records.
    #[must_use]
    #[inline]
    pub fn timed(&self, slot: u32) -> u32 {
        if self.records.at(slot).previous == NONE {
            self.partner(slot).unwrap_or(slot)
        } else {
            slot
        }
    }

    /// Takes a flow out: its record, and the other direction's if there is one.
    pub fn remove(&mut self, slot: u32) {
        let timed = self.timed(slot);
        self.wheel.forget(&mut self.records, timed);
        if let Some(partner) = self.partner(timed) {
            self.records.remove(partner);
        }
        self.records.remove(timed);
    }

    /// Moves a flow's deadline, which has come nearer.
    pub fn reschedule(&mut self, slot: u32, deadline: Tick) {
        let timed = self.timed(slot);
        self.wheel.remove(&mut self.records, timed);
        self.wheel.insert(&mut self.records, timed, deadline.0);
    }

    /// The next record whose deadline may have come. The caller either [`Self::remove`]s it or
    /// gives it its true deadline by [`Self::reschedule`].
    pub fn next_due(&mut self, now: Tick) -> Option<u32> {
        let slot = self.wheel.expire(&mut self.records, now.0)?;
        // Back into a list at once, so that a record with a timer is always in one.
        self.wheel.insert(&mut self.records, slot, now.0 + 1);
        Some(slot)
    }

    /// The record that is likely to be due next, if it is one of two; the other one's line is asked
    /// for.
    #[inline]
    pub fn prefetch_upcoming(&self) -> Option<&Entry> {
        let entry = self.records.at(self.wheel.upcoming()?);
        if entry.partner == NONE {
            return None;
        }
        self.records.prefetch(entry.partner);
        Some(entry)
    }

    /// All records, one after the other.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.records.occupied().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::flow::TcpState;
    use crate::units::{Generation, MemberId, OutboundAddressId, RuleId, Transport};

    fn single(number: u16) -> Entry {
        let key = key::inbound(Address::from_v4_bits(7), number, RuleId(1));
        Entry::new(key, 0, number, TcpState::NEW, Tick(0), Generation(1))
    }

    fn pair(number: u16) -> (Entry, Entry) {
        let remote = Address::from_v4_bits(9);
        let out = key::outbound(Transport::Tcp, MemberId(1), number, remote, 80);
        let back = key::outbound_reply(Transport::Tcp, OutboundAddressId(0), number, remote, 80);
        let entry = |key| Entry::new(key, 0, number, TcpState::NEW, Tick(0), Generation(1));
        (entry(out), entry(back))
    }

    fn insert(table: &mut FlowTable, entry: Entry, deadline: Tick) -> Result<u32, Full> {
        let home = table.home(&entry.key);
        table.insert(entry, home, deadline)
    }

    fn insert_pair(
        table: &mut FlowTable,
        first: Entry,
        second: Entry,
        deadline: Tick,
    ) -> Result<u32, Full> {
        let homes = [first, second].map(|entry| table.home(&entry.key));
        table.insert_pair((first, homes[0]), (second, homes[1]), deadline)
    }

    proptest! {
        #[test]
        fn flows_live_until_their_deadline_whatever_moves_around_them(
            seed in any::<u64>(),
            slots in 60usize..200,
            steps in prop::collection::vec((0u16..60, any::<bool>(), 1u32..40, 0u32..3), 1..300),
        ) {
            let mut table = FlowTable::new(slots, seed, Tick(0), PageRequest::Transparent);
            let mut model: BTreeMap<(u16, bool), u32> = BTreeMap::new();
            let mut now = Tick(0);
            for (number, paired, ahead, passed) in steps {
                let (first, second) = pair(number);
                let key = if paired { first.key } else { single(number).key };
                if model.remove(&(number, paired)).is_some() {
                    // A pair may be taken out by either of its records.
                    let by = if paired && ahead % 2 == 0 { second.key } else { key };
                    let slot = table.find(&by, table.home(&by));
                    prop_assert!(slot.is_some());
                    let slot = slot.unwrap_or(0);
                    prop_assert_eq!(table.at(table.timed(slot)).key, key);
                    table.remove(slot);
                } else {
                    let deadline = now.after(ahead);
                    let put = if paired {
                        insert_pair(&mut table, first, second, deadline)
                    } else {
                        insert(&mut table, single(number), deadline)
                    };
                    if put.is_ok() {
                        model.insert((number, paired), deadline.0);
                    }
                }
                now = now.after(passed);
                while let Some(slot) = table.next_due(now) {
                    let entry = *table.at(slot);
                    let paired = table.partner(slot).is_some();
                    let deadline = model.remove(&(entry.target_port, paired));
                    prop_assert!(deadline.is_some_and(|deadline| deadline <= now.0));
                    table.remove(slot);
                }
                let records: usize = model.keys().map(|(_, paired)| 1 + usize::from(*paired)).sum();
                prop_assert_eq!(table.len(), records);
            }
        }
    }

    #[test]
    fn a_port_is_its_holders_towards_one_destination_only() {
        let mut table = FlowTable::new(64, 1, Tick(0), PageRequest::Transparent);
        let (first, mut second) = pair(2000);
        second.target = 1;
        assert!(insert_pair(&mut table, first, second, Tick(5)).is_ok());
        let holder = |member| Holder {
            member: MemberId(member),
            address: OutboundAddressId(0),
            protocol: Transport::Tcp,
        };
        let remote = Address::from_v4_bits(9);
        assert!(table.has_port(&holder(1), 2000, remote, 80));
        assert!(!table.has_port(&holder(2), 2000, remote, 80), "it ends, and is not in the way");
        assert!(!table.has_port(&holder(1), 2001, remote, 80));
        assert!(!table.has_port(&holder(1), 2000, remote, 81));
        assert!(!table.has_port(&holder(1), 2000, Address::from_v4_bits(8), 80));
    }

    #[test]
    fn at_the_bound_a_pair_is_refused_whole() {
        let mut table = FlowTable::new(16, 1, Tick(0), PageRequest::Transparent);
        let mut put = 0;
        while table.len() + 1 < table.bound() {
            assert!(insert(&mut table, single(put), Tick(5)).is_ok());
            put += 1;
        }
        let (first, second) = pair(1);
        assert_eq!(insert_pair(&mut table, first, second, Tick(5)), Err(Full));
        assert_eq!(table.find(&first.key, table.home(&first.key)), None);
        assert_eq!(table.len(), usize::from(put));
    }
}
