//! Who has the use of a port, and what happens when nobody has it any more?

use super::{Port, PortError};
use crate::mempool::Mempool;
use crate::raw;
use crate::runtime::Holder;

/// A configured device, shared by its `StartedPort` and its queues; closed with the last of them.
#[derive(Debug)]
pub(super) struct Device {
    /// Before the pools, so that the device is closed before they can be freed.
    pub(super) claim: Claim,
    #[expect(dead_code, reason = "received packets come from here: kept until the close")]
    pub(super) pools: Vec<Mempool>,
}

/// The right to use a port: one at a time.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) port: Port,
    closes: bool,
    _holder: Holder,
}

impl Claim {
    pub(super) fn take(port: &Port) -> Result<Self, PortError> {
        if !port.runtime.control().take(port.id) {
            return Err(PortError::InUse { port: port.id });
        }
        Ok(Self { port: port.clone(), closes: false, _holder: Holder::new(&port.runtime) })
    }

    /// From here on the end of the claim is the end of the port.
    pub(super) fn close_on_drop(&mut self) {
        self.closes = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // One lock for both: the close frees the number, and whoever gets it next must find it
        // unclaimed.
        let mut control = self.port.runtime.control();
        if self.closes {
            // SAFETY: no queue is left, so that no thread is in a burst. A port that never
            // started is left as it is, and a failure leaves nothing to be done but to close.
            unsafe { raw::rte_eth_dev_stop(self.port.id) };
            // SAFETY: as above.
            unsafe { raw::rte_eth_dev_close(self.port.id) };
        }
        control.release(self.port.id);
    }
}
