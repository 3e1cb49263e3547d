//! Where do operators reach the appliance, and who may?
//!
//! Two unix sockets: one for everything, one that only reads. The kernel asks for write
//! permission of whoever connects (unix(7)), so a mode says who may come in.
//!
//! Not here: opening and serving them (`appliance/src/control/socket`).

use std::path::{Path, PathBuf};

use super::read::{read_name, read_path};
use crate::config::arm::{Field, Object};
use crate::limits::CONTROL_SOCKET_PATH_LENGTH_MAX;

/// One control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSocket {
    /// Where it is, an absolute path.
    pub path: PathBuf,
    /// Its permission bits: read and write for owner, group and others.
    pub mode: u32,
    /// The group that it belongs to; that of the process when absent.
    pub group: Option<String>,
}

/// Both sockets; `None` at the second when it is switched off.
pub(super) type ControlSockets = (ControlSocket, Option<ControlSocket>);

/// Reads both sockets.
pub(super) fn read(object: &Object<'_>) -> Option<ControlSockets> {
    let control = read_control_socket(object);
    let default = control.as_ref().and_then(|control| control.path.parent());
    let beside = default.unwrap_or(Path::new("/run/weir")).join("read-only.sock");
    let path = object.unless_null("readOnlyControlSocket", beside, read_socket_path);
    let mode = object.or("readOnlyControlSocketMode", MODE_DEFAULT, read_mode);
    let group = object.maybe("readOnlyControlSocketGroup", read_name);
    let (control, path, mode, group) = (control?, path?, mode?, group?);
    let Some(path) = path else { return Some((control, None)) };
    refuse_unusable_path(object, &path, &control.path)?;
    Some((control, Some(ControlSocket { path, mode, group })))
}

fn read_control_socket(object: &Object<'_>) -> Option<ControlSocket> {
    let default = PathBuf::from("/run/weir/control.sock");
    let path = object.or("controlSocket", default, read_socket_path);
    let mode = object.or("controlSocketMode", MODE_DEFAULT, |field| {
        let mode = read_mode(field)?;
        if mode & WRITABLE_BY_OTHERS != 0 {
            field.error(
                "InvalidMode",
                format!(
                    "Mode {mode:04o} lets every user of the machine change the configuration. \
                     Leave others out (0660) and name a group in `controlSocketGroup`; \
                     `readOnlyControlSocketMode` may let everybody read."
                ),
            );
            return None;
        }
        Some(mode)
    });
    let group = object.maybe("controlSocketGroup", read_name);
    Some(ControlSocket { path: path?, mode: mode?, group: group? })
}

/// A path that follows from `controlSocket` has not been looked at, and two sockets need two.
fn refuse_unusable_path(object: &Object<'_>, path: &Path, control: &Path) -> Option<()> {
    let message = if path == control {
        "Both control sockets have the same path. Give this one another, or write null for none."
            .to_owned()
    } else if path.as_os_str().len() > CONTROL_SOCKET_PATH_LENGTH_MAX {
        format!(
            "`{}`, beside `controlSocket`, is longer than {CONTROL_SOCKET_PATH_LENGTH_MAX} bytes. \
             Write a shorter path, or null for none.",
            path.display()
        )
    } else {
        return Some(());
    };
    object.error_at("readOnlyControlSocket", "InvalidPath", message);
    None
}

fn read_socket_path(field: &Field<'_>) -> Option<PathBuf> {
    read_path(field, CONTROL_SOCKET_PATH_LENGTH_MAX)
}

/// Permission bits as chmod(1) takes them: `"0660"` or `"660"`.
fn read_mode(field: &Field<'_>) -> Option<u32> {
    let text = field.text()?;
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|it| matches!(it, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
    let mode = mode.filter(|mode| mode & !READ_AND_WRITE == 0);
    if mode.is_none() {
        field.error(
            "InvalidMode",
            format!(
                "`{text}` is not the mode of a socket. Write an octal string of read and write \
                 permissions, such as \"0660\"; a socket has no use for the other bits."
            ),
        );
    }
    mode
}

/// For owner and group.
const MODE_DEFAULT: u32 = 0o660;
/// All that a socket's mode may say.
const READ_AND_WRITE: u32 = 0o666;
/// Whether everybody may connect.
const WRITABLE_BY_OTHERS: u32 = 0o002;
