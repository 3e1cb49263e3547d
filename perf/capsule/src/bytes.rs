//! What bytes does capsule's packet buffer hold?

#![allow(unsafe_code, reason = "capsule gives its bytes by pointer only; see docs/unsafe.md")]

use anyhow::Result;
use capsule::Mbuf;

/// The frame in `packet`, to read and to change.
///
/// # Errors
/// When it is empty.
#[inline]
pub fn bytes_mut(packet: &mut Mbuf) -> Result<&mut [u8]> {
    let mut bytes = packet.read_data_slice::<u8>(0, packet.data_len())?;
    // SAFETY: capsule checked that these bytes are in the buffer, and the buffer's only owner is
    // borrowed exclusively for as long as the slice is.
    Ok(unsafe { bytes.as_mut() })
}
