//! What is a port id, a generation, a tick? The small types that must not be mixed up.
//!
//! Not here: what they are bounded by (`limits`), how bytes on the wire look (`wire`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Defines a newtype over an unsigned integer that is used as a dense index.
macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// The position in the dense table that this id names.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}", self.0)
            }
        }
    };
}

dense_id!(
    /// A DPDK port of the appliance, by its position in `appliance.ports`.
    PortId(u8)
);
dense_id!(
    /// A worker lcore, 0 to `limits::WORKERS_MAX` - 1.
    WorkerId(u8)
);
dense_id!(
    /// A frontend endpoint (address, protocol, port) and the rule behind it. At most 24 bits wide,
    /// since flow keys carry it in three bytes.
    RuleId(u32)
);
dense_id!(
    /// A backend pool member's address. At most 24 bits wide, as `RuleId`.
    MemberId(u32)
);
dense_id!(
    /// An address that outbound flows are translated to. At most 24 bits wide, as `RuleId`.
    OutboundAddressId(u32)
);
dense_id!(
    /// A public address that is one member's alone, by its position in the snapshot. No flow record
    /// holds it.
    InstanceAddressId(u32)
);
dense_id!(
    /// A next hop: egress port and link-layer addresses.
    AdjacencyId(u32)
);

/// A configuration generation: raised by one with every published snapshot, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// A point in time on the data path's clock, in units of [`Tick::MILLISECONDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// The length of one tick. A timer fires never early and at most one tick late; an eighth of
    /// a second keeps that far under the promised second and lets 32 bits last for 17 years.
    pub const MILLISECONDS: u64 = 125;

    /// Ticks in a second.
    pub const PER_SECOND: u32 = 8;

    /// The tick that a time in milliseconds since the process started falls into.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "17 years of ticks fit into 32 bits")]
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self((milliseconds / Self::MILLISECONDS) as u32)
    }

    /// The first tick at whose beginning a silence of `ticks` is over for certain that began at
    /// some time within this one.
    #[must_use]
    pub const fn silent_for(self, ticks: u32) -> Self {
        self.after(ticks.saturating_add(1))
    }

    /// This tick, `ticks` later.
    #[must_use]
    pub const fn after(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }
}

const _: () = assert!(Tick::PER_SECOND as u64 * Tick::MILLISECONDS == 1000);

/// Whole seconds as a number of ticks.
#[must_use]
pub const fn ticks_of_seconds(seconds: u32) -> u32 {
    seconds * Tick::PER_SECOND
}

/// An IPv4 or IPv6 address as two host-order words, so that keys and tables have one shape for
/// both families. IPv4 is held in its IPv4-mapped form (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The upper 64 bits.
    pub high: u64,
    /// The lower 64 bits.
    pub low: u64,
}

impl Address {
    /// The IPv4-mapped prefix in front of the 32 bits of an IPv4 address.
    const MAPPED: u64 = 0x0000_ffff_0000_0000;

    /// An IPv4 address from its host-order bits.
    #[must_use]
    pub const fn from_v4_bits(bits: u32) -> Self {
        Self { high: 0, low: Self::MAPPED | bits as u64 }
    }

    /// The host-order bits of an IPv4 address; the lower 32 bits of an IPv6 address.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
    pub const fn v4_bits(self) -> u32 {
        self.low as u32
    }

    /// Whether this is an IPv4 address.
    #[must_use]
    pub const fn is_v4(self) -> bool {
        // One comparison for all of it: this is asked many times per packet.
        self.high | (self.low ^ Self::MAPPED) >> 32 == 0
    }

    /// Whether this is an IPv6 address that means something on its link only (RFC 4291 §2.5.6).
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        self.high >> 54 == 0xfe80 >> 6
    }

    /// The address as the standard library's type.
    #[must_use]
    pub fn to_ip(self) -> IpAddr {
        if self.is_v4() {
            IpAddr::V4(Ipv4Addr::from_bits(self.v4_bits()))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(self.high) << 64 | u128::from(self.low)))
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::from_v4_bits(address.to_bits())
    }
}

impl From<IpAddr> for Address {
    #[allow(clippy::cast_possible_truncation, reason = "the halves of 128 bits")]
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Self { high: (bits >> 64) as u64, low: bits as u64 }
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.to_ip())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.to_ip())
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The address of every station on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An address prefix such as 10.0.0.0/16. Host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The network address.
    pub address: Address,
    /// How many leading bits count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub length: u8,
}

impl Prefix {
    /// The prefix of `length` bits that `address` lies in; `None` when `length` is out of range
    /// for the family.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (bits, width) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host_bits = u32::from(u8::checked_sub(width, length)?);
        let network = bits.checked_shr(host_bits).unwrap_or(0).checked_shl(host_bits).unwrap_or(0);
        let network = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(network).ok()?)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(network)),
        };
        Some(Self { address: network.into(), length })
    }

    /// Whether `address` lies in this prefix and is of its family.
    #[must_use]
    pub fn contains(self, address: Address) -> bool {
        address.is_v4() == self.address.is_v4()
            && Self::new(address.to_ip(), self.length) == Some(self)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl std::str::FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) =
            text.split_once('/').ok_or("is not a prefix: write it as address/length")?;
        let address = address.parse().map_err(|_| "does not begin with an IP address")?;
        let length = length.parse().map_err(|_| "does not end with a prefix length")?;
        Self::new(address, length).ok_or("has a prefix length that its family does not know")
    }
}

/// The protocols whose packets are told apart by ports, or by what stands for ports: the transport
/// identifiers of RFC 3022 §2.2. Rules speak of TCP and UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Transport {
    /// Transmission Control Protocol (RFC 9293), IP protocol 6.
    Tcp = 6,
    /// User Datagram Protocol (RFC 768), IP protocol 17.
    Udp = 17,
    /// ICMP queries (RFC 792), IP protocol 1, told apart by their identifier. Of flows to the
    /// outside only.
    Icmp = 1,
}

impl Transport {
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them, in the order of their indexes.
    pub const ALL: [Self; Self::COUNT] = [Self::Tcp, Self::Udp, Self::Icmp];

    /// Which one it is, for tables: below [`Self::COUNT`].
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        match self {
            Self::Tcp => 0,
            Self::Udp => 1,
            Self::Icmp => 2,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "Tcp",
            Self::Udp => "Udp",
            Self::Icmp => "Icmp",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_drops_its_host_bits_and_knows_its_members() {
        let prefix: Prefix = "10.1.2.3/16".parse().expect("a prefix");
        assert_eq!(prefix.to_string(), "10.1.0.0/16");
        assert!(prefix.contains("10.1.255.255".parse::<IpAddr>().expect("address").into()));
        assert!(!prefix.contains("10.2.0.0".parse::<IpAddr>().expect("address").into()));
        let default: Prefix = "0.0.0.0/0".parse().expect("a prefix");
        assert!(default.contains("255.1.2.3".parse::<IpAddr>().expect("address").into()));
        assert!(!default.contains("2001:db8::1".parse::<IpAddr>().expect("address").into()));
        assert!("10.0.0.0/33".parse::<Prefix>().is_err());
    }

    #[test]
    fn addresses_of_both_families_survive_the_common_shape() {
        for text in ["203.0.113.10", "2001:db8::1", "::1", "::"] {
            let ip: IpAddr = text.parse().expect("an address");
            assert_eq!(Address::from(ip).to_ip(), ip);
        }
    }
}
