//! Which members have a public address of their own?
//!
//! No flow record names such an address, so ids mean something in one snapshot only.

use crate::config::Configuration;
use crate::policy::{InstanceAddress, Snapshot};
use crate::units::InstanceAddressId;

use super::balance::Balance;

/// Writes the public addresses of members, which have been written already.
pub(super) fn write(configuration: &Configuration, balance: &Balance, next: &mut Snapshot) {
    let instances = configuration.instances().filter_map(|(host, public)| {
        let member = balance.member_id(host.address.into())?;
        Some(InstanceAddress::of(member, public.into(), host.enable_inbound))
    });
    next.instance_addresses = instances.collect();
    if next.instance_addresses.is_empty() {
        return;
    }
    let mut members = next.members.to_vec();
    for (id, instance) in (0u32..).zip(next.instance_addresses.iter()) {
        if let Some(member) = members.get_mut(instance.member.index()) {
            member.instance = Some(InstanceAddressId(id));
        }
    }
    next.members = members.into();
}
