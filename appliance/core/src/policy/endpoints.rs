//! What stands at this address, port and protocol?

use zerocopy::big_endian::{U16, U32};

use crate::tables::{FlatMap, Key};
use crate::units::{Address, MemberId, RuleId};

use super::Backend;

/// What identifies an endpoint: address, port, IP protocol number.
pub type Endpoint = (Address, u16, u8);

/// What stands at an endpoint: a frontend's, or a member's behind one rule or several. One
/// endpoint may be both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A frontend's, with the rule for it.
    Frontend(RuleId),
    /// A member's in its role behind one rule.
    Member(Backend),
    /// A member's, which several rules lead to.
    Ambiguous,
}

/// The word of a [`Standing`]: member:32 │ rule:32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StandingWord(u64);

impl StandingWord {
    /// A member that there is not.
    const NOBODY: u32 = u32::MAX;
    const AMBIGUOUS: Self = Self(u64::MAX);

    /// The word of what stands there.
    #[must_use]
    pub const fn new(standing: Standing) -> Self {
        match standing {
            Standing::Frontend(rule) => Self((Self::NOBODY as u64) << 32 | rule.0 as u64),
            Standing::Member(it) => Self((it.member.0 as u64) << 32 | it.rule.0 as u64),
            Standing::Ambiguous => Self::AMBIGUOUS,
        }
    }

    /// Whether several rules lead there.
    #[must_use]
    #[inline]
    pub const fn is_ambiguous(self) -> bool {
        self.0 == Self::AMBIGUOUS.0
    }

    /// The rule, unless there are several.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    pub const fn rule(self) -> RuleId {
        RuleId(self.0 as u32)
    }

    /// The member, if it is a member's.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half")]
    pub const fn member(self) -> MemberId {
        MemberId((self.0 >> 32) as u32)
    }
}

/// An endpoint of IPv4 as the map keys it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearKey(u64);

impl NearKey {
    /// The key of an endpoint in the bytes of the wire: with `side` 1 a frontend's, with 0 a
    /// member's.
    ///
    /// address:32 │ side:1 │ 0:7 │ protocol:8 │ port:16, address and port as they lie in memory, so
    /// that nothing is turned around per packet. The protocol is never 0 (IANA: hop-by-hop
    /// options), so that no key is.
    #[must_use]
    #[inline(always)]
    pub const fn new(address: U32, port: U16, protocol: u8, side: u32) -> Self {
        let (address, port) =
            (u32::from_ne_bytes(address.to_bytes()), u16::from_ne_bytes(port.to_bytes()));
        Self((address as u64) << 32 | (side as u64) << 31 | (protocol as u64) << 16 | port as u64)
    }
}

/// A map from endpoints to what stands there, with one table per address family.
#[derive(Clone, Debug, Default)]
pub struct EndpointMap {
    v4: FlatMap<u64>,
    v6: FlatMap<Key>,
}

impl EndpointMap {
    /// A map of `entries`; of two frontends or two members at one endpoint the later one counts.
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (Endpoint, Standing)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for ((address, port, protocol), standing) in entries {
            let word = StandingWord::new(standing).0;
            let side = u32::from(matches!(standing, Standing::Frontend(_)));
            if address.is_v4() {
                let key = NearKey::new(address.v4_bits().into(), port.into(), protocol, side);
                v4.push((key.0, word));
            } else {
                v6.push((Self::key_v6(address, port, protocol, side), word));
            }
        }
        Self { v4: FlatMap::build(v4), v6: FlatMap::build(v6) }
    }

    /// The rule for a frontend endpoint.
    #[must_use]
    #[inline]
    pub fn frontend(&self, address: Address, port: u16, protocol: u8) -> Option<RuleId> {
        Some(self.get(address, port, protocol, 1)?.rule())
    }

    /// Whose a member's endpoint is: one backend's, or [`None`] inside for several.
    #[must_use]
    #[inline]
    pub fn member(&self, address: Address, port: u16, protocol: u8) -> Option<Option<Backend>> {
        let word = self.get(address, port, protocol, 0)?;
        let backend = Backend { rule: word.rule(), member: word.member() };
        Some((!word.is_ambiguous()).then_some(backend))
    }

    /// What stands at an endpoint of IPv4.
    #[must_use]
    #[inline]
    pub fn get_v4(&self, key: NearKey) -> Option<StandingWord> {
        self.v4.get(&key.0).map(StandingWord)
    }

    /// The key of an endpoint of IPv6: with `side` 1 a frontend's, with 0 a member's.
    #[must_use]
    #[inline]
    pub const fn key_v6(address: Address, port: u16, protocol: u8, side: u32) -> Key {
        let word = (side as u64) << 31 | (protocol as u64) << 16 | port as u64;
        [address.high, address.low, word]
    }

    /// What stands at an endpoint of IPv6.
    #[must_use]
    #[inline]
    pub fn get_v6(&self, key: Key) -> Option<StandingWord> {
        self.v6.get(&key).map(StandingWord)
    }

    #[inline(always)]
    fn get(&self, address: Address, port: u16, protocol: u8, side: u32) -> Option<StandingWord> {
        if address.is_v4() {
            self.get_v4(NearKey::new(address.v4_bits().into(), port.into(), protocol, side))
        } else {
            self.get_v6(Self::key_v6(address, port, protocol, side))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn both_families_and_both_sides_are_told_apart_by_every_part() {
        let address = |text: &str| -> Address { text.parse::<IpAddr>().expect("one").into() };
        let backend = Backend { rule: RuleId(0x00ff_ffff), member: MemberId(0x00ff_ffff) };
        let entries = [
            ((address("203.0.113.10"), 80, 6), Standing::Frontend(RuleId(1))),
            ((address("203.0.113.10"), 80, 17), Standing::Frontend(RuleId(2))),
            ((address("203.0.113.10"), 81, 6), Standing::Frontend(RuleId(3))),
            ((address("203.0.113.10"), 80, 6), Standing::Member(backend)),
            ((address("2001:db8::10"), 80, 6), Standing::Frontend(RuleId(4))),
            ((address("2001:db8:0:1::10"), 80, 6), Standing::Ambiguous),
        ];
        let map = EndpointMap::build(entries);
        for ((address, port, protocol), standing) in entries {
            let (frontend, member) =
                (map.frontend(address, port, protocol), map.member(address, port, protocol));
            match standing {
                Standing::Frontend(rule) => assert_eq!(frontend, Some(rule)),
                Standing::Member(backend) => assert_eq!(member, Some(Some(backend))),
                Standing::Ambiguous => assert_eq!((frontend, member), (None, Some(None))),
            }
        }
        assert_eq!(map.frontend(address("::ffff:203.0.113.11"), 80, 6), None);
        assert_eq!(map.frontend(address("2001:db8::10"), 81, 6), None);
        assert_eq!(map.member(address("2001:db8::10"), 80, 6), None);
    }
}
