//! Which ports does a snapshot give to whom, and does that agree with itself?
//!
//! The only file of the model that reads the snapshot's tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use weir_core::path::Worker;
use weir_core::policy::{OutboundMapping, PortBlock, Snapshot};
use weir_core::units::{MemberId, OutboundAddressId, Transport, WorkerId};

/// Ports in a row on one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The outbound address.
    pub address: Ipv4Addr,
    /// The first port.
    pub first: u16,
    /// How many.
    pub ports: u16,
}

/// A member's ports that one worker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The worker.
    pub worker: WorkerId,
    /// Its blocks, in the order in which they are used.
    pub blocks: Vec<Block>,
}

impl Block {
    /// Its ports, lowest first.
    pub fn each(self) -> impl Iterator<Item = SocketAddrV4> {
        let ports = (0..self.ports).map(move |place| self.first + place);
        ports.map(move |port| SocketAddrV4::new(self.address, port))
    }

    /// The first port of each eight.
    fn granules(self) -> impl Iterator<Item = SocketAddrV4> {
        self.each().step_by(8)
    }
}

impl Share {
    /// Its ports, in the order in which they are used.
    pub fn each(&self) -> impl Iterator<Item = SocketAddrV4> {
        self.blocks.iter().flat_map(|block| block.each())
    }
}

/// Who may use what.
#[derive(Clone, Debug)]
pub struct Allotment {
    snapshot: Snapshot,
    members: BTreeMap<Ipv4Addr, MemberId>,
}

impl Allotment {
    /// That of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let members = (0u32..).map(MemberId).zip(snapshot.members.iter());
        let members = members.filter(|(_, member)| member.live);
        let members = members.filter_map(|(id, member)| Some((ipv4(member.address.to_ip())?, id)));
        Self { snapshot: snapshot.clone(), members: members.collect() }
    }

    /// Whether a pool has this member.
    #[must_use]
    pub fn is_member(&self, address: Ipv4Addr) -> bool {
        self.members.contains_key(&address)
    }

    /// The members that have ports.
    #[must_use]
    pub fn members(&self) -> Vec<Ipv4Addr> {
        let has_any = |member: &Ipv4Addr| {
            Transport::ALL.iter().any(|protocol| !self.shares(*member, *protocol).is_empty())
        };
        self.members.keys().copied().filter(has_any).collect()
    }

    /// Whether the flows of a member and protocol may leave.
    #[must_use]
    pub fn may_leave(&self, member: Ipv4Addr, protocol: Transport) -> bool {
        self.mapping(member, protocol).is_some()
    }

    fn mapping(&self, member: Ipv4Addr, protocol: Transport) -> Option<&OutboundMapping> {
        self.snapshot.mapping(*self.members.get(&member)?, protocol)
    }

    /// A member's ports; none if it has no way out.
    #[must_use]
    pub fn shares(&self, member: Ipv4Addr, protocol: Transport) -> Vec<Share> {
        let Some(mapping) = self.mapping(member, protocol) else { return Vec::new() };
        let shares = mapping.shares.iter().map(|share| Share {
            worker: share.worker,
            blocks: share.blocks.iter().map(|block| self.block(block)).collect(),
        });
        shares.collect()
    }

    fn block(&self, block: &PortBlock) -> Block {
        let address = self.snapshot.outbound_address(block.address).expect("a live address");
        let address = ipv4(address.address.to_ip()).expect("outbound addresses are of IPv4");
        Block { address, first: block.first_port, ports: block.ports }
    }

    /// How many ports a member may use.
    #[must_use]
    pub fn ports(&self, member: Ipv4Addr, protocol: Transport) -> u32 {
        let shares = self.shares(member, protocol);
        shares.iter().flat_map(|share| &share.blocks).map(|block| u32::from(block.ports)).sum()
    }

    /// Who holds a port, living flows of the past included: the member and the worker.
    #[must_use]
    pub fn holder(
        &self,
        outside: SocketAddrV4,
        protocol: Transport,
    ) -> Option<(Ipv4Addr, WorkerId)> {
        let mut addresses = self.snapshot.outbound_addresses.iter();
        let address = addresses
            .find(|it| it.live && it.address.to_ip() == IpAddr::V4(*outside.ip()))?
            .holder(protocol, outside.port())?;
        let member = self.snapshot.members.get(address.member.index())?;
        Some((ipv4(member.address.to_ip())?, address.worker))
    }

    /// Sees that no port is two members', and that what members have is also held by them.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut owners = BTreeMap::new();
        for member in self.members() {
            for protocol in Transport::ALL {
                for share in self.shares(member, protocol) {
                    for outside in share.blocks.iter().flat_map(|block| block.granules()) {
                        if let Some(other) = owners.insert((outside, protocol), member) {
                            return Err(format!("{outside} is {member}'s and {other}'s"));
                        }
                        let holder = self.holder(outside, protocol);
                        if holder != Some((member, share.worker)) {
                            return Err(format!(
                                "{outside} is {member}'s on {:?}, and held by {holder:?}",
                                share.worker
                            ));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Sees that every port which is held is one that its member may use.
    ///
    /// # Errors
    /// A sentence about one that is not.
    pub fn check_that_nothing_drains(&self) -> Result<(), String> {
        for (outside, protocol) in self.all_granules() {
            let Some((member, _)) = self.holder(outside, protocol) else { continue };
            let shares = self.shares(member, protocol);
            let mut blocks = shares.iter().flat_map(|share| &share.blocks);
            if !blocks.any(|block| block.granules().any(|granule| granule == outside)) {
                return Err(format!("{member} still holds {outside}"));
            }
        }
        Ok(())
    }

    /// Sees that no worker tells of a port in use.
    ///
    /// # Errors
    /// A sentence about some that are.
    pub fn check_that_nothing_is_used(&self, workers: &[Worker]) -> Result<(), String> {
        for place in 0..self.snapshot.outbound_addresses.len() {
            let address = OutboundAddressId(u32::try_from(place).expect("few"));
            for (protocol, worker) in
                Transport::ALL.iter().flat_map(|it| workers.iter().map(move |worker| (*it, worker)))
            {
                let used = worker.port_use.of_block(address, protocol, 1024, 64_000);
                if used > 0 {
                    return Err(format!("{used} ports of {address:?} are in use for {protocol}"));
                }
            }
        }
        Ok(())
    }

    /// The first of each eight ports of all addresses, for each protocol.
    fn all_granules(&self) -> impl Iterator<Item = (SocketAddrV4, Transport)> {
        let addresses = self.snapshot.outbound_addresses.iter().filter(|it| it.live);
        let addresses = addresses.filter_map(|it| ipv4(it.address.to_ip()));
        let blocks = addresses.map(|address| Block { address, first: 1024, ports: 64_000 });
        let granules = blocks.flat_map(Block::granules);
        granules.flat_map(|granule| Transport::ALL.map(|protocol| (granule, protocol)))
    }

    /// Sees that members kept, of the ports that they had `before` on these addresses, the lowest
    /// ones, and all of them unless they have fewer now.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn check_against(&self, before: &Self, addresses: &[Ipv4Addr]) -> Result<(), String> {
        for member in self.members() {
            for protocol in Transport::ALL {
                let (had, has) = (before.shares(member, protocol), self.shares(member, protocol));
                let ([had], [has]) = (&had[..], &has[..]) else { continue };
                let had: Vec<_> =
                    had.each().filter(|outside| addresses.contains(outside.ip())).collect();
                let has: Vec<_> = has.each().collect();
                let kept = had.len().min(has.len());
                if had[..kept].iter().any(|outside| !has.contains(outside)) {
                    return Err(format!("{member} had {had:?} and has {has:?}"));
                }
            }
        }
        Ok(())
    }
}

/// The address, if it is of IPv4.
pub(super) const fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
