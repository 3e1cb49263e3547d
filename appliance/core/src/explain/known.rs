//! Who may know the flow of a packet, and under which key?
//!
//! Walks the ownership table of `policy::steer` for the rows that have records, in the order in
//! which the path does. Not here: how owners are asked (the shell).

use super::Question;
use crate::flow::key;
use crate::policy::Snapshot;
use crate::tables::Key;
use crate::units::{Address, RuleId, Transport, WorkerId};

/// The owners that a packet's flow may have, each with the flow's key there; at most two: a
/// member's packet from an endpoint is a reply, or one of a flow of the member's own.
#[must_use]
pub fn owners(snapshot: &Snapshot, question: &Question) -> Vec<(WorkerId, Key)> {
    let Question { protocol, source, destination, .. } = *question;
    let (endpoints, number) = (&snapshot.endpoints, protocol as u8);
    if let Some(rule) = endpoints.frontend(destination.0, destination.1, number) {
        return inbound(snapshot, protocol, source, rule).into_iter().collect();
    }
    let backend = endpoints.member(source.0, source.1, number).flatten();
    let reply = backend.and_then(|it| inbound(snapshot, protocol, destination, it.rule));
    reply.into_iter().chain(outbound(snapshot, question)).chain(back(snapshot, question)).collect()
}

/// A client's flow to a rule's endpoint.
fn inbound(
    snapshot: &Snapshot,
    protocol: Transport,
    client: (Address, u16),
    rule: RuleId,
) -> Option<(WorkerId, Key)> {
    let share = snapshot.rule(rule).filter(|_| protocol == Transport::Tcp)?.owner_share;
    let owner = snapshot.owner.of_client(client.0, client.1, share);
    Some((owner, key::inbound(client.0, client.1, rule)))
}

/// A member's flow to the outside.
fn outbound(snapshot: &Snapshot, question: &Question) -> Option<(WorkerId, Key)> {
    let Question { protocol, source, destination: (far, port), .. } = *question;
    let member = snapshot.hosts.get(source.0).as_member()?;
    let mapping = snapshot.mapping(member, protocol)?;
    // Of several shares, the one that most of the member's flows are at.
    let owner = mapping.share(|| 0, 0)?.worker;
    Some((owner, key::outbound(protocol, member, source.1, far, port)))
}

/// The same flow, seen from outside.
fn back(snapshot: &Snapshot, question: &Question) -> Option<(WorkerId, Key)> {
    let Question { protocol, source: (far, far_port), destination: (near, port), .. } = *question;
    let id = snapshot.hosts.get(near).as_outbound()?;
    let owner = snapshot.outbound_address(id)?.holder(protocol, port)?.worker;
    Some((owner, key::outbound_reply(protocol, id, port, far, far_port)))
}
