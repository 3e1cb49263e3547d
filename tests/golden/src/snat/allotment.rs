//! Which ports does a snapshot give to whom, and does that agree with itself?
//!
//! The only file of the model that reads the snapshot's tables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use weir_core::policy::Snapshot;
use weir_core::units::{MemberId, Transport, WorkerId};

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
}

/// Who may use what.
#[derive(Clone, Debug)]
pub struct Allotment {
    snapshot: Snapshot,
    members: BTreeMap<Ipv4Addr, MemberId>,
}

/// All protocols that have ports.
pub(super) const PROTOCOLS: [Transport; 2] = [Transport::Tcp, Transport::Udp];

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
            PROTOCOLS.iter().any(|protocol| !self.shares(*member, *protocol).is_empty())
        };
        self.members.keys().copied().filter(has_any).collect()
    }

    /// A member's ports; none if it has no way out.
    #[must_use]
    pub fn shares(&self, member: Ipv4Addr, protocol: Transport) -> Vec<Share> {
        let mapping = self.members.get(&member).and_then(|id| {
            let position = self.snapshot.member(*id)?.mapping(protocol)?;
            self.snapshot.mappings.get(position as usize)
        });
        let Some(mapping) = mapping else { return Vec::new() };
        let address = self.snapshot.outbound_address(mapping.address).expect("a live address");
        let address = ipv4(address.address.to_ip()).expect("outbound addresses are of IPv4");
        let block = Block { address, first: mapping.first_port, ports: mapping.ports };
        vec![Share { worker: mapping.worker, blocks: vec![block] }]
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
            for protocol in PROTOCOLS {
                for share in self.shares(member, protocol) {
                    for outside in share.blocks.iter().flat_map(|block| block.each()) {
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
}

/// The address, if it is of IPv4.
pub(super) const fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
