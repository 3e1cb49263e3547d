//! Which changes to the `appliance` section need a new process?
//!
//! Not here: changes to resources, which a running process can always make (`compile`).

use super::Appliance;

/// The parts that differ and that a running process cannot change, as JSON pointers in the order
/// of the documentation. Routes, routed prefixes, own addresses and the log can change at any
/// time and are never named.
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
        control_socket_group,
        state_directory,
        log: _,
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
        ("/appliance/controlSocket", *control_socket == new.control_socket),
        ("/appliance/controlSocketGroup", *control_socket_group == new.control_socket_group),
        ("/appliance/stateDirectory", *state_directory == new.state_directory),
        ("/appliance/limits", *limits == new.limits),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(pointer, _)| pointer).collect()
}
