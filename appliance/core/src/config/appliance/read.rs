//! How is the `appliance` section read?
//!
//! Its words are Weir's own, so a key that is not known is an error.
//!
//! Not here: ports (`port`), routes (`route`), control sockets (`control_socket`) and the log of
//! sessions (`session_log`).

use std::collections::HashSet;
use std::path::PathBuf;

use super::{
    Appliance, Hugepages, Idle, Lcores, Limits, Log, LogFormat, LogLevel, OwnAddresses, OwnService,
    Port, control_socket, port, route, session_log,
};
use crate::config::arm::{Field, Object};
use crate::limits::{
    FLOWS_PER_WORKER_DEFAULT, FLOWS_PER_WORKER_MAX, FLOWS_PER_WORKER_MIN, LCORE_MAX, MBUFS_MAX,
    MBUFS_MIN, NAME_LENGTH_MAX, PATH_LENGTH_MAX, WORKERS_MAX,
};

/// The section while it is checked: the ports are known even if something else is wrong.
pub(in crate::config) struct Draft {
    pub(in crate::config) ports: Vec<Port>,
    pub(in crate::config) meaning: Option<Appliance>,
}

/// Reads the section.
pub(in crate::config) fn read(object: &Object<'_>) -> Draft {
    let (ports, ports_complete) = port::read_all(object);
    let name = object.or("name", "weir".to_owned(), read_name);
    let (workers, lcores) = read_workers(object);
    let idle = object.or("idle", Idle::Auto, |field| {
        field.choice(&[("Auto", Idle::Auto), ("Poll", Idle::Poll), ("Adaptive", Idle::Adaptive)])
    });
    let routes = route::read_routes(object, &ports, ports_complete);
    let routed_prefixes = route::read_routed_prefixes(object);
    let network_namespace = object.or("networkNamespace", "weir".to_owned(), read_name);
    let sockets = control_socket::read(object);
    let state_directory = object
        .or("stateDirectory", "/var/lib/weir".into(), |field| read_path(field, PATH_LENGTH_MAX));
    let log = read_log(&object.object("log"));
    let session_log = session_log::read(object);
    let own_addresses = read_own_addresses(&object.object("ownAddresses"));
    let limits = read_limits(&object.object("limits"));
    object.finish_strictly();
    let meaning = || {
        let (control_socket, read_only_control_socket) = sockets?;
        Some(Appliance {
            name: name?,
            workers: workers?,
            idle: idle?,
            lcores: lcores?,
            ports: ports_complete.then(|| ports.clone())?,
            routes: routes?,
            routed_prefixes: routed_prefixes?,
            network_namespace: network_namespace?,
            control_socket,
            read_only_control_socket,
            state_directory: state_directory?,
            log: log?,
            session_log: session_log?,
            own_addresses: own_addresses?,
            limits: limits?,
        })
    };
    let meaning = meaning();
    Draft { ports, meaning }
}

/// The number of workers and their lcores; the list of lcores says the number when `workers`
/// does not.
fn read_workers(object: &Object<'_>) -> (Option<usize>, Option<Option<Lcores>>) {
    let workers = object.maybe("workers", |field| field.integer(1..=WORKERS_MAX));
    let lcores = object.maybe("lcores", |field| read_lcores(&field.object()?));
    let listed = lcores.as_ref().and_then(|lcores| lcores.as_ref().map(|list| list.workers.len()));
    match (workers, listed) {
        (Some(Some(workers)), Some(listed)) if workers != listed => {
            object.error_at(
                "lcores",
                "LcoresDoNotMatchWorkers",
                format!(
                    "`workers` is {workers} and `lcores.workers` lists {listed}. List one lcore \
                     per worker."
                ),
            );
            (None, None)
        }
        (workers, listed) => (workers.map(|number| number.or(listed).unwrap_or(1)), lcores),
    }
}

fn read_lcores(object: &Object<'_>) -> Option<Lcores> {
    let read_lcore = |field: &Field<'_>| field.integer(0..=LCORE_MAX);
    let control = object.required("control").and_then(|field| read_lcore(&field));
    let fields = object.required("workers").and_then(|field| field.list());
    let workers: Option<Vec<_>> = fields.and_then(|fields| {
        let lcores: Vec<_> = fields.iter().map(read_lcore).collect();
        lcores.into_iter().collect()
    });
    object.finish_strictly();
    let (control, workers): (u16, Vec<u16>) = (control?, workers?);
    if !(1..=WORKERS_MAX).contains(&workers.len()) {
        let message = format!("List 1 to {WORKERS_MAX} lcores; here are {}.", workers.len());
        object.error_at("workers", "LimitExceeded", message);
        return None;
    }
    let distinct: HashSet<_> = workers.iter().chain([&control]).collect();
    if distinct.len() <= workers.len() {
        object.error_at(
            "workers",
            "DuplicateLcore",
            "An lcore is listed twice, or is also the control lcore. Name each once.",
        );
        return None;
    }
    Some(Lcores { control, workers })
}

fn read_log(object: &Object<'_>) -> Option<Log> {
    let format = object.or("format", LogFormat::Human, |field| {
        field.choice(&[("Human", LogFormat::Human), ("Json", LogFormat::Json)])
    });
    let level = object.or("level", LogLevel::Info, |field| {
        field.choice(&[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ])
    });
    object.finish_strictly();
    Some(Log { format: format?, level: level? })
}

fn read_own_addresses(object: &Object<'_>) -> Option<OwnAddresses> {
    let read = |field: &Field<'_>| {
        field.choice(&[
            ("Icmp", OwnService::Icmp),
            ("Bgp", OwnService::Bgp),
            ("Bfd", OwnService::Bfd),
            ("Ssh", OwnService::Ssh),
        ])
    };
    let allow = object.or("allow", Vec::new(), |field| {
        let services: Vec<_> = field.list()?.iter().map(read).collect();
        services.into_iter().collect()
    });
    object.finish_strictly();
    let mut allow: Vec<OwnService> = allow?;
    allow.sort_unstable();
    allow.dedup();
    Some(OwnAddresses { allow })
}

fn read_limits(object: &Object<'_>) -> Option<Limits> {
    let flows_per_worker = object.or("flowsPerWorker", FLOWS_PER_WORKER_DEFAULT, |field| {
        field.integer(FLOWS_PER_WORKER_MIN..=FLOWS_PER_WORKER_MAX)
    });
    let hugepages = object.or("hugepages", Hugepages::Auto, |field| {
        field.choice(&[
            ("Auto", Hugepages::Auto),
            ("Require", Hugepages::Require),
            ("Never", Hugepages::Never),
        ])
    });
    let mbufs = object.maybe("mbufs", |field| field.integer(MBUFS_MIN..=MBUFS_MAX));
    object.finish_strictly();
    Some(Limits { flows_per_worker: flows_per_worker?, hugepages: hugepages?, mbufs: mbufs? })
}

/// Refuses what is not a power of two, and names the nearest one above.
pub(super) fn require_power_of_two(field: &Field<'_>, number: usize) -> Option<usize> {
    if !number.is_power_of_two() {
        field.error(
            "NotAPowerOfTwo",
            format!("{number} is not a power of two. Write {}.", number.next_power_of_two()),
        );
        return None;
    }
    Some(number)
}

/// A name that may stand in a path: letters, digits, `_`, `.` and `-`, beginning with a letter,
/// digit or `_`.
pub(super) fn read_name(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let fits = text.starts_with(is_word)
        && text.len() <= NAME_LENGTH_MAX
        && text.chars().all(|character| is_word(character) || ".-".contains(character));
    if !fits {
        field.error(
            "InvalidName",
            format!(
                "`{text}` is not a name. Use 1 to {NAME_LENGTH_MAX} letters, digits, `_`, `.` or \
                 `-`; begin with a letter, digit or `_`."
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

/// An absolute path of at most `length_max` bytes.
pub(super) fn read_path(field: &Field<'_>, length_max: usize) -> Option<PathBuf> {
    let text = field.text()?;
    let fits = text.starts_with('/') && text.len() <= length_max && !text.contains('\0');
    if !fits {
        field.error(
            "InvalidPath",
            format!("`{text}` is not usable. Give an absolute path of at most {length_max} bytes."),
        );
        return None;
    }
    Some(PathBuf::from(text))
}
