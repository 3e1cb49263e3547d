//! Which ports are there, what can they do, and what do they report?
//!
//! ```text
//! Port ── configure ──► ConfiguredPort ── start ──► StartedPort + RxQueues + TxQueues
//!  list, by_name, attach     configure.rs              started.rs      queue.rs
//! ```
//!
//! Reading is possible at any time, by any handle. Packets flow through queues, each of which
//! exists once.

mod claim;
mod configure;
mod error;
mod info;
mod queue;
mod started;

pub use configure::{ConfiguredPort, PortConfig, Rss};
pub use error::{PortError, Step};
pub use info::{Link, MacAddress, PortInfo, PortStats};
pub use queue::{RxQueue, TxQueue};
pub use started::{PortTaken, RssTaken, StartedPort};

use std::ffi::{CStr, CString, c_char};
use std::sync::Arc;

use crate::eal::Eal;
use crate::errno::Errno;
use crate::raw;
use crate::runtime::Runtime;

/// A port of this process by its number. It may be in use, or gone meanwhile: every call says so.
#[derive(Clone)]
pub struct Port {
    id: u16,
    runtime: Arc<Runtime>,
}

impl Port {
    /// All ports there are, by number (`rte_eth_find_next`).
    #[must_use]
    pub fn list(eal: &Eal) -> Vec<Self> {
        let _control = eal.runtime().control();
        let mut ports = Vec::new();
        let mut next = 0;
        loop {
            // SAFETY: EAL runs; any number may be asked for.
            let id = unsafe { raw::rte_eth_find_next(next) };
            if id >= raw::WEIR_PORTS_MAX {
                return ports;
            }
            ports.push(Self { id, runtime: Arc::clone(eal.runtime()) });
            next = id + 1;
        }
    }

    /// The port of this name: `net_tap0`, `0000:03:00.0` (`rte_eth_dev_get_port_by_name`).
    ///
    /// # Errors
    /// [`PortError::NotFound`].
    pub fn by_name(eal: &Eal, name: &str) -> Result<Self, PortError> {
        let _control = eal.runtime().control();
        Self::find(eal, name)
    }

    /// Adds a device while running (`rte_dev_probe`): `net_null0,size=64` or `0000:03:00.0`.
    ///
    /// # Errors
    /// [`PortError::NotAttached`] with DPDK's reason, for example that the device exists;
    /// [`PortError::NotFound`] if it came but has no port of its name.
    pub fn attach(eal: &Eal, devargs: &str) -> Result<Self, PortError> {
        let _control = eal.runtime().control();
        let not_found = || PortError::NotFound { name: devargs.to_owned() };
        let arguments = CString::new(devargs).map_err(|_| not_found())?;
        // SAFETY: EAL runs; the string lives for the call, which copies it; the control lock
        // keeps other hot-plug away.
        let result = unsafe { raw::rte_dev_probe(arguments.as_ptr()) };
        Errno::check(result)
            .map_err(|errno| PortError::NotAttached { devargs: devargs.to_owned(), errno })?;
        let name = devargs.split(',').next().unwrap_or(devargs);
        Self::find(eal, name)
    }

    /// DPDK's number of the port; that of [`Burst::ingress_port`](crate::Burst::ingress_port).
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// The name of the device (`rte_eth_dev_get_name_by_port`).
    ///
    /// # Errors
    /// [`PortError::Gone`].
    pub fn name(&self) -> Result<String, PortError> {
        let _control = self.runtime.control();
        let mut name = [0 as c_char; raw::WEIR_PORT_NAME_SIZE as usize];
        // SAFETY: DPDK writes at most RTE_ETH_NAME_MAX_LEN bytes with a NUL.
        let result = unsafe { raw::rte_eth_dev_get_name_by_port(self.id, name.as_mut_ptr()) };
        self.check(Step::Info, result)?;
        // SAFETY: the call succeeded, so that a NUL is in `name`.
        Ok(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned())
    }

    fn find(eal: &Eal, name: &str) -> Result<Self, PortError> {
        let not_found = || PortError::NotFound { name: name.to_owned() };
        let c_name = CString::new(name).map_err(|_| not_found())?;
        let mut id = 0;
        // SAFETY: EAL runs; both pointers live for the call.
        let result = unsafe { raw::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &mut id) };
        if result != 0 {
            return Err(not_found());
        }
        Ok(Self { id, runtime: Arc::clone(eal.runtime()) })
    }

    fn check(&self, step: Step, result: i32) -> Result<(), PortError> {
        match Errno::check(result) {
            Ok(_) => Ok(()),
            Err(Errno::NoDevice) => Err(PortError::Gone { port: self.id }),
            Err(errno) => Err(PortError::Refused { port: self.id, step, errno }),
        }
    }
}

impl std::fmt::Debug for Port {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Port").field(&self.id).finish()
    }
}
