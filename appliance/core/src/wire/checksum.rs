//! How do Internet checksums change when fields change (RFC 1071, RFC 1624)?
//!
//! Three facts carry everything here. The sum is over 16-bit words in one's complement, so it
//! can be taken word by word in any order. A changed word contributes `!old + new`, whatever
//! stands around it. And such contributions add up, so that the change which a translation
//! makes is one number, computed once: a [`Delta`].
//!
//! A forwarded packet is updated by deltas and never summed anew: a packet that was corrupt
//! before Weir stays recognisably corrupt behind it.

use zerocopy::big_endian::U16;

use crate::units::Address;

/// What one or more changed words add to the complemented checksum: a one's complement sum.
///
/// Held as the bytes stand on the wire, since the sum is the same in either byte order (RFC 1071
/// §2 (B)), so that nothing is turned around per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u16);

impl Delta {
    /// The change that one hop makes: the time to live, the upper byte of its word, falls by one.
    pub const HOP: Self = Self::of_u16(0x0100, 0);

    /// The change from one 16-bit word to another.
    #[must_use]
    pub const fn of_u16(old: u16, new: u16) -> Self {
        Self(add(!old.to_be(), new.to_be()))
    }

    /// The change from one 32-bit field, such as an IPv4 address, to another.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
    pub const fn of_u32(old: u32, new: u32) -> Self {
        let upper = Self::of_u16((old >> 16) as u16, (new >> 16) as u16);
        upper.and(Self::of_u16(old as u16, new as u16))
    }

    /// The change from no address to this one.
    #[must_use]
    pub const fn with(address: Address) -> Self {
        Self(sum_of_address(address).to_be())
    }

    /// The change from this address to none.
    #[must_use]
    pub const fn without(address: Address) -> Self {
        Self::with(address).reversed()
    }

    /// Both changes together.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(add(self.0, other.0))
    }

    /// The change that undoes this one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self(!self.0)
    }

    /// Brings a checksum up to date: a subtraction in one's complement, which is equation 3 of RFC
    /// 1624 with both complements taken out.
    #[inline]
    pub fn apply(self, checksum: &mut U16) {
        let before = u16::from_ne_bytes(checksum.to_bytes());
        let (difference, borrowed) = before.overflowing_sub(self.0);
        // What was borrowed from is at least 1.
        *checksum = U16::from_bytes((difference - u16::from(borrowed)).to_ne_bytes());
    }

    /// Brings a UDP checksum up to date: none stays none, and a sum of zero is sent as all ones
    /// (RFC 768).
    #[inline]
    pub fn apply_to_udp(self, checksum: &mut U16) {
        if *checksum == U16::ZERO {
            return;
        }
        self.apply(checksum);
        if *checksum == U16::ZERO {
            *checksum = U16::MAX_VALUE;
        }
    }
}

/// What the translation of one packet adds to its two checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// To that of the IPv4 header.
    pub network: Delta,
    /// To that of TCP or UDP, which covers addresses as well.
    pub transport: Delta,
}

impl Change {
    /// Both changes together.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self {
            network: self.network.and(other.network),
            transport: self.transport.and(other.transport),
        }
    }
}

/// The share that one end of a translation has in what it changes: the shares of a rule and of a
/// member make the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// On the way to the member.
    pub inwards: Change,
    /// On the way from the member.
    pub outwards: Change,
}

impl Share {
    /// Of a frontend's address, and of its port that becomes the member's.
    #[must_use]
    #[inline]
    pub const fn of_frontend(address: Address, port: u16, member_port: u16) -> Self {
        let (leaves, enters) = (Delta::without(address), Delta::with(address));
        let ports = Delta::of_u16(port, member_port);
        Self {
            inwards: Change { network: leaves, transport: leaves.and(ports) },
            outwards: Change { network: enters, transport: enters.and(ports.reversed()) },
        }
    }

    /// Of a member's address, and of the hop.
    #[must_use]
    pub const fn of_member(address: Address) -> Self {
        let (leaves, enters) = (Delta::without(address), Delta::with(address));
        Self {
            inwards: Change { network: enters.and(Delta::HOP), transport: enters },
            outwards: Change { network: leaves.and(Delta::HOP), transport: leaves },
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

/// The sum of the IPv6 pseudo-header (RFC 8200 §8.1), likewise.
#[must_use]
pub const fn pseudo_header_v6(
    source: Address,
    destination: Address,
    protocol: u8,
    length: u16,
) -> u16 {
    let addresses = add(sum_of_address(source), sum_of_address(destination));
    fold(addresses as u32 + protocol as u32 + length as u32)
}

/// The one's complement sum of two folded sums.
#[must_use]
#[inline]
pub const fn add(one: u16, other: u16) -> u16 {
    let (sum, carried) = one.overflowing_add(other);
    // A sum that carried is at most 0xfffe.
    sum + carried as u16
}

/// The sum of an address as it stands in the header of its family.
#[allow(clippy::cast_possible_truncation, reason = "words are cut out")]
const fn sum_of_address(address: Address) -> u16 {
    let low = address.v4_bits();
    let mut sum = (low >> 16) + (low & 0xffff);
    if !address.is_v4() {
        let (high, middle) = (address.high, (address.low >> 32) as u32);
        sum += (high >> 48) as u32 + (high >> 32 & 0xffff) as u32;
        sum += (high >> 16 & 0xffff) as u32 + (high & 0xffff) as u32;
        sum += (middle >> 16) + (middle & 0xffff);
    }
    fold(sum)
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

    impl Change {
        /// Of one address and port that become others, one hop further.
        pub(in crate::wire) const fn of(old: (Address, u16), new: (Address, u16)) -> Self {
            let addresses = Delta::without(old.0).and(Delta::with(new.0));
            Self {
                network: addresses.and(Delta::HOP),
                transport: addresses.and(Delta::of_u16(old.1, new.1)),
            }
        }
    }

    fn applied(delta: Delta, checksum: u16) -> u16 {
        let mut field = U16::new(checksum);
        delta.apply(&mut field);
        field.get()
    }

    fn applied_to_udp(delta: Delta, checksum: u16) -> u16 {
        let mut field = U16::new(checksum);
        delta.apply_to_udp(&mut field);
        field.get()
    }

    /// Zero has two forms in one's complement; receivers accept both.
    fn same(one: u16, other: u16) -> bool {
        one == other || (one ^ other) == 0xffff && one.min(other) == 0
    }

    #[test]
    fn the_pseudo_header_of_ipv6_is_summed_like_its_bytes() {
        let [source, destination] = ["2001:db8::1", "fd00:1234:5678:9abc:def0:1111:2222:3333"]
            .map(|text| text.parse::<std::net::Ipv6Addr>().expect("an address"));
        let mut bytes = [source.octets(), destination.octets()].concat();
        bytes.extend([0, 0, 0xff, 0xc7, 0, 0, 0, 17]);
        let ends = [source, destination].map(|it| std::net::IpAddr::from(it).into());
        assert_eq!(pseudo_header_v6(ends[0], ends[1], 17, 0xffc7), sum(&bytes));
    }

    #[test]
    fn the_example_of_rfc_1624_comes_out_as_printed() {
        assert_eq!(applied(Delta::of_u16(0x5555, 0x3285), 0xdd2f), 0x0000);
    }

    #[test]
    fn the_example_of_rfc_1071_comes_out_as_printed() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn a_udp_packet_without_checksum_stays_without() {
        assert_eq!(applied_to_udp(Delta::of_u16(1, 2), 0), 0);
    }

    #[test]
    fn a_udp_sum_of_zero_is_sent_as_all_ones() {
        assert_eq!(applied_to_udp(Delta::of_u16(0x5555, 0x3285), 0xdd2f), 0xffff);
    }

    proptest! {
        #[test]
        fn the_shares_of_both_ends_make_the_whole_change(
            frontend in any::<(u32, u16)>(),
            member in any::<(u32, u16)>(),
            checksum in any::<u16>(),
        ) {
            let address = Address::from_v4_bits;
            let outside = (address(frontend.0), frontend.1);
            let inside = (address(member.0), member.1);
            let ours = Share::of_frontend(outside.0, outside.1, inside.1);
            let theirs = Share::of_member(inside.0);
            for (whole, shares) in [
                (Change::of(outside, inside), ours.inwards.and(theirs.inwards)),
                (Change::of(inside, outside), ours.outwards.and(theirs.outwards)),
            ] {
                let network = applied(whole.network, checksum);
                prop_assert!(same(network, applied(shares.network, checksum)));
                let transport = applied(whole.transport, checksum);
                prop_assert!(same(transport, applied(shares.transport, checksum)));
            }
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
            prop_assert!(same(applied(delta, before), after));
            prop_assert!(same(applied(delta.reversed(), after), before));
        }

        #[test]
        fn addresses_of_both_families_change_what_their_words_change(
            old in any::<u128>(),
            new in any::<u128>(),
            checksum in any::<u16>(),
        ) {
            let address = |bits: u128| -> Address {
                std::net::IpAddr::V6(std::net::Ipv6Addr::from_bits(bits)).into()
            };
            let words = (0..8).fold(Delta::default(), |delta, word| {
                let cut = |bits: u128| u16::try_from(bits >> (word * 16) & 0xffff).expect("16 bits");
                delta.and(Delta::of_u16(cut(old), cut(new)))
            });
            let whole = Delta::without(address(old)).and(Delta::with(address(new)));
            if !address(old).is_v4() && !address(new).is_v4() {
                prop_assert!(same(applied(whole, checksum), applied(words, checksum)));
            }
        }
    }
}
