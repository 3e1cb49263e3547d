//! What stands at this address, port and protocol?

use crate::tables::{FlatMap, Key};
use crate::units::{Address, MemberId, RuleId};
use crate::wire::EndpointV4;

use super::Backend;

/// What identifies an endpoint: address, port, IP protocol number.
pub type Endpoint = (Address, u16, u8);

/// A map from endpoints to words, with one table per address family.
#[derive(Clone, Debug, Default)]
pub struct EndpointMap {
    v4: FlatMap<u64>,
    v6: FlatMap<Key>,
}

impl EndpointMap {
    /// A map of `entries`; of two entries with the same key the later one counts.
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (Endpoint, u64)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for ((address, port, protocol), value) in entries {
            if address.is_v4() {
                v4.push((EndpointV4::new(address, port, protocol).0, value));
            } else {
                v6.push((wide(address, port, protocol), value));
            }
        }
        Self { v4: FlatMap::build(v4), v6: FlatMap::build(v6) }
    }

    /// What stands at this endpoint.
    #[must_use]
    #[inline]
    pub fn get(&self, address: Address, port: u16, protocol: u8) -> Option<u64> {
        if address.is_v4() {
            self.get_v4(EndpointV4::new(address, port, protocol))
        } else {
            self.v6.get(&wide(address, port, protocol))
        }
    }

    /// The same for an endpoint of IPv4.
    #[must_use]
    #[inline]
    pub fn get_v4(&self, endpoint: EndpointV4) -> Option<u64> {
        self.v4.get(&endpoint.0)
    }
}

#[inline]
const fn wide(address: Address, port: u16, protocol: u8) -> Key {
    [address.high, address.low, (protocol as u64) << 16 | port as u64]
}

/// Whose endpoint it is that packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One member's in its role behind one rule.
    Backend(Backend),
    /// Several rules lead to it.
    Ambiguous,
}

impl Origin {
    const AMBIGUOUS: u64 = u64::MAX;

    /// The origin as a value of an [`EndpointMap`].
    #[must_use]
    pub const fn to_word(self) -> u64 {
        match self {
            Self::Backend(Backend { rule, member }) => (rule.0 as u64) << 32 | member.0 as u64,
            Self::Ambiguous => Self::AMBIGUOUS,
        }
    }

    /// The origin that a value stands for.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
    pub const fn from_word(word: u64) -> Self {
        if word == Self::AMBIGUOUS {
            return Self::Ambiguous;
        }
        Self::Backend(Backend { rule: RuleId((word >> 32) as u32), member: MemberId(word as u32) })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn both_families_are_told_apart_by_every_part() {
        let address = |text: &str| -> Address { text.parse::<IpAddr>().expect("one").into() };
        let entries = [
            ((address("203.0.113.10"), 80, 6), 1),
            ((address("203.0.113.10"), 80, 17), 2),
            ((address("203.0.113.10"), 81, 6), 3),
            ((address("2001:db8::10"), 80, 6), 4),
            ((address("2001:db8:0:1::10"), 80, 6), 5),
        ];
        let map = EndpointMap::build(entries);
        for ((address, port, protocol), value) in entries {
            assert_eq!(map.get(address, port, protocol), Some(value), "{address} {port}");
        }
        assert_eq!(map.get(address("::ffff:203.0.113.11"), 80, 6), None);
        assert_eq!(map.get(address("2001:db8::10"), 81, 6), None);
    }

    #[test]
    fn origins_survive_their_words() {
        let backend = Backend { rule: RuleId(0x00ff_ffff), member: MemberId(0x00ff_ffff) };
        for origin in [Origin::Backend(backend), Origin::Ambiguous] {
            assert_eq!(Origin::from_word(origin.to_word()), origin);
        }
    }
}
