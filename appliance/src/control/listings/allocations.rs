//! Which outbound ports may which member use, and how many of them does it?
//!
//! A member's ports are shown address by address, with what belongs to none of them (flows that
//! were refused, history) beside the first one.

use weir_core::api::{SnatAllocation, SnatBlock};
use weir_core::policy::{OutboundMapping, Snapshot};

use crate::control::exhaustion::MemberPorts;

/// The ports of one member and protocol: a row for each address, in the order in which they are
/// used.
pub(super) fn rows(
    one: &MemberPorts,
    snapshot: &Snapshot,
    flows_refused: u64,
) -> Vec<SnatAllocation> {
    let Some(mapping) = mapping(one, snapshot) else { return Vec::new() };
    let address = snapshot.outbound_addresses.get(mapping.address.index());
    let last_port = u32::from(mapping.first_port) + u32::from(mapping.ports).saturating_sub(1);
    let block = SnatBlock {
        first_port: mapping.first_port,
        last_port: u16::try_from(last_port).unwrap_or(u16::MAX),
        worker: mapping.worker.0,
    };
    vec![SnatAllocation {
        rule: one.source.rule.clone(),
        member: one.member.to_string(),
        address: address.map_or_else(String::new, |it| it.address.to_string()),
        protocol: one.protocol.to_string(),
        blocks: vec![block],
        ports_allocated: one.allocated,
        ports_used: one.used,
        ports_awaiting_removal: 0,
        flows_refused,
        history: None,
    }]
}

fn mapping<'a>(one: &MemberPorts, snapshot: &'a Snapshot) -> Option<&'a OutboundMapping> {
    let position = snapshot.member(one.id)?.mapping(one.protocol)?;
    snapshot.mappings.get(position as usize)
}
