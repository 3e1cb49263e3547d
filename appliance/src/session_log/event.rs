//! What does a log tell, with addresses in place of ids?

use weir_core::path::{SessionEvent, SessionRecord};
use weir_core::policy::Snapshot;
use weir_core::units::{Address, MemberId, Transport};

use super::blocks::{BlockChange, BlockEvent};

/// One thing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// When, in milliseconds since 1970.
    pub(super) time: u64,
    pub(super) what: What,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Session(Session),
    Block(Block),
    Shortage(Shortage),
    /// Records that found no room since the process started, and since this was told last.
    Lost {
        records: u64,
        total: u64,
    },
}

/// A session that began or ended. An address is absent where it was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) event: SessionEvent,
    pub(super) protocol: Transport,
    pub(super) source: Option<Address>,
    pub(super) source_port: u16,
    pub(super) translated: Option<Address>,
    pub(super) translated_port: u16,
    /// The host outside, where destinations are wanted.
    pub(super) destination: Option<(Address, u16)>,
}

/// A block of ports that a member got or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) event: BlockEvent,
    pub(super) protocol: Transport,
    pub(super) member: Option<Address>,
    pub(super) address: Address,
    pub(super) first_port: u16,
    pub(super) ports: u16,
}

/// A flow was refused since all ports of its member are used towards its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    pub(super) protocol: Transport,
    pub(super) member: Option<Address>,
    /// The ports that it has.
    pub(super) ports: u32,
}

/// Which addresses ids stand for. What is gone keeps its page until its id is given anew, which is
/// after every flow that names it has ended (`weir_core::compile`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Book {
    members: Vec<Option<Address>>,
    outbound: Vec<Option<Address>>,
}

impl Book {
    /// Whether a snapshot names an address that is not written down.
    pub(super) fn is_behind(&self, snapshot: &Snapshot) -> bool {
        let lacks = |pages: &[Option<Address>], (place, address): (usize, Option<Address>)| {
            address.is_some() && pages.get(place) != Some(&address)
        };
        members_of(snapshot).enumerate().any(|named| lacks(&self.members, named))
            || outbound_of(snapshot).enumerate().any(|named| lacks(&self.outbound, named))
    }

    /// Writes down what a snapshot names.
    pub(super) fn learn(&mut self, snapshot: &Snapshot) {
        enter(&mut self.members, members_of(snapshot));
        enter(&mut self.outbound, outbound_of(snapshot));
    }

    pub(super) fn session(&self, record: &SessionRecord, destinations: bool) -> What {
        let SessionRecord { event, protocol, source_port, port, .. } = *record;
        let look_up = |pages: &[Option<Address>], id| pages.get(id).copied().flatten();
        let destination = (record.destination, record.destination_port);
        What::Session(Session {
            event,
            protocol,
            source: look_up(&self.members, record.member.index()),
            source_port,
            translated: look_up(&self.outbound, record.address.index()),
            translated_port: port,
            destination: destinations.then_some(destination),
        })
    }

    pub(super) fn shortage(&self, member: MemberId, protocol: Transport, ports: u32) -> What {
        let member = self.members.get(member.index()).copied().flatten();
        What::Shortage(Shortage { protocol, member, ports })
    }

    pub(super) fn block(&self, change: &BlockChange) -> What {
        let BlockChange { event, protocol, member, address, first_port, ports } = *change;
        let member = self.members.get(member.index()).copied().flatten();
        What::Block(Block { event, protocol, member, address, first_port, ports })
    }
}

fn members_of(snapshot: &Snapshot) -> impl ExactSizeIterator<Item = Option<Address>> {
    snapshot.members.iter().map(|it| it.live.then_some(it.address))
}

fn outbound_of(snapshot: &Snapshot) -> impl ExactSizeIterator<Item = Option<Address>> {
    snapshot.outbound_addresses.iter().map(|it| it.live.then_some(it.address))
}

fn enter(pages: &mut Vec<Option<Address>>, named: impl ExactSizeIterator<Item = Option<Address>>) {
    pages.resize(pages.len().max(named.len()), None);
    for (page, address) in pages.iter_mut().zip(named) {
        *page = address.or(*page);
    }
}
