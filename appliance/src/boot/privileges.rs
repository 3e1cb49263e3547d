//! What may the process still do once it runs?
//!
//! Workers need nothing: their devices and memory are open. The control side keeps the
//! capability to configure its own network namespace; everything else is given up for good.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use super::BootError;

/// What starting takes: a network namespace and TAPs of its own, and DPDK's devices.
const NEEDED: [Capability; 2] = [Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN];

/// Checks that the process may do what starting takes.
///
/// # Errors
/// Names the first capability that is missing.
pub(super) fn check() -> Result<(), BootError> {
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    match NEEDED.into_iter().find(|needed| !held.contains(needed)) {
        Some(missing) => Err(BootError::Privileges { missing: missing.to_string() }),
        None => Ok(()),
    }
}

/// Forbids the process, with all threads that it will start, to gain privileges by executing.
pub(super) fn forbid_new() {
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        tracing::warn!("cannot forbid new privileges: {error}");
    }
}

/// Lets the calling thread run on one processor only.
pub(super) fn pin(processor: Option<usize>) {
    let Some(processor) = processor else { return };
    let mut set = CpuSet::new();
    let pinned = set.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    if let Err(error) = pinned {
        tracing::warn!("cannot pin a worker to processor {processor}: {error}");
    }
}

/// Gives up every capability of the calling thread.
pub(crate) fn drop_all() {
    keep(CapsHashSet::new());
}

/// Gives up every capability of the calling thread but to configure networks.
pub(crate) fn keep_network() {
    keep(CapsHashSet::from([Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW]));
}

fn keep(mut kept: CapsHashSet) {
    let held = caps::read(None, CapSet::Permitted).unwrap_or_default();
    kept.retain(|capability| held.contains(capability));
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        let _cleared = caps::clear(None, set);
    }
    let dropped = caps::set(None, CapSet::Effective, &kept)
        .and_then(|()| caps::set(None, CapSet::Permitted, &kept));
    if let Err(error) = dropped {
        tracing::warn!("cannot give up capabilities: {error}");
    }
}

/// Probes hold sockets by the thousand: takes as many files as the process may.
pub(super) fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
}
