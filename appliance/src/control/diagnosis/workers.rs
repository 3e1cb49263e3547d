//! Do the workers turn, and have they time left?

use weir_core::api::{Finding, WorkerStatus};

use super::finding::{fine, problem, some_of, warning};

/// Judges heartbeats and load.
pub(super) fn judge(workers: &[WorkerStatus]) -> Vec<Finding> {
    vec![heartbeats(workers), load(workers)]
}

fn heartbeats(workers: &[WorkerStatus]) -> Finding {
    let stuck = workers.iter().filter(|worker| worker.state == "stuck");
    let stuck: Vec<String> = stuck
        .map(|it| {
            let (lcore, silent) = (it.lcore, it.heartbeat_milliseconds_ago);
            format!("worker {} on lcore {lcore} ({silent} ms)", it.worker)
        })
        .collect();
    if stuck.is_empty() {
        return fine("worker-heartbeat", format!("every worker turns ({})", workers.len()));
    }
    problem(
        "worker-heartbeat",
        format!("no sign of life of {}", some_of(stuck)),
        "Its processor is taken away: look for another process or a real-time task on that CPU \
         (`ps -eLo psr,pid,comm`), for a suspended virtual machine, or name free ones in \
         `appliance.lcores`. If the CPU is its own, report a defect.",
    )
}

fn load(workers: &[WorkerStatus]) -> Finding {
    let busiest = workers.iter().map(|worker| worker.busy_percent).max().unwrap_or(0);
    let busy = workers.iter().filter(|worker| worker.busy_percent > BUSY_PERCENT);
    let busy: Vec<String> =
        busy.map(|it| format!("worker {} ({} %)", it.worker, it.busy_percent)).collect();
    if busy.is_empty() {
        return fine(
            "worker-load",
            format!("the busiest worker found work in {busiest} % of its turns"),
        );
    }
    let alone = busy.len() < workers.len();
    warning(
        "worker-load",
        format!("nearly no turn without packets: {}", some_of(busy)),
        if alone {
            "The others have time left: the device has too few queues, or one flow is very \
             large; see the log's table of ports."
        } else {
            "Add workers (`appliance.workers`) and queues, or a second appliance."
        },
    )
}

/// Above this, a burst that takes longer than the last finds the queue full.
const BUSY_PERCENT: u8 = 90;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Warning};

    use super::super::finding::tests::assert_found;
    use super::*;

    fn worker(worker: u8, state: &str, busy_percent: u8) -> WorkerStatus {
        let heartbeat_milliseconds_ago = if state == "stuck" { 2_500 } else { 3 };
        let state = state.to_owned();
        WorkerStatus {
            worker,
            lcore: 4,
            state,
            busy_percent,
            heartbeat_milliseconds_ago,
            ..WorkerStatus::default()
        }
    }

    #[test]
    fn workers_that_are_stuck_or_busy_are_named() {
        for (name, workers, expected) in [
            (
                "well",
                vec![worker(0, "running", 90), worker(1, "asleep", 0)],
                [(Ok, "every worker turns (2)"), (Ok, "90 %")],
            ),
            (
                "one stuck",
                vec![worker(0, "running", 0), worker(1, "stuck", 0)],
                [(Problem, "worker 1 on lcore 4 (2500 ms)"), (Ok, "0 %")],
            ),
            (
                "one busy",
                vec![worker(0, "running", 91), worker(1, "running", 5)],
                [(Ok, "every worker turns (2)"), (Warning, "worker 0 (91 %)")],
            ),
            (
                "all busy",
                vec![worker(0, "running", 100), worker(1, "running", 99)],
                [(Ok, "every worker turns (2)"), (Warning, "worker 0 (100 %), worker 1 (99 %)")],
            ),
        ] {
            assert_found(name, &judge(&workers), &expected);
        }
        let remedy = |workers: &[WorkerStatus]| load(workers).remedy;
        assert!(
            remedy(&[worker(0, "running", 91), worker(1, "running", 5)]).contains("queues, or one")
        );
        assert!(remedy(&[worker(0, "running", 91)]).contains("Add workers"));
    }
}
