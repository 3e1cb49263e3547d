//! What must a worker know of a port, and what may reach the appliance itself?

use crate::units::{MacAddress, Prefix};
use crate::wire::plain;

/// A DPDK port as the data path sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// The port's Ethernet address.
    pub mac: MacAddress,
    /// The same as plain frames are compared with it (`wire::plain::station`); on a device with
    /// `partial_checksums`, where no frame is plain, what no frame is for.
    pub station: u64,
    /// Bytes of the longest IP datagram.
    pub mtu: u16,
    /// Whether the device hands over frames whose checksum was left to hardware
    /// (`net_af_packet`).
    pub partial_checksums: bool,
    /// The prefixes on this link: frontends in them are answered for.
    pub subnets: Box<[Prefix]>,
}

impl Port {
    /// A port with this Ethernet address, longest datagram and kind of device.
    #[must_use]
    pub const fn new(
        mac: MacAddress,
        mtu: u16,
        partial_checksums: bool,
        subnets: Box<[Prefix]>,
    ) -> Self {
        let station = if partial_checksums { plain::NOBODY } else { plain::station(mac) };
        Self { mac, station, mtu, partial_checksums, subnets }
    }
}

/// What own addresses take besides probe replies and ARP (`appliance.ownAddresses.allow`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// ICMP, rate limited.
    pub icmp: bool,
    /// TCP port 179 (RFC 4271).
    pub bgp: bool,
    /// UDP ports 3784 and 4784 (RFC 5881, RFC 5883).
    pub bfd: bool,
    /// TCP port 22 (RFC 4253).
    pub ssh: bool,
}
