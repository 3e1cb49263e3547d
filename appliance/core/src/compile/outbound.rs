//! Which blocks of ports do members get, and which workers hold them?
//!
//! A member keeps its block for as long as its size stays and no rule's port falls into it; new
//! blocks go to the lowest gap that nobody holds or held lately, as long as there is one. A member
//! keeps its worker; new members go to the worker with the fewest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::balance::Balance;
use super::identity::Identities;
use crate::config::{Configuration, LoadBalancer, OutboundRule};
use crate::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use crate::policy::{Granule, Granules, OutboundAddress, OutboundMapping, Snapshot};
use crate::units::{Address, MemberId, OutboundAddressId, Transport, WorkerId, ticks_of_seconds};

/// No unbroken block of ports is left for a member, though the sum would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "outbound rule '{rule}': the ports that rules use on {address} leave no unbroken block of \
     {ports} ports for every member; lower allocatedOutboundPorts"
)]
pub struct PortsFragmented {
    /// The outbound rule's name.
    pub rule: String,
    /// The outbound address.
    pub address: Address,
    /// The size of a member's block.
    pub ports: u32,
}

/// Milliseconds that a block which lost its holder rests, where others will do: what its flows'
/// peers still send must not reach another member. As long as the default idle timeout.
const REST_MILLISECONDS: u64 = 240_000;

/// First granule and count.
type Run = (usize, usize);
/// Blocks of one address and protocol.
type Blocks = BTreeMap<MemberId, Run>;

/// What the compiler remembers of outbound ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbound {
    addresses: Identities<Address>,
    blocks: BTreeMap<(OutboundAddressId, Transport), Blocks>,
    workers: BTreeMap<MemberId, WorkerId>,
    mappings: BTreeMap<(MemberId, Transport), u32>,
    /// Blocks that lost their holder, and until when they rest.
    resting: Vec<(u64, (OutboundAddressId, Transport), Run)>,
}

/// What is to be written once everything is known to fit.
#[derive(Default)]
pub(super) struct Plan {
    addresses: Vec<(OutboundAddressId, Address)>,
    bound: usize,
    blocks: BTreeMap<(OutboundAddressId, Transport), Blocks>,
    workers: BTreeMap<MemberId, WorkerId>,
    mappings: Vec<(MemberId, Transport, OutboundMapping)>,
    now: u64,
}

impl Outbound {
    /// Deals ports and workers, changing nothing of what stands.
    pub(super) fn plan(
        &mut self,
        configuration: &Configuration,
        workers: u8,
        balance: &mut Balance,
        now: u64,
    ) -> Result<Plan, PortsFragmented> {
        let mut plan = Plan { now, ..Plan::default() };
        self.resting.retain(|(until, ..)| *until > now);
        for load_balancer in &configuration.load_balancers {
            for rule in &load_balancer.outbound_rules {
                let members: Vec<_> = load_balancer.pools[rule.pool]
                    .members
                    .iter()
                    .map(|member| balance.member(member.address, now))
                    .collect();
                self.deal_workers(&members, workers, &mut plan);
                let address = Address::from(load_balancer.frontends[rule.frontends[0]].address);
                let id = OutboundAddressId(self.addresses.of(&address, now));
                plan.addresses.push((id, address));
                self.plan_rule(configuration, load_balancer, rule, id, &members, &mut plan)?;
            }
        }
        let used: BTreeSet<_> = plan.addresses.iter().map(|(_, address)| *address).collect();
        self.addresses.retain(now, |address| used.contains(address));
        plan.bound = self.addresses.bound();
        Ok(plan)
    }

    fn plan_rule(
        &self,
        configuration: &Configuration,
        load_balancer: &LoadBalancer,
        rule: &OutboundRule,
        id: OutboundAddressId,
        members: &[MemberId],
        plan: &mut Plan,
    ) -> Result<(), PortsFragmented> {
        let address = Address::from(load_balancer.frontends[rule.frontends[0]].address);
        let granules = rule.allocated_outbound_ports as usize / usize::from(SNAT_GRANULE);
        for protocol in rule.protocol.transports() {
            let burned = burned_granules(configuration, address, *protocol);
            let key = (id, *protocol);
            let before = self.blocks.get(&key);
            let blocks = plan.blocks.entry(key).or_default();
            // Best that nobody moves and nothing that was held is touched; then that nobody
            // moves; then that it fits at all.
            let avoided = self.held_by_others(key, members);
            let dealt = [(before, &avoided[..]), (before, &[]), (None, &[])].into_iter().find_map(
                |(kept, avoided)| deal(kept, blocks, members, granules, &burned, avoided),
            );
            *blocks = dealt.ok_or_else(|| PortsFragmented {
                rule: rule.name.clone(),
                address,
                ports: rule.allocated_outbound_ports,
            })?;
            for member in members {
                let worker = plan.workers.get(member).copied().unwrap_or_default();
                let mapping = lower(rule, id, blocks[member], worker);
                plan.mappings.push((*member, *protocol, mapping));
            }
        }
        Ok(())
    }

    /// Blocks that members of other rules hold, that members who left held, and that rest.
    fn held_by_others(
        &self,
        key: (OutboundAddressId, Transport),
        members: &[MemberId],
    ) -> Vec<Run> {
        let held = self.blocks.get(&key).into_iter().flatten();
        let others = held.filter(|(member, _)| !members.contains(member)).map(|(_, run)| *run);
        let resting = self.resting.iter().filter(|(_, of, _)| *of == key).map(|(.., run)| *run);
        others.chain(resting).collect()
    }

    /// Gives each member the worker it had, or the one with the fewest members.
    fn deal_workers(&self, members: &[MemberId], workers: u8, plan: &mut Plan) {
        let mut load = vec![0u32; usize::from(workers.max(1))];
        for (member, worker) in &self.workers {
            load[worker.index()] += u32::from(!plan.workers.contains_key(member));
        }
        for worker in plan.workers.values() {
            load[worker.index()] += 1;
        }
        for member in members {
            if plan.workers.contains_key(member) {
                continue;
            }
            let idlest = (0u8..).zip(&load).min_by_key(|(_, load)| **load).map(|(id, _)| id);
            let idlest = WorkerId(idlest.unwrap_or(0));
            let kept = self.workers.get(member).copied();
            load[idlest.index()] += u32::from(kept.is_none());
            plan.workers.insert(*member, kept.unwrap_or(idlest));
        }
    }

    /// Writes mappings and granules. Returns whether a port has another holder than before.
    pub(super) fn write(&mut self, plan: Plan, next: &mut Snapshot) -> bool {
        let until = plan.now + REST_MILLISECONDS;
        let resting_before = self.resting.len();
        for (key, before) in &self.blocks {
            let after = plan.blocks.get(key);
            let lost = before
                .iter()
                .filter(|(member, run)| after.and_then(|blocks| blocks.get(member)) != Some(run));
            self.resting.extend(lost.map(|(_, run)| (until, *key, *run)));
        }
        let ended = self.resting.len() > resting_before;
        let nobody = Arc::new(Granules::default());
        let gone = OutboundAddress {
            live: false,
            address: Address::default(),
            granules: [Arc::clone(&nobody), nobody],
        };
        let mut addresses = vec![gone; plan.bound];
        for (id, address) in &plan.addresses {
            let granules = [Transport::Tcp, Transport::Udp]
                .map(|protocol| Arc::new(plan.granules(*id, protocol)));
            addresses[id.index()] = OutboundAddress { live: true, address: *address, granules };
        }
        next.outbound_addresses = addresses.into();
        self.mappings = (0u32..)
            .zip(&plan.mappings)
            .map(|(position, (member, protocol, _))| ((*member, *protocol), position))
            .collect();
        next.mappings = plan.mappings.into_iter().map(|(.., mapping)| mapping).collect();
        self.blocks = plan.blocks;
        self.workers = plan.workers;
        ended
    }

    /// The positions of a member's mappings for TCP and UDP.
    pub(super) fn mappings_of(&self, member: MemberId) -> [Option<u32>; 2] {
        [Transport::Tcp, Transport::Udp]
            .map(|protocol| self.mappings.get(&(member, protocol)).copied())
    }
}

impl Plan {
    fn granules(&self, address: OutboundAddressId, protocol: Transport) -> Granules {
        let mut granules = Granules::default();
        let blocks = self.blocks.get(&(address, protocol));
        for (member, (first, count)) in blocks.into_iter().flatten() {
            let worker = self.workers.get(member).copied().unwrap_or_default();
            let holder = Granule { member: *member, worker };
            granules.deal(port_of(*first), ports_of(*count), holder);
        }
        granules
    }
}

/// `blocks` with one for every member besides: the one it had where that still fits, else the
/// lowest gap. `None` when there is no gap for someone.
fn deal(
    before: Option<&Blocks>,
    blocks: &Blocks,
    members: &[MemberId],
    granules: usize,
    burned: &BTreeSet<usize>,
    avoided: &[Run],
) -> Option<Blocks> {
    let mut blocks = blocks.clone();
    let mut taken = vec![false; SNAT_GRANULES];
    burned.iter().for_each(|granule| taken[*granule] = true);
    for (first, count) in blocks.values() {
        taken[*first..first + count].fill(true);
    }
    for member in members {
        let had = before.and_then(|blocks| blocks.get(member));
        let kept = had.filter(|(first, count)| {
            *count == granules && !taken[*first..first + count].contains(&true)
        });
        if let Some((first, count)) = kept {
            taken[*first..first + count].fill(true);
            blocks.insert(*member, (*first, *count));
        }
    }
    for (first, count) in avoided {
        taken[*first..first + count].fill(true);
    }
    for member in members {
        if !blocks.contains_key(member) {
            let first = lowest_gap(&taken, granules)?;
            taken[first..first + granules].fill(true);
            blocks.insert(*member, (first, granules));
        }
    }
    Some(blocks)
}

fn lowest_gap(taken: &[bool], granules: usize) -> Option<usize> {
    let mut run = 0;
    for (granule, is_taken) in taken.iter().enumerate() {
        run = if *is_taken { 0 } else { run + 1 };
        if run == granules {
            return Some(granule + 1 - granules);
        }
    }
    None
}

/// The granules that hold ports of rules on this address (behaviour.md §4.3).
fn burned_granules(
    configuration: &Configuration,
    address: Address,
    protocol: Transport,
) -> BTreeSet<usize> {
    let mut burned = BTreeSet::new();
    for load_balancer in &configuration.load_balancers {
        for rule in &load_balancer.rules {
            let frontend = Address::from(load_balancer.frontends[rule.frontend].address);
            if frontend == address
                && rule.protocol == protocol
                && let Some(offset) = rule.frontend_port.checked_sub(SNAT_FIRST_PORT)
            {
                burned.insert(usize::from(offset / SNAT_GRANULE));
            }
        }
    }
    burned.retain(|granule| *granule < SNAT_GRANULES);
    burned
}

fn lower(
    rule: &OutboundRule,
    address: OutboundAddressId,
    (first, count): (usize, usize),
    worker: WorkerId,
) -> OutboundMapping {
    OutboundMapping {
        address,
        first_port: port_of(first),
        ports: ports_of(count),
        worker,
        idle_ticks: ticks_of_seconds(rule.idle_timeout_minutes * 60),
        tcp_reset: rule.enable_tcp_reset,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "granules end below port 65,536")]
const fn port_of(granule: usize) -> u16 {
    SNAT_FIRST_PORT + granule as u16 * SNAT_GRANULE
}

#[allow(clippy::cast_possible_truncation, reason = "at most 64,000 ports")]
const fn ports_of(granules: usize) -> u16 {
    granules as u16 * SNAT_GRANULE
}
