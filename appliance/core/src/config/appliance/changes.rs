//! Which changes to the `appliance` section need a new process?
//!
//! Not here: changes to resources, which a running process can always make (`compile`).

use super::{Appliance, ControlSocket};

/// The parts that differ and that a running process cannot change, as JSON pointers, the
/// control sockets' last. Routes, routed prefixes, own addresses and both logs can change at
/// any time and are never named.
#[must_use]
pub fn changed_appliance_fields(old: &Appliance, new: &Appliance) -> Vec<&'static str> {
    // Taken apart without `..`, so that a new field cannot be forgotten here.
    let Appliance {
        name,
        workers,
        idle,
        lcores,
        ports,
        routes: _,
        routed_prefixes: _,
        network_namespace,
        control_socket,
        read_only_control_socket,
        state_directory,
        log: _,
        session_log: _,
        own_addresses: _,
        limits,
    } = old;
    let parts = [
        ("/appliance/name", *name == new.name),
        ("/appliance/workers", *workers == new.workers),
        ("/appliance/idle", *idle == new.idle),
        ("/appliance/lcores", *lcores == new.lcores),
        ("/appliance/ports", *ports == new.ports),
        ("/appliance/networkNamespace", *network_namespace == new.network_namespace),
        ("/appliance/stateDirectory", *state_directory == new.state_directory),
        ("/appliance/limits", *limits == new.limits),
    ];
    let control = changed_socket_fields(
        Some(control_socket),
        Some(&new.control_socket),
        [
            "/appliance/controlSocket",
            "/appliance/controlSocketMode",
            "/appliance/controlSocketGroup",
        ],
    );
    let read_only = changed_socket_fields(
        read_only_control_socket.as_ref(),
        new.read_only_control_socket.as_ref(),
        [
            "/appliance/readOnlyControlSocket",
            "/appliance/readOnlyControlSocketMode",
            "/appliance/readOnlyControlSocketGroup",
        ],
    );
    let others = parts.into_iter().filter(|(_, same)| !same).map(|(pointer, _)| pointer);
    others.chain(control).chain(read_only).collect()
}

/// Which of path, mode and group differ; of a socket that comes or goes, its path.
fn changed_socket_fields(
    old: Option<&ControlSocket>,
    new: Option<&ControlSocket>,
    [path, mode, group]: [&'static str; 3],
) -> Vec<&'static str> {
    let (Some(old), Some(new)) = (old, new) else {
        return if old.is_some() == new.is_some() { Vec::new() } else { vec![path] };
    };
    let parts = [
        (path, old.path == new.path),
        (mode, old.mode == new.mode),
        (group, old.group == new.group),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(pointer, _)| pointer).collect()
}
