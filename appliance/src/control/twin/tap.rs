//! How do frames get between a port and the kernel? Over a persistent TAP, the port's twin.
//!
//! No vnet header and no offloads: the kernel completes every checksum and cuts every segment
//! before it hands a frame over, and takes only complete ones.
//!
//! A TAP without a reader has no carrier: what the kernel sends there is dropped and its routes are
//! `linkdown` until it is opened again. Addresses and neighbours stay (`namespace::SETTINGS`).
//!
//! Not here: rings and rate limits between workers and this descriptor.

use std::io::{self, ErrorKind};

use nix::errno::Errno;
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};
use weir_core::units::MacAddress;

use super::{TwinError, check_name};

/// An open TAP. Dropping it closes the descriptor; the interface stays, with its addresses.
pub struct Twin {
    name: String,
    mtu: u16,
    device: AsyncDevice,
}

impl Twin {
    /// Makes the TAP `name` in the calling thread's network namespace, or adopts the persistent one
    /// that an earlier process left, gives it `mac` and `mtu` (68 to 65,521 bytes, without the
    /// Ethernet header) and brings it up. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Without CAP_NET_ADMIN, when another process has it open, or when the name belongs to
    /// an interface of another kind.
    pub fn create(name: &str, mac: MacAddress, mtu: u16) -> Result<Self, TwinError> {
        check_name(name, "an interface", 15)?;
        let device = DeviceBuilder::new()
            .name(name)
            .layer(Layer::L2)
            .build_async()
            .map_err(|error| open_error(name, error))?;
        let failed = |what: &str, error| {
            TwinError::from_io(format!("{what} of the interface {name}"), error)
        };
        device.persist().map_err(|error| failed("make permanent the life", error))?;
        // Setting the address again would make the kernel forget the twin's neighbours.
        if device.mac_address().ok() != Some(mac.0) {
            device.set_mac_address(mac.0).map_err(|error| failed("set the MAC", error))?;
        }
        device.set_mtu(mtu).map_err(|error| failed("set the MTU", error))?;
        device.enabled(true).map_err(|error| failed("set the state", error))?;
        Ok(Self { name: name.into(), mtu, device })
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The longest frame that the kernel hands over: MTU, Ethernet header and one VLAN tag, in
    /// bytes.
    #[must_use]
    pub fn frame_bytes_max(&self) -> usize {
        usize::from(self.mtu) + ETHERNET_AND_VLAN_BYTES
    }

    /// Waits for a frame from the kernel and returns its length. A frame longer than `frame` is cut
    /// without a word: give [`Twin::frame_bytes_max`] bytes.
    ///
    /// # Errors
    /// When the interface was deleted.
    pub async fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.device.recv(frame).await
    }

    /// Hands one frame to the kernel. `false` when the kernel has no room for it; the frame is then
    /// lost, for the caller to count.
    ///
    /// # Errors
    /// When the interface is down or was deleted, or the frame is shorter than an Ethernet header.
    pub fn try_send(&self, frame: &[u8]) -> io::Result<bool> {
        match self.device.try_send(frame) {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// TUNSETIFF says EBUSY for a TAP that has its reader, EINVAL for one of another kind (multi-queue,
/// TUN) or an interface that is no TAP.
fn open_error(name: &str, error: io::Error) -> TwinError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => TwinError::Busy { name: name.into() },
        Some(Errno::EINVAL) => TwinError::Foreign { name: name.into() },
        _ => TwinError::from_io(format!("open the interface {name} by /dev/net/tun"), error),
    }
}

const ETHERNET_AND_VLAN_BYTES: usize = 14 + 4;
