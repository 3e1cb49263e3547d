//! How do stored configurations get onto the disk, whole or not at all?
//!
//! ```text
//!   .applied-7.json.temporary ─► write, fsync ─► applied-7.json ─► fsync of the directory
//! ```
//!
//! A process that is killed on the way leaves the temporary file and nothing else. Everything goes
//! by the descriptor of the directory; no symbolic link in it is followed.
//!
//! Not here: what the bytes say (`record`), how many are kept (`super`).

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use weir_core::limits::STORED_BYTES_MAX;

use super::record::Damage;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another appliance has it.
    #[error(
        "the state directory {} is in use by another weir; stop it, or set \
         appliance.stateDirectory to a directory of this appliance's own", .0.display()
    )]
    InUse(PathBuf),
    /// Others could write into it what weir would start with.
    #[error(
        "the state directory {} {problem}; weir starts with what is stored there, so it has to \
         be weir's alone: chown it to the user that weir runs as, and chmod 0750", path.display()
    )]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot even be looked into.
    #[error(
        "cannot {action} the state directory {}: {source}; repair it, or set \
         appliance.stateDirectory to one that weir can use", path.display()
    )]
    Unusable {
        /// What was tried.
        action: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in it cannot be written.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A step of writing, once it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The temporary file is there, empty.
    Created,
    /// It has all its bytes.
    Written,
    /// The disk has them.
    Synchronised,
    /// It has its name.
    Renamed,
}

/// The state directory, opened and locked.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    descriptor: File,
    /// Held for life. None while the disk is full or read-only and has no file to lock; each write
    /// tries again.
    lock: Option<Flock<File>>,
}

impl Directory {
    /// Opens and locks the directory; one that is missing is made with mode 0750. Returns how many
    /// temporary files of a killed process it removed.
    ///
    /// # Errors
    /// When it is another's, or the system refuses.
    pub(super) fn open(path: &Path) -> Result<(Self, usize), DirectoryError> {
        let unusable =
            |action, source| DirectoryError::Unusable { action, path: path.into(), source };
        match DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(|source| unusable("make", source))?,
        }
        let descriptor = File::options()
            .read(true)
            .custom_flags(OFlag::O_DIRECTORY.bits())
            .open(path)
            .map_err(|source| unusable("open", source))?;
        let metadata = descriptor.metadata().map_err(|source| unusable("look at", source))?;
        if let Some(problem) = untrusted(&metadata) {
            return Err(DirectoryError::Untrusted { path: path.into(), problem });
        }
        let mut directory = Self { path: path.into(), descriptor, lock: None };
        directory.lock()?;
        let removed = directory.remove_temporaries();
        Ok((directory, removed))
    }

    /// Whether its path still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        let identity = |it: Metadata| (it.dev(), it.ino());
        let named = std::fs::metadata(&self.path).map(identity);
        let held = self.descriptor.metadata().map(identity);
        matches!((named, held), (Ok(named), Ok(held)) if named == held)
    }

    /// Where the configuration with this number is.
    pub(super) fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(file_name(number))
    }

    /// The numbers of the stored files, whatever state those are in.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn numbers(&self) -> Result<BTreeSet<u64>, DirectoryError> {
        let names = self.names().map_err(|source| DirectoryError::Unusable {
            action: "list",
            path: self.path.clone(),
            source,
        })?;
        Ok(names.iter().filter_map(|name| number_of(name)).collect())
    }

    /// Reads a stored file.
    ///
    /// # Errors
    /// When it is no file of ours, too long, or the system refuses.
    pub(super) fn read(&self, number: u64) -> Result<Vec<u8>, Damage> {
        // Opening a pipe that somebody put there must not wait for a writer.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let file = match self.open_file(&file_name(number), flags) {
            Ok(file) => file,
            Err(Errno::ELOOP) => {
                return Err(Damage::Untrusted("is a symbolic link, and none is followed".into()));
            }
            Err(errno) => return Err(Damage::Unreadable(errno.to_string())),
        };
        let unreadable = |error: io::Error| Damage::Unreadable(error.to_string());
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(Damage::Untrusted("is not a regular file".into()));
        }
        if let Some(problem) = untrusted(&metadata) {
            return Err(Damage::Untrusted(problem));
        }
        if metadata.len() > STORED_BYTES_MAX as u64 {
            return Err(Damage::TooLong(metadata.len()));
        }
        let mut bytes = Vec::new();
        file.take(STORED_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    /// Writes a stored file: whole, or not at all. `after` is told of each step and may end it.
    ///
    /// # Errors
    /// What the system said; a temporary file is removed, and what was stored before stays.
    pub(super) fn write(
        &mut self,
        number: u64,
        bytes: &[u8],
        after: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> Result<(), DirectoryError> {
        self.lock()?;
        let temporary = temporary_name(number);
        let failed =
            |source| DirectoryError::System { action: "write", path: self.path_of(number), source };
        let written = self.write_temporary(&temporary, bytes, after).and_then(|()| {
            renameat(&self.descriptor, &*temporary, &self.descriptor, &*file_name(number))
                .map_err(io::Error::from)
        });
        if written.is_err() {
            // When even that fails, the next start removes it.
            let _left = self.unlink(&temporary);
        }
        written.map_err(failed)?;
        after(Step::Renamed).and_then(|()| self.descriptor.sync_all()).map_err(failed)
    }

    /// Removes a stored file.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        self.unlink(&file_name(number))
    }

    fn write_temporary(
        &self,
        name: &str,
        bytes: &[u8],
        after: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.unlink(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = self.open_file(name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?;
        after(Step::Created)?;
        file.write_all(bytes)?;
        after(Step::Written)?;
        file.sync_all()?;
        after(Step::Synchronised)
    }

    /// Takes the lock, if the file system lets it be taken.
    fn lock(&mut self) -> Result<(), DirectoryError> {
        if self.lock.is_some() {
            return Ok(());
        }
        // Not for writing: that would keep the file system from being made read-only.
        let opened = match self.open_file(LOCK, OFlag::O_RDONLY | OFlag::O_CREAT) {
            Err(Errno::EROFS | Errno::ENOSPC | Errno::EDQUOT) => return Ok(()),
            opened => opened,
        };
        let system = |errno: Errno| DirectoryError::System {
            action: "lock",
            path: self.path.join(LOCK),
            source: errno.into(),
        };
        match Flock::lock(opened.map_err(system)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => self.lock = Some(lock),
            Err((_, Errno::EWOULDBLOCK)) => return Err(DirectoryError::InUse(self.path.clone())),
            Err((_, errno)) => return Err(system(errno)),
        }
        Ok(())
    }

    /// Removes what a process that was killed left behind; without the lock it may be another's.
    fn remove_temporaries(&self) -> usize {
        if self.lock.is_none() {
            return 0;
        }
        let names = self.names().unwrap_or_default();
        let left = names.iter().filter(|name| is_temporary(name));
        left.filter(|name| self.unlink(name).is_ok()).count()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        // A descriptor of its own: reading moves the position in the directory.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let own = openat(self.descriptor.as_fd(), ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(own)?.iter() {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn open_file(&self, name: &str, flags: OFlag) -> Result<File, Errno> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.descriptor, name, flags, Mode::from_bits_truncate(FILE_MODE)).map(File::from)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir)?)
    }
}

/// What keeps weir from trusting a file or directory.
fn untrusted(metadata: &Metadata) -> Option<String> {
    let user = geteuid().as_raw();
    if metadata.uid() != user {
        return Some(format!("belongs to user {}, and weir runs as {user}", metadata.uid()));
    }
    let writable = metadata.mode() & 0o022 != 0;
    writable.then(|| format!("has mode {:04o}: others may write", metadata.mode() & 0o7777))
}

fn file_name(number: u64) -> String {
    format!("applied-{number}.json")
}

/// The number in a file's name; none when weir would not have written it so.
fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix("applied-")?.strip_suffix(".json")?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

fn temporary_name(number: u64) -> String {
    format!(".{}{TEMPORARY}", file_name(number))
}

fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(TEMPORARY));
    inner.and_then(number_of).is_some()
}

const TEMPORARY: &str = ".temporary";
const LOCK: &str = "lock";
/// The group may enter, nobody else.
const DIRECTORY_MODE: u32 = 0o750;
/// The group may read, nobody else.
const FILE_MODE: u32 = 0o640;
