//! Which ports do members get, and which workers hold them?
//!
//! ```text
//!   outbound methods ─► wants: who, which protocol, how many, on which addresses
//!                         │
//!   ports in use ─► books: who has each granule of an address ─► shares, granules
//! ```
//!
//! What a member has, it keeps: its lowest ports when it is to have fewer, all when it is to have
//! more, and its worker. A granule that is taken from it stays with its flows until the last has
//! ended, and is nobody else's before (behaviour.md §4.3). New ports are an unbroken run where
//! there is one.

mod book;
mod grants;
mod wants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Inputs;
use super::balance::Balance;
use crate::config::burned_granules;
use crate::limits::{
    OUTBOUND_ADDRESSES_MAX, SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_PORTS_UNSPREAD_MAX, SNAT_SHARES_MAX,
};
use crate::policy::{Granule, Granules, Member, OutboundAddress, OutboundMapping, PortBlock};
use crate::policy::{Share, Snapshot};
use crate::telemetry::PortUse;
use crate::units::{Address, MemberId, OutboundAddressId, Transport, WorkerId};
use book::Book;
use grants::Grants;
use wants::{Want, wants};

/// Ports of one address for one protocol.
type BookId = (OutboundAddressId, Transport);
/// Whose flows of which protocol.
type Holding = (MemberId, Transport);

/// A granule that a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    address: OutboundAddressId,
    granule: usize,
    worker: WorkerId,
    /// It was taken from the member, and still has flows.
    draining: bool,
}

/// What the compiler remembers of outbound ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbound {
    /// Addresses that have a method, or still have flows.
    addresses: BTreeMap<Address, OutboundAddressId>,
    books: BTreeMap<BookId, Book>,
    workers: BTreeMap<MemberId, WorkerId>,
    mappings: BTreeMap<Holding, u32>,
    grants: Grants,
}

impl Outbound {
    /// Deals ports and writes mappings and granules. Returns whether somebody lost ports or may not
    /// leave any more.
    pub(super) fn write(
        &mut self,
        inputs: Inputs<'_>,
        balance: &mut Balance,
        next: &mut Snapshot,
    ) -> bool {
        let mut wants = wants(inputs, balance);
        let workers = next.owner.workers();
        self.deal_workers(&wants, workers);
        self.name_addresses(&mut wants);
        let freed = self.take_back(inputs, &wants);
        let held = self.held();
        self.grants.update(inputs, &held, &mut wants);
        self.give_up(inputs, &wants);
        let mut is_short = self.deal(inputs, &wants, workers, Want::granules);
        if is_short && self.grants.any() {
            self.grants.revoke(&mut wants);
            self.give_up(inputs, &wants);
            is_short = self.deal(inputs, &wants, workers, Want::granules);
        }
        if !is_short {
            self.deal(inputs, &wants, workers, Want::all_granules);
        }
        self.write_addresses(next);
        let lost = self.write_mappings(&wants, next);
        self.forget_addresses(&wants);
        freed || lost
    }

    /// The positions of a member's mappings.
    pub(super) fn mappings_of(&self, member: MemberId) -> [u32; Transport::COUNT] {
        Transport::ALL.map(|protocol| {
            self.mappings.get(&(member, protocol)).copied().unwrap_or(Member::NO_MAPPING)
        })
    }

    /// Whether the last flow has ended in a granule that was taken from a member, or ports on
    /// demand are due.
    pub(super) fn has_ports_to_return(&self, port_use: &[Arc<PortUse>], now: u64) -> bool {
        let drained = |(id, book): (&BookId, &Book)| {
            let mut drained = book.drained(now);
            drained.any(|granule| !is_used(port_use, *id, granule))
        };
        self.grants.is_due(now) || self.books.iter().any(drained)
    }

    /// Gives each member the worker it had, or the one with the fewest members.
    fn deal_workers(&mut self, wants: &[Want], workers: u8) {
        let members: BTreeSet<_> = wants.iter().map(|want| want.member).collect();
        self.workers.retain(|member, _| members.contains(member));
        let mut load = vec![0u32; usize::from(workers.max(1))];
        for worker in self.workers.values() {
            load[worker.index()] += 1;
        }
        for member in members {
            let idlest = (0u8..).zip(&load).min_by_key(|(_, load)| **load).map_or(0, |(id, _)| id);
            self.workers.entry(member).or_insert_with(|| {
                load[usize::from(idlest)] += 1;
                WorkerId(idlest)
            });
        }
    }

    /// Gives every address an id; one beyond the bound is left out.
    fn name_addresses(&mut self, wants: &mut [Want]) {
        for want in wants {
            for address in &want.addresses {
                if self.addresses.contains_key(address) {
                    continue;
                }
                let taken: BTreeSet<_> = self.addresses.values().copied().collect();
                let free = (0u32..).map(OutboundAddressId).find(|id| !taken.contains(id));
                if let Some(id) = free.filter(|id| id.index() < OUTBOUND_ADDRESSES_MAX) {
                    self.addresses.insert(*address, id);
                }
            }
            let ids = want.addresses.iter().filter_map(|it| self.addresses.get(it).copied());
            want.ids = ids.collect();
        }
    }

    /// Takes granules from members that may not have them any more: those that rules listen on, and
    /// those of members or addresses that are out of the method. Returns whether any became free.
    fn take_back(&mut self, inputs: Inputs<'_>, wants: &[Want]) -> bool {
        let mut wanted: BTreeMap<Holding, &[OutboundAddressId]> = BTreeMap::new();
        wanted.extend(wants.iter().map(|want| (want.holding(), &want.ids[..])));
        for want in wants {
            for id in &want.ids {
                self.books.entry((*id, want.protocol)).or_default();
            }
        }
        let mut freed = false;
        for (address, id) in &self.addresses {
            for protocol in Transport::ALL {
                let Some(book) = self.books.get_mut(&(*id, protocol)) else { continue };
                let burned = burned_granules(inputs.configuration, *address, protocol).collect();
                let may_keep = |member| {
                    wanted.get(&(member, protocol)).is_some_and(|addresses| addresses.contains(id))
                };
                let is_gone = |member| !wanted.contains_key(&(member, protocol));
                let is_used = |granule| is_used(inputs.port_use, (*id, protocol), granule);
                let (now, may) = (inputs.now_milliseconds, (may_keep, is_gone));
                freed |= book.take_back(now, burned, may, is_used);
            }
        }
        freed
    }

    /// What each member has.
    fn held(&self) -> BTreeMap<Holding, Vec<Held>> {
        let mut all: BTreeMap<Holding, Vec<Held>> = BTreeMap::new();
        for ((address, protocol), book) in &self.books {
            for (granule, holder, draining) in book.held() {
                let held = Held { address: *address, granule, worker: holder.worker, draining };
                all.entry((holder.member, *protocol)).or_default().push(held);
            }
        }
        all
    }

    /// Takes from members what they have beyond what they are to have: their highest ports.
    fn give_up(&mut self, inputs: Inputs<'_>, wants: &[Want]) {
        let held = self.held();
        for want in wants {
            let held = held.get(&want.holding()).map_or(&[][..], Vec::as_slice);
            let kept = want.in_order(held).filter(|held| !held.draining);
            for excess in kept.skip(want.all_granules()) {
                if let Some(book) = self.books.get_mut(&(excess.address, want.protocol)) {
                    book.give_up(excess.granule, inputs.now_milliseconds);
                }
            }
        }
    }

    /// Gives members what they lack of so many granules. Returns whether anybody is short of some.
    fn deal(
        &mut self,
        inputs: Inputs<'_>,
        wants: &[Want],
        workers: u8,
        target: impl Fn(&Want) -> usize,
    ) -> bool {
        let held = self.held();
        let mut is_short = false;
        for want in wants {
            let held = held.get(&want.holding()).map_or(&[][..], Vec::as_slice);
            is_short |= self.deal_one(inputs, (want, target(want)), held, workers) > 0;
        }
        is_short
    }

    /// Gives a member what it lacks; returns how many granules there were not.
    fn deal_one(
        &mut self,
        inputs: Inputs<'_>,
        (want, target): (&Want, usize),
        held: &[Held],
        workers: u8,
    ) -> usize {
        let mut kept: Vec<Held> = want.in_order(held).filter(|held| !held.draining).collect();
        let mut lacking = target.saturating_sub(kept.len());
        let mut draining = want.in_order(held).filter(|held| held.draining);
        while let Some(own) = draining.next().filter(|_| lacking > 0) {
            let is_wanted = want.ids.contains(&own.address);
            let book = self.books.get_mut(&(own.address, want.protocol));
            if book.is_some_and(|book| is_wanted && book.keep(own.granule)) {
                kept.push(own);
                lacking -= 1;
            }
        }
        let mut dealer = self.dealer(want, &kept, workers);
        for (is_whole, now) in [
            (true, inputs.now_milliseconds),
            (true, u64::MAX),
            (false, inputs.now_milliseconds),
            (false, u64::MAX),
        ] {
            for id in &want.ids {
                let Some(book) = self.books.get_mut(&(*id, want.protocol)) else { continue };
                let wanted = if lacking == 0 { break } else { lacking };
                for run in book.free_runs(wanted, is_whole, now) {
                    lacking -= run.len();
                    run.for_each(|granule| book.deal(granule, dealer.next()));
                }
            }
        }
        lacking
    }

    /// Who holds the granules that a member gets, one after the other.
    fn dealer(&self, want: &Want, kept: &[Held], workers: u8) -> Dealer {
        let first = self.workers.get(&want.member).copied().unwrap_or_default();
        let shares = shares(want.ports + want.on_demand, workers);
        let share_of = want.all_granules().div_ceil(shares).max(1);
        let workers = (0..shares).map(|share| {
            #[allow(clippy::cast_possible_truncation, reason = "a remainder of a number of 8 bits")]
            let worker = WorkerId(((first.index() + share) % usize::from(workers.max(1))) as u8);
            let had = kept.iter().filter(|held| held.worker == worker).count();
            (worker, share_of.saturating_sub(had))
        });
        Dealer { member: want.member, first, workers: workers.collect() }
    }

    fn write_addresses(&mut self, next: &mut Snapshot) {
        let nobody = Arc::new(Granules::default());
        let gone = OutboundAddress {
            live: false,
            address: Address::default(),
            granules: Transport::ALL.map(|_| Arc::clone(&nobody)),
        };
        let bound = self.addresses.values().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut addresses = vec![gone; bound];
        for (address, id) in &self.addresses {
            let granules = Transport::ALL.map(|protocol| {
                let book = self.books.get_mut(&(*id, protocol));
                book.map_or_else(|| Arc::clone(&nobody), Book::granules)
            });
            addresses[id.index()] = OutboundAddress { live: true, address: *address, granules };
        }
        next.outbound_addresses = addresses.into();
    }

    /// Writes who may use which ports. Returns whether flows of somebody may not leave any more.
    fn write_mappings(&mut self, wants: &[Want], next: &mut Snapshot) -> bool {
        let held = self.held();
        let mut members = vec![BTreeSet::new(); usize::from(next.owner.workers().max(1))];
        let mappings: Arc<[OutboundMapping]> = wants
            .iter()
            .map(|want| {
                let held = held.get(&want.holding()).map_or(&[][..], Vec::as_slice);
                let first = self.workers.get(&want.member).copied().unwrap_or_default();
                let mapping = want.mapping(shares_of(want, held, first));
                for share in &mapping.shares {
                    members[share.worker.index()].insert(want.member);
                }
                mapping
            })
            .collect();
        if *mappings != *next.mappings {
            next.mappings = mappings;
        }
        let counts = members.iter().map(|members| u32::try_from(members.len()).unwrap_or(u32::MAX));
        next.outbound_members = counts.collect();
        let positions: BTreeMap<_, _> =
            (0u32..).zip(wants).map(|(position, want)| (want.holding(), position)).collect();
        let lost = self.mappings.keys().any(|holding| !positions.contains_key(holding));
        self.mappings = positions;
        lost
    }

    /// Forgets addresses without a method whose last flow has ended.
    fn forget_addresses(&mut self, wants: &[Want]) {
        let wanted: BTreeSet<_> = wants.iter().flat_map(|want| &want.ids).copied().collect();
        self.books.retain(|(id, _), book| wanted.contains(id) || !book.is_free());
        let used: BTreeSet<_> = self.books.keys().map(|(id, _)| *id).collect();
        self.addresses.retain(|_, id| wanted.contains(id) || used.contains(id));
    }
}

/// Deals granules over a member's workers.
struct Dealer {
    member: MemberId,
    first: WorkerId,
    /// How many granules each is still to get.
    workers: Vec<(WorkerId, usize)>,
}

impl Dealer {
    fn next(&mut self) -> Granule {
        let member = self.member;
        let with_room = self.workers.iter_mut().find(|(_, room)| *room > 0);
        let worker = with_room.map_or(self.first, |(worker, room)| {
            *room -= 1;
            *worker
        });
        Granule { member, worker }
    }
}

/// How many workers hold the ports of one member.
fn shares(ports: u32, workers: u8) -> usize {
    let shares = ports.div_ceil(SNAT_PORTS_UNSPREAD_MAX).max(1) as usize;
    shares.min(SNAT_SHARES_MAX).min(usize::from(workers.max(1)))
}

/// What a member has, by workers: the one that it was dealt to first, and those who only have flows
/// left in what was taken from it last.
fn shares_of(want: &Want, held: &[Held], first: WorkerId) -> Box<[Share]> {
    let mut by_worker: BTreeMap<(bool, u8), Vec<PortBlock>> = BTreeMap::new();
    let rank = |worker: WorkerId| worker.0.wrapping_sub(first.0);
    let mut dealt: BTreeSet<u8> = BTreeSet::new();
    dealt.extend(held.iter().filter(|held| !held.draining).map(|held| rank(held.worker)));
    if dealt.is_empty() {
        dealt.insert(0);
    }
    for rank in &dealt {
        by_worker.insert((false, *rank), Vec::new());
    }
    for held in want.in_order(held) {
        let rank = rank(held.worker);
        let blocks = by_worker.entry((!dealt.contains(&rank), rank)).or_default();
        if !held.draining {
            append(blocks, held.address, port_of(held.granule));
        }
    }
    let share = |((_, rank), blocks): ((bool, u8), Vec<PortBlock>)| Share {
        worker: WorkerId(rank.wrapping_add(first.0)),
        blocks: blocks.into(),
    };
    by_worker.into_iter().map(share).collect()
}

/// Adds a granule to blocks, to the last one if it goes on there.
fn append(blocks: &mut Vec<PortBlock>, address: OutboundAddressId, first_port: u16) {
    match blocks.last_mut() {
        Some(last) if last.address == address && last.range().end == first_port => {
            last.ports += SNAT_GRANULE;
        }
        _ => blocks.push(PortBlock { address, first_port, ports: SNAT_GRANULE }),
    }
}

/// Whether any worker has flows in a granule.
fn is_used(port_use: &[Arc<PortUse>], (address, protocol): BookId, granule: usize) -> bool {
    port_use.iter().any(|worker| worker.of_granule(address, protocol, granule) > 0)
}

#[allow(clippy::cast_possible_truncation, reason = "granules end below port 65,536")]
const fn port_of(granule: usize) -> u16 {
    SNAT_FIRST_PORT + granule as u16 * SNAT_GRANULE
}
