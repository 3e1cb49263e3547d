//! What does `doctor` ask, and whom? The machine by itself, then the appliance.

use std::path::Path;
use std::process::ExitCode;

use weir_core::api::{Diagnosis, Finding, FindingState, Method, Status};

use crate::doctor::{self, Placement};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;
use crate::session::Session;

/// Judges this machine below `root` and lets the appliance judge itself.
pub(super) fn run(session: &Session<'_>, root: &Path) -> Result<ExitCode, Failure> {
    let progress = Progress::of("Looking at machine and appliance");
    let (placement, of_appliance) = match ask(session) {
        Ok((placement, findings)) => (placement, findings),
        Err(failure) => (Placement::default(), vec![no_answer(&failure)]),
    };
    let machine = doctor::examine(root, &placement);
    drop(progress);
    let has_problem =
        machine.iter().chain(&of_appliance).any(|finding| finding.state == FindingState::Problem);
    if session.is_json() {
        let findings = machine.into_iter().chain(of_appliance).collect();
        session.print(&render::json(&Diagnosis { findings }))?;
    } else {
        session.print(&render::findings("This machine", &machine))?;
        session.print("\n")?;
        session.print(&render::findings("The appliance", &of_appliance))?;
    }
    Ok(if has_problem { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn ask(session: &Session<'_>) -> Result<(Placement, Vec<Finding>), Failure> {
    let mut connection = session.connect()?;
    let status: Status = connection.ask(Method::Status)?;
    let placement = Placement {
        lcores: status.workers.iter().map(|worker| worker.lcore).collect(),
        devices: status.ports.into_iter().map(|port| port.device).collect(),
    };
    // An appliance without `diagnose` has still said where it runs.
    let findings = match connection.ask::<Diagnosis>(Method::Diagnose) {
        Ok(diagnosis) => diagnosis.findings,
        Err(error) => vec![no_answer(&Failure::Client(error))],
    };
    Ok((placement, findings))
}

fn no_answer(failure: &Failure) -> Finding {
    Finding {
        check: "appliance".into(),
        state: FindingState::Problem,
        detail: failure.to_string(),
        remedy: "Then look again: what depends on its workers and ports could not be judged."
            .into(),
    }
}
