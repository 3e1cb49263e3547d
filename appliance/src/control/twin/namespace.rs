//! Where does the kernel's part of the router live?
//!
//! In a named network namespace as `ip netns` makes them, so that `ip netns exec weir bird` and a
//! service's `NetworkNamespacePath=` find it. Entering moves one thread: workers and DPDK's own
//! taps stay in the namespace that the process was started in.
//!
//! Not here: the interfaces in it (`tap`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use tracing::warn;

use super::{TwinError, check_name};

/// A named network namespace. Dropping it leaves the namespace in place: routing daemons live there
/// across restarts.
#[derive(Debug)]
pub struct NetworkNamespace {
    name: String,
    path: PathBuf,
    file: File,
    created: bool,
}

impl NetworkNamespace {
    /// Opens the namespace `name`, or makes it, and gives it the settings of [`SETTINGS`] and a
    /// loopback interface that is up. The calling thread stays where it is.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN, or with a name that `ip netns` would not take.
    pub fn open_or_create(name: &str) -> Result<Self, TwinError> {
        check_name(name, "a network namespace", 64)?;
        let path = Path::new(DIRECTORY).join(name);
        let created = !is_namespace(&path);
        if created {
            prepare_directory()?;
            create_mount_point(&path)?;
            let target = path.clone();
            on_a_thread_of_its_own(move || make_namespace(&target))
                .inspect_err(|_| discard(fs::remove_file(&path)))?;
        }
        let file = File::open(&path)
            .map_err(|error| TwinError::from_io(format!("open {}", path.display()), error))?;
        let inside = file
            .try_clone()
            .map_err(|error| TwinError::from_io("duplicate a descriptor", error))?;
        on_a_thread_of_its_own(move || {
            enter(&inside)?;
            apply_settings();
            raise_loopback()
        })?;
        Ok(Self { name: name.into(), path, file, created })
    }

    /// Its name, as `ip netns list` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this process made it.
    #[must_use]
    pub fn was_created(&self) -> bool {
        self.created
    }

    /// Moves the calling thread into the namespace, for good. Sockets and TAPs that it opens from
    /// then on belong there, as do threads that it starts.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn enter(&self) -> Result<(), TwinError> {
        enter(&self.file)
    }

    /// Removes the namespace's name, if this process made it; one that was there before stays. The
    /// kernel ends the namespace and its persistent TAPs when the last thread and descriptor have
    /// left.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn remove(self) -> Result<(), TwinError> {
        if !self.created {
            return Ok(());
        }
        let action = || format!("remove the network namespace {}", self.name);
        umount2(&self.path, MntFlags::MNT_DETACH)
            .map_err(|error| TwinError::from_io(action(), error.into()))?;
        fs::remove_file(&self.path).map_err(|error| TwinError::from_io(action(), error))
    }
}

/// Raises the kernel's limits on neighbours to hold `neighbours` entries beside others. They exist
/// once per machine, and only the initial namespace shows them: call it before
/// [`NetworkNamespace::enter`]. Elsewhere (in a container) it warns and changes nothing. Managed
/// entries are exempt from these limits (the kernel does not count externally learned ones); what
/// needs the room is resolution of on-link clients and routers.
pub fn raise_neighbour_limits(neighbours: usize) {
    for family in ["ipv4", "ipv6"] {
        let factors = [("gc_thresh1", 1), ("gc_thresh2", 2), ("gc_thresh3", 4)];
        for (threshold, factor) in factors {
            let path = format!("/proc/sys/net/{family}/neigh/default/{threshold}");
            if let Err(error) = raise(&path, neighbours.saturating_mul(factor)) {
                warn!(
                    path,
                    %error,
                    "cannot raise the kernel's limit on neighbours from here: on the host, set \
                     net.{family}.neigh.default.{threshold} to at least {}",
                    neighbours.saturating_mul(factor)
                );
                break;
            }
        }
    }
}

/// Settings of the namespace, relative to `/proc/sys/net`. `default` is for interfaces to come.
pub const SETTINGS: &[(&str, &str)] = &[
    // Forwarding is the workers' task; a kernel that forwards would do it a second time.
    ("ipv4/ip_forward", "0"),
    ("ipv6/conf/all/forwarding", "0"),
    // A probe's answer may come in by another twin than the kernel would take back.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Answer ARP on the twin that has the address only, and ask with that twin's own address: all
    // twins are in one namespace, and the kernel would otherwise speak for one on another.
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/conf/default/arp_ignore", "1"),
    ("ipv4/conf/all/arp_announce", "2"),
    ("ipv4/conf/default/arp_announce", "2"),
    // Announce own addresses when a twin comes up; switches learn where the port moved to.
    ("ipv4/conf/default/arp_notify", "1"),
    ("ipv6/conf/default/ndisc_notify", "1"),
    // A gratuitous ARP updates an entry but never makes one: no stranger fills the table.
    ("ipv4/conf/all/arp_accept", "0"),
    ("ipv4/conf/default/arp_accept", "0"),
    // Taking one address of a twin away leaves the others of its prefix.
    ("ipv4/conf/all/promote_secondaries", "1"),
    ("ipv4/conf/default/promote_secondaries", "1"),
    // A router takes its routes from its configuration and its routing daemon.
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv6/conf/all/accept_redirects", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/autoconf", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    // The link-local address stays (EUI-64): without it the kernel cannot send the neighbour
    // solicitations of managed entries, and BGP over link-local needs it. Its noise is a few MLD
    // reports.
    ("ipv6/conf/default/addr_gen_mode", "0"),
    // No duplicate address detection: a TAP comes up before its port forwards, so the question
    // would go unheard, and the address would be tentative for the first second of probes and BGP.
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    // A twin without a reader loses its carrier, and the kernel would forget every neighbour on it,
    // managed ones too. Kept, they are at hand when the next process opens it; what moved meanwhile
    // is found by probing.
    ("ipv4/conf/all/arp_evict_nocarrier", "0"),
    ("ipv4/conf/default/arp_evict_nocarrier", "0"),
    ("ipv6/conf/all/ndisc_evict_nocarrier", "0"),
    ("ipv6/conf/default/ndisc_evict_nocarrier", "0"),
    // IPv6 addresses outlive an administrative down.
    ("ipv6/conf/all/keep_addr_on_down", "1"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
    // Routes by nexthop objects are shown with their hops written out, which the mirror reads.
    ("ipv4/nexthop_compat_mode", "1"),
    // The kernel tells of IPv6 routes that go with their link.
    ("ipv6/route/skip_notify_on_dev_down", "0"),
];

fn apply_settings() {
    for (setting, value) in SETTINGS {
        let path = Path::new("/proc/sys/net").join(setting);
        let known = fs::read_to_string(&path).is_ok_and(|now| now.trim() == *value);
        if known {
            continue;
        }
        if let Err(error) = fs::write(&path, value) {
            warn!(path = %path.display(), value, %error, "cannot set a kernel parameter");
        }
    }
}

fn raise(path: &str, at_least: usize) -> io::Result<()> {
    let now: usize = fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)?;
    if now < at_least { fs::write(path, at_least.to_string()) } else { Ok(()) }
}

fn is_namespace(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == NSFS_MAGIC)
}

/// Makes `/run/netns` a shared mount, as `ip netns` does, so that a namespace made in one mount
/// namespace can be seen, and removed, in the others.
fn prepare_directory() -> Result<(), TwinError> {
    let directory = Path::new(DIRECTORY);
    let action = || format!("prepare {DIRECTORY}");
    fs::create_dir_all(directory).map_err(|error| TwinError::from_io(action(), error))?;
    let share =
        || mount(NOTHING, directory, NOTHING, MsFlags::MS_SHARED | MsFlags::MS_REC, NOTHING);
    if share().is_ok() {
        return Ok(());
    }
    mount(Some(directory), directory, NOTHING, MsFlags::MS_BIND | MsFlags::MS_REC, NOTHING)
        .and_then(|()| share())
        .map_err(|error| TwinError::from_io(action(), error.into()))
}

/// The file that the namespace is mounted on. A file left by a creation that failed is used again.
fn create_mount_point(path: &Path) -> Result<(), TwinError> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(TwinError::from_io(format!("create {}", path.display()), error)),
    }
}

fn make_namespace(path: &Path) -> Result<(), TwinError> {
    let action = || format!("create the network namespace {}", path.display());
    unshare(CloneFlags::CLONE_NEWNET)
        .and_then(|()| {
            let own = Path::new("/proc/thread-self/ns/net");
            mount(Some(own), path, NOTHING, MsFlags::MS_BIND, NOTHING)
        })
        .map_err(|error| TwinError::from_io(action(), error.into()))
}

fn enter(file: &File) -> Result<(), TwinError> {
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(|error| TwinError::from_io("enter the network namespace", error.into()))
}

/// IPv6 and probes of the kernel to itself need a loopback that is up.
fn raise_loopback() -> Result<(), TwinError> {
    let action = "bring up the namespace's loopback interface";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| TwinError::from_io(action, error))?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|error| TwinError::from_io(action, error))?;
        tokio::spawn(connection);
        let up = rtnetlink::LinkUnspec::new_with_index(LOOPBACK_INDEX).up().build();
        let done = handle.link().set(up).execute().await;
        done.map_err(|error| TwinError::from_netlink(action, &error))
    })
}

/// Runs `work` on a thread that ends with it: a namespace is entered by a thread, and the caller's
/// is not to be moved.
fn on_a_thread_of_its_own(
    work: impl FnOnce() -> Result<(), TwinError> + Send + 'static,
) -> Result<(), TwinError> {
    let thread = std::thread::Builder::new().name("namespace".into()).spawn(work);
    let thread = thread.map_err(|error| TwinError::from_io("start a thread", error))?;
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The failure that led here is the one to report.
fn discard(_result: io::Result<()>) {}

/// Where `ip netns` keeps names (`/var/run` is a link to `/run`).
const DIRECTORY: &str = "/run/netns";
/// The loopback interface is the first of every namespace.
const LOOPBACK_INDEX: u32 = 1;
const NOTHING: Option<&Path> = None;
