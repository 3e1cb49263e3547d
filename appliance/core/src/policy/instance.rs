//! Which public address is one member's alone?
//!
//! An instance-level public address (behaviour.md §4.1): whatever the member sends to the outside
//! gets it, whatever comes to it goes to the member. Not here: addresses that members share
//! (`outbound`).

use crate::units::{Address, MemberId};
use crate::wire::Share;

/// The public address of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceAddress {
    /// The address.
    pub public: Address,
    /// The member, which need not be in any pool.
    pub member: MemberId,
    /// Whether hosts outside may open TCP connections to it.
    pub inbound: bool,
    /// The address's share in what the translation changes in checksums; ports stay.
    pub share: Share,
}

impl InstanceAddress {
    /// The public address of `member`.
    #[must_use]
    pub const fn of(member: MemberId, public: Address, inbound: bool) -> Self {
        Self { public, member, inbound, share: Share::of_frontend(public, 0, 0) }
    }
}
