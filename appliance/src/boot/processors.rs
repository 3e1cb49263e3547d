//! Which processor does each worker run on, and may it rest there?
//!
//! Told from the configuration and the machine alone, so that what cannot work is refused before
//! DPDK takes any memory.

use std::path::Path;
use std::thread;

use weir_core::config::{Appliance, Idle};

use super::BootError;
use super::eal::is_pci;

/// Where workers run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seats {
    /// Whether workers rest when there is nothing to do.
    pub adaptive: bool,
    /// Each worker's processor; none where the kernel shares them out.
    pub processors: Vec<Option<usize>>,
}

/// As configured; else one processor each beside the control side's where there are enough; else
/// none, if workers rest.
///
/// # Errors
/// [`BootError::Lcores`] for a processor that this machine lacks, and for more polling workers than
/// it has processors to spare.
pub(super) fn seats(appliance: &Appliance) -> Result<Seats, BootError> {
    let available = thread::available_parallelism().map_or(1, usize::from);
    seats_among(appliance, available, exists)
}

fn seats_among(
    appliance: &Appliance,
    available: usize,
    exists: impl Fn(usize) -> bool,
) -> Result<Seats, BootError> {
    let workers = appliance.workers;
    let adaptive = is_adaptive(appliance);
    if let Some(lcores) = &appliance.lcores {
        let named = lcores.workers.iter().chain([&lcores.control]);
        if let Some(missing) = named.map(|it| usize::from(*it)).find(|it| !exists(*it)) {
            return Err(BootError::Lcores(format!(
                "appliance.lcores names processor {missing}, which this machine does not have; \
                 see /sys/devices/system/cpu/online"
            )));
        }
        let processors = lcores.workers.iter().map(|it| Some(usize::from(*it))).collect();
        return Ok(Seats { adaptive, processors });
    }
    if available > workers {
        return Ok(Seats { adaptive, processors: (1..=workers).map(Some).collect() });
    }
    if !adaptive {
        return Err(BootError::Lcores(format!(
            "{workers} polling workers and the control side need {} processors and there are \
             {available}: lower appliance.workers or set appliance.idle to Adaptive",
            workers + 1
        )));
    }
    Ok(Seats { adaptive, processors: vec![None; workers] })
}

/// Whether workers rest when there is nothing to do: on virtual devices, unless told otherwise.
fn is_adaptive(appliance: &Appliance) -> bool {
    match appliance.idle {
        Idle::Poll => false,
        Idle::Adaptive => true,
        Idle::Auto => appliance.ports.iter().any(|port| !is_pci(&port.device)),
    }
}

fn exists(processor: usize) -> bool {
    Path::new(&format!("/sys/devices/system/cpu/cpu{processor}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appliance(workers: usize, idle: Idle, lcores: &str) -> Appliance {
        let text = format!(
            r#"{{"appliance": {{"name": "w", "workers": {workers}, {lcores}
                "ports": [{{"name": "front", "device": "net_tap0",
                            "addresses": ["192.0.2.1/24"]}}]}}}}"#
        );
        let checked = weir_core::config::check(text.as_bytes()).expect("a configuration");
        Appliance { idle, ..checked.configuration.appliance }
    }

    #[test]
    fn workers_get_a_processor_each_where_there_are_enough() {
        let seats = seats_among(&appliance(2, Idle::Poll, ""), 3, |_| true).expect("seats");
        assert_eq!(seats, Seats { adaptive: false, processors: vec![Some(1), Some(2)] });
    }

    #[test]
    fn workers_that_rest_may_be_more_than_processors() {
        let seats = seats_among(&appliance(4, Idle::Auto, ""), 2, |_| true).expect("seats");
        assert_eq!(seats, Seats { adaptive: true, processors: vec![None; 4] });
    }

    #[test]
    fn too_few_processors_for_polling_workers_are_counted() {
        let refused = seats_among(&appliance(16, Idle::Poll, ""), 2, |_| true);
        let text = refused.expect_err("too few").to_string();
        assert!(text.contains("17 processors and there are 2: lower appliance.workers"), "{text}");
    }

    #[test]
    fn a_processor_that_is_not_there_is_named() {
        let lcores = r#""lcores": {"control": 0, "workers": [9]},"#;
        let refused = seats_among(&appliance(1, Idle::Auto, lcores), 2, |it| it < 2);
        let text = refused.expect_err("no such processor").to_string();
        assert!(text.contains("processor 9"), "{text}");
    }
}
