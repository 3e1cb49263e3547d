//! How do the control sockets come to their places in the file system, and leave them?
//!
//! A socket that is bound but does not listen yet accepts nobody. So owner and mode are set
//! between the two, and there is no moment at which the wrong user could connect, whatever the
//! umask.
//!
//! Not here: serving (`super`).

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use nix::unistd::{Gid, Group, chown};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use weir_core::config::{Appliance, ControlSocket};

/// Why a control socket cannot be opened.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another process answers there, or is about to.
    #[error("{0} is in use by another weir; stop it or set appliance.{1} to another path")]
    InUse(PathBuf, &'static str),
    /// Something else has that name.
    #[error("{0} exists and is not a socket; remove it or set appliance.{1}")]
    NotASocket(PathBuf, &'static str),
    /// The path has no directory to put the socket in.
    #[error("{0} names no file; set appliance.{1} to one, such as /run/weir/control.sock")]
    NoDirectory(PathBuf, &'static str),
    /// The kernel takes at most 107 bytes.
    #[error("{0} is too long for a unix socket; set appliance.{1} to at most 107 bytes")]
    PathTooLong(PathBuf, &'static str),
    /// The group is not known to the system.
    #[error("there is no group {0:?}; create it with groupadd --system {0}, or name another")]
    NoSuchGroup(String),
    /// The file system or the kernel refused.
    #[error("cannot {action} {path}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What whoever comes in by a control socket may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and change.
    Everything,
    /// Read.
    ReadOnly {
        /// The socket that takes changes.
        changes_at: PathBuf,
    },
}

/// A listening control socket; removes its file when dropped, unless another has replaced it.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    access: Access,
    path: PathBuf,
    identity: (u64, u64),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.inner.accept().await.map(|(stream, _)| stream)
    }

    /// What its clients may do.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

/// Opens the control sockets of the configuration, that for everything first. A missing parent
/// directory is made for the group of `controlSocket` with mode 0750, or 0751 where others have to
/// pass it on their way to a socket; one that exists is left as it is. A socket that nobody serves
/// is replaced. Has to be called inside the runtime that serves them.
///
/// # Errors
/// Names what is in the way and what to do about it; nothing is left behind.
pub fn open(appliance: &Appliance) -> Result<Vec<Listener>, SocketError> {
    let control = &appliance.control_socket;
    let read_only = appliance.read_only_control_socket.as_ref();
    let is_for_others = |it: &ControlSocket| it.group != control.group || it.mode & OTHERS != 0;
    let directory_mode = match read_only {
        Some(socket) if is_for_others(socket) => DIRECTORY_MODE | PASSABLE,
        Some(_) | None => DIRECTORY_MODE,
    };
    let wanted = Wanted {
        socket: control,
        property: "controlSocket",
        access: Access::Everything,
        directory_mode,
    };
    let mut listeners = vec![bind(wanted)?];
    if let Some(socket) = read_only {
        let access = Access::ReadOnly { changes_at: control.path.clone() };
        let property = "readOnlyControlSocket";
        listeners.push(bind(Wanted { socket, property, access, directory_mode })?);
    }
    Ok(listeners)
}

/// A socket to open.
struct Wanted<'a> {
    socket: &'a ControlSocket,
    /// Which property of `appliance` names it.
    property: &'static str,
    access: Access,
    /// Of its directory, if that has to be made.
    directory_mode: u32,
}

fn bind(wanted: Wanted<'_>) -> Result<Listener, SocketError> {
    let Wanted { socket: ControlSocket { path, mode, group }, property, access, directory_mode } =
        wanted;
    let directory = path
        .parent()
        .filter(|_| path.file_name().is_some())
        .ok_or_else(|| SocketError::NoDirectory(path.into(), property))?;
    let address =
        UnixAddr::new(path).map_err(|_| SocketError::PathTooLong(path.into(), property))?;
    let group = group.as_deref().map(group_id).transpose()?;
    make_directory(directory, group, directory_mode)?;

    // Two appliances that start at once must not each take the other's socket for a stale one.
    let _starting = lock(directory, path, property)?;
    remove_stale(&address, path, property)?;
    let descriptor = bind_privately(&address, path, property)?;
    let bound = Bound { path };
    give_to(path, group)?;
    fs::set_permissions(path, fs::Permissions::from_mode(*mode))
        .map_err(|source| system("set the mode of", path, source))?;
    let listener = listen(descriptor).map_err(|source| system("listen on", path, source))?;
    let identity = identity(path).map_err(|source| system("look at", path, source))?;
    bound.keep();
    Ok(Listener { inner: listener, access, path: path.clone(), identity })
}

/// Removes the file of a socket that could not be opened to the end.
struct Bound<'a> {
    path: &'a Path,
}

impl Bound<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a half-made socket");
        }
    }
}

fn group_id(name: &str) -> Result<Gid, SocketError> {
    let group = Group::from_name(name)
        .map_err(|errno| system("look up the group of", Path::new(name), errno.into()))?;
    group.map(|group| group.gid).ok_or_else(|| SocketError::NoSuchGroup(name.into()))
}

fn make_directory(directory: &Path, group: Option<Gid>, mode: u32) -> Result<(), SocketError> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
        .map_err(|source| system("make the directory", directory, source))?;
    give_to(directory, group)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
        .map_err(|source| system("set the mode of", directory, source))
}

fn give_to(path: &Path, group: Option<Gid>) -> Result<(), SocketError> {
    if group.is_none() {
        return Ok(());
    }
    chown(path, None, group).map_err(|errno| system("give to its group", path, errno.into()))
}

fn lock(directory: &Path, path: &Path, property: &'static str) -> Result<Flock<File>, SocketError> {
    let file = File::open(directory).map_err(|source| system("open", directory, source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == Errno::EWOULDBLOCK {
            SocketError::InUse(path.into(), property)
        } else {
            system("lock", directory, errno.into())
        }
    })
}

fn remove_stale(
    address: &UnixAddr,
    path: &Path,
    property: &'static str,
) -> Result<(), SocketError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(system("look at", path, source)),
    };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.into(), property));
    }
    let caller = unconnected(path)?;
    match socket::connect(caller.as_raw_fd(), address) {
        Err(Errno::ECONNREFUSED) => {
            fs::remove_file(path).map_err(|source| system("remove the stale socket", path, source))
        }
        // Answered, or a live server whose queue of connections is full.
        Ok(()) | Err(Errno::EAGAIN) => Err(SocketError::InUse(path.into(), property)),
        Err(errno) => Err(system("try", path, errno.into())),
    }
}

fn bind_privately(
    address: &UnixAddr,
    path: &Path,
    property: &'static str,
) -> Result<OwnedFd, SocketError> {
    let descriptor = unconnected(path)?;
    match socket::bind(descriptor.as_raw_fd(), address) {
        Ok(()) => Ok(descriptor),
        Err(Errno::EADDRINUSE) => Err(SocketError::InUse(path.into(), property)),
        Err(errno) => Err(system("bind", path, errno.into())),
    }
}

/// A socket that never waits.
fn unconnected(path: &Path) -> Result<OwnedFd, SocketError> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(|errno| system("make a socket for", path, errno.into()))
}

fn listen(descriptor: OwnedFd) -> io::Result<UnixListener> {
    socket::listen(&descriptor, Backlog::MAXCONN)?;
    UnixListener::from_std(StdListener::from(descriptor))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn system(action: &'static str, path: &Path, source: io::Error) -> SocketError {
    SocketError::System { action, path: path.into(), source }
}

/// The group may enter, nobody else.
const DIRECTORY_MODE: u32 = 0o750;
/// Others may pass a directory, and not look into it.
const PASSABLE: u32 = 0o001;
/// Whom a socket's mode lets in beside owner and group.
const OTHERS: u32 = 0o006;
