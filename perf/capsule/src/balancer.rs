//! Who stands behind the frontend, and who takes a client?
//!
//! A direct table from the client's hash to one of sixteen members: what both contestants ask,
//! with the same numbers, so that they differ in nothing but reading and writing packets.
//! Not here: flows. Neither keeps any.

use weir_core::tables::mix;

/// The frontend's address, 203.0.113.10.
pub const FRONTEND: u32 = 0xcb00_710a;
/// The frontend's TCP port.
pub const FRONTEND_PORT: u16 = 80;
/// The port of every member behind it.
pub const MEMBER_PORT: u16 = 8080;
/// How many members there are.
pub const MEMBERS: u8 = 16;
/// Our Ethernet address.
pub const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The Ethernet address of the gateway, where clients are.
pub const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 2, 0, 1];

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its IPv4 address.
    pub address: u32,
    /// Its Ethernet address.
    pub mac: [u8; 6],
}

/// Members, and who takes whom.
#[derive(Clone, Debug)]
pub struct Balancer {
    members: [Member; MEMBERS as usize],
    selection: Box<[u8; SLOTS]>,
}

impl Default for Balancer {
    fn default() -> Self {
        let mut members = [Member { address: 0, mac: [0; 6] }; MEMBERS as usize];
        for (number, member) in (0..).zip(&mut members) {
            *member = self::member(number);
        }
        let mut selection = Box::new([0; SLOTS]);
        for (slot, choice) in (0u64..).zip(selection.iter_mut()) {
            *choice = mix(slot + 1, 0x9e37_79b9_7f4a_7c15).to_le_bytes()[7] % MEMBERS;
        }
        Self { members, selection }
    }
}

impl Balancer {
    /// The member that takes this client.
    #[inline]
    #[must_use]
    pub fn member_of(&self, client: u32, port: u16) -> Member {
        let key = u64::from(client) << 16 | u64::from(port);
        let [.., low, high] = mix(key, 0x9e37_79b9_7f4a_7c15).to_le_bytes();
        let slot = usize::from(u16::from_le_bytes([low, high]));
        self.members[usize::from(self.selection[slot] % MEMBERS)]
    }
}

/// Member `number`, from 0.
#[must_use]
pub const fn member(number: u8) -> Member {
    Member { address: 0x0a00_000b + number as u32, mac: [2, 0, 0, 1, 0, number] }
}

/// Slots of the selection table.
const SLOTS: usize = 65_536;
