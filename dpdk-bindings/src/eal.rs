//! How does the environment start and end, and what does it know of this machine and this thread?
//!
//! Not here: ports (`port`), memory for packets (`mempool`), what DPDK logs (`log`).

use std::ffi::{CString, c_char, c_int};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errno::Errno;
use crate::raw;
use crate::runtime::Runtime;

/// DPDK's environment abstraction layer, running.
///
/// There is one in a process, once. Whatever is made with it keeps it alive: the memory is given
/// back (`rte_eal_cleanup`) when this and everything made with it have been dropped.
#[derive(Debug)]
pub struct Eal {
    runtime: Arc<Runtime>,
}

/// What becomes of the calling thread's CPU affinity in [`Eal::init`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// The thread becomes the main lcore and stays pinned to its CPU, and every thread that it
    /// spawns afterwards inherits that. Right where the caller pins each thread itself.
    Pinned,
    /// The thread becomes the main lcore, but keeps the CPUs it had.
    Kept,
}

/// Why the environment did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EalError {
    /// It runs already, or has run: DPDK starts once in a process.
    #[error("DPDK was started before in this process; pass the existing Eal on instead")]
    AlreadyStarted,
    /// An argument holds a NUL byte. `position` counts from 0.
    #[error("EAL argument {position} contains a NUL byte; remove it")]
    NulInArgument {
        /// The argument, counted from 0.
        position: usize,
    },
    /// Too many arguments.
    #[error("{0} EAL arguments are more than a C call can take; pass fewer")]
    TooManyArguments(usize),
    /// EACCES, EPERM.
    #[error(
        "DPDK may not access its memory or devices ({errno}): reserve hugepages \
         (`sysctl vm.nr_hugepages=512`) and grant root or CAP_IPC_LOCK, CAP_SYS_ADMIN and \
         CAP_NET_ADMIN, or pass --no-huge"
    )]
    NotPermitted {
        /// As DPDK said it.
        errno: Errno,
    },
    /// EINVAL.
    #[error(
        "DPDK refused an EAL argument ({errno}): its log names it; check --lcores, -m, -a and \
         --vdev in the list of EAL arguments"
    )]
    BadArgument {
        /// As DPDK said it.
        errno: Errno,
    },
    /// ENOMEM.
    #[error(
        "DPDK found too little memory ({errno}): reserve more hugepages on the NUMA nodes in use \
         (`sysctl vm.nr_hugepages`), or lower -m or --socket-mem"
    )]
    NoMemory {
        /// As DPDK said it.
        errno: Errno,
    },
    /// EAGAIN, EBUSY.
    #[error(
        "DPDK's run-time files are held by another process ({errno}): stop it, or pass another \
         --file-prefix"
    )]
    Busy {
        /// As DPDK said it.
        errno: Errno,
    },
    /// ENODEV, ENXIO, ENOEXEC.
    #[error(
        "a bus, driver or service of DPDK did not start ({errno}): its log names it; exclude the \
         device with -b or pass --no-pci"
    )]
    NoDevice {
        /// As DPDK said it.
        errno: Errno,
    },
    /// Any other reason.
    #[error("DPDK did not start ({errno}): its log says at which step")]
    Other {
        /// As DPDK said it.
        errno: Errno,
    },
}

/// Why a thread could not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The thread has an lcore id: it registered before, or it started the Eal.
    #[error("this thread is lcore {lcore} already; register a thread once")]
    Already {
        /// Its id.
        lcore: u32,
    },
    /// All ids are taken.
    #[error("all lcore ids are taken ({errno}); run fewer threads or build DPDK for more lcores")]
    NoneLeft {
        /// As DPDK said it.
        errno: Errno,
    },
    /// A secondary process is attached.
    #[error(
        "threads cannot register while a secondary process is attached ({errno}); stop it, or \
         register before it attaches"
    )]
    Refused {
        /// As DPDK said it.
        errno: Errno,
    },
}

/// A thread with an lcore id, and so with its own cache in every [`Mempool`](crate::Mempool).
///
/// Without one a plain thread works too, but every packet is taken from and given back to the
/// pool's shared ring (23 ns instead of 8 ns per forwarded packet on net_null). The id is given
/// back on drop, on the thread that got it: the guard is not `Send`.
#[derive(Debug)]
pub struct LcoreGuard {
    lcore: u32,
    _runtime: Arc<Runtime>,
    _not_send: PhantomData<*const ()>,
}

impl Eal {
    /// Starts DPDK (`rte_eal_init`) with [`Affinity::Pinned`].
    ///
    /// `args` are the EAL's own, without a program name: `["--no-huge", "-m", "256"]`.
    ///
    /// **The calling thread becomes the main lcore and is pinned to its CPU**, which threads
    /// spawned later inherit; see [`Affinity`]. With `-h` DPDK prints its help and ends the
    /// process.
    ///
    /// # Errors
    /// [`EalError::AlreadyStarted`] on every call after one that succeeded; else DPDK's reason,
    /// with the remedy that usually helps.
    pub fn init(args: &[String]) -> Result<Self, EalError> {
        Self::init_with(args, Affinity::Pinned)
    }

    /// Starts DPDK like [`Eal::init`], with a choice about the calling thread's affinity.
    ///
    /// # Errors
    /// As [`Eal::init`].
    pub fn init_with(args: &[String], affinity: Affinity) -> Result<Self, EalError> {
        let mut pointers = argument_pointers(args)?;
        let count =
            c_int::try_from(args.len() + 1).map_err(|_| EalError::TooManyArguments(args.len()))?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(EalError::AlreadyStarted);
        }
        let keep = c_int::from(affinity == Affinity::Kept);
        // SAFETY: `pointers` holds `count` NUL-terminated strings and a terminating null, all of
        // which live for ever; DPDK reorders the array at most.
        let result = unsafe { raw::weir_eal_init(count, pointers.as_mut_ptr(), keep) };
        if result < 0 {
            let errno = Errno::last();
            // DPDK allows another attempt after some failures and says EALREADY after others.
            STARTED.store(false, Ordering::Release);
            return Err(EalError::from_errno(errno));
        }
        Ok(Self { runtime: Arc::new(Runtime::new()) })
    }

    /// Whether memory comes from hugepages (`rte_eal_has_hugepages`).
    #[must_use]
    pub fn has_hugepages(&self) -> bool {
        // SAFETY: EAL runs; reads a flag.
        (unsafe { raw::rte_eal_has_hugepages() }) != 0
    }

    /// Number of lcores, registered threads included (`rte_lcore_count`).
    #[must_use]
    pub fn lcore_count(&self) -> u32 {
        // SAFETY: EAL runs; reads a number.
        unsafe { raw::rte_lcore_count() }
    }

    /// The NUMA node of the CPUs this thread may run on (`rte_socket_id`), or `None` if these
    /// are on several.
    #[must_use]
    pub fn socket_of_this_thread(&self) -> Option<u32> {
        // SAFETY: EAL runs; reads a thread-local.
        let socket = unsafe { raw::rte_socket_id() };
        // SOCKET_ID_ANY is -1, and this function returns it as unsigned.
        (socket != u32::MAX).then_some(socket)
    }

    /// The lcore id of this thread (`rte_lcore_id`), or `None` for a thread that has none.
    #[must_use]
    pub fn lcore_of_this_thread(&self) -> Option<u32> {
        // SAFETY: reads a thread-local.
        let lcore = unsafe { raw::weir_lcore_id() };
        (lcore != raw::WEIR_LCORE_ANY).then_some(lcore)
    }

    /// Makes this thread an lcore (`rte_thread_register`) until the guard is dropped.
    ///
    /// Pin the thread first: DPDK remembers the affinity that it finds.
    ///
    /// # Errors
    /// [`RegisterError`]: the thread is one already, no id is left, or a secondary process is
    /// attached.
    pub fn register_thread(&self) -> Result<LcoreGuard, RegisterError> {
        if let Some(lcore) = self.lcore_of_this_thread() {
            return Err(RegisterError::Already { lcore });
        }
        // SAFETY: EAL runs and this thread is not registered.
        let result = unsafe { raw::rte_thread_register() };
        let errno = Errno::last();
        match self.lcore_of_this_thread() {
            Some(lcore) if result == 0 => Ok(LcoreGuard {
                lcore,
                _runtime: Arc::clone(&self.runtime),
                _not_send: PhantomData,
            }),
            _ if errno == Errno::NoMemory => Err(RegisterError::NoneLeft { errno }),
            _ => Err(RegisterError::Refused { errno }),
        }
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }
}

impl EalError {
    fn from_errno(errno: Errno) -> Self {
        match errno {
            Errno::Already => Self::AlreadyStarted,
            Errno::NotPermitted => Self::NotPermitted { errno },
            Errno::Invalid => Self::BadArgument { errno },
            Errno::NoMemory | Errno::NoSpace => Self::NoMemory { errno },
            Errno::Busy => Self::Busy { errno },
            Errno::NoDevice | Errno::NoExec => Self::NoDevice { errno },
            Errno::NotFound
            | Errno::Exists
            | Errno::NotSupported
            | Errno::Io
            | Errno::Protocol
            | Errno::Unknown(_) => Self::Other { errno },
        }
    }
}

impl LcoreGuard {
    /// The lcore id of this thread.
    #[must_use]
    pub fn lcore(&self) -> u32 {
        self.lcore
    }
}

impl Drop for LcoreGuard {
    fn drop(&mut self) {
        // SAFETY: the guard does not leave its thread, which was registered when it was made.
        unsafe { raw::rte_thread_unregister() };
    }
}

/// `args` behind a program name, as C wants them. They are leaked: EAL hands the program name to
/// `openlog`, which keeps the pointer until the process ends.
fn argument_pointers(args: &[String]) -> Result<Vec<*mut c_char>, EalError> {
    let mut strings = vec![CString::from(c"weir")];
    for (position, argument) in args.iter().enumerate() {
        let string =
            CString::new(argument.as_str()).map_err(|_| EalError::NulInArgument { position })?;
        strings.push(string);
    }
    let mut pointers: Vec<_> = strings.into_iter().map(CString::into_raw).collect();
    pointers.push(std::ptr::null_mut());
    Ok(pointers)
}

/// Whether this process has started DPDK. It stays so after the end: DPDK does not start twice.
static STARTED: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use super::{Eal, EalError};
    use crate::errno::Errno;

    #[test]
    fn a_nul_byte_is_refused_before_anything_starts() {
        let args = ["--no-huge".to_owned(), "a\0b".to_owned()];
        assert_eq!(Eal::init(&args).err(), Some(EalError::NulInArgument { position: 1 }));
    }

    #[test]
    fn an_error_keeps_its_reason_and_names_a_remedy() {
        let error = EalError::from_errno(Errno::NoMemory);
        assert_eq!(error, EalError::NoMemory { errno: Errno::NoMemory });
        assert!(error.to_string().contains("vm.nr_hugepages"));
        let error = EalError::from_errno(Errno::Unknown(4711));
        assert!(error.to_string().contains("errno 4711"));
    }
}
