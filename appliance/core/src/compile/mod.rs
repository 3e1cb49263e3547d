//! What do a valid configuration, health, neighbours and routes mean for workers?
//!
//! ```text
//!   Configuration ─┐                      ┌─ balance   rules, pools, members, endpoints
//!   HealthTable ───┼─► Compiler::compile ─┼─ outbound  blocks of ports, granules, workers
//!                  │                      ├─ instances public addresses of single members
//!   World ─────────┤                      ├─ forward   adjacencies, routes, members
//!   PortFacts ─────┘                      └─ hosts     what an address is to us
//! ```
//!
//! Pure and total. A [`Compiler`] keeps what must outlive one snapshot: ids that
//! objects keep, blocks that members keep, selection tables that pools share. Not here: when to
//! compile and how to publish (the shell), what is valid (`config`).

mod balance;
mod forward;
mod hosts;
mod identity;
mod instances;
mod outbound;
mod targets;

use std::sync::Arc;

pub use targets::{probe_target, probe_targets, rule_view};

use crate::config::{Configuration, OwnService};
use crate::health::HealthTable;
use crate::neighbour::World;
use crate::policy::{OwnAddresses, OwnerFunction, Snapshot};
use crate::telemetry::PortUse;
use crate::units::{Address, Generation, MacAddress, MemberId, RuleId, Transport};

/// What is to be compiled.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What the operator wants.
    pub configuration: &'a Configuration,
    /// What the prober knows.
    pub health: &'a HealthTable,
    /// What the kernel knows.
    pub world: &'a World,
    /// What the devices are, in the order of `appliance.ports`.
    pub facts: &'a [PortFacts],
    /// Milliseconds since the process started.
    pub now_milliseconds: u64,
    /// Which outbound ports are in use, by worker.
    pub port_use: &'a [Arc<PortUse>],
    /// Whose ports are nearly used up: they get more, where they may.
    pub wanting: &'a [(MemberId, Transport)],
}

/// What a device is, whatever the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortFacts {
    /// The port's Ethernet address.
    pub mac: MacAddress,
    /// Whether the device hands over frames whose checksum was left to hardware.
    pub partial_checksums: bool,
}

/// What has changed since the last snapshot, so that the rest is shared with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The configuration.
    pub configuration: bool,
    /// A probe's verdict.
    pub health: bool,
    /// A link, an address, a route or a neighbour.
    pub world: bool,
    /// Who needs outbound ports, and who has ended with some.
    pub ports: bool,
}

impl Changes {
    /// Everything, as at start.
    pub const ALL: Self = Self { configuration: true, health: true, world: true, ports: true };

    /// Whether anything has changed.
    #[must_use]
    pub const fn any(self) -> bool {
        self.configuration || self.health || self.world || self.ports
    }

    /// Both changes together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            configuration: self.configuration || other.configuration,
            health: self.health || other.health,
            world: self.world || other.world,
            ports: self.ports || other.ports,
        }
    }
}

/// What turns inputs into snapshots, and remembers what must stay the same between them.
#[derive(Clone, Debug)]
pub struct Compiler {
    balance: balance::Balance,
    outbound: outbound::Outbound,
    forward: forward::Forward,
    hosts: hosts::Known,
    seed: u64,
    last: Snapshot,
}

impl Compiler {
    /// A compiler for a process with this owner function. Tables that strangers have a say in are
    /// keyed by `seed`, which nobody should be able to predict.
    #[must_use]
    pub fn new(owner: OwnerFunction, seed: u64) -> Self {
        Self {
            balance: balance::Balance::default(),
            outbound: outbound::Outbound::default(),
            forward: forward::Forward::default(),
            hosts: hosts::Known::new(),
            seed,
            last: empty(Arc::new(owner)),
        }
    }

    /// The snapshot that was compiled last; an empty one at first.
    #[must_use]
    pub const fn last(&self) -> &Snapshot {
        &self.last
    }

    /// The id of the rule behind a frontend endpoint, under which it is counted.
    #[must_use]
    pub fn rule_id(&self, frontend: Address, port: u16, protocol: Transport) -> Option<RuleId> {
        self.balance.rule_id(&(frontend, port, protocol))
    }

    /// The id of a member's address, under which it is counted.
    #[must_use]
    pub fn member_id(&self, address: Address) -> Option<MemberId> {
        self.balance.member_id(address)
    }

    /// The next snapshot. What did not change is shared with the last one.
    pub fn compile(&mut self, inputs: Inputs<'_>, changes: Changes) -> Snapshot {
        let mut next = self.last.clone();
        next.generation = Generation(self.last.generation.0 + 1);
        let (configuration, now) = (inputs.configuration, inputs.now_milliseconds);
        let mut ends_flows = false;
        if changes.configuration {
            ends_flows |= self.balance.write(configuration, now, &mut next);
            instances::write(configuration, &self.balance, &mut next);
            next.own_addresses = own_addresses(configuration);
        }
        if changes.configuration || changes.ports {
            ends_flows |= self.outbound.write(inputs, &mut self.balance, &mut next);
        }
        if changes.configuration || changes.health {
            self.balance.write_eligibility(inputs, &mut next);
        }
        if changes.configuration || changes.world {
            self.forward.write(inputs, self.seed, &self.outbound, &mut next);
        }
        if changes.configuration || changes.world || changes.ports {
            hosts::write(inputs, &mut self.hosts, &mut next);
        }
        if ends_flows {
            next.flows_valid_since = next.generation;
        }
        self.last = next.clone();
        next
    }

    /// Whether there are outbound ports to deal anew: their last flows have ended, or who got them
    /// on demand may not need them any more.
    #[must_use]
    pub fn has_ports_to_return(&self, port_use: &[Arc<PortUse>], now_milliseconds: u64) -> bool {
        self.outbound.has_ports_to_return(port_use, now_milliseconds)
    }
}

fn own_addresses(configuration: &Configuration) -> OwnAddresses {
    let allows = |service| configuration.appliance.own_addresses.allow.contains(&service);
    OwnAddresses {
        icmp: allows(OwnService::Icmp),
        bgp: allows(OwnService::Bgp),
        bfd: allows(OwnService::Bfd),
        ssh: allows(OwnService::Ssh),
    }
}

fn empty(owner: Arc<OwnerFunction>) -> Snapshot {
    Snapshot {
        generation: Generation(0),
        flows_valid_since: Generation(0),
        owner,
        endpoints: Arc::default(),
        hosts: Arc::default(),
        rules: Arc::new([]),
        pools: Arc::new([]),
        members: Arc::new([]),
        mappings: Arc::new([]),
        outbound_members: Arc::new([]),
        outbound_addresses: Arc::new([]),
        instance_addresses: Arc::new([]),
        routes: Arc::default(),
        adjacencies: Arc::new([]),
        ports: Arc::new([]),
        own_addresses: OwnAddresses::default(),
    }
}

#[cfg(test)]
mod tests;
