//! Which ports have another holder than before?
//!
//! Ports that drain are their member's until the last flow has left them: the table of holders says
//! so, whatever the configuration does.

use std::sync::Arc;

use weir_core::limits::{SNAT_FIRST_PORT, SNAT_GRANULE, SNAT_GRANULES};
use weir_core::policy::{Granules, OutboundAddress};
use weir_core::units::{Address, MemberId, Transport};

/// What became of a block of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockEvent {
    Allocated,
    Released,
}

/// A member got or lost ports, which follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockChange {
    pub(super) event: BlockEvent,
    pub(super) protocol: Transport,
    pub(super) member: MemberId,
    pub(super) address: Address,
    pub(super) first_port: u16,
    pub(super) ports: u16,
}

/// Tells every difference between the holders of ports before and after: what was released first.
/// Addresses keep their place; one that is gone holds nothing.
pub(super) fn each_change(
    before: &[OutboundAddress],
    after: &[OutboundAddress],
    mut tell: impl FnMut(BlockChange),
) {
    for place in 0..before.len().max(after.len()) {
        let [old, new] = [before, after].map(|all| all.get(place).filter(|it| it.live));
        let moved = old.zip(new).is_some_and(|(old, new)| old.address != new.address);
        let pairs = if moved { vec![(old, None), (None, new)] } else { vec![(old, new)] };
        for (old, new) in pairs {
            for protocol in Transport::ALL {
                let [was, is] = [old, new].map(|it| Some(&it?.granules[protocol.index()]));
                let Some(address) = new.or(old).map(|it| it.address) else { continue };
                if was != is {
                    let difference = Difference { was, is, protocol, address };
                    difference.tell(BlockEvent::Released, &mut tell);
                    difference.tell(BlockEvent::Allocated, &mut tell);
                }
            }
        }
    }
}

/// The holders of one address and protocol, before and after.
struct Difference<'a> {
    was: Option<&'a Arc<Granules>>,
    is: Option<&'a Arc<Granules>>,
    protocol: Transport,
    address: Address,
}

impl Difference<'_> {
    fn tell(&self, event: BlockEvent, tell: &mut impl FnMut(BlockChange)) {
        let mut run: Option<BlockChange> = None;
        for granule in 0..GRANULES {
            let first_port = SNAT_FIRST_PORT + granule * SNAT_GRANULE;
            let holder =
                |granules: Option<&Arc<Granules>>| Some(granules?.holder(first_port)?.member);
            let (was, is) = (holder(self.was), holder(self.is));
            let moved = match event {
                _ if was == is => None,
                BlockEvent::Released => was,
                BlockEvent::Allocated => is,
            };
            if let (Some(run), Some(member)) = (&mut run, moved)
                && run.member == member
            {
                run.ports += SNAT_GRANULE;
                continue;
            }
            run.take().into_iter().for_each(&mut *tell);
            let (protocol, address, ports) = (self.protocol, self.address, SNAT_GRANULE);
            run = moved.map(|member| BlockChange {
                event,
                protocol,
                member,
                address,
                first_port,
                ports,
            });
        }
        run.into_iter().for_each(tell);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "granules end below port 65,536")]
const GRANULES: u16 = SNAT_GRANULES as u16;

#[cfg(test)]
mod tests {
    use weir_core::policy::Granule;
    use weir_core::units::WorkerId;

    use super::*;

    const ADDRESS: Address = Address::from_v4_bits(0xcb00_7114);

    /// An address whose TCP ports members hold, by first port and number.
    fn address(blocks: &[(u32, u16, u16)]) -> OutboundAddress {
        let holder = |granule: u16| {
            let port = SNAT_FIRST_PORT + granule * SNAT_GRANULE;
            let holds =
                |(_, first, ports): &&(u32, u16, u16)| (*first..first + ports).contains(&port);
            let (member, ..) = blocks.iter().find(holds)?;
            Some(Granule { member: MemberId(*member), worker: WorkerId(0) })
        };
        let tcp = Granules::of((0..GRANULES).map(holder));
        let mut granules: [Arc<Granules>; Transport::COUNT] = Default::default();
        granules[Transport::Tcp.index()] = Arc::new(tcp);
        OutboundAddress { live: true, address: ADDRESS, granules }
    }

    /// (event, member, first port, ports) of every difference, which is of TCP.
    fn told(
        before: &[OutboundAddress],
        after: &[OutboundAddress],
    ) -> Vec<(BlockEvent, u32, u16, u16)> {
        let mut told = Vec::new();
        each_change(before, after, |it| {
            assert_eq!((it.protocol, it.address), (Transport::Tcp, ADDRESS));
            told.push((it.event, it.member.0, it.first_port, it.ports));
        });
        told
    }

    #[test]
    fn each_difference_of_holders_is_told_once_and_in_one_piece() {
        use BlockEvent::{Allocated, Released};
        let one = || vec![address(&[(1, 1_024, 64), (2, 1_088, 64)])];
        let gone = || vec![OutboundAddress { live: false, ..address(&[(1, 1_024, 64)]) }];
        let both = [(Allocated, 1, 1_024, 64), (Allocated, 2, 1_088, 64)];
        assert_eq!(told(&[], &one()), both, "neighbours are two");
        assert_eq!(told(&one(), &one()), []);
        assert_eq!(told(&gone(), &one()), both);
        let released = both.map(|(_, member, first, ports)| (Released, member, first, ports));
        assert_eq!(told(&one(), &gone()), released);
        assert_eq!(told(&one(), &[]), released);
        let grown = vec![address(&[(1, 1_024, 64), (2, 1_088, 128)])];
        assert_eq!(told(&one(), &grown), [(Allocated, 2, 1_152, 64)], "what it had stays its own");
        let moved = vec![address(&[(2, 1_056, 96)])];
        let expected = [(Released, 1, 1_024, 64), (Allocated, 2, 1_056, 32)];
        assert_eq!(told(&one(), &moved), expected, "released first");
    }
}
