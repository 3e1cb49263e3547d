//! How do Internet checksums change when fields change (RFC 1071, RFC 1624)?
//!
//! Three facts carry everything here. The sum is over 16-bit words in one's complement, so it
//! can be taken word by word in any order. A changed word contributes `!old + new`, whatever
//! stands around it. And such contributions add up, so that the change which a translation
//! makes is one number, computed once: a [`Delta`].
//!
//! A forwarded packet is updated by deltas and never summed anew: a packet that was corrupt
//! before Weir stays recognisably corrupt behind it.

use crate::units::Address;

/// What one or more changed words add to the complemented checksum: a one's complement sum that
/// is folded to 16 bits only when it is applied. Each word adds less than 2^17, so that it holds
/// the changes of thousands of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u32);

/// What a translation changes on a packet's way inwards, to the member, and on the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    /// Towards the member.
    pub inwards: Delta,
    /// From the member.
    pub outwards: Delta,
}

impl Deltas {
    /// Of a frontend's address, which leaves the packet on its way inwards.
    #[must_use]
    pub const fn of_frontend(address: Address) -> Self {
        Self { inwards: Delta::without(address), outwards: Delta::with(address) }
    }

    /// Of a member's address, which enters the packet on its way inwards.
    #[must_use]
    pub const fn of_member(address: Address) -> Self {
        Self { inwards: Delta::with(address), outwards: Delta::without(address) }
    }

    /// Of a frontend's port that becomes a member's.
    #[must_use]
    pub const fn of_ports(frontend: u16, member: u16) -> Self {
        Self { inwards: Delta::of_u16(frontend, member), outwards: Delta::of_u16(member, frontend) }
    }
}

impl Delta {
    /// The change from one 16-bit word to another.
    #[must_use]
    pub const fn of_u16(old: u16, new: u16) -> Self {
        Self(!old as u32 + new as u32)
    }

    /// The change from one 32-bit field, such as an IPv4 address, to another.
    #[must_use]
    pub const fn of_u32(old: u32, new: u32) -> Self {
        let old = !old;
        Self((old >> 16) + (old & 0xffff) + (new >> 16) + (new & 0xffff))
    }

    /// The change from no address to this one.
    #[must_use]
    pub const fn with(address: Address) -> Self {
        Self(words_of(address))
    }

    /// The change from this address to none.
    #[must_use]
    pub const fn without(address: Address) -> Self {
        Self(!fold(words_of(address)) as u32 & 0xffff)
    }

    /// The change that one hop makes: the time to live, the upper byte of its word, falls by one.
    pub const HOP: Self = Self(0xffff - 0x0100);

    /// Both changes together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The change that undoes this one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self(!fold(self.0) as u32)
    }

    /// The checksum after the change (RFC 1624 equation 3).
    #[must_use]
    pub const fn apply(self, checksum: u16) -> u16 {
        !fold(!checksum as u32 + self.0)
    }

    /// The UDP checksum after the change: none stays none, and a sum of zero is sent as all ones
    /// (RFC 768).
    #[must_use]
    pub const fn apply_to_udp(self, checksum: u16) -> u16 {
        if checksum == 0 {
            return 0;
        }
        match self.apply(checksum) {
            0 => 0xffff,
            updated => updated,
        }
    }
}

/// The sum of `bytes` as 16-bit words, folded, not complemented; an odd last byte counts as the
/// upper half of a word.
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0u64;
    let (pairs, rest) = bytes.as_chunks::<2>();
    for pair in pairs {
        total += u64::from(u16::from_be_bytes(*pair));
    }
    if let [last] = rest {
        total += u64::from(*last) << 8;
    }
    let halved = (total & 0xffff_ffff) + (total >> 32);
    #[allow(clippy::cast_possible_truncation, reason = "33 bits at most, folded to fit")]
    let folded = fold(((halved & 0xffff_ffff) + (halved >> 32)) as u32);
    folded
}

/// The sum of the IPv4 pseudo-header (RFC 9293 §3.1, RFC 768), folded, not complemented. It is
/// what a sender that leaves the work to its NIC writes into the checksum field.
#[must_use]
pub const fn pseudo_header_v4(source: u32, destination: u32, protocol: u8, length: u16) -> u16 {
    let addresses =
        (source >> 16) + (source & 0xffff) + (destination >> 16) + (destination & 0xffff);
    fold(addresses + protocol as u32 + length as u32)
}

/// The one's complement sum of two folded sums.
#[must_use]
pub const fn add(one: u16, other: u16) -> u16 {
    fold(one as u32 + other as u32)
}

/// The sum of an address as it stands in the header of its family.
#[allow(clippy::cast_possible_truncation, reason = "words are cut out")]
const fn words_of(address: Address) -> u32 {
    let low = address.v4_bits();
    let mut sum = (low >> 16) + (low & 0xffff);
    if !address.is_v4() {
        let (high, middle) = (address.high, (address.low >> 32) as u32);
        sum += (high >> 48) as u32 + (high >> 32 & 0xffff) as u32;
        sum += (high >> 16 & 0xffff) as u32 + (high & 0xffff) as u32;
        sum += (middle >> 16) + (middle & 0xffff);
    }
    fold(sum) as u32
}

#[allow(clippy::cast_possible_truncation, reason = "two folds leave 16 bits")]
const fn fold(total: u32) -> u16 {
    let once = (total & 0xffff) + (total >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_1624_comes_out_as_printed() {
        assert_eq!(Delta::of_u16(0x5555, 0x3285).apply(0xdd2f), 0x0000);
    }

    #[test]
    fn the_example_of_rfc_1071_comes_out_as_printed() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn a_udp_packet_without_checksum_stays_without() {
        assert_eq!(Delta::of_u16(1, 2).apply_to_udp(0), 0);
    }

    #[test]
    fn a_udp_sum_of_zero_is_sent_as_all_ones() {
        let delta = Delta::of_u16(0x5555, 0x3285);
        assert_eq!(delta.apply_to_udp(0xdd2f), 0xffff);
    }

    proptest! {
        #[test]
        fn what_is_known_of_each_end_adds_up_to_the_change_between_them(
            old in any::<u32>(),
            new in any::<u32>(),
            hops in 1u8..=255,
            checksum in any::<u16>(),
        ) {
            let address = Address::from_v4_bits;
            let ends = Delta::without(address(old)).and(Delta::with(address(new)));
            let hop = Delta::of_u16(u16::from(hops) << 8 | 6, u16::from(hops - 1) << 8 | 6);
            let whole = Delta::of_u32(old, new).and(hop);
            let same = |one: u16, other: u16| {
                one == other || (one ^ other) == 0xffff && one.min(other) == 0
            };
            prop_assert!(same(ends.and(Delta::HOP).apply(checksum), whole.apply(checksum)));
        }

        #[test]
        fn an_updated_checksum_equals_one_computed_anew(
            mut words in prop::collection::vec(any::<u16>(), 4..40),
            at in 0usize..3,
            new in any::<u32>(),
        ) {
            let bytes = |words: &[u16]| -> Vec<u8> {
                words.iter().flat_map(|word| word.to_be_bytes()).collect()
            };
            let before = !sum(&bytes(&words));
            let old = u32::from(words[at]) << 16 | u32::from(words[at + 1]);
            words[at] = u16::try_from(new >> 16).expect("half");
            words[at + 1] = u16::try_from(new & 0xffff).expect("half");
            let delta = Delta::of_u32(old, new);
            let after = !sum(&bytes(&words));
            // Zero has two forms in one's complement; receivers accept both.
            let same = |one: u16, other: u16| {
                one == other || (one ^ other) == 0xffff && one.min(other) == 0
            };
            prop_assert!(same(delta.apply(before), after));
            prop_assert!(same(delta.reversed().apply(after), before));
        }
    }
}
